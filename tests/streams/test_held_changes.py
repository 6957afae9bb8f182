"""Changes that wait: for their effective date, in any order, and those that are withdrawn."""

from datetime import timedelta

import msgspec
import pytest

from streams import contacts, contracts
from streams.changes import EventRef
from streams.contacts import decide, due
from streams.states import ContactState, Verdict
from streams.withdrawals import MOST
from tests.streams.world import (
    DAY,
    DISABLED,
    NOW,
    POLICY,
    REVOKED,
    World,
    after,
    apply,
    contract_end,
    events,
    left,
    resumption,
    role,
    updated,
    withdrawal,
)


class TestHeld:
    @pytest.mark.parametrize(
        ("what", "due"),
        [
            (left(days=2), contacts.due),
            (role("viewer", days=2), contacts.due),
            (updated(email="a@b", days=2), contacts.due),
            (contract_end(days=2), contracts.due),
            (resumption(days=2), contracts.due),
        ],
    )
    def test_future_change_waits(self, what, due):
        """Nothing happens but that it is held, and comes back when its time has come."""
        outcome = apply(what)
        assert (outcome.held, outcome.revocations, outcome.contract) == (True, (), None)
        (state,) = outcome.states
        assert due(state, NOW + 2 * DAY - timedelta(microseconds=1)) == []
        assert due(state, NOW + 2 * DAY) == [what]

    def test_ripe_change_is_applied_and_no_longer_held(self):
        """As if it came then."""
        state = after(role("admin"), left(days=2))
        outcome = apply(left(days=2), state, now=NOW + 2 * DAY)
        assert events(outcome) == [DISABLED, REVOKED]
        assert outcome.states[0].held == ()

    def test_ripe_but_stale_change_is_taken_out(self):
        """It says nothing, and does not come back."""
        state = after(role("admin", event="r-9", days=1))
        newer = apply(role("viewer", event="r-10", days=2), state, now=NOW + 3 * DAY).states[0]
        outcome = apply(role("admin", event="r-9", days=1), newer, now=NOW + 3 * DAY)
        assert (outcome.verdict, outcome.revocations) == (Verdict.STALE, ())
        assert due(outcome.states[0], NOW + 99 * DAY) == []

    def test_held_twice_is_held_once(self):
        """The same event again, before its time."""
        state = after(left(days=2))
        outcome = apply(left(days=2), state)
        assert (outcome.verdict, outcome.states) == (Verdict.REPEATED, ())

    def test_due_changes_come_in_their_order(self):
        """By effective date, not by arrival."""
        state = after(role("admin", event="b", days=2), role("viewer", event="a", days=1))
        assert [each.id for each in due(state, NOW + 5 * DAY)] == ["a", "b"]

    def test_state_survives_json(self):
        """Held changes, absent and removed values, orders."""
        state = after(
            role("admin"),
            updated(email=None, phone="1"),
            updated(names={"given": "Jo"}, email=None, days=3, event="u-2"),
        )
        assert msgspec.json.decode(msgspec.json.encode(state), type=ContactState) == state

    def test_state_of_another_contact_is_refused(self):
        """A lane that mixes rows up is stopped."""
        with pytest.raises(ValueError, match="not that of the change"):
            decide(left(), ContactState("acme", "c-2"), None, False, POLICY, NOW)


