"""Pseudonyms in a text come back as names and addresses, with the tenant's keys and known names only."""

import msgspec
import pytest

from scrubbers import bridge, rules
from scrubbers.compiled import CompiledRules
from scrubbers.entities import EntityType as E
from scrubbers.entities import Known
from scrubbers.keyring import Keyring
from scrubbers.known import KnownEntities
from scrubbers.pseudonyms import Pseudonymiser
from scrubbers.reverse import Reversal, reverse

ENGINE = CompiledRules(rules.load())
KNOWN = [
    Known(E.COMPUTER_NAME, "utica"),
    Known(E.COMPUTER_NAME, "utica.example.local"),
    Known(E.DOMAIN_NAME, "example.local"),
    Known(E.PERSON, "jan de vries"),
    Known(E.EMAIL_ADDRESS, "j.devries@mail.example.local"),
]


@pytest.fixture
def ring() -> Keyring:
    """Keys of two tenants, one with two epochs."""
    made = Keyring.throwaway()
    made.add_tenant("acme")
    made.add_tenant("borealis")
    made.rotate("acme")
    return made


def pseudonymiser(ring: Keyring, epoch: str | None = None) -> Pseudonymiser:
    """Acme's."""
    return Pseudonymiser(ring.tenant("acme"), epoch=epoch)


def turned(ring: Keyring, text: str, tenant: str = "acme", **options: str) -> Reversal:
    """The text reversed."""
    return reverse(text, ring.tenant(tenant), KNOWN, ENGINE, **options)


def test_names_and_addresses_come_back_where_they_stood(ring: Keyring) -> None:
    """In their form, beside what was never a pseudonym."""
    acme = pseudonymiser(ring)
    name, ip = acme.replace(E.COMPUTER_NAME, "UTICA.example.local"), acme.replace(E.IP_ADDRESS, "10.20.0.0/16")
    text = f"disk full on {name} ({ip}), PSEXESVC-{name.split('.')[0].upper()}-7, loopback 127.0.0.1"

    assert turned(ring, text).text == (
        "disk full on utica.example.local (10.20.0.0/16), PSEXESVC-utica-7, loopback 127.0.0.1"
    )


@pytest.mark.parametrize(
    "surface",
    [
        "10.1.2.3",
        "::ffff:10.1.2.3",
        "ip-10-1-2-3",
        "3.2.1.10.in-addr.arpa",
        "2001:db8::5",
        "10.1.2.3/24",
        "10.20.0.0/16",
    ],
)
def test_each_form_of_an_address_comes_back_in_its_form(ring: Keyring, surface: str) -> None:
    """As it was written before."""
    text = f"peer {pseudonymiser(ring).replace(E.IP_ADDRESS, surface)} up"
    assert turned(ring, text).text == f"peer {surface} up"


def test_a_mail_address_loses_the_domain_that_never_exists(ring: Keyring) -> None:
    """`.invalid` goes where the host is known again."""
    text = f"from {pseudonymiser(ring).replace(E.EMAIL_ADDRESS, 'j.devries@mail.example.local')}."
    assert turned(ring, text).text == "from j.devries@mail.example.local."


def test_what_no_known_name_has_stays_and_is_told(ring: Keyring) -> None:
    """An erased name cannot be turned back."""
    token = pseudonymiser(ring).replace(E.COMPUTER_NAME, "erased-pc")
    found = turned(ring, f"on {token}")
    assert (found.text, found.unknown, list(found.turned)) == (f"on {token}", [token], [])


def test_another_tenants_keys_turn_nothing_back(ring: Keyring) -> None:
    """Names stay, and addresses come back as others."""
    acme = pseudonymiser(ring)
    name, ip = acme.replace(E.COMPUTER_NAME, "utica"), acme.replace(E.IP_ADDRESS, "10.1.2.3")
    found = turned(ring, f"{name} {ip}", tenant="borealis")
    assert name in found.text
    assert "10.1.2.3" not in found.text


def test_names_of_an_older_epoch_come_back_and_their_addresses_with_them(ring: Keyring) -> None:
    """Addresses do not say of which epoch they are: the names around them do, or the caller."""
    old = pseudonymiser(ring, "k01")
    name, ip = old.replace(E.COMPUTER_NAME, "utica"), old.replace(E.IP_ADDRESS, "10.1.2.3")

    assert turned(ring, f"{name} at {ip}").text == "utica at 10.1.2.3"
    assert turned(ring, f"at {ip}").text != "at 10.1.2.3"
    assert turned(ring, f"at {ip}", epoch="k01").text == "at 10.1.2.3"


