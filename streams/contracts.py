"""What the end and the resumption of a contract do: change, state and contracts row in; new state out. No Kafka.

The contract's own row is decided here; what becomes of each contact follows from it (`contacts.settle`).
"""

from datetime import datetime

import msgspec

from streams.changes import Change, ChangeType
from streams.contacts import REASON_CONTRACT_ENDED
from streams.policy import Policy
from streams.revocations import ContractEnd, Evidence, Revocation, is_opaque, tenant_sessions_revoked
from streams.rows import ContractRow, ContractStatus
from streams.states import ContractState, KeyWork, Outcome, Phase, Verdict
from streams.withdrawals import is_withdrawn, withdraw

# The `source` of ends and resumptions that were read from a row of the contracts topic.
ROWS = "urn:rmm-scrub:contracts"


def due(state: ContractState, now: datetime) -> list[Change]:
    """The held changes whose time has come, in their order; `decide` on one takes it out of the state."""
    return sorted((each for each in state.held if each.effective <= now), key=lambda each: each.order)


def decide(
    change: Change, state: ContractState | None, row: ContractRow | None, contacts: int, now: datetime
) -> Outcome:
    """What a contract's change does at `now` (aware), given what is held of it and the contracts table's row.

    `contacts`: how many contacts of the tenant are known who have not left.

    Raises:
        ValueError: the state is another tenant's.
    """
    before = state or ContractState(change.tenant)
    if before.key != change.key:
        raise ValueError("the state is not that of the change's tenant")
    if change.type is ChangeType.WITHDRAWN:
        applied = before.last is not None and before.last.event == change.withdraws
        return withdraw(change, before, now, applied=applied)
    waiting = tuple(each for each in before.held if not each.order.same_event(change.order))
    rest = msgspec.structs.replace(before, held=waiting)
    kept = (rest,) if rest != before else ()
    if before.last is not None and before.last.same_event(change.order):
        return Outcome(Verdict.REPEATED, "this event has been applied already", kept)
    if is_withdrawn(change, before):
        return Outcome(Verdict.WITHDRAWN, "the change was withdrawn before its time", kept)
    if change.effective > now:
        return _hold(change, before, rest)
    if before.last is not None and change.order < before.last:
        return Outcome(Verdict.STALE, "a later end or resumption of the contract has been applied", kept)
    match change.type:
        case ChangeType.CONTRACT_ENDED:
            return _ended(change, rest, row, contacts, now)
        case ChangeType.CONTRACT_RESUMED:
            return _resumed(change, rest, row)
        case _:
            raise ValueError("not a contract's change")


def follow(row: ContractRow, state: ContractState | None, now: datetime) -> Change | None:
    """The change that a row of the contracts topic amounts to, where no event said it; None if there is none.

    An ended contract ends: that only takes away. An active one is begun anew where the one before is
    erased, since nobody gets anything back by that. In the grace period a row gives nothing back.
    """
    held = state or ContractState(row.tenant)
    if held.keys is not KeyWork.NONE or not is_opaque(row.tenant):  # with keys to come, the row is not written yet
        return None
    match row.status, held.phase:
        case ContractStatus.ENDED, Phase.ACTIVE:
            kind, word = ChangeType.CONTRACT_ENDED, "ended"
        case ContractStatus.ACTIVE, Phase.ERASED:
            kind, word = ChangeType.CONTRACT_RESUMED, "started"
        case _:
            return None
    date = row.date()
    # What the row says now, it says now: a date that is to come, or older than what is applied, does not put it off.
    at = now if date is None or date > now or (held.last and date <= held.last.effective) else date
    return Change(kind, ROWS, f"{word}/{at.isoformat()}", row.tenant, "", at, narrow=True)


def is_over(state: ContractState, row: ContractRow | None, policy: Policy, now: datetime) -> bool:
    """Whether the grace period has passed. It does not while the contracts table says that the contract is active."""
    if state.phase is not Phase.ENDED or state.since is None:
        return False
    if row is not None and row.status is ContractStatus.ACTIVE:
        return False
    return now - state.since >= policy.grace(state.tenant)


def erased(state: ContractState) -> Outcome:
    """The grace period has passed: the keys are to be shredded, and each contact goes (`contacts.settle`)."""
    after = msgspec.structs.replace(state, phase=Phase.ERASED, since=None, term=state.term + 1, keys=KeyWork.SHRED)
    return Outcome(Verdict.APPLIED, "the grace period is over: contacts are erased, keys are shredded", (after,))


