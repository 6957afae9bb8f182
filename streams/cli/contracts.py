"""`rmm-scrub contracts`: which tenants may be processed; a CRM publishes the same rows."""

from datetime import UTC, datetime
from typing import Annotated

import orjson
import typer
from rich.table import Table

from schemas.errors import UserError
from streams.cli import console
from streams.config import Settings, load
from streams.publisher import Message, publish
from streams.reader import read_topic
from streams.revocations import is_opaque
from streams.rows import ContractRow, ContractStatus
from streams.tables import Rows

app = typer.Typer(help="Tenants' contracts: no contract, no processing.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="For machines.")]


@app.command("list", epilog="Example: rmm-scrub contracts list --json")
def list_contracts(as_json: Json = False) -> None:
    """List tenants and the state of their contracts."""
    rows = sorted(_rows(load()).values(), key=lambda row: row.tenant)
    if as_json:
        for row in rows:
            console.print_json({"tenant": row.tenant, "status": row.status})
        return
    table = Table("tenant", "status", box=None)
    for row in rows:
        table.add_row(row.tenant, row.status)
    console.out.print(table)


@app.command(epilog="Example: rmm-scrub contracts add rmm-scrub-canary")
def add(tenant: Annotated[str, typer.Argument(help="Whose.")], as_json: Json = False) -> None:
    """Publish an active contract for a tenant that has none; one that has ended stays ended."""
    if not is_opaque(tenant):
        raise UserError("a tenant's name is 1 to 128 of A-Z a-z 0-9 . _ : -")
    settings = load()
    row = _rows(settings).get(tenant)
    if row is not None and row.status is ContractStatus.ENDED:
        raise UserError("this tenant's contract has ended", "its CRM publishes a new one on the contracts topic")
    if row is None:
        started = datetime.now(UTC).isoformat(timespec="seconds")
        value = orjson.dumps({"tenant": tenant, "status": ContractStatus.ACTIVE, "started": started})
        delivery = publish([Message(value, tenant.encode())], settings.named.contracts, settings)
        if delivery.failures:
            raise UserError(f"not delivered ({delivery.failures[0].problem})")
    if as_json:
        console.print_json({"tenant": tenant, "status": ContractStatus.ACTIVE, "published": row is None})
    else:
        console.out.print("published" if row is None else "there is one already")


def _rows(settings: Settings) -> Rows[ContractRow]:
    rows: Rows[ContractRow] = Rows(ContractRow)
    for read in read_topic(settings, settings.named.contracts):
        rows.apply(read.key or b"", read.value)
    return rows
