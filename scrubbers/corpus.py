"""A team's own labelled corpus: texts that once leaked or were shredded, with what must be found in them.

The lines are those of `evaluate`. A baseline is the recall that the team accepted last: a rule set that falls
below it in one entity type is not fit to be published.
"""

import re
from collections.abc import Sequence

import msgspec

from schemas.errors import UserError
from scrubbers.compiled import CompiledRules
from scrubbers.detect import Detector
from scrubbers.entities import EntityType
from scrubbers.evaluate import Label, LabelledText, Mistake, Result, Tally, evaluate
from scrubbers.explain import throwaway
from scrubbers.recognise import Recogniser
from scrubbers.rules import RuleSet

_SOURCE = "corpus"
_OFFSETS = re.compile(r"(\d+):(\d+)")


class Lost(msgspec.Struct, frozen=True, order=True):
    """A label that was not found, by where it is: never its value."""

    id: str
    start: int
    end: int
    type: EntityType


class Recall(msgspec.Struct, frozen=True):
    """How many labels of a type there were, and how many were found."""

    labels: int
    found: int

    def below(self, other: "Recall") -> bool:
        """Whether a smaller share was found."""
        return self.found * max(1, other.labels) < other.found * max(1, self.labels)


class Baseline(msgspec.Struct, frozen=True):
    """What was accepted last: by which rule set, the recall by type, and what was missed even then."""

    rule_set: str
    digest: str
    recall: dict[EntityType, Recall] = {}
    lost: tuple[Lost, ...] = ()


class Verdict(msgspec.Struct, frozen=True):
    """A rule set held against a corpus; `fallen` are the types whose recall is below the baseline's.

    Without a baseline everything must be found. `fresh` are the misses that the baseline did not have.
    """

    now: Baseline
    before: Baseline | None
    fallen: tuple[EntityType, ...]
    misses: tuple[Mistake, ...]
    false_alarms: tuple[Mistake, ...]
    fresh: tuple[Lost, ...]
    tallies: dict[EntityType, Tally]

    @property
    def passed(self) -> bool:
        """Whether the rule set may be used."""
        return not self.fallen


def add(cases: Sequence[LabelledText], text: str) -> tuple[list[LabelledText], LabelledText]:
    """The corpus with a text more, and its line; its id is a number above all that there are.

    Raises:
        UserError: there is no text, or it stands in the corpus already.
    """
    if not text.strip():
        raise UserError("the sample is empty")
    twin = next((case for case in cases if case.text == text), None)
    if twin is not None:
        raise UserError(f"this sample is in the corpus already, as {twin.id}")
    number = 1 + max((case.id for case in cases if isinstance(case.id, int)), default=0)
    case = LabelledText(number, text)
    return [*cases, case], case


def pick(cases: Sequence[LabelledText], name: str) -> LabelledText:
    """The line with an id.

    Raises:
        UserError: there is none.
    """
    found = next((case for case in cases if str(case.id) == name), None)
    if found is None:
        raise UserError(f"the corpus has no sample {name}")
    return found


def replaced(cases: Sequence[LabelledText], case: LabelledText) -> list[LabelledText]:
    """The corpus with the line of that id replaced."""
    return [case if each.id == case.id else each for each in cases]


def removed(cases: Sequence[LabelledText], name: str) -> list[LabelledText]:
    """The corpus without the line of an id.

    Raises:
        UserError: there is none.
    """
    gone = pick(cases, name)
    return [each for each in cases if each.id != gone.id]


def labels_of(text: str, spec: str) -> list[Label]:
    """The labels that `START:END:TYPE` or `VALUE:TYPE` (wherever the value stands) asks for.

    Raises:
        UserError: it is neither, or the span lies outside the text, is empty, or begins or ends with a space.
    """
    place, _, name = spec.rpartition(":")
    if name not in EntityType.__members__ or not place:
        raise UserError("a label is START:END:TYPE or VALUE:TYPE", f"types: {', '.join(EntityType)}")
    kind = EntityType(name)
    offsets = _OFFSETS.fullmatch(place)
    if offsets is None:
        return wherever(text, place, kind)
    return fitting(text, [Label(int(offsets[1]), int(offsets[2]), kind)])


