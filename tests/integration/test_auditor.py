"""The auditor on a real broker: what is left in the scrubbed topic is told once, and never quoted."""

from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

import schemas
from scrubbers import rules
from scrubbers.canaries import TENANT
from streams.groups import Group
from streams.inventory import Row, messages
from streams.publisher import Message
from streams.reader import Read
from tests.conftest import Pipeline, header, record
from tests.integration.test_worker import get

pytestmark = pytest.mark.integration

SECRET = "TURNSTONE-4411"


def scrubbed(value: bytes, tenant: str = "acme", key: bytes | None = None, **headers: bytes) -> Message:
    """A record as the scrub lane writes it."""
    own = {"scrub_domain": f"{tenant}/k01".encode(), "scrub_scheme": b"v1", "scrub_ruleset": b"rmm-default@1"}
    return record(value, tenant=tenant, key=key, **own, **headers)


def knows(pipeline: Pipeline, name: str, tenant: str = "acme") -> None:
    """From now on the tenant is known to use the name."""
    pipeline.send("known_entities", list(messages([Row(name)], tenant, pipeline.keyring)))


def audited(pipeline: Pipeline) -> bool:
    """Whether all that was written to the scrubbed topic is searched; behind it may be transaction markers."""
    named = pipeline.settings.named.scrubbed
    group = Group(pipeline.settings, "auditor", named)
    committed = group._admin.list_group_offsets(group._name).get(group._name, {})
    group.close()
    done = {place.partition: found.offset for place, found in committed.items()}
    return pipeline.drained() and all(done.get(read.partition, 0) > read.offset for read in pipeline.read("scrubbed"))


def findings(pipeline: Pipeline) -> list[dict[str, object]]:
    """What was found, each checked against its schema."""
    found = [orjson.loads(read.value or b"") for read in pipeline.read("findings")]
    assert [schemas.check("finding", each) for each in found] == [[]] * len(found)
    return found


def told(pipeline: Pipeline) -> bytes:
    """Everything that a finding could have leaked the value to: findings, metrics, the workers' log."""
    reads: list[Read] = pipeline.read("findings")
    raw = [part for read in reads for part in (read.key or b"", read.value or b"", *(each for _, each in read.headers))]
    return b"\n".join([*raw, get(pipeline, "/metrics")[1], pipeline.log.read_bytes()]).lower()


def test_a_planted_leak_is_told_once_and_not_quoted(pipeline: Pipeline) -> None:
    """A known name in a value, a member's name, a header and base64: where it is and which type, no value."""
    pipeline.tenants("acme")
    knows(pipeline, SECRET)
    event = {"m": f"disk full on {SECRET}", SECRET: {"n": 1, "in": SECRET.lower()}}
    with pipeline.workers(2):
        pipeline.send("scrubbed", [scrubbed(orjson.dumps(event), x_agent=SECRET.encode())])
        pipeline.until(lambda: audited(pipeline) and pipeline.read("findings") != [])
        pipeline.until(
            lambda: b'rmm_scrub_leaks_total{how="known-entity",type="COMPUTER_NAME"}' in metrics_of_both(pipeline)
        )
        everything = told(pipeline)

    found = findings(pipeline)
    places = {(each["part"], each.get("header"), each.get("pointer")) for each in found}
    assert places == {
        ("value", None, "/m"),
        ("value", None, "/<COMPUTER_NAME>"),
        ("value", None, "/<COMPUTER_NAME>/in"),
        ("header", "x-agent", None),
    }
    assert len(found) == 4
    assert {each["type"] for each in found} == {"COMPUTER_NAME"}
    assert {each["domain"] for each in found} == {"acme/k01"}
    assert {header(read, "kind") for read in pipeline.read("findings")} == {"leak"}
    assert SECRET.lower().encode() not in everything


def metrics_of_both(pipeline: Pipeline) -> bytes:
    """The metrics of two workers."""
    return get(pipeline, "/metrics")[1] + get(pipeline, "/metrics", 1)[1]


def test_a_restart_tells_nothing_twice(pipeline: Pipeline) -> None:
    """It goes on where it committed."""
    pipeline.tenants("acme")
    knows(pipeline, SECRET)
    pipeline.send("scrubbed", [scrubbed(b'{"m":"%s"}' % SECRET.encode())])
    with pipeline.workers():
        pipeline.until(lambda: audited(pipeline) and pipeline.read("findings") != [])
    with pipeline.workers():
        pipeline.send("scrubbed", [scrubbed(b'{"n":"%s"}' % SECRET.encode())])
        pipeline.until(lambda: audited(pipeline) and len(pipeline.read("findings")) > 1)

    assert sorted(str(each["pointer"]) for each in findings(pipeline)) == ["/m", "/n"]


