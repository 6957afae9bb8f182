"""Who is signed in. Sessions are kept in memory only: a restart ends them all."""

import time

import msgspec

from streams.workbench.tickets import Clock, Tickets, secret

IDLE_SECONDS = 3_600.0  # a browser that its owner has walked away from
LONGEST_SECONDS = 12 * 3_600.0  # a working day; who comes the next day shows again who they are
MOST = 200  # more than a security team has browsers; signing in over and over fills no memory
MOST_EACH = 20  # of one person, who would otherwise sign all others out by signing in over and over


class Person(msgspec.Struct, frozen=True):
    """Who is at the workbench. `id` is an actor as on the audit log: `os:NAME`, or the employee's id.

    `may_change`: may label, save, publish, promote, roll back, and open sealed samples.
    """

    id: str
    name: str
    may_change: bool


class Session(msgspec.Struct):
    """One browser of a person; `csrf` is what its pages know and other pages do not."""

    person: Person
    csrf: str
    used: float  # when its person last did something


class Sessions:
    """Sessions by the id in their cookie, of which only a digest is kept."""

    def __init__(self, clock: Clock = time.time, idle: float = IDLE_SECONDS) -> None:
        """`idle`: seconds without a deed of its person after which a session ends."""
        self._clock = clock
        self._idle = idle
        self._tickets: Tickets[Session] = Tickets(LONGEST_SECONDS, MOST, clock)

    def begin(self, person: Person) -> str:
        """A new session; its id, for the cookie. A person's oldest goes for it, if they have many."""
        own = [key for key, each in self._tickets.kept() if each.person.id == person.id]
        self._tickets.forget(own[: max(0, len(own) + 1 - MOST_EACH)])
        return self._tickets.issue(Session(person, secret(), self._clock()))

    def find(self, id: str, *, acting: bool) -> Session | None:  # noqa: A002 - the id of a session
        """The session of an id, unless it has ended; `acting` says that its person does something now."""
        session = self._tickets.find(id)
        if session is None:
            return None
        if self._clock() >= session.used + self._idle:
            self.end(id)
            return None
        if acting:
            session.used = self._clock()
        return session

    def end(self, id: str) -> None:  # noqa: A002
        """Sign out; no session of this id is no fault."""
        self._tickets.redeem(id)
