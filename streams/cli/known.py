"""`rmm-scrub known`: known entities from an inventory."""

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from schemas.errors import UserError
from scrubbers import hostnames
from scrubbers.entities import EntityType
from scrubbers.keyring import KeyUnavailable
from streams import inventory
from streams.cli import console
from streams.config import load
from streams.keys import open_keyring
from streams.publisher import Message, publish
from streams.reader import read_topic
from streams.rollout import active_rules
from streams.tables import KnownRow, Rows

app = typer.Typer(help="Names that a tenant is known to use.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="For machines.")]
Tenant = Annotated[str | None, typer.Option(help="Of rows that name none.")]
KeyringFile = Annotated[Path | None, typer.Option("--keyring", help="Default: RMM_SCRUB_KEYRING.")]


@app.command("import", epilog="Example: rmm-scrub known import machines.csv --tenant acme")
def import_(
    files: Annotated[list[Path], typer.Argument(help="CSV, NDJSON, or a name a line.")],
    tenant: Tenant = None,
    keyring: KeyringFile = None,
    as_json: Json = False,
) -> None:
    """Publish an inventory's names; running workers know them within a second."""
    settings = load()
    rule_set = active_rules(settings)
    rows = [row for path in files for row in inventory.read(path)]
    ring = open_keyring(settings, keyring)
    try:
        # What is known stays as it is: its row also says whose pseudonym it has.
        there = {read.key for read in read_topic(settings, settings.named.known_entities) if read.value is not None}
        found = inventory.messages(rows, tenant, ring, rule_set.learning)
        messages = [each for each in found if each.key not in there]
        delivery = publish(messages, settings.named.known_entities, settings)
    except KeyUnavailable:
        raise UserError("a tenant of this inventory has no keys", "rmm-scrub keys init --tenant T") from None
    if as_json:
        console.print_json({"rows": len(rows), "published": delivery.delivered, "failed": len(delivery.failures)})
    else:
        console.out.print(f"{len(rows)} rows, {delivery.delivered} known entities published")
    if delivery.failures:
        raise typer.Exit(1)


@app.command("list", epilog="Example: rmm-scrub known list --json")
def list_known(tenant: Tenant = None, as_json: Json = False) -> None:
    """List what is known, by tenant and type; with --json the values themselves."""
    settings = load()
    rows: Rows[KnownRow] = Rows(KnownRow)
    for read in read_topic(settings, settings.named.known_entities):
        rows.apply(read.key or b"", read.value)
    found = [row for row in rows.values() if tenant in (None, row.tenant)]
    if as_json:
        for row in found:
            console.print_json({"tenant": row.tenant, "type": row.type, "value": row.value})
        return
    table = Table("tenant", "type", "known", box=None)
    for (owner, kind), number in sorted(Counter((row.tenant, row.type) for row in found).items()):
        table.add_row(owner, kind, str(number))
    console.out.print(table)


@app.command(epilog="Example: rmm-scrub known forget --tenant acme --type COMPUTER_NAME utica")
def forget(
    value: Annotated[str, typer.Argument(help="The name.")],
    tenant: Annotated[str, typer.Option(help="Whose.")],
    kind: Annotated[EntityType, typer.Option("--type", help="Its entity type.")] = EntityType.COMPUTER_NAME,
    keyring: KeyringFile = None,
) -> None:
    """Forget a name: a tombstone takes it out of the topic, and workers drop it."""
    settings = load()
    ring = open_keyring(settings, keyring)
    try:
        digest = ring.tenant(tenant).entity_digest(kind, hostnames.normalise(value))
    except KeyUnavailable:
        raise UserError("this tenant has no keys") from None
    publish([Message(None, digest.encode())], settings.named.known_entities, settings)
