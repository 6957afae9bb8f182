"""Grants: which employee may reverse which tenant's pseudonyms, and for which purpose.

A grant is what the audit log says of it: added, reviewed, revoked. So it is as hard to forge as the log is.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from streams.audit import Action, Entry, Event, Result
from streams.config import Access
from streams.identity import Employee

SOON_DAYS = 14  # a review this near is due


class Standing(StrEnum):
    """Where a grant stands."""

    CURRENT = "current"
    EXPIRED = "expired"
    LAPSED = "lapsed"
    REVOKED = "revoked"


class Objection(StrEnum):
    """Why an employee may not do something; the text goes on the audit log."""

    NO_GRANT = "no grant for this tenant and purpose"
    OTHER_TENANT = "the grant is for another tenant"
    OTHER_PURPOSE = "the grant is for another purpose"
    EXPIRED = "the grant has expired"
    LAPSED = "the grant was not reviewed in time and has lapsed"
    REVOKED = "the grant was revoked"
    NOT_A_GRANTER = "only an employee in the granter's role may"
    OWN_GRANT = "nobody grants to or reviews themselves"
    TOO_LONG = "a grant is not given for so long"
    NOTHING_THERE = "there is no such grant"


class Grant(msgspec.Struct, frozen=True):
    """Who may, for whom, what for, and since when; times are aware."""

    employee: str
    tenant: str
    purpose: str
    granted_by: str
    granted: datetime
    expires: datetime
    reviewed: datetime
    revoked: datetime | None = None

    def review_due(self, review_days: int) -> datetime:
        """When it lapses unless it is reviewed before."""
        return self.reviewed + timedelta(days=review_days)

    def standing(self, now: datetime, review_days: int) -> Standing:
        """Where it stands at `now`."""
        if self.revoked is not None:
            return Standing.REVOKED
        if now >= self.expires:
            return Standing.EXPIRED
        return Standing.LAPSED if now >= self.review_due(review_days) else Standing.CURRENT


def fold(entries: Iterable[Entry]) -> list[Grant]:
    """All grants that the audit log tells of, in the order in which they were given."""
    grants: dict[tuple[str, str, str], Grant] = {}
    for entry in sorted(entries, key=lambda each: each.seq):
        if entry.result is not Result.DONE:
            continue
        place = (str(entry.detail.get("employee", "")), entry.tenant, entry.purpose)
        held = grants.get(place)
        if entry.action is Action.GRANT_ADD:
            expires = datetime.fromisoformat(str(entry.detail["expires"]))
            grants[place] = Grant(*place, entry.actor, entry.at, expires, entry.at)
        elif held is not None and entry.action is Action.GRANT_REVIEW and held.revoked is None:
            grants[place] = msgspec.structs.replace(held, reviewed=entry.at)
        elif held is not None and entry.action is Action.GRANT_REVOKE:
            grants[place] = msgspec.structs.replace(held, revoked=entry.at)
    return list(grants.values())


def objection(
    grants: Sequence[Grant], employee: str, tenant: str, purpose: str, now: datetime, review_days: int
) -> Objection | None:
    """Why an employee may not reverse a tenant's pseudonyms for a purpose; None if they may."""
    own = [each for each in grants if each.employee == employee]
    fits = [each for each in own if (each.tenant, each.purpose) == (tenant, purpose)]
    if fits:
        return _OF_STANDING[fits[0].standing(now, review_days)]
    if any(each.tenant == tenant for each in own):
        return Objection.OTHER_PURPOSE
    return Objection.OTHER_TENANT if own else Objection.NO_GRANT


_OF_STANDING = {
    Standing.CURRENT: None,
    Standing.EXPIRED: Objection.EXPIRED,
    Standing.LAPSED: Objection.LAPSED,
    Standing.REVOKED: Objection.REVOKED,
}


def addition(
    granter: Employee, employee: str, tenant: str, purpose: str, days: int, access: Access, now: datetime
) -> Event:
    """The event that gives a grant for so many days, or its refusal."""
    reason = _refusal(granter, employee, access)
    detail = {"employee": employee}
    if 0 < days <= access.longest_days:
        detail["expires"] = (now + timedelta(days=days)).isoformat(timespec="seconds")
    else:
        reason = reason or Objection.TOO_LONG
    return _event(granter, Action.GRANT_ADD, tenant, purpose, reason, detail)


def review(granter: Employee, grant: Grant | None, place: tuple[str, str, str], access: Access, now: datetime) -> Event:
    """The event that confirms a grant for another while, or its refusal. What has expired is not confirmed."""
    employee, tenant, purpose = place
    reason = _refusal(granter, employee, access)
    if reason is None:
        reason = _objection_to_review(grant, now)
    return _event(granter, Action.GRANT_REVIEW, tenant, purpose, reason, {"employee": employee})


def revocation(granter: Employee, grant: Grant | None, place: tuple[str, str, str], access: Access) -> Event:
    """The event that ends a grant, or its refusal; one's own may be given up."""
    employee, tenant, purpose = place
    reason = None if employee == granter.id else _refusal(granter, employee, access)
    if reason is None and grant is None:
        reason = Objection.NOTHING_THERE
    return _event(granter, Action.GRANT_REVOKE, tenant, purpose, reason, {"employee": employee})


def find(grants: Sequence[Grant], place: tuple[str, str, str]) -> Grant | None:
    """The grant of an employee, tenant and purpose."""
    return next((each for each in grants if (each.employee, each.tenant, each.purpose) == place), None)


def due(grants: Sequence[Grant], now: datetime, review_days: int) -> list[Grant]:
    """Grants to review: those that lapse soon, or have lapsed and have not expired."""
    horizon = now + timedelta(days=SOON_DAYS)
    return [
        each
        for each in grants
        if each.revoked is None and now < each.expires and each.review_due(review_days) <= horizon
    ]


def _objection_to_review(grant: Grant | None, now: datetime) -> Objection | None:
    if grant is None:
        return Objection.NOTHING_THERE
    if grant.revoked is not None:
        return Objection.REVOKED
    return Objection.EXPIRED if now >= grant.expires else None


def _refusal(granter: Employee, employee: str, access: Access) -> Objection | None:
    if access.granter_role not in granter.roles:
        return Objection.NOT_A_GRANTER
    return Objection.OWN_GRANT if granter.id == employee else None


def _event(
    granter: Employee, action: Action, tenant: str, purpose: str, reason: Objection | None, detail: dict[str, str]
) -> Event:
    result = Result.DONE if reason is None else Result.REFUSED
    return Event(granter.id, action, result, tenant, purpose, str(reason or ""), {**detail})
