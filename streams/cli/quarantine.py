"""`rmm-scrub quarantine`: list, show and replay records that could not be scrubbed."""

from collections import Counter
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.table import Table

from streams import sealed
from streams.audit import Action
from streams.cli import console, recording
from streams.config import load
from streams.keys import open_keyring
from streams.replay import entries, place_of
from streams.replay import replay as publish_again
from streams.sealed import Kind

app = typer.Typer(
    help="Records that could not be scrubbed: sealed, with a reason, and replayable.", no_args_is_help=True
)

Json = Annotated[bool, typer.Option("--json", help="For machines.")]
KeyringFile = Annotated[Path | None, typer.Option("--keyring", help="Default: RMM_SCRUB_KEYRING.")]
Reason = Annotated[str | None, typer.Option("--reason", help="Only records with this reason.")]
Place = Annotated[str, typer.Argument(help="PARTITION:OFFSET, as `list` prints it.")]


@app.command("list", epilog="Example: rmm-scrub quarantine list --reason not_utf8")
def list_entries(reason: Reason = None, as_json: Json = False) -> None:
    """List quarantined records: where each came from and why it is here; never what it holds."""
    found = [(read, entry) for read, entry in entries(load()) if reason in (None, entry.reason)]
    if as_json:
        for read, entry in found:
            console.print_json({"place": place_of(read), **msgspec.structs.asdict(entry)})
        return
    table = Table("place", "reason", "stage", "from", "tenant", "attempts", box=None)
    for read, entry in found:
        source = f"{entry.topic}[{entry.partition}]@{entry.offset}"
        why = f"{entry.reason} {entry.pointer or ''}".rstrip()
        table.add_row(place_of(read), why, entry.stage, source, entry.tenant or "-", str(entry.attempts))
    console.out.print(table)
    console.err.print(f"{len(found)} records: {dict(Counter(entry.reason for _, entry in found))}")


@app.command(epilog="Example: rmm-scrub quarantine show 3:41 --keyring keys.json")
def show(place: Place, keyring: KeyringFile = None) -> None:
    """Unseal one record and print it; needs the keyring, and is on the audit log."""
    settings = load()
    ring = open_keyring(settings, keyring)
    found, read = sealed.find(settings, Kind.QUARANTINE, place)
    recording.record(settings, ring, Action.QUARANTINE_SHOW, found.tenant, {"place": place})
    record = sealed.unsealed(read, Kind.QUARANTINE, ring.quarantine_key())
    console.print_json(
        {
            "key": _text(record.key),
            "value": _text(record.value),
            "headers": [[name, _text(value)] for name, value in record.headers],
            "timestamp": record.timestamp,
        }
    )


@app.command(epilog="Example: rmm-scrub quarantine replay --reason key_unavailable")
def replay(reason: Reason = None, keyring: KeyringFile = None, as_json: Json = False) -> None:
    """Publish quarantined records to the topic they came from, once the cause is mended."""
    settings = load()
    ring = open_keyring(settings, keyring)
    recording.record(settings, ring, Action.QUARANTINE_REPLAY, detail={"reason": reason or "any"})
    replayed = publish_again(settings, ring.quarantine_key(), reason)
    if as_json:
        console.print_json({"replayed": replayed})
    else:
        console.out.print(f"replayed {replayed} records")


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "backslashreplace")
