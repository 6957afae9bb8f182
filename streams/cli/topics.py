"""`rmm-scrub topics`: topics and ACLs as a diff, then applied."""

from collections.abc import Sequence
from typing import Annotated

import msgspec
import typer
from rich.table import Table

from streams.cli import console
from streams.config import load
from streams.topics import Kind, Provisioner, Step

app = typer.Typer(help="Topics, their configuration, and ACLs.", no_args_is_help=True)

Acls = Annotated[bool, typer.Option("--acls", help="ACLs too; the broker needs an authorizer.")]
Json = Annotated[bool, typer.Option("--json", help="For machines.")]


@app.command(epilog="Example: rmm-scrub topics plan --acls")
def plan(acls: Acls = False, as_json: Json = False) -> None:
    """Show what `apply` would change; changes nothing."""
    provisioner = Provisioner(load())
    try:
        _print(provisioner.plan(acls=acls), as_json)
    finally:
        provisioner.close()


@app.command(epilog="Example: rmm-scrub topics apply")
def apply(acls: Acls = False, as_json: Json = False) -> None:
    """Create and mend topics (and ACLs), then check that all is as planned."""
    provisioner = Provisioner(load())
    try:
        steps = provisioner.plan(acls=acls)
        provisioner.apply(steps, acls=acls)
        _print(steps, as_json)
    finally:
        provisioner.close()


def _print(steps: Sequence[Step], as_json: bool) -> None:
    if as_json:
        console.print_json([msgspec.structs.asdict(step) for step in steps])
        return
    if not steps:
        console.out.print("nothing to do")
        return
    table = Table("", "resource", "what", "now", "wanted", box=None)
    signs = {Kind.CREATE: "[green]+", Kind.ACL: "[green]+", Kind.NOTICE: "[dim]i"}
    for step in steps:
        table.add_row(signs.get(step.kind, "[yellow]~"), step.resource, step.what, step.now or "-", step.wanted)
    console.out.print(table)
