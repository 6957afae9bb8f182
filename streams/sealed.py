"""Sealed records that a person may look at: what is in quarantine, and events on which a candidate in shadow differs.

Listing shows only what stands in plain headers. Opening one is an act that whoever asks must be allowed, and that is
on the audit log before (the callers see to both).
"""

from collections.abc import Callable, Iterator
from enum import StrEnum

import msgspec
import orjson
from cryptography.exceptions import InvalidTag

from schemas.errors import UserError
from scrubbers.records import Record
from streams.config import Settings
from streams.notices import Count, NoticeKind, kind_of, told, unsealed_sample
from streams.quarantine import original
from streams.reader import Read, read_topic
from streams.replay import entries, place_of


class Kind(StrEnum):
    """Why a record was sealed."""

    QUARANTINE = "quarantine"
    SHADOW = "shadow"


class Sealed(msgspec.Struct, frozen=True):
    """A sealed record, by what may be said of it: `place` names it, `why` is a quarantine reason or what differs."""

    kind: Kind
    place: str
    tenant: str
    why: str
    timestamp: int  # milliseconds


def listed(settings: Settings) -> list[Sealed]:
    """Every one that there is, the newest first.

    Raises:
        UserError: a topic is not there.
    """
    found = [sealed for kind in Kind for sealed, _ in _OF[kind](settings)]
    return sorted(found, key=lambda each: each.timestamp, reverse=True)


def find(settings: Settings, kind: Kind, place: str) -> tuple[Sealed, Read]:
    """The sealed record at a place, as `Sealed.place` names it.

    Raises:
        UserError: there is none.
    """
    found = next((each for each in _OF[kind](settings) if each[0].place == place), None)
    if found is None:
        raise UserError("there is no such sealed record", "list them again: it may have been replayed, or aged out")
    return found


def unsealed(read: Read, kind: Kind, key: bytes) -> Record:
    """The record, opened with the quarantine key.

    Raises:
        UserError: it was sealed with another key.
    """
    value = read.value or b""
    try:
        return original(value, key) if kind is Kind.QUARANTINE else unsealed_sample(value, key).record
    except InvalidTag:
        raise UserError("it was sealed with another key", "is this the workers' keyring?") from None


def _quarantined(settings: Settings) -> Iterator[tuple[Sealed, Read]]:
    for read, entry in entries(settings):
        yield Sealed(Kind.QUARANTINE, place_of(read), entry.tenant or "", entry.reason, read.timestamp), read


def _shadowed(settings: Settings) -> Iterator[tuple[Sealed, Read]]:
    for read in read_topic(settings, settings.named.findings):
        if kind_of(read) == NoticeKind.SAMPLE:
            tenant = (read.key or b"").decode()
            yield Sealed(Kind.SHADOW, place_of(read), tenant, _differences(read), read.timestamp), read


def _differences(read: Read) -> str:
    """What differs in a shadow sample, in words."""
    counts = msgspec.convert(orjson.loads(told(read, "differences") or "[]"), list[Count])
    return ", ".join(f"{each.kind} {each.count} {each.type} by {each.rule}" for each in counts)


_OF: dict[Kind, Callable[[Settings], Iterator[tuple[Sealed, Read]]]] = {
    Kind.QUARANTINE: _quarantined,
    Kind.SHADOW: _shadowed,
}
