"""The lane without scrubbing against a plain confluent-kafka loop, on one broker in one run.

Both copy the same records between the same kinds of topics. The plain loop has no transaction, no
Faust and no exactly-once: it is the most that librdkafka gives Python.
"""

import asyncio
import time
import uuid
from collections.abc import Sequence

from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from scrubbers.records import QuarantineReason, Record
from streams.config import Limits, Settings
from streams.host import add_lane, new_app
from streams.lane import Answer
from streams.metrics import Metrics
from streams.transactions import Output

PARTITIONS = 4
BATCH = 10_000


def measure(bootstrap: str, events: int = 500_000, size: int = 200) -> dict[str, float]:
    """Events per second of both, and the lane's share of the plain loop's rate."""
    prefix = f"bench-{uuid.uuid4().hex[:8]}-"
    names = [prefix + name for name in ("raw", "plain", "lane")]
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for future in admin.create_topics([NewTopic(name, PARTITIONS, 1) for name in names]).values():
        future.result(30)
    _fill(bootstrap, names[0], events, size)
    plain = _plain(bootstrap, names[0], names[1], events)
    lane = _lane(bootstrap, names[0], names[2], events, prefix)
    admin.delete_topics(names)
    return {"plain_events_per_second": plain, "lane_events_per_second": lane, "ratio": lane / plain}


def _fill(bootstrap: str, topic: str, events: int, size: int) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "queue.buffering.max.messages": 1_000_000, "linger.ms": 20})
    value = b"x" * size
    for number in range(events):
        producer.produce(topic, value=value, key=b"%d" % (number % 997))
        if number % 10_000 == 0:
            producer.poll(0)
    producer.flush()


def _plain(bootstrap: str, source: str, target: str, events: int) -> float:
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": target,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "queue.buffering.max.messages": 1_000_000,
            "linger.ms": 5,
            "compression.type": "lz4",
            "delivery.report.only.error": True,
        }
    )
    consumer.subscribe([source])
    done, started = 0, 0.0
    while done < events:
        messages = consumer.consume(BATCH, 0.01)
        started = started or (time.perf_counter() if messages else 0.0)
        for message in messages:
            producer.produce(target, value=message.value(), key=message.key())
        done += len(messages)
        producer.poll(0)
    producer.flush()
    elapsed = time.perf_counter() - started
    consumer.close()
    return events / elapsed


def _lane(bootstrap: str, source: str, target: str, events: int, prefix: str) -> float:
    settings = Settings(bootstrap=bootstrap, group=prefix + "group", limits=Limits(batch_records=BATCH))
    app = new_app(settings, web_port=None)
    marks: list[float] = []
    done = asyncio.Event()
    seen = 0

    def answer(records: Sequence[Record]) -> Answer:
        marks.append(time.perf_counter())

        def committed() -> None:
            nonlocal seen
            seen += len(records)
            if seen >= events:
                marks.append(time.perf_counter())
                done.set()

        return Answer([Output(target, record.key, record.value, record.headers) for record in records], committed)

    def refuse(record: Record, reason: QuarantineReason, stage: str, attempts: int) -> Output:
        raise AssertionError(f"{record} was refused: {reason} at {stage}, {attempts} attempts")

    add_lane(app, "bench", answer, source=source, settings=settings, identity="0", metrics=Metrics(), quarantine=refuse)

    async def run() -> None:
        async with app:
            await done.wait()

    asyncio.run(run())
    return events / (marks[-1] - marks[0])