def test_a_name_learned_later_is_found_in_what_has_passed(pipeline: Pipeline) -> None:
    """The event passes while nobody knows the name; a moment later it is learned."""
    pipeline.tenants("acme")
    with pipeline.workers():
        pipeline.send("raw", [record(b'{"m":"dunlin"}', content_type=b"application/json")])
        pipeline.until(lambda: audited(pipeline) and len(pipeline.read("scrubbed")) == 1)
        before = pipeline.read("findings")
        knows(pipeline, "dunlin")
        pipeline.until(lambda: pipeline.read("findings") != [], 30)
        knows(pipeline, "whimbrel")
        pipeline.send("raw", [record(b'{"m":"x"}', content_type=b"application/json")])
        pipeline.until(lambda: audited(pipeline) and len(pipeline.read("scrubbed")) == 2)

    [found] = findings(pipeline)
    assert before == []
    assert (found["pointer"], found["later"], found["offset"]) == ("/m", True, 0)


def test_real_events_leave_nothing_but_what_is_in_base64(pipeline: Pipeline, shared: Path) -> None:
    """1,500 real events, twice: the second time, when their names are known, there is no false alarm.

    The first time names are learned after events that held them had passed; a host in a mail's base64 stays.
    """
    pipeline.tenants("acme")
    lines = (shared / "data/events/events.ndjson").read_bytes().splitlines()[::4]
    with pipeline.workers():
        pipeline.send("raw", [record(line, content_type=b"application/json") for line in lines])
        pipeline.until(lambda: audited(pipeline) and len(pipeline.read("scrubbed")) == 1_500)
        pipeline.send("raw", [record(line, content_type=b"application/json", x_again=b"1") for line in lines])
        pipeline.until(lambda: audited(pipeline) and len(pipeline.read("scrubbed")) == 3_000)

    second = {(read.partition, read.offset) for read in pipeline.read("scrubbed") if header(read, "x-again")}
    told_of_them = [each for each in findings(pipeline) if (each["partition"], each["offset"]) in second]
    assert [each for each in told_of_them if "base64" not in each.get("inside", ())] == []
    assert len(second) == 1_500


def test_canaries_come_out_scrubbed_and_are_missed_otherwise(make_pipeline: Callable[..., Pipeline]) -> None:
    """The shipped rules take every canary out: nothing is told, and their age stays low."""
    pipeline = make_pipeline(canary_seconds=1.0)
    pipeline.tenants("acme", TENANT)
    with pipeline.workers(2):
        pipeline.until(lambda: len(pipeline.read("scrubbed")) >= 4)
        pipeline.until(lambda: b'{lane="auditor",outcome="clean"}' in metrics_of_both(pipeline))
        pipeline.until(lambda: b"rmm_scrub_canary_seen_seconds 0.0" not in get(pipeline, "/metrics")[1])
        metrics = metrics_of_both(pipeline)

    assert findings(pipeline) == []
    assert {header(read, "scrub-domain") for read in pipeline.read("scrubbed")} == {f"{TENANT}/k01"}
    assert b"rmm_scrub_canary_leaks_total 0.0" in metrics
    assert b"rmm_scrub_canary_leaks_total 1" not in metrics


def test_a_canary_that_comes_out_is_an_alarm(make_pipeline: Callable[..., Pipeline], tmp_path: Path) -> None:
    """A rule set that finds nothing lets canaries pass: found, counted, not quoted."""
    blind = tmp_path / "blind.yaml"
    blind.write_text("name: blind\nversion: '1'\n")
    pipeline = make_pipeline(canary_seconds=1.0, rules=str(blind))
    pipeline.tenants(TENANT)
    with pipeline.workers():
        pipeline.until(lambda: len(pipeline.read("findings")) > 0)
        pipeline.until(lambda: b"rmm_scrub_canary_leaks_total 0.0" not in get(pipeline, "/metrics")[1])
        everything = told(pipeline)

    found = findings(pipeline)
    assert rules.load(blind).identity == "blind@1"
    assert {each["how"] for each in found} >= {"canary"}
    assert {each["rule_set"] for each in found} == {"blind@1"}
    assert {"IP_ADDRESS", "COMPUTER_NAME", "MAC_ADDRESS", "EMAIL_ADDRESS"} <= {str(each["type"]) for each in found}
    assert b"rsc-" not in everything


def test_without_a_contract_no_canary_is_published(make_pipeline: Callable[..., Pipeline]) -> None:
    """A tenant without contract would only fill the quarantine."""
    pipeline = make_pipeline(canary_seconds=1.0)
    pipeline.tenants("acme")
    pipeline.keyring.add_tenant(TENANT)
    with pipeline.workers():
        pipeline.send("raw", [record(b'{"a":1}', content_type=b"application/json")])
        pipeline.until(lambda: audited(pipeline) and len(pipeline.read("scrubbed")) == 1)

    assert len(pipeline.read("raw")) == 1
    assert pipeline.read("quarantine") == []
