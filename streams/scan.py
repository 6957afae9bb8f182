"""Read some partitions of a topic once, fast: committed records from a place on to the present end (librdkafka)."""

import logging
import re
from collections.abc import Iterator, Mapping
from datetime import datetime

import msgspec
from confluent_kafka import (
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec

import schemas
from schemas.errors import UserError
from scrubbers.records import Record
from streams.config import Settings

TOGETHER = 5_000
_SILENT = logging.getLogger(__name__)
_WAIT_SECONDS = 0.5
_TIMEOUT = 30.0
_OFFSETS = re.compile(r"\d+:\d+(?:,\d+:\d+)*")


class Start(msgspec.Struct, frozen=True):
    """Where to begin: at a time, at offsets by partition, or (for partitions that neither names) at the beginning."""

    time: datetime | None = None
    offsets: Mapping[int, int] = {}


def start_at(text: str | None) -> Start:
    """The start that a text names: an RFC 3339 time, or `PARTITION:OFFSET,…`.

    Raises:
        UserError: it is neither.
    """
    if text is None:
        return Start()
    if _OFFSETS.fullmatch(text):
        pairs = (each.split(":") for each in text.split(","))
        return Start(offsets={int(partition): int(offset) for partition, offset in pairs})
    try:
        return Start(schemas.instant(text))
    except ValueError:
        raise UserError(
            "where to start is a time or offsets", "2026-11-24T10:00:00Z, or PARTITION:OFFSET,PARTITION:OFFSET"
        ) from None


def partitions_of(settings: Settings, topic: str) -> list[int]:
    """The partitions of a topic.

    Raises:
        UserError: no Kafka answers, or there is no such topic.
    """
    try:
        found = AdminClient(settings.client(), logger=_SILENT).list_topics(topic, timeout=_TIMEOUT / 2).topics[topic]
    except KafkaException as problem:
        raise UserError(
            f"no Kafka answers at {settings.bootstrap} ({problem.args[0].name()})",
            "set RMM_SCRUB_BOOTSTRAP, or start one: rmm-scrub kafka start",
        ) from None
    if found.error is not None or not found.partitions:
        raise UserError(f"there is no topic {topic}", "rmm-scrub topics apply creates the topics")
    return sorted(found.partitions)


def scan(settings: Settings, topic: str, partitions: list[int], start: Start) -> Iterator[list[Record]]:
    """Committed records of the partitions, in batches, from `start` to what was the end when this began."""
    consumer = Consumer(
        settings.client(
            group_id=f"{settings.group}-scan",  # librdkafka wants one; nothing is committed to it
            isolation_level="read_committed",
            enable_auto_commit=False,
            enable_auto_offset_store=False,
            auto_offset_reset="earliest",
            fetch_message_max_bytes=10_485_760,
            fetch_wait_max_ms=50,
            queued_min_messages=50_000,
            enable_partition_eof=True,
        )
    )
    try:
        ends = _offsets(settings, topic, partitions, OffsetSpec.latest())
        positions = _starts(consumer, settings, topic, partitions, start)
        consumer.assign([TopicPartition(topic, partition, offset) for partition, offset in positions.items()])
        while any(positions[each] < ends[each] for each in partitions):
            messages = consumer.consume(TOGETHER, _WAIT_SECONDS)
            for message in messages:
                if message.error() is None:
                    continue
                if message.error().code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name
                    positions[message.partition()] = ends[message.partition()]  # the rest are transaction markers
                elif not message.error().retriable():
                    raise KafkaException(message.error())
            good = [each for each in messages if each.error() is None]
            for each in good:
                positions[each.partition()] = max(positions[each.partition()], each.offset() + 1)
            yield [_record(each) for each in good if each.offset() < ends[each.partition()]]
    finally:
        consumer.close()


def _record(message: Message) -> Record:
    return Record(
        message.topic(),
        message.partition(),
        message.offset(),
        message.timestamp()[1],
        message.key(),
        message.value(),
        message.headers() or (),
    )


def _starts(consumer: Consumer, settings: Settings, topic: str, partitions: list[int], start: Start) -> dict[int, int]:
    """Where to begin in each partition; what is retained no more is left out."""
    starts = _offsets(settings, topic, partitions, OffsetSpec.earliest())
    if start.time is not None:
        since = int(start.time.timestamp() * 1000)
        wanted = [TopicPartition(topic, partition, since) for partition in partitions]
        found = consumer.offsets_for_times(wanted, timeout=_TIMEOUT)
        ends = _offsets(settings, topic, partitions, OffsetSpec.latest())
        return {each.partition: each.offset if each.offset >= 0 else ends[each.partition] for each in found}
    return {partition: max(first, start.offsets.get(partition, 0)) for partition, first in starts.items()}


def _offsets(settings: Settings, topic: str, partitions: list[int], wanted: OffsetSpec) -> dict[int, int]:
    """The first, or behind the last settled record: an open transaction holds nobody up."""
    places = dict.fromkeys([TopicPartition(topic, partition) for partition in partitions], wanted)
    admin = AdminClient(settings.client(), logger=_SILENT)
    answers = admin.list_offsets(places, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=_TIMEOUT)
    return {place.partition: int(answer.result().offset) for place, answer in answers.items()}
