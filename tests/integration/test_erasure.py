"""What a contact's leaving takes away: the values from every table and log, the way back, and not the scrubbing."""

import time
from datetime import timedelta
from pathlib import Path

import orjson
import pytest
from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType

import schemas
from scrubbers import rules
from scrubbers.compiled import CompiledRules
from scrubbers.keyring import Keyring
from scrubbers.reverse import reverse
from scrubbers.rootkey import RootKey, root_path
from streams import broker as embedded
from streams.cli import main
from streams.known_names import known_of
from streams.publisher import Message
from tests.conftest import Pipeline, header, record
from tests.integration.test_contact_lane import NOW, change

pytestmark = pytest.mark.integration

NAMES = {"given": "Wilhelmina", "particle": "van der", "family": "Zonneveld"}
VALUES = (b"zonneveld", b"31687654321", b"0687654321", b"w.zonneveld@acme.example")
TEXT = "W. van der ZONNEVELD (06-87654321, w.zonneveld@acme.example) reports: printer is on fire"


def configure(pipeline: Pipeline, **configs: str) -> None:
    """Set the configuration of every topic of the pipeline; `_` stands for `.`."""
    admin = KafkaAdminClient(bootstrap_servers=pipeline.settings.bootstrap)
    named = {name.replace("_", "."): value for name, value in configs.items()}
    topics = [getattr(pipeline.settings.named, field) for field in pipeline.settings.named.__struct_fields__]
    admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs=named) for topic in topics])
    admin.close()


def delete_read(pipeline: Pipeline, *fields: str) -> None:
    """What retention does to the topics that are deleted, at once."""
    admin = KafkaAdminClient(bootstrap_servers=pipeline.settings.bootstrap)
    topics = [getattr(pipeline.settings.named, field) for field in fields]
    places = [TopicPartition(topic, each) for topic in topics for each in range(pipeline.settings.partitions)]
    admin.delete_records(dict.fromkeys(places, -1))
    admin.close()


def holding(pipeline: Pipeline, broker: embedded.Broker) -> list[str]:
    """Topics in whose log segments one of the values stands."""
    found = set()
    for segment in Path(broker.folder).rglob("*.log*"):  # also what is renamed and waits to be deleted
        topic = segment.parent.name.rpartition("-")[0]
        if topic.startswith(pipeline.settings.group):  # the prefix of its topics, Faust's own among them
            found |= {topic} if any(value in content(segment) for value in VALUES) else set()
    return sorted(found)


def kept(pipeline: Pipeline) -> list[str]:
    """Files beside Kafka in which one of the values stands: the workers' state directory, their log, the keyring."""
    files = [each for each in pipeline.folder.rglob("*") if each.is_file()]
    assert {"worker.log", "keys.json"} <= {each.name for each in files}
    return [each.name for each in files if any(value in content(each) for value in VALUES)]


def close_segments(pipeline: Pipeline, number: int) -> None:
    """A record in each partition of what is compacted or deleted."""
    pipeline.send("raw", [record(b'{"n":1}', key=b"%d" % each) for each in range(64)])
    pipeline.send("known_entities", [Message(None, b"filler %d" % each) for each in range(64)])
    pipeline.send("contact_changes", [change("contact.left", f"f{number}-{each}", 1_000 + each) for each in range(64)])


def content(segment: Path) -> bytes:
    """A log segment's bytes; none if it was deleted just now."""
    try:
        return segment.read_bytes().lower()
    except FileNotFoundError:
        return b""


def scrubbed_text(pipeline: Pipeline, number: str) -> str:
    """The text of an event as it came out."""
    [read] = [each for each in pipeline.read("scrubbed") if header(each, "x-seq") == number]
    return str(orjson.loads(read.value or b"")["message"])


def test_a_contact_who_left_is_in_no_log_and_no_table_and_is_still_scrubbed(
    kafka: embedded.Broker, pipeline: Pipeline
) -> None:
    """Uncompressed segments are searched, after compaction was forced."""
    configure(pipeline, compression_type="uncompressed")
    pipeline.tenants("acme")
    event = orjson.dumps({"message": TEXT})
    with pipeline.workers(2):
        known = change(
            "contact.updated", "c1", 1, names=NAMES, email="w.zonneveld@acme.example", phone="+31 6 87654321"
        )
        pipeline.send("contact_changes", [known])
        pipeline.until(lambda: len(known_of(pipeline.settings, "acme")) > 5)
        time.sleep(0.5)
        pipeline.send("raw", [record(event, x_seq=b"before")])
        pipeline.until(pipeline.drained)
        held_before = holding(pipeline, kafka)
        rows = [orjson.loads(read.value) for read in pipeline.read("known_entities")]
        pipeline.send("contact_changes", [change("contact.left", "c1", 2, at=NOW + timedelta(milliseconds=1))])
        pipeline.until(lambda: known_of(pipeline.settings, "acme") == [])
        time.sleep(0.5)
        pipeline.send("raw", [record(event, x_seq=b"after")])
        pipeline.until(pipeline.drained)
        configure(
            pipeline,
            compression_type="uncompressed",
            segment_ms="100",
            min_cleanable_dirty_ratio="0.001",
            max_compaction_lag_ms="100",
            delete_retention_ms="100",
            file_delete_delay_ms="0",
        )
        delete_read(pipeline, "raw", "contact_changes")
        # Only closed segments are compacted: a record in each partition closes the one before.
        for number in range(2):
            close_segments(pipeline, number)
            time.sleep(0.5)
        pipeline.until(lambda: holding(pipeline, kafka) == [], 120)
    suppressed = [orjson.loads(read.value) for read in pipeline.read("known_entities") if read.value]
    before, after = scrubbed_text(pipeline, "before"), scrubbed_text(pipeline, "after")
    turned = reverse(
        after, pipeline.keyring.tenant("acme"), known_of(pipeline.settings, "acme"), CompiledRules(rules.load())
    )

    named = pipeline.settings.named
    assert [each for row in rows + suppressed for each in schemas.check("known-entity", row)] == []
    assert {named.raw, named.contact_changes, named.contact_state, named.known_entities} <= set(held_before)
    assert kept(pipeline) == []
    assert before == after
    assert not any(value in before.lower().encode() for value in VALUES)
    assert before.startswith("person-")
    assert "zonneveld" not in turned.text.lower()


