"""From matches to findings: thresholds, allow rules, duplicates and overlaps. Both engines end here."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from ipaddress import ip_address, ip_network

import msgspec
import regex

from scrubbers import hostnames
from scrubbers.addresses import parse_ip
from scrubbers.entities import EntityType, Finding
from scrubbers.rules import REGEX_FLAGS, UNENDED, Allow, RuleSet

DEFAULT_THRESHOLD = 0.4
_INNER = frozenset({EntityType.COMPUTER_NAME, EntityType.DOMAIN_NAME, EntityType.USER_NAME, EntityType.IP_ADDRESS})
_OUTER = frozenset({EntityType.COMPUTER_NAME, EntityType.EMAIL_ADDRESS})
# Longer than any honest expression takes on a record of the largest size; a batch stays inside its budget.
MATCH_SECONDS = 1.0
# Of an expression that keeps failing: a batch in which every record makes it fail must still end long before Kafka
# takes the worker for dead (max.poll.interval.ms, five minutes).
LEAST_SECONDS = 0.02
_REMEMBERED = 20_000


class RuleFailure(Exception):
    """A rule did not end in its time; its name is the message, never the text."""


class Patience:
    """How long an expression may take: half as long each time it did not end, until the rules are loaded anew."""

    def __init__(self) -> None:
        self.seconds = MATCH_SECONDS

    def lose(self) -> None:
        """Say that it did not end in its time."""
        self.seconds = max(LEAST_SECONDS, self.seconds / 2)


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
        strong = [self._marked(text, each) for each in found if each.score >= self._thresholds[each.type]]
        return resolved(strong)  # marked before: what passes takes nothing with it that does not

    def threshold(self, kind: EntityType) -> float:
        """The least score of a finding of a type."""
        return self._thresholds[kind]

    def allowing(self, text: str, finding: Finding) -> str | None:
        """The allow rule that lets a finding through, by its name.

        Raises:
            RuleFailure: an allow rule's expression did not end in its time.
        """
        allowed = self._allowed[finding.type]
        if not allowed:
            return None
        value = text[finding.start : finding.end]
        return next((rule.name for rule in allowed if rule.lets_through(value)), None)

    def _marked(self, text: str, finding: Finding) -> Finding:
        return finding if self.allowing(text, finding) is None else msgspec.structs.replace(finding, allowed=True)


class _Allowed:
    def __init__(self, rule: Allow) -> None:
        self.name = rule.name
        self._values = frozenset(value.lower() for value in rule.values)
        self._patterns = [regex.compile(pattern, REGEX_FLAGS) for pattern in rule.patterns]
        self._patience = Patience()
        self._domains = frozenset(rule.domains)
        self._networks = [ip_network(network) for network in rule.networks]
        self.lets_through = lru_cache(_REMEMBERED)(self._decide)  # the same names come again

    def _decide(self, value: str) -> bool:
        if value.lower() in self._values:
            return True
        if self._domains and hostnames.is_service(value, self._domains):
            return True
        if self._networks and self._in_network(value):
            return True
        try:
            return any(pattern.fullmatch(value, timeout=self._patience.seconds) for pattern in self._patterns)
        except UNENDED:
            self._patience.lose()
            raise RuleFailure(self.name) from None

    def _in_network(self, value: str) -> bool:
        written = parse_ip(value)
        return written is not None and any(ip_address(written.packed) in network for network in self._networks)


def resolved(found: Sequence[Finding]) -> list[Finding]:
    """Findings without overlaps: the higher score wins, then the longer, then the earlier; in text order.

    A name inside a longer name or an e-mail address lends it its score: if the shorter won (a known domain
    in an unknown host's name), the rest would be left standing.
    """
    if len(found) < 2:
        return list(found)
    ordered = sorted(found, key=lambda each: (each.start, -each.end))
    if apart(ordered):
        return ordered
    scores = _lent(ordered)
    chosen: list[Finding] = []  # in text order
    for index in sorted(range(len(ordered)), key=lambda index: (-scores[index], *_rank(ordered[index]))):
        each = ordered[index]
        place = bisect_right(chosen, each.start, key=lambda other: other.start)
        clear_before = place == 0 or chosen[place - 1].end <= each.start
        if clear_before and (place == len(chosen) or each.end <= chosen[place].start):
            chosen.insert(place, each)
    return chosen


def apart(ordered: Sequence[Finding]) -> bool:
    """Whether findings, in the order of their starts, do not overlap."""
    end = 0
    for each in ordered:
        if each.start < end:
            return False
        end = each.end
    return True


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
