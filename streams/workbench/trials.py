"""What the workbench tries of a rule set: pure work, done in a process of its own (`engine.py`).

Results hold values of the texts that were tried: they go back to whoever gave them, and nowhere else.
"""

import time
from functools import cache, lru_cache

import msgspec

from schemas.errors import UserError
from scrubbers import corpus, drafts, hostnames
from scrubbers.compare import Comparison, compare
from scrubbers.entities import EntityType, Known
from scrubbers.evaluate import LabelledText
from scrubbers.explain import Explainer, Explanation, throwaway_keys, told
from scrubbers.findings import RuleFailure
from scrubbers.keyring import TenantKeys
from scrubbers.lint import refused
from scrubbers.problems import Problem, from_flaws
from scrubbers.pseudonyms import Pseudonymiser
from scrubbers.rulefiles import RuleProblem, SourceFile
from scrubbers.rules import RuleSet

Files = tuple[SourceFile, ...]


class Sample(msgspec.Struct, frozen=True):
    """What a person gave to try: a text or (`event`) the JSON of an event, and names to take as known."""

    text: str
    event: bool = False
    known: tuple[str, ...] = ()


class Trial(msgspec.Struct, frozen=True):
    """A sample under a draft. `problems` keep it from being tried; `objection` says why the sample is none."""

    rule_set: str = ""
    digest: str = ""
    problems: tuple[Problem, ...] = ()
    objection: str = ""
    scrubbed: str = ""
    explanation: Explanation | None = None
    milliseconds: float = 0.0


class Inspection(msgspec.Struct, frozen=True):
    """A draft as lint and its own examples see it."""

    problems: tuple[Problem, ...]
    examples: int = 0


class CorpusRun(msgspec.Struct, frozen=True):
    """The team's corpus under two rule sets, against the accepted baseline if there is one."""

    before: corpus.Verdict
    after: corpus.Verdict


def attempt(files: Files, sample: Sample) -> Trial:
    """Explain a sample by a draft."""
    began = time.perf_counter()
    try:
        rules = drafts.load(files)
    except RuleProblem as problem:
        return Trial(problems=tuple(from_flaws(problem.flaws)))
    trial = Trial(rules.identity, rules.digest())
    try:
        known = [Known(EntityType.COMPUTER_NAME, hostnames.normalise(name)) for name in sample.known]
        explainer = Explainer(rules, known, Pseudonymiser(_keys(), rules.operators))
        explained = told(explainer, sample.text, event=sample.event)
    except UserError as problem:
        return msgspec.structs.replace(trial, objection=str(problem))
    took = (time.perf_counter() - began) * 1000
    return msgspec.structs.replace(trial, scrubbed=explained.scrubbed, explanation=explained, milliseconds=took)


def inspect(files: Files) -> Inspection:
    """Lint a draft, and run its examples."""
    problems = drafts.lint(files)
    if refused(problems):
        return Inspection(tuple(problems))
    try:
        broken = drafts.broken_examples(files)
        rules = drafts.load(files)
    except RuleFailure:  # the machine was slower than when lint looked: it says so when it is asked again
        return Inspection(tuple(problems))
    found = sorted([*problems, *broken], key=lambda each: (each.file, each.line, each.severity, each.what))
    return Inspection(tuple(found), sum(len(rule.examples) for rule in rules.recognizers))


def run_corpus(
    before: Files, after: Files, cases: tuple[LabelledText, ...], baseline: corpus.Baseline | None
) -> CorpusRun:
    """Hold two drafts against a corpus.

    Raises:
        UserError: one of them cannot be used.
    """
    try:
        return CorpusRun(_before(before, cases), corpus.check(cases, drafts.load(after), baseline))
    except RuleFailure as problem:
        raise _unended(problem) from None


def compared(before: Files, after: Files, cases: tuple[LabelledText, ...]) -> Comparison:
    """What differs between two drafts, and in what they find.

    Raises:
        UserError: one of them cannot be used.
    """
    try:
        return compare(drafts.load(before), drafts.load(after), {"corpus": cases})
    except RuleFailure as problem:
        raise _unended(problem) from None


def accepted(files: Files, case: LabelledText) -> LabelledText:
    """A labelled text with what a draft finds now as labels, complete for all types.

    Raises:
        UserError: the draft cannot be used.
    """
    try:
        return corpus.accepted(case, drafts.load(files))
    except RuleFailure as problem:
        raise _unended(problem) from None


def rule_set(files: Files) -> RuleSet:
    """The rule set of a draft.

    Raises:
        UserError: it breaks the schema, with the place of every problem.
    """
    return drafts.load(files)


# While a draft changes it is held against the same set and the same corpus again and again.
@lru_cache(maxsize=2)
def _before(files: Files, cases: tuple[LabelledText, ...]) -> corpus.Verdict:
    return corpus.check(cases, drafts.load(files))


def _unended(problem: RuleFailure) -> UserError:
    return UserError(f"rule {problem} did not end in time", "lint says which expression, and how to mend it")


@cache
def _keys() -> TenantKeys:
    """One throw-away key a process: while a person types, a pseudonym stays what it is."""
    return throwaway_keys()
