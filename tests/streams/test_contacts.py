"""What a contact change does: each row of docs/contacts.md, and what holds for any row of changes."""

from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams import policy as policies
from streams.changes import Change, ChangeType, Names, parse_change
from streams.contacts import ContactState, Outcome, Status, Verdict, decide, due
from streams.policy import Grants, Policy
from streams.revocations import EventType

DAY = timedelta(days=1)
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
POLICY = Policy(
    Grants(
        {
            "admin": frozenset({"devices:manage", "devices:read"}),
            "billing": frozenset({"billing:read"}),
            "viewer": frozenset({"devices:read"}),
        }
    )
)
DISABLED, REVOKED = EventType.ACCOUNT_DISABLED, EventType.SESSION_REVOKED
CLAIMS, IDENTIFIER = EventType.TOKEN_CLAIMS_CHANGE, EventType.IDENTIFIER_CHANGED


def document(kind: ChangeType, event: str = "e-1", days: float = -1, **data: Any) -> dict[str, Any]:
    """A change, effective `days` from now."""
    effective = (NOW + days * DAY).isoformat()
    full = {"tenant": "acme", "contact_id": "c-1", "effective": effective} | data
    return {"specversion": "1.0", "source": "/crm", "id": event, "type": kind, "data": full}


def change(kind: ChangeType, event: str = "e-1", days: float = -1, **data: Any) -> Change:
    return parse_change(orjson.dumps(document(kind, event, days, **data)))


def left(event: str = "l-1", days: float = -1, **data: Any) -> Change:
    return change(ChangeType.LEFT, event, days, **data)


def role(new: str, previous: str | None = None, event: str = "r-1", days: float = -1, **data: Any) -> Change:
    return change(ChangeType.ROLE_CHANGED, event, days, new_role=new, previous_role=previous, **data)


def updated(event: str = "u-1", days: float = -1, **data: Any) -> Change:
    return change(ChangeType.UPDATED, event, days, **data)


def contract_end(event: str = "k-1", days: float = -1) -> Change:
    return change(ChangeType.CONTRACT_ENDED, event, days)


def apply(
    what: Change, state: ContactState | None = None, *, ended: bool = False, now: datetime = NOW, contacts=()
) -> Outcome:
    return decide(what, state, contacts, ended, POLICY, now)


def after(*changes: Change, state: ContactState | None = None) -> ContactState | None:
    """The state after changes, in this order."""
    for each in changes:
        outcome = apply(each, state)
        state = outcome.states[0] if outcome.states else state
    return state


def events(outcome: Outcome) -> list[EventType]:
    return [each.event for each in outcome.revocations]


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
        suspended = ContactState("acme", "c-1", Status.SUSPENDED)
        assert apply(role("admin"), suspended).verdict is Verdict.BARRED
        assert events(apply(left(), suspended, ended=True)) == [DISABLED, REVOKED]


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


class TestContractEnded:
    CONTACTS = (
        ContactState("acme", "c-2", role="admin", rights=("devices:manage",), email="b@example.org"),
        ContactState("acme", "c-1", email="a@example.org", names=Names(full="Jo Berg")),
        ContactState("acme", "c-3", Status.LEFT),
        ContactState("acme", ""),
        ContactState("other", "c-9"),
    )

    def test_tenant_first_then_each_contact_by_id(self):
        """Everyone's sessions end, then each account of those who have not left."""
        outcome = apply(contract_end(), contacts=self.CONTACTS)
        assert [(each.event, each.key) for each in outcome.revocations] == [
            (REVOKED, "acme|"),
            (DISABLED, "acme|c-1"),
            (DISABLED, "acme|c-2"),
        ]
        assert len({each.txn for each in outcome.revocations}) == 1
        assert len({each.jti for each in outcome.revocations}) == 3

    def test_contract_row(self):
        """As schemas/contract.schema.json has it."""
        outcome = apply(contract_end(), contacts=self.CONTACTS)
        assert outcome.contract == {"tenant": "acme", "status": "ended", "ended": "2026-02-28T12:00:00Z"}

    def test_contacts_are_suspended_without_personal_data(self):
        """Role and rights stay for a contract that is resumed; the data goes."""
        outcome = apply(contract_end(), contacts=self.CONTACTS)
        assert [(each.key, each.status) for each in outcome.states] == [
            ("acme|", Status.SUSPENDED),
            ("acme|c-1", Status.SUSPENDED),
            ("acme|c-2", Status.SUSPENDED),
        ]
        assert b"example.org" not in msgspec.json.encode(outcome.states)
        assert b"Jo Berg" not in msgspec.json.encode(outcome.states)

    def test_is_applied_when_the_contracts_table_says_so_already(self):
        """The row alone revokes nothing."""
        assert events(apply(contract_end(), ended=True)) == [REVOKED]

    def test_repeated_end_says_nothing(self):
        """The same event again."""
        state = after(contract_end())
        outcome = apply(contract_end(), state, contacts=self.CONTACTS)
        assert (outcome.verdict, outcome.revocations, outcome.contract) == (Verdict.REPEATED, (), None)

    def test_older_end_says_nothing(self):
        """A later end has been applied."""
        assert apply(contract_end("k-0", -5), after(contract_end())).verdict is Verdict.STALE

    def test_held_leaving_survives_the_end(self):
        """A resumed contract does not outlive it; other held changes go."""
        waiting = after(left(days=9), updated(email="jo@example.org", days=9))
        outcome = apply(contract_end(), contacts=[waiting])
        assert [each.type for each in outcome.states[1].held] == [ChangeType.LEFT]


