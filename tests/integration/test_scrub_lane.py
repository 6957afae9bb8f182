"""The scrub lane on a real broker, read back with kafka-python."""

import base64

import orjson
import pytest

from scrubbers.entities import EntityType
from scrubbers.pseudonyms import Pseudonymiser
from streams.inventory import Row, messages
from streams.publisher import Message
from tests.conftest import Pipeline, header, record

pytestmark = pytest.mark.integration

JSON = {"content_type": b"application/json"}


def computer(pipeline: Pipeline, name: str, tenant: str = "acme") -> str:
    """The pseudonym that a name must have."""
    return Pseudonymiser(pipeline.keyring.tenant(tenant)).replace(EntityType.COMPUTER_NAME, name)


def test_every_format_comes_out_in_its_own_form_without_the_name(pipeline: Pipeline) -> None:
    """JSON, arrays, CloudEvents in both modes, OTLP and text lines: same bytes but for the name."""
    pipeline.tenants("acme")
    name = b"NAUTILUS-7"
    ce = {"ce_specversion": b"1.0", "ce_id": b"1", "ce_type": b"t", "ce_source": b"/agents/NAUTILUS-7"}
    values = [
        (b'{ "n": 1.00, "host": {"name": "NAUTILUS-7"}, "m": "caf\\u00e9 on NAUTILUS-7\\/x" }', JSON),
        (b'[{"hostname":"NAUTILUS-7"},[1e5,"nautilus-7"]]', {}),
        (
            b'{"specversion":"1.0","id":"1","type":"t","source":"/NAUTILUS-7","data":{"hostname":"NAUTILUS-7"}}',
            {"content_type": b"application/cloudevents+json; charset=utf-8"},
        ),
        (b'{"hostname":"NAUTILUS-7"}', {**JSON, **ce}),
        (
            b'{"resourceLogs":[{"resource":{"attributes":[{"key":"host.name","value":{"stringValue":"NAUTILUS-7"}}]}}]}',
            JSON,
        ),
        (b"<13>Oct 11 22:14:15 NAUTILUS-7 sshd[1]: up\n", {}),
    ]

    with pipeline.workers():
        pipeline.send("raw", [record(value, **headers) for value, headers in values])
        pipeline.until(pipeline.drained)

    pseudonym = computer(pipeline, "NAUTILUS-7").encode()
    wanted = {value.replace(name, pseudonym).replace(name.lower(), pseudonym) for value, _ in values}
    scrubbed = pipeline.read("scrubbed")
    assert {read.value for read in scrubbed} == wanted
    assert pipeline.read("quarantine") == []


def test_keys_headers_nested_json_and_base64_are_scrubbed(pipeline: Pipeline) -> None:
    """A name is taken out of JSON keys, JSON in strings, CloudEvents' base64, the Kafka key and headers."""
    pipeline.tenants("acme")
    inner = orjson.dumps({"deep": orjson.dumps({"on": "PETREL-3"}).decode()}).decode()
    event = {
        "specversion": "1.0",
        "id": "1",
        "type": "t",
        "source": "/x",
        "hostname": "PETREL-3",
        "PETREL-3": {"list": inner},
        "data_base64": base64.b64encode(b"disk full on petrel-3").decode(),
    }
    message = record(
        orjson.dumps(event), key=b"PETREL-3", content_type=b"application/cloudevents+json", x_agent=b"petrel-3.local"
    )

    with pipeline.workers():
        pipeline.send("raw", [message])
        pipeline.until(pipeline.drained)

    [read] = pipeline.read("scrubbed")
    pseudonym = computer(pipeline, "PETREL-3")
    scrubbed = orjson.loads(read.value)
    assert read.key == pseudonym.encode()
    assert header(read, "x-agent").startswith(pseudonym)
    assert scrubbed["hostname"] == pseudonym
    assert orjson.loads(orjson.loads(scrubbed[pseudonym]["list"])["deep"]) == {"on": pseudonym}
    assert base64.b64decode(scrubbed["data_base64"]) == f"disk full on {pseudonym}".encode()


def test_outputs_say_how_they_were_scrubbed(pipeline: Pipeline) -> None:
    """Rule set, domain, scheme and counts in headers; trace context, tenant and timestamp as they came."""
    pipeline.tenants("acme")
    trace = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    with pipeline.workers():
        pipeline.send("raw", [record(b'{"host":{"name":"OSPREY-1","ip":"10.9.8.7"}}', traceparent=trace, **JSON)])
        pipeline.until(pipeline.drained)

    [raw], [read] = pipeline.read("raw"), pipeline.read("scrubbed")
    assert header(read, "traceparent").encode() == trace
    assert header(read, "tenant") == "acme"
    assert header(read, "scrub-ruleset").startswith("rmm-default@")
    assert header(read, "scrub-domain") == "acme/k01"
    assert header(read, "scrub-scheme") == "v1"
    assert orjson.loads(header(read, "scrub-findings")) == {"COMPUTER_NAME": 1, "IP_ADDRESS": 1}
    assert read.timestamp == raw.timestamp
    assert read.key is None


