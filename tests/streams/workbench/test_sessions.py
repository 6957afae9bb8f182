"""Sessions begin, end, and are not kept for ever; secrets are good once and only for a while."""

import pytest

from streams.workbench import sessions
from streams.workbench.sessions import Person, Sessions
from streams.workbench.tickets import Tickets, same

ALICE = Person("os:alice", "alice", may_change=True)


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """Stands still."""
    return Clock()


class TestSessions:
    def test_a_session_is_found_by_its_id_only(self, clock):
        """Neither by another's nor by what is no id at all."""
        kept = Sessions(clock)
        began = kept.begin(ALICE)
        assert kept.find(began, acting=True).person == ALICE
        assert kept.find("", acting=True) is None
        assert kept.find(began[:-1], acting=True) is None
        assert kept.find("\udcff", acting=True) is None

    def test_ids_and_csrf_tokens_are_256_bits_of_their_own(self, clock):
        """43 characters of base64url each; none is twice."""
        kept = Sessions(clock)
        ids = [kept.begin(ALICE) for _ in range(20)]
        every = ids + [kept.find(each, acting=False).csrf for each in ids]
        assert len(set(every)) == 40
        assert {len(each) for each in every} == {43}

    def test_the_id_is_not_kept(self, clock):
        """A copy of the memory signs nobody in."""
        kept = Sessions(clock)
        began = kept.begin(ALICE)
        assert began not in repr(vars(kept._tickets)) + repr(kept.find(began, acting=False))

    def test_a_session_ends_when_nothing_was_done_for_an_hour(self, clock):
        """And does not come back."""
        kept = Sessions(clock)
        began = kept.begin(ALICE)
        clock.now += 3_599
        assert kept.find(began, acting=True)
        clock.now += 3_600
        assert kept.find(began, acting=True) is None
        clock.now -= 3_600
        assert kept.find(began, acting=True) is None

    def test_what_a_page_asks_by_itself_keeps_no_session_alive(self, clock):
        """Counters on a screen that nobody looks at."""
        kept = Sessions(clock)
        began = kept.begin(ALICE)
        clock.now += 3_599
        assert kept.find(began, acting=False)
        clock.now += 1
        assert kept.find(began, acting=False) is None

    def test_a_session_ends_after_twelve_hours_whatever_is_done(self, clock):
        """One who works on signs in again."""
        kept = Sessions(clock)
        began = kept.begin(ALICE)
        for _ in range(23):
            clock.now += 1_800
            assert kept.find(began, acting=True)
        clock.now += 1_800
        assert kept.find(began, acting=True) is None

    def test_the_oldest_of_too_many_goes(self, clock):
        """200 are kept."""
        kept = Sessions(clock)
        ids = [kept.begin(Person(f"os:{number}", "", may_change=False)) for number in range(sessions.MOST + 1)]
        assert kept.find(ids[0], acting=False) is None
        assert all(kept.find(each, acting=False) for each in ids[1:])
        assert sessions.MOST == 200

    def test_who_signs_in_over_and_over_signs_nobody_else_out(self, clock):
        """Twenty are kept of a person."""
        kept = Sessions(clock)
        other = kept.begin(Person("os:bob", "bob", may_change=False))
        ids = [kept.begin(ALICE) for _ in range(sessions.MOST + 1)]
        assert kept.find(other, acting=False)
        assert [bool(kept.find(each, acting=False)) for each in ids[-21:]] == [False] + [True] * 20

    def test_signing_out_ends_one_session(self, clock):
        """The others of the same person stay."""
        kept = Sessions(clock)
        first, second = kept.begin(ALICE), kept.begin(ALICE)
        kept.end(first)
        kept.end(first)
        assert kept.find(first, acting=True) is None
        assert kept.find(second, acting=True)


class TestTickets:
    def test_a_ticket_is_good_once(self, clock):
        """And leads to what it was issued for."""
        tickets: Tickets[str] = Tickets(600, 10, clock)
        issued = tickets.issue("a")
        assert tickets.redeem(issued) == "a"
        assert tickets.redeem(issued) is None

    def test_a_ticket_is_good_for_its_time(self, clock):
        """To the second."""
        tickets: Tickets[str] = Tickets(600, 10, clock)
        early, late = tickets.issue("a"), tickets.issue("b")
        clock.now += 599
        assert tickets.redeem(early) == "a"
        clock.now += 1
        assert tickets.redeem(late) is None

    def test_room_is_made_by_what_has_ended_first(self, clock):
        """Only then by what has not."""
        tickets: Tickets[str] = Tickets(600, 2, clock)
        tickets.issue("a")
        clock.now += 400
        second = tickets.issue("b")
        clock.now += 400
        third = tickets.issue("c")
        assert (tickets.find(second), tickets.find(third)) == ("b", "c")


def test_secrets_are_compared_whatever_they_hold():
    """Also what is no ASCII, as a header may hold."""
    assert same("é\udcff", "é\udcff")
    assert not same("é", "e")
