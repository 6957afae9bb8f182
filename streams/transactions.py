"""One Kafka transaction a batch: outputs and input offsets become visible together, or not at all."""

import logging
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from confluent_kafka import KafkaError, KafkaException, Message, Producer, TopicPartition

from scrubbers.records import Headers
from streams.config import Settings

log = logging.getLogger(__name__)

# A worker that vanished holds back read_committed readers until its transaction times out.
TRANSACTION_MS = 60_000
# A transaction call that times out is continued by calling it again; one that does not end even so is settled by
# a new producer, so the worker starts anew.
CALL_SECONDS = 10.0
SETTLE_ATTEMPTS = 3
# Produce errors that say something about one record, not about the broker.
RECORD_ERRORS = frozenset(
    {KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_RECORD, KafkaError._BAD_MSG}  # noqa: SLF001 - its public name
)


class Output(msgspec.Struct, frozen=True, gc=False):
    """A record to write. `partition` -1 leaves the choice to the key (murmur2)."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    partition: int = -1
    timestamp: int = 0


class RecordRefused(Exception):
    """The broker or the client refuses one of the outputs for its own sake."""


class Transactions:
    """A transactional producer and the source topic whose offsets it commits. Used from one thread."""

    def __init__(self, settings: Settings, identity: str, source: str, followed: frozenset[str]) -> None:
        """Connect, and abort what a predecessor of this identity left open.

        Raises:
            KafkaException: no broker answers, or it refuses this identity.
        """
        self._source = source
        self._followed = followed
        self._written: dict[tuple[str, int], int] = {}
        self._refused: list[KafkaError] = []
        properties = settings.client(
            transactional_id=identity,
            transaction_timeout_ms=TRANSACTION_MS,
            partitioner="murmur2_random",
            compression_type="lz4",
            linger_ms=5,
            message_max_bytes=10_485_760,
            queue_buffering_max_messages=1_000_000,
            delivery_report_only_error=not followed,
        )
        self._producer = Producer({**properties, "on_delivery": self._delivered}, logger=log)
        self._producer.init_transactions(30.0)

    def commit(self, outputs: Sequence[Output], offsets: dict[int, int], group: Any) -> dict[tuple[str, int], int]:
        """Write outputs and input offsets (partition → next) as one; for the followed topics, where it ended.

        Raises:
            RecordRefused: an output cannot be written for its own sake.
            KafkaException: anything else; the transaction is aborted, or the error is fatal.
        """
        producer = self._producer
        self._written = {}
        self._refused = []
        producer.begin_transaction()
        try:
            for output in outputs:
                _produce(producer, output)
            places = [TopicPartition(self._source, partition, offset) for partition, offset in offsets.items()]
            _settled(producer.send_offsets_to_transaction, places, group)
            _settled(producer.commit_transaction)
        except (KafkaException, RecordRefused) as problem:
            if not (isinstance(problem, KafkaException) and error_of(problem).fatal()):
                _abort(producer)
            if any(error.code() in RECORD_ERRORS for error in self._refused):
                raise RecordRefused("an output was refused") from problem
            raise
        return self._written

    def drop(self) -> None:
        """Give up what was not sent: a transaction that is open ends with its successor."""
        self._producer.purge()

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self._refused.append(error)
        elif message.topic() in self._followed:
            place = (message.topic(), message.partition())
            self._written[place] = max(message.offset() + 1, self._written.get(place, 0))


def _produce(producer: Producer, output: Output) -> None:
    while True:
        try:
            producer.produce(
                output.topic,
                value=output.value,
                key=output.key,
                headers=list(output.headers),
                partition=output.partition,
                timestamp=output.timestamp,
            )
        except BufferError:
            producer.poll(0.1)
        except KafkaException as problem:
            if error_of(problem).code() in RECORD_ERRORS:
                raise RecordRefused("an output was refused") from problem
            raise
        else:
            return


def _abort(producer: Producer) -> None:
    try:
        _settled(producer.abort_transaction)
    except KafkaException as problem:
        if error_of(problem).fatal():
            raise
        # Neither committed nor aborted: only a new epoch settles it, so the worker starts anew.
        raise KafkaException(KafkaError(KafkaError._FATAL, "abort failed", fatal=True)) from problem  # noqa: SLF001


def _settled(call: Callable[..., Any], *arguments: Any) -> None:
    """Repeat a transaction call that timed out: librdkafka continues it, and nothing else may come between.

    Raises:
        KafkaException: abortable, or fatal, which it also is when the call does not come to an end.
    """
    for _ in range(SETTLE_ATTEMPTS):
        try:
            call(*arguments, CALL_SECONDS)
        except KafkaException as problem:
            error = error_of(problem)
            if error.txn_requires_abort() or not error.retriable():
                raise
        else:
            return
    raise KafkaException(KafkaError(KafkaError._FATAL, "a transaction call does not end", fatal=True))  # noqa: SLF001


def error_of(problem: KafkaException) -> KafkaError:
    """The error that librdkafka gave."""
    return problem.args[0]
