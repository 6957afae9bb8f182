"""From matches to findings: thresholds, allow rules, duplicates and overlaps. Both engines end here."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence

import msgspec
import regex

from scrubbers.entities import EntityType, Finding
from scrubbers.rules import REGEX_FLAGS, Allow, RuleSet

DEFAULT_THRESHOLD = 0.4
_INNER = frozenset(
    {EntityType.COMPUTER_NAME, EntityType.DOMAIN_NAME, EntityType.USER_NAME, EntityType.IP_ADDRESS}
)
_OUTER = frozenset({EntityType.COMPUTER_NAME, EntityType.EMAIL_ADDRESS})
_NAMES = frozenset({EntityType.COMPUTER_NAME, EntityType.DOMAIN_NAME})
# Longer than any honest expression takes on a record of the largest size; a batch stays inside its budget.
MATCH_SECONDS = 1.0


class RuleFailure(Exception):
    """A rule did not end in its time; its name is the message, never the text."""


class Settler:
    """Applies a rule set's thresholds and allow rules, then settles which findings stand."""

    def __init__(self, rules: RuleSet) -> None:
        self._thresholds: Mapping[EntityType, float] = {
            kind: rules.thresholds.get(kind, DEFAULT_THRESHOLD) for kind in EntityType
        }
        self._allowed: dict[EntityType, list[_Allowed]] = {kind: [] for kind in EntityType}
        for rule in rules.allow:
            for kind in rule.types:
                self._allowed[kind].append(_Allowed(rule))

    def settle(self, text: str, found: Iterable[Finding]) -> list[Finding]:
        """The findings that stand, in order; those that an allow rule lets through are marked.

        Raises:
            RuleFailure: an allow rule's expression did not end in its time.
        """
        strong = [each for each in found if each.score >= self._thresholds[each.type]]
        return [self._marked(text, each) for each in resolved(strong)] if strong else []

    def _marked(self, text: str, finding: Finding) -> Finding:
        value = text[finding.start : finding.end]
        if any(rule.lets_through(value) for rule in self._allowed[finding.type]):
            return msgspec.structs.replace(finding, allowed=True)
        return finding


class _Allowed:
    def __init__(self, rule: Allow) -> None:
        self._name = rule.name
        self._values = frozenset(value.lower() for value in rule.values)
        self._patterns = [regex.compile(pattern, REGEX_FLAGS) for pattern in rule.patterns]

    def lets_through(self, value: str) -> bool:
        if value.lower() in self._values:
            return True
        try:
            return any(pattern.fullmatch(value, timeout=MATCH_SECONDS) for pattern in self._patterns)
        except TimeoutError:
            raise RuleFailure(self._name) from None


def resolved(found: Sequence[Finding]) -> list[Finding]:
    """Findings without overlaps: the higher score wins, then the longer, then the earlier; in text order.

    A name inside a longer name or an e-mail address lends it its score: if the shorter won (a known domain
    in an unknown host's name), the rest would be left standing.
    """
    if len(found) < 2:
        return list(found)
    ordered = sorted(found, key=lambda each: (each.start, -each.end))
    scores = _lent(ordered)
    chosen: list[Finding] = []  # in text order
    for index in sorted(range(len(ordered)), key=lambda index: (-scores[index], *_rank(ordered[index]))):
        each = ordered[index]
        place = bisect_right(chosen, each.start, key=lambda other: other.start)
        clear_before = place == 0 or chosen[place - 1].end <= each.start
        if clear_before and (place == len(chosen) or each.end <= chosen[place].start):
            chosen.insert(place, each)
    return chosen


def _rank(each: Finding) -> tuple[int, int, EntityType, str]:
    return each.start - each.end, each.start, each.type, each.rule


def _lent(ordered: Sequence[Finding]) -> list[float]:
    """The scores of findings, which are in the order of their starts, the longer ones first."""
    scores = [each.score for each in ordered]
    around: list[int] = []
    for index, each in enumerate(ordered):
        around = [outer for outer in around if ordered[outer].end > each.start]
        if each.type in _INNER:
            for outer in around:
                if _holds(ordered[outer], each):
                    scores[outer] = max(scores[outer], each.score)
        if each.type in _OUTER and not each.allowed:  # what passes must not take a known name with it
            around.append(index)
    return scores


def _holds(outer: Finding, inner: Finding) -> bool:
    """Whether a finding covers another and more."""
    return outer.end >= inner.end and outer.end - outer.start > inner.end - inner.start
