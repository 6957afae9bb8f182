"""`rmm-scrub contacts push`: revocations to a portal that does not read Kafka."""

import os
import signal
from typing import Annotated

import msgspec
import typer

from streams.cli import console
from streams.config import load
from streams.push import Receiver
from streams.push import push as deliver

VARIABLE = "RMM_SCRUB_PUSH_TOKEN"
EPILOG = "Example: rmm-scrub contacts push --to https://portal.example.com/events"


def push(
    to: Annotated[str, typer.Option(help="The receiver's URL (RFC 8935): https, or http on this machine.")],
    once: Annotated[bool, typer.Option("--once", help="Up to the topic's present end, then stop.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Push every revocation, in order per contact, until told to stop. RMM_SCRUB_PUSH_TOKEN authorises us there."""
    stopping = False

    def stop(*_: object) -> None:
        nonlocal stopping
        stopping = True

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    done = deliver(load(), Receiver(to, os.environ.get(VARIABLE, "")), lambda: stopping, once=once)
    if as_json:
        console.print_json(msgspec.to_builtins(done))
    else:
        console.out.print(f"{done.delivered} delivered, {done.retries} retries, {len(done.refused)} refused")
    for each in done.refused:
        console.error(f"refused by the receiver: {each.partition}:{each.offset}: {each.err}")
    if done.refused:
        raise typer.Exit(1)
