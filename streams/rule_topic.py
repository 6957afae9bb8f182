"""The rules topic: `name` holds the deployment, `name@digest` each published rule set; read, and changed as one.

A change is one transaction under one fixed transactional id, and is written only if nobody changed the deployment
since it was read: of two who publish at once one wins, and the other hears of it.
"""

import logging
from collections.abc import Iterable, Sequence
from contextlib import suppress

import msgspec
import orjson
from confluent_kafka import KafkaError, KafkaException, Producer

from schemas.errors import UNDECODABLE, UserError
from scrubbers.published import PublishedRuleSet
from streams.config import Settings
from streams.deployment import Deployment
from streams.reader import read_topic
from streams.transactions import error_of

log = logging.getLogger(__name__)

KEPT = 50  # published sets, the latest ones; those in use stay beyond that
CALL_SECONDS = 15.0
ATTEMPTS = 8  # of a writer that others fence without changing anything
LARGEST = 4_000_000  # bytes of a published set; the topic takes 5 MiB
_FENCED = frozenset(
    {
        KafkaError._FENCED,  # noqa: SLF001 - its public name
        KafkaError.INVALID_PRODUCER_EPOCH,
        KafkaError.PRODUCER_FENCED,
        KafkaError.CONCURRENT_TRANSACTIONS,
    }
)


class RuleTable:
    """The rules topic as it is now; a record that does not decode is counted and left out."""

    def __init__(self) -> None:
        self._deployments: dict[str, Deployment] = {}
        self._sets: dict[str, bytes] = {}  # decoded when they are needed: there are fifty, and two count
        self.undecodable = 0

    def apply(self, key: bytes, value: bytes | None) -> None:
        """Take over one record of the topic; a null value is a tombstone."""
        name = key.decode("utf-8", "replace")
        if "@" in name:
            self._sets.pop(name, None) if value is None else self._sets.update({name: value})
            return
        if value is None:
            self._deployments.pop(name, None)
            return
        try:
            self._deployments[name] = msgspec.json.decode(value, type=Deployment)
        except UNDECODABLE:  # newer software's, say: what was deployed stays, not the workers' own set instead
            self.undecodable += 1

    @property
    def deployment(self) -> Deployment | None:
        """What is deployed. A pipeline has one rule-set name; of several the first by the alphabet counts."""
        return self._deployments[min(self._deployments)] if self._deployments else None

    def value(self, name: str, digest: str) -> bytes | None:
        """A published set as it stands on the topic."""
        return self._sets.get(f"{name}@{digest}")

    def published(self) -> list[PublishedRuleSet]:
        """Every published set that can be read, the oldest first."""
        found = [each for value in self._sets.values() if (each := decoded(value)) is not None]
        return sorted(found, key=lambda each: each.time)

    def __len__(self) -> int:
        return len(self._sets)


def decoded(value: bytes) -> PublishedRuleSet | None:
    """A record's published set, or None if it is none."""
    try:
        return msgspec.json.decode(value, type=PublishedRuleSet)
    except UNDECODABLE:
        return None


class Conflict(UserError):
    """Somebody else changed the deployment meanwhile; nothing was written."""

    def __init__(self, now: Deployment | None) -> None:
        last = now.steps[-1] if now is not None and now.steps else None
        by = f": revision {last.revision}, {last.change} by {last.author}" if last is not None else ""
        super().__init__(
            f"somebody else changed the deployment meanwhile{by}; nothing was written",
            "look at it, then run the command again: rmm-scrub rules history",
        )


class RuleTopic:
    """Reads the topic, and changes it."""

    def __init__(self, settings: Settings) -> None:
        """Read it as it is, with what others were just committing.

        Raises:
            UserError: it cannot be read.
        """
        self._settings = settings
        self._topic = settings.named.rules
        self._producer, self.table = self._open()

    def commit(self, seen: Deployment | None, wanted: Deployment, new: Sequence[PublishedRuleSet] = ()) -> None:
        """Write the wanted deployment and the new sets, and take old sets away; all of it or nothing.

        Raises:
            Conflict: the deployment is no longer the one that was seen.
            UserError: Kafka does not take it.
        """
        for _ in range(ATTEMPTS):
            if self.table.deployment != seen:
                raise Conflict(self.table.deployment)
            try:
                self._write(list(_records(self.table, wanted, new)))
            except KafkaException as problem:
                if error_of(problem).code() not in _FENCED:
                    raise UserError(f"the rules topic cannot be written: {error_of(problem).name()}") from None
                self._producer, self.table = self._open()
            else:
                return
        raise Conflict(self.table.deployment)

    def _write(self, records: Iterable[tuple[str, bytes | None]]) -> None:
        producer = self._producer
        producer.begin_transaction()
        try:
            for key, value in records:
                producer.produce(self._topic, key=key.encode(), value=value)
            producer.commit_transaction(CALL_SECONDS)
        except KafkaException:
            with suppress(KafkaException):
                producer.abort_transaction(CALL_SECONDS)
            raise

    def _open(self) -> tuple[Producer, RuleTable]:
        """A producer that fences all others, and the topic as it then is: nothing is left unsettled."""
        producer = Producer(
            self._settings.client(
                transactional_id=f"{self._settings.group}-rules",
                transaction_timeout_ms=int(CALL_SECONDS * 1000),
                partitioner="murmur2_random",
                compression_type="lz4",
                message_max_bytes=10_485_760,
                message_timeout_ms=int(CALL_SECONDS * 1000),
            ),
            logger=log,
        )
        try:
            producer.init_transactions(CALL_SECONDS)
        except KafkaException as problem:
            raise UserError(
                f"the rules topic cannot be written: {error_of(problem).name()}", "is Kafka up? RMM_SCRUB_BOOTSTRAP"
            ) from None
        return producer, read_rules(self._settings)


def read_rules(settings: Settings) -> RuleTable:
    """The rules topic as it is now, for who only looks.

    Raises:
        UserError: there is no such topic.
    """
    table = RuleTable()
    for read in read_topic(settings, settings.named.rules):
        table.apply(read.key or b"", read.value)
    return table


def _records(
    table: RuleTable, wanted: Deployment, new: Sequence[PublishedRuleSet]
) -> Iterable[tuple[str, bytes | None]]:
    for each in new:
        yield each.key, _encoded(each)
    yield wanted.name, orjson.dumps(msgspec.to_builtins(wanted))
    there = {each.key: each for each in (*table.published(), *new)}
    in_use = {f"{wanted.name}@{digest}" for digest in wanted.referenced()}
    yield from ((key, None) for key in list(there)[: -KEPT or None] if key not in in_use)


def _encoded(rule_set: PublishedRuleSet) -> bytes:
    value = msgspec.json.encode(rule_set)
    if len(value) > LARGEST:
        raise UserError(f"{rule_set.identity}: too large to publish: {len(value)} of {LARGEST} bytes")
    return value
