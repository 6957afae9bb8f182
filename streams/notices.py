"""Small records on the findings topic that belong to no batch: rule sets refused, and what shadow sees.

They go out beside the transactions of the lanes: a topic that does not take them, or a broker that is away, holds up
no event. The header `kind` says what a record is; the value is JSON, but for samples, which are sealed.
"""

import logging
from collections.abc import Sequence
from enum import StrEnum

import msgspec
import orjson
from confluent_kafka import KafkaException, Producer

from scrubbers.divergence import Difference
from scrubbers.published import Unusable
from scrubbers.records import Headers, Record
from scrubbers.seal import seal, unseal
from streams.config import Settings
from streams.deployment import Stage
from streams.metrics import Metrics
from streams.reader import Read

log = logging.getLogger(__name__)

KIND = "kind"
PREFIX = "__rmm-scrub.shadow."
LARGEST_SAMPLE = 256_000  # bytes; a larger event is counted, and not kept
_CONTEXT = b"rmm-scrub shadow sample v1"
_WAITING_KB = 16_384  # of records that Kafka has not taken yet


class NoticeKind(StrEnum):
    """What a notice says."""

    REFUSED = "rule-set-refused"
    COUNTS = "shadow-counts"
    SAMPLE = "shadow-sample"


class Refusal(msgspec.Struct, frozen=True):
    """A worker does not use a published rule set, and why; `where` names a rule or a place in the set."""

    worker: str
    name: str
    digest: str
    stage: Stage
    why: Unusable
    where: str
    time: str


class Count(msgspec.Struct, frozen=True):
    """How often findings differed in one way: `kind` is added, removed or changed."""

    kind: str
    type: str
    rule: str
    count: int


class ShadowCounts(msgspec.Struct, frozen=True):
    """What one worker has counted since it took a candidate up (`run`); a later one replaces an earlier one."""

    worker: str
    run: str
    digest: str
    against: str
    compared: int
    skipped: int
    failed: int
    differences: tuple[Count, ...]
    time: str


class Sample(msgspec.Struct, frozen=True):
    """An event on which two rule sets differ, and where."""

    record: Record
    differences: tuple[Difference, ...]


class Notices:
    """Sends notices, and waits for nothing. Used from any thread."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._topic = settings.named.findings
        self._metrics = metrics
        self._settings = settings
        self._producer: Producer | None = None

    def send(self, kind: NoticeKind, value: bytes, *, tenant: str | None = None, headers: Headers = ()) -> None:
        """Send one; what cannot be sent is counted."""
        key = tenant.encode() if tenant is not None else None
        try:
            producer = self._opened()
            producer.produce(self._topic, key=key, value=value, headers=[(KIND, kind.encode()), *headers])
            producer.poll(0)
        except (KafkaException, BufferError) as problem:
            self._lost(type(problem).__name__)

    def say(self, kind: NoticeKind, notice: msgspec.Struct) -> None:
        """Send one whose value is JSON."""
        self.send(kind, orjson.dumps(msgspec.to_builtins(notice)))

    def _opened(self) -> Producer:
        if self._producer is None:
            properties = self._settings.client(
                enable_idempotence=True,
                partitioner="murmur2_random",
                compression_type="lz4",
                message_max_bytes=2 * LARGEST_SAMPLE,
                queue_buffering_max_kbytes=_WAITING_KB,
            )
            self._producer = Producer({**properties, "on_delivery": self._delivered}, logger=log)
        return self._producer

    def _delivered(self, error: object, _: object) -> None:
        if error is not None:
            self._lost("not delivered")

    def _lost(self, why: str) -> None:
        self._metrics.notices_lost.inc()
        log.warning("a notice for the findings topic is lost: %s", why)


def sealed_sample(sample: Sample, key: bytes) -> bytes | None:
    """A sample sealed under the quarantine key, in a context of its own; None if it is too large to keep."""
    packed = msgspec.msgpack.encode(sample)
    return seal(key, packed, _CONTEXT) if len(packed) <= LARGEST_SAMPLE else None


def unsealed_sample(value: bytes, key: bytes) -> Sample:
    """The sample.

    Raises:
        cryptography.exceptions.InvalidTag: another key, or an altered value.
    """
    return msgspec.msgpack.decode(unseal(key, value, _CONTEXT), type=Sample)


def sample_headers(record: Record, digest: str, against: str, counts: Sequence[Count]) -> Headers:
    """Where a sample is from and what differs in it, in plain text and without a value or a path."""
    told = {
        "digest": digest,
        "against": against,
        "topic": record.topic,
        "partition": str(record.partition),
        "offset": str(record.offset),
        "differences": orjson.dumps(msgspec.to_builtins(counts)).decode(),
    }
    return [(PREFIX + name, value.encode()) for name, value in told.items()]


def kind_of(read: Read) -> str:
    """What a record of the findings topic says it is."""
    return next((value.decode("utf-8", "replace") for name, value in read.headers if name == KIND), "")


def told(read: Read, name: str) -> str:
    """What a sample's header says."""
    return next((value.decode("utf-8", "replace") for key, value in read.headers if key == PREFIX + name), "")
