"""Two readings of one record, by two rule sets: which findings one has and the other has not."""

from collections.abc import Iterator, Sequence
from enum import StrEnum

import msgspec

from scrubbers.entities import EntityType, Finding
from scrubbers.findings import resolved
from scrubbers.known import KnownEntities
from scrubbers.reading import Document, Leaf
from scrubbers.scrub import Reading


class Kind(StrEnum):
    """How a candidate's findings differ: one more, one less, or the same place found otherwise."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


class Difference(msgspec.Struct, frozen=True, order=True):
    """A finding that differs: the candidate's, or the live one where the candidate has none.

    `path` is `/` and a name a step, `*` for a position in an array, `/$text`, `/$key` or `/$headers/<name>`; it may
    hold names out of the event.
    """

    path: str
    start: int
    end: int
    kind: Kind
    type: EntityType
    rule: str


def differences(live: Reading, candidate: Reading, known: KnownEntities) -> list[Difference]:
    """What differs between two readings of the same record, with what is known of its tenant in both.

    Findings are held against each other by path, span and type; which rule made them and with what score does
    not count, nor do findings that an allow rule lets through.
    """
    found: list[Difference] = []
    for one, other in zip(_leaves(live), _leaves(candidate), strict=True):
        if one.findings == other.findings:
            continue
        names = known.find(live.tenant, one.text)
        before, after = _standing(one, names), _standing(other, names)
        found += _between("/".join(("", *map(str, one.path))), before, after)
    return found


def _between(path: str, before: Sequence[Finding], after: Sequence[Finding]) -> Iterator[Difference]:
    same = {_place(each) for each in before} & {_place(each) for each in after}
    gone = [each for each in before if _place(each) not in same]
    new = [each for each in after if _place(each) not in same]
    for each in new:
        kind = Kind.CHANGED if any(_overlap(each, other) for other in gone) else Kind.ADDED
        yield Difference(path, each.start, each.end, kind, each.type, each.rule)
    for each in gone:
        if not any(_overlap(each, other) for other in new):
            yield Difference(path, each.start, each.end, Kind.REMOVED, each.type, each.rule)


def _standing(leaf: Leaf, names: Sequence[Finding]) -> list[Finding]:
    settled = resolved([*leaf.findings, *names]) if names else leaf.findings
    return [each for each in settled if not each.allowed]


def _place(finding: Finding) -> tuple[int, int, EntityType]:
    return finding.start, finding.end, finding.type


def _overlap(one: Finding, other: Finding) -> bool:
    return one.start < other.end and other.start < one.end


def _leaves(reading: Reading) -> Iterator[Leaf]:
    """Every string that was searched, in an order that the rules have no part in."""
    if reading.document is not None:
        yield from _of_document(reading.document)
    for _, leaf in reading.lines:
        yield from _of_leaf(leaf)
    if reading.key is not None:
        yield from _of_leaf(reading.key)
    for name, value in reading.headers:
        yield name
        if isinstance(value, Leaf):
            yield from _of_leaf(value)


def _of_document(document: Document) -> Iterator[Leaf]:
    for leaf in document.leaves:
        yield from _of_leaf(leaf)


def _of_leaf(leaf: Leaf) -> Iterator[Leaf]:
    if leaf.decoded is not None:
        yield from _of_leaf(leaf.decoded)
    elif leaf.inner is not None:
        yield from _of_document(leaf.inner)
    else:
        yield leaf
