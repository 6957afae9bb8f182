"""Pseudonyms: one value, one text, whatever its spelling; forms that stay valid."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import UserError
from scrubbers.addresses import canonical, parse_ip
from scrubbers.entities import EntityType as E
from scrubbers.ipcrypt import passes_elsewhere
from scrubbers.keyring import Keyring
from scrubbers.pseudonyms import Pseudonymiser

RING = Keyring.throwaway()
RING.add_tenant("acme")
RING.add_tenant("borealis")
ACME = Pseudonymiser(RING.tenant("acme"))
BOREALIS = Pseudonymiser(RING.tenant("borealis"))


@pytest.mark.parametrize("spelling", ["UTICA", "utica", "Utica.", "UTICA$", "\\\\UTICA"])
def test_one_machine_has_one_pseudonym_in_every_spelling(spelling: str) -> None:
    """15 characters: a DNS label and a NetBIOS name."""
    pseudonym = ACME.replace(E.COMPUTER_NAME, spelling)
    assert pseudonym == ACME.replace(E.COMPUTER_NAME, "utica")
    assert re.fullmatch(r"pc-[a-z2-7]{12}", pseudonym)


def test_a_dns_name_shares_its_label_with_the_bare_name_and_its_domain_with_others() -> None:
    """`utica.example.local` and `nashua.example.local`."""
    utica = ACME.replace(E.COMPUTER_NAME, "UTICA.example.local")
    nashua = ACME.replace(E.COMPUTER_NAME, "nashua.EXAMPLE.local.")
    assert utica.split(".")[0] == ACME.replace(E.COMPUTER_NAME, "utica")
    assert utica.split(".")[1] == nashua.split(".")[1] == ACME.replace(E.DOMAIN_NAME, "example.local")


def test_the_field_does_not_change_the_pseudonym() -> None:
    """Windows writes computers into domain fields: form alone decides."""
    values = ["WORKSTATION5", "example.local", "web01.example.com"]
    assert [ACME.replace(E.COMPUTER_NAME, v) for v in values] == [ACME.replace(E.DOMAIN_NAME, v) for v in values]


def test_tenants_are_unlinkable() -> None:
    """No value has the same pseudonym for two tenants."""
    values = [
        (E.COMPUTER_NAME, "utica"),
        (E.USER_NAME, "jdoe"),
        (E.IP_ADDRESS, "10.1.2.3"),
        (E.EMAIL_ADDRESS, "a@b.nl"),
    ]
    assert all(ACME.replace(*value) != BOREALIS.replace(*value) for value in values)


@pytest.mark.parametrize(
    "spelling",
    ["10.20.1.2", "010.020.001.002", "::ffff:10.20.1.2", "::ffff:a14:102", "10-20-1-2", "2.1.20.10.in-addr.arpa"],
)
def test_all_spellings_of_an_address_have_one_pseudonym(spelling: str) -> None:
    """Read back, they are the same address."""
    written = parse_ip(ACME.replace(E.IP_ADDRESS, spelling))
    assert canonical(written.packed) == ACME.replace(E.IP_ADDRESS, "10.20.1.2")


def test_networks_keep_their_mask_and_contain_their_addresses() -> None:
    """`10.20.0.0/16` becomes a /16 with zero host bits around the pseudonym of `10.20.1.2`."""
    network, mask = ACME.replace(E.IP_ADDRESS, "10.20.0.0/16").split("/")
    inside = ACME.replace(E.IP_ADDRESS, "10.20.1.2")
    assert mask == "16"
    assert network.endswith(".0.0")
    assert inside.split(".")[:2] == network.split(".")[:2]
    assert not ACME.replace(E.IP_ADDRESS, "10.20.1.2/16").endswith(".0.0/16")


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "255.255.255.255", "224.0.0.251", "::1", "::", "ff02::fb"])
def test_addresses_of_nobody_pass(address: str) -> None:
    """Loopback, unspecified, broadcast, multicast."""
    assert ACME.replace(E.IP_ADDRESS, address) == address


@pytest.mark.parametrize("address", ["169.254.33.7", "fe80::1", "ff02::1:ff3c:4d5e", "192.0.2.1", "10.0.0.1"])
def test_addresses_of_somebody_do_not(address: str) -> None:
    """Link-local and solicited-node too: they carry the MAC."""
    assert ACME.replace(E.IP_ADDRESS, address) != address


def test_what_is_called_an_address_and_is_none_never_stands() -> None:
    """Fail closed with a token."""
    assert re.fullmatch(r"ip-[a-z2-7]{12}", ACME.replace(E.IP_ADDRESS, "10.0.0.999"))


@pytest.mark.parametrize("mac", ["00:1a:2b:3c:4d:5e", "00-1A-2B-3C-4D-5E", "001a.2b3c.4d5e", "001A2B3C4D5E"])
def test_macs_keep_their_form_and_become_locally_administered(mac: str) -> None:
    """Unicast, locally administered (IEEE 802c), the same digits in every form."""
    pseudonym = ACME.replace(E.MAC_ADDRESS, mac)
    digits = re.sub(r"[^0-9a-f]", "", pseudonym.lower())
    assert re.sub(r"[0-9a-fA-F]", "x", pseudonym) == re.sub(r"[0-9a-fA-F]", "x", mac)
    assert int(digits[:2], 16) & 0b11 == 0b10
    assert digits == ACME.replace(E.MAC_ADDRESS, "001a2b3c4d5e")


def test_broadcast_macs_pass() -> None:
    """They name no device."""
    assert ACME.replace(E.MAC_ADDRESS, "ff:ff:ff:ff:ff:ff") == "ff:ff:ff:ff:ff:ff"


def test_solicited_node_macs_do_not_carry_the_device_through() -> None:
    """`33:33:ff` and the low 24 bits of the address; the group's pseudonym has the same ones."""
    mac = ACME.replace(E.MAC_ADDRESS, "33:33:ff:3c:4d:5e")
    group = ACME.replace(E.IP_ADDRESS, "ff02::1:ff3c:4d5e")
    assert mac != "33:33:ff:3c:4d:5e"
    assert bytes.fromhex(mac.replace(":", "")) == b"\x33\x33" + parse_ip(group).packed[-4:]


