"""Textual forms of IP and MAC addresses: parse, canonicalise, write back.

An address has many spellings (`docs/rules.md`, Addresses); all of them are read to the same packed bytes,
so they get one pseudonym, and the pseudonym is written in the spelling that stood there.
"""

import re
from collections.abc import Callable
from functools import partial
from ipaddress import AddressValueError, IPv6Address
from socket import AF_INET, inet_pton

import msgspec

_MAPPED = b"\0" * 10 + b"\xff\xff"
_V4 = re.compile(r"(\d{1,4})\.(\d{1,4})\.(\d{1,4})\.(\d{1,4})")
# Amazon's default names: the region says nothing of the machine, so it may stay.
_DASHED = re.compile(
    r"((?:ip-|ec2-)?)(\d{1,3})-(\d{1,3})-(\d{1,3})-(\d{1,3})"
    r"((?:\.ec2\.internal|(?:\.[a-z]{2}(?:-[a-z]{2,12}){1,3}-\d{1,2})?\.compute(?:-1)?\.(?:internal|amazonaws\.com))?\.?)",
    re.IGNORECASE,
)
_PREFIX = re.compile(r"(?P<address>.+)/(?P<bits>\d{1,3})", re.DOTALL)
_ZONE = re.compile(r"%(?:25)?[A-Za-z0-9][^/\s]*$")
_IN_ADDR = re.compile(r"((?:\d{1,3}(?:[-/]\d{1,3})?\.){1,4})in-addr\.arpa(\.?)", re.IGNORECASE)
_IP6_ARPA = re.compile(r"((?:[0-9a-f]\.){1,32})ip6\.arpa(\.?)", re.IGNORECASE)
_LITERAL = re.compile(r"([0-9a-f-]+(?:s[0-9a-z]+)?)\.ipv6-literal\.net(\.?)", re.IGNORECASE)

Write = Callable[[bytes], str]


class WrittenIp(msgspec.Struct, frozen=True):
    """An IP address as it was written.

    `packed` has 4 or 16 bytes, IPv4-mapped addresses 4; `prefix` is a written mask length, or what a
    partial reverse-DNS name gives; `write` renders another address of the same family in the same form
    (the zone id, an interface's name, is dropped).
    """

    packed: bytes
    prefix: int | None
    write: Write


class WrittenMac(msgspec.Struct, frozen=True):
    """A MAC address (6 bytes, or 8 for EUI-64) and how it was written."""

    packed: bytes
    write: Write


def canonical(packed: bytes) -> str:
    """Dotted quad, or RFC 5952 text: the one spelling that stands for all."""
    if len(packed) == 4:
        return "%d.%d.%d.%d" % tuple(packed)  # noqa: UP031 - the fastest way, on the path of every new address
    return IPv6Address(packed).compressed


def parse_ip(surface: str) -> WrittenIp | None:
    """The address that a text is, in any spelling; None if it is not one."""
    if "/" in surface and (match := _PREFIX.fullmatch(surface)) is not None:
        return _with_mask(match["address"], int(match["bits"]))
    for form in _FORMS:
        if (found := form(surface)) is not None:
            return found
    return None


def parse_v4(text: str) -> bytes | None:
    """Four decimal numbers below 256; leading zeros are read as decimal, as log writers mean them."""
    match = _V4.fullmatch(text)
    if match is None:
        return None
    try:
        return inet_pton(AF_INET, text)  # takes a tenth of the time, and no leading zeros
    except OSError:
        return _octets(match.groups())


def parse_v6(text: str) -> bytes | None:
    """Any RFC 4291 spelling without zone id; 4 bytes for an IPv4-mapped address."""
    try:
        packed = IPv6Address(text).packed
    except (AddressValueError, ValueError):
        return None
    return packed[12:] if packed.startswith(_MAPPED) else packed


def _octets(numbers: tuple[str, ...] | tuple[str | None, ...]) -> bytes | None:
    values = [int(number or "0") for number in numbers]
    return bytes(values) if max(values) < 256 else None


def _with_mask(address: str, bits: int) -> WrittenIp | None:
    inner = parse_ip(address) if "/" not in address else None
    if inner is None or inner.prefix is not None or bits > len(inner.packed) * 8:
        return None
    return WrittenIp(inner.packed, bits, lambda packed: f"{inner.write(packed)}/{bits}")


def _dotted(surface: str) -> WrittenIp | None:
    packed = parse_v4(surface)
    return None if packed is None else WrittenIp(packed, None, canonical)


def _percent_encoded(surface: str) -> WrittenIp | None:
    if "%3" not in surface:
        return None
    inner = _colons(surface.replace("%3A", ":").replace("%3a", ":"))
    if inner is None:
        return None
    colon = "%3a" if "%3a" in surface else "%3A"
    return WrittenIp(inner.packed, None, lambda packed: inner.write(packed).replace(":", colon))


def _colons(surface: str) -> WrittenIp | None:
    if ":" not in surface:
        return None
    text = _ZONE.sub("", surface)
    packed = parse_v6(text)
    if packed is None:
        packed = _padded_tail(text)
    if packed is None:
        return None
    if len(packed) == 4:  # written as IPv6, but the IPv4 address is what it is
        head = text[: text.rindex(":") + 1] if "." in text else "::ffff:"
        return WrittenIp(packed, None, lambda other: head + canonical(other))
    return WrittenIp(packed, None, canonical)


