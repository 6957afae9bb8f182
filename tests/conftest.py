"""One Kafka for the whole run; tests keep apart by topic prefix and group."""

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import hypothesis
import msgspec
import orjson
import pytest

from scrubbers.keyring import Keyring
from scrubbers.rootkey import RootKey, root_path
from streams import broker as embedded
from streams.config import Settings
from streams.groups import Group
from streams.publisher import Message, publish
from streams.reader import Read, read_topic
from streams.system import end_with_parent
from streams.topics import Provisioner

hypothesis.settings.register_profile("untimed", deadline=None)  # a busy machine is no failure
hypothesis.settings.load_profile("untimed")

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data and vectors, which is beside the checkout and not in it."""
    if not SHARED.is_dir():
        pytest.skip("../shared is absent: real data and published vectors are not part of the project")
    return SHARED


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[embedded.Broker]:
    """The embedded Kafka of this run."""
    with embedded.start(tmp_path_factory.mktemp("kafka")) as running:
        yield running


class Pipeline:
    """Topics, keys and workers of one test."""

    def __init__(self, bootstrap: str, folder: Path, **options: object) -> None:
        base = {**self.names(), "partitions": 4}
        self.folder = folder
        self.settings = Settings(
            bootstrap=bootstrap,
            keyring=str(folder / "keys.json"),
            state_dir=str(folder / "state"),
            **{**base, **options},
        )
        provisioner = Provisioner(self.settings)
        provisioner.apply(provisioner.plan())
        provisioner.close()
        path = Path(self.settings.keyring)
        self.keyring = Keyring.create(path, RootKey.create_file(root_path(path)))
        self.log = folder / "worker.log"

    @staticmethod
    def names() -> dict[str, object]:
        """The settings that keep a test apart from the others on the same Kafka."""
        name = f"t{uuid.uuid4().hex[:8]}"
        return {"topic_prefix": f"{name}.", "group": name, "web_port": embedded.free_run(4)}

    def tenants(self, *names: str, status: str = "active", keys: bool = True) -> None:
        """Contracts, and keys, for tenants."""
        for name in names if keys else ():
            self.keyring.add_tenant(name)
        rows = [Message(orjson.dumps({"tenant": name, "status": status}), name.encode()) for name in names]
        self.send("contracts", rows)

    def send(self, topic: str, messages: Sequence[Message]) -> None:
        """Publish, confirmed."""
        delivery = publish(messages, getattr(self.settings.named, topic), self.settings)
        assert delivery.failures == []

    def read(self, topic: str) -> list[Read]:
        """Everything committed on a topic, by kafka-python."""
        return list(read_topic(self.settings, getattr(self.settings.named, topic)))

    def environment(self) -> dict[str, str]:
        """What tells a worker its settings."""
        names = (
            "bootstrap",
            "topic_prefix",
            "group",
            "partitions",
            "keyring",
            "state_dir",
            "web_port",
            "rules",
            "policy",
            "canary_seconds",
        )
        own = {f"RMM_SCRUB_{name.upper()}": str(getattr(self.settings, name)) for name in names}
        access = {name: value for name, value in msgspec.structs.asdict(self.settings.access).items() if value}
        own |= {f"RMM_SCRUB_ACCESS_{name.upper()}": str(value) for name, value in access.items()}
        return {**os.environ, **own}

    @contextmanager
    def workers(self, processes: int = 1) -> "Iterator[subprocess.Popen[bytes]]":
        """`rmm-scrub worker`, ready when this yields, stopped afterwards."""
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "streams.cli", "worker", "--processes", str(processes)],
                env=self.environment(),
                stdout=log,
                stderr=log,
                preexec_fn=end_with_parent,
            )
        try:
            self.until(lambda: self.workers_at_work() == processes)
            yield process
        finally:
            process.terminate()
            process.wait(60)

    def workers_at_work(self) -> int:
        """How many workers hold partitions, once all partitions are given out in all groups."""
        shares = [group.readers() for group in (*self._groups(), self._auditor)]
        complete = all(len(share) == self.settings.partitions for share in shares)
        return len(set(shares[0].values())) if complete else 0

    def drained(self) -> bool:
        """Whether all input of both lanes is committed."""
        return all(group.lag() == 0 for group in self._groups())

    def until(self, holds: Callable[[], bool], seconds: float = 90.0) -> None:
        """Wait for something that the pipeline will do; fails with what the workers said."""
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, self.log.read_text()[-3000:] if self.log.exists() else "no worker"
            time.sleep(0.1)

    def reconnect(self) -> None:
        """Forget connections to a broker that was killed."""
        del self._both

    def _groups(self) -> tuple[Group, Group]:
        if not hasattr(self, "_both"):
            named = self.settings.named
            self._both = (
                Group(self.settings, "scrub", named.raw),
                Group(self.settings, "contacts", named.contact_changes),
            )
            self._auditor = Group(self.settings, "auditor", named.scrubbed)
        return self._both


@pytest.fixture
def pipeline(kafka: embedded.Broker, tmp_path: Path) -> Pipeline:
    """A pipeline of this test's own, without workers yet."""
    return Pipeline(kafka.bootstrap, tmp_path)


@pytest.fixture
def make_pipeline(kafka: embedded.Broker, tmp_path: Path) -> Callable[..., Pipeline]:
    """Make pipelines with other settings."""
    return lambda **options: Pipeline(kafka.bootstrap, tmp_path, **options)


def record(value: bytes, *, tenant: str | None = "acme", key: bytes | None = None, **headers: bytes) -> Message:
    """A record as an agent sends it; in header names `_` stands for `-`, but in CloudEvents' `ce_…`."""
    named = [("tenant", tenant.encode())] if tenant else []
    spelled = {name if name.startswith("ce_") else name.replace("_", "-"): each for name, each in headers.items()}
    return Message(value, key, [*named, *spelled.items()])


def header(read: Read, name: str) -> str | None:
    """A header's text."""
    return next((value.decode() for key, value in read.headers if key == name), None)


__all__ = ["Pipeline", "header", "record"]
