"""A contract that is resumed, in its grace period and after it."""

import msgspec
import pytest

from streams.changes import Names
from streams.policy import Grants, Policy
from streams.states import ContactState, Status, Verdict
from tests.streams.world import (
    CLAIMS,
    DAY,
    DISABLED,
    ENABLED,
    IDENTIFIER,
    POLICY,
    PURGED,
    REVOKED,
    Portal,
    World,
    contract_end,
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


class TestResumed:
    def test_contacts_get_back_the_rights_they_had(self):
        """The account, then all rights; contract active again."""
        world = World()
        world.send(role("admin"), contract_end())
        outcome = world.send(resumption())
        assert events(outcome) == [ENABLED, CLAIMS]
        assert outcome.revocations[1].body["claims"]["rights"] == ["devices:manage", "devices:read"]
        assert outcome.contract == {"tenant": "acme", "status": "active", "started": "2026-03-01T00:00:00Z"}
        assert world.contact().status is Status.ACTIVE

    def test_contact_without_a_known_role_keeps_the_portals_rights(self):
        """We never told any; none are told now."""
        world = World()
        world.send(updated(email="a@b"), contract_end())
        assert events(world.send(resumption())) == [ENABLED]

    def test_who_left_before_or_meanwhile_stays_out(self):
        """A leaving is for good."""
        world = World()
        world.send(role("admin"), role("admin", contact_id="c-2", event="r-2"), left(), contract_end())
        world.send(left("l-2", contact_id="c-2"))
        assert world.send(resumption()).revocations == ()

    def test_leaving_that_is_due_with_the_resumption_comes_first(self):
        """No moment of access in between."""
        world = World()
        world.send(role("admin"), contract_end(), left(days=2))
        world.now += 2 * DAY
        assert world.send(resumption(days=1.9)).revocations == ()
        assert events(world.tick()) == [DISABLED, REVOKED]

    def test_role_that_changed_meanwhile_counts(self):
        """What was taken away during the grace period is not given back: the last role alone is told."""
        world = World()
        world.send(role("admin"), contract_end())
        world.send(role("billing", event="r-2", days=-0.9), role("viewer", event="r-3", days=-0.8))
        outcome = world.send(resumption())
        assert events(outcome) == [ENABLED, CLAIMS]
        assert outcome.revocations[1].body["claims"] == {"roles": ["viewer"], "rights": ["devices:read"]}
        assert world.contact().held == ()

    def test_stale_change_of_role_that_came_meanwhile_does_not_count(self):
        """Older than the role that is held."""
        world = World()
        world.send(role("viewer"), contract_end(), role("admin", event="r-0", days=-5))
        assert world.send(resumption()).revocations[1].body["claims"]["roles"] == ["viewer"]

    def test_policy_rule_counts_for_a_role_that_changed_meanwhile(self):
        """To external: no rights."""
        world = World()
        world.send(role("admin"), contract_end(), role("external", event="r-2", days=-0.9))
        assert world.send(resumption()).revocations[1].body["claims"] == {"roles": [], "rights": []}

    def test_update_that_came_meanwhile_is_told_afterwards(self):
        """Nothing is lost."""
        world = World()
        world.send(updated(email="a@b"), contract_end(), updated(email="c@d", event="u-2", days=-0.9))
        world.send(resumption())
        assert events(world.tick()) == [IDENTIFIER]
        assert world.contact().email == "c@d"

    @pytest.mark.parametrize("days", [-5, -1.5])
    def test_stale_resumption_says_nothing(self, days):
        """The end is the later one."""
        world = World()
        world.send(role("admin"), contract_end())
        outcome = world.send(resumption(days=days))
        assert (outcome.verdict, outcome.revocations, world.status) == (Verdict.STALE, (), "ended")

    def test_stale_end_says_nothing(self):
        """The resumption is the later one, though it came first."""
        world = World()
        world.send(role("admin"), resumption())
        outcome = world.send(contract_end())
        assert (outcome.verdict, outcome.revocations, world.status) == (Verdict.STALE, (), "active")

    def test_same_moment_is_settled_by_time_then_id(self):
        """As for contacts."""
        world = World()
        world.send(contract_end("a", -1), resumption("b", -1))
        assert world.status == "active"
        assert world.send(contract_end("a", -1)).verdict is Verdict.STALE

    def test_repeated_resumption_says_nothing(self):
        """The same event again."""
        world = World()
        world.send(role("admin"), contract_end(), resumption())
        assert world.send(resumption()).revocations == ()

    def test_ends_again(self):
        """With tokens of its own."""
        world = World()
        world.send(role("admin"), contract_end(), resumption())
        outcome = world.send(contract_end("k-2", 0))
        assert events(outcome) == [REVOKED, DISABLED]
        assert len({each.jti for each in world.told}) == len(world.told)

    def test_of_a_contract_that_has_not_ended_says_nothing(self):
        """It only settles that an older end is stale."""
        world = World(*CONTACTS)
        outcome = world.send(resumption())
        assert (outcome.verdict, outcome.revocations, outcome.contract) == (Verdict.APPLIED, (), None)


class TestGrace:
    def test_contacts_are_erased_and_keys_shredded_when_it_is_over(self):
        """Not before; also contacts who left before. One row stays, without personal data."""
        world = World(*CONTACTS)
        world.send(contract_end())
        assert world.tick(days=29.9) == []
        assert told(world.tick(days=0.2)) == [(PURGED, "c-1"), (PURGED, "c-2"), (PURGED, "c-3")]
        assert world.held.contacts_of("acme") == []
        assert world.keys == [("shred", "acme")]
        assert b"example.org" not in msgspec.json.encode(world.contract)

    def test_counts_from_when_the_end_took_effect_here(self):
        """An end that is registered late leaves its whole grace period to undo it."""
        world = World(*CONTACTS)
        world.send(contract_end(days=-400))
        assert world.tick(days=29) == []
        assert world.keys == []

    def test_is_over_once(self):
        """Nothing more is told, no key work is left."""
        world = World(*CONTACTS)
        world.send(contract_end())
        world.tick(days=31)
        assert world.tick(days=31) == []
        assert world.keys == [("shred", "acme")]

    def test_is_the_policys_by_tenant(self):
        """Here a tenth of a day."""
        policy = Policy(POLICY.default, {"acme": Grants(grace_days=0.1)})
        world = World(*CONTACTS, policy=policy)
        world.send(contract_end())
        assert events(world.tick(days=0.1)) == [PURGED, PURGED, PURGED]

    @pytest.mark.parametrize("late", [role("admin", days=40), updated(email="a@b", days=0), left(days=40)])
    def test_nothing_is_taken_up_when_it_is_over(self, late):
        """Erased data does not come back."""
        world = World(*CONTACTS)
        world.send(contract_end())
        world.tick(days=31)
        outcome = world.send(late)
        assert (outcome.verdict, outcome.states, outcome.revocations) == (Verdict.BARRED, (), ())

    def test_stands_still_while_the_contracts_table_says_active(self):
        """Nobody's keys go while telemetry is processed; and a row gives no access back."""
        world = World(*CONTACTS)
        world.send(contract_end())
        world.row("active")
        assert world.tick(days=31) == []
        assert world.keys == []
        world.row("ended", ended="2026-02-28T12:00:00Z")
        assert events(world.tick()) == [PURGED, PURGED, PURGED]


class TestBegunAnew:
    def renewed(self) -> World:
        world = World(*CONTACTS)
        world.send(contract_end())
        world.tick(days=31)
        world.send(resumption("s-9", 31))
        return world

    def test_contract_is_active_once_its_new_keys_are_there(self):
        """Never with keys of before."""
        world = self.renewed()
        assert world.status == "ended"
        world.tick()
        assert (world.status, world.keys) == ("active", [("shred", "acme"), ("add", "acme")])

    def test_no_contact_comes_back_by_itself(self):
        """Neither at once nor by a change from before."""
        world = self.renewed()
        before = len(world.told)
        world.tick()
        outcome = world.send(role("admin", event="r-8", days=30))
        assert (outcome.verdict, world.told[before:]) == (Verdict.BARRED, [])

    def test_contact_is_given_rights_by_a_change_of_the_new_contract(self):
        """Also one who left in the contract before."""
        world = self.renewed()
        world.tick()
        assert events(world.send(role("viewer", event="r-9", days=31, contact_id="c-3"))) == [CLAIMS, REVOKED]
        assert Portal(world.told[-2:]).access("c-3") == frozenset({"devices:read"})

    def test_resumption_before_the_keys_are_shredded_waits_for_that(self):
        """Shredded first, then added."""
        world = World(*CONTACTS)
        world.send(contract_end())
        world.now += 31 * DAY
        batch = world.batch()
        world.commit(batch, batch.tick())
        world.send(resumption("s-9", 31))
        world.tick()
        assert (world.status, world.keys) == ("active", [("shred", "acme"), ("add", "acme")])

    def test_ends_again_before_its_keys_are_there(self):
        """None are made, and the row stays."""
        world = self.renewed()
        world.send(contract_end("z-9", 31))
        world.tick()
        assert (world.status, world.keys) == ("ended", [("shred", "acme")])
