"""Contact changes: what the CRM and the service desk say became of a contact person or a contract."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import msgspec
import orjson
from msgspec import UNSET, UnsetType

import schemas
from schemas.errors import UserError
from scrubbers.records import QuarantineReason

_SCHEMA = "contact-change"
_NO_TIME = datetime.min.replace(tzinfo=UTC)  # an event without a time yields to one that has it


class ChangeType(StrEnum):
    """CloudEvents types of `rmm.contacts.changes` (`docs/contracts.md`, Contact changes)."""

    LEFT = "rmm.contact.left"
    ROLE_CHANGED = "rmm.contact.role-changed"
    UPDATED = "rmm.contact.updated"
    WITHDRAWN = "rmm.contact.change-withdrawn"
    CONTRACT_ENDED = "rmm.contract.ended"
    CONTRACT_RESUMED = "rmm.contract.resumed"


CONTRACT_TYPES = frozenset({ChangeType.CONTRACT_ENDED, ChangeType.CONTRACT_RESUMED})


class Names(msgspec.Struct, frozen=True, omit_defaults=True):
    """A person's name, in the parts the sender knows."""

    full: str | None = None
    title: str | None = None
    given: str | None = None
    initials: str | None = None
    particle: str | None = None
    family: str | None = None

    def __repr__(self) -> str:
        """Nothing of the name: a repr may end up in a log."""
        return "Names()"


class EventRef(msgspec.Struct, frozen=True):
    """A CloudEvent by what names it once and for all."""

    source: str
    id: str

    def __repr__(self) -> str:
        """Nothing: ids are the sender's."""
        return "EventRef()"


class Order(msgspec.Struct, frozen=True, order=True):
    """Which of two changes is the later one: by effective date, event time, id, then source."""

    effective: datetime
    time: datetime
    id: str
    source: str

    def __repr__(self) -> str:
        """Only when: ids are the sender's."""
        return f"Order({self.effective:%Y-%m-%dT%H:%M:%SZ})"

    @property
    def event(self) -> EventRef:
        """Which CloudEvent it is."""
        return EventRef(self.source, self.id)

    def same_event(self, other: "Order") -> bool:
        """Whether both are one CloudEvent."""
        return self.event == other.event


class Change(msgspec.Struct, frozen=True, omit_defaults=True):
    """A contact change, validated. Times are UTC; `contact_id` is empty for a contract.

    Of names, e-mail and phone, an absent one (`UNSET`) is unchanged and None takes it away. `withdraws`
    is the event that a withdrawal takes back; `contacts` how many contacts the sender of a contract's
    end believes it concerns. A `narrow` end never addresses a whole tenant: its record had the key of
    something else, or it is no event at all but a row of the contracts topic.
    """

    type: ChangeType
    source: str
    id: str
    tenant: str
    contact_id: str
    effective: datetime
    time: datetime | None = None
    previous_role: str | None = None
    new_role: str | None = None
    names: Names | UnsetType | None = UNSET
    email: str | UnsetType | None = UNSET
    previous_email: str | None = None
    phone: str | UnsetType | None = UNSET
    previous_phone: str | None = None
    withdraws: EventRef | None = None
    contacts: int | None = None
    narrow: bool = False

    def __repr__(self) -> str:
        """What kind of change, never whose."""
        return f"Change({self.type})"

    @property
    def key(self) -> str:
        """Key of the contact's records: `tenant|contact_id`; `tenant|` for a contract."""
        return f"{self.tenant}|{self.contact_id}"

    @property
    def order(self) -> Order:
        """Where the change stands among the others of its contact."""
        return Order(self.effective, self.time or _NO_TIME, self.id, self.source)


class ChangeInvalid(UserError):
    """A contact change that cannot be taken up: where (a JSON Pointer) and what is expected there.

    `reason` is what quarantine says of it; `violations` are all that were found, `pointer` is the
    first one's. No value of the change is in any of them.
    """

    def __init__(self, reason: QuarantineReason, *violations: schemas.Violation) -> None:
        self.reason = reason
        self.violations = violations
        self.pointer = violations[0].pointer
        lines = [f"{each.pointer or '/'}: {each.message}" for each in violations]
        super().__init__(f"contact change: {lines[0]}", *lines[1:])


def parse_change(value: bytes, key: bytes | None = None) -> Change:
    """The change in a record, a CloudEvent in JSON (`schemas/contact-change.schema.json`).

    Raises:
        ChangeInvalid: not UTF-8, not JSON, or not what the schema says, and where.
    """
    document = _decoded(value)
    if violations := schemas.check(_SCHEMA, document):
        raise ChangeInvalid(QuarantineReason.SCHEMA_VIOLATION, *violations)
    data: dict[str, Any] = document["data"]
    kind = ChangeType(document["type"])
    time = schemas.instant(document["time"]) if "time" in document else None
    return Change(
        type=kind,
        source=document["source"],
        id=document["id"],
        tenant=data["tenant"],
        contact_id="" if kind in CONTRACT_TYPES else data.get("contact_id", ""),
        # A withdrawal takes effect when it comes, whenever that is.
        effective=schemas.instant(data["effective"]) if "effective" in data else time or _NO_TIME,
        time=time,
        narrow=kind in CONTRACT_TYPES and key not in _tenant_keys(data["tenant"]),
        **_details(kind, data),
    )


def _tenant_keys(tenant: str) -> tuple[bytes | None, ...]:
    """Record keys that do not speak against a change being the whole tenant's: `tenant|`, or none."""
    return (None, f"{tenant}|".encode(), tenant.encode())


def _decoded(value: bytes) -> Any:
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        raise ChangeInvalid(QuarantineReason.NOT_UTF8, schemas.Violation("", "expected UTF-8")) from None
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        raise ChangeInvalid(QuarantineReason.MALFORMED_JSON, schemas.Violation("", "expected JSON")) from None


def _details(kind: ChangeType, data: dict[str, Any]) -> dict[str, Any]:
    """The members that a type brings; others are not kept, so that nothing is held that nobody reads."""
    if kind is ChangeType.ROLE_CHANGED:
        return {"previous_role": data.get("previous_role"), "new_role": data["new_role"]}
    if kind is ChangeType.WITHDRAWN:
        return {"withdraws": EventRef(data["source"], data["id"])}
    if kind is ChangeType.CONTRACT_ENDED:
        return {"contacts": data.get("contacts")}
    if kind is not ChangeType.UPDATED:
        return {}
    found: dict[str, Any] = {name: data[name] for name in ("email", "phone") if name in data}
    if "names" in data:
        found["names"] = msgspec.convert(data["names"], Names | None)
    return found | {name: data.get(name) for name in ("previous_email", "previous_phone")}
