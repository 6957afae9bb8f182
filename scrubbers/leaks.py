"""Look for identifiers in records that were scrubbed: where one is left and of which type, never the value.

`search` goes through all of a record's strings (`contents.py`) with a finder; finders are made of known entities
(`known_finder`), of a list (`listed_finder`) and of forms that no pseudonym has (`form_finder`).
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from typing import TypeVar

import msgspec

from scrubbers.addresses import parse_mac
from scrubbers.contents import Content, Place, contents, place_of, views
from scrubbers.entities import EntityType, Finding
from scrubbers.envelope import SCHEME_HEADER
from scrubbers.findings import RuleFailure, resolved
from scrubbers.identifiers import Identifiers
from scrubbers.pseudonyms import PREFIXES
from scrubbers.recognise import Recogniser
from scrubbers.records import Record

MOST_PLACES = 50  # of one record that are told singly: a record full of leaks is one problem
_LONGEST_STEP = 64  # of a JSON Pointer; member names that say what a member is are shorter
# Pseudonyms, also longer ones; bounded as known names are.
_PSEUDONYM = re.compile(rf"(?<![^\W_])(?:{'|'.join(PREFIXES.values())})-[a-z2-7]{{12,}}(?![^\W_])", re.IGNORECASE)
# What the lane writes itself, and the tenant's id, by which readers route.
_OWN_HEADERS = frozenset({"scrub-ruleset", "scrub-domain", SCHEME_HEADER, "scrub-findings", "tenant", "ce_tenantid"})
_DOMAIN_HEADER = "scrub-domain"
# A pseudonymous MAC address is locally administered (bit 1 of the first octet), an e-mail ends in `.invalid`.
_UNIVERSAL_MAC = re.compile(
    r"[0-9a-f](?<![0-9a-f].)[014589cd]"
    r"(?:([:-])[0-9a-f]{2}(?:\1[0-9a-f]{2}){4}|[0-9a-f]{2}\.[0-9a-f]{4}\.[0-9a-f]{4})(?![0-9a-f])",
    re.IGNORECASE,
)
_MAIL = re.compile(r"@[\w-]+\.")
_FORMS = frozenset({EntityType.MAC_ADDRESS, EntityType.EMAIL_ADDRESS})
_GROUP_BIT = 1


class How(StrEnum):
    """How something was known to be an identifier."""

    KNOWN = "known-entity"
    CANARY = "canary"
    LISTED = "listed"
    FORM = "form"  # no pseudonym has this form
    UNSEARCHED = "unsearched"  # the record could not be searched


CLEAN_STRINGS = 50_000
_CLEAN_LENGTH = 4_096  # longer ones hardly repeat
T = TypeVar("T")


class Hit(msgspec.Struct, frozen=True, order=True):
    """A span of a string that is an identifier; `number` is its number in a list."""

    start: int
    end: int
    type: EntityType
    how: How
    number: int = 0


class Leak(msgspec.Struct, frozen=True):
    """An identifier left in a record: where, which type, how it was known, how often it stands there."""

    place: Place
    type: EntityType
    how: How
    number: int = 0
    count: int = 1


Finder = Callable[[Content], Iterable[Hit]]


def search(record: Record, finder: Finder, tenant_path: str = "tenant") -> list[Leak]:
    """Every identifier that a finder finds in a record's strings; pseudonyms and the tenant's own id are none.

    A name that stands in a string as it is, is not told again for what the string is when decoded.
    """
    spared = (tuple(tenant_path.split(".")), ("tenantid",))
    tenant = tenant_of(record)
    counts: Counter[tuple[Place, EntityType, How, int]] = Counter()
    seen: set[tuple[object, ...]] = set()
    for content in contents(record, without=_OWN_HEADERS):
        if content.text == tenant and content.path in spared and not content.is_key:
            continue
        hits = standing(content, finder)
        if not hits:
            continue
        place = cut(place_of(content), finder)
        root = (content.part, content.header, place.pointer)
        for hit in hits:
            told = (*root, hit.type, hit.number, content.text[hit.start : hit.end].lower())
            if place.inside and told in seen:
                continue
            seen.add(told)
            counts[place, hit.type, hit.how, hit.number] += 1
    leaks = [Leak(*what, count) for what, count in counts.items()]
    return leaks[:MOST_PLACES]


def standing(content: Content, finder: Finder) -> list[Hit]:
    """What the finder finds but in pseudonyms (a name may be spelled like a part of one)."""
    hits = list(finder(content))
    if not hits or "-" not in content.text:
        return hits
    tokens = [match.span() for match in _PSEUDONYM.finditer(content.text)]
    return [hit for hit in hits if not any(start <= hit.start and hit.end <= end for start, end in tokens)]


def tenant_of(record: Record) -> str | None:
    """The tenant that a scrubbed record says it is of."""
    named = {name.lower(): value for name, value in record.headers if value}
    domain = named.get(_DOMAIN_HEADER, b"").rpartition(b"/")[0]
    said = domain or named.get("tenant") or named.get("ce_tenantid")
    return said.decode("utf-8", "replace") if said else None


def cut(place: Place, finder: Finder) -> Place:
    """The place with the type in angle brackets for what the finder finds in its names, and long names cut."""
    return Place(
        place.part,
        _without(place.header, finder),
        _pointer_without(place.pointer, finder),
        tuple(_step_without(step, finder) for step in place.inside),
    )


def remembering(find: Callable[[str], Sequence[T]]) -> Callable[[str], Sequence[T]]:
    """The same, but a string in which nothing was found is not searched again: monitoring repeats itself."""
    clean: set[str] = set()

    def remembered(text: str) -> Sequence[T]:
        if text in clean:
            return ()
        found = find(text)
        if not found and len(text) <= _CLEAN_LENGTH:
            if len(clean) >= CLEAN_STRINGS:
                clean.clear()
            clean.add(text)
        return found

    return remembered


def known_finder(
    find: Callable[[str], Sequence[Finding]],
    recogniser: Recogniser | None = None,
    kept: frozenset[EntityType] = frozenset(),
) -> Finder:
    """A finder of known entities; what the recogniser's rule set lets pass, or `kept` by its operator, is none."""

    def finder(content: Content) -> Iterator[Hit]:
        for known in _not_allowed(content, find(content.text), recogniser):
            if known.type not in kept:
                yield Hit(known.start, known.end, known.type, How.KNOWN)

    return finder


