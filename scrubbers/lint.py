"""Lint: what is wrong with a rule set before anybody uses it."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from schemas.errors import UserError
from scrubbers import rulefiles, rules
from scrubbers.backtracking import slowness
from scrubbers.compiled import CompiledRules
from scrubbers.event import DocumentError, leaves
from scrubbers.explain import throwaway
from scrubbers.findings import RuleFailure
from scrubbers.problems import Check, Places, Problem, Reporter, Severity, from_flaws
from scrubbers.reach import allowing_all, unmatched, unreachable
from scrubbers.rulefiles import RuleFile
from scrubbers.rules import OPEN_MARK, RuleSet
from scrubbers.shadows import duplicates, shadowed

_TEXTS = 5_000  # different strings of the samples in which rules are looked for: a second or so
_DEPTH = 64
_SLOW = (
    "write repeats that cannot share what they match: with something between them that neither takes, "
    "or possessive (++), which gives nothing back"
)


def lint(path: Path | None = None, samples: Sequence[Any] = ()) -> list[Problem]:
    """The problems of the rule set in a file or folder (the shipped one by default), by file and line.

    `samples` are events, as parsed JSON: with them selectors that match nothing are told, and rules are held
    against more than their examples.
    """
    path = path or rules.SHIPPED
    try:
        files = rulefiles.read(path)
    except rules.RuleProblem as problem:
        return list(from_flaws(problem.flaws))
    return lint_files(files, str(path), samples)


def lint_files(files: Sequence[RuleFile], whole: str, samples: Sequence[Any] = ()) -> list[Problem]:
    """The problems of the rule set that files make, as `rules.assemble` has it."""
    samples = [event for event in samples if _readable(event)]
    try:
        rule_set = rules.assemble(files, whole)
    except rules.RuleProblem as problem:
        return list(from_flaws(problem.flaws))
    places = Places(files)
    slow = list(_slow(rule_set, places))
    found = [*slow, *_operators(rule_set, places), *_effects(rule_set, places)]
    found += [*duplicates(rule_set, places), *_without_examples(rule_set, places)]
    if samples:
        found += unmatched(rule_set, samples, places)
    if not slow:  # what follows compiles the rules, and matches texts
        found += [*_tried_everywhere(rule_set, places), *_shadowed(rule_set, samples, places)]
    return sorted(found, key=lambda each: (each.file, each.line, each.severity, each.what))


def errors(rule_set: RuleSet) -> list[Problem]:
    """Why a rule set that can be used must not be: slow expressions, rules without effect or with too much.

    The same as of `lint`, for one that did not come from files: by rule, without lines.
    """
    nowhere = Places(())
    return [each for each in (*_slow(rule_set, nowhere), *_effects(rule_set, nowhere)) if _is_error(each)]


def _effects(rule_set: RuleSet, places: Places) -> Iterator[Problem]:
    yield from unreachable(rule_set, places)
    yield from allowing_all(rule_set, places)


def _readable(event: Any) -> bool:
    """Whether an event is one that gets as far as the rules; others go to quarantine."""
    try:
        leaves(event, _DEPTH)
    except DocumentError:
        return False
    return True


def refused(problems: Sequence[Problem]) -> bool:
    """Whether a rule set with these problems must not be used."""
    return any(map(_is_error, problems))


def _is_error(problem: Problem) -> bool:
    return problem.severity is Severity.ERROR


def _slow(rule_set: RuleSet, places: Places) -> Iterator[Problem]:
    report = Reporter(places, Check.SLOW, Severity.ERROR)
    for rule in rule_set.recognizers:
        for number, pattern in enumerate(rule.patterns):
            if (why := slowness(pattern.regex)) is not None:
                what = f"the expression of {pattern.name} backtracks without bound: {why}"
                yield report.rule(rule.name, ("patterns", number, "regex"), what, _SLOW)
    for allow in rule_set.allow:
        for number, expression in enumerate(allow.patterns):
            if (why := slowness(expression, whole=True)) is not None:
                what = f"the expression backtracks without bound: {why}"
                yield report.rule(allow.name, ("patterns", number), what, _SLOW)


def _operators(rule_set: RuleSet, places: Places) -> Iterator[Problem]:
    report = Reporter(places, Check.OPERATOR, Severity.ERROR)
    for kind, operator in rule_set.operators.items():
        try:
            throwaway(msgspec.structs.replace(rule_set, operators={kind: operator}))
        except UserError as problem:
            yield report.setting(("operators", kind), str(problem), "; ".join(problem.hints))


def _without_examples(rule_set: RuleSet, places: Places) -> Iterator[Problem]:
    report = Reporter(places, Check.EXAMPLES, Severity.WARNING)
    for rule in rule_set.recognizers:
        if not any(OPEN_MARK in example for example in rule.examples):
            what = "has no example of what it finds" if rule.examples else "has no examples"
            yield report.rule(rule.name, (), what, "add one of what it must find («marked»), one of what must stay")


def _tried_everywhere(rule_set: RuleSet, places: Places) -> Iterator[Problem]:
    report = Reporter(places, Check.EVERYWHERE, Severity.WARNING)
    for name in CompiledRules(rule_set).everywhere:
        what = "the prefilter cannot take an expression of it: it is tried on every text"
        yield report.rule(name, (), what, "do without back-references, atomic groups, conditionals, fuzzy matching")


def _shadowed(rule_set: RuleSet, samples: Sequence[Any], places: Places) -> Iterator[Problem]:
    texts = dict.fromkeys(leaf.text for event in samples for leaf in leaves(event, _DEPTH) if not leaf.is_key)
    try:
        yield from shadowed(rule_set, list(texts)[:_TEXTS], places)
    except RuleFailure as failure:
        report = Reporter(places, Check.SLOW, Severity.ERROR)
        yield report.rule(str(failure), (), "did not end in its time on a text of the examples or samples", _SLOW)