def _padded_tail(text: str) -> bytes | None:
    """`::ffff:010.001.002.003`: a dotted tail with leading zeros."""
    head, colon, tail = text.rpartition(":")
    packed = parse_v4(tail)
    return None if packed is None else parse_v6(head + colon + canonical(packed))


def _dashed(surface: str) -> WrittenIp | None:
    match = _DASHED.fullmatch(surface)
    packed = _octets(match.groups()[1:5]) if match is not None else None
    if match is None or packed is None:
        return None
    before, behind = match[1], match[6]
    return WrittenIp(packed, None, lambda other: before + canonical(other).replace(".", "-") + behind)


def _reverse4(surface: str) -> WrittenIp | None:
    """`4.3.2.1.in-addr.arpa` (RFC 1035), fewer labels for a network, RFC 2317 `0-25.3.2.1` for a part of one."""
    match = _IN_ADDR.fullmatch(surface)
    if match is None:
        return None
    labels = match[1].rstrip(".").split(".")
    known = [label.replace("/", "-").split("-")[0] for label in reversed(labels)]
    packed = _octets(tuple(known + ["0"] * (4 - len(known))))
    if packed is None:
        return None
    prefix = len(known) * 8 if len(known) < 4 else None
    tail = surface[match.end(1) :]
    return WrittenIp(packed, prefix, partial(_write_reverse4, len(known), tail))


def _write_reverse4(count: int, tail: str, packed: bytes) -> str:
    return "".join(f"{octet}." for octet in reversed(packed[:count])) + tail


def _reverse6(surface: str) -> WrittenIp | None:
    """32 nibbles and `ip6.arpa` (RFC 3596), fewer for a network."""
    match = _IP6_ARPA.fullmatch(surface)
    if match is None:
        return None
    nibbles = match[1].replace(".", "")[::-1]
    packed = bytes.fromhex(nibbles.ljust(32, "0"))
    prefix = len(nibbles) * 4 if len(nibbles) < 32 else None
    tail = surface[match.end(1) :]
    return WrittenIp(packed, prefix, partial(_write_reverse6, len(nibbles), tail))


def _write_reverse6(count: int, tail: str, packed: bytes) -> str:
    return "".join(f"{nibble}." for nibble in reversed(packed.hex()[:count])) + tail


def _literal(surface: str) -> WrittenIp | None:
    """`2001-db8--1.ipv6-literal.net`: Windows' spelling in UNC paths; `s` stands for the zone's `%`."""
    match = _LITERAL.fullmatch(surface)
    if match is None:
        return None
    address = match[1].lower().partition("s")[0]
    packed = parse_v6(address.replace("-", ":"))
    if packed is None:
        return None
    tail = surface[match.end(1) :]
    return WrittenIp(packed, None, lambda other: _v6_text(other).replace(":", "-").replace(".", "-") + tail)


def _v6_text(packed: bytes) -> str:
    return canonical(packed) if len(packed) == 16 else "::ffff:" + IPv6Address(b"\0" * 12 + packed).compressed[2:]


_FORMS = (_dotted, _percent_encoded, _colons, _dashed, _reverse4, _reverse6, _literal)

_MAC_FORMS = (
    (re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}(?:(?::[0-9a-f]{2}){2})?", re.IGNORECASE), ":", 2),
    (re.compile(r"[0-9a-f]{2}(?:-[0-9a-f]{2}){5}(?:(?:-[0-9a-f]{2}){2})?", re.IGNORECASE), "-", 2),
    (re.compile(r"[0-9a-f]{4}\.[0-9a-f]{4}\.[0-9a-f]{4}(?:\.[0-9a-f]{4})?", re.IGNORECASE), ".", 4),
    (re.compile(r"[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}(?:-[0-9a-f]{4})?", re.IGNORECASE), "-", 4),
    (re.compile(r"[0-9a-f]{4}:[0-9a-f]{4}:[0-9a-f]{4}(?::[0-9a-f]{4})?", re.IGNORECASE), ":", 4),
    (re.compile(r"[0-9a-f]{6}[-:][0-9a-f]{6}", re.IGNORECASE), "-", 6),
    (re.compile(r"[0-9a-f]{12}(?:[0-9a-f]{4})?", re.IGNORECASE), "", 0),
)


def parse_mac(surface: str) -> WrittenMac | None:
    """The MAC address that a text is: with colons, hyphens, Cisco's dots, or bare."""
    for form, separator, group in _MAC_FORMS:
        if form.fullmatch(surface):
            digits = re.sub(r"[^0-9a-fA-F]", "", surface)
            upper = any(letter in surface for letter in "ABCDEF")
            return WrittenMac(bytes.fromhex(digits), partial(_write_mac, separator, group, upper))
    return None


def _write_mac(separator: str, group: int, upper: bool, packed: bytes) -> str:
    digits = packed.hex().upper() if upper else packed.hex()
    if not group:
        return digits
    return separator.join(digits[start : start + group] for start in range(0, len(digits), group))