def wherever(text: str, value: str, kind: EntityType) -> list[Label]:
    """The labels of a value, wherever it stands as a whole word.

    Raises:
        UserError: nowhere, or it is empty, or begins or ends with a space.
    """
    spans = [match.span() for match in re.finditer(rf"(?<!\w){re.escape(value)}(?!\w)", text)]
    if not spans:
        raise UserError("the sample does not have this value as a whole word")
    return fitting(text, [Label(start, end, kind) for start, end in spans])


def fitting(text: str, labels: Sequence[Label]) -> list[Label]:
    """Labels that can be a text's.

    Raises:
        UserError: one lies outside the text, is empty, or begins or ends with a space.
    """
    for start, end in ((each.start, each.end) for each in labels):
        if not 0 <= start < end <= len(text):
            raise UserError(f"{start}:{end} lies outside the sample, which has {len(text)} characters")
        if text[start:end] != text[start:end].strip():
            raise UserError(f"{start}:{end} begins or ends with a space")
    return list(labels)


def labelled(case: LabelledText, labels: Sequence[Label]) -> LabelledText:
    """The line with labels more; one with the same span is replaced.

    Raises:
        UserError: a label overlaps another in part.
    """
    spans = list(case.spans)
    for label in labels:
        spans = [each for each in spans if (each.start, each.end) != (label.start, label.end)]
        crossed = next((each for each in spans if _crosses(each, label)), None)
        if crossed is not None:
            raise UserError(f"{label.start}:{label.end} overlaps the label {crossed.start}:{crossed.end} in part")
        spans.append(label)
    return msgspec.structs.replace(case, spans=tuple(sorted(spans, key=lambda each: (each.start, each.end))))


def unlabelled(case: LabelledText, labels: Sequence[Label]) -> LabelledText:
    """The line without labels.

    Raises:
        UserError: one is not there.
    """
    gone = {(each.start, each.end, each.type) for each in labels}
    left = tuple(each for each in case.spans if (each.start, each.end, each.type) not in gone)
    if len(left) + len(gone) != len(case.spans):
        raise UserError("the sample does not have this label")
    return msgspec.structs.replace(case, spans=left)


def accepted(case: LabelledText, rules: RuleSet) -> LabelledText:
    """The line with what the rules find now as labels, beside those that it has, and complete for all types.

    From then on a rule set that finds more in it raises a false alarm.

    Raises:
        RuleFailure: an expression did not end in its time.
    """
    spans = Detector(Recogniser(rules, CompiledRules(rules))).text(case.text)
    fresh = [
        Label(each.start, each.end, each.type)
        for each in spans
        if not each.allowed and not any(each.start < old.end and old.start < each.end for old in case.spans)
    ]
    return msgspec.structs.replace(labelled(case, fresh), complete=tuple(EntityType))


def check(cases: Sequence[LabelledText], rules: RuleSet, baseline: Baseline | None = None) -> Verdict:
    """Hold a rule set against a corpus: each text alone, nothing known.

    Raises:
        RuleFailure: an expression did not end in its time.
    """
    recogniser = Recogniser(rules, CompiledRules(rules))
    result = evaluate({_SOURCE: cases}, recogniser, throwaway(rules).replace, known=False)
    tallies = result.tallies()
    recall = {kind: Recall(tally.labels, tally.found) for kind, tally in tallies.items() if tally.labels}
    lost = tuple(sorted(_lost(result)))
    fallen = [kind for kind, now in recall.items() if now.below(_wanted(kind, baseline))]
    fresh = set(lost) - set(baseline.lost if baseline is not None else ())
    now = Baseline(rules.identity, rules.digest(), recall, lost)
    misses, alarms = tuple(result.misses()), tuple(result.false_alarms())
    return Verdict(now, baseline, tuple(fallen), misses, alarms, tuple(sorted(fresh)), tallies)


def _wanted(kind: EntityType, baseline: Baseline | None) -> Recall:
    """What must be found of a type that the baseline does not have: all."""
    return Recall(1, 1) if baseline is None else baseline.recall.get(kind, Recall(1, 1))


def _lost(result: Result) -> list[Lost]:
    return [
        Lost(str(outcome.case.id), label.start, label.end, label.type)
        for outcomes in result.outcomes.values()
        for outcome in outcomes
        for label in outcome.missed
    ]


def _crosses(one: Label, other: Label) -> bool:
    """Whether two spans overlap and neither is inside the other."""
    if one.end <= other.start or other.end <= one.start:
        return False
    inside = one.start <= other.start and other.end <= one.end
    return not inside and not (other.start <= one.start and one.end <= other.end)