class TestWithdrawn:
    def test_held_change_is_taken_out(self):
        """Nothing happens when its time comes."""
        world = World()
        world.send(role("admin"), left(days=2))
        outcome = world.send(withdrawal(left(days=2)))
        assert (outcome.verdict, outcome.revocations) == (Verdict.APPLIED, ())
        assert world.tick(days=3) == []
        assert world.contact().held == ()

    def test_repeated_change_stays_out(self):
        """The withdrawn event again, before its time and after."""
        world = World()
        world.send(left(days=2), withdrawal(left(days=2)))
        assert world.send(left(days=2)).verdict is Verdict.WITHDRAWN
        world.tick(days=3)
        assert world.send(left(days=2)).verdict is Verdict.WITHDRAWN
        assert world.told == []

    def test_withdrawal_may_come_first(self):
        """Out of order: it is remembered, and the change is dropped when it comes."""
        world = World()
        assert world.send(withdrawal(left(days=2))).verdict is Verdict.APPLIED
        assert world.send(left(days=2)).verdict is Verdict.WITHDRAWN
        assert world.tick(days=3) == []

    def test_withdrawal_that_comes_first_does_not_undo_what_had_taken_effect(self):
        """It came after the effective date: the leaving counts, in either order."""
        world = World()
        world.send(withdrawal(left(days=-2)))
        assert events(world.send(left(days=-2))) == [DISABLED, REVOKED]

    def test_too_late_says_so_and_does_nothing(self):
        """Access is never given back by a withdrawal."""
        world = World()
        world.send(role("admin"), left())
        outcome = world.send(withdrawal(left()))
        assert (outcome.verdict, outcome.revocations, outcome.states) == (Verdict.TOO_LATE, (), ())

    def test_too_late_for_a_change_of_role(self):
        """The rights stay those of the new role."""
        world = World()
        world.send(role("viewer"))
        outcome = world.send(withdrawal(role("viewer")))
        assert (outcome.verdict, outcome.revocations) == (Verdict.TOO_LATE, ())
        assert world.contact().role == "viewer"

    def test_too_late_from_the_effective_moment_on(self):
        """Even if the clock has not released the change yet."""
        world = World()
        world.send(left(days=2))
        world.now += 2 * DAY
        assert world.send(withdrawal(left(days=2))).verdict is Verdict.TOO_LATE
        assert events(world.tick()) == [DISABLED, REVOKED]

    def test_names_an_event_by_source_and_id(self):
        """Another sender's event of the same id stays."""
        world = World()
        world.send(left(days=2))
        other = msgspec.structs.replace(withdrawal(left(days=2)), withdraws=EventRef("/servicedesk", "l-1"))
        world.send(other)
        assert events(world.tick(days=3)) == [DISABLED, REVOKED]

    def test_takes_out_its_own_contacts_change_only(self):
        """The same event id held of another contact is not meant."""
        world = World()
        world.send(left(days=2), withdrawal(left(days=2, contact_id="c-2")))
        assert [each.key for each in world.tick(days=3)] == ["acme|c-1", "acme|c-1"]

    @pytest.mark.parametrize("kind", [contract_end, resumption])
    def test_held_change_of_a_contract(self, kind):
        """Without a contact id it is the contract's."""
        world = World(row="active")
        world.send(kind(days=2), withdrawal(kind(days=2)))
        assert world.tick(days=3) == []
        assert world.status == "active"
        assert world.contract.last is None

    def test_contracts_end_that_took_effect_is_not_withdrawn(self):
        """It takes a resumption."""
        world = World()
        world.send(contract_end())
        outcome = world.send(withdrawal(contract_end()))
        assert (outcome.verdict, outcome.revocations, world.status) == (Verdict.TOO_LATE, (), "ended")

    def test_of_a_contact_who_has_left_is_barred(self):
        """Nothing is stored of one who has left."""
        world = World()
        world.send(left())
        outcome = world.send(withdrawal(role("admin", days=3)))
        assert (outcome.verdict, outcome.states) == (Verdict.BARRED, ())

    def test_repeated_withdrawal_says_nothing(self):
        """The same event again."""
        world = World()
        world.send(left(days=2), withdrawal(left(days=2)))
        outcome = world.send(withdrawal(left(days=2)))
        assert (outcome.verdict, outcome.states) == (Verdict.REPEATED, ())

    def test_is_forgotten_after_its_time(self):
        """Thirty days after the change would have taken effect, and with it a row that holds nothing else."""
        world = World()
        world.send(withdrawal(left(days=2)))
        world.tick(days=29)
        assert world.contact().withdrawn != ()
        world.tick(days=2)
        assert world.contact() is None

    def test_what_is_remembered_has_a_bound(self):
        """A sender that withdraws without end makes no row without end."""
        world = World()
        world.send(*(withdrawal(left(f"l-{n}", days=2), f"w-{n}") for n in range(MOST + 5)))
        assert len(world.contact().withdrawn) == MOST
