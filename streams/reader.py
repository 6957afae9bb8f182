"""Read a topic once, as it is now: committed records up to the present end, all of them or the last ones."""

import socket
from collections.abc import Iterator

import msgspec
from kafka import KafkaConsumer, TopicPartition

from schemas.errors import UserError
from streams.config import Settings

REACH_SECONDS = 1.0


class Read(msgspec.Struct, frozen=True):
    """A record as read back."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]


def read_topic(settings: Settings, topic: str, *, last: int | None = None) -> Iterator[Read]:
    """Every committed record of the topic, partition by partition order kept; or the `last` of each partition.

    Raises:
        UserError: no Kafka answers, or there is no such topic.
    """
    need_kafka(settings)
    consumer = KafkaConsumer(
        bootstrap_servers=settings.bootstrap,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=10_485_760,
        **security(settings),
    )
    try:
        partitions = consumer.partitions_for_topic(topic)
        if not partitions:
            raise UserError(f"there is no topic {topic}", "rmm-scrub topics apply creates the topics")
        places = [TopicPartition(topic, partition) for partition in sorted(partitions)]
        consumer.assign(places)
        consumer.seek_to_beginning(*places)
        ends = consumer.end_offsets(places)
        if last is not None:
            for place, begin in consumer.beginning_offsets(places).items():
                consumer.seek(place, max(begin, ends[place] - last))
        while any(consumer.position(place) < end for place, end in ends.items()):
            for records in consumer.poll(timeout_ms=500).values():
                for each in records:
                    if each.offset < ends[TopicPartition(each.topic, each.partition)]:
                        yield Read(
                            each.topic,
                            each.partition,
                            each.offset,
                            each.timestamp,
                            each.key,
                            each.value,
                            list(each.headers),
                        )
    finally:
        consumer.close()


def read_last(settings: Settings, topic: str, count: int) -> list[Read]:
    """The last records of a topic over all its partitions, the newest last.

    Raises:
        UserError: there is no such topic.
    """
    found = sorted(read_topic(settings, topic, last=count), key=lambda each: (each.timestamp, each.offset))
    return found[-count:]


def reachable(settings: Settings) -> bool:
    """Whether anything answers at one of the bootstrap servers: clients would try for half a minute."""
    return any(map(_answers, settings.bootstrap.split(",")))


def need_kafka(settings: Settings) -> None:
    """Make sure of that before a client tries.

    Raises:
        UserError: nothing answers.
    """
    if not reachable(settings):
        raise UserError(
            f"no Kafka answers at {settings.bootstrap}",
            "set RMM_SCRUB_BOOTSTRAP, or start one: rmm-scrub kafka start",
        )


def _answers(server: str) -> bool:
    host, _, port = server.strip().rpartition(":")
    try:
        with socket.create_connection((host.strip("[]") or "localhost", int(port)), REACH_SECONDS):
            return True
    except (OSError, ValueError):
        return False


def security(settings: Settings) -> dict[str, str]:
    """kafka-python's names of the librdkafka security properties that both clients share."""
    names = {"sasl.mechanism": "sasl_mechanism", "sasl.username": "sasl_plain_username"}
    names |= {"sasl.password": "sasl_plain_password", "security.protocol": "security_protocol"}
    names |= {
        "ssl.ca.location": "ssl_cafile",
        "ssl.certificate.location": "ssl_certfile",
        "ssl.key.location": "ssl_keyfile",
    }
    return {names[name]: value for name, value in settings.kafka.items() if name in names}
