"""From matches to findings: thresholds, allow rules, duplicates and overlaps. Both engines end here."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec
import regex

from scrubbers.entities import EntityType, Finding
from scrubbers.rules import REGEX_FLAGS, Allow, RuleSet

DEFAULT_THRESHOLD = 0.4
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

    A part of a name never stands before the whole: with `example.local` known and `utica.example.local`
    found by its form, the host would be left standing.
    """
    if len(found) < 2:
        return list(found)
    whole = [each for each in found if not any(_is_part(each, other) for other in found)]
    chosen: list[Finding] = []
    ranked = sorted(whole, key=lambda each: (-each.score, each.start - each.end, each.start, each.type, each.rule))
    for each in ranked:
        if all(each.end <= other.start or each.start >= other.end for other in chosen):
            chosen.append(each)
    return sorted(chosen)


def _is_part(each: Finding, other: Finding) -> bool:
    longer = other.end - other.start > each.end - each.start
    inside = other.start <= each.start and each.end <= other.end
    return longer and inside and each.type in _NAMES and other.type in _NAMES and not other.allowed
