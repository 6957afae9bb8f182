"""`rmm-scrub kafka`: the embedded Kafka for development."""

from pathlib import Path
from typing import Annotated

import typer

from streams import broker
from streams.cli import console
from streams.config import load

app = typer.Typer(help="A local single-node Kafka for development.", no_args_is_help=True)

Folder = Annotated[Path | None, typer.Option(help="Where its data is; default: the state folder.")]
Json = Annotated[bool, typer.Option("--json", help="For machines.")]


@app.command(epilog="Example: export RMM_SCRUB_BOOTSTRAP=$(rmm-scrub kafka start)")
def start(folder: Folder = None, as_json: Json = False) -> None:
    """Start it, or find the one that runs; prints its bootstrap address once it answers."""
    found = broker.start(_folder(folder), outlive=True)
    _print(found, as_json)


@app.command(epilog="Example: rmm-scrub kafka stop")
def stop(folder: Folder = None, as_json: Json = False) -> None:
    """Stop it and wait until it has gone; its data stays."""
    found = broker.running(_folder(folder))
    if found is not None:
        found.stop()
    if as_json:
        console.print_json({"stopped": found is not None})
    else:
        console.out.print("stopped" if found is not None else "not running")


@app.command(epilog="Example: rmm-scrub kafka status --json")
def status(folder: Folder = None, as_json: Json = False) -> None:
    """Whether it runs, and where; exit 1 if it does not."""
    found = broker.running(_folder(folder))
    if found is not None:
        _print(found, as_json)
        return
    if as_json:
        console.print_json({"running": False})
    else:
        console.out.print("not running")
    raise typer.Exit(1)


def _folder(given: Path | None) -> Path:
    return (given or load().state_path / "kafka").resolve()


def _print(found: broker.Broker, as_json: bool) -> None:
    if as_json:
        console.print_json(
            {"running": True, "bootstrap": found.bootstrap, "folder": str(found.folder), "pid": found.pid}
        )
    else:
        console.out.print(found.bootstrap)
