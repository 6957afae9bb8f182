"""`rmm-scrub grants`: who may reverse pseudonyms, for which tenant and purpose."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from schemas.errors import UserError
from streams import grants as granting
from streams.audit import Action, AuditLog, Event, Result
from streams.cli import console, token
from streams.config import load
from streams.grants import Grant
from streams.identity import Employee, Identity, IdentityRefused
from streams.keys import open_keyring
from streams.revocations import is_opaque

app = typer.Typer(help="Grants to reverse pseudonyms: given, reviewed, revoked, on the record.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="For machines.")]
KeyringFile = Annotated[Path | None, typer.Option("--keyring", help="Default: RMM_SCRUB_KEYRING.")]
Who = Annotated[str, typer.Argument(metavar="EMPLOYEE", help="The `sub` of their tokens.")]
Tenant = Annotated[str, typer.Option(help="Whose pseudonyms.")]
Purpose = Annotated[str, typer.Option(help="What for.")]


@app.command(epilog="Example: rmm-scrub grants add alice --tenant acme --purpose 'incident response' --days 30")
def add(
    employee: Who,
    tenant: Tenant,
    purpose: Purpose,
    days: Annotated[int, typer.Option(help="How long it holds.")] = 90,
    token_file: token.File = None,
    keyring: KeyringFile = None,
    as_json: Json = False,
) -> None:
    """Let an employee reverse a tenant's pseudonyms for a purpose. Needs the granter's role; not for yourself."""
    place, desk = _place(employee, tenant, purpose), _Desk(keyring)
    granter = desk.identified(token_file, Event("", Action.GRANT_ADD, tenant=tenant, purpose=purpose))
    now = datetime.now(UTC)
    desk.record(granting.addition(granter, *place, days, desk.access, now), as_json=as_json)


@app.command("list", epilog="Example: rmm-scrub grants list --json")
def list_grants(keyring: KeyringFile = None, as_json: Json = False) -> None:
    """List every grant and where it stands."""
    desk = _Desk(keyring)
    _show(desk.grants(), desk.access.review_days, as_json=as_json)


@app.command(epilog="Example: rmm-scrub grants review alice --tenant acme --purpose 'incident response'")
def review(
    employee: Annotated[str | None, typer.Argument(help="Whose grant to confirm; none: list what is due.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Whose pseudonyms.")] = None,
    purpose: Annotated[str | None, typer.Option(help="What for.")] = None,
    token_file: token.File = None,
    keyring: KeyringFile = None,
    as_json: Json = False,
) -> None:
    """List the grants that are due for review, or confirm one."""
    desk = _Desk(keyring)
    if employee is None:
        due = granting.due(desk.grants(), datetime.now(UTC), desk.access.review_days)
        _show(due, desk.access.review_days, as_json=as_json)
        return
    if tenant is None or purpose is None:
        raise UserError("a review is of one grant", "name it: EMPLOYEE --tenant T --purpose P")
    place = _place(employee, tenant, purpose)
    granter = desk.identified(token_file, Event("", Action.GRANT_REVIEW, tenant=tenant, purpose=purpose))
    grant = granting.find(desk.grants(), place)
    desk.record(granting.review(granter, grant, place, desk.access, datetime.now(UTC)), as_json=as_json)


@app.command(epilog="Example: rmm-scrub grants revoke alice --tenant acme --purpose 'incident response'")
def revoke(
    employee: Who,
    tenant: Tenant,
    purpose: Purpose,
    token_file: token.File = None,
    keyring: KeyringFile = None,
    as_json: Json = False,
) -> None:
    """End a grant at once."""
    place, desk = _place(employee, tenant, purpose), _Desk(keyring)
    granter = desk.identified(token_file, Event("", Action.GRANT_REVOKE, tenant=tenant, purpose=purpose))
    grant = granting.find(desk.grants(), place)
    desk.record(granting.revocation(granter, grant, place, desk.access), as_json=as_json)


class _Desk:
    """Where grants are read and recorded."""

    def __init__(self, keyring: Path | None) -> None:
        settings = load()
        self.access = settings.access
        self._audit = AuditLog(settings, open_keyring(settings, keyring).audit_key())

    def identified(self, token_file: Path | None, attempt: Event) -> Employee:
        """The caller; one who is not proven is on the record, too."""
        try:
            return Identity(self.access).identify(token.read(token_file))
        except IdentityRefused as refused:
            self._audit.append(
                Event("unidentified", attempt.action, Result.REFUSED, attempt.tenant, attempt.purpose, refused.rule)
            )
            raise

    def grants(self) -> list[Grant]:
        return granting.fold(self._audit.entries())

    def record(self, event: Event, *, as_json: bool) -> None:
        entry = self._audit.append(event)
        if event.result is Result.REFUSED:
            raise UserError(f"refused: {event.reason}", f"on the audit log as number {entry.seq}")
        if as_json:
            console.print_json({"audit": entry.seq, "action": event.action, **event.detail})
        else:
            console.out.print(f"done; on the audit log as number {entry.seq}")


def _place(employee: str, tenant: str, purpose: str) -> tuple[str, str, str]:
    if not is_opaque(tenant):
        raise UserError("a tenant's name is 1 to 128 of A-Z a-z 0-9 . _ : -")
    if not purpose.strip() or len(purpose) > 200:
        raise UserError("a purpose is stated in 1 to 200 characters")
    return console.utf8(employee, "the employee's id"), tenant, console.utf8(purpose, "the purpose")


def _show(grants: list[Grant], review_days: int, *, as_json: bool) -> None:
    now = datetime.now(UTC)
    rows = [
        {
            "employee": each.employee,
            "tenant": each.tenant,
            "purpose": each.purpose,
            "standing": each.standing(now, review_days),
            "granted_by": each.granted_by,
            "granted": each.granted.isoformat(timespec="seconds"),
            "expires": each.expires.isoformat(timespec="seconds"),
            "review_due": each.review_due(review_days).isoformat(timespec="seconds"),
        }
        for each in grants
    ]
    if as_json:
        console.print_json(rows)
        return
    table = Table("employee", "tenant", "purpose", "standing", "granted by", "expires", "review due", box=None)
    for row in rows:
        names = ("employee", "tenant", "purpose", "standing", "granted_by", "expires", "review_due")
        table.add_row(*(str(row[name]) for name in names))
    console.out.print(table)
