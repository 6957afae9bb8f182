"""A list of identifiers, looked for in text all at once: names by their first word, addresses by their bytes.

Unlike `known.py` it hunts whatever it is given, addresses and e-mail addresses too, and asks no rule what a text
looks like: an address that no rule recognises is found here all the same. Costs the same for ten and for a million.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache

import idna
import msgspec

from scrubbers import hostnames
from scrubbers.addresses import WrittenIp, parse_ip, parse_mac
from scrubbers.entities import EntityType, Known
from scrubbers.known import worth_knowing
from scrubbers.persons import phone

_PIECE = re.compile(r"[^\W_]+")
_SPACES = re.compile(r"\s+")
_NAMES = frozenset({EntityType.COMPUTER_NAME, EntityType.DOMAIN_NAME, EntityType.USER_NAME})

# Where an address may stand, an expression a family of spellings (`addresses.parse_ip` decides), each behind what a
# text must hold for it. What touches letters may be one (`host10.0.0.1`, `conn_10.0.0.1_443`); five numbers and more
# are none (OIDs), but for a port as the fifth (tcpdump, Dante). They begin with a class: `re` is quick to find one.
_QUAD = r"\d{1,4}(?:\.\d{1,4}){3}"
_COLONS = (
    r"[0-9a-f:](?<![0-9a-f:.][0-9a-f:])[0-9a-f:]{1,38}"
    rf"(?:(?<=:){_QUAD}|(?!\.\d))(?:/\d{{1,3}})?(?![0-9a-f])"
)
_DOTS = (
    r"\d(?<!\d\d)(?<!\d\.\d)\d{0,3}(?:\.\d{1,4}){3}(?:/\d{1,2}(?![\d.]))?"
    r"(?!\d)(?!\.\d+\.\d)(?!\.(?:in-addr|ip6)\.arpa)"
)
_FAMILIES = (
    (":", 2, _COLONS),
    (".", 3, _DOTS),
    ("-", 3, r"\d(?<!\d\d)(?<!\d-\d)\d{0,2}(?:-\d{1,3}){3}(?!\d)(?!-\d)"),
    ("arpa", 1, r"[0-9a-f](?<![\w.-].)(?:[0-9a-f/-]{0,6}\.)(?:[0-9a-f/-]{1,7}\.){0,31}(?:in-addr|ip6)\.arpa\b"),
    ("ipv6-literal", 1, r"[0-9a-f-](?<![\w.-].)[0-9a-f-]{1,44}(?:s\w{1,10})?\.ipv6-literal\.net\b"),
    ("%3a", 2, r"[0-9a-f%](?<![0-9a-f%].)(?:[0-9a-f]|%3a){2,60}(?![0-9a-f%])"),
)
_ADDRESSES = tuple((sign, least, re.compile(expression, re.IGNORECASE)) for sign, least, expression in _FAMILIES)
_HEX = r"[0-9a-f]"
_MACS = re.compile(
    rf"{_HEX}(?<!{_HEX}.)(?:{_HEX}([:-]){_HEX}{{2}}(?:\1{_HEX}{{2}}){{4}}(?:(?:\1{_HEX}{{2}}){{2}})?"
    rf"|{_HEX}{{3}}([.:-]){_HEX}{{4}}\2{_HEX}{{4}}(?:\2{_HEX}{{4}})?|{_HEX}{{5}}[-:]{_HEX}{{6}}|{_HEX}{{11}})(?!{_HEX})",
    re.IGNORECASE,
)
# The hardware type in front (RFC 2132) would be taken for the first octet.
_MAC_OF_TYPE_1 = re.compile(rf"1[:-]((?:{_HEX}{{2}}[:-]){{5}}{_HEX}{{2}})(?!{_HEX})", re.IGNORECASE)
_PHONE = re.compile(r"(?<!\w)\+?\d(?:[\s()./-]{0,3}\d){7,14}(?!\w)")


class Listed(msgspec.Struct, frozen=True):
    """An identifier found in a text: where, of which type, and the number it was added under."""

    start: int
    end: int
    type: EntityType
    number: int


class Identifiers:
    """Identifiers by number (a line of a file, say), looked for together."""

    def __init__(self, identifiers: Iterable[tuple[int, Known]] = ()) -> None:
        self._names: dict[str, tuple[EntityType, int]] = {}
        self._longest: dict[str, int] = {}  # first piece of a name → pieces of the longest that begins with it
        self._packed: dict[bytes, list[tuple[int | None, EntityType, int]]] = {}  # addresses: written mask, number
        self._macs: dict[bytes, int] = {}
        self._phones: dict[str, int] = {}
        self._count = 0
        for number, known in identifiers:
            self.add(number, known)

    def __len__(self) -> int:
        return self._count

    def __repr__(self) -> str:
        """How many, never which."""
        return f"Identifiers({self._count})"

    def add(self, number: int, known: Known) -> bool:
        """Look for an identifier from now on, in all its spellings; False if nothing in it can be looked for."""
        added = self._address(number, known)
        if not added:
            put = [self._put(value, kind, number) for kind, value in self._forms(known)]
            added = any(put)
        self._count += added
        return added

    def find(self, text: str) -> list[Listed]:
        """Every identifier in the text, in any of its spellings."""
        found = list(self._find_names(text)) if self._names else []
        if self._packed:
            found += self._find_addresses(text)
        if self._macs:
            found += self._find_macs(text)
        if self._phones:
            found += self._find_phones(text)
        return found

    def has_address(self, packed: bytes) -> bool:
        """Whether an address (4 or 16 bytes) is listed."""
        return any(mask is None for mask, _, _ in self._packed.get(packed, ()))

    def _forms(self, known: Known) -> Iterator[tuple[EntityType, str]]:
        """The texts that stand for a name, in lower case."""
        value = known.value.strip()
        if known.type in (EntityType.IP_ADDRESS, EntityType.MAC_ADDRESS, EntityType.PHONE_NUMBER):
            return
        plain = _SPACES.sub(" ", unicodedata.normalize("NFC", value)).lower()
        yield known.type, plain
        if known.type not in _NAMES:
            return
        name = hostnames.normalise(value)
        yield known.type, name
        if "xn--" in name:
            yield known.type, _u_label(name)
        if known.type is EntityType.COMPUTER_NAME:
            label, domain = hostnames.split(name)
            if domain is not None and worth_knowing(Known(known.type, label)):
                yield known.type, label
            machine = hostnames.machine(label)
            if machine != label and worth_knowing(Known(known.type, machine)):
                yield known.type, machine

    def _put(self, value: str, kind: EntityType, number: int) -> bool:
        pieces = list(_PIECE.finditer(value))
        if not pieces:
            return False
        bare = value[pieces[0].start() : pieces[-1].end()]
        self._names.setdefault(bare, (kind, number))
        first = pieces[0].group()
        self._longest[first] = max(len(pieces), self._longest.get(first, 0))
        return True

    def _address(self, number: int, known: Known) -> bool:
        value = known.value.strip()
        if known.type is EntityType.PHONE_NUMBER:
            self._phones.setdefault(phone(value) or value, number)
            return True
        if known.type is EntityType.MAC_ADDRESS:
            mac = parse_mac(value)
            if mac is not None:
                self._macs.setdefault(mac.packed, number)
            return mac is not None
        if known.type is not EntityType.IP_ADDRESS and known.type not in _NAMES:
            return False
        written = parse_ip(value.strip("[]"))
        if written is None:
            return False
        self._packed.setdefault(written.packed, []).append((written.prefix, EntityType.IP_ADDRESS, number))
        return True

    def _find_names(self, text: str) -> Iterator[Listed]:
        lowered = (text if text.isascii() else unicodedata.normalize("NFC", text)).lower()
        if not self._longest.keys() & _PIECE.findall(lowered):
            return
        pieces = [(match.group(), *match.span()) for match in _PIECE.finditer(lowered)]
        index = 0
        while index < len(pieces):
            piece, start, behind = pieces[index]
            index += 1
            for last in range(min(len(pieces), index - 1 + self._longest.get(piece, 0)) - 1, index - 2, -1):
                behind = pieces[last][2]
                found = self._names.get(_SPACES.sub(" ", lowered[start:behind]))
                if found is not None:
                    # Lower case or NFC may have moved the offsets: then it is somewhere in the text.
                    span = (start, behind) if len(lowered) == len(text) else (0, len(text))
                    yield Listed(*span, *found)
                    index = last + 1
                    break

    def _find_addresses(self, text: str) -> Iterator[Listed]:
        lowered = text.lower()
        taken: list[tuple[int, int]] = []
        for sign, least, family in _ADDRESSES:
            if lowered.count(sign) < least:
                continue
            for match in family.finditer(text):
                for found in self._address_at(match.start(), match.group()):
                    # `::ffff:10.1.2.3` is one address, also to who sees only its end.
                    if not any(found.start < end and start < found.end for start, end in taken):
                        taken.append((found.start, found.end))
                        yield found

    def _address_at(self, start: int, surface: str) -> Iterator[Listed]:
        for begin, end in _addresses_in(surface):
            written = _parsed(surface[begin:end])
            if written is None:
                continue
            for mask, kind, number in self._packed.get(written.packed, ()):
                if mask is None or mask == written.prefix:
                    yield Listed(start + begin, start + end, kind, number)
                    break
            return

    def _find_macs(self, text: str) -> Iterator[Listed]:
        spans = [match.span() for match in _MACS.finditer(text)]
        spans += [match.span(1) for match in _MAC_OF_TYPE_1.finditer(text)]
        for start, end in dict.fromkeys(spans):
            written = parse_mac(text[start:end])
            number = self._macs.get(written.packed) if written is not None else None
            if number is not None:
                yield Listed(start, end, EntityType.MAC_ADDRESS, number)

    def _find_phones(self, text: str) -> Iterator[Listed]:
        for match in _PHONE.finditer(text):
            number = self._phones.get(phone(match.group()) or match.group())
            if number is not None:
                yield Listed(*match.span(), EntityType.PHONE_NUMBER, number)


def _u_label(name: str) -> str:
    try:
        return idna.decode(name).lower()
    except idna.IDNAError:
        return name


@lru_cache(100_000)  # a fleet's addresses come again
def _parsed(surface: str) -> WrittenIp | None:
    return parse_ip(surface)


def _addresses_in(surface: str) -> Iterator[tuple[int, int]]:
    """Spans of a surface to try, the widest first: a colon at an end is punctuation, a number behind one a port."""
    yield 0, len(surface)
    if "/" in surface and "arpa" not in surface.lower():
        yield 0, surface.index("/")
    if ":" not in surface:
        return
    stripped = surface.strip(":")
    start = surface.index(stripped) if stripped else 0
    yield start, start + len(stripped)
    yield 0, len(surface.rstrip(":"))
    yield start, len(surface)
    yield 0, surface.rindex(":")
    parts = surface.split(":")
    if "." in parts[-1]:  # `Source:10.1.2.3` whose last letters are hexadecimal: `ce:10.1.2.3`
        yield len(surface) - len(parts[-1]), len(surface)
