"""`rmm-scrub doctor`: is everything there that the pipeline needs, and what to do where it is not."""

from collections import Counter
from typing import Annotated

import msgspec
import typer

from streams.cli import console
from streams.config import load
from streams.doctor import Level, examine

EPILOG = "Example: rmm-scrub doctor --json"
_COLOURS = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "red"}


def doctor(as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False) -> None:
    """Check Kafka, topics, ACLs, keys, tenants, rules, packages, workers and this machine. Exit 1 if one fails."""
    counts: Counter[Level] = Counter()
    for line in examine(load()):
        counts[line.level] += 1
        if as_json:
            console.print_json(msgspec.to_builtins(line))
            continue
        colour = _COLOURS[line.level]
        console.out.print(f"[{colour}]{line.level:<4}[/{colour}] {line.check}: ", end="")
        console.out.print(line.finding, markup=False)
        if line.todo:
            console.out.print(f"     {line.todo}", markup=False, style="dim")
    if not as_json:
        console.err.print(", ".join(f"{counts[level]} {level}" for level in Level))
    if counts[Level.FAIL]:
        raise typer.Exit(1)
