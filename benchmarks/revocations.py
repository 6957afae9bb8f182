"""How long a revocation takes at rest: from the publishing of a change to a token that a reader can see."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import orjson
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition

from scrubbers.keyring import Keyring
from scrubbers.rootkey import RootKey, root_path
from streams import broker
from streams.config import Settings
from streams.groups import Group
from streams.publisher import Message, publish
from streams.system import end_with_parent
from streams.topics import Provisioner

CHANGES = 200
PAUSE_SECONDS = 0.05  # between changes: the lane is idle when one comes


def measure(bootstrap: str, folder: Path) -> dict[str, float]:
    """Milliseconds of the median, the 99th percentile and the longest."""
    name = f"delay{int(time.time())}"
    settings = Settings(
        bootstrap=bootstrap,
        topic_prefix=f"{name}.",
        group=name,
        partitions=4,
        keyring=str(folder / "keys.json"),
        state_dir=str(folder / "state"),
        web_port=broker.free_ports(1)[0],
    )
    provisioner = Provisioner(settings)
    provisioner.apply(provisioner.plan())
    provisioner.close()
    path = Path(settings.keyring)
    Keyring.create(path, RootKey.create_file(root_path(path))).add_tenant("acme")
    publish([Message(b'{"tenant":"acme","status":"active"}', b"acme")], settings.named.contracts, settings)
    with _worker(settings, folder):
        delays = sorted(_delays(settings))
    return {
        "changes": len(delays),
        "median_ms": delays[len(delays) // 2] * 1000,
        "p99_ms": delays[int(len(delays) * 0.99)] * 1000,
        "longest_ms": delays[-1] * 1000,
    }


def _delays(settings: Settings) -> Iterator[float]:
    """Seconds from each change's publishing to its first token, one after the other."""
    consumer = Consumer(
        settings.client(
            group_id="delay", isolation_level="read_committed", fetch_wait_max_ms=5, enable_auto_commit=False
        )
    )
    topic = settings.named.revocations
    consumer.assign([TopicPartition(topic, each, OFFSET_BEGINNING) for each in range(settings.partitions)])
    producer = Producer(settings.client(linger_ms=0, partitioner="murmur2_random"))
    for number in range(CHANGES):
        time.sleep(PAUSE_SECONDS)
        contact = f"c-{number}"
        started = time.perf_counter()
        producer.produce(settings.named.contact_changes, _left(contact), f"acme|{contact}".encode())
        producer.flush(10)
        yield _until_told(consumer, contact) - started
    consumer.close()


def _until_told(consumer: Consumer, contact: str) -> float:
    """When the first token about a contact was read."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        message = consumer.poll(0.5)
        if message is not None and message.error() is None and message.key() == f"acme|{contact}".encode():
            return time.perf_counter()
    raise TimeoutError("no token came")


def _left(contact: str) -> bytes:
    data = {"tenant": "acme", "contact_id": contact, "effective": datetime.now(UTC).isoformat()}
    event = {"specversion": "1.0", "id": contact, "source": "/bench", "type": "rmm.contact.left", "data": data}
    return orjson.dumps(event)


@contextmanager
def _worker(settings: Settings, folder: Path) -> Iterator[None]:
    names = ("bootstrap", "topic_prefix", "group", "partitions", "keyring", "state_dir", "web_port")
    environment = {f"RMM_SCRUB_{name.upper()}": str(getattr(settings, name)) for name in names}
    with (folder / "worker.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "streams.cli", "worker"],
            env={**os.environ, **environment},
            stdout=log,
            stderr=log,
            preexec_fn=end_with_parent,  # noqa: PLW1509 - one call into the kernel
        )
    try:
        group = Group(settings, "contacts", settings.named.contact_changes)
        deadline = time.monotonic() + 60
        while len(group.readers()) < settings.partitions:
            if time.monotonic() > deadline:
                raise TimeoutError("the worker did not come up")
            time.sleep(0.2)
        yield
    finally:
        process.terminate()
        process.wait(60)
