"""What a contact change does: change, state and policy in; new state and revocations out. No Kafka.

The cases are in docs/contacts.md. Three rules carry them: what only takes access away is never put off
by a later change, what is not known counts as the worse, and while a contract has ended changes wait.
"""

import re
from datetime import datetime

import msgspec
from msgspec import UNSET

from streams.changes import Change, ChangeType
from streams.policy import Consequence, Policy, Then
from streams.revocations import (
    ContactSubject,
    Initiator,
    account_disabled,
    account_enabled,
    account_purged,
    identifier_changed,
    rights_changed,
    session_revoked,
)
from streams.states import ContactState, ContractState, Facet, Outcome, Phase, Status, Verdict
from streams.withdrawals import forgotten, is_withdrawn, withdraw

REASON_LEFT = "Contact left the customer organisation"
REASON_FEWER_RIGHTS = "The contact's role gives fewer rights"
REASON_POLICY = "The contact policy ends sessions with this change of role"
REASON_CONTRACT_ENDED = "Customer contract ended"
_ENDED = "the tenant's contract has ended: the change waits for a resumption"


def due(state: ContactState, now: datetime) -> list[Change]:
    """The held changes whose time has come, in their order; `decide` on one takes it out of the state.

    Of a suspended contact only a leaving: the others wait for the contract to be resumed.
    """
    ready = [each for each in state.held if each.effective <= now]
    if state.status is Status.SUSPENDED:
        ready = [each for each in ready if each.type is ChangeType.LEFT]
    return sorted(ready, key=lambda each: each.order)


def decide(
    change: Change,
    state: ContactState | None,
    contract: ContractState | None,
    ended: bool,
    policy: Policy,
    now: datetime,
) -> Outcome:
    """What a contact's change does at `now` (aware), given what is held of the contact and its contract.

    `ended`: the contracts table says that the contract has ended, or has no row.

    Raises:
        ValueError: the state is another contact's.
    """
    before = state or ContactState(change.tenant, change.contact_id, term=contract.term if contract else 0)
    if before.key != change.key:
        raise ValueError("the state is not that of the change's contact")
    if change.type is ChangeType.WITHDRAWN:
        return _withdrawn(change, before, contract, now)
    waiting = tuple(each for each in before.held if not each.order.same_event(change.order))
    rest = msgspec.structs.replace(before, held=waiting)
    kept = (rest,) if rest != before else ()
    if any(each.same_event(change.order) for each in before.applied.values()):
        return Outcome(Verdict.REPEATED, "this event has been applied already", kept)
    if barred := _barred(change, before, contract):
        return Outcome(Verdict.BARRED, barred, kept)
    if is_withdrawn(change, before):
        return Outcome(Verdict.WITHDRAWN, "the change was withdrawn before its time", kept)
    if change.type is not ChangeType.LEFT and (ended or _has_ended(before, contract)):
        return _put_by(change, before, rest)
    if change.effective > now:
        return _hold(change, before, rest)
    return _applied(change, rest, kept, policy)


def is_behind(state: ContactState, contract: ContractState | None) -> bool:
    """Whether the contact may not have taken up its contract's standing yet: `settle` knows."""
    if contract is None:
        return False
    if state.term < contract.term:
        return True
    waits = {Phase.ENDED: Status.ACTIVE, Phase.ACTIVE: Status.SUSPENDED}
    return state.status is waits.get(contract.phase)


def settle(state: ContactState, contract: ContractState | None, policy: Policy, now: datetime) -> Outcome | None:
    """What the contract's standing makes of a contact who has not taken it up yet; None if nothing.

    Ended: suspended, and disabled at the portal. Resumed: active again, with the rights of the latest
    role. Erased: everything goes. Done by whoever decides the contact's own changes, so that access is
    never given back across a leaving.
    """
    if contract is None or not is_behind(state, contract):
        return None
    if state.term < contract.term:
        return _purged(state, contract)
    if contract.phase is Phase.ENDED:
        return _suspended(state, contract)
    leaves = any(each.type is ChangeType.LEFT and each.effective <= now for each in state.held)
    return None if leaves or contract.resumed is None else _enabled(state, contract.resumed, policy, now)


def tidied(state: ContactState, now: datetime) -> Outcome | None:
    """The state without withdrawals that are no longer remembered; None if there are none."""
    after = forgotten(state, now)
    if after == state:
        return None
    note = "withdrawals are no longer remembered"
    if after == ContactState(state.tenant, state.contact_id, term=state.term):
        return Outcome(Verdict.APPLIED, note, gone=(state.key,))
    return Outcome(Verdict.APPLIED, note, (after,))


