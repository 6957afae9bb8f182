"""The transactional record-batch lane.

Delivery guarantee: exactly once from the source topic to the output topics, for `read_committed`
readers. A batch's outputs and its input offsets commit in one Kafka transaction; after a kill, a
rebalance or a broker restart the batch is read again, and what an unfinished transaction wrote is
never seen. Every record ends as outputs of the agent, or, when it alone makes the agent fail, as one
quarantined record.

A lane is a mode service of the Faust app: a librdkafka consumer and transactional producer around a
Faust channel. The agent on that channel answers each `RecordBatch` with its outputs.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import msgspec
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition
from mode import Service

from scrubbers.records import QuarantineReason, Record
from streams.config import Settings
from streams.metrics import Metrics
from streams.transactions import Output, RecordRefused, Transactions, error_of

log = logging.getLogger(__name__)
T = TypeVar("T")

POLL_SECONDS = 0.5  # how long an idle lane waits; stopping waits no longer
GATHER_SECONDS = 0.01  # after the first record: lets a batch fill without a reader noticing the delay
# How often an agent is asked for outputs of its own: changes that fell due, and what another worker decided
# (a contract's end) that is to be carried on here. A tick without outputs costs about a millisecond.
TICK_SECONDS = 0.25
BACKOFF_SECONDS = (0.1, 0.5, 1.0, 2.0, 5.0)  # between attempts; the last one repeats
# Kafka's lower bound is 6 s. A restarted worker takes its place over at once by its instance id.
SESSION_MS = 15_000


def _nothing() -> None:
    pass


class Answer(msgspec.Struct, frozen=True):
    """An agent's answer to a batch: what to write, and what to do once that is committed."""

    outputs: Sequence[Output]
    on_committed: Callable[[], None] = _nothing


class RecordBatch:
    """Records on their way through the agent; `answer` is resolved by it."""

    def __init__(self, records: Sequence[Record]) -> None:
        self.records = records
        self.answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

    async def answer_with(self, work: Callable[[Sequence[Record]], Answer]) -> None:
        """Do the agent's `work` in a thread, so that heartbeats and timers survive a slow batch."""
        try:
            answer = await asyncio.to_thread(work, self.records)
        except Exception as problem:  # noqa: BLE001 - whatever it is, the lane decides: retry, split, quarantine
            if not self.answer.cancelled():
                self.answer.set_exception(problem)
        else:
            if not self.answer.cancelled():
                self.answer.set_result(answer)


