"""`rmm-scrub worker`: run the worker processes."""

import logging
from typing import Annotated

import typer

from streams.config import load
from streams.keys import open_keyring
from streams.worker import Supervisor

EPILOG = "Example: rmm-scrub worker --processes 2"


def worker(
    processes: Annotated[int, typer.Option(min=1, max=256, help="Worker processes; one a core.")] = 1,
) -> None:
    """Run the scrub and contact lanes until SIGTERM; a process that dies is started again."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    settings = load()
    open_keyring(settings)  # what is wrong with the keys is said once, here, and not by every process
    raise typer.Exit(Supervisor(settings, processes).run())