def _withdrawn(change: Change, state: ContactState, contract: ContractState | None, now: datetime) -> Outcome:
    applied = any(each.event == change.withdraws for each in state.applied.values())
    if not applied and (barred := _barred(change, state, contract)):
        return Outcome(Verdict.BARRED, barred)
    return withdraw(change, state, now, applied=applied)


def _applied(change: Change, state: ContactState, kept: tuple[ContactState, ...], policy: Policy) -> Outcome:
    match change.type:
        case ChangeType.LEFT:
            return _left(change, state)
        case ChangeType.ROLE_CHANGED:
            return _role_changed(change, state, kept, policy)
        case ChangeType.UPDATED:
            return _updated(change, state, kept)
        case _:
            raise ValueError("not a contact's change")


def _barred(change: Change, state: ContactState, contract: ContractState | None) -> str | None:
    """Why the change may not be taken up at all, now or later."""
    if state.status is Status.LEFT:
        return "the contact has left: access is revoked already, and nothing gives it back"
    if contract is None:
        return None
    if contract.phase is Phase.ERASED:
        return "the tenant's contract has ended, and its contacts are erased"
    old = contract.renewed is not None and change.effective < contract.renewed
    if old and change.type is not ChangeType.WITHDRAWN:
        return "the change belongs to a contract before the present one"
    return None


def _has_ended(state: ContactState, contract: ContractState | None) -> bool:
    return state.status is Status.SUSPENDED or (contract is not None and contract.phase is Phase.ENDED)


def _put_by(change: Change, before: ContactState, rest: ContactState) -> Outcome:
    if rest != before:
        return Outcome(Verdict.REPEATED, "this event waits for the contract to be resumed already")
    return Outcome(Verdict.BARRED, _ENDED, (msgspec.structs.replace(before, held=(*before.held, change)),))


def _hold(change: Change, before: ContactState, rest: ContactState) -> Outcome:
    if rest != before:
        return Outcome(Verdict.REPEATED, "this event is held already")
    held = msgspec.structs.replace(before, held=(*before.held, change))
    return Outcome(Verdict.HELD, "takes effect in the future: held until then", (held,))


def _purged(state: ContactState, contract: ContractState) -> Outcome:
    """Changes of the present contract that came before the worker knew of it stay."""
    assert contract.end is not None, "what is erased has ended"
    note = "the contact is erased with the contract"
    told = (account_purged(contract.end, ContactSubject(state.tenant, state.contact_id)),)
    since = contract.renewed
    held = tuple(each for each in state.held if since is not None and each.effective >= since)
    if not held:
        return Outcome(Verdict.APPLIED, note, revocations=told, gone=(state.key,))
    fresh = ContactState(state.tenant, state.contact_id, held=held, term=contract.term)
    return Outcome(Verdict.APPLIED, note, (fresh,), revocations=told)


def _suspended(state: ContactState, contract: ContractState) -> Outcome:
    """Everything stays that a resumption needs. Sessions end here where no token to everyone ended them."""
    assert contract.end is not None, "what has ended has an end"
    subject = ContactSubject(state.tenant, state.contact_id)
    told = [account_disabled(contract.end, subject)]
    if not contract.whole_tenant:
        told.append(session_revoked(contract.end, subject, Initiator.POLICY, REASON_CONTRACT_ENDED))
    after = msgspec.structs.replace(state, status=Status.SUSPENDED)
    return Outcome(Verdict.APPLIED, "the contact is suspended with the contract", (after,), revocations=tuple(told))


def _enabled(state: ContactState, resumed: Change, policy: Policy, now: datetime) -> Outcome:
    """With the rights of before, or of the latest change of role that waited: only the end of them is told."""
    ready = [each for each in state.held if each.type is ChangeType.ROLE_CHANGED and each.effective <= now]
    after = msgspec.structs.replace(
        state, status=Status.ACTIVE, held=tuple(each for each in state.held if each not in ready)
    )
    latest = max(ready, key=lambda each: each.order, default=None)
    rule = None
    if latest is not None and _is_newer(latest, state, Facet.ROLE):
        grant = _granted(latest, state, policy)
        after, rule = _with_role(after, latest, grant), grant.rule
    subject = ContactSubject(state.tenant, state.contact_id)
    told = [account_enabled(resumed, subject)]
    if after.role is not None:  # else we never told the portal any rights, and it still has its own
        roles = _named(after, policy)
        told.append(rights_changed(resumed, subject, roles, after.rights, Initiator.POLICY))
    note = "the contact is active again with the contract"
    return Outcome(Verdict.APPLIED, note, (after,), revocations=tuple(told), rule=rule)