@pytest.mark.parametrize("mac", ["00:00:00:00:00:00", "01:00:5e:00:00:fb", "33:33:00:00:00:fb"])
def test_macs_of_nobody_pass(mac: str) -> None:
    """All zero, and multicast groups that carry no address of a device."""
    assert ACME.replace(E.MAC_ADDRESS, mac) == mac


@pytest.mark.parametrize(
    ("spelling", "left"), [("ff02::fb%UTICA", "ff02::fb"), ("::1%utica", "::1"), ("%3A%3A1%25utica", "%3A%3A1")]
)
def test_a_zone_goes_also_where_the_address_stays(spelling: str, left: str) -> None:
    """It is the name of an interface, and may be any text."""
    assert ACME.replace(E.IP_ADDRESS, spelling) == left


def test_addresses_of_nobody_pass_as_they_are_written() -> None:
    """No byte is changed that need not be."""
    written = ["0:0:0:0:0:0:0:1", "::FFFF:127.0.0.1", "127.000.000.001", "127.0.0.0/8", "1.0.0.127.in-addr.arpa"]
    assert [ACME.replace(E.IP_ADDRESS, each) for each in written] == written


def test_an_address_in_a_name_field_is_an_address() -> None:
    """Tools write either."""
    assert ACME.replace(E.COMPUTER_NAME, "10.20.1.2") == ACME.replace(E.IP_ADDRESS, "10.20.1.2")


