"""Grants as the audit log tells of them: given by others, expiring, lapsing, revoked."""

from datetime import UTC, datetime, timedelta

import pytest

from streams import grants
from streams.audit import Action, Entry, Event, Result
from streams.config import Access
from streams.grants import Objection, Standing
from streams.identity import Employee

NOW = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
ACCESS = Access()
GRACE = Employee("grace", frozenset({"rmm-scrub-granter"}))
PLACE = ("alice", "acme", "incident")


def entry(event: Event, seq: int, at: datetime) -> Entry:
    """The event as the log holds it."""
    return Entry(
        seq,
        at.isoformat(),
        event.actor,
        event.action,
        event.result,
        event.tenant,
        event.purpose,
        event.reason,
        event.detail,
        "",
    )


def given(days: int = 200, at: datetime = NOW) -> Entry:
    """A grant to alice."""
    return entry(grants.addition(GRACE, *PLACE, days, ACCESS, at), 1, at)


def objection(entries: list[Entry], now: datetime, *place: str) -> Objection | None:
    """Why not."""
    return grants.objection(grants.fold(entries), *(place or PLACE), now, ACCESS.review_days)


def test_a_grant_holds_for_its_employee_tenant_and_purpose() -> None:
    """And for nothing else."""
    log = [given()]
    assert objection(log, NOW) is None
    assert objection(log, NOW, "alice", "borealis", "incident") is Objection.OTHER_TENANT
    assert objection(log, NOW, "alice", "acme", "curiosity") is Objection.OTHER_PURPOSE
    assert objection(log, NOW, "bob", "acme", "incident") is Objection.NO_GRANT


def test_it_expires() -> None:
    """At the end of its days."""
    assert objection([given(days=30)], NOW + timedelta(days=30)) is Objection.EXPIRED


def test_it_lapses_unless_it_is_reviewed() -> None:
    """90 days after it was given, or last reviewed."""
    log = [given()]
    later = NOW + timedelta(days=80)
    confirmed = grants.review(GRACE, grants.fold(log)[0], PLACE, ACCESS, later)
    assert objection(log, NOW + timedelta(days=90)) is Objection.LAPSED
    assert objection([*log, entry(confirmed, 2, later)], NOW + timedelta(days=90)) is None


def test_a_review_revives_a_lapsed_grant_but_no_expired_or_revoked_one() -> None:
    """What has ended is given anew."""
    grant = grants.fold([given()])[0]
    late = NOW + timedelta(days=100)
    revoked = grants.fold([given(), entry(grants.revocation(GRACE, grant, PLACE, ACCESS), 2, NOW)])[0]
    assert grants.review(GRACE, grant, PLACE, ACCESS, late).result is Result.DONE
    assert grants.review(GRACE, grant, PLACE, ACCESS, NOW + timedelta(days=201)).reason == Objection.EXPIRED
    assert grants.review(GRACE, revoked, PLACE, ACCESS, NOW).reason == Objection.REVOKED
    assert grants.review(GRACE, None, PLACE, ACCESS, NOW).reason == Objection.NOTHING_THERE


def test_it_can_be_revoked_and_given_again() -> None:
    """The newest word counts."""
    grant = grants.fold([given()])[0]
    log = [given(), entry(grants.revocation(GRACE, grant, PLACE, ACCESS), 2, NOW)]
    again = entry(grants.addition(GRACE, *PLACE, 10, ACCESS, NOW), 3, NOW)
    assert objection(log, NOW) is Objection.REVOKED
    assert objection([*log, again], NOW) is None


def test_only_granters_grant_and_nobody_to_themselves() -> None:
    """Four eyes; the refusal is an event as well."""
    plain = Employee("bob", frozenset())
    refused = grants.addition(plain, *PLACE, 10, ACCESS, NOW)
    own = grants.addition(GRACE, "grace", "acme", "incident", 10, ACCESS, NOW)
    assert (refused.result, refused.reason) == (Result.REFUSED, Objection.NOT_A_GRANTER)
    assert (own.result, own.reason) == (Result.REFUSED, Objection.OWN_GRANT)
    assert grants.fold([entry(refused, 1, NOW), entry(own, 2, NOW)]) == []


def test_one_may_give_up_ones_own_grant() -> None:
    """That only takes access away."""
    alice = Employee("alice", frozenset())
    assert grants.revocation(alice, grants.fold([given()])[0], PLACE, ACCESS).result is Result.DONE


@pytest.mark.parametrize("days", [0, -1, 366, 10**7, 10**30])
def test_a_grant_is_for_a_bounded_time(days: int) -> None:
    """Of a year at most."""
    assert grants.addition(GRACE, *PLACE, days, ACCESS, NOW).reason == Objection.TOO_LONG


def test_what_lapses_soon_is_due_for_review() -> None:
    """14 days before, and after; not once it has expired."""
    held = grants.fold([given()])
    assert grants.due(held, NOW + timedelta(days=75), 90) == []
    assert grants.due(held, NOW + timedelta(days=77), 90) == held
    assert grants.due(held, NOW + timedelta(days=120), 90) == held
    assert grants.due(held, NOW + timedelta(days=220), 90) == []
    assert held[0].standing(NOW + timedelta(days=120), 90) is Standing.LAPSED


def test_refused_events_and_other_actions_are_no_grants() -> None:
    """Only what was done counts."""
    other = Event("grace", Action.KEYS_ROTATE, tenant="acme", purpose="incident", detail={"employee": "alice"})
    assert grants.fold([entry(other, 1, NOW)]) == []
