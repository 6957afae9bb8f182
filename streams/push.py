"""Push the revocations topic to a receiver (RFC 8935): in order per contact, none skipped unseen.

Delivery guarantee: at least once; receivers know a repeated token by `iss` and `jti`. The partitions of the
topic go out side by side, each in its order: a contact's tokens share one. A token that the receiver refuses
for good is written to a file, on disk before its offset is committed.
"""

import asyncio
import hashlib
import logging
import os
import signal
from collections import Counter, deque
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import orjson
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from schemas.errors import UserError
from streams.config import Settings
from streams.delivery import TokenNotTaken, Transmitter

log = logging.getLogger(__name__)

POLL_SECONDS = 0.1  # how long to wait for a record; offsets are committed as often
BATCH = 200
MOST_WAITING = 1_000  # records of a partition held; then it is paused, so that memory stays bounded
CONNECT_SECONDS = 10.0
SESSION_MS = 6_000  # a killed sender's partitions go to another one after it; Kafka's lower bound
REVOKE_SECONDS = 5.0  # for work in hand to end when partitions go to another process


class Summary(msgspec.Struct):
    """What came of the tokens; `refused` counts by the receiver's error code."""

    delivered: int = 0
    retries: int = 0
    refused: dict[str, int] = {}
    complete: bool = True  # the end of the topic was reached where that was wanted

    @property
    def good(self) -> bool:
        """Whether everything was taken."""
        return self.complete and not self.refused


