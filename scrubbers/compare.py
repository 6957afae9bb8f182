"""Two rule sets side by side: what differs in them, and what that changes on texts."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any

import msgspec

from scrubbers.compiled import CompiledRules
from scrubbers.detect import Detector, Span
from scrubbers.entities import EntityType
from scrubbers.evaluate import LabelledText, Tally, judge
from scrubbers.explain import throwaway
from scrubbers.pseudonyms import DEFAULT_OPERATORS
from scrubbers.recognise import Recogniser
from scrubbers.rules import RuleSet

SAMPLES = 3  # of each kind of change by type and rule
_AROUND = 40  # characters on each side of a sample


class Kind(StrEnum):
    """What a change is."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


class Difference(msgspec.Struct, frozen=True):
    """What differs in the rule sets themselves; `what` names the members of a rule or setting that do."""

    part: str  # recognizers, fields, allow, thresholds, operators, learning
    name: str
    kind: Kind
    what: tuple[str, ...] = ()


class Finding(msgspec.Struct, frozen=True):
    """A finding as one of the two sets has it."""

    start: int
    end: int
    type: EntityType
    rule: str
    allowed: bool
    operator: str


class Change(msgspec.Struct, frozen=True):
    """A finding that only one set has, or that is another in the second (`what`: span, type, rule, operator …)."""

    kind: Kind
    before: Finding | None
    after: Finding | None
    what: tuple[str, ...] = ()

    @property
    def type(self) -> EntityType:
        """The type it is counted by: the new one's."""
        found = self.after or self.before
        assert found is not None
        return found.type

    @property
    def rule(self) -> str:
        """The rule it is counted by: the new one's."""
        found = self.after or self.before
        assert found is not None
        return found.rule


class Sample(msgspec.Struct, frozen=True):
    """A change with the text around it; holds values of the text."""

    source: str
    id: str | int
    change: Change
    left: str
    value: str
    right: str

    def __repr__(self) -> str:
        """Nothing of the text."""
        return f"Sample({self.source}, {self.id}, {self.change!r})"


class Count(msgspec.Struct, frozen=True):
    """How often something changed, by type and rule, with samples."""

    kind: Kind
    type: EntityType
    rule: str
    what: tuple[str, ...]
    number: int
    samples: tuple[Sample, ...]


class Comparison(msgspec.Struct, frozen=True):
    """Everything that differs. `measures` (before, after) by type are there where the texts are labelled."""

    before: str
    after: str
    differences: tuple[Difference, ...]
    texts: int = 0
    changed_texts: int = 0
    counts: tuple[Count, ...] = ()
    measures: dict[EntityType, tuple[Tally, Tally]] = {}

    @property
    def same(self) -> bool:
        """Whether nothing differs, neither in the sets nor on the texts."""
        return not self.differences and not self.counts


def compare(
    a: RuleSet,
    b: RuleSet,
    cases: Mapping[str, Sequence[LabelledText]] | None = None,
    done: Callable[[], None] = lambda: None,
) -> Comparison:
    """Compare two rule sets, and what they find in texts by source; each text alone, nothing known.

    `done` is called once a text.

    Raises:
        UserError: an operator of one does not fit its type.
        RuleFailure: an expression did not end in its time.
    """
    differences = tuple(differing(a, b))
    if not cases:
        return Comparison(a.identity, b.identity, differences)
    sides = (_Side(a), _Side(b))
    samples: list[Sample] = []
    changed_texts, labelled = 0, any(case.spans or case.complete for each in cases.values() for case in each)
    measures: dict[EntityType, tuple[Tally, Tally]] = {}
    for source, texts in cases.items():
        for case in texts:
            spans = [side.spans(case.text) for side in sides]
            before, after = (side.findings(found) for side, found in zip(sides, spans, strict=True))
            changes = list(_changes(before, after))
            changed_texts += bool(changes)
            samples += (_sample(source, case, change) for change in changes)
            if labelled:
                _measure(case, sides, spans, measures)
            done()
    return Comparison(
        a.identity,
        b.identity,
        differences,
        sum(map(len, cases.values())),
        changed_texts,
        tuple(_counted(samples)),
        dict(sorted(measures.items())),
    )