@pytest.mark.parametrize("operator", ["ipcrypt-pfx", "ipcrypt-deterministic", "ipcrypt-ndx"])
def test_every_reversible_operator_comes_back(ring: Keyring, operator: str) -> None:
    """By the operator that the rule set names."""
    operators = {E.IP_ADDRESS: operator}
    replaced = Pseudonymiser(ring.tenant("acme"), operators).replace(E.IP_ADDRESS, "10.1.2.3")
    found = reverse(f"peer {replaced} up", ring.tenant("acme"), KNOWN, ENGINE, operators)
    assert found.text == "peer 10.1.2.3 up"


def test_nothing_of_it_is_in_a_repr(ring: Keyring) -> None:
    """A repr may end up in a log."""
    found = turned(ring, f"on {pseudonymiser(ring).replace(E.COMPUTER_NAME, 'utica')}")
    assert "utica" not in f"{found!r} {list(found.turned)!r}"


def test_a_bridge_pairs_both_epochs_and_holds_no_original(ring: Keyring) -> None:
    """For each known name once, and for addresses that are given."""
    old, new = pseudonymiser(ring, "k01"), pseudonymiser(ring)
    pairs = {each.old: each.new for each in bridge.names(KNOWN, old, new)}
    address = bridge.address(old.replace(E.IP_ADDRESS, "10.1.2.3"), old, new)

    assert pairs[old.replace(E.COMPUTER_NAME, "utica")] == new.replace(E.COMPUTER_NAME, "utica")
    assert pairs[old.replace(E.DOMAIN_NAME, "example.local")] == new.replace(E.DOMAIN_NAME, "example.local")
    assert address is not None
    assert address.new == new.replace(E.IP_ADDRESS, "10.1.2.3")
    assert "utica" not in str(pairs)
    assert bridge.address("no address", old, new) is None


def test_a_domain_under_another_comes_back_behind_a_name_that_is_gone(ring: Keyring) -> None:
    """By its form alone it would be a host: `corp` in `example.com`."""
    acme, known = pseudonymiser(ring), [Known(E.DOMAIN_NAME, "corp.example.com")]
    name = acme.replace(E.COMPUTER_NAME, "erased-pc.corp.example.com")
    found = reverse(name, ring.tenant("acme"), known, ENGINE)
    assert found.text == f"{name.split('.')[0]}.corp.example.com"


@pytest.mark.parametrize("order", [1, -1])
def test_both_names_of_a_machine_come_back_as_the_long_one(ring: Keyring, order: int) -> None:
    """Their pseudonym is one, whichever was seen first."""
    names = KnownEntities()
    for each in ["accounting-workstation-07", "accounting-work"][::order]:
        names.add("acme", Known(E.COMPUTER_NAME, each))
    aliases = names.aliases("acme")
    known = [
        msgspec.structs.replace(each, alias=alias if (alias := aliases.of(each.value)) != each.value else "")
        for each in names.values("acme")
    ]
    text = Pseudonymiser(ring.tenant("acme"), aliases=aliases).replace(E.COMPUTER_NAME, "ACCOUNTING-WORK$")
    assert reverse(text, ring.tenant("acme"), known, ENGINE).text == "accounting-workstation-07"


@pytest.mark.parametrize("piece", ["a", "0f", "a.", "@a.", "pc-"])
def test_a_report_with_one_endless_word_is_read_in_one_go(ring: Keyring, piece: str) -> None:
    """Dumps and encoded files: with a search that begins anew at each letter this would take an hour."""
    text = piece * (1_000_000 // len(piece))
    assert turned(ring, text).text == text


def test_addresses_beside_pseudonyms_come_back_however_many_there_are(ring: Keyring) -> None:
    """Each in its place; a thousand of each."""
    acme = pseudonymiser(ring)
    name = acme.replace(E.COMPUTER_NAME, "utica")
    plain = [f"10.1.{n // 250}.{n % 250}" for n in range(1_000)]
    text = " ".join(f"{name} {acme.replace(E.IP_ADDRESS, each)}" for each in plain)
    assert turned(ring, text).text == " ".join(f"utica {each}" for each in plain)