def test_a_long_host_name_is_one_token_of_the_whole_label() -> None:
    """Its first 15 characters alone do not decide: two hosts may share them."""
    first, second = "warehouse-terminal-01", "warehouse-terminal-02"
    assert ACME.replace(E.COMPUTER_NAME, first) != ACME.replace(E.COMPUTER_NAME, second)
    assert len(ACME.replace(E.COMPUTER_NAME, first)) == 15


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        (E.IP_ADDRESS, "10.20.1.2", "::ffff:10.20.1.2"),
        (E.COMPUTER_NAME, "UTICA$", "utica"),
        (E.MAC_ADDRESS, "00-1A-2B-3C-4D-5E", "001a.2b3c.4d5e"),
        (E.PHONE_NUMBER, "+31 20 555 0100", "+31-20-5550100"),
        (E.PERSON, "Jos\u00e9  Jansen", "jose\u0301 jansen"),
    ],
)
def test_hashes_are_of_the_value_and_not_of_its_spelling(kind: E, one: str, other: str) -> None:
    """Keyed, typed tokens."""
    hashed = Pseudonymiser(RING.tenant("acme"), {kind: "hash"})
    assert hashed.replace(kind, one) == hashed.replace(kind, other)
    assert re.fullmatch(r"[a-z]+-[a-z2-7]{12}", hashed.replace(kind, one))


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("10.1.2.3/30", "10.1.2.0/24"),
        ("2001:db8:1:2::3", "2001:db8:1::/48"),
        ("2001:db8::/33", "2001:db8::/33"),
        ("10.1.2.300", "<IP_ADDRESS>"),
    ],
)
def test_generalised_addresses_are_networks(address: str, network: str) -> None:
    """A /24 or /48, never narrower than what stood there was wide."""
    general = Pseudonymiser(RING.tenant("acme"), {E.IP_ADDRESS: "generalise"})
    assert general.replace(E.IP_ADDRESS, address) == network


def test_operators_of_addresses_only() -> None:
    """`ipcrypt-deterministic` gives an IPv6 address, one for all spellings."""
    chosen = Pseudonymiser(RING.tenant("acme"), {E.IP_ADDRESS: "ipcrypt-deterministic"})
    image = chosen.replace(E.IP_ADDRESS, "10.20.1.2")
    assert image == chosen.replace(E.IP_ADDRESS, "::ffff:10.20.1.2")
    assert len(parse_ip(image).packed) == 16
    with pytest.raises(UserError, match="no-such-operator"):
        Pseudonymiser(RING.tenant("acme"), {E.IP_ADDRESS: "no-such-operator"})


def test_epochs_are_unlinkable_and_the_old_one_still_works() -> None:
    """A rotation changes every pseudonym; one made before it keeps its own."""
    ring = Keyring.throwaway()
    ring.add_tenant("acme")
    old = Pseudonymiser(ring.tenant("acme"))
    before = old.replace(E.COMPUTER_NAME, "utica"), old.replace(E.IP_ADDRESS, "10.1.2.3")
    ring.rotate("acme")
    new = Pseudonymiser(ring.tenant("acme"))
    after = new.replace(E.COMPUTER_NAME, "utica"), new.replace(E.IP_ADDRESS, "10.1.2.3")
    assert (old.domain, new.domain) == ("acme/k01", "acme/k02")
    assert before[0] != after[0]
    assert before[1] != after[1]


def test_workers_agree() -> None:
    """Two pseudonymisers of one domain, without a word between them."""
    other = Pseudonymiser(RING.tenant("acme"))
    values = [(E.COMPUTER_NAME, "utica"), (E.IP_ADDRESS, "fe80::1"), (E.MAC_ADDRESS, "00:1a:2b:3c:4d:5e")]
    assert [ACME.replace(*value) for value in values] == [other.replace(*value) for value in values]


def test_no_key_and_no_value_in_its_repr() -> None:
    """Which domain, and nothing else."""
    assert repr(ACME) == "Pseudonymiser(acme/k01)"


@given(st.sampled_from([kind for kind in E if kind not in (E.IP_ADDRESS, E.MAC_ADDRESS)]), st.text(min_size=1))
def test_every_text_has_a_pseudonym_that_is_not_itself(kind: E, surface: str) -> None:
    """Also what no name can be: fail closed, and raise nothing."""
    assert ACME.replace(kind, surface) != surface


def test_mail_stays_mail_under_a_domain_that_cannot_exist() -> None:
    """RFC 6761 `.invalid`; the user's token joins with the user name."""
    user, domain = ACME.replace(E.EMAIL_ADDRESS, "JDoe@Example.com").split("@")
    assert user == ACME.replace(E.USER_NAME, "jdoe")
    assert domain == f"{ACME.replace(E.DOMAIN_NAME, 'example.com')}.invalid"