class Lane(Service):
    """Reads one topic in batches and commits what the agent answers (see the module's text)."""

    def __init__(
        self,
        name: str,
        *,
        source: str,
        channel: Any,
        settings: Settings,
        identity: str,
        metrics: Metrics,
        quarantine: Callable[[Record, QuarantineReason, str, int], Output],
        on_assigned: Callable[[], Awaitable[None]] | None = None,
        on_committed: Callable[[dict[tuple[str, int], int]], Awaitable[None]] | None = None,
        followed: frozenset[str] = frozenset(),
        ticks: bool = False,
        first_seconds: float | None = None,
        **kwargs: Any,
    ) -> None:
        """`identity` names this worker across restarts: its transactional id and group instance.

        `on_committed` gets, for the `followed` topics, the offset behind the last record written to each partition;
        `ticks` asks the agent for outputs with an empty batch every `TICK_SECONDS`. `first_seconds`: how far back a
        partition is read that this group has never read; all of it if None.
        """
        super().__init__(**kwargs)
        self.name = name
        self.source = source
        self.channel = channel
        self.settings = settings
        self.identity = f"{settings.group}-{name}-{identity}"
        self.metrics = metrics
        self.assigned: set[int] = set()
        self._quarantine = quarantine
        self._on_assigned = on_assigned
        self._on_committed = on_committed
        self._followed = followed
        self._ticks = ticks
        self._first_seconds = first_seconds
        self._assignment_changed = False
        self._batch_size = settings.limits.batch_records
        self._positions: dict[int, int] = {}
        self._finished = asyncio.Event()
        # Kafka clients of a lane are used from this one thread only.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"lane-{name}")
        self._consumer: Consumer | None = None
        self._transactions: Transactions | None = None

    @property
    def label(self) -> str:
        """How mode's log calls this service."""
        return f"Lane: {self.name}"

    @property
    def ready(self) -> bool:
        """Whether the lane has joined its group and may be given records."""
        return self._consumer is not None and self.state == "running"

    def lag(self) -> int:
        """Records of the assigned partitions that wait, as far as the client knows."""
        consumer = self._consumer
        if consumer is None:
            return 0
        waiting = 0
        for place in consumer.position(consumer.assignment()):
            _, high = consumer.get_watermark_offsets(place, cached=True)
            waiting += max(0, high - place.offset) if place.offset >= 0 else 0
        return waiting

    async def on_stop(self) -> None:
        """Let the batch in work be committed, and the consumer close."""
        await self._finished.wait()

    @Service.task
    async def _run(self) -> None:
        """Read, answer, commit, until stopped."""
        try:
            await self._work()
        finally:
            await self._close()
            self._finished.set()

    async def _work(self) -> None:
        await self._open()
        last_tick = 0.0
        failures = 0
        while not self.should_stop:
            messages = await self._in_thread(self._poll)
            try:
                if self._assignment_changed:
                    await self._settle()
                if messages:
                    await self._deliver(_records(messages), attempt=1)
                if self._ticks and time.monotonic() - last_tick >= TICK_SECONDS:
                    last_tick = time.monotonic()
                    await self._tick()
                failures = 0
            except KafkaException as problem:
                if error_of(problem).fatal():
                    raise
                failures += 1
                log.warning("%s: batch will be read again: %s", self.name, error_of(problem).name())
                # It may have taken so long that Kafka took the worker for dead: it shall not for ever.
                self._batch_size = max(1, self._batch_size // 2)
                await self._in_thread(self._rewind, messages)
                await self.sleep(_backoff(failures))

    async def _open(self) -> None:
        """Connect; a broker that does not answer yet is waited for."""
        attempt = 0
        while not self.should_stop:
            try:
                self._transactions = await self._in_thread(
                    Transactions, self.settings, self.identity, self.source, self._followed
                )
                break
            except KafkaException as problem:
                if error_of(problem).fatal():
                    raise
                attempt += 1
                log.warning("%s: waiting for Kafka: %s", self.name, error_of(problem).name())
                await self.sleep(_backoff(attempt))
        self._consumer = await self._in_thread(self._subscribe)

    def _subscribe(self) -> Consumer:
        consumer = Consumer(
            self.settings.client(
                group_id=f"{self.settings.group}-{self.name}",
                group_instance_id=self.identity,
                session_timeout_ms=SESSION_MS,
                partition_assignment_strategy="cooperative-sticky",
                isolation_level="read_committed",
                enable_auto_commit=False,
                enable_auto_offset_store=False,
                auto_offset_reset="earliest",
                fetch_message_max_bytes=10_485_760,
                fetch_wait_max_ms=50,
            ),
            logger=log,
        )
        consumer.subscribe([self.source], on_assign=self._assign, on_revoke=self._revoke, on_lost=self._revoke)
        return consumer

    def _assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        if self._first_seconds is not None:
            partitions = self._first_places(consumer, partitions, self._first_seconds)
        consumer.incremental_assign(partitions)
        self.assigned |= {each.partition for each in partitions}
        self._assignment_changed = True

    def _first_places(
        self, consumer: Consumer, partitions: list[TopicPartition], seconds: float
    ) -> list[TopicPartition]:
        """Where to begin: at the committed offset, else at the records of the last `seconds`, which is committed.

        Committed at once: else a partition without records would begin anew, and later, at each start.
        """
        since = int((time.time() - seconds) * 1000)
        committed = {each.partition: each for each in consumer.committed(partitions, timeout=30)}
        new = [each.partition for each in partitions if committed[each.partition].offset < 0]
        if not new:
            return partitions
        wanted = [TopicPartition(self.source, partition, since) for partition in new]
        found = {each.partition: each for each in consumer.offsets_for_times(wanted, timeout=30)}
        for place in found.values():
            if place.offset < 0:  # nothing so young: its present end
                place.offset = consumer.get_watermark_offsets(place, timeout=30)[1]
        try:
            consumer.commit(offsets=list(found.values()), asynchronous=False)
        except KafkaException as problem:  # another rebalance began: whoever gets them decides anew
            log.warning("%s: where to begin is not committed: %s", self.name, error_of(problem).name())
        return [found.get(each.partition, each) for each in partitions]

    def _revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        # Called inside poll, so between batches: nothing of these partitions is in work.
        gone = {each.partition for each in partitions}
        self.assigned -= gone
        self._assignment_changed = True
        for partition in gone:
            self._positions.pop(partition, None)
        consumer.incremental_unassign(partitions)

    def _poll(self) -> list[Message]:
        """Up to a batch of records; the first is waited for, the others as long as they come."""
        assert self._consumer is not None
        first = self._consumer.poll(TICK_SECONDS if self._ticks else POLL_SECONDS)
        if first is None:
            return []
        messages = [first]
        if self._batch_size > 1:
            messages += self._consumer.consume(self._batch_size - 1, GATHER_SECONDS)
        good = []
        for message in messages:
            error = message.error()
            if error is None:
                good.append(message)
            elif error.fatal():
                raise KafkaException(error)
            else:
                log.warning("%s: %s", self.name, error.name())
        return good

    async def _settle(self) -> None:
        """After partitions came or went: let the agent's tables catch up before it decides anything."""
        self._assignment_changed = False
        if self._on_assigned is not None:
            await self._on_assigned()
        committed = await self._in_thread(self._committed)
        for partition, offset in committed.items():
            self._positions.setdefault(partition, offset)

    def _committed(self) -> dict[int, int]:
        assert self._consumer is not None
        wanted = [TopicPartition(self.source, partition) for partition in sorted(self.assigned)]
        if not wanted:
            return {}
        return {
            each.partition: each.offset for each in self._consumer.committed(wanted, timeout=30) if each.offset >= 0
        }

    async def _tick(self) -> None:
        """Outputs that are due without a record; fenced by committing the positions again."""
        if not self.assigned:
            return
        answer = await self._ask([])
        if answer.outputs:
            await self._commit(answer, dict(self._positions))

    async def _deliver(self, records: Sequence[Record], attempt: int) -> None:
        """Answer and commit a batch; one that keeps failing is halved until the culprit is alone."""
        started = time.monotonic()
        try:
            await self._commit(await self._ask(records), _next_offsets(records))
        except KafkaException:
            raise  # the broker's trouble, not the records'
        except Exception as problem:  # noqa: BLE001 - any failure of the agent leads to retry, split, quarantine
            await self._after_failure(records, attempt, problem)
            return
        self._adapt(len(records), time.monotonic() - started)
        self.metrics.batch(self.name, len(records), time.monotonic() - started)

    async def _after_failure(self, records: Sequence[Record], attempt: int, problem: Exception) -> None:
        self.metrics.retries.labels(self.name).inc()
        # The type only: an exception's text may quote the record.
        log.warning("%s: %s on a batch of %d, attempt %d", self.name, type(problem).__name__, len(records), attempt)
        if attempt < self.settings.limits.attempts:
            await self.sleep(_backoff(attempt))
            await self._deliver(records, attempt + 1)
        elif len(records) > 1:
            middle = len(records) // 2
            await self._deliver(records[:middle], attempt)
            await self._deliver(records[middle:], attempt)
        else:
            [record] = records
            sealed = self._quarantine(record, QuarantineReason.RULE_FAILURE, self.name, attempt)
            await self._commit(Answer([sealed]), _next_offsets(records))
            self.metrics.quarantined.labels(self.name, QuarantineReason.RULE_FAILURE).inc()

    async def _ask(self, records: Sequence[Record]) -> Answer:
        batch = RecordBatch(records)
        await self.channel.send(value=batch)
        return await batch.answer

    async def _commit(self, answer: Answer, offsets: dict[int, int]) -> None:
        started = time.monotonic()
        written = await self._in_thread(self._write, answer.outputs, offsets)
        answer.on_committed()
        self.metrics.transaction_seconds.labels(self.name).observe(time.monotonic() - started)
        self._positions.update(
            (partition, offset) for partition, offset in offsets.items() if partition in self.assigned
        )
        if self._on_committed is not None:
            await self._on_committed(written)

    def _write(self, outputs: Sequence[Output], offsets: dict[int, int]) -> dict[tuple[str, int], int]:
        assert self._transactions is not None
        assert self._consumer is not None
        try:
            return self._transactions.commit(outputs, offsets, self._consumer.consumer_group_metadata())
        except (KafkaException, RecordRefused):
            self.metrics.aborts.labels(self.name).inc()
            raise

    def _rewind(self, messages: Sequence[Message]) -> None:
        """Read a batch again, as far as its partitions are still ours."""
        assert self._consumer is not None
        first: dict[int, int] = {}
        for message in messages:
            first.setdefault(message.partition(), message.offset())
        for partition, offset in first.items():
            if partition not in self.assigned:
                continue
            # A part of the batch may have been committed before the failure (a split batch).
            start = max(offset, self._positions.get(partition, offset))
            self._consumer.seek(TopicPartition(self.source, partition, start))

    def _adapt(self, count: int, seconds: float) -> None:
        """Keep batches near the time budget: large for throughput, short for latency and liveness."""
        budget = self.settings.limits.batch_seconds
        if seconds > budget:
            self._batch_size = max(1, min(self._batch_size, count) // 2)
        elif seconds < budget / 4 and count >= self._batch_size:
            self._batch_size = min(self.settings.limits.batch_records, self._batch_size * 2)

    async def _close(self) -> None:
        if self._transactions is not None:
            await self._in_thread(self._transactions.drop)
        if self._consumer is not None:
            consumer, self._consumer = self._consumer, None
            await self._in_thread(consumer.close)
        self._thread.shutdown(wait=False)

    async def _in_thread(self, function: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)


def _records(messages: Iterable[Message]) -> list[Record]:
    return [
        Record(
            message.topic(),
            message.partition(),
            message.offset(),
            message.timestamp()[1],
            message.key(),
            message.value(),
            message.headers() or (),
        )
        for message in messages
    ]


def _next_offsets(records: Iterable[Record]) -> dict[int, int]:
    return {record.partition: record.offset + 1 for record in records}


def _backoff(attempt: int) -> float:
    return BACKOFF_SECONDS[min(attempt, len(BACKOFF_SECONDS)) - 1]
