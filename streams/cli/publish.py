"""`rmm-scrub publish`: NDJSON or text lines → Kafka, with delivery confirmed."""

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from schemas.errors import UserError
from scrubbers.event import DocumentError, look_up, parse
from streams.cli import console
from streams.config import load
from streams.lines import lines
from streams.publisher import Message
from streams.publisher import publish as send

EPILOG = "Example: rmm-scrub publish events.ndjson --tenant acme --key-path host.name"


def publish(
    files: Annotated[list[Path], typer.Argument(help="Files of lines; '-' is stdin.")],
    tenant: Annotated[str, typer.Option(help="Goes into the `tenant` header.")],
    topic: Annotated[str | None, typer.Option(help="Default: the raw topic.")] = None,
    key_path: Annotated[str | None, typer.Option(help="Dotted path of the value to key by.")] = None,
    text: Annotated[bool, typer.Option("--text", help="Lines are text, not JSON.")] = False,
    header: Annotated[list[str] | None, typer.Option(help="name=value; repeatable.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The summary as JSON.")] = False,
) -> None:
    """Publish each line as a record and wait until the broker has confirmed it."""
    settings = load()
    headers = [("tenant", tenant.encode()), ("content-type", b"text/plain" if text else b"application/json")]
    for each in header or []:
        name, sign, value = each.partition("=")
        if not sign:
            raise UserError("a header is name=value")
        headers.append((name, value.encode()))
    messages = (
        Message(line, _key(line, key_path), headers, None, source, number) for source, number, line in lines(files)
    )
    with Progress(console=console.err, transient=True, disable=not console.err.is_terminal) as progress:
        task = progress.add_task("publishing", total=None)
        delivery = send(messages, topic or settings.named.raw, settings, lambda count: progress.advance(task, count))
    for failure in delivery.failures:
        console.error(f"{failure.source} line {failure.number}: not delivered ({failure.problem})")
    if as_json:
        console.print_json({"delivered": delivery.delivered, "failed": len(delivery.failures)})
    else:
        console.err.print(f"{delivery.delivered} delivered, {len(delivery.failures)} failed")
    if delivery.failures:
        raise typer.Exit(1)


def _key(line: bytes, path: str | None) -> bytes | None:
    if path is None:
        return None
    try:
        value = look_up(parse(line), path)
    except DocumentError:
        return None  # the lane says what is wrong with it; here it only has no key
    return str(value).encode() if isinstance(value, str | int) else None