def test_operators_are_chosen_by_type_and_unknown_ones_refused() -> None:
    """generalise, redact, keep."""
    chosen = Pseudonymiser(RING.tenant("acme"), {E.IP_ADDRESS: "generalise", E.USER_NAME: "redact", E.PERSON: "keep"})
    assert chosen.replace(E.IP_ADDRESS, "10.1.2.3") == "10.1.2.0/24"
    assert chosen.replace(E.USER_NAME, "jdoe") == "<USER_NAME>"
    assert chosen.replace(E.PERSON, "Jan") == "Jan"
    with pytest.raises(UserError, match="cannot be given generalise"):
        Pseudonymiser(RING.tenant("acme"), {E.PERSON: "generalise"})


@given(st.ip_addresses(), st.ip_addresses())
def test_different_addresses_have_different_pseudonyms(one: object, other: object) -> None:
    """Injective."""
    images = ACME.replace(E.IP_ADDRESS, str(one)), ACME.replace(E.IP_ADDRESS, str(other))
    same = parse_ip(images[0]).packed == parse_ip(images[1]).packed
    assert (parse_ip(str(one)).packed == parse_ip(str(other)).packed) == same


def test_a_group_address_of_no_standard_is_replaced_and_stays_one() -> None:
    """Devices' addresses are written so by tools that reverse the bits."""
    for mac in ("5d:7c:2f:d5:62:57", "a16d.501e.2a92"):
        pseudonym = ACME.replace(E.MAC_ADDRESS, mac)
        assert pseudonym != mac
        assert int(pseudonym[:2], 16) & 0b11 == 0b11
    assert ACME.replace(E.MAC_ADDRESS, "ff-ff-ff-ff-ff-ff") == "ff-ff-ff-ff-ff-ff"


IP_SPELLINGS = ["10.1.2.3", "::ffff:10.1.2.3", "2001:db9::5", "fe80::1%eth0", "10.20.0.0/16", "2001:db9::/48"]


@pytest.mark.parametrize("operator", ["ipcrypt-deterministic", "ipcrypt-ndx"])
@pytest.mark.parametrize("surface", IP_SPELLINGS)
def test_scattered_and_randomised_addresses_come_back(operator: str, surface: str) -> None:
    """As the address that it is, with its mask, without its zone."""
    acme = Pseudonymiser(RING.tenant("acme"), {E.IP_ADDRESS: operator})
    back = acme.reverse_ip(acme.replace(E.IP_ADDRESS, surface))
    plain = parse_ip(surface.partition("%")[0])
    assert back is not None
    assert plain is not None
    assert (parse_ip(back).packed, parse_ip(back).prefix) == (plain.packed, plain.prefix)


def test_a_scattered_network_keeps_the_length_of_its_mask() -> None:
    """An IPv4 mask counts from the mapped prefix in what is now IPv6."""
    acme = Pseudonymiser(RING.tenant("acme"), {E.IP_ADDRESS: "ipcrypt-deterministic"})
    assert acme.replace(E.IP_ADDRESS, "10.20.0.0/16").endswith("/112")
    assert acme.replace(E.IP_ADDRESS, "2001:db9::/48").endswith("/48")


@pytest.mark.parametrize(
    "address",
    "127.0.0.1 0.0.0.0 224.0.0.251 255.255.255.0 192.0.2.9 198.51.100.1 203.0.113.7 :: ::1 ff02::fb 2001:db8:1::9 "
    "3fff:fff::1".split(),
)
@pytest.mark.parametrize("operator", ["ipcrypt-deterministic", "ipcrypt-ndx"])
def test_more_passes_where_no_prefix_is_kept(operator: str, address: str) -> None:
    """Documentation and netmasks as well."""
    assert Pseudonymiser(RING.tenant("acme"), {E.IP_ADDRESS: operator}).replace(E.IP_ADDRESS, address) == address


def test_no_scattered_address_looks_like_one_that_passed() -> None:
    """One image in 256 is a multicast address: walked on, and walked back; and none comes twice."""
    acme = Pseudonymiser(RING.tenant("acme"), {E.IP_ADDRESS: "ipcrypt-deterministic"})
    addresses = [f"10.{n // 250}.{n % 250}.1" for n in range(3_000)]
    images = [acme.replace(E.IP_ADDRESS, address) for address in addresses]

    assert [image for image in images if passes_elsewhere(parse_ip(image).packed)] == []
    assert len(set(images)) == 3_000
    assert [acme.reverse_ip(image) for image in images] == addresses


