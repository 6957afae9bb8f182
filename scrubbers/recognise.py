"""One string of an event: what the rules' expressions and its field say about it."""

import re
from collections.abc import Iterator, Sequence
from typing import Protocol

from scrubbers import hostnames
from scrubbers.entities import EntityType, Finding, Known
from scrubbers.event import Path
from scrubbers.findings import RuleFailure, Settler, resolved
from scrubbers.hostnames import Part
from scrubbers.known import related
from scrubbers.rules import FieldRule, RuleSet
from scrubbers.selectors import Selectors
from scrubbers.validators import is_mac

__all__ = ["Engine", "Recogniser", "RuleFailure", "resolved"]

CACHED_STRINGS = 20_000  # monitoring repeats itself: of 11,377 Windows events 7 % of the strings differed
CACHED_LENGTH = 4_096  # longer ones hardly repeat; so the cache stays under 100 MB at the very most
FIELD_SCORE = 1.0  # the field itself says what it holds
LEARNED_TYPES = frozenset({EntityType.COMPUTER_NAME, EntityType.DOMAIN_NAME})


class Engine(Protocol):
    """Finds in a text: the compiled detector, or the reference engine."""

    def find(self, text: str, *, keys: bool = False) -> list[Finding]:
        """What the recognisers find; in JSON keys only those that are sure of themselves there."""
        ...


class Recogniser:
    """A rule set over an engine: expressions in every string, and selectors for known fields."""

    def __init__(self, rules: RuleSet, engine: Engine) -> None:
        self.rules = rules
        self.identity = rules.identity
        self.learning = rules.learning
        self._engine = engine
        self._selectors = Selectors(rules.fields)
        self._settler = Settler(rules)
        self._learning = {rule.name for rule in rules.recognizers if rule.learn}
        self._learning |= {rule.name for rule in rules.fields if rule.learn}
        self._cache: dict[tuple[str, bool, str], Sequence[Finding]] = {}

    def value(self, text: str, path: Path) -> Sequence[Finding]:
        """Findings in the value of a field.

        Raises:
            RuleFailure: an expression did not end in its time.
        """
        field = self._selectors.match(path)
        return self._cached(text, field=field, keys=False)

    def key(self, text: str) -> Sequence[Finding]:
        """Findings in the name of a field."""
        return self._cached(text, field=None, keys=True)

    def learned(self, text: str, findings: Sequence[Finding]) -> Iterator[Known]:
        """The names that these findings teach."""
        for finding in findings:
            if finding.rule in self._learning and finding.type in LEARNED_TYPES and not finding.allowed:
                value = hostnames.normalise(text[finding.start : finding.end])
                yield from related(Known(finding.type, value))

    def _cached(self, text: str, *, field: FieldRule | None, keys: bool) -> Sequence[Finding]:
        if len(text) > CACHED_LENGTH:
            return self._find(text, field, keys=keys)
        place = (text, keys, field.name if field is not None else "")
        found = self._cache.get(place)
        if found is None:
            found = self._find(text, field, keys=keys)
            if len(self._cache) >= CACHED_STRINGS:
                self._cache.clear()
            self._cache[place] = found
        return found

    def _find(self, text: str, field: FieldRule | None, *, keys: bool) -> Sequence[Finding]:
        if not text:
            return ()
        found = self._engine.find(text, keys=keys)
        if field is None:
            return found
        by_field = self._settler.settle(text, list(field_findings(text, field)))
        return resolved([*by_field, *found]) if by_field else found


def field_findings(text: str, field: FieldRule) -> Iterator[Finding]:
    """What a field's type makes of its value."""
    for part in _PARTS.get(field.type, _whole)(text, field.type):
        yield Finding(part.start, part.end, part.type, FIELD_SCORE, field.name)


def _names(text: str, kind: EntityType) -> Iterator[Part]:
    for part in hostnames.candidates(text):
        if kind is EntityType.DOMAIN_NAME and part.type is EntityType.COMPUTER_NAME:
            yield Part(part.start, part.end, kind)
        else:
            yield part


def _accounts(text: str, _: EntityType) -> Iterator[Part]:
    yield from hostnames.accounts(text)


def _addresses(text: str, kind: EntityType) -> Iterator[Part]:
    yield from (part for part in hostnames.candidates(text) if part.type is kind)


def _macs(text: str, kind: EntityType) -> Iterator[Part]:
    yield from (Part(*match.span(), kind) for match in _ITEM.finditer(text) if is_mac(match.group()))


def _mails(text: str, kind: EntityType) -> Iterator[Part]:
    yield from (Part(*match.span(), kind) for match in _ITEM.finditer(text) if "@" in match.group())


def _whole(text: str, kind: EntityType) -> Iterator[Part]:
    if hostnames.is_named(text):
        yield Part(0, len(text), kind)


_ITEM = re.compile(r"[^\s,;|<>]+")
_PARTS = {
    EntityType.COMPUTER_NAME: _names,
    EntityType.DOMAIN_NAME: _names,
    EntityType.USER_NAME: _accounts,
    EntityType.IP_ADDRESS: _addresses,
    EntityType.MAC_ADDRESS: _macs,
    EntityType.EMAIL_ADDRESS: _mails,
}
