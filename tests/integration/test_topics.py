"""Topics, ACLs and publishing against the broker."""

import time

import orjson
import pytest
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.partitioner.default import murmur2

from schemas.errors import UserError
from streams.cli import main
from streams.config import Settings
from streams.reader import read_topic
from streams.topics import SETTLE_SECONDS, TOPICS, Kind, Provisioner
from tests.conftest import Pipeline

pytestmark = pytest.mark.integration


def test_an_applied_plan_leaves_nothing_to_do(kafka, tmp_path) -> None:
    """All topics are planned, created, and then as planned; ACLs too."""
    settings = Settings(bootstrap=kafka.bootstrap, topic_prefix=f"{tmp_path.name}.", partitions=2, group="g")
    provisioner = Provisioner(settings)
    before = provisioner.plan(acls=True)
    provisioner.apply(before, acls=True)

    assert [step.kind for step in before][: len(TOPICS)] == [Kind.CREATE] * len(TOPICS)
    assert any("agent may WRITE" in step.what for step in before)
    assert {f"scrubber may {what} TOPIC {settings.named.audit}" for what in ("READ", "WRITE")} <= {
        step.what for step in before
    }
    assert provisioner.plan(acls=True) == []
    provisioner.close()


def test_a_changed_configuration_and_missing_partitions_are_mended(kafka, tmp_path) -> None:
    """A drifted topic is named with what it is and what it shall be, and mended."""
    small = Settings(bootstrap=kafka.bootstrap, topic_prefix=f"{tmp_path.name}.", partitions=1)
    provisioner = Provisioner(small)
    provisioner.apply(provisioner.plan())
    client = KafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, small.named.raw, configs={"retention.ms": "1000"})])
    client.close()
    wide = Provisioner(Settings(bootstrap=kafka.bootstrap, topic_prefix=f"{tmp_path.name}.", partitions=3))
    deadline = time.monotonic() + SETTLE_SECONDS  # a broker shows a change a moment after it took it
    steps = wide.plan()
    while Kind.CONFIG not in {step.kind for step in steps} and time.monotonic() < deadline:
        time.sleep(0.1)
        steps = wide.plan()
    wide.apply(steps)

    assert {step.kind for step in steps} == {Kind.PARTITIONS, Kind.CONFIG}
    assert [(step.now, step.wanted) for step in steps if step.kind is Kind.CONFIG] == [("1000", "86400000")]
    assert wide.plan() == []


def test_no_broker_is_one_line_and_a_hint(monkeypatch, capsys) -> None:
    """Nothing listens: exit 1, no traceback."""
    monkeypatch.setenv("RMM_SCRUB_BOOTSTRAP", "127.0.0.1:1")

    assert main(["topics", "plan"]) == 1
    assert capsys.readouterr().err.startswith("rmm-scrub: error: no Kafka answers at 127.0.0.1:1")


def test_publish_confirms_each_line_and_keys_by_a_path(pipeline: Pipeline, monkeypatch, tmp_path, capsysbinary) -> None:
    """NDJSON lines become records with tenant and content type; keys choose partitions by murmur2."""
    for name, value in pipeline.environment().items():
        monkeypatch.setenv(name, value)
    lines = [orjson.dumps({"host": {"name": f"h-{n}"}}) for n in range(30)]
    file = tmp_path / "events.ndjson"
    file.write_bytes(b"\n".join(lines) + b"\n\n")

    assert main(["publish", str(file), "--tenant", "acme", "--key-path", "host.name", "--header", "x=1", "--json"]) == 0

    assert orjson.loads(capsysbinary.readouterr().out) == {"delivered": 30, "failed": 0}
    reads = pipeline.read("raw")
    assert sorted(read.value for read in reads) == sorted(lines)
    assert {tuple(read.headers) for read in reads} == {
        (("tenant", b"acme"), ("content-type", b"application/json"), ("x", b"1"))
    }
    assert all(read.partition == (murmur2(read.key) & 0x7FFFFFFF) % 4 for read in reads)


def test_a_missing_topic_is_named(kafka) -> None:
    """Reading a topic that is not there says which."""
    with pytest.raises(UserError, match="there is no topic nowhere"):
        list(read_topic(Settings(bootstrap=kafka.bootstrap), "nowhere"))
