"""Rule set → compiled detector: a multi-pattern prefilter, then exact matching only where it fires.

The findings are those of the reference engine (Presidio) over the same rules; tests hold the two equal.
The prefilter says which expressions may match somewhere in the text, the `regex` module where they do.
"""

from collections.abc import Sequence

import msgspec
import regex

from scrubbers.entities import EntityType, Finding
from scrubbers.findings import MATCH_SECONDS, RuleFailure, Settler
from scrubbers.prefilter import Prefilter
from scrubbers.rules import REGEX_FLAGS, Recogniser, RuleSet
from scrubbers.validators import VALIDATORS, Validator


class _Expression(msgspec.Struct, frozen=True):
    recogniser: int
    name: str
    type: EntityType
    score: float
    pattern: regex.Pattern
    validator: Validator | None
    keys: bool


class CompiledRules:
    """A rule set ready to search texts."""

    def __init__(self, rules: RuleSet) -> None:
        self.rules = rules
        self._settler = Settler(rules)
        self._expressions = [
            each for number, recogniser in enumerate(rules.recognizers) for each in _expressions(number, recogniser)
        ]
        self._prefilter = Prefilter([each.pattern.pattern for each in self._expressions])

    def find(self, text: str, *, keys: bool = False) -> list[Finding]:
        """What the recognisers find in a text; in JSON keys only those that are sure of themselves there.

        Raises:
            RuleFailure: an expression did not end in its time.
        """
        found: dict[int, list[Finding]] = {}
        for number in self._prefilter.candidates(text):
            expression = self._expressions[number]
            if not keys or expression.keys:
                for finding in _matches(expression, text):
                    found.setdefault(expression.recogniser, []).append(finding)
        if not found:
            return []
        each = [finding for group in found.values() for finding in without_duplicates(group)]
        return self._settler.settle(text, without_duplicates(each))


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


def _matches(expression: _Expression, text: str) -> list[Finding]:
    try:
        spans = [match.span() for match in expression.pattern.finditer(text, timeout=MATCH_SECONDS)]
    except TimeoutError:
        raise RuleFailure(expression.name) from None
    return [
        Finding(start, end, expression.type, expression.score, expression.name)
        for start, end in spans
        if start < end and (expression.validator is None or expression.validator(text[start:end]))
    ]


def _expressions(number: int, recogniser: Recogniser) -> list[_Expression]:
    validator = VALIDATORS[recogniser.validator] if recogniser.validator else None
    return [
        _Expression(
            number,
            recogniser.name,
            recogniser.supported_entity,
            pattern.score,
            regex.compile(pattern.regex, REGEX_FLAGS),
            validator,
            recogniser.keys,
        )
        for pattern in recogniser.all_patterns()
    ]
