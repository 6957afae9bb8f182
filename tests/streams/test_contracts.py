"""What the end of a contract does, by its event and by a row of the contracts topic."""

import msgspec
import orjson
import pytest

from streams.changes import ChangeType, Names, parse_change
from streams.states import ContactState, Phase, Status, Verdict
from tests.streams.world import (
    DAY,
    DISABLED,
    PURGED,
    REVOKED,
    World,
    after,
    apply,
    contract_end,
    document,
    events,
    left,
    resumption,
    role,
    updated,
)

CONTACTS = (
    ContactState("acme", "c-2", role="admin", rights=("devices:manage",), email="b@example.org"),
    ContactState("acme", "c-1", email="a@example.org", names=Names(full="Jo Berg")),
    ContactState("acme", "c-3", Status.LEFT),
    ContactState("other", "c-9"),
)


def told(revocations):
    """What is told to whom, briefly."""
    return [(each.event, each.contact_id) for each in revocations]


class TestContractEnded:
    def test_tenant_first_then_each_contact_by_id(self):
        """Everyone's sessions end, then each account of those who have not left."""
        outcome = apply(contract_end(), *CONTACTS)
        assert [(each.event, each.key) for each in outcome.revocations] == [
            (REVOKED, "acme|"),
            (DISABLED, "acme|c-1"),
            (DISABLED, "acme|c-2"),
        ]
        assert len({each.txn for each in outcome.revocations}) == 1
        assert len({each.jti for each in outcome.revocations}) == 3

    def test_contract_row(self):
        """As schemas/contract.schema.json has it."""
        outcome = apply(contract_end(), *CONTACTS)
        assert outcome.contract == {"tenant": "acme", "status": "ended", "ended": "2026-02-28T12:00:00Z"}

    def test_contacts_are_suspended_with_what_an_undo_needs(self):
        """Role, rights and data stay for a contract that is resumed, until the grace period is over."""
        outcome = apply(contract_end(), *CONTACTS)
        contract, *suspended = outcome.states
        assert contract.phase is Phase.ENDED
        assert suspended == [
            msgspec.structs.replace(CONTACTS[1], status=Status.SUSPENDED),
            msgspec.structs.replace(CONTACTS[0], status=Status.SUSPENDED),
        ]

    def test_contracts_own_row_holds_no_personal_data(self):
        """It is what stays."""
        contract = apply(contract_end(), *CONTACTS).states[0]
        assert not any(each in msgspec.json.encode(contract) for each in (b"example.org", b"Jo Berg", b"c-1"))

    def test_is_applied_when_the_contracts_table_says_so_already(self):
        """Only the event ends everyone's sessions in one token."""
        assert events(apply(contract_end(), ended=True)) == [REVOKED]

    def test_repeated_end_says_nothing(self):
        """The same event again."""
        world = World(*CONTACTS)
        world.send(contract_end())
        outcome = world.send(contract_end())
        assert (outcome.verdict, outcome.revocations, outcome.contract) == (Verdict.REPEATED, (), None)

    def test_older_end_says_nothing(self):
        """A later end has been applied."""
        assert apply(contract_end("k-0", -5), after(contract_end())).verdict is Verdict.STALE

    def test_second_end_says_nothing_and_does_not_put_the_grace_period_off(self):
        """A sender that repeats itself nightly keeps nobody's data for longer."""
        world = World(*CONTACTS)
        world.send(contract_end())
        world.now += 10 * DAY
        outcome = world.send(contract_end("k-2", 10))
        assert (outcome.verdict, outcome.revocations) == (Verdict.APPLIED, ())
        assert events(world.tick(days=20.1)) == [PURGED, PURGED, PURGED]

    def test_held_changes_survive_the_end(self):
        """A resumed contract does not outlive a leaving, and an undo loses nothing."""
        waiting = after(left(days=9), updated(email="jo@example.org", days=9))
        outcome = apply(contract_end(), waiting)
        assert [each.type for each in outcome.states[1].held] == [ChangeType.LEFT, ChangeType.UPDATED]

    def test_held_leaving_comes_true_while_the_contract_has_ended(self):
        """At its time, and for good."""
        world = World()
        world.send(role("viewer"), left(days=2), contract_end())
        assert events(world.tick(days=3)) == [DISABLED, REVOKED]
        assert world.send(resumption(days=2)).revocations == ()

    def test_held_change_of_role_does_not(self):
        """It waits for a resumption."""
        world = World()
        world.send(role("viewer"), role("admin", event="r-2", days=2), contract_end())
        assert world.tick(days=3) == []

    def test_contact_first_heard_of_after_the_end_is_disabled_too(self):
        """Its account may be open at the portal; the token is the one that the end would have given."""
        known, late = World(), World()
        known.send(role("admin"), contract_end())
        late.send(contract_end(), role("admin"))
        assert told(late.told) == [(REVOKED, ""), (DISABLED, "c-1")]
        assert known.told[-1].jti == late.told[-1].jti

    def test_held_end_fires_at_its_time(self):
        """As if it came then."""
        world = World(*CONTACTS)
        world.send(contract_end(days=2))
        assert events(world.tick(days=2)) == [REVOKED, DISABLED, DISABLED]
        assert world.status == "ended"


