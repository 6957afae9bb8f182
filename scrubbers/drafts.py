"""A rule set while it is being written: files that are on no disk yet, loaded and linted as if they were."""

from collections.abc import Sequence
from pathlib import Path

from scrubbers import rulefiles, rules
from scrubbers.examples import failures
from scrubbers.lint import lint_files
from scrubbers.problems import Check, Places, Problem, Reporter, Severity, from_flaws
from scrubbers.rulefiles import Flaw, RuleFile, RuleProblem, SourceFile
from scrubbers.rules import RuleSet

WHOLE = "rule set"  # the file that flaws of a draft as a whole are told of


def load(sources: Sequence[SourceFile]) -> RuleSet:
    """The rule set of a draft.

    Raises:
        RuleProblem: it breaks the schema, with the place of every problem.
    """
    return rules.assemble(_parsed(sources), WHOLE)


def lint(sources: Sequence[SourceFile]) -> list[Problem]:
    """The problems of a draft, as `lint.lint` has them."""
    try:
        files = _parsed(sources)
    except RuleProblem as problem:
        return list(from_flaws(problem.flaws))
    return lint_files(files, WHOLE)


def broken_examples(sources: Sequence[SourceFile]) -> list[Problem]:
    """The examples of a draft that do not hold, by file and line.

    Raises:
        RuleProblem: it breaks the schema.
        RuleFailure: an expression did not end in its time.
    """
    files = _parsed(sources)
    report = Reporter(Places(files), Check.BROKEN_EXAMPLE, Severity.ERROR)
    mend = "mend the expression, or mark what it must find: « »"
    return [
        report.rule(each.rule, ("examples", each.number - 1), each.what, mend)
        for each in failures(rules.assemble(files, WHOLE))
    ]


def _parsed(sources: Sequence[SourceFile]) -> list[RuleFile]:
    """The files in the order of their names, as on a disk.

    Raises:
        RuleProblem: there is none, or some are not YAML.
    """
    parsed: list[RuleFile] = []
    flaws: list[Flaw] = []
    for each in sorted(sources, key=lambda source: source.name):
        try:
            parsed.append(rulefiles.parse(Path(each.name), each.text))
        except RuleProblem as problem:
            flaws += problem.flaws
    if not sources:
        flaws.append(Flaw(WHOLE, 0, "has no files"))
    if flaws:
        raise RuleProblem(flaws)
    return parsed
