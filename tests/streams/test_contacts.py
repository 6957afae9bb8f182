"""What a change of a contact does: each row of docs/contacts.md."""

from itertools import permutations

import msgspec
import orjson
import pytest

from streams import policy as policies
from streams.changes import ChangeType, Names, parse_change
from streams.contacts import decide
from streams.policy import Grants, Policy, Rule, Then
from streams.states import ContactState, Status, Verdict
from tests.streams.world import (
    CLAIMS,
    DISABLED,
    IDENTIFIER,
    NOW,
    POLICY,
    REVOKED,
    World,
    after,
    apply,
    document,
    events,
    left,
    role,
    updated,
)


class TestLogs:
    def test_repr_holds_no_value(self):
        """Changes, states and outcomes may end up in a log."""
        found = updated(names={"full": "Jo Berg"}, email="jo@example.org")
        outcome = apply(found)
        told = repr((found, outcome, outcome.states, outcome.revocations, found.order, found.names))
        assert not any(each in told for each in ("Jo", "example.org", "acme", "c-1", "u-1"))


class TestLeft:
    def test_access_ends(self):
        """The account is disabled, then its sessions end; all under one transaction."""
        outcome = apply(left(), after(role("admin")))
        assert events(outcome) == [DISABLED, REVOKED]
        assert len({each.txn for each in outcome.revocations}) == 1
        assert {each.key for each in outcome.revocations} == {"acme|c-1"}

    def test_data_goes(self):
        """Nothing personal and no role stays, only that this contact has left."""
        known = after(role("admin"), updated(names={"full": "Jo Berg"}, email="jo@example.org", phone="+31 20 1"))
        state = after(left(days=0), state=known)
        assert state == ContactState("acme", "c-1", Status.LEFT, applied=state.applied)
        assert b"Jo Berg" not in msgspec.json.encode(state)

    def test_unknown_contact_is_remembered_as_left(self):
        """A later change of role finds that the contact has left."""
        assert events(apply(left())) == [DISABLED, REVOKED]
        assert after(left()).status is Status.LEFT

    def test_late_leaving_still_ends_access(self):
        """Registered after a later change of phone number and role: it counts all the same."""
        known = after(role("admin", days=-2), updated(phone="1", days=-1))
        assert events(apply(left(days=-9), known)) == [DISABLED, REVOKED]

    def test_second_leaving_says_nothing(self):
        """Access is revoked once."""
        outcome = apply(left("l-2", days=0), after(left()))
        assert (outcome.verdict, outcome.revocations, outcome.states) == (Verdict.BARRED, (), ())

    def test_repeated_leaving_says_nothing(self):
        """The same event again."""
        outcome = apply(left(), after(left()))
        assert (outcome.verdict, outcome.revocations, outcome.states) == (Verdict.REPEATED, (), ())

    @pytest.mark.parametrize("days", [-9, -1, 0, 9])
    def test_no_change_of_role_gives_access_back(self, days):
        """Earlier, later or to come."""
        outcome = apply(role("admin", days=days), after(left()))
        assert (outcome.verdict, outcome.revocations, outcome.states) == (Verdict.BARRED, (), ())

    def test_update_stores_nothing(self):
        """Erased data does not come back with a late update."""
        outcome = apply(updated(email="jo@example.org", days=0), after(left()))
        assert (outcome.verdict, outcome.states) == (Verdict.BARRED, ())

    def test_held_changes_go(self):
        """They may carry personal data, and nothing of them may come true."""
        state = after(updated(email="jo@example.org", days=9), left())
        assert state.held == ()


