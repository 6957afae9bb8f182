"""Rule set → compiled detector: a multi-pattern prefilter, then exact matching only where it fires.

The findings are those of the reference engine (Presidio) over the same rules; tests hold the two equal.
The prefilter says which expressions may match somewhere in the text, the `regex` module where they do.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from operator import attrgetter
from time import monotonic

import msgspec
import regex

from scrubbers.attempts import attempts
from scrubbers.context import raised, supportive
from scrubbers.entities import Finding
from scrubbers.findings import Patience, RuleFailure, Settler, apart
from scrubbers.prefilter import Prefilter
from scrubbers.rules import REGEX_FLAGS, UNENDED, Recogniser, RuleSet
from scrubbers.validators import VALIDATORS, Validator
from scrubbers.widened import Widened, widen

Span = tuple[int, int]
_QUICK_ATTEMPTS = 1e7  # of the regex engine: a small part of findings.MATCH_SECONDS
_BY_START = attrgetter("start")
_REMEMBERED = 20_000  # answers of a validator: the same names and times come again


class _Near(msgspec.Struct, frozen=True):
    """How an expression is matched around the ends that the prefilter reports.

    A match and what follows it up to its end lie in one run of the expression's characters. So the exact
    expression is tried from the run's start on and no farther than the run.
    """

    backwards: regex.Pattern  # the run before a position
    run: regex.Pattern  # the run behind a position
    first: regex.Pattern  # the first match in the run behind a position
    shortest: int


class _Expression(msgspec.Struct, frozen=True):
    recogniser: Recogniser
    score: float
    pattern: regex.Pattern
    validator: Validator
    near: _Near | None
    patience: Patience
    untimed: float  # characters of a text in which it cannot take long: to look at the clock costs as much as a match


class CompiledRules:
    """A rule set ready to search texts."""

    def __init__(self, rules: RuleSet) -> None:
        self.rules = rules
        self._settler = Settler(rules)
        validators = {name: lru_cache(_REMEMBERED)(each) for name, each in VALIDATORS.items()}
        wider: list[str | None] = []
        self._expressions: list[_Expression] = []
        for recogniser in rules.recognizers:
            valid = validators[recogniser.validator] if recogniser.validator else _anything
            for each in recogniser.all_patterns():
                widened = widen(each.regex)
                wider.append(widened.expression if widened is not None else None)
                pattern = regex.compile(each.regex, REGEX_FLAGS)
                near = _near(each.regex, widened) if widened is not None else None
                untimed = _QUICK_ATTEMPTS / max(1.0, attempts(each.regex))
                self._expressions.append(_Expression(recogniser, each.score, pattern, valid, near, Patience(), untimed))
        self._contexts = {each.name: each.context for each in rules.recognizers}
        self._prefilter = Prefilter(wider, [each.near is not None for each in self._expressions])

    @property
    def everywhere(self) -> list[str]:
        """The rules with an expression that the prefilter cannot take: it is tried on every text."""
        return list(dict.fromkeys(self._expressions[number].recogniser.name for number in self._prefilter.always))

    def find(self, text: str, *, keys: bool = False) -> list[Finding]:
        """What the recognisers find in a text; in JSON keys only those that are sure of themselves there.

        Raises:
            RuleFailure: an expression did not end in its time.
        """
        found: list[Finding] = []
        in_context: dict[str, list[Finding]] = {}  # of recognisers that have context words
        for number, ends in self._candidates(text):
            expression = self._expressions[number]
            if keys and not expression.recogniser.keys:
                continue
            matches = _matches(expression, text, ends)
            if matches and expression.recogniser.context:
                in_context.setdefault(expression.recogniser.name, []).extend(matches)
            else:
                found += matches
        for name, matches in in_context.items():
            found += _enhanced(text, without_duplicates(matches), self._contexts[name])
        if len(found) > 1:
            found.sort(key=_BY_START)
            if not apart(found):
                found = without_duplicates(found)
        return self._settler.settle(text, found) if found else found

    def _candidates(self, text: str) -> Sequence[tuple[int, list[int] | None]]:
        """The expressions that may match, in their order, and where the prefilter says so."""
        ends: dict[int, list[int] | None] = {}
        for number, end in self._prefilter.candidates(text):
            known = ends.get(number)
            if known is None:
                ends[number] = [end]
            else:
                known.append(end)
        if not self._prefilter.always:
            return list(ends.items())
        return sorted([*ends.items(), *((number, None) for number in self._prefilter.always)])


def _enhanced(text: str, found: Iterable[Finding], words: Sequence[str]) -> Iterator[Finding]:
    for each in found:
        word = supportive(text, each.start, words)
        yield each if word is None else msgspec.structs.replace(each, score=raised(each.score))


def without_duplicates(found: Sequence[Finding]) -> list[Finding]:
    """As Presidio does it: a finding inside another of its type with an equal or higher score goes."""
    if len(found) < 2:
        return list(found)
    kept: list[Finding] = []
    near: list[Finding] = []  # those of the type at hand that reach as far as the next one's start
    for each in sorted(found, key=lambda one: (one.type, one.start, one.start - one.end, -one.score)):
        near = [other for other in near if other.type is each.type and other.end >= each.start]
        if not any(each.end <= other.end and each.score <= other.score for other in near):
            kept.append(each)
            near.append(each)
    return kept


def _matches(expression: _Expression, text: str, ends: Sequence[int] | None) -> list[Finding]:
    recogniser, valid = expression.recogniser, expression.validator
    try:
        if expression.near is None or ends is None:
            spans = _everywhere(expression, text)
        else:
            spans = _around(expression, expression.near, text, ends)
    except UNENDED:
        expression.patience.lose()
        raise RuleFailure(recogniser.name) from None
    if not spans:
        return []
    return [
        Finding(start, end, recogniser.supported_entity, expression.score, recogniser.name)
        for start, end in spans
        if start < end and valid(text[start:end])
    ]


def _everywhere(expression: _Expression, text: str) -> list[Span]:
    if len(text) <= expression.untimed:
        return [match.span() for match in expression.pattern.finditer(text)]
    return [match.span() for match in expression.pattern.finditer(text, timeout=expression.patience.seconds)]


def _around(expression: _Expression, near: _Near, text: str, ends: Sequence[int]) -> list[Span]:
    """The spans that searching the whole text gives, from the ends of all widened matches in their order."""
    spans: list[Span] = []
    position = 0  # no further match starts before it
    timed = len(text) > expression.untimed
    until = monotonic() + expression.patience.seconds if timed else 0.0
    for end in ends:
        if end - position < near.shortest:
            continue
        position = near.backwards.match(text, position, end - 1).start()
        while end - position >= near.shortest:
            if timed:
                match = near.first.match(text, position, timeout=max(0.0, until - monotonic()))  # below 0 is no bound
            else:
                match = near.first.match(text, position)
            if match is None:
                if end == ends[-1]:
                    return spans
                position = near.run.match(text, end - 1).end()
                break
            if match.start() == match.end():  # how a search goes on from there is its own affair
                return _everywhere(expression, text)
            spans.append(match.span())
            position = match.end()
    return spans


def _near(expression: str, widened: Widened) -> _Near | None:
    """None where a run would be lines: searching for the expression itself is faster then."""
    if widened.alphabet is None or widened.shortest == 0 or regex.match(widened.alphabet, "\n"):
        return None
    run = f"{widened.alphabet}*"
    return _Near(
        regex.compile(f"(?r){run}", REGEX_FLAGS),
        regex.compile(run, REGEX_FLAGS),
        regex.compile(rf"{run}?\K(?:{expression})", REGEX_FLAGS),
        widened.shortest,
    )


def _anything(text: str) -> bool:  # noqa: ARG001
    return True
