"""Quarantine: seal a record that could not be scrubbed, open it, and make it ready for replay.

The value is the sealed original; the headers say why and from where in plain text, and hold nothing
of the record itself (`docs/contracts.md`, Quarantine).
"""

import msgspec

from scrubbers.records import Headers, QuarantineReason, Record
from scrubbers.seal import seal, unseal
from streams.transactions import Output

PREFIX = "__rmm-scrub.errors."
_CONTEXT = b"rmm-scrub quarantine v1"
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Record)


class Entry(msgspec.Struct, frozen=True):
    """What the headers of a quarantined record say; no value of the record is among it.

    `pointer` is where a schema is violated (a JSON Pointer of names that the schema has).
    """

    reason: str
    stage: str
    topic: str
    partition: int
    offset: int
    timestamp: int
    attempts: int
    tenant: str | None = None
    pointer: str | None = None


def sealed(record: Record, entry: Entry, topic: str, key: bytes) -> Output:
    """The quarantine record for `record`, sealed under the quarantine key."""
    return Output(topic, None, seal(key, _encoder.encode(record), _CONTEXT), headers(entry))


def entry(record: Record, reason: QuarantineReason, stage: str, attempts: int = 1, tenant: str | None = None) -> Entry:
    """Why and from where. `tenant` only if it is a known tenant: else it is an input value."""
    return Entry(reason, stage, record.topic, record.partition, record.offset, record.timestamp, attempts, tenant)


def headers(entry: Entry) -> Headers:
    """The entry as text headers."""
    return [
        (PREFIX + name, str(value).encode())
        for name, value in msgspec.structs.asdict(entry).items()
        if value is not None
    ]


def read_entry(found: Headers) -> Entry:
    """The entry that text headers hold.

    Raises:
        msgspec.ValidationError: they are not those of a quarantined record.
    """
    text = {
        name.removeprefix(PREFIX): value.decode("utf-8", "replace")
        for name, value in found
        if name.startswith(PREFIX) and value is not None
    }
    return msgspec.convert(text, Entry, strict=False)


def original(value: bytes, key: bytes) -> Record:
    """The record that was quarantined.

    Raises:
        cryptography.exceptions.InvalidTag: another key, or an altered value.
    """
    return _decoder.decode(unseal(key, value, _CONTEXT))
