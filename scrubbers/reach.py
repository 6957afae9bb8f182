"""Rules that can have no effect, or too much: below a threshold, behind a selector, letting everything through."""

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import ip_address
from itertools import product
from typing import Any

import msgspec
import orjson

from scrubbers.context import raised
from scrubbers.entities import EntityType, Finding
from scrubbers.event import Path
from scrubbers.findings import DEFAULT_THRESHOLD, RuleFailure, Settler
from scrubbers.problems import Check, Places, Problem, Reporter, Severity
from scrubbers.reading import Leaf, NotText, read_document
from scrubbers.recognise import Recogniser
from scrubbers.rules import FieldRule, RuleSet
from scrubbers.rules import Recogniser as Rule
from scrubbers.selectors import Selectors

_DEPTH = 64
# Values as different as they come: an allow rule that lets all of a group through lets everything through.
_WORDS = (
    "utica",
    "WS-0042",
    "web-7.corp.example",
    "a.b.c.d.e",
    "Zoë",
    "x9_k",
    "jan.de.vries@mail.example",
    "+31 20 55",
)
_NETWORKS = tuple(str(ip_address(number)) for number in (0x01020304, 0x0A01FE07, 0x80000001, 0xC0A80909, 0xDF0A0B0C))
_NETWORKS_6 = ("2a02:8108::1", "fe80::1", "fd00::7", "2001:4860::8", "1:2:3:4:5:6:7:8", "9000::1")


def unreachable(rules: RuleSet, places: Places) -> Iterator[Problem]:
    """Patterns whose score is below their type's threshold, also with a context word; selectors behind others."""
    for rule in rules.recognizers:
        yield from _too_low(rule, rules.thresholds.get(rule.supported_entity, DEFAULT_THRESHOLD), places)
    yield from _behind_others(rules.fields, places)


def allowing_all(rules: RuleSet, places: Places) -> Iterator[Problem]:
    """Allow rules that let everything of a type through."""
    report = Reporter(places, Check.ALLOWS_ALL, Severity.ERROR)
    for rule in rules.allow:
        settler = Settler(msgspec.structs.replace(rules, allow=(rule,)))
        for kind in rule.types:
            groups = (_NETWORKS, _NETWORKS_6) if kind is EntityType.IP_ADDRESS else (_WORDS,)
            if any(_passes(settler, kind, group) for group in groups):
                yield report.rule(
                    rule.name,
                    (),
                    f"lets everything of {kind} through",
                    f"make it narrower; if {kind} is to stand in the output, say so: operators: {{{kind}: keep}}",
                )


def unmatched(rules: RuleSet, samples: Iterable[Any], places: Places) -> Iterator[Problem]:
    """Selectors that match no path of the sample events."""
    paths = {path for event in samples for path in _paths(event)}
    report = Reporter(places, Check.UNMATCHED, Severity.WARNING)
    for field in rules.fields:
        for number, selector in enumerate(field.paths):
            match = Selectors([msgspec.structs.replace(field, paths=(selector,))]).match
            if not any(match(path) for path in paths):
                yield report.rule(
                    field.name,
                    ("paths", number),
                    f"the selector {selector} matches nothing in the samples",
                    "look at the paths that rules explain --event shows, or take samples that have the field",
                )


def _too_low(rule: Rule, threshold: float, places: Places) -> Iterator[Problem]:
    patterns = rule.all_patterns()
    best = [raised(each.score) if rule.context else each.score for each in patterns]
    low = [(number, score) for number, score in enumerate(best) if score < threshold]
    all_low = len(low) == len(patterns)
    report = Reporter(places, Check.UNREACHABLE, Severity.ERROR if all_low else Severity.WARNING)
    mend = f"raise the score, or give it context words, or lower thresholds: {rule.supported_entity}"
    if all_low:
        yield report.rule(rule.name, (), f"can find nothing: its scores are below the threshold {threshold:g}", mend)
        return
    for number, score in low:
        pattern = patterns[number]
        what = f"the pattern {pattern.name} can find nothing: at most {score:g}, below the threshold {threshold:g}"
        inside = ("patterns", number, "score") if number < len(rule.patterns) else ("deny_list_score",)
        yield report.rule(rule.name, inside, what, mend)


def _behind_others(fields: Sequence[FieldRule], places: Places) -> Iterator[Problem]:
    """A selector whose every path an earlier one takes: the first that matches counts."""
    report = Reporter(places, Check.UNREACHABLE, Severity.WARNING)
    alone = [
        FieldRule(str(place), field.type, (selector,))
        for place, (field, selector) in enumerate((field, selector) for field in fields for selector in field.paths)
    ]
    origins = [(field, number) for field in fields for number in range(len(field.paths))]
    match = Selectors(alone).match
    for place, (field, number) in enumerate(origins):
        takers = {found.name for path in _instances(field.paths[number]) if (found := match(path)) is not None}
        if not takers or str(place) in takers:
            continue
        other, position = origins[min(map(int, takers))]
        yield report.rule(
            field.name,
            ("paths", number),
            f"the selector {field.paths[number]} is never asked: {other.paths[position]} of {other.name} "
            f"({other.type}) stands before it and takes all that it matches",
            "drop it, or put it before the other",
        )


def _instances(selector: str) -> Iterator[Path]:
    """Paths that a selector matches, with made-up names for its wildcards."""
    choices = [
        ((), ("q1",), ("q1", "q2")) if name == "**" else ((name.lower().replace("*", "q3"),),)
        for name in selector.split(".")
    ]
    for parts in product(*choices[:6]):  # more than six names with wildcards nobody writes; the rest is as it is
        tail = tuple(name.lower() for name in selector.split(".")[6:])
        yield (*(name for part in parts for name in part), *tail)


def _passes(settler: Settler, kind: EntityType, values: Sequence[str]) -> bool:
    try:
        return all(settler.allowing(value, Finding(0, len(value), kind, 1.0, "")) is not None for value in values)
    except RuleFailure:
        return False  # said by another check


class _Nothing:
    """An engine that finds nothing: only the paths are asked for."""

    def find(self, text: str, *, keys: bool = False) -> list[Finding]:  # noqa: ARG002
        return []


def _paths(event: Any) -> Iterator[Path]:
    reader = Recogniser(RuleSet("paths", "1"), _Nothing())
    text = orjson.dumps(event).decode()
    try:
        document = read_document(text, event, reader, depth=_DEPTH)
    except NotText:
        return  # quarantined, whatever its fields
    for leaf in document.leaves:
        yield from _of_values(leaf)


def _of_values(leaf: Leaf) -> Iterator[Path]:
    if leaf.is_key:
        return
    if leaf.inner is not None:
        for inner in leaf.inner.leaves:
            yield from _of_values(inner)
    elif leaf.decoded is not None:
        yield from _of_values(leaf.decoded)
    else:
        yield leaf.path
