"""Workers that decide contact changes without Kafka, and what a portal makes of their tokens."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import orjson

from streams.changes import Change, ChangeType, parse_change
from streams.contact_table import ContactTable
from streams.lifecycle import Lifecycle
from streams.policy import Grants, Policy, Rule, Then
from streams.revocations import EventType, Revocation
from streams.rows import ContractRow
from streams.states import ContactState, ContractState, Outcome
from streams.tables import Rows

DAY = timedelta(days=1)
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
POLICY = Policy(
    Grants(
        {
            "admin": frozenset({"devices:manage", "devices:read"}),
            "billing": frozenset({"billing:read"}),
            "external": frozenset({"devices:read"}),
            "viewer": frozenset({"devices:read"}),
        },
        (Rule("*", "external", Then.REVOKE_ALL),),
    )
)
DISABLED, REVOKED = EventType.ACCOUNT_DISABLED, EventType.SESSION_REVOKED
CLAIMS, IDENTIFIER = EventType.TOKEN_CLAIMS_CHANGE, EventType.IDENTIFIER_CHANGED
ENABLED, PURGED = EventType.ACCOUNT_ENABLED, EventType.ACCOUNT_PURGED


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


def contract_end(event: str = "k-1", days: float = -1, **data: Any) -> Change:
    return change(ChangeType.CONTRACT_ENDED, event, days, **data)


def resumption(event: str = "s-1", days: float = -0.5, **data: Any) -> Change:
    return change(ChangeType.CONTRACT_RESUMED, event, days, **data)


def withdrawal(of: Change, event: str = "w-1") -> Change:
    """The withdrawal of a change, by the same contact or contract."""
    data = {"tenant": of.tenant, "contact_id": of.contact_id or None, "source": of.source, "id": of.id}
    full = {"specversion": "1.0", "source": "/crm", "id": event, "type": ChangeType.WITHDRAWN}
    return parse_change(orjson.dumps(full | {"data": {name: value for name, value in data.items() if value}}))


def events(found: Outcome | Iterable[Revocation]) -> list[EventType]:
    return [each.event for each in (found.revocations if isinstance(found, Outcome) else found)]


class World:
    """One worker that has everything, and its clock. What it writes is read again as bytes, as from Kafka."""

    def __init__(self, *states: ContactState | ContractState, policy: Policy = POLICY, row: str | None = "active"):
        self.now = NOW
        self.policy = policy
        self.held = ContactTable()
        self.rows = Rows(ContractRow)
        self.told: list[Revocation] = []
        self.keys: list[tuple[str, str]] = []
        for each in states:
            self.held.apply(each.key.encode(), msgspec.json.encode(each))
        if row is not None:
            self.row(row)

    def row(self, status: str, tenant: str = "acme", **dates: str) -> None:
        """The contract system writes the contracts topic."""
        self.rows.apply(tenant.encode(), orjson.dumps({"tenant": tenant, "status": status, **dates}))

    def batch(self) -> Lifecycle:
        return Lifecycle(self.held, self.rows, self.policy, lambda _: True, self.now)

    def send(self, *changes: Change) -> Outcome:
        """Each change in a batch of its own; the outcome of the last."""
        for each in changes:
            batch = self.batch()
            outcome = batch.apply(each)
            self.commit(batch, [outcome])
        return outcome

    def tick(self, days: float = 0) -> list[Revocation]:
        """Some time later: what falls due, until nothing more does; what was told."""
        self.now += days * DAY
        before = len(self.told)
        for _ in range(4):
            batch = self.batch()
            outcomes = list(batch.tick())
            for contract in batch.key_work():
                self.keys.append((contract.keys.value, contract.tenant))
                outcomes.append(batch.keys_done(contract))
            self.commit(batch, outcomes)
        return self.told[before:]

    def commit(self, batch: Lifecycle, outcomes: Iterable[Outcome]) -> None:
        for outcome in outcomes:
            self.told += outcome.revocations
            if outcome.contract is not None:
                self.rows.apply(outcome.contract["tenant"].encode(), orjson.dumps(outcome.contract))
        for key, state in batch.changed.items():
            self.held.apply(key.encode(), None if state is None else msgspec.json.encode(state))
        assert self.held.undecodable == 0

    def contact(self, contact_id: str = "c-1") -> ContactState | None:
        return self.held.contact(f"acme|{contact_id}")

    @property
    def contract(self) -> ContractState | None:
        return self.held.contract("acme")

    @property
    def status(self) -> str:
        """What the contracts table says."""
        return self.rows.get("acme").status.value


class Portal:
    """An account store that does what tokens say, in their order."""

    def __init__(self, told: Iterable[Revocation]) -> None:
        self.enabled: dict[str, bool] = {}
        self.rights: dict[str, frozenset[str]] = {}
        for each in told:
            self._hear(each)

    def _hear(self, revocation: Revocation) -> None:
        match revocation.event:
            case EventType.ACCOUNT_DISABLED:
                self.enabled[revocation.contact_id] = False
            case EventType.ACCOUNT_ENABLED:
                self.enabled[revocation.contact_id] = True
            case EventType.TOKEN_CLAIMS_CHANGE:
                self.rights[revocation.contact_id] = frozenset(revocation.body["claims"]["rights"])
            case EventType.ACCOUNT_PURGED:
                self.enabled[revocation.contact_id] = False
                self.rights.pop(revocation.contact_id, None)

    def access(self, contact_id: str) -> frozenset[str] | None:
        """The rights that somebody can use; None: never told any. A disabled account has none."""
        if not self.enabled.get(contact_id, True):
            return frozenset()
        return self.rights.get(contact_id)


def apply(what: Change, *states: Any, ended: bool = False, now: datetime = NOW) -> Outcome:
    """What a change does to a world of these states (None: nothing is held)."""
    world = World(*[each for each in states if each is not None], row="ended" if ended else "active")
    world.now = now
    return world.send(what)


def after(*changes: Change, state: Any = None) -> Any:
    """The state of the changes' contact or contract after them, in this order."""
    world = World(*([] if state is None else [state]))
    world.send(*changes)
    key = changes[-1].key
    return world.contract if key.endswith("|") else world.held.contact(key)
