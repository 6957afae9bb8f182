"""A Kafka record as the scrubber sees it, and the ways it can end."""

from collections.abc import Sequence
from enum import StrEnum

import msgspec

from scrubbers.entities import EntityType, Known

Headers = Sequence[tuple[str, bytes | None]]


class Record(msgspec.Struct, frozen=True, gc=False):
    """One input record; `timestamp` is milliseconds since the epoch."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()

    def __repr__(self) -> str:
        """Where the record is, never what it holds: a repr may end up in a log."""
        return f"Record({self.topic}[{self.partition}]@{self.offset})"


class QuarantineReason(StrEnum):
    """Why a record could not be scrubbed with certainty (`docs/contracts.md`, Quarantine)."""

    MALFORMED_JSON = "malformed_json"
    NOT_UTF8 = "not_utf8"
    TOO_LARGE = "too_large"
    TOO_DEEP = "too_deep"
    MISSING_TENANT = "missing_tenant"
    UNKNOWN_TENANT = "unknown_tenant"
    CONTRACT_ENDED = "contract_ended"
    SCHEMA_VIOLATION = "schema_violation"
    ALREADY_PSEUDONYMISED = "already_pseudonymised"
    KEY_UNAVAILABLE = "key_unavailable"
    RULE_FAILURE = "rule_failure"


class Refused(Exception):
    """A record that goes to quarantine; carries the reason and never a value."""

    def __init__(self, reason: QuarantineReason, stage: str, tenant: str | None = None) -> None:
        super().__init__(f"{reason} at {stage}")
        self.reason = reason
        self.stage = stage
        self.tenant = tenant


class Scrubbed(msgspec.Struct, frozen=True):
    """A scrubbed record: what goes out, what was found, what was learned on the way."""

    key: bytes | None
    value: bytes | None
    headers: Headers
    tenant: str
    findings: dict[EntityType, int]
    learned: tuple[Known, ...] = ()