def keys_named(state: ContractState, epoch: str) -> Outcome:
    """Up to which epoch the tenant's keys are to be shredded, once that is committed."""
    return Outcome(
        Verdict.APPLIED, "keys up to an epoch are to be shredded", (msgspec.structs.replace(state, epoch=epoch),)
    )


def keys_done(state: ContractState) -> Outcome:
    """The tenant's keys are shredded or added. A contract begun anew becomes active with its new keys only."""
    if state.keys is KeyWork.SHRED and state.phase is Phase.ACTIVE:
        after = msgspec.structs.replace(state, keys=KeyWork.ADD, epoch="")
        return Outcome(Verdict.APPLIED, "the keys before are shredded", (after,))
    after = msgspec.structs.replace(state, keys=KeyWork.NONE, epoch="")
    row = _row(state.resumed) if state.phase is Phase.ACTIVE and state.resumed else None
    return Outcome(Verdict.APPLIED, "the tenant's keys are as its contract wants them", (after,), row)


def _hold(change: Change, before: ContractState, rest: ContractState) -> Outcome:
    if rest != before:
        return Outcome(Verdict.REPEATED, "this event is held already")
    held = msgspec.structs.replace(before, held=(*before.held, change))
    return Outcome(Verdict.HELD, "takes effect in the future: held until then", (held,))


def _ended(change: Change, state: ContractState, row: ContractRow | None, contacts: int, now: datetime) -> Outcome:
    resumed = state.resumed.effective if state.resumed else None
    evidence = Evidence(row.tenant if row else "", contacts, resumed)
    withheld = evidence.objection(change)
    after = msgspec.structs.replace(state, last=change.order)
    if state.phase is Phase.ERASED:
        return Outcome(Verdict.APPLIED, "the contract has ended before, and its contacts are erased", (after,))
    told: tuple[Revocation, ...] = ()
    if withheld is None and not (state.phase is Phase.ENDED and state.whole_tenant):
        told = (tenant_sessions_revoked(ContractEnd(change, evidence), REASON_CONTRACT_ENDED),)
    if state.phase is Phase.ENDED:
        after = msgspec.structs.replace(after, whole_tenant=state.whole_tenant or bool(told))
        return Outcome(Verdict.APPLIED, "the contract has ended before", (after,), None, told)
    after = msgspec.structs.replace(
        after,
        phase=Phase.ENDED,
        end=change,
        since=now,
        whole_tenant=bool(told),
        # Keys that were to come with a contract begun anew are not made any more.
        keys=KeyWork.SHRED if state.keys is KeyWork.SHRED else KeyWork.NONE,
    )
    note = f"the contract ended: all access of the tenant ends, {contacts} contacts are known"
    if withheld:
        note += f"; no token addresses the whole tenant: {withheld}"
    return Outcome(Verdict.APPLIED, note, (after,), _row(change), told, withheld=withheld)


def _resumed(change: Change, state: ContractState, row: ContractRow | None) -> Outcome:
    after = msgspec.structs.replace(state, phase=Phase.ACTIVE, last=change.order, resumed=change, since=None)
    if state.phase is Phase.ERASED:
        keys = KeyWork.ADD if state.keys is KeyWork.NONE else state.keys
        after = msgspec.structs.replace(after, keys=keys, renewed=change.effective)
        return Outcome(Verdict.APPLIED, "a contract begun anew: new keys, no contact comes back by itself", (after,))
    if state.phase is Phase.ENDED:
        note = "the contract goes on: contacts get back the rights of their latest roles"
        return Outcome(Verdict.APPLIED, note, (after,), _row(change))
    ended = row is not None and row.status is ContractStatus.ENDED and state.keys is KeyWork.NONE
    return Outcome(Verdict.APPLIED, "the contract is active", (after,), _row(change) if ended else None)


def _row(change: Change) -> dict[str, str]:
    """The contracts topic's row (`schemas/contract.schema.json`)."""
    status, date = ("ended", "ended") if change.type is ChangeType.CONTRACT_ENDED else ("active", "started")
    return {"tenant": change.tenant, "status": status, date: change.effective.isoformat().replace("+00:00", "Z")}