class TestRoleChanged:
    def test_more_rights(self):
        """All rights from now on; sessions may stay."""
        outcome = apply(role("admin", days=0, event="r-2"), after(role("viewer")))
        assert events(outcome) == [CLAIMS]
        assert outcome.revocations[0].body["claims"] == {
            "roles": ["admin"],
            "rights": ["devices:manage", "devices:read"],
        }

    def test_fewer_rights(self):
        """Sessions end as well, after the rights are told."""
        outcome = apply(role("viewer", days=0, event="r-2"), after(role("admin")))
        assert events(outcome) == [CLAIMS, REVOKED]
        assert outcome.revocations[1].body["reason_admin"]["en"]

    def test_other_rights(self):
        """Neither more nor fewer: one ends."""
        assert events(apply(role("billing", days=0, event="r-2"), after(role("viewer")))) == [CLAIMS, REVOKED]

    def test_previous_role_stands_in_for_an_unknown_state(self):
        """The sender's word, when nothing is held."""
        assert events(apply(role("admin", "viewer"))) == [CLAIMS]
        assert events(apply(role("viewer", "admin"))) == [CLAIMS, REVOKED]

    @pytest.mark.parametrize("previous", [None, "emperor"])
    def test_unknown_previous_rights_count_as_more(self, previous):
        """Fail closed."""
        assert events(apply(role("admin", previous))) == [CLAIMS, REVOKED]

    def test_missed_change_counts_its_role_too(self):
        """We hold viewer, the sender says it was admin: admin's rights may have been given."""
        assert events(apply(role("viewer", "admin", event="r-2", days=0), after(role("viewer")))) == [
            CLAIMS,
            REVOKED,
        ]

    def test_told_rights_count_whatever_the_sender_says(self):
        """We told admin's rights; a sender who believes in viewer does not make them vanish."""
        state = after(role("admin"))
        assert events(apply(role("viewer", "viewer", event="r-2", days=0), state)) == [CLAIMS, REVOKED]

    def test_role_outside_the_policy_gives_nothing(self):
        """Neither rights nor the role's name, which a portal might know otherwise."""
        outcome = apply(role("emperor", "viewer"))
        assert events(outcome) == [CLAIMS, REVOKED]
        assert outcome.revocations[0].body["claims"] == {"roles": [], "rights": []}

    def test_rights_told_count_not_those_of_todays_policy(self):
        """The policy was tightened in between: the portal still knows the old rights."""
        told = msgspec.structs.replace(after(role("viewer")), rights=("devices:read", "secrets:read"))
        assert events(apply(role("viewer", event="r-2", days=0), told)) == [CLAIMS, REVOKED]

    def test_stale_change_says_nothing(self):
        """An earlier effective date than the role that is held."""
        outcome = apply(role("admin", event="r-0", days=-5), after(role("viewer")))
        assert (outcome.verdict, outcome.revocations, outcome.states) == (Verdict.STALE, (), ())

    def test_later_change_of_something_else_does_not_make_it_stale(self):
        """A new phone number does not settle the role."""
        state = after(role("admin", days=-5), updated(phone="1", days=-1))
        assert events(apply(role("viewer", event="r-2", days=-3), state)) == [CLAIMS, REVOKED]

    @pytest.mark.parametrize("order", list(permutations(range(3))))
    def test_effective_then_time_then_id_decide(self, order):
        """Whatever order they come in, the same one stands at the end."""
        noon = {"time": "2026-02-28T12:00:00Z"}
        all_three = [
            parse_change(orjson.dumps(document(ChangeType.ROLE_CHANGED, event, -1, new_role=new) | more))
            for event, new, more in [("z", "billing", {}), ("a", "admin", noon), ("b", "viewer", noon)]
        ]
        state = after(*(all_three[place] for place in order))
        assert state.role == "viewer"

    def test_offsets_are_instants(self):
        """01:00+02:00 is earlier than 00:00Z of the same day."""
        state = after(role("viewer", effective="2026-02-01T00:00:00Z"))
        assert apply(role("admin", event="r-2", effective="2026-02-01T01:00:00+02:00"), state).verdict is Verdict.STALE

    def test_ended_contract_gives_nothing(self):
        """Neither by the contracts table nor after the end has suspended the contact."""
        assert apply(role("admin"), ended=True).verdict is Verdict.BARRED
        assert apply(role("admin"), ended=True).revocations == ()
        suspended = ContactState("acme", "c-1", Status.SUSPENDED)
        assert apply(role("admin"), suspended).verdict is Verdict.BARRED
        assert apply(role("admin"), suspended).revocations == ()
        assert events(apply(left(), suspended, ended=True)) == [DISABLED, REVOKED]


def with_rules(*rules: Rule) -> World:
    """A world whose policy has these consequences."""
    return World(policy=Policy(Grants(POLICY.default.roles, rules)))


