"""What became of a contact's data: evidence for the data subject, without the data."""

from datetime import UTC, datetime, timedelta

import msgspec

from schemas.errors import UserError
from streams.config import Settings
from streams.reader import Read, read_topic
from streams.states import ContactState, Facet, Status
from streams.topics import TOPICS

# What of a contact a topic holds, and what takes it away.
_HELD = {
    "contact_changes": "the change as the CRM sent it: names, e-mail, phone",
    "contact_state": "role, rights, names, e-mail, phone; after that only that the contact left, and when",
    "known_entities": "written forms of the name, e-mail, phone; after that keyed digests that nobody can read",
    "raw": "telemetry as agents sent it",
    "quarantine": "telemetry that could not be scrubbed, sealed",
    "scrubbed": "pseudonyms, which can no longer be turned back",
    "revocations": "the contact's opaque id",
}


class Place(msgspec.Struct, frozen=True):
    """A topic: what it held, records of the contact that are still there, and when the last are gone."""

    topic: str
    held: str
    records: int
    gone_by: str


class Report(msgspec.Struct, frozen=True):
    """What is known of a contact's erasure; times in RFC 3339 (UTC)."""

    tenant: str
    contact_id: str
    erased: bool
    effective: str
    erased_at: str
    evidence: str
    places: list[Place]


def report(settings: Settings, tenant: str, contact_id: str) -> Report:
    """The report on a contact.

    Raises:
        UserError: nothing was ever held of the contact, or it was erased with its contract.
    """
    key = f"{tenant}|{contact_id}".encode()
    history = [read for read in read_topic(settings, settings.named.contact_state) if read.key == key]
    if not history:
        raise UserError("nothing is held of this contact, and nothing says that it ever was")
    last = max(history, key=lambda read: read.offset)
    state = None if last.value is None else msgspec.json.decode(last.value, type=ContactState)
    left = state is None or state.status is Status.LEFT
    access = state.applied.get(Facet.ACCESS) if state is not None else None
    at = datetime.fromtimestamp(last.timestamp / 1000, UTC)
    return Report(
        tenant,
        contact_id,
        left and not _personal(state),
        access.effective.isoformat() if left and access is not None else "",
        at.isoformat(timespec="seconds") if left else "",
        f"{last.topic}[{last.partition}]@{last.offset}",
        [_place(settings, name, key, last, at if left else None) for name in _HELD],
    )


def _personal(state: ContactState | None) -> bool:
    return state is not None and any((state.names, state.email, state.phone, state.role))


def _place(settings: Settings, name: str, key: bytes, last: Read, since: datetime | None) -> Place:
    topic = getattr(settings.named, name)
    older = 0
    if name in ("contact_changes", "contact_state"):
        older = sum(1 for read in read_topic(settings, topic) if read.key == key and _is_older(read, last, name))
    kept = _kept(name)
    return Place(topic, _HELD[name], older, (since + kept).isoformat(timespec="seconds") if since else "")


def _is_older(read: Read, last: Read, name: str) -> bool:
    return name == "contact_changes" or read.offset < last.offset


def _kept(name: str) -> timedelta:
    """How long a value stands at most once it is no longer wanted: by retention, or by compaction and its tombstone.

    In either case once the segment is closed that it stands in (`segment.ms`).
    """
    [configs] = [topic.configs for topic in TOPICS if topic.name == name]
    deleted = configs["cleanup.policy"] == "delete"
    names = (
        ("segment.ms", "retention.ms") if deleted else ("segment.ms", "max.compaction.lag.ms", "delete.retention.ms")
    )
    return timedelta(milliseconds=sum(int(configs[each]) for each in names))
