"""What is held of a contact and of a contract, and what a change makes of it. No Kafka."""

from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

import msgspec

from streams.changes import Change, EventRef, Names, Order
from streams.policy import Consequence
from streams.revocations import Revocation


class Status(StrEnum):
    """Where a contact stands. `suspended`: the tenant's contract has ended, and the portal was told so."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    LEFT = "left"


class Phase(StrEnum):
    """Where a contract stands. `ended`: in its grace period. `erased`: that has passed."""

    ACTIVE = "active"
    ENDED = "ended"
    ERASED = "erased"


class KeyWork(StrEnum):
    """What is still to be done with a tenant's keys."""

    NONE = ""
    SHRED = "shred"
    ADD = "add"


class Facet(StrEnum):
    """What a change changes. Each has its own last change, so that a late one on another still counts."""

    ACCESS = "access"
    ROLE = "role"
    NAMES = "names"
    EMAIL = "email"
    PHONE = "phone"


class Withdrawal(msgspec.Struct, frozen=True):
    """A withdrawal that came at `at` and is remembered until `until`."""

    event: EventRef
    at: datetime
    until: datetime


class ContactState(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is held of a contact; JSON by msgspec.

    `rights` are those the portal was told last. `held` are changes that wait: for their effective date,
    or for the contract to be resumed. `term` counts the contracts of the tenant: a contact of an earlier
    one is erased.
    """

    tenant: str
    contact_id: str
    status: Status = Status.ACTIVE
    role: str | None = None
    rights: tuple[str, ...] = ()
    names: Names | None = None
    email: str | None = None
    phone: str | None = None
    applied: dict[Facet, Order] = {}
    held: tuple[Change, ...] = ()
    withdrawn: tuple[Withdrawal, ...] = ()
    term: int = 0

    def __repr__(self) -> str:
        """Nothing of the contact: a repr may end up in a log."""
        return f"ContactState({self.status})"

    @property
    def key(self) -> str:
        """Key of the state's record: `tenant|contact_id`."""
        return f"{self.tenant}|{self.contact_id}"


class ContractState(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is held of a tenant's contract, without personal data; JSON by msgspec.

    `last` is the last applied end or resumption, `end` the end that holds or held last, `resumed` the
    resumption likewise. `since`: when the end took effect here, which the grace period counts from.
    `whole_tenant`: the end was told in one token to everyone. `term` counts contracts, by erasures;
    `renewed` is when the present one began, so that what is older belongs to one before. `epoch` is the
    newest key epoch that is to be shredded: a worker that lost the tenant unawares shreds no later one.
    """

    tenant: str
    phase: Phase = Phase.ACTIVE
    last: Order | None = None
    end: Change | None = None
    resumed: Change | None = None
    since: datetime | None = None
    whole_tenant: bool = False
    term: int = 0
    renewed: datetime | None = None
    keys: KeyWork = KeyWork.NONE
    epoch: str = ""
    held: tuple[Change, ...] = ()
    withdrawn: tuple[Withdrawal, ...] = ()

    def __repr__(self) -> str:
        """Nothing of the tenant."""
        return f"ContractState({self.phase})"

    @property
    def key(self) -> str:
        """Key of the state's record: `tenant|`."""
        return f"{self.tenant}|"


State: TypeAlias = ContactState | ContractState


class Verdict(StrEnum):
    """What became of a change."""

    APPLIED = "applied"
    HELD = "held"
    STALE = "stale"
    REPEATED = "repeated"
    BARRED = "barred"
    WITHDRAWN = "withdrawn"
    TOO_LATE = "too late"


class Outcome(msgspec.Struct, frozen=True):
    """What to write: states that differ from before, the contract's row if it changes, revocations in order.

    `gone` are keys of states to be tombstoned. `note` says why, for people, `rule` which consequence of
    the policy counted, `withheld` why a contract's end did not address the whole tenant; they hold no
    value of the change.
    """

    verdict: Verdict
    note: str
    states: tuple[State, ...] = ()
    contract: dict[str, str] | None = None
    revocations: tuple[Revocation, ...] = ()
    gone: tuple[str, ...] = ()
    rule: Consequence | None = None
    withheld: str | None = None

    def __repr__(self) -> str:
        """The verdict alone."""
        return f"Outcome({self.verdict})"

    @property
    def held(self) -> bool:
        """Whether the change waits for its effective date."""
        return self.verdict is Verdict.HELD