class Refusals:
    """The file of tokens that a receiver refused, NDJSON, for its owner only."""

    def __init__(self, path: Path) -> None:
        """Open it now: a file that cannot be written shall stop the command before anything is sent.

        Raises:
            UserError: it cannot be written.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as problem:
            raise UserError(f"{path}: {problem.strerror}", "--refused names another file") from None

    def add(self, message: Message, code: str) -> None:
        """Write one down: where it stands, the error code, the token itself; on disk when this returns."""
        row = {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "topic": message.topic(),
            "partition": message.partition(),
            "offset": message.offset(),
            "err": code,
            "token": (message.value() or b"").decode("ascii", "replace"),
        }
        os.write(self._file, orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
        os.fsync(self._file)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


class _Share:
    """One partition: what waits, the task that sends it, and the offset behind what is settled."""

    def __init__(self) -> None:
        self.waiting: deque[Message] = deque()
        self.task: asyncio.Task[None] | None = None
        self.settled = -1
        self.committed = -1
        self.at_end = False
        self.paused = False


class Pusher:
    """Reads the topic as a consumer group of this receiver's own and delivers each token."""

    def __init__(self, settings: Settings, transmitter: Transmitter, refusals: Refusals, group: str) -> None:
        self.summary = Summary()
        self._settings = settings
        self._transmitter = transmitter
        self._refusals = refusals
        self._group = group
        self._topic = settings.named.revocations
        self._shares: dict[int, _Share] = {}
        self._joined = False
        self._stopping = False
        self._refused: Counter[str] = Counter()

    async def run(self, *, once: bool) -> Summary:
        """Deliver until told to stop (SIGTERM, SIGINT), or once, up to the present end of the topic.

        Raises:
            UserError: there is no such topic, or Kafka does not let us read it.
        """
        self._loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._stop)
        consumer = await asyncio.to_thread(self._open)
        try:
            while not self._stopping and not (once and self._at_end()):
                self._take(consumer, await asyncio.to_thread(_poll, consumer))
                await asyncio.to_thread(self._pass_markers, consumer)
                await asyncio.to_thread(self._commit, consumer, self._shares)
            self.summary.complete = not once or self._at_end()
        finally:
            await self._end(self._shares)
            await asyncio.to_thread(self._commit, consumer, self._shares)
            await asyncio.to_thread(consumer.close)
        self.summary.retries = self._transmitter.retries
        self.summary.refused = dict(self._refused)
        return self.summary

    def _stop(self) -> None:
        self._stopping = True

    def _open(self) -> Consumer:
        consumer = Consumer(
            self._settings.client(
                group_id=self._group,
                session_timeout_ms=SESSION_MS,
                heartbeat_interval_ms=SESSION_MS // 3,
                partition_assignment_strategy="cooperative-sticky",
                isolation_level="read_committed",
                enable_auto_commit=False,
                enable_auto_offset_store=False,
                enable_partition_eof=True,
                auto_offset_reset="earliest",
                fetch_wait_max_ms=100,
            ),
            logger=log,
        )
        found = consumer.list_topics(self._topic, timeout=CONNECT_SECONDS).topics[self._topic]
        if found.error is not None:
            consumer.close()
            raise UserError(f"{self._topic}: {found.error.name()}", "rmm-scrub topics plan says what is missing")
        consumer.subscribe([self._topic], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost)
        return consumer

    def _assigned(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        consumer.incremental_assign(places)
        self._shares |= {place.partition: _Share() for place in places}
        self._joined = True

    def _revoked(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        """Called in the consumer's thread: stop the work in hand first, or two processes would send a contact's."""
        gone = self._dropped(places)
        self._commit(consumer, gone)
        consumer.incremental_unassign(places)

    def _lost(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        self._dropped(places)
        consumer.incremental_unassign(places)

    def _dropped(self, places: Iterable[TopicPartition]) -> dict[int, _Share]:
        gone = {
            place.partition: share for place in places if (share := self._shares.pop(place.partition, None)) is not None
        }
        asyncio.run_coroutine_threadsafe(self._end(gone), self._loop).result(REVOKE_SECONDS)
        return gone

    def _take(self, consumer: Consumer, messages: Iterable[Message]) -> None:
        """Hand messages to their partitions, and set those to work that have some."""
        for message in messages:
            error, share = message.error(), self._shares.get(message.partition())
            if error is not None and error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - has no other name
                self._check(error)
            elif share is None:  # given away meanwhile
                continue
            elif error is not None:
                share.at_end = True
            else:
                share.waiting.append(message)
        for partition, share in self._shares.items():
            if share.task is not None and share.task.done():
                share.task.result()
                share.task = None
            if share.waiting and share.task is None:
                share.task = asyncio.create_task(self._send(share))
            self._hold(consumer, partition, share)

    def _hold(self, consumer: Consumer, partition: int, share: _Share) -> None:
        """Pause a partition whose tokens pile up, while its receiver is away; let it go on afterwards."""
        full = len(share.waiting) >= MOST_WAITING
        if full == share.paused:
            return
        share.paused = full
        place = [TopicPartition(self._topic, partition)]
        if full:
            consumer.pause(place)
        else:
            consumer.resume(place)

    def _check(self, error: KafkaError) -> None:
        if error.fatal():
            raise KafkaException(error)
        if error.code() in (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED):
            raise UserError(f"{self._topic}: {error.name()}", "rmm-scrub topics plan --acls says what is missing")
        log.warning("push: %s", error.name())

    async def _send(self, share: _Share) -> None:
        while share.waiting:
            message = share.waiting[0]
            try:
                await self._transmitter.deliver(message.value() or b"")
                self.summary.delivered += 1
            except TokenNotTaken as refused:
                self._refusals.add(message, refused.code)
                self._refused[refused.code] += 1
                log.error("push: refused: %s (partition %d)", refused.code, message.partition())  # noqa: TRY400
            share.settled = message.offset() + 1
            share.waiting.popleft()

    def _at_end(self) -> bool:
        idle = all(share.at_end and share.task is None and not share.waiting for share in self._shares.values())
        return self._joined and idle

    def _pass_markers(self, consumer: Consumer) -> None:
        """Behind the last record a transaction's marker may stand: without it the group would seem to lag for ever.

        Only right after every record that was polled has been taken: the position is behind all of them.
        """
        idle = [partition for partition, share in self._shares.items() if not share.waiting]
        for place in consumer.position([TopicPartition(self._topic, each) for each in idle]) if idle else ():
            share = self._shares[place.partition]
            share.settled = max(share.settled, place.offset)

    def _commit(self, consumer: Consumer, shares: dict[int, _Share]) -> None:
        """Commit what is settled. A commit that fails only means that tokens are sent again."""
        ahead = {partition: share.settled for partition, share in shares.items() if share.settled > share.committed}
        if not ahead:
            return
        try:
            consumer.commit(
                offsets=[TopicPartition(self._topic, partition, offset) for partition, offset in ahead.items()],
                asynchronous=False,
            )
        except KafkaException as problem:
            log.warning("push: offsets not committed: %s", problem.args[0].name())
            return
        for partition, offset in ahead.items():
            shares[partition].committed = offset

    async def _end(self, shares: dict[int, _Share]) -> None:
        """Stop sending. A call that is cut off is made again by whoever reads next."""
        tasks = [share.task for share in shares.values() if share.task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


def _poll(consumer: Consumer) -> list[Message]:
    """Records and ends of partitions; the first is waited for."""
    first = consumer.poll(POLL_SECONDS)
    return [] if first is None else [first, *consumer.consume(BATCH, 0)]


def group_of(settings: Settings, url: str) -> str:
    """The consumer group of a receiver: each has offsets of its own. The prefix is what ACLs let a portal read by."""
    return f"portal-{settings.group}-push-{hashlib.sha256(url.encode()).hexdigest()[:8]}"