def listed_finder(identifiers: Identifiers, how: How = How.LISTED) -> Finder:
    """A finder of listed identifiers."""
    find = remembering(identifiers.find)

    def finder(content: Content) -> Iterator[Hit]:
        for each in find(content.text):
            yield Hit(each.start, each.end, each.type, how, each.number)

    return finder


def form_finder(recogniser: Recogniser, kept: frozenset[EntityType] = frozenset()) -> Finder:
    """A finder of what the rule set recognises and no operator would have written.

    Sure are devices' own MAC addresses, which are universally administered, and e-mail addresses that do not end in
    `.invalid`. Of an IP address nobody can tell, and names that fields carry are known by then.
    """
    wanted = _FORMS - kept

    def finder(content: Content) -> Iterator[Hit]:
        text = content.text
        if not (("@" in text and _MAIL.search(text)) or _UNIVERSAL_MAC.search(text)):
            return
        try:
            found = recogniser.key(text) if content.is_key else recogniser.value(text, content.path)
        except RuleFailure:
            return  # the lane would have quarantined it
        for each in found:
            surface = text[each.start : each.end]
            if each.type in wanted and not each.allowed and _is_original(each.type, surface):
                yield Hit(each.start, each.end, each.type, How.FORM)

    return finder


def together(*finders: Finder) -> Finder:
    """All finders as one; of overlapping hits the first finder's."""

    def finder(content: Content) -> list[Hit]:
        taken: list[Hit] = []
        for each in finders:
            for hit in each(content):
                if not any(hit.start < other.end and other.start < hit.end for other in taken):
                    taken.append(hit)
        return taken

    return finder


def _not_allowed(content: Content, known: Sequence[Finding], recogniser: Recogniser | None) -> Iterable[Finding]:
    if not known or recogniser is None:
        return known
    try:
        found = recogniser.key(content.text) if content.is_key else recogniser.value(content.text, content.path)
    except RuleFailure:
        return known
    passing = [each for each in resolved([*found, *known]) if each.allowed]
    return [each for each in known if not any(each.start < one.end and one.start < each.end for one in passing)]


def _is_original(kind: EntityType, surface: str) -> bool:
    if kind is EntityType.EMAIL_ADDRESS:
        return not surface.lower().rstrip(".").endswith(".invalid")
    written = parse_mac(surface)
    if written is None or len(written.packed) != 6:
        return False
    # Group addresses are standards' own; all zeros and all ones are nobody's.
    return not written.packed[0] & (_GROUP_BIT | 2) and any(written.packed)


def _pointer_without(pointer: str, finder: Finder) -> str:
    names = [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")]
    clean = [_without(name, finder) for name in names]
    return "/".join(name.replace("~", "~0").replace("/", "~1") for name in clean)


def _step_without(step: str, finder: Finder) -> str:
    kind, space, pointer = step.partition(" ")
    return f"{kind}{space}{_pointer_without(pointer, finder)}" if kind == "json" else step


def _without(name: str, finder: Finder) -> str:
    for content in views(name):
        hits = sorted(standing(content, finder))
        if not hits:
            continue
        if content.text != name:  # it is there only when decoded: no part of the name may stay
            return f"<{hits[0].type}>"
        pieces, behind = [], 0
        for hit in hits:
            if hit.start >= behind:
                pieces += [name[behind : hit.start], f"<{hit.type}>"]
                behind = hit.end
        return "".join([*pieces, name[behind:]])[:_LONGEST_STEP]
    return name if len(name) <= _LONGEST_STEP else f"{name[:_LONGEST_STEP]}…"
