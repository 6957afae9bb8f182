"""`rmm-scrub bench`: what scrubbing costs, on this machine, in this run."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from schemas.errors import UserError
from streams.cli import console

EPILOG = "Example: rmm-scrub bench --events my-events.ndjson --json"


def bench(
    events: Annotated[Path | None, typer.Option(help="NDJSON events; default: the demo's.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Microseconds per event: a JSON round trip, the scrubber; per text: compiled detector and Presidio."""
    from streams.measure import costs  # noqa: PLC0415 - `--help` needs none of it

    measured = msgspec.structs.asdict(costs(_read(events)))
    if as_json:
        console.print_json(measured)
        return
    for name, value in measured.items():
        console.out.print(f"{name:28} {value:>12,.1f}")


def _read(path: Path | None) -> list[bytes]:
    if path is None:
        from streams.demo.estate import build  # noqa: PLC0415
        from streams.demo.events import generate  # noqa: PLC0415

        return [event.value for event in generate(build(), 3_000) if event.value.startswith(b"{")]
    try:
        lines = [line for line in path.read_bytes().splitlines() if line.strip()]
    except OSError as problem:
        raise UserError(f"{path}: {problem.strerror}") from None
    if not lines:
        raise UserError(f"{path}: no event in it")
    return lines