def test_a_randomised_address_is_another_one_each_time() -> None:
    """64 hexadecimal digits, also for the same finding in one event."""
    acme = Pseudonymiser(RING.tenant("acme"), {E.IP_ADDRESS: "ipcrypt-ndx"})
    seen = {acme.replace(E.IP_ADDRESS, "10.1.2.3") for _ in range(20)}
    assert len(seen) == 20
    assert all(re.fullmatch(r"[0-9a-f]{64}", each) for each in seen)


@pytest.mark.parametrize(
    ("name", "site"),
    [
        ("AMS-WEB-01", "ams-<COMPUTER_NAME>"),
        ("nl02srv7.example.com", "nl-<COMPUTER_NAME>"),
        ("JANS-LAPTOP", "<COMPUTER_NAME>"),
        ("utica", "<COMPUTER_NAME>"),
    ],
)
def test_a_generalised_name_is_its_sites_code(name: str, site: str) -> None:
    """Two or three letters; more may be somebody's name."""
    assert Pseudonymiser(RING.tenant("acme"), {E.COMPUTER_NAME: "generalise"}).replace(E.COMPUTER_NAME, name) == site


def test_an_older_epoch_replaces_as_it_did() -> None:
    """By name."""
    ring = Keyring.throwaway()
    ring.add_tenant("acme")
    before = Pseudonymiser(ring.tenant("acme")).replace(E.COMPUTER_NAME, "utica")
    ring.rotate("acme")
    old = Pseudonymiser(ring.tenant("acme"), epoch="k01")
    assert (old.replace(E.COMPUTER_NAME, "utica"), old.domain) == (before, "acme/k01")


@pytest.mark.parametrize("other", ["tenant", "epoch"])
def test_pseudonyms_of_two_domains_agree_no_more_than_chance(other: str) -> None:
    """Bits of the same 4,000 names and addresses: half agree, within seven standard deviations each.

    Were they linked, a bit position or the whole would lean; by chance this fails once in 10^9 runs.
    """
    ring = Keyring.throwaway()
    for tenant in ("acme", "borealis"):
        ring.add_tenant(tenant)
    ring.rotate("acme")
    one = Pseudonymiser(ring.tenant("acme"))
    two = (
        Pseudonymiser(ring.tenant("borealis")) if other == "tenant" else Pseudonymiser(ring.tenant("acme"), epoch="k01")
    )
    names = [f"host-{n}" for n in range(4_000)]
    different = [one.number(E.COMPUTER_NAME, n) ^ two.number(E.COMPUTER_NAME, n) for n in names]
    each_bit = [sum(word >> bit & 1 for word in different) for bit in range(60)]
    flips = [flips_of(one, n) ^ flips_of(two, n) for n in range(1 << 24, 126 << 24, 500_009)]
    low_bit = sum(word & 1 for word in flips)

    assert all(abs(count - 2_000) < 7 * 32 for count in each_bit)
    assert abs(sum(each_bit) - 120_000) < 7 * 245
    assert abs(low_bit - len(flips) / 2) < 7 * 32


def flips_of(pseudonymiser: Pseudonymiser, number: int) -> int:
    """Which bits of an IPv4 address its prefix-preserving image turns."""
    packed = number.to_bytes(4)
    return int.from_bytes(pseudonymiser._pfx.image(packed)) ^ number


def test_tenants_share_no_key_material() -> None:
    """Not one of the keys derived for any use, nor what names known entities in topics."""
    ring = Keyring.throwaway()
    tenants = [f"t{n}" for n in range(20)]
    for tenant in tenants:
        ring.add_tenant(tenant)
    uses = [("rmm-scrub name v1", 32), ("rmm-scrub mac v1", 32), ("ipcrypt-pfx", 32), ("ipcrypt-deterministic", 16)]
    keys = {ring.tenant(tenant).key(use, length) for tenant in tenants for use, length in uses}
    digests = {ring.tenant(tenant).entity_digest(E.COMPUTER_NAME, "utica") for tenant in tenants}

    assert len(keys) == len(tenants) * len(uses)
    assert len(digests) == len(tenants)
