"""What holds for any row of changes of one contact, in any order."""

from hypothesis import given
from hypothesis import strategies as st

from streams.changes import Change
from streams.contacts import due
from streams.states import ContactState, Outcome, Status
from tests.streams.world import CLAIMS, DAY, NOW, apply, left, role, updated

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