def _named(state: ContactState, policy: Policy) -> list[str]:
    """The role's name for the portal: none where the role gives nothing that the policy would give it."""
    assert state.role is not None, "asked for a known role only"
    if not policy.knows(state.tenant, state.role):
        return []
    return [state.role] if state.rights or not policy.rights(state.tenant, state.role) else []


def _left(change: Change, state: ContactState) -> Outcome:
    """Applied even when a later change of the contact is known: see docs/contacts.md, late changes."""
    subject = ContactSubject(change.tenant, change.contact_id)
    applied = {**state.applied, Facet.ACCESS: change.order}
    after = ContactState(change.tenant, change.contact_id, Status.LEFT, applied=applied, term=state.term)
    revocations = (
        account_disabled(change, subject),
        session_revoked(change, subject, Initiator.SYSTEM, REASON_LEFT),
    )
    return Outcome(Verdict.APPLIED, "the contact left: all access ends", (after,), None, revocations)


class _Grant(msgspec.Struct, frozen=True):
    """What a change of role gives; `before` are the rights that the contact may have had, None: not known."""

    roles: list[str]
    rights: frozenset[str]
    before: frozenset[str] | None
    rule: Consequence | None

    @property
    def then(self) -> Then:
        return self.rule.rule.then if self.rule else Then.NONE

    @property
    def fewer(self) -> bool:
        return self.before is None or not self.rights >= self.before


def _role_changed(change: Change, state: ContactState, kept: tuple[ContactState, ...], policy: Policy) -> Outcome:
    if not _is_newer(change, state, Facet.ROLE):
        return Outcome(Verdict.STALE, "a later change of the role has been applied", kept)
    grant = _granted(change, state, policy)
    subject = ContactSubject(change.tenant, change.contact_id)
    revocations = [rights_changed(change, subject, grant.roles, grant.rights)]
    if grant.fewer:
        revocations.append(session_revoked(change, subject, Initiator.ADMIN, REASON_FEWER_RIGHTS))
    elif grant.then is not Then.NONE:
        revocations.append(session_revoked(change, subject, Initiator.POLICY, REASON_POLICY))
    after = _with_role(state, change, grant)
    note = _about_role(grant, known=policy.knows(change.tenant, change.new_role or ""))
    return Outcome(Verdict.APPLIED, note, (after,), None, tuple(revocations), rule=grant.rule)


def _granted(change: Change, state: ContactState, policy: Policy) -> _Grant:
    assert change.new_role is not None, "the schema requires it"
    named = [each for each in (state.role, change.previous_role) if each is not None]
    before: list[str | None] = [*named] or [None]
    rule = policy.consequence(change.tenant, before, change.new_role)
    had = _rights_before(change, state, policy)
    if rule is not None and rule.rule.then is Then.REVOKE_ALL:
        return _Grant([], frozenset(), had, rule)
    roles = [change.new_role] if policy.knows(change.tenant, change.new_role) else []
    return _Grant(roles, policy.rights(change.tenant, change.new_role), had, rule)


def _with_role(state: ContactState, change: Change, grant: _Grant) -> ContactState:
    return msgspec.structs.replace(
        state,
        role=change.new_role,
        rights=tuple(sorted(grant.rights)),
        applied={**state.applied, Facet.ROLE: change.order},
    )


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


def _about_role(grant: _Grant, *, known: bool) -> str:
    said = "the role changed" if known else "the role changed to one the policy does not name, which gives no rights"
    if grant.then is Then.REVOKE_ALL:
        return "the role changed, and a rule of the policy revokes all rights; sessions end as well"
    if grant.before is None:
        return f"{said}; the rights before are not known, so sessions end as well"
    if fewer := len(grant.before - grant.rights):
        return f"{said}; rights that end: {fewer}, so sessions end as well"
    return f"{said}; no right ends" + (", but a rule ends sessions" if grant.then is Then.END_SESSIONS else "")


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


def _is_newer(change: Change, state: ContactState, facet: Facet) -> bool:
    last = state.applied.get(facet)
    return last is None or change.order > last
