"""One string as the rules see it: every match of every expression, and what became of each.

What `CompiledRules` and `Recogniser` do, step by step, with the losers kept. No prefilter: all expressions are
tried, so a rule set is ready at once, and 2 KB take milliseconds.
"""

from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum

import msgspec
import regex

from scrubbers.compiled import without_duplicates
from scrubbers.context import raised, supportive
from scrubbers.entities import Finding
from scrubbers.event import Path
from scrubbers.findings import MATCH_SECONDS, RuleFailure, Settler, apart, resolved
from scrubbers.recognise import field_findings
from scrubbers.rules import REGEX_FLAGS, UNENDED, FieldRule, Pattern, Recogniser, RuleSet
from scrubbers.selectors import Selectors
from scrubbers.validators import VALIDATORS, Validator

KNOWN_ENTITY = "known entity"


class Fate(StrEnum):
    """What became of a candidate, and why."""

    KEPT = "kept"
    ALLOWED = "allowed"  # it stands, and an allow rule lets it through
    INVALID = "invalid"  # the rule's validator said no
    NOT_IN_KEYS = "not_in_keys"  # matched the name of a JSON member, where its rule does not look
    DUPLICATE = "duplicate"  # inside another of its type with an equal or higher score
    BELOW_THRESHOLD = "below_threshold"
    MERGED = "merged"  # a longer finding took it in
    OVERLAPPED = "overlapped"  # another finding stands there


class Source(StrEnum):
    """What a candidate comes from."""

    EXPRESSION = "expression"
    FIELD = "field"
    KNOWN = "known"


class Traced(msgspec.Struct):
    """A candidate on its way; `finding` has its score as it is now, `base` the expression's own."""

    finding: Finding
    source: Source
    pattern: str  # the expression's name, the selector, or `known entity`
    base: float
    context: str | None = None
    validator: str | None = None
    allowed_by: str | None = None
    fate: Fate = Fate.KEPT
    by: Finding | None = None  # the one that took its place

    def __repr__(self) -> str:
        """Nothing of the text."""
        return f"Traced({self.finding.rule}, {self.fate})"

    @property
    def stands(self) -> bool:
        """Whether nothing has thrown it out yet."""
        return self.fate in (Fate.KEPT, Fate.ALLOWED)


class FieldMatch(msgspec.Struct, frozen=True):
    """The field rule for a path, and which of its selectors says so."""

    rule: FieldRule
    selector: str


class _Expression(msgspec.Struct, frozen=True):
    recogniser: Recogniser
    pattern: Pattern
    compiled: regex.Pattern
    valid: Validator | None


class Tracer:
    """A rule set that keeps what it throws out. It is an engine too: `find` gives the compiled detector's findings."""

    def __init__(self, rules: RuleSet) -> None:
        self._settler = Settler(rules)
        self.threshold = self._settler.threshold
        self._fields = Selectors(rules.fields)
        self._expressions = [
            _Expression(
                rule,
                pattern,
                regex.compile(pattern.regex, REGEX_FLAGS),
                VALIDATORS[rule.validator] if rule.validator else None,
            )
            for rule in rules.recognizers
            for pattern in rule.all_patterns()
        ]

    def find(self, text: str, *, keys: bool = False) -> list[Finding]:
        """What stands of the recognisers' matches.

        Raises:
            RuleFailure: an expression did not end in its time.
        """
        return standing(self.recognised(text, keys=keys))

    def field(self, path: Path) -> FieldMatch | None:
        """The field rule that a path's value is read by."""
        rule = self._fields.match(path)
        if rule is None:
            return None
        alone = (Selectors([msgspec.structs.replace(rule, paths=(selector,))]) for selector in rule.paths)
        matching = (one for one, selectors in zip(rule.paths, alone, strict=True) if selectors.match(path))
        return FieldMatch(rule, next(matching))

    def trace(self, text: str, field: FieldMatch | None, known: Sequence[Finding], *, is_key: bool) -> list[Traced]:
        """All candidates of a string, by their places, with what became of each.

        Raises:
            RuleFailure: an expression did not end in its time.
        """
        if not text:
            return []
        traced = self.recognised(text, keys=is_key)
        if field is not None:
            found = field_findings(text, field.rule)
            by_field = [Traced(each, Source.FIELD, field.selector, each.score) for each in found]
            self._settle(text, by_field)
            traced = [*by_field, *traced]
            _resolve(traced)
        if known:
            traced += [Traced(each, Source.KNOWN, KNOWN_ENTITY, each.score) for each in known]
            _resolve(traced)
        return sorted(traced, key=lambda each: (each.finding.start, -each.finding.end, -each.finding.score))

    def recognised(self, text: str, *, keys: bool = False) -> list[Traced]:
        """The candidates of the recognisers alone.

        Raises:
            RuleFailure: an expression did not end in its time.
        """
        traced = [each for expression in self._expressions for each in _matches(expression, text, keys=keys)]
        in_context: dict[str, list[Traced]] = {}
        words = {each.recogniser.name: each.recogniser.context for each in self._expressions}
        for each in traced:
            if each.stands and words[each.finding.rule]:
                in_context.setdefault(each.finding.rule, []).append(each)
        for name, candidates in in_context.items():
            _drop_duplicates(candidates)  # before the gain, as Presidio does it
            for each in candidates:
                _raise(each, text, words[name])
        left = sorted((each for each in traced if each.stands), key=lambda each: each.finding.start)
        if not apart([each.finding for each in left]):
            _drop_duplicates(left)
        self._settle(text, traced)
        return traced

    def _settle(self, text: str, traced: Sequence[Traced]) -> None:
        """Thresholds, allow rules, overlaps: `Settler.settle`."""
        for each in traced:
            if not each.stands:
                continue
            if each.finding.score < self._settler.threshold(each.finding.type):
                each.fate = Fate.BELOW_THRESHOLD
                continue
            each.allowed_by = self._settler.allowing(text, each.finding)
            if each.allowed_by is not None:
                each.finding = msgspec.structs.replace(each.finding, allowed=True)
                each.fate = Fate.ALLOWED
        _resolve(traced)


