"""`rmm-scrub keys`: the keyring."""

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from schemas.errors import UserError
from scrubbers.keyring import ROOT_VARIABLE, Keyring, RootKey, root_path, wrapper_for
from streams.cli import console
from streams.config import load
from streams.keys import keyring_path, open_keyring
from streams.revocations import is_opaque

app = typer.Typer(help="Tenants' keys: epochs, rotation, shredding.", no_args_is_help=True)

File = Annotated[Path | None, typer.Option("--keyring", help="Default: RMM_SCRUB_KEYRING.")]
Json = Annotated[bool, typer.Option("--json", help="For machines.")]
Tenant = Annotated[str, typer.Argument(help="Whose keys.")]


@app.command(epilog="Example: rmm-scrub keys init --keyring keys.json --tenant acme --tenant borealis")
def init(
    tenant: Annotated[list[str] | None, typer.Option(help="Give this tenant keys; repeatable.")] = None,
    keyring: File = None,
    as_json: Json = False,
) -> None:
    """Make a keyring (and its root key, mode 0600, unless RMM_SCRUB_ROOT_KEY is set), or add tenants to one."""
    if not all(map(is_opaque, tenant or [])):
        raise UserError("a tenant's name is 1 to 128 of A-Z a-z 0-9 . _ : -", "the name that its contract has")
    path = keyring_path(load(), keyring)
    if path.exists():
        ring = open_keyring(load(), path)
    else:
        if ROOT_VARIABLE not in os.environ and not root_path(path).exists():
            RootKey.create_file(root_path(path))
        ring = Keyring.create(path, wrapper_for(path, os.environ))
    for each in tenant or []:
        ring.add_tenant(each)
    if as_json:
        console.print_json({"keyring": str(path), "tenants": ring.tenants()})
    else:
        console.out.print(f"{path}: {len(ring.tenants())} tenants")


@app.command("list", epilog="Example: rmm-scrub keys list --json")
def list_keys(keyring: File = None, as_json: Json = False) -> None:
    """List tenants and their epochs; never a key."""
    ring = open_keyring(load(), keyring)
    rows = [(tenant, name, made) for tenant in ring.tenants() for name, made in ring.epochs(tenant)]
    if as_json:
        console.print_json([{"tenant": tenant, "epoch": name, "created": made} for tenant, name, made in rows])
        return
    table = Table("tenant", "epoch", "created", box=None)
    for row in rows:
        table.add_row(*row)
    console.out.print(table)


@app.command(epilog="Example: rmm-scrub keys rotate acme")
def rotate(tenant: Tenant, keyring: File = None, as_json: Json = False) -> None:
    """Open a new key epoch for a tenant; running workers take it up within seconds."""
    name = open_keyring(load(), keyring).rotate(tenant)
    if as_json:
        console.print_json({"tenant": tenant, "epoch": name})
    else:
        console.out.print(f"{tenant}/{name}")


@app.command(epilog="Example: rmm-scrub keys shred acme --yes")
def shred(
    tenant: Tenant,
    keyring: File = None,
    yes: Annotated[bool, typer.Option("--yes", help="Really: this cannot be undone.")] = False,
    as_json: Json = False,
) -> None:
    """Destroy a tenant's keys: its pseudonyms can then be turned back by nobody."""
    if not yes:
        raise UserError("shredding cannot be undone", "say --yes if it is meant")
    open_keyring(load(), keyring).shred(tenant)
    if as_json:
        console.print_json({"tenant": tenant, "shredded": True})
    else:
        console.out.print("shredded")
