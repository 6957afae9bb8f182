"""`rmm-scrub keys`: the keyring."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from schemas.errors import UserError
from scrubbers import bridge as bridging
from scrubbers.aliases import Aliases
from scrubbers.bridge import Pair
from scrubbers.keyring import Keyring, KeyUnavailable
from scrubbers.pseudonyms import Pseudonymiser
from scrubbers.rootkey import ROOT_VARIABLE, RootKey, root_path, wrapper_for
from streams.audit import Action
from streams.cli import console
from streams.cli.recording import actor, record, record_if_reachable
from streams.config import load
from streams.keys import keyring_path, open_keyring
from streams.known_names import known_of
from streams.lines import lines
from streams.revocations import is_opaque
from streams.rollout import active_rules

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
    path, who = keyring_path(load(), keyring), actor(load())
    if path.exists():
        ring = open_keyring(load(), path)
    else:
        if ROOT_VARIABLE not in os.environ and not root_path(path).exists():
            RootKey.create_file(root_path(path))
        ring = Keyring.create(path, wrapper_for(path, os.environ))
    for each in tenant or []:
        ring.add_tenant(each)
    record_if_reachable(load(), ring, who, Action.KEYS_INIT, detail={"tenants": list(tenant or [])})
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
    ring, who = open_keyring(load(), keyring), actor(load())
    name = ring.rotate(tenant)
    record_if_reachable(load(), ring, who, Action.KEYS_ROTATE, tenant, {"epoch": name})
    if as_json:
        console.print_json({"tenant": tenant, "epoch": name})
    else:
        console.out.print(f"{tenant}/{name}")


@app.command("rotate-signing", epilog="Example: rmm-scrub keys rotate-signing")
def rotate_signing(keyring: File = None, as_json: Json = False) -> None:
    """Add a key for signing revocations; it signs ten minutes later, when portals know it from the key set."""
    ring, who = open_keyring(load(), keyring), actor(load())
    kid = ring.rotate_signing()
    record_if_reachable(load(), ring, who, Action.KEYS_ROTATE, detail={"signing": kid})
    if as_json:
        console.print_json({"kid": kid})
    else:
        console.out.print(kid)


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
    ring, who = open_keyring(load(), keyring), actor(load())
    ring.shred(tenant)
    record_if_reachable(load(), ring, who, Action.KEYS_SHRED, tenant)
    if as_json:
        console.print_json({"tenant": tenant, "shredded": True})
    else:
        console.out.print("shredded")


@app.command(epilog="Example: rmm-scrub keys bridge acme --from k01 addresses.txt > bridge.ndjson")
def bridge(
    tenant: Tenant,
    addresses: Annotated[list[Path] | None, typer.Argument(help="Pseudonymous addresses of the old epoch.")] = None,
    old: Annotated[str | None, typer.Option("--from", help="The old epoch; default: the one before the new.")] = None,
    new: Annotated[str | None, typer.Option("--to", help="The new epoch; default: the current one.")] = None,
    keyring: File = None,
) -> None:
    """Map old pseudonyms to new ones over a rotation, as NDJSON; no original is in it.

    The tenant's known names, and the addresses given, one a line: addresses are in no table.
    """
    settings = load()
    ring = open_keyring(settings, keyring)
    known = known_of(settings, tenant)
    before, after = _domains(ring, tenant, old, new, Aliases.of_all(known))
    record(settings, ring, Action.KEYS_BRIDGE, tenant, {"from": before.domain, "to": after.domain})
    for pair in bridging.names(known, before, after):
        _print_pair(pair)
    unreadable = 0
    for pair_or_none in _bridged(addresses or [], before, after):
        if pair_or_none is None:
            unreadable += 1
        else:
            _print_pair(pair_or_none)
    if unreadable:
        console.error(f"{unreadable} lines are no pseudonymous addresses of {before.domain}")
        raise typer.Exit(1)


def _domains(
    ring: Keyring, tenant: str, old: str | None, new: str | None, aliases: Aliases
) -> tuple[Pseudonymiser, Pseudonymiser]:
    """The pseudonymisers of both epochs."""
    try:
        keys = ring.tenant(tenant)
    except KeyUnavailable:
        raise UserError("this tenant has no keys", "rmm-scrub keys list shows those that have") from None
    operators = active_rules(load()).operators
    to = new or keys.epoch
    earlier = keys.epochs[: keys.epochs.index(to)] if to in keys.epochs else []
    origin = old or (earlier[-1] if earlier else "")
    if origin not in keys.epochs or to not in keys.epochs or origin == to:
        raise UserError(
            f"a bridge leads from one key epoch to another; {tenant} has {', '.join(keys.epochs)}",
            "rmm-scrub keys rotate opens a new one",
        )
    before = Pseudonymiser(keys, operators, epoch=origin, aliases=aliases)
    return before, Pseudonymiser(keys, operators, epoch=to, aliases=aliases)


def _bridged(files: list[Path], old: Pseudonymiser, new: Pseudonymiser) -> Iterator[Pair | None]:
    for _, _, line in lines(files):
        yield bridging.address(line.decode("utf-8", "replace").strip(), old, new)


def _print_pair(pair: Pair) -> None:
    console.print_json({"type": pair.type, "old": pair.old, "new": pair.new})
