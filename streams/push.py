"""Push revocations to a portal that does not read Kafka (RFC 8935), at least once and in order per contact.

An offset is committed when its token was accepted (202). A receiver that is away, or busy, is tried again for as
long as it takes; meanwhile the other partitions go on. A token that the receiver refuses for good (400) is told
and left behind: it must not hold back the revocations after it.
"""

import hashlib
import random
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import msgspec
import orjson
from kafka import KafkaConsumer, TopicPartition
from kafka.structs import OffsetAndMetadata

from schemas.errors import UserError
from streams.config import Settings
from streams.reader import security
from streams.revocations import CONTENT_TYPE

CALL_SECONDS = 10.0
LONGEST_WAIT = 60.0
_FIRST_WAIT = 0.25
_ERRORS = frozenset(  # RFC 8935 section 2.4 and SSF 1.0; anything else is not repeated to a log
    "invalid_request invalid_key invalid_issuer invalid_audience authentication_failed access_denied "
    "invalid_state".split()
)


class Refusal(msgspec.Struct, frozen=True):
    """A token that the receiver will not take: where it stands, and the receiver's code."""

    partition: int
    offset: int
    err: str


class Delivery(msgspec.Struct):
    """What came of it."""

    delivered: int = 0
    retries: int = 0
    refused: list[Refusal] = []


class _Lane(msgspec.Struct):
    """A partition's tokens that wait, and when the first may be tried."""

    waiting: deque[Any]
    due: float = 0.0
    attempts: int = 0


class Receiver:
    """A push endpoint."""

    def __init__(self, url: str, token: str = "") -> None:
        """`token` authorises us there (bearer).

        Raises:
            UserError: the URL is not https, and not on this machine either.
        """
        parts = urlsplit(url)
        local = parts.hostname in ("localhost", "127.0.0.1", "::1")
        if parts.scheme != "https" and not (parts.scheme == "http" and local):
            raise UserError("revocations are pushed over https only", "http is for receivers on this machine")
        self.url = url
        self._headers = {"Content-Type": CONTENT_TYPE, "Accept": "application/json"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"

    def give(self, token: bytes) -> tuple[str, float]:
        """(`""`, 0) if it was accepted; (code, 0) if it is refused for good; (`"later"`, seconds) otherwise."""
        request = urllib.request.Request(self.url, token, self._headers, method="POST")  # noqa: S310 - checked above
        try:
            with urllib.request.urlopen(request, timeout=CALL_SECONDS) as answer:  # noqa: S310
                return ("", 0.0) if answer.status in (200, 202) else ("later", 0.0)
        except urllib.error.HTTPError as problem:
            if problem.code == 400:
                return _code(problem.read(10_000)), 0.0
            return "later", _seconds(problem.headers.get("Retry-After"))
        except OSError:
            return "later", 0.0


def push(settings: Settings, receiver: Receiver, stopped: Callable[[], bool], *, once: bool) -> Delivery:
    """Follow the topic and push; with `once` to its present end. One pusher a receiver: where it is, its group says.

    Raises:
        UserError: there is no such topic.
    """
    consumer = KafkaConsumer(
        bootstrap_servers=settings.bootstrap,
        group_id=f"{settings.group}-push-{hashlib.sha256(receiver.url.encode()).hexdigest()[:12]}",
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        **security(settings),
    )
    try:
        return _follow(consumer, settings.named.revocations, receiver, stopped, once=once)
    finally:
        consumer.close()


def _follow(consumer: Any, topic: str, receiver: Receiver, stopped: Callable[[], bool], *, once: bool) -> Delivery:
    partitions = consumer.partitions_for_topic(topic)
    if not partitions:
        raise UserError(f"there is no topic {topic}", "rmm-scrub topics apply creates the topics")
    places = [TopicPartition(topic, each) for each in sorted(partitions)]
    consumer.assign(places)
    ends = consumer.end_offsets(places)
    lanes = {place: _Lane(deque()) for place in places}
    done = Delivery(refused=[])
    while not stopped():
        for place, records in consumer.poll(timeout_ms=100).items():
            lanes[place].waiting.extend(records)
            consumer.pause(place)  # until these are through
        for place, lane in lanes.items():
            if _advance(lane, receiver, done, _committer(consumer, place)) and not lane.waiting:
                consumer.resume(place)
        idle = not any(lane.waiting for lane in lanes.values())
        if once and idle and all(consumer.position(place) >= ends[place] for place in places):
            return done
    return done


def _advance(lane: _Lane, receiver: Receiver, done: Delivery, commit: Callable[[int], None]) -> bool:
    """Push what a partition has, as far as the receiver takes it now."""
    while lane.waiting and time.monotonic() >= lane.due:
        record = lane.waiting[0]
        outcome, wait = receiver.give(record.value or b"")
        if outcome == "later":
            lane.attempts += 1
            done.retries += 1
            backoff = min(LONGEST_WAIT, _FIRST_WAIT * 2 ** min(lane.attempts, 16))
            lane.due = time.monotonic() + max(wait, backoff * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
            return False
        lane.attempts, lane.due = 0, 0.0
        if outcome:
            done.refused.append(Refusal(record.partition, record.offset, outcome))
        else:
            done.delivered += 1
        commit(record.offset + 1)
        lane.waiting.popleft()
    return not lane.waiting


def _committer(consumer: Any, place: TopicPartition) -> Callable[[int], None]:
    return lambda offset: consumer.commit({place: OffsetAndMetadata(offset, "", -1)})


def _code(body: bytes) -> str:
    try:
        decoded = orjson.loads(body)
    except orjson.JSONDecodeError:
        return "unknown"
    err = decoded.get("err") if isinstance(decoded, dict) else None
    return err if err in _ERRORS else "unknown"


def _seconds(retry_after: str | None) -> float:
    """Of `Retry-After`, if it is a number of seconds."""
    return min(float(retry_after), LONGEST_WAIT) if retry_after and retry_after.isdigit() else 0.0
