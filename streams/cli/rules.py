"""`rmm-scrub rules`: check a rule set and run the examples in it."""

from pathlib import Path
from typing import Annotated

import typer

from scrubbers import rules
from scrubbers.compiled import CompiledRules
from scrubbers.examples import failures
from streams.cli import console, evaluation, explanation

app = typer.Typer(help="Rule sets: check them, run their examples.", no_args_is_help=True)

app.command("eval", epilog=evaluation.EPILOG)(evaluation.evaluate_rules)
app.command("explain", epilog=explanation.EPILOG)(explanation.explain)

RuleFile = Annotated[Path | None, typer.Option("--rules", help="A file or folder; default: the shipped set.")]
Json = Annotated[bool, typer.Option("--json", help="For machines.")]


@app.command(epilog="Example: rmm-scrub rules lint --rules my-rules.yaml")
def lint(rule_file: RuleFile = None, as_json: Json = False) -> None:
    """Check a rule set against its schema, every problem with file and line; name the rules that cost."""
    rule_set = rules.load(rule_file)
    everywhere = CompiledRules(rule_set).everywhere
    if as_json:
        console.print_json(
            {"rule_set": rule_set.identity, "digest": rule_set.digest(), "tried_on_every_text": everywhere}
        )
    else:
        for name in everywhere:
            console.out.print(f"{name}: the prefilter cannot take an expression of it: it is tried on every text")
        console.out.print(
            f"{rule_set.identity}: {len(rule_set.recognizers)} recognisers, {len(rule_set.fields)} field rules"
        )


@app.command(epilog="Example: rmm-scrub rules test")
def test(rule_file: RuleFile = None, as_json: Json = False) -> None:
    """Run the examples that stand beside the rules; exit 1 where one does not hold."""
    rule_set = rules.load(rule_file)
    found = list(failures(rule_set))
    total = sum(len(rule.examples) for rule in rule_set.recognizers)
    if as_json:
        console.print_json({"examples": total, "failures": [{"rule": rule, "problem": why} for rule, why in found]})
    else:
        for rule, why in found:
            console.error(f"{rule}: {why}")
        console.out.print(f"{rule_set.identity}: {total - len(found)} of {total} examples hold")
    if found:
        raise typer.Exit(1)
