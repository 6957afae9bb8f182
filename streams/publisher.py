"""Publish records with delivery confirmed for each (kafka-python)."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
from kafka import KafkaProducer
from kafka.errors import KafkaError

from schemas.errors import UserError
from scrubbers.records import Headers
from streams.config import Settings
from streams.reader import security

CONFIRM_SECONDS = 60.0
_IN_FLIGHT = 5_000  # unconfirmed records held; more only cost memory


class Message(msgspec.Struct, frozen=True):
    """A record to publish; `source` and `number` say where it came from, for messages about it."""

    value: bytes | None
    key: bytes | None = None
    headers: Headers = ()
    timestamp: int | None = None
    source: str = ""
    number: int = 0


class Failure(msgspec.Struct, frozen=True):
    """A record that was not delivered: where it came from, and the kind of error."""

    source: str
    number: int
    problem: str


class Delivery(msgspec.Struct, frozen=True):
    """How many were confirmed by the broker, and which were not."""

    delivered: int
    failures: Sequence[Failure]


@contextmanager
def producer(settings: Settings) -> Any:
    """An idempotent producer that waits for all replicas; keys choose partitions by murmur2.

    Raises:
        UserError: no broker answers.
    """
    try:
        opened = KafkaProducer(
            bootstrap_servers=settings.bootstrap,
            acks="all",
            linger_ms=20,
            max_request_size=10_485_760,
            max_block_ms=int(CONFIRM_SECONDS * 1000),
            **security(settings),
        )
    except KafkaError as problem:
        raise UserError(
            f"no Kafka answers at {settings.bootstrap} ({type(problem).__name__})",
            "set RMM_SCRUB_BOOTSTRAP, or start one: rmm-scrub kafka start",
        ) from None
    try:
        yield opened
    finally:
        opened.close(timeout=CONFIRM_SECONDS)


def publish(
    messages: Iterable[Message],
    topic: str,
    settings: Settings,
    advance: Callable[[int], object] = int,
) -> Delivery:
    """Publish all, and wait until each is confirmed or has failed; `advance` hears how many more are confirmed."""
    delivered, failures = 0, []
    waiting: list[tuple[Message, Any]] = []

    def confirm() -> int:
        nonlocal delivered
        for message, future in waiting:
            try:
                future.get(timeout=CONFIRM_SECONDS)
                delivered += 1
            except KafkaError as problem:
                failures.append(Failure(message.source, message.number, type(problem).__name__))
        count = len(waiting)
        waiting.clear()
        return count

    with producer(settings) as opened:
        for message in messages:
            try:
                future = opened.send(
                    topic,
                    message.value,
                    message.key,
                    headers=[(name, value or b"") for name, value in message.headers],
                    timestamp_ms=message.timestamp,
                )
            except KafkaError as problem:
                failures.append(Failure(message.source, message.number, type(problem).__name__))
                continue
            waiting.append((message, future))
            if len(waiting) >= _IN_FLIGHT:
                advance(confirm())
        opened.flush(timeout=CONFIRM_SECONDS)
        advance(confirm())
    return Delivery(delivered, failures)
