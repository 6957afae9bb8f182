"""Kill -9 of workers under load: a `read_committed` reader finds every input exactly once."""

import asyncio
import os
import signal
import subprocess
import time
from collections import Counter

import pytest

from scrubbers.records import Record
from streams import broker as embedded
from streams.host import add_lane, new_app
from streams.lane import Answer
from streams.metrics import Metrics
from streams.quarantine import entry, read_entry, sealed
from streams.transactions import Output
from tests.conftest import Pipeline, header, record

pytestmark = pytest.mark.integration


def worker_pids(supervisor: int) -> list[int]:
    """The supervisor's worker processes."""
    found = subprocess.run(["pgrep", "-P", str(supervisor)], capture_output=True, text=True, check=False)
    return [int(pid) for pid in found.stdout.split()]


def kill_under_load(pipeline: Pipeline, count: int, kills: int) -> Counter[str]:
    """Publish `count` events in parts, kill one worker in each; how often each event came out."""
    pipeline.tenants("acme")
    with pipeline.workers(2) as supervisor:
        for part in range(kills):
            numbers = range(part * count // kills, (part + 1) * count // kills)
            pipeline.send(
                "raw",
                [
                    record(
                        b'{"host":{"name":"HOST-%d"},"ip":"10.0.%d.%d"}' % (n % 500, n % 250, n % 199),
                        key=b"HOST-%d" % (n % 500),
                        x_seq=b"%d" % n,
                        content_type=b"application/json",
                    )
                    for n in numbers
                ],
            )
            time.sleep(0.3)  # into the middle of a batch, wherever that is
            os.kill(worker_pids(supervisor.pid)[part % 2], signal.SIGKILL)
        pipeline.until(pipeline.drained, 600)
    return Counter(header(read, "x-seq") for topic in ("scrubbed", "quarantine") for read in pipeline.read(topic))


def test_three_kills_lose_and_double_nothing(pipeline: Pipeline) -> None:
    """9,000 events, three kills of alternating workers."""
    seen = kill_under_load(pipeline, 9_000, 3)

    assert len(seen) == 9_000
    assert set(seen.values()) == {1}


@pytest.mark.soak
@pytest.mark.timeout(1_800)
def test_three_kills_in_two_hundred_thousand_events(pipeline: Pipeline) -> None:
    """The same in full."""
    seen = kill_under_load(pipeline, 200_000, 3)

    assert len(seen) == 200_000
    assert set(seen.values()) == {1}


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_a_restarted_broker_changes_the_time_and_not_the_count(tmp_path) -> None:
    """The broker is killed under load and comes back with its data: nothing is lost or doubled."""
    running = embedded.start(tmp_path / "kafka")
    try:
        pipeline = Pipeline(running.bootstrap, tmp_path)
        pipeline.tenants("acme")
        with pipeline.workers(1):
            batch = [record(b'{"hostname":"H-%d"}' % (n % 50), x_seq=b"%d" % n) for n in range(4_000)]
            pipeline.send("raw", batch)
            running.kill()
            running = embedded.start(tmp_path / "kafka")
            pipeline.reconnect()
            pipeline.send("raw", [record(b'{"hostname":"H-1"}', x_seq=b"last")])
            pipeline.until(pipeline.drained, 500)
        seen = Counter(header(read, "x-seq") for read in pipeline.read("scrubbed"))
    finally:
        running.stop()

    assert len(seen) == 4_001
    assert set(seen.values()) == {1}


def test_a_poison_record_is_isolated_and_the_others_of_its_batch_go_through(pipeline: Pipeline) -> None:
    """An agent that fails on one record: the batch is retried, split, and only that record is sealed."""
    settings, key = pipeline.settings, bytes(32)
    app = new_app(settings, web_port=None)
    tries: Counter[bytes] = Counter()

    def answer(records: "list[Record]") -> Answer:
        tries.update(each.value for each in records)
        if any(each.value == b"poison" for each in records):
            raise RuntimeError("a text that may quote the record: poison")
        return Answer([Output(settings.named.scrubbed, each.key, each.value) for each in records])

    def quarantine(record: Record, reason: object, stage: str, attempts: int) -> Output:
        return sealed(record, entry(record, reason, stage, attempts), settings.named.quarantine, key)

    lane = add_lane(
        app,
        "poison",
        answer,
        source=settings.named.raw,
        settings=settings,
        identity="0",
        metrics=Metrics(),
        quarantine=quarantine,
    )
    values = [b"v%d" % number for number in range(100)]
    pipeline.send("raw", [record(value, key=b"one") for value in (*values[:50], b"poison", *values[50:])])

    async def run() -> None:
        async with app:
            deadline = time.monotonic() + 60
            while sum(lane._positions.values()) < 101 and time.monotonic() < deadline:
                await asyncio.sleep(0.1)

    asyncio.run(run())

    assert [read.value for read in pipeline.read("scrubbed")] == values
    [only] = pipeline.read("quarantine")
    assert read_entry(only.headers).attempts == settings.limits.attempts
    assert read_entry(only.headers).reason == "rule_failure"
    assert tries[b"poison"] >= settings.limits.attempts
