"""The audit log: every reversal, grant, key and rule action, one hash chain (docs/access.md).

Each entry carries a keyed digest (HMAC-SHA-256) over itself and its predecessor's digest, so that a removed,
altered, added or moved entry is seen by whoever holds the keyring. Appending is one Kafka transaction under
one fixed transactional id: a second writer fences the first, which starts over behind it, so the chain
never forks.
"""

import hmac
import logging
import random
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Any

import msgspec
import orjson
from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec

from schemas.errors import UNDECODABLE, UserError
from streams.config import Settings
from streams.transactions import error_of

log = logging.getLogger(__name__)

KEPT = timedelta(days=730)  # the topic's retention
ATTEMPTS = 8  # of a writer that others fence; an entry may be there twice if a commit's answer was lost
CALL_SECONDS = 15.0
# Nothing that another attempt would mend; what else goes wrong is another writer at work, or passes.
_HOPELESS = frozenset(
    {
        KafkaError._TIMED_OUT,  # noqa: SLF001 - its public name, as those below
        KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001
        KafkaError._TRANSPORT,  # noqa: SLF001
        KafkaError._AUTHENTICATION,  # noqa: SLF001
        KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    }
)
# A partition's leader that has just changed, or was just made.
_PASSING = frozenset({KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE})

Detail = dict[str, str | int | list[str]]


class Action(StrEnum):
    """What was done, or refused."""

    REVERSE = "reverse"
    GRANT_ADD = "grant-add"
    GRANT_REVIEW = "grant-review"
    GRANT_REVOKE = "grant-revoke"
    KEYS_INIT = "keys-init"
    KEYS_ROTATE = "keys-rotate"
    KEYS_SHRED = "keys-shred"
    KEYS_BRIDGE = "keys-bridge"
    RULES_PUBLISH = "rules-publish"
    RULES_ROLLBACK = "rules-rollback"
    RULES_CANARY = "rules-canary"
    RULES_PROMOTE = "rules-promote"
    QUARANTINE_SHOW = "quarantine-show"
    QUARANTINE_REPLAY = "quarantine-replay"
    ERASURE_REPORT = "erasure-report"


class Result(StrEnum):
    """How it ended."""

    DONE = "done"
    REFUSED = "refused"


