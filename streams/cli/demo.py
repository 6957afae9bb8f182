"""`rmm-scrub demo`: the main job on an embedded Kafka, and the proof that it was done."""

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from streams.cli import console

EPILOG = "Example: rmm-scrub demo --events my-events.ndjson"


def demo(
    events: Annotated[list[Path] | None, typer.Option(help="Your own events, NDJSON or text; repeatable.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Only the checks, as JSON.")] = False,
) -> None:
    """Kafka, two workers, thousands of events, twenty contact changes; exit 0 only if all checks hold."""
    from streams.demo import run, show  # noqa: PLC0415 - `--help` needs none of it

    quiet = console.out if not as_json else console.err
    with tempfile.TemporaryDirectory(prefix="rmm-scrub-demo-") as folder:
        result = run.run(Path(folder), events or [], lambda text: quiet.print(f"[dim]· {text}[/dim]"))
    if as_json:
        console.print_json(
            [{"check": check.name, "holds": check.holds, "figures": check.figures} for check in result.checks]
        )
    else:
        show.pairs(console.out, result.inputs, result.scrubbed, result.spans)
        console.out.rule(style="dim")
        show.revocations(console.out, result.tokens)
        show.quarantine(console.out, result.sealed)
        rate = len(result.inputs) / result.seconds
        console.out.print(
            f"{len(result.inputs)} events in {result.seconds:.1f} s, {rate:,.0f} a second, from publishing on"
        )
        show.checks(console.out, result.checks)
    if not all(check.holds for check in result.checks):
        console.error("a check does not hold")
        raise typer.Exit(1)