class TestSecondGuard:
    """Without it each contact is told, with the same effect for all who are known."""

    def each(self):
        return [(DISABLED, "c-1"), (REVOKED, "c-1"), (DISABLED, "c-2"), (REVOKED, "c-2")]

    def test_more_contacts_than_the_sender_expects(self):
        """Perhaps another tenant is meant."""
        outcome = World(*CONTACTS).send(contract_end(contacts=0))
        assert told(outcome.revocations) == self.each()
        assert outcome.withheld == "more contacts are known than the sender expects"

    def test_count_that_fits(self):
        """A tenth more, at least one, may have joined."""
        outcome = World(*CONTACTS).send(contract_end(contacts=1))
        assert told(outcome.revocations)[0] == (REVOKED, "")
        assert outcome.withheld is None

    @pytest.mark.parametrize("key", [b"acme|c-1", b"other|", b"", b"\xff"])
    def test_record_key_of_something_else(self, key):
        """A contact's record that calls itself a contract's end."""
        misplaced = parse_change(orjson.dumps(document(ChangeType.CONTRACT_ENDED, "k-1")), key)
        assert told(World(*CONTACTS).send(misplaced).revocations) == self.each()

    @pytest.mark.parametrize("key", [b"acme|", b"acme", None])
    def test_record_key_of_the_tenant_or_none(self, key):
        """Nothing speaks against it."""
        plain = parse_change(orjson.dumps(document(ChangeType.CONTRACT_ENDED, "k-1")), key)
        assert told(World(*CONTACTS).send(plain).revocations)[0] == (REVOKED, "")

    def test_unknown_tenant(self):
        """The contracts table has no row for it."""
        outcome = World(*CONTACTS, row=None).send(contract_end())
        assert told(outcome.revocations) == self.each()

    def test_held_end_remembers_how_it_came(self):
        """Its record is long gone when its time comes."""
        misplaced = parse_change(orjson.dumps(document(ChangeType.CONTRACT_ENDED, "k-1", 2)), b"acme|c-1")
        world = World(*CONTACTS)
        world.send(misplaced)
        assert told(world.tick(days=2)) == self.each()

    def test_end_that_was_doubted_and_then_comes_right(self):
        """Another event of the contract system: everyone, once; each contact has been told."""
        world = World(*CONTACTS)
        world.send(contract_end(contacts=0))
        assert told(world.send(contract_end("k-2", -0.5)).revocations) == [(REVOKED, "")]
        assert world.send(contract_end("k-3", -0.4)).revocations == ()


class TestRows:
    def test_ended_row_without_an_event_revokes_contact_by_contact(self):
        """Never the whole tenant: a row is no event of the contract system's own."""
        world = World(*CONTACTS)
        world.row("ended", ended="2026-02-28T12:00:00Z")
        assert told(world.tick()) == [(DISABLED, "c-1"), (REVOKED, "c-1"), (DISABLED, "c-2"), (REVOKED, "c-2")]
        assert world.tick() == []

    def test_ended_row_starts_the_grace_period(self):
        """With its date or without."""
        world = World(*CONTACTS)
        world.row("ended")
        world.tick()
        assert events(world.tick(days=30)) == [PURGED, PURGED, PURGED]
        assert world.keys == [("shred", "acme")]

    def test_event_after_its_row_tells_the_whole_tenant_once(self):
        """The contract system writes both, and the row is seen first."""
        world = World(*CONTACTS)
        world.row("ended", ended="2026-02-28T12:00:00Z")
        world.tick()
        assert told(world.send(contract_end(days=-0.9)).revocations) == [(REVOKED, "")]

    def test_row_after_its_event_says_nothing(self):
        """Nor does the row that we write ourselves."""
        world = World(*CONTACTS)
        world.send(contract_end())
        world.row("ended", ended="2026-02-27T12:00:00Z")
        assert world.tick() == []

    def test_row_that_ends_a_resumed_contract_counts_from_now(self):
        """It is what the contract system says last, whatever its date."""
        world = World(*CONTACTS)
        world.send(contract_end(), resumption())
        world.row("ended", ended="2026-02-01T00:00:00Z")
        assert events(world.tick()) == [DISABLED, REVOKED, DISABLED, REVOKED]

    def test_active_row_gives_no_access_back(self):
        """That takes the event."""
        world = World(*CONTACTS)
        world.send(contract_end())
        world.row("active")
        assert world.tick() == []
        assert world.contact().status is Status.SUSPENDED

    def test_active_row_after_the_grace_period_begins_anew(self):
        """New keys; nobody gets anything by it."""
        world = World(*CONTACTS)
        world.send(contract_end())
        world.tick(days=31)
        world.row("active")
        assert world.tick() == []
        assert world.keys == [("shred", "acme"), ("add", "acme")]

    def test_row_that_does_not_say_when_or_for_whom_does_no_harm(self):
        """Dates that cannot be read are as none; a tenant that is no opaque id is left alone."""
        world = World(*CONTACTS)
        world.row("ended", tenant="a b", ended="yesterday")
        assert world.tick() == []

    def test_change_that_comes_before_the_row_is_followed_waits(self):
        """The contracts table says ended: nothing is given."""
        world = World(row="ended")
        assert world.send(role("admin")).revocations == ()
        assert told(world.tick()) == [(DISABLED, "c-1"), (REVOKED, "c-1")]
