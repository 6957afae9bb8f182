"""Written forms of addresses: read to the same bytes, written back in the same form."""

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrubbers.addresses import canonical, parse_ip, parse_mac

OTHER = {4: IPv4Address("198.51.100.7").packed, 16: IPv6Address("2001:db8::7").packed}


@pytest.mark.parametrize(
    ("surface", "address", "prefix", "rewritten"),
    [
        ("10.1.2.3", "10.1.2.3", None, "198.51.100.7"),
        ("010.001.002.003", "10.1.2.3", None, "198.51.100.7"),
        ("10.0.0.0/8", "10.0.0.0", 8, "198.51.100.7/8"),
        ("10-1-2-3", "10.1.2.3", None, "198-51-100-7"),
        ("2001:DB8:0:0:0:0:0:1", "2001:db8::1", None, "2001:db8::7"),
        ("2001:db8::/32", "2001:db8::", 32, "2001:db8::7/32"),
        ("fe80::1%eth0.100", "fe80::1", None, "2001:db8::7"),
        ("fe80::1%25eth0", "fe80::1", None, "2001:db8::7"),
        ("::ffff:10.1.2.3", "10.1.2.3", None, "::ffff:198.51.100.7"),
        ("::FFFF:a01:203", "10.1.2.3", None, "::ffff:198.51.100.7"),
        ("0:0:0:0:0:ffff:10.1.2.3", "10.1.2.3", None, "0:0:0:0:0:ffff:198.51.100.7"),
        ("2001%3Adb8%3A%3A1", "2001:db8::1", None, "2001%3Adb8%3A%3A7"),
        ("2001-db8--1.ipv6-literal.net", "2001:db8::1", None, "2001-db8--7.ipv6-literal.net"),
        ("fe80--1s4.ipv6-literal.net", "fe80::1", None, "2001-db8--7.ipv6-literal.net"),
        ("3.2.1.10.in-addr.arpa", "10.1.2.3", None, "7.100.51.198.in-addr.arpa"),
        ("2.1.10.IN-ADDR.ARPA.", "10.1.2.0", 24, "100.51.198.IN-ADDR.ARPA."),
        ("8.b.d.0.1.0.0.2.ip6.arpa", "2001:db8::", 32, "8.b.d.0.1.0.0.2.ip6.arpa"),
    ],
)
def test_a_form_is_read_and_another_address_written_in_it(surface, address, prefix, rewritten) -> None:
    """Family, mask and spelling stay; the zone id, an interface's name, goes."""
    written = parse_ip(surface)
    assert (canonical(written.packed), written.prefix) == (address, prefix)
    assert written.write(OTHER[len(written.packed)]) == rewritten


@pytest.mark.parametrize(
    "text",
    ["", "256.1.1.1", "1.2.3", "1.2.3.4.5", "12:30:45", "::g", "10.0.0.0/33", "a-b-c-d", "std::vector", "1-2-3-400"],
)
def test_what_is_no_address_is_none(text: str) -> None:
    """Look-alikes."""
    assert parse_ip(text) is None


@given(st.ip_addresses())
def test_the_canonical_form_reads_back(address) -> None:
    """Any address; mapped ones are their IPv4."""
    mapped = getattr(address, "ipv4_mapped", None)
    assert ip_address(canonical(parse_ip(str(address)).packed)) == (mapped or address)


@given(st.binary(min_size=6, max_size=6), st.sampled_from([":", "-", ""]), st.booleans())
def test_macs_read_and_write_in_every_form(packed: bytes, separator: str, upper: bool) -> None:
    """Separator and case are kept."""
    text = packed.hex(separator) if separator else packed.hex()
    text = text.upper() if upper else text
    assert parse_mac(text).packed == packed
    assert parse_mac(text).write(packed).lower() == text.lower()