def standing(traced: Sequence[Traced]) -> list[Finding]:
    """The findings that are left, in the order of the text."""
    return sorted((each.finding for each in traced if each.stands), key=lambda each: (each.start, -each.end))


def _matches(expression: _Expression, text: str, *, keys: bool) -> Iterator[Traced]:
    rule, pattern = expression.recogniser, expression.pattern
    try:
        spans = [match.span() for match in expression.compiled.finditer(text, timeout=MATCH_SECONDS)]
    except UNENDED:
        raise RuleFailure(rule.name) from None
    for start, end in spans:
        if start >= end:
            continue
        finding = Finding(start, end, rule.supported_entity, pattern.score, rule.name)
        traced = Traced(finding, Source.EXPRESSION, pattern.name, pattern.score, validator=rule.validator)
        if keys and not rule.keys:
            traced.fate = Fate.NOT_IN_KEYS
        elif expression.valid is not None and not expression.valid(text[start:end]):
            traced.fate = Fate.INVALID
        yield traced


def _raise(traced: Traced, text: str, words: Sequence[str]) -> None:
    if not traced.stands:
        return
    traced.context = supportive(text, traced.finding.start, words)
    if traced.context is not None:
        traced.finding = msgspec.structs.replace(traced.finding, score=raised(traced.finding.score))


def _drop_duplicates(traced: Sequence[Traced]) -> None:
    _keep_only(traced, without_duplicates, _duplicated)


def _resolve(traced: Sequence[Traced]) -> None:
    _keep_only(traced, resolved, _overlapped)


def _keep_only(
    traced: Sequence[Traced],
    choose: Callable[[Sequence[Finding]], list[Finding]],
    blame: Callable[[Traced, Sequence[Finding]], None],
) -> None:
    """Let only those stand that `choose` keeps; `blame` says of the others why."""
    left = [each for each in traced if each.stands]
    chosen = choose([each.finding for each in left])
    kept = {id(each) for each in chosen}  # equal findings of two expressions are two
    for each in left:
        if id(each.finding) not in kept:
            blame(each, chosen)


def _duplicated(traced: Traced, chosen: Sequence[Finding]) -> None:
    own = traced.finding
    traced.fate = Fate.DUPLICATE
    traced.by = next(
        (each for each in chosen if each.type is own.type and _covers(each, own) and each.score >= own.score), None
    )


def _overlapped(traced: Traced, chosen: Sequence[Finding]) -> None:
    own = traced.finding
    over = [each for each in chosen if each.start < own.end and own.start < each.end]
    traced.by = max(over, key=lambda each: (_covers(each, own), each.score), default=None)
    merged = traced.by is not None and _covers(traced.by, own) and not _covers(own, traced.by)
    traced.fate = Fate.MERGED if merged else Fate.OVERLAPPED


def _covers(outer: Finding, inner: Finding) -> bool:
    return outer.start <= inner.start and outer.end >= inner.end
