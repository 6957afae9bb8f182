"""Measure a rule set on labelled text: what it finds, misses, and takes for what it is not.

A label is found when findings of an accepted type cover all of it. A finding is right when it overlaps a
label of an accepted type, neutral when it overlaps another label or a span to ignore, or is an address
that identifies nobody; else it is a false alarm, counted where the text's labels are complete for its type.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from ipaddress import ip_address, ip_network
from math import sqrt
from typing import Any

import msgspec

from scrubbers import hostnames
from scrubbers.addresses import parse_ip
from scrubbers.detect import Detector, Span
from scrubbers.entities import EntityType, Known
from scrubbers.event import Edit, splice
from scrubbers.ipcrypt import passes
from scrubbers.recognise import Recogniser

_NAMES_IN_MAIL = {EntityType.COMPUTER_NAME, EntityType.USER_NAME, EntityType.PERSON, EntityType.DOMAIN_NAME}
_CONFIDENCE = 1.96  # standard deviations on each side of a 95 % interval
_QUAD = re.compile(r"\d{1,3}([.-])\d{1,3}(?:\1\d{1,3}){2}")
# RFC 5737, RFC 3849, RFC 9637
_DOCUMENTATION = tuple(
    map(ip_network, ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "3fff::/20"))
)


class Label(msgspec.Struct, frozen=True):
    """A span that people (`gold`) or careful rules (`derived`) marked; offsets are code points."""

    start: int
    end: int
    type: EntityType
    q: str = "gold"


class Stretch(msgspec.Struct, frozen=True):
    """A span of a text, `end` exclusive."""

    start: int
    end: int


class LabelledText(msgspec.Struct, frozen=True):
    """One line of a corpus; labels are exhaustive for the `complete` types."""

    id: str | int
    text: str
    spans: tuple[Label, ...] = ()
    ignore: tuple[Stretch, ...] = ()
    complete: tuple[EntityType, ...] = ()
    lookalikes: tuple[Stretch, ...] = ()


class Mistake(msgspec.Struct, frozen=True):
    """A label that was missed, or a finding that is none, with the text around it."""

    source: str
    id: str | int
    type: EntityType
    value: str
    context: str
    rule: str = ""


class Tally(msgspec.Struct):
    """Counts of one entity type."""

    labels: int = 0
    found: int = 0
    gold: int = 0
    gold_found: int = 0
    right: int = 0
    wrong: int = 0
    leaked: int = 0

    @property
    def recall(self) -> float | None:
        """The share of labels that were found."""
        return share(self.found, self.labels)

    @property
    def precision(self) -> float | None:
        """The share of findings that are right, of those that count."""
        return share(self.right, self.right + self.wrong)

    @property
    def leak_rate(self) -> float | None:
        """The share of labels whose value still stands in the scrubbed text."""
        return share(self.leaked, self.labels)

    @property
    def f2(self) -> float | None:
        """The F measure that weighs recall twice: a miss leaks, a false alarm only blurs."""
        return f2(self.precision, self.recall)

    def add(self, other: "Tally") -> None:
        """Count another tally in."""
        for field in self.__struct_fields__:
            setattr(self, field, getattr(self, field) + getattr(other, field))


class Outcome(msgspec.Struct, frozen=True):
    """What became of one text."""

    case: LabelledText
    findings: Sequence[Span]
    missed: Sequence[Label]
    wrong: Sequence[Span]
    touched: Sequence[Stretch]
    tallies: dict[EntityType, Tally]


class Result(msgspec.Struct, frozen=True):
    """All outcomes of a run by source, one source a corpus file."""

    outcomes: dict[str, list[Outcome]]

    def tallies(self, source: str | None = None) -> dict[EntityType, Tally]:
        """Totals by entity type, of one source or of all."""
        total: dict[EntityType, Tally] = {}
        for name, outcomes in self.outcomes.items():
            for outcome in outcomes if source in (None, name) else ():
                for kind, tally in outcome.tallies.items():
                    total.setdefault(kind, Tally()).add(tally)
        return dict(sorted(total.items()))

    def lookalikes(self) -> tuple[int, int]:
        """(touched, all) look-alikes."""
        every = [outcome for outcomes in self.outcomes.values() for outcome in outcomes]
        return sum(len(each.touched) for each in every), sum(len(each.case.lookalikes) for each in every)

    def misses(self) -> Iterator[Mistake]:
        """Labels that were not found."""
        for source, outcome in self._each():
            for label in outcome.missed:
                yield _mistake(source, outcome.case, label.type, label.start, label.end)

    def false_alarms(self) -> Iterator[Mistake]:
        """Findings that are none."""
        for source, outcome in self._each():
            for span in outcome.wrong:
                yield _mistake(source, outcome.case, span.type, span.start, span.end, span.rule)

    def _each(self) -> Iterator[tuple[str, Outcome]]:
        for source, outcomes in self.outcomes.items():
            for outcome in outcomes:
                yield source, outcome


def evaluate(
    corpus: dict[str, Sequence[LabelledText]],
    recogniser: Recogniser,
    replace: Callable[[EntityType, str], str],
    *,
    known: bool,
    done: Callable[[], None] = lambda: None,
) -> Result:
    """Run the rules over a corpus by source; `known`: the computer names labelled in a source are known in it.

    `replace` makes the scrubbed text, in which a labelled value that still stands has leaked. `done` is
    called once a text.

    Raises:
        RuleFailure: an expression did not end in its time.
    """
    outcomes: dict[str, list[Outcome]] = {}
    for source, cases in corpus.items():
        detector = Detector(recogniser, list(_labelled_names(cases)) if known else ())
        for case in cases:
            spans = [each for each in detector.text(case.text) if not each.allowed]
            outcomes.setdefault(source, []).append(judge(case, spans, replace))
            done()
    return Result(outcomes)


def judge(case: LabelledText, findings: Sequence[Span], replace: Callable[[EntityType, str], str]) -> Outcome:
    """Hold the findings of a text against its labels."""
    counted = [label for label in case.spans if not _nobody(case.text, label)]
    missed = [label for label in counted if not _covered(case, label, findings)]
    wrong = [each for each in findings if each.type in case.complete and _is_wrong(case, each)]
    scrubbed = splice(case.text, [Edit(each.start, each.end, replace(each.type, each.value)) for each in findings])
    leaked = [label for label in counted if _stands(case.text[label.start : label.end], scrubbed)]
    touched = [each for each in case.lookalikes if any(_overlap(each, finding) for finding in findings)]
    return Outcome(case, findings, missed, wrong, touched, _tallies(case, counted, missed, findings, wrong, leaked))


def share(part: int, whole: int) -> float | None:
    """A proportion; None of nothing."""
    return part / whole if whole else None


def interval(part: int, whole: int) -> tuple[float, float]:
    """The 95 % confidence interval of a proportion (Wilson 1927)."""
    if whole == 0:
        return 0.0, 1.0
    share, square = part / whole, _CONFIDENCE**2
    middle = share + square / (2 * whole)
    spread = _CONFIDENCE * sqrt((share * (1 - share) + square / (4 * whole)) / whole)
    return max(0.0, (middle - spread) / (1 + square / whole)), min(1.0, (middle + spread) / (1 + square / whole))


def f2(precision: float | None, recall: float | None) -> float | None:
    """F with a beta of 2; None without both, or with both zero."""
    if precision is None or recall is None or precision + recall == 0:
        return None
    return 5 * precision * recall / (4 * precision + recall)


def identifies_nobody(surface: str) -> bool:
    """Whether a written address is unspecified, loopback, multicast, broadcast, a netmask or for documentation."""
    written = parse_ip(surface)
    if written is None:
        return False
    packed = written.packed
    address = ip_address(packed)
    if passes(packed) or address.is_multicast or any(address in network for network in _DOCUMENTATION):
        return True
    bits = f"{int.from_bytes(packed):032b}" if len(packed) == 4 else ""
    return bool(bits) and "01" not in bits  # a mask: ones, then zeros


def _tallies(
    case: LabelledText,
    counted: Sequence[Label],
    missed: Sequence[Label],
    findings: Sequence[Span],
    wrong: Sequence[Span],
    leaked: Sequence[Label],
) -> dict[EntityType, Tally]:
    tallies: dict[EntityType, Tally] = {}
    for kind in {label.type for label in counted} | {each.type for each in findings}:
        labels = [label for label in counted if label.type is kind]
        gold = [label for label in labels if label.q == "gold"]
        lost = [label for label in missed if label.type is kind]
        tallies[kind] = Tally(
            labels=len(labels),
            found=len(labels) - len(lost),
            gold=len(gold),
            gold_found=len(gold) - sum(label.q == "gold" for label in lost),
            right=sum(each.type is kind and kind in case.complete and _is_right(case, each) for each in findings),
            wrong=sum(each.type is kind for each in wrong),
            leaked=sum(label.type is kind for label in leaked),
        )
    return tallies


def _labelled_names(cases: Iterable[LabelledText]) -> Iterator[Known]:
    for case in cases:
        for label in case.spans:
            if label.type is EntityType.COMPUTER_NAME:
                yield Known(label.type, hostnames.normalise(case.text[label.start : label.end]))


def _accepted(case: LabelledText, label: Label) -> set[EntityType]:
    """The types of findings that count for a label."""
    types = {label.type}
    if label.type in _NAMES_IN_MAIL:
        types.add(EntityType.EMAIL_ADDRESS)
    if label.type is EntityType.COMPUTER_NAME:
        types.add(EntityType.DOMAIN_NAME)
    if label.type in (EntityType.IP_ADDRESS, EntityType.COMPUTER_NAME) and _address_in_name(case.text, label):
        types |= {EntityType.IP_ADDRESS, EntityType.COMPUTER_NAME}
    return types


def _address_in_name(text: str, label: Label) -> bool:
    """Whether an address is written into a name there: `ip-10-0-0-1.example.internal`."""
    start, end = label.start, label.end
    if label.type is EntityType.IP_ADDRESS:
        return text[start - 1 : start].isalpha() or text[start - 1 : start] == "-" or text[end : end + 1].isalpha()
    return _QUAD.search(text, start, end) is not None


def _covered(case: LabelledText, label: Label, findings: Sequence[Span]) -> bool:
    accepted = _accepted(case, label)
    position = label.start
    for each in sorted(findings, key=lambda span: span.start):
        if each.type in accepted and each.start <= position < each.end:
            position = each.end
    return position >= label.end


def _is_right(case: LabelledText, finding: Span) -> bool:
    return any(_overlap(label, finding) and finding.type in _accepted(case, label) for label in case.spans)


def _is_wrong(case: LabelledText, finding: Span) -> bool:
    if any(_overlap(each, finding) for each in (*case.spans, *case.ignore)):
        return False
    return not (finding.type is EntityType.IP_ADDRESS and identifies_nobody(finding.value))


def _nobody(text: str, label: Label) -> bool:
    return label.type is EntityType.IP_ADDRESS and identifies_nobody(text[label.start : label.end])


def _stands(value: str, text: str) -> bool:
    if value.lower() not in text.lower():
        return False
    return re.search(rf"(?<!\w){re.escape(value)}(?!\w)", text, re.IGNORECASE) is not None


def _overlap(one: Any, other: Any) -> bool:
    return bool(one.start < other.end and other.start < one.end)


def _mistake(source: str, case: LabelledText, kind: EntityType, start: int, end: int, rule: str = "") -> Mistake:
    context = case.text[max(0, start - 40) : end + 30]
    return Mistake(source, case.id, kind, case.text[start:end], context, rule)
