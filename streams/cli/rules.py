"""`rmm-scrub rules`: check a rule set and run the examples in it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from schemas.errors import UserError
from scrubbers import lint as linting
from scrubbers import rules
from scrubbers.examples import failures
from scrubbers.problems import Check, Problem, Severity
from streams import corpora
from streams.cli import comparison, console, corpus, evaluation, explanation, rollout

app = typer.Typer(help="Rule sets: check, explain, measure and compare them.", no_args_is_help=True)

app.command("eval", epilog=evaluation.EPILOG)(evaluation.evaluate_rules)
app.command("explain", epilog=explanation.EPILOG)(explanation.explain)
app.command("diff", epilog=comparison.EPILOG)(comparison.diff)
app.add_typer(corpus.app, name="corpus")
rollout.add_to(app)

RuleFile = Annotated[Path | None, typer.Option("--rules", help="A file or folder; default: the shipped set.")]
Json = Annotated[bool, typer.Option("--json", help="For machines.")]


@app.command(epilog="Example: rmm-scrub rules lint --rules my-rules.yaml --samples events.ndjson")
def lint(
    rule_file: RuleFile = None,
    samples: Annotated[list[Path] | None, typer.Option(help="NDJSON events, to try selectors and rules on.")] = None,
    as_json: Json = False,
) -> None:
    """Check a rule set: format, slow expressions, rules without effect or with too much; exit 1 on errors.

    Errors go to stderr, warnings to stdout; each with file and line, and how to mend it.
    """
    problems = linting.lint(rule_file, corpora.events(samples or ()))
    if as_json:
        console.print_json(msgspec.to_builtins({**_identity(rule_file, problems), "problems": problems}))
    else:
        for problem in problems:
            _tell(problem)
        errors = sum(problem.severity is Severity.ERROR for problem in problems)
        console.out.print(f"{_name(rule_file)}: {errors} errors, {len(problems) - errors} warnings", markup=False)
    if linting.refused(problems):
        raise typer.Exit(1)


def _tell(problem: Problem) -> None:
    if problem.severity is Severity.ERROR:
        console.error(str(problem), problem.mend)
    else:
        console.out.print(f"{problem}; {problem.mend}", markup=False)


def _name(rule_file: Path | None) -> str:
    return "the shipped rules" if rule_file is None else str(rule_file)


def _identity(rule_file: Path | None, problems: Sequence[Problem]) -> dict[str, Any]:
    """Of a rule set that loads; and the rules of it that are tried on every text."""
    everywhere = [problem.rule for problem in problems if problem.check is Check.EVERYWHERE]
    if any(problem.check is Check.FORMAT for problem in problems):
        return {"rule_set": None, "digest": None, "tried_on_every_text": everywhere}
    rule_set = rules.load(rule_file)
    return {"rule_set": rule_set.identity, "digest": rule_set.digest(), "tried_on_every_text": everywhere}


@app.command(epilog="Example: rmm-scrub rules test")
def test(rule_file: RuleFile = None, as_json: Json = False) -> None:
    """Run the examples that stand beside the rules; exit 1 where one does not hold."""
    rule_set = rules.load(rule_file)
    found = list(failures(rule_set))
    total = sum(len(rule.examples) for rule in rule_set.recognizers)
    if as_json:
        console.print_json(
            {"examples": total, "failures": [{"rule": each.rule, "problem": each.what} for each in found]}
        )
    else:
        for each in found:
            console.error(f"{each.rule}: {each.what}")
        console.out.print(f"{rule_set.identity}: {total - len(found)} of {total} examples hold")
    if found:
        raise typer.Exit(1)


@app.command(epilog="Example: rmm-scrub rules export my-rules/")
def export(folder: Annotated[Path, typer.Argument(help="A new folder.")]) -> None:
    """Copy the shipped rule set into a folder, to build your own on it."""
    try:
        folder.mkdir(parents=True)
        for file in sorted(rules.SHIPPED.glob("*.yaml")):
            (folder / file.name).write_bytes(file.read_bytes())
    except FileExistsError:
        raise UserError(f"{folder} is there already", "take a new folder") from None
    except OSError as problem:
        raise UserError(f"{folder}: {problem.strerror}") from None
    console.out.print(
        f"{folder}: {rules.load(folder).identity}, {len(list(folder.glob('*.yaml')))} files", markup=False
    )
