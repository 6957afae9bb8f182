"""`rmm-scrub verify`: prove that no listed identifier is in the scrubbed topic."""

import os
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.progress import Progress
from rich.table import Table

from schemas.errors import UserError
from scrubbers.entities import Known
from streams import inventory
from streams.cli import console
from streams.config import Settings, load
from streams.keys import open_keyring
from streams.reader import read_topic
from streams.scan import start_at
from streams.tables import KnownRow, Rows
from streams.verify import Job, Sought, Verified, sought_in, unsearchable
from streams.verify import verify as search

EPILOG = "Example: rmm-scrub verify --identifiers machines.csv --tenant acme --known"
_SHOWN = 50


def verify(
    identifiers: Annotated[
        Path | None, typer.Option(help="An identifier a line, NDJSON {tenant,type,value}, or CSV.")
    ] = None,
    known: Annotated[bool, typer.Option("--known", help="The known entities, too.")] = False,
    start: Annotated[str | None, typer.Option("--from", help="A time, or PARTITION:OFFSET,…; default: all.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Only its records; whose the rows are that name none.")] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Processes; default: one a core.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Search the scrubbed topic, up to its present end, for identifiers in all their spellings. Exit 1 if one is there.

    What is found is named by its line in the file and its place in the topic, never by its value.
    """
    if identifiers is None and not known:
        raise typer.BadParameter("say --identifiers FILE, --known, or both")
    settings = load()
    sought = sought_in(inventory.read(identifiers), tenant) if identifiers is not None else []
    skipped = unsearchable(sought)
    sought += _known(settings, tenant) if known else []
    if not sought:
        raise UserError("there is no identifier to look for", "is the file empty? rmm-scrub known list")
    job = Job(settings, tuple(sought), start_at(start), tenant)
    keyring = open_keyring(settings) if settings.keyring else None
    with Progress(console=console.err, transient=True, disable=not console.err.is_terminal) as progress:
        task = progress.add_task("searching", total=None)
        verified = search(job, jobs or os.cpu_count() or 1, keyring, lambda count: progress.advance(task, count))
    if as_json:
        console.print_json(
            {**msgspec.to_builtins(verified), "identifiers": len(sought) - len(skipped), "skipped_lines": skipped}
        )
    else:
        _show(verified, len(sought) - len(skipped), skipped)
    if verified.total or skipped:
        raise typer.Exit(1)


def _known(settings: Settings, tenant: str | None) -> list[Sought]:
    rows: Rows[KnownRow] = Rows(KnownRow)
    for read in read_topic(settings, settings.named.known_entities):
        rows.apply(read.key or b"", read.value)
    found = [row for row in rows.values() if tenant in (None, row.tenant) and row.value]
    return [Sought(0, Known(row.type, row.value), row.tenant) for row in found]


def _show(verified: Verified, identifiers: int, skipped: list[int]) -> None:
    for line in skipped:
        console.error(f"line {line}: there is nothing in it that could be looked for")
    if verified.found:
        table = Table("line", "type", "where", "place", "times", box=None)
        for each in verified.found[:_SHOWN]:
            place = " ".join(part for part in (each.part, each.header, each.pointer, *each.inside) if part)
            named = str(each.line) if each.line else "known"
            table.add_row(named, each.type, f"{each.partition}:{each.offset}", place, str(each.count))
        console.out.print(table)
        if len(verified.found) > _SHOWN:
            console.out.print(f"… and {len(verified.found) - _SHOWN} more places; --json names them")
    if verified.ambiguous:
        console.err.print(f"{verified.ambiguous} listed addresses stand there as the pseudonym of another listed one")
    by_type = ", ".join(f"{kind} {count}" for kind, count in sorted(verified.by_type.items()))
    result = f"found {verified.total} times ({by_type})" if verified.total else "none of them is there"
    console.out.print(f"{verified.records:,} records, {identifiers:,} identifiers: {result}")
