"""What a contact change does: change, state and policy in; new state and revocations out. No Kafka.

The cases are in docs/contacts.md. Two rules carry them: what only takes access away is never put off
by a later change, and what is not known counts as the worse.
"""

import re
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

import msgspec
from msgspec import UNSET

from streams.changes import Change, ChangeType, Names, Order
from streams.policy import Policy
from streams.revocations import (
    ContactSubject,
    ContractEnd,
    Initiator,
    Revocation,
    account_disabled,
    identifier_changed,
    rights_changed,
    session_revoked,
    tenant_sessions_revoked,
)

REASON_LEFT = "Contact left the customer organisation"
REASON_FEWER_RIGHTS = "The contact's role gives fewer rights"
REASON_CONTRACT_ENDED = "Customer contract ended"


class Status(StrEnum):
    """Where a contact stands. `suspended`: the tenant's contract has ended."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    LEFT = "left"


class Facet(StrEnum):
    """What a change changes. Each has its own last change, so that a late one on another still counts."""

    ACCESS = "access"
    ROLE = "role"
    NAMES = "names"
    EMAIL = "email"
    PHONE = "phone"


class ContactState(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is held of a contact, or with an empty `contact_id` of a tenant's contract; JSON by msgspec.

    `rights` are those the portal was told last. `held` are changes whose effective date is to come.
    """

    tenant: str
    contact_id: str
    status: Status = Status.ACTIVE
    role: str | None = None
    rights: tuple[str, ...] = ()
    names: Names | None = None
    email: str | None = None
    phone: str | None = None
    applied: dict[Facet, Order] = {}
    held: tuple[Change, ...] = ()

    def __repr__(self) -> str:
        """Nothing of the contact: a repr may end up in a log."""
        return f"ContactState({self.status})"

    @property
    def key(self) -> str:
        """Key of the state's record: `tenant|contact_id`."""
        return f"{self.tenant}|{self.contact_id}"


class Verdict(StrEnum):
    """What became of a change."""

    APPLIED = "applied"
    HELD = "held"
    STALE = "stale"
    REPEATED = "repeated"
    BARRED = "barred"


class Outcome(msgspec.Struct, frozen=True):
    """What to write: states that differ from before, the contract's row if it changes, revocations in order.

    `note` says why, for people; it holds no value of the change.
    """

    verdict: Verdict
    note: str
    states: tuple[ContactState, ...] = ()
    contract: dict[str, str] | None = None
    revocations: tuple[Revocation, ...] = ()

    def __repr__(self) -> str:
        """The verdict alone."""
        return f"Outcome({self.verdict})"

    @property
    def held(self) -> bool:
        """Whether the change waits for its effective date."""
        return self.verdict is Verdict.HELD


def due(state: ContactState, now: datetime) -> list[Change]:
    """The held changes whose time has come, in their order; `decide` on one takes it out of the state."""
    return sorted((each for each in state.held if each.effective <= now), key=lambda each: each.order)


def decide(
    change: Change,
    state: ContactState | None,
    contacts_of_tenant: Iterable[ContactState],
    contract_ended: bool,
    policy: Policy,
    now: datetime,
) -> Outcome:
    """What a change does at `now` (aware), given what is held of its contact and its tenant.

    `state` is the row under `change.key`, for a contract's end as well. `contacts_of_tenant` is read
    for a contract's end only. `contract_ended`: the contracts table says that it has.

    Raises:
        ValueError: the state is another contact's.
    """
    before = state or ContactState(change.tenant, change.contact_id)
    if before.key != change.key:
        raise ValueError("the state is not that of the change's contact")
    waiting = tuple(each for each in before.held if not each.order.same_event(change.order))
    rest = msgspec.structs.replace(before, held=waiting)
    kept = (rest,) if rest != before else ()

    if any(each.same_event(change.order) for each in before.applied.values()):
        return Outcome(Verdict.REPEATED, "this event has been applied already", kept)
    if barred := _barred(change, before, contract_ended):
        return Outcome(Verdict.BARRED, barred, kept)
    if change.effective > now:
        return _hold(change, before, rest)
    match change.type:
        case ChangeType.LEFT:
            return _left(change, rest)
        case ChangeType.ROLE_CHANGED:
            return _role_changed(change, rest, kept, policy)
        case ChangeType.UPDATED:
            return _updated(change, rest, kept)
        case ChangeType.CONTRACT_ENDED:
            return _contract_ended(change, rest, kept, contacts_of_tenant)


def _barred(change: Change, state: ContactState, contract_ended: bool) -> str | None:
    """Why the change may not be taken up at all, now or later."""
    if change.type is ChangeType.CONTRACT_ENDED:
        return None
    if state.status is Status.LEFT:
        return "the contact has left: access is revoked already, and nothing gives it back"
    if change.type is not ChangeType.LEFT and (contract_ended or state.status is Status.SUSPENDED):
        return "the tenant's contract has ended"
    return None


def _hold(change: Change, before: ContactState, rest: ContactState) -> Outcome:
    if rest != before:
        return Outcome(Verdict.REPEATED, "this event is held already")
    held = msgspec.structs.replace(before, held=(*before.held, change))
    return Outcome(Verdict.HELD, "takes effect in the future: held until then", (held,))


def _left(change: Change, state: ContactState) -> Outcome:
    """Applied even when a later change of the contact is known: see docs/contacts.md, late changes."""
    subject = ContactSubject(change.tenant, change.contact_id)
    after = ContactState(
        change.tenant, change.contact_id, Status.LEFT, applied={**state.applied, Facet.ACCESS: change.order}
    )
    revocations = (
        account_disabled(change, subject),
        session_revoked(change, subject, Initiator.SYSTEM, REASON_LEFT),
    )
    return Outcome(Verdict.APPLIED, "the contact left: all access ends", (after,), None, revocations)