class TestHeld:
    @pytest.mark.parametrize(
        "what", [left(days=2), role("viewer", days=2), updated(email="a@b", days=2), contract_end(days=2)]
    )
    def test_future_change_waits(self, what):
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
            apply(left(), ContactState("acme", "c-2"))


ONE_CHANGE = st.one_of(
    st.builds(left, event=st.sampled_from("ab"), days=st.integers(-3, 3)),
    st.builds(
        role,
        new=st.sampled_from(["admin", "viewer", "billing", "emperor"]),
        previous=st.sampled_from([None, "admin", "viewer"]),
        event=st.sampled_from("cdefg"),
        days=st.integers(-3, 3),
    ),
    st.builds(
        updated,
        event=st.sampled_from("hij"),
        days=st.integers(-3, 3),
        email=st.sampled_from([None, "a@b", "c@d"]),
    ),
)
CHANGES = st.lists(ONE_CHANGE, max_size=8, unique_by=lambda each: each.id)


def at_last(changes: list[Change]) -> tuple[ContactState | None, list[Outcome]]:
    """State and outcomes once all have come and all that was held is due."""
    state, outcomes, waiting = None, [], list(changes)
    for now in (NOW, NOW + 9 * DAY):
        for each in waiting:
            outcome = apply(each, state, now=now)
            outcomes.append(outcome)
            state = outcome.states[0] if outcome.states else state
        waiting = due(state, NOW + 9 * DAY) if state else []
    return state, outcomes


class TestAnyOrder:
    @given(CHANGES, st.randoms(use_true_random=False))
    def test_access_ends_up_the_same(self, changes, random):
        """Property: shuffled and repeated, changes leave the same status, role and rights."""
        shuffled = [*changes, *changes[:3]]
        random.shuffle(shuffled)
        one, _ = at_last(changes)
        other, _ = at_last(shuffled)
        assert (one and (one.status, one.role, one.rights, one.email)) == (
            other and (other.status, other.role, other.rights, other.email)
        )

    @given(CHANGES, st.randoms(use_true_random=False))
    def test_no_event_is_told_twice(self, changes, random):
        """Property: repeated changes give no token twice."""
        shuffled = changes * 2
        random.shuffle(shuffled)
        _, outcomes = at_last(shuffled)
        told = [each.jti for outcome in outcomes for each in outcome.revocations]
        assert len(told) == len(set(told))

    @given(CHANGES)
    def test_nothing_is_given_after_a_leaving(self, changes):
        """Property: once the contact has left, no rights are told."""
        _, outcomes = at_last([left("z"), *changes])
        assert not [each for outcome in outcomes[1:] for each in outcome.revocations]

    @given(CHANGES)
    def test_what_the_portal_was_told_is_what_the_state_holds(self, changes):
        """Property: the last rights told are the state's, unless the contact has left."""
        state, outcomes = at_last(changes)
        told = [
            each.body["claims"]["rights"]
            for outcome in outcomes
            for each in outcome.revocations
            if each.event is CLAIMS
        ]
        assert state is None or state.status is Status.LEFT or list(state.rights) == (told or [[]])[-1]


def test_shipped_policy_shrinks_from_owner_to_viewer():
    """The default policy in use."""
    outcome = decide(role("viewer", "owner"), None, [], False, policies.load(), NOW)
    assert events(outcome) == [CLAIMS, REVOKED]
