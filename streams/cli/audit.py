"""`rmm-scrub audit`: what was done, refused, by whom and what for; and whether the record is whole."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.table import Table

from schemas.errors import UserError
from streams.audit import Action, AuditLog, Entry, by, check
from streams.cli import console
from streams.config import load
from streams.keys import open_keyring

app = typer.Typer(help="The audit log of reversals, grants, keys and rules.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="For machines.")]
KeyringFile = Annotated[Path | None, typer.Option("--keyring", help="Default: RMM_SCRUB_KEYRING.")]
_HEAD = re.compile(r"(\d{1,12}):([0-9a-f]{64})")


@app.command("list", epilog="Example: rmm-scrub audit list --tenant acme --action reverse")
def list_entries(
    actor: Annotated[str, typer.Option(help="Only this employee's.")] = "",
    tenant: Annotated[str, typer.Option(help="Only about this tenant.")] = "",
    action: Annotated[Action | None, typer.Option(help="Only this action.")] = None,
    keyring: KeyringFile = None,
    as_json: Json = False,
) -> None:
    """List entries, oldest first."""
    found = by(_log(keyring).entries(), actor, tenant, action)
    if as_json:
        for each in found:
            console.print_json(msgspec.to_builtins(each))
        return
    table = Table("number", "time", "who", "what", "result", "tenant", "purpose", "reason", box=None)
    for each in found:
        row = (each.time, each.actor, each.action, each.result, each.tenant, each.purpose, each.reason)
        table.add_row(str(each.seq), *row)
    console.out.print(table)


@app.command(epilog="Example: rmm-scrub audit verify --head 118:9f2c…")
def verify(
    head: Annotated[str | None, typer.Option(help="NUMBER:DIGEST that an earlier verify printed.")] = None,
    keyring: KeyringFile = None,
    as_json: Json = False,
) -> None:
    """Check that no entry was removed, altered, added or moved. Exit 1 if one was.

    Keep the head that this prints outside Kafka: only it shows later that the newest entries were not cut off.
    """
    log = _log(keyring)
    entries = log.records()
    problems = check(entries, open_keyring(load(), keyring).audit_key(), _head(head))
    found = [{"number": each.seq, "flaw": each.flaw} for each in problems]
    if log.unreadable:
        found.append({"number": 0, "flaw": "a record is no audit entry"})
    last = f"{entries[-1].seq}:{entries[-1].mac}" if entries else ""
    if as_json:
        first = entries[0].seq if entries else 0
        console.print_json({"entries": len(entries), "first": first, "head": last, "problems": found})
    else:
        _show(entries, found, last)
    if found:
        raise typer.Exit(1)


def _show(entries: Sequence[Entry], found: Sequence[dict[str, object]], last: str) -> None:
    for each in found:
        console.error(f"entry {each['number']}: {each['flaw']}")
    if not entries:
        console.out.print("the audit log is empty")
        return
    if not found:
        console.out.print(f"{len(entries)} entries, {entries[0].seq} to {entries[-1].seq}: whole")
    console.out.print(f"head {last}")


def _log(keyring: Path | None) -> AuditLog:
    settings = load()
    return AuditLog(settings, open_keyring(settings, keyring).audit_key())


def _head(text: str | None) -> tuple[int, str] | None:
    if text is None:
        return None
    match = _HEAD.fullmatch(text)
    if match is None:
        raise UserError("a head is NUMBER:DIGEST, as verify prints it")
    return int(match[1]), match[2]