def test_a_name_learned_on_one_worker_is_found_by_the_other(pipeline: Pipeline) -> None:
    """Learned from a field on one partition, replaced in bare text on every partition later on."""
    pipeline.tenants("acme")
    with pipeline.workers(2):
        pipeline.send("raw", [record(b'{"host":{"name":"curlew"}}', key=b"10.0.0.1", **JSON)])
        pipeline.until(lambda: len(pipeline.read("known_entities")) == 1)
        pipeline.until(pipeline.drained)
        texts = [record(b'{"m":"disk full on CURLEW"}', key=b"%d" % number, **JSON) for number in range(40)]
        pipeline.send("raw", texts)
        pipeline.until(pipeline.drained)

    later = [read for read in pipeline.read("scrubbed") if b"disk full" in read.value]
    assert len({read.partition for read in later}) == 4
    assert {read.value for read in later} == {b'{"m":"disk full on %s"}' % computer(pipeline, "curlew").encode()}


def test_an_imported_inventory_is_known_to_running_workers(pipeline: Pipeline) -> None:
    """A name that no field ever carried is replaced, for its own tenant only."""
    pipeline.tenants("acme", "borealis")
    with pipeline.workers():
        pipeline.send("known_entities", list(messages([Row("whimbrel")], "acme", pipeline.keyring)))
        pipeline.until(lambda: len(pipeline.read("known_entities")) == 1)
        text = b'{"m":"\\\\whimbrel is down"}'
        probe = record(b'{"m":"whimbrel"}', **JSON)
        pipeline.send("raw", [probe])
        pipeline.until(pipeline.drained)
        pipeline.send("raw", [record(text, **JSON), record(text, tenant="borealis", **JSON)])
        pipeline.until(pipeline.drained)

    outputs = {header(read, "tenant"): read.value for read in pipeline.read("scrubbed") if b"down" in read.value}
    assert b"whimbrel" not in outputs["acme"]
    assert outputs["borealis"] == text


def test_order_per_device_is_kept_and_keyless_records_keep_their_partition(pipeline: Pipeline) -> None:
    """2,000 records of 20 devices: each device's come out in one partition, in order."""
    pipeline.tenants("acme")
    batch = [record(b'{"n":%d}' % number, key=b"dev-%d" % (number % 20), **JSON) for number in range(2_000)]
    batch += [record(b'{"n":%d}' % number, **JSON) for number in range(2_000, 2_100)]
    with pipeline.workers(2):
        pipeline.send("raw", batch)
        pipeline.until(pipeline.drained)

    places: dict[bytes | None, list[tuple[int, int]]] = {}
    for read in pipeline.read("scrubbed"):
        places.setdefault(read.key, []).append((read.partition, orjson.loads(read.value)["n"]))
    keyless = places.pop(None)
    assert len(places) == 20
    assert all(len({partition for partition, _ in found}) == 1 for found in places.values())
    assert all(found == sorted(found) for found in places.values())
    raw = {orjson.loads(read.value)["n"]: read.partition for read in pipeline.read("raw")}
    assert all(raw[number] == partition for partition, number in keyless)


def test_rotation_opens_a_new_domain_without_a_restart(pipeline: Pipeline) -> None:
    """Workers take a new key epoch within five seconds; shredded keys send the tenant to quarantine."""
    pipeline.tenants("acme")
    event = record(b'{"host":{"name":"SISKIN-1"}}', **JSON)
    with pipeline.workers():
        pipeline.send("raw", [event])
        pipeline.until(pipeline.drained)
        pipeline.keyring.rotate("acme")
        pipeline.until(lambda: "acme/k02" in domains_after(pipeline, event), 20)
        pipeline.keyring.shred("acme")
        pipeline.until(lambda: domains_after(pipeline, event) and pipeline.read("quarantine") != [], 20)

    names = {
        header(read, "scrub-domain"): orjson.loads(read.value)["host"]["name"] for read in pipeline.read("scrubbed")
    }
    assert set(names) == {"acme/k01", "acme/k02"}
    assert names["acme/k01"] != names["acme/k02"]
    assert {header(read, "__rmm-scrub.errors.reason") for read in pipeline.read("quarantine")} == {"key_unavailable"}


def domains_after(pipeline: Pipeline, event: Message) -> set[str | None]:
    """The domains seen so far, after one more event."""
    pipeline.send("raw", [event])
    return {header(read, "scrub-domain") for read in pipeline.read("scrubbed")}
