"""Withdrawing a change before its time, for contacts and contracts alike. No Kafka.

A withdrawal counts if it comes before the change takes effect; whether the change or the withdrawal comes
first makes no difference. It is remembered, so that a repeated or late copy of the change stays out.
"""

from datetime import UTC, datetime, timedelta
from typing import TypeVar

import msgspec

from streams.changes import Change
from streams.states import ContactState, ContractState, Outcome, Verdict, Withdrawal

# Four times what the changes topic keeps: nothing that is still about comes later.
KEPT = timedelta(days=30)
# A sender that withdraws without end must not make a row without end: the oldest go first.
MOST = 200
_LATEST = datetime.max.replace(tzinfo=UTC)

S = TypeVar("S", ContactState, ContractState)


def withdraw(change: Change, state: S, now: datetime, *, applied: bool) -> Outcome:
    """What a withdrawal does to the row it concerns; `applied`: the row shows that its event was applied."""
    assert change.withdraws is not None, "a withdrawal names an event"
    event = change.withdraws
    held = next((each for each in state.held if each.order.event == event), None)
    if applied or (held is not None and held.effective <= now):
        return Outcome(Verdict.TOO_LATE, "the change has taken effect: a withdrawal does not undo it")
    if any(each.event == event for each in state.withdrawn):
        return Outcome(Verdict.REPEATED, "this withdrawal is known already")
    entry = Withdrawal(event, now, _later(max(now, held.effective) if held else now))
    rest: S = forgotten(state, now)
    after = msgspec.structs.replace(
        rest,
        held=tuple(each for each in rest.held if each is not held),
        withdrawn=(*rest.withdrawn, entry)[-MOST:],
    )
    if held is not None:
        return Outcome(Verdict.APPLIED, "the held change is withdrawn before its time", (after,))
    return Outcome(Verdict.APPLIED, "remembered: the change is dropped if it comes before its time", (after,))


def is_withdrawn(change: Change, state: ContactState | ContractState) -> bool:
    """Whether the change was withdrawn before it took effect."""
    event = change.order.event
    return any(each.event == event and change.effective > each.at for each in state.withdrawn)


def forgotten(state: S, now: datetime) -> S:
    """The state without withdrawals that need not be remembered any longer."""
    kept = tuple(each for each in state.withdrawn if each.until > now)
    return state if kept == state.withdrawn else msgspec.structs.replace(state, withdrawn=kept)


def _later(moment: datetime) -> datetime:
    try:
        return moment + KEPT
    except OverflowError:
        return _LATEST