class TestConsequences:
    def test_revoke_all_gives_no_rights_and_ends_sessions(self):
        """Whatever rights the new role has."""
        outcome = apply(role("external", "viewer"))
        assert events(outcome) == [CLAIMS, REVOKED]
        assert outcome.revocations[0].body["claims"] == {"roles": [], "rights": []}
        assert outcome.rule.pointer == "/default/changes/0"

    def test_revoke_all_holds_until_the_next_change_of_role(self):
        """That one's rights are given as always."""
        outcome = apply(role("viewer", event="r-2", days=0), after(role("external")))
        assert events(outcome) == [CLAIMS]
        assert outcome.revocations[0].body["claims"]["rights"] == ["devices:read"]

    def test_end_sessions_though_no_right_ends(self):
        """With a reason of its own."""
        world = with_rules(Rule("viewer", "admin", Then.END_SESSIONS))
        outcome = world.send(role("viewer", "viewer"), role("admin", "viewer", event="r-2", days=0))
        assert events(outcome) == [CLAIMS, REVOKED]
        assert outcome.revocations[1].body["initiating_entity"] == "policy"

    def test_end_sessions_where_a_right_ends_says_so_once(self):
        """One session-revoked."""
        world = with_rules(Rule("*", "*", Then.END_SESSIONS))
        assert events(world.send(role("viewer", "admin"))) == [CLAIMS, REVOKED]

    def test_none_leaves_it_to_the_rights(self):
        """A rule before a stricter one."""
        world = with_rules(Rule("viewer", "admin", Then.NONE), Rule("*", "*", Then.REVOKE_ALL))
        assert events(world.send(role("admin", "viewer"))) == [CLAIMS]

    def test_none_takes_nothing_from_what_rights_demand(self):
        """A right ends: so do sessions."""
        world = with_rules(Rule("*", "*", Then.NONE))
        assert events(world.send(role("viewer", "admin"))) == [CLAIMS, REVOKED]

    def test_strictest_of_what_is_held_and_what_the_sender_says(self):
        """They do not agree on the role before."""
        world = with_rules(Rule("billing", "admin", Then.REVOKE_ALL))
        outcome = world.send(role("viewer"), role("admin", "billing", event="r-2", days=0))
        assert outcome.revocations[0].body["claims"]["rights"] == []


class TestUpdated:
    def test_changed_identifier_is_told_without_its_value(self):
        """Which one, not what."""
        outcome = apply(updated(email="new@example.org", days=0, event="u-2"), after(updated(email="old@example.org")))
        assert events(outcome) == [IDENTIFIER]
        assert outcome.revocations[0].body["changed"] == ["email"]
        assert "example.org" not in orjson.dumps(outcome.revocations[0].body).decode()
        assert outcome.states[0].email == "new@example.org"

    def test_email_and_phone_are_one_event(self):
        """One token for the change."""
        outcome = apply(updated(email="n@example.org", phone="2", previous_email="o@example.org", previous_phone="1"))
        assert [each.body["changed"] for each in outcome.revocations] == [["email", "phone"]]

    @pytest.mark.parametrize(
        "same", [{"email": "JO@Example.org "}, {"phone": "+31 (20) 123-45"}, {"names": {"full": "J. Berg"}}]
    )
    def test_same_in_other_spelling_says_nothing(self, same):
        """Case and spacing do not count, names are no identifiers; the new spelling is kept."""
        known = after(updated(email="jo@example.org", phone="+312012345", names={"full": "Jo Berg"}))
        outcome = apply(
            updated(event="u-2", days=0, **({k: v.strip() if isinstance(v, str) else v for k, v in same.items()})),
            known,
        )
        assert (outcome.verdict, outcome.revocations) == (Verdict.APPLIED, ())
        assert outcome.states != ()

    def test_unknown_previous_value_counts_as_another(self):
        """What is not known to be the same is told."""
        assert events(apply(updated(email="jo@example.org"))) == [IDENTIFIER]
        assert events(apply(updated(email=None))) == [IDENTIFIER]

    def test_previous_value_of_the_sender_counts_when_none_is_held(self):
        """An import of what has not changed."""
        assert events(apply(updated(email="jo@example.org", previous_email="jo@example.org"))) == []

    def test_removed_identifier(self):
        """null takes it away, and that is a change, once."""
        known = after(updated(phone="1"))
        outcome = apply(updated(phone=None, event="u-2", days=0), known)
        assert events(outcome) == [IDENTIFIER]
        assert events(apply(updated(phone=None, event="u-3", days=0), outcome.states[0])) == []

    def test_absent_is_unchanged(self):
        """An update of the phone leaves e-mail and names as they are."""
        state = after(
            updated(email="jo@example.org", names={"full": "Jo Berg"}),
            updated(phone="1", event="u-2", days=0),
        )
        assert (state.email, state.phone, state.names) == ("jo@example.org", "1", Names(full="Jo Berg"))

    def test_late_update_counts_for_what_is_not_newer(self):
        """The e-mail has been updated since, the phone has not."""
        state = after(updated(email="new@example.org", days=-1))
        outcome = apply(updated(email="old@example.org", phone="1", event="u-0", days=-5), state)
        assert outcome.revocations[0].body["changed"] == ["phone"]
        assert outcome.states[0].email == "new@example.org"

    def test_stale_update_says_nothing(self):
        """All that it brings has been updated since."""
        outcome = apply(updated(email="old@example.org", event="u-0", days=-5), after(updated(email="new@example.org")))
        assert (outcome.verdict, outcome.revocations, outcome.states) == (Verdict.STALE, (), ())


def test_shipped_policy_shrinks_from_owner_to_viewer():
    """The default policy in use."""
    outcome = decide(role("viewer", "owner"), None, None, False, policies.load(), NOW)
    assert events(outcome) == [CLAIMS, REVOKED]
