"""`rmm-scrub contacts push`: revocations to a portal that does not read Kafka."""

import asyncio
import os
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from schemas.errors import UserError
from streams.cli import console
from streams.config import Settings, load
from streams.delivery import Transmitter, receiver_url, session
from streams.push import Pusher, Refusals, Summary, group_of

TOKEN_VARIABLE = "RMM_SCRUB_PUSH_TOKEN"


def push(
    to: Annotated[str, typer.Option(metavar="URL", help="The receiver: https, or http on this machine.")],
    once: Annotated[bool, typer.Option("--once", help="End when all that is there now is delivered.")] = False,
    refused: Annotated[
        Path | None, typer.Option(help="NDJSON of refused tokens. Default: refused-revocations.ndjson in state_dir.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The summary as JSON.")] = False,
) -> None:
    """Push revocations to a receiver (RFC 8935), in order per contact, each until it is taken.

    RMM_SCRUB_PUSH_TOKEN is its bearer token, if it wants one. What it refuses for good is kept in a file, and
    makes the command end with 1.
    """
    settings = load()
    url = receiver_url(to)
    path = refused or settings.state_path / "refused-revocations.ndjson"
    summary = asyncio.run(_push(settings, url, path, once=once))
    if as_json:
        console.print_json(msgspec.to_builtins(summary))
    else:
        console.err.print(f"{summary.delivered} delivered, {sum(summary.refused.values())} refused")
    if summary.refused:
        codes = ", ".join(f"{code}: {count}" for code, count in sorted(summary.refused.items()))
        console.error(f"the receiver refused tokens ({codes})", f"they are in {path}; mend the cause, then send them")
    if not summary.complete:
        console.error("stopped before the end of the topic", "call it again: it goes on where it stopped")
    if not summary.good:
        raise typer.Exit(1)


async def _push(settings: Settings, url: str, refused: Path, *, once: bool) -> Summary:
    bearer = os.environ.get(TOKEN_VARIABLE, "").strip()
    if not (bearer.isascii() and bearer.isprintable()):
        raise UserError(f"{TOKEN_VARIABLE} is not a bearer token")
    refusals = Refusals(refused)
    try:
        async with session() as opened:
            transmitter = Transmitter(opened, url, bearer)
            return await Pusher(settings, transmitter, refusals, group_of(settings, url)).run(once=once)
    finally:
        refusals.close()