def test_a_name_that_a_contact_no_longer_has_is_forgotten_and_still_scrubbed(pipeline: Pipeline) -> None:
    """Married, say: the old name's values go at once, the person's new one is known."""
    pipeline.tenants("acme")
    later = NOW + timedelta(milliseconds=1)
    with pipeline.workers():
        pipeline.send("contact_changes", [change("contact.updated", "c1", 1, names={"full": "Anna Oudenaam"})])
        pipeline.send(
            "contact_changes", [change("contact.updated", "c1", 2, at=later, names={"full": "Anna Nieuwenaam"})]
        )
        pipeline.until(lambda: any("nieuwenaam" in each.value for each in known_of(pipeline.settings, "acme")))
        time.sleep(0.5)
        pipeline.send("raw", [record(b'{"message":"Oudenaam, A. and Anna Nieuwenaam"}', x_seq=b"1")])
        pipeline.until(pipeline.drained)
    values = [each.value for each in known_of(pipeline.settings, "acme")]

    assert [each for each in values if "oudenaam" in each] == []
    assert "naam" not in scrubbed_text(pipeline, "1").lower()


def test_an_erasure_report_says_what_went_and_when_without_the_data(
    pipeline: Pipeline, monkeypatch, capsysbinary
) -> None:
    """Exit 1 before the contact left; afterwards where it was, and when the last copy goes."""
    for name, value in pipeline.environment().items():
        monkeypatch.setenv(name, value)
    pipeline.tenants("acme")
    report = ["contacts", "erasure-report", "acme", "c1", "--json"]
    with pipeline.workers():
        pipeline.send("contact_changes", [change("contact.updated", "c1", 1, names=NAMES, phone="+31 6 87654321")])
        pipeline.until(pipeline.drained)
        assert main(report) == 1
        before = orjson.loads(capsysbinary.readouterr().out)
        pipeline.send("contact_changes", [change("contact.left", "c1", 2, at=NOW + timedelta(milliseconds=1))])
        pipeline.until(pipeline.drained)
        assert main(report) == 0
    out = capsysbinary.readouterr().out
    after = orjson.loads(out)
    state = next(each for each in after["places"] if each["topic"] == pipeline.settings.named.contact_state)

    assert (before["erased"], after["erased"]) == (False, True)
    assert state["records"] == 1
    assert all(each["gone_by"] > after["erased_at"] for each in after["places"])
    assert not any(value in out.lower() for value in VALUES)


def test_with_an_erased_contract_everything_known_of_the_tenant_goes(make_pipeline, tmp_path) -> None:
    """Computers' names as well as contacts'; another tenant's stay."""
    policy = tmp_path / "policy.yaml"
    policy.write_text("version: 1\ndefault:\n  grace_days: 0\n  roles: {viewer: [devices:read]}\n")
    pipeline = make_pipeline(policy=str(policy))
    pipeline.tenants("acme", "borealis")
    with pipeline.workers(2):
        pipeline.send("contact_changes", [change("contact.updated", "c1", 1, names=NAMES)])
        pipeline.send("raw", [record(b'{"hostname":"UTICA-7"}'), record(b'{"hostname":"UTICA-7"}', tenant="borealis")])
        pipeline.until(lambda: len(known_of(pipeline.settings, "acme")) > 5 and known_of(pipeline.settings, "borealis"))
        pipeline.until(lambda: any(each.value == "utica-7" for each in known_of(pipeline.settings, "acme")))
        time.sleep(1.0)
        pipeline.send("contact_changes", [change("contract.ended", "", 2)])
        pipeline.until(lambda: known_of(pipeline.settings, "acme") == [])
        path = Path(pipeline.settings.keyring)
        pipeline.until(lambda: Keyring.open(path, RootKey.from_file(root_path(path))).tenants() == ["borealis"])

    assert [each.value for each in known_of(pipeline.settings, "borealis")] == ["utica-7"]
