"""`/api/sealed`: draw a sealed record from quarantine or shadow, if authorised, and on the audit log.

Whoever started a workbench of their own holds the keyring, as with `rmm-scrub quarantine show`. In a shared one an
employee needs a current grant for the record's tenant and the purpose that they state.
"""

import asyncio
from datetime import UTC, datetime

import msgspec
from aiohttp import web

from schemas.errors import UserError
from streams import grants, sealed
from streams.audit import Action, AuditLog, Event, Result
from streams.sealed import Kind, Sealed
from streams.workbench.api import answer, asked, need_change
from streams.workbench.context import Workbench
from streams.workbench.guard import person
from streams.workbench.sessions import Person

SHOWN = 200  # of the newest; a replay is for `rmm-scrub quarantine`
_TENANTLESS = "no grant can be for a record whose tenant is not known"


class Open(msgspec.Struct, frozen=True):
    """A sealed record to be opened, and what for."""

    kind: Kind
    place: str
    purpose: str = ""


class Opened(msgspec.Struct, frozen=True):
    """A record in the clear; `binary`: its value is no text, and shown with escapes."""

    sealed: Sealed
    value: str
    binary: bool


class OpeningRefused(UserError):
    """A sealed record that may not be opened; `reason` is of a closed set."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"not opened: {reason}", "rmm-scrub grants add; every refusal is on the audit log")


def add_samples(application: web.Application, bench: Workbench) -> None:
    """Serve it."""

    async def listed(request: web.Request) -> web.Response:
        need_change(request)
        if not bench.kafka():
            return answer({"kafka": False, "sealed": [], "purpose_needed": bench.shared})
        found = await asyncio.to_thread(sealed.listed, bench.settings)
        return answer({"kafka": True, "sealed": found[:SHOWN], "purpose_needed": bench.shared})

    async def opened(request: web.Request) -> web.Response:
        need_change(request)
        wanted = await asked(request, Open)
        return answer(await asyncio.to_thread(_opened, bench, person(request), wanted))

    application.router.add_get("/api/sealed", listed)
    application.router.add_post("/api/sealed/open", opened)


def _opened(bench: Workbench, who: Person, wanted: Open) -> Opened:
    audit = bench.audit()
    found, read = sealed.find(bench.settings, wanted.kind, wanted.place)
    reason = _objection(bench, audit, who, found, wanted.purpose) if bench.shared else None
    detail: dict[str, str | int | list[str]] = {"what": f"{found.kind} record", "place": found.place}
    result = Result.DONE if reason is None else Result.REFUSED
    purpose = wanted.purpose.strip()[:200]
    audit.append(Event(who.id, Action.QUARANTINE_SHOW, result, found.tenant, purpose, reason or "", detail))
    if reason is not None:
        raise OpeningRefused(reason)
    value = sealed.unsealed(read, found.kind, bench.ring().quarantine_key()).value or b""
    try:
        return Opened(found, value.decode(), binary=False)
    except UnicodeDecodeError:
        return Opened(found, value.decode("utf-8", "backslashreplace"), binary=True)


def _objection(bench: Workbench, audit: AuditLog, who: Person, found: Sealed, purpose: str) -> str | None:
    """Why a record may not be opened."""
    if not found.tenant:
        return _TENANTLESS
    given = grants.fold(audit.entries())
    days = bench.settings.access.review_days
    return grants.objection(given, who.id, found.tenant, purpose.strip(), datetime.now(UTC), days)