def differing(a: RuleSet, b: RuleSet) -> Iterator[Difference]:
    """What differs in the rule sets themselves, but for name and version."""
    for part in ("recognizers", "fields", "allow"):
        yield from _members(part, _named(getattr(a, part)), _named(getattr(b, part)))
    yield from _members("thresholds", a.thresholds, b.thresholds)
    yield from _members("operators", a.operators, b.operators)
    if a.learning != b.learning:
        yield Difference("learning", "learning", Kind.CHANGED, tuple(_unequal(a.learning, b.learning)))


class _Side:
    """One of the two sets, at work."""

    def __init__(self, rules: RuleSet) -> None:
        self._operators = {**DEFAULT_OPERATORS, **rules.operators}
        self._detector = Detector(Recogniser(rules, CompiledRules(rules)))
        self.replace = throwaway(rules).replace

    def spans(self, text: str) -> list[Span]:
        return self._detector.text(text)

    def findings(self, spans: Sequence[Span]) -> list[Finding]:
        return [
            Finding(each.start, each.end, each.type, each.rule, each.allowed, self._operators[each.type])
            for each in spans
        ]


def _named(rules: Sequence[Any]) -> dict[str, Any]:
    return {each.name: each for each in rules}


def _members(part: str, before: Mapping[Any, Any], after: Mapping[Any, Any]) -> Iterator[Difference]:
    for name in dict.fromkeys([*before, *after]):
        if name not in after:
            yield Difference(part, name, Kind.REMOVED)
        elif name not in before:
            yield Difference(part, name, Kind.ADDED)
        elif before[name] != after[name]:
            yield Difference(part, name, Kind.CHANGED, tuple(_unequal(before[name], after[name])))


def _unequal(before: Any, after: Any) -> Iterator[str]:
    if not isinstance(before, msgspec.Struct):
        yield f"{before} → {after}"
        return
    for field in before.__struct_fields__:
        if getattr(before, field) != getattr(after, field):
            yield field


def _changes(before: Sequence[Finding], after: Sequence[Finding]) -> Iterator[Change]:
    """Findings that are not the same on both sides; one that overlaps another's place is that one changed."""
    same = set(before) & set(after)
    old = [each for each in before if each not in same]
    for new in (each for each in after if each not in same):
        over = [each for each in old if each.start < new.end and new.start < each.end]
        if not over:
            yield Change(Kind.ADDED, None, new)
            continue
        closest = min(over, key=lambda each: abs(each.start - new.start) + abs(each.end - new.end))
        old.remove(closest)
        yield Change(Kind.CHANGED, closest, new, tuple(_what(closest, new)))
    for each in old:
        yield Change(Kind.REMOVED, each, None)


def _what(before: Finding, after: Finding) -> Iterator[str]:
    if (before.start, before.end) != (after.start, after.end):
        yield "span"
    for field in ("type", "rule", "allowed", "operator"):
        if getattr(before, field) != getattr(after, field):
            yield field


def _sample(source: str, case: LabelledText, change: Change) -> Sample:
    found = [each for each in (change.before, change.after) if each is not None]
    start, end = min(each.start for each in found), max(each.end for each in found)
    text = case.text
    return Sample(
        source, case.id, change, text[max(0, start - _AROUND) : start], text[start:end], text[end : end + _AROUND]
    )


def _counted(samples: Sequence[Sample]) -> Iterator[Count]:
    """Removed first: that is what leaks."""
    groups: dict[tuple[Kind, EntityType, str, tuple[str, ...]], list[Sample]] = {}
    for each in samples:
        change = each.change
        groups.setdefault((change.kind, change.type, change.rule, change.what), []).append(each)
    order = Counter({key: len(each) for key, each in groups.items()})
    ranks = {Kind.REMOVED: 0, Kind.CHANGED: 1, Kind.ADDED: 2}
    for key in sorted(groups, key=lambda key: (ranks[key[0]], -order[key], key)):
        yield Count(*key, order[key], tuple(groups[key][:SAMPLES]))


def _measure(
    case: LabelledText,
    sides: Sequence[_Side],
    found: Sequence[Sequence[Span]],
    measures: dict[EntityType, tuple[Tally, Tally]],
) -> None:
    for index, (side, spans) in enumerate(zip(sides, found, strict=True)):
        outcome = judge(case, [each for each in spans if not each.allowed], side.replace)
        for kind, tally in outcome.tallies.items():
            measures.setdefault(kind, (Tally(), Tally()))[index].add(tally)