def _role_changed(change: Change, state: ContactState, kept: tuple[ContactState, ...], policy: Policy) -> Outcome:
    if not _is_newer(change, state, Facet.ROLE):
        return Outcome(Verdict.STALE, "a later change of the role has been applied", kept)
    assert change.new_role is not None, "the schema requires it"
    rights = policy.rights(change.tenant, change.new_role)
    roles = [change.new_role] if policy.knows(change.tenant, change.new_role) else []
    subject = ContactSubject(change.tenant, change.contact_id)
    revocations = [rights_changed(change, subject, roles, rights)]
    had = _rights_before(change, state, policy)
    if had is None or not rights >= had:
        revocations.append(session_revoked(change, subject, Initiator.ADMIN, REASON_FEWER_RIGHTS))
    after = msgspec.structs.replace(
        state,
        role=change.new_role,
        rights=tuple(sorted(rights)),
        applied={**state.applied, Facet.ROLE: change.order},
    )
    return Outcome(Verdict.APPLIED, _about_role(roles, rights, had), (after,), None, tuple(revocations))


def _rights_before(change: Change, state: ContactState, policy: Policy) -> frozenset[str] | None:
    """All rights that the contact may have had; None when that is not known.

    Those the portal was told last; and where the sender names another previous role than we hold,
    a change passed us by, so that role's rights as well.
    """
    told = frozenset(state.rights) if state.role is not None else None
    if change.previous_role is None or change.previous_role == state.role:
        return told
    if not policy.knows(change.tenant, change.previous_role):
        return None
    return policy.rights(change.tenant, change.previous_role) | (told or frozenset())


def _about_role(roles: list[str], rights: frozenset[str], had: frozenset[str] | None) -> str:
    said = "the role changed" if roles else "the role changed to one the policy does not name, which gives no rights"
    if had is None:
        return f"{said}; the rights before are not known, so sessions end as well"
    fewer = len(had - rights)
    return f"{said}; rights that end: {fewer}, so sessions end as well" if fewer else f"{said}; no right ends"


def _updated(change: Change, state: ContactState, kept: tuple[ContactState, ...]) -> Outcome:
    given = {Facet.NAMES: change.names, Facet.EMAIL: change.email, Facet.PHONE: change.phone}
    newer = {facet: value for facet, value in given.items() if value is not UNSET and _is_newer(change, state, facet)}
    if not newer:
        return Outcome(Verdict.STALE, "later changes of the same data have been applied", kept)
    changed = [facet.value for facet in (Facet.EMAIL, Facet.PHONE) if facet in newer and _differs(change, state, facet)]
    subject = ContactSubject(change.tenant, change.contact_id)
    revocations = (identifier_changed(change, subject, changed),) if changed else ()
    after = msgspec.structs.replace(
        state,
        **{facet.value: value for facet, value in newer.items()},
        applied={**state.applied, **dict.fromkeys(newer, change.order)},
    )
    note = f"changed or not known before: {', '.join(changed)}" if changed else "neither e-mail nor phone changed"
    return Outcome(Verdict.APPLIED, note, (after,), None, revocations)


def _differs(change: Change, state: ContactState, facet: Facet) -> bool:
    """Whether an e-mail or phone differs from the one held, else from the one the sender says it was."""
    if facet is Facet.EMAIL:
        held, said, new, plain = state.email, change.previous_email, change.email, _plain_email
    else:
        held, said, new, plain = state.phone, change.previous_phone, change.phone, _plain_phone
    known = held is not None or facet in state.applied
    if not known and said is None:
        return True
    old = held if known else said
    return (plain(old) if old else None) != (plain(new) if isinstance(new, str) else None)


def _plain_email(text: str) -> str:
    return text.strip().casefold()


def _plain_phone(text: str) -> str:
    return re.sub(r"[^0-9+]", "", text)


def _contract_ended(
    change: Change, state: ContactState, kept: tuple[ContactState, ...], contacts: Iterable[ContactState]
) -> Outcome:
    if not _is_newer(change, state, Facet.ACCESS):
        return Outcome(Verdict.STALE, "a later end of the contract has been applied", kept)
    present = [
        each
        for each in sorted(contacts, key=lambda each: each.contact_id)
        if each.tenant == change.tenant and each.contact_id and each.status is not Status.LEFT
    ]
    disabled = [account_disabled(change, ContactSubject(each.tenant, each.contact_id)) for each in present]
    row = msgspec.structs.replace(state, status=Status.SUSPENDED, applied={**state.applied, Facet.ACCESS: change.order})
    return Outcome(
        Verdict.APPLIED,
        f"the contract ended: all access of the tenant ends, {len(present)} contacts are known",
        (row, *(_suspended(each) for each in present)),
        {
            "tenant": change.tenant,
            "status": "ended",
            "ended": change.effective.isoformat().replace("+00:00", "Z"),
        },
        (tenant_sessions_revoked(ContractEnd(change), REASON_CONTRACT_ENDED), *disabled),
    )


def _suspended(state: ContactState) -> ContactState:
    """Without personal data; a held leaving stays, so that a resumed contract cannot outlive it."""
    held = tuple(each for each in state.held if each.type is ChangeType.LEFT)
    return msgspec.structs.replace(state, status=Status.SUSPENDED, names=None, email=None, phone=None, held=held)


def _is_newer(change: Change, state: ContactState, facet: Facet) -> bool:
    last = state.applied.get(facet)
    return last is None or change.order > last