class Event(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is to be recorded. `reason` says why it was refused, in words of a closed set."""

    actor: str
    action: Action
    result: Result = Result.DONE
    tenant: str = ""
    purpose: str = ""
    reason: str = ""
    detail: Detail = {}


class Entry(msgspec.Struct, frozen=True):
    """A link of the chain: `seq` from 1, `time` in RFC 3339 (UTC), digests in hexadecimal."""

    seq: int
    time: str
    actor: str
    action: Action
    result: Result
    tenant: str
    purpose: str
    reason: str
    detail: Detail
    previous: str
    mac: str = ""

    @property
    def at(self) -> datetime:
        """When it was recorded."""
        return datetime.fromisoformat(self.time)


class AuditFailed(UserError):
    """An entry could not be written: what was to be recorded must not happen."""

    def __init__(self, why: str) -> None:
        super().__init__(f"the audit log cannot be written: {why}", "nothing is done without its record")


class Flaw(StrEnum):
    """What is wrong with a chain."""

    UNREADABLE = "a record is no audit entry"
    ALTERED = "its digest is not that of its content"
    MISSING = "an entry before it is missing"
    DOUBLED = "its number is there twice"
    UNLINKED = "it does not follow the entry before it"
    NO_HEAD = "the chain does not hold the head that was kept"


class Problem(msgspec.Struct, frozen=True):
    """A flaw, and the number of the entry that shows it (0: none)."""

    seq: int
    flaw: Flaw


class AuditLog:
    """Reads and appends. One instance is used from one thread at a time; any number may be at work."""

    def __init__(self, settings: Settings, key: bytes) -> None:
        """`key` is the keyring's audit key."""
        self._settings = settings
        self._topic = settings.named.audit
        self._key = key
        self._decoder = msgspec.json.Decoder(Entry)
        self._records: list[Entry] = []
        self._entries: list[Entry] = []
        self._positions: dict[int, int] = {}
        self._consumer: Consumer | None = None
        self._admin = AdminClient(settings.client(), logger=log)
        self.unreadable = 0

    def entries(self) -> list[Entry]:
        """Every entry that is committed by now, in its order: what grants and limits rest on, so no forged one.

        Raises:
            UserError: no Kafka, or no such topic.
        """
        self._look()
        return sorted(self._entries, key=lambda each: each.seq)

    def records(self) -> list[Entry]:
        """The same with those that somebody without the key wrote: what `check` is to see.

        Raises:
            UserError: no Kafka, or no such topic.
        """
        self._look()
        return sorted(self._records, key=lambda each: each.seq)

    def _look(self) -> None:
        deadline = time.monotonic() + CALL_SECONDS
        while True:
            try:
                self._catch_up()
            except KafkaException as problem:
                error = error_of(problem)
                if error.code() not in _PASSING or time.monotonic() > deadline:
                    raise UserError(f"the audit log cannot be read: {error.name()}", "is Kafka up?") from None
                time.sleep(0.1)
            else:
                return

    def append(self, event: Event) -> Entry:
        """Record an event; when this returns, it is committed.

        Raises:
            AuditFailed: it is not.
        """
        for attempt in range(ATTEMPTS):
            try:
                return self._append(event)
            except KafkaException as problem:
                if error_of(problem).code() in _HOPELESS or attempt == ATTEMPTS - 1:
                    raise AuditFailed(str(error_of(problem).name())) from None
                time.sleep(random.uniform(0.5, 1.0) * 0.05 * 2**attempt)  # noqa: S311 - not all in step
            except UserError as problem:
                raise AuditFailed(str(problem)) from None
        raise AssertionError("the last attempt returns or raises")

    def _append(self, event: Event) -> Entry:
        producer = Producer(
            self._settings.client(
                transactional_id=f"{self._settings.group}-audit",
                transaction_timeout_ms=int(CALL_SECONDS * 1000),
                partitioner="murmur2_random",
                message_timeout_ms=int(CALL_SECONDS * 1000),
            ),
            logger=log,
        )
        producer.init_transactions(CALL_SECONDS)  # from here on no other writer's entry is committed, or we are fenced
        entries = self.entries()
        last = entries[-1] if entries else None
        entry = _linked(event, last, self._key)
        producer.begin_transaction()
        try:
            producer.produce(self._topic, key=entry.actor.encode(), value=orjson.dumps(msgspec.to_builtins(entry)))
            producer.commit_transaction(CALL_SECONDS)
        except KafkaException:
            with suppress(KafkaException):
                producer.abort_transaction(CALL_SECONDS)
            raise
        return entry

    def _catch_up(self) -> None:
        """Read to where the log ended when this was called.

        A commit returns before its marker is written, so a reader waits for what is not settled yet: else it would
        miss a grant that was just revoked. What a dead writer left open is waited for in vain, and not read.
        """
        consumer = self._opened()
        deadline = time.monotonic() + CALL_SECONDS
        ends = self._ends(consumer, IsolationLevel.READ_UNCOMMITTED)
        while self._is_behind(ends):
            self._read(consumer)
            if time.monotonic() > deadline and not self._is_behind(self._ends(consumer, IsolationLevel.READ_COMMITTED)):
                return

    def _is_behind(self, ends: dict[int, int]) -> bool:
        return any(self._positions[partition] < end for partition, end in ends.items())

    def _read(self, consumer: Consumer) -> None:
        first = consumer.poll(0.05)
        for message in [] if first is None else [first, *consumer.consume(10_000, 0)]:
            if message.error() is not None:
                raise KafkaException(message.error())
            self._take(message.value())
        for place in consumer.position(consumer.assignment()):
            self._positions[place.partition] = max(place.offset, self._positions[place.partition])

    def _take(self, value: bytes | None) -> None:
        try:
            entry = self._decoder.decode(value or b"")
        except UNDECODABLE:
            self.unreadable += 1
            return
        self._records.append(entry)
        if _is_authentic(entry, self._key):
            self._entries.append(entry)

    def _opened(self) -> Consumer:
        if self._consumer is not None:
            return self._consumer
        consumer = Consumer(
            self._settings.client(
                group_id=f"{self._settings.group}-audit-reader",  # librdkafka wants one; nothing is committed to it
                isolation_level="read_committed",
                enable_auto_commit=False,
                enable_auto_offset_store=False,
                fetch_wait_max_ms=20,
            ),
            logger=log,
        )
        found = consumer.list_topics(self._topic, timeout=CALL_SECONDS).topics[self._topic]
        if found.error is not None:
            raise KafkaException(found.error)
        consumer.assign([TopicPartition(self._topic, each, OFFSET_BEGINNING) for each in found.partitions])
        self._positions = dict.fromkeys(found.partitions, 0)
        self._consumer = consumer
        return consumer

    def _ends(self, consumer: Consumer, isolation: IsolationLevel) -> dict[int, int]:
        """Behind the last record of each partition that holds any: the last settled one, or the last of all."""
        earliest = {place: OffsetSpec.earliest() for place in consumer.assignment()}
        latest = {place: OffsetSpec.latest() for place in consumer.assignment()}
        how: dict[str, Any] = {"isolation_level": isolation, "request_timeout": CALL_SECONDS}
        first = {
            place.partition: each.result().offset for place, each in self._admin.list_offsets(earliest, **how).items()
        }
        ends = {
            place.partition: each.result().offset for place, each in self._admin.list_offsets(latest, **how).items()
        }
        return {partition: end for partition, end in ends.items() if end > first[partition]}


def check(entries: Iterable[Entry], key: bytes, head: tuple[int, str] | None = None) -> list[Problem]:
    """What is wrong with a chain; empty if nothing.

    It may begin later than with 1, and have gaps among its oldest: retention takes one partition's before another's.
    That its newest entries were cut off is only seen against a `head` (number and digest) that was kept elsewhere.
    """
    oldest = (datetime.now(UTC) - KEPT).isoformat()
    ordered = sorted(entries, key=lambda each: each.seq)
    problems = [Problem(each.seq, Flaw.ALTERED) for each in ordered if not _is_authentic(each, key)]
    for one, other in pairwise(ordered):
        if other.seq == one.seq:
            problems.append(Problem(other.seq, Flaw.DOUBLED))
        elif other.seq != one.seq + 1:
            if one.time >= oldest:
                problems.append(Problem(other.seq, Flaw.MISSING))
        elif other.previous != one.mac:
            problems.append(Problem(other.seq, Flaw.UNLINKED))
    if ordered and ordered[0].seq == 1 and ordered[0].previous:
        problems.append(Problem(1, Flaw.UNLINKED))
    if head is not None and head not in ((each.seq, each.mac) for each in ordered):
        problems.append(Problem(head[0], Flaw.NO_HEAD))
    return problems


def by(entries: Sequence[Entry], actor: str = "", tenant: str = "", action: Action | None = None) -> list[Entry]:
    """The entries of an actor, a tenant, an action; an empty one is any."""
    return [
        each
        for each in entries
        if actor in ("", each.actor) and tenant in ("", each.tenant) and action in (None, each.action)
    ]


def _linked(event: Event, last: Entry | None, key: bytes) -> Entry:
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    bare = Entry(
        seq=last.seq + 1 if last is not None else 1,
        time=now,
        actor=event.actor,
        action=event.action,
        result=event.result,
        tenant=event.tenant,
        purpose=event.purpose,
        reason=event.reason,
        detail=event.detail,
        previous=last.mac if last is not None else "",
    )
    return msgspec.structs.replace(bare, mac=_mac(bare, key))


def _mac(entry: Entry, key: bytes) -> str:
    bare = msgspec.to_builtins(msgspec.structs.replace(entry, mac=""))
    return hmac.digest(key, orjson.dumps(bare, option=orjson.OPT_SORT_KEYS), "sha256").hex()


def _is_authentic(entry: Entry, key: bytes) -> bool:
    try:
        return hmac.compare_digest(entry.mac.encode(), _mac(entry, key).encode())
    except (TypeError, ValueError):  # numbers and letters that no entry of ours can have
        return False
