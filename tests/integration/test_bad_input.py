"""Every quarantine reason: the bad record is sealed with it, all around it is scrubbed, no log quotes it."""

import pytest

from scrubbers.records import QuarantineReason
from streams.publisher import Message
from streams.quarantine import original, read_entry
from tests.conftest import Pipeline, header, record

pytestmark = pytest.mark.integration

SECRET = "zephyr-9931"  # stands in every bad record, and must be in no log line and no header
JSON = {"content_type": b"application/json"}
EVENT = b'{"host":{"name":"%s"},"n":1' % SECRET.encode()

BAD: dict[QuarantineReason, Message] = {
    QuarantineReason.MALFORMED_JSON: record(EVENT, **JSON),
    QuarantineReason.NOT_UTF8: record(EVENT + b',"m":"\xff"}', **JSON),
    QuarantineReason.TOO_LARGE: record(EVENT + b',"m":"' + b"a" * 1_000_001 + b'"}', **JSON),
    QuarantineReason.TOO_DEEP: record(EVENT + b',"m":' + b"[" * 65 + b"]" * 65 + b"}", **JSON),
    QuarantineReason.MISSING_TENANT: record(EVENT + b"}", tenant=None, **JSON),
    QuarantineReason.UNKNOWN_TENANT: record(EVENT + b"}", tenant="stranger", **JSON),
    QuarantineReason.CONTRACT_ENDED: record(EVENT + b"}", tenant="ended", **JSON),
    QuarantineReason.SCHEMA_VIOLATION: record(
        EVENT + b',"specversion":"1.0"}', content_type=b"application/cloudevents+json"
    ),
    QuarantineReason.ALREADY_PSEUDONYMISED: record(EVENT + b"}", scrub_scheme=b"v1", **JSON),
    QuarantineReason.KEY_UNAVAILABLE: record(EVENT + b"}", tenant="keyless", **JSON),
}
# A rule that takes forever on one text: the text is refused, and the worker goes on.
SLOW_RULES = """
name: slow
version: "1"
recognizers:
  - name: slow
    supported_entity: COMPUTER_NAME
    patterns: [{name: backtracks, regex: '(?:a|aa)+$', score: 0.5}]
fields:
  - {name: hosts, type: COMPUTER_NAME, learn: true, paths: ["**.host.name"]}
"""


def test_each_reason_is_sealed_with_everything_around_it_scrubbed(pipeline: Pipeline) -> None:
    """Good, bad, good: two scrubbed and one sealed record for each reason."""
    pipeline.tenants("acme")
    pipeline.tenants("ended", status="ended")
    pipeline.tenants("keyless", keys=False)
    good = record(b'{"host":{"name":"good-01"}}', key=b"good", **JSON)
    batch = [each for bad in BAD.values() for each in (good, bad)] + [good]

    with pipeline.workers():
        pipeline.send("raw", batch)
        pipeline.until(pipeline.drained)

    sealed = pipeline.read("quarantine")
    reasons = sorted(read_entry(read.headers).reason for read in sealed)
    assert reasons == sorted(BAD)
    assert len(pipeline.read("scrubbed")) == len(BAD) + 1
    key = pipeline.keyring.quarantine_key()
    assert {original(read.value, key).value for read in sealed} == {bad.value for bad in BAD.values()}
    assert all(SECRET.encode() not in read.value for read in sealed)
    assert all(SECRET not in f"{read.headers}" for read in sealed)
    assert SECRET not in pipeline.log.read_text()


def test_a_rule_that_does_not_end_quarantines_the_text_and_not_the_worker(make_pipeline, tmp_path) -> None:
    """Catastrophic backtracking is cut off; the record is quarantined, the others are scrubbed."""
    rules = tmp_path / "slow.yaml"
    rules.write_text(SLOW_RULES)
    pipeline = make_pipeline(rules=str(rules))
    pipeline.tenants("acme")
    bad = record(b'{"host":{"name":"h-1"},"m":"%s"}' % (b"a" * 60 + b"!" + SECRET.encode()), **JSON)

    with pipeline.workers():
        pipeline.send("raw", [record(b'{"host":{"name":"h-1"}}', **JSON), bad, record(b'{"x":"h-1"}', **JSON)])
        pipeline.until(pipeline.drained)

    [sealed] = pipeline.read("quarantine")
    assert header(sealed, "__rmm-scrub.errors.reason") == "rule_failure"
    assert header(sealed, "__rmm-scrub.errors.tenant") == "acme"
    assert len(pipeline.read("scrubbed")) == 2
    assert SECRET not in pipeline.log.read_text()


def test_quarantine_says_where_a_record_came_from_and_no_more(pipeline: Pipeline) -> None:
    """Headers are the ones of the contract; an unknown tenant is an input value and not among them."""
    pipeline.tenants("acme")

    with pipeline.workers():
        pipeline.send("raw", [BAD[QuarantineReason.UNKNOWN_TENANT]])
        pipeline.until(pipeline.drained)

    [sealed] = pipeline.read("quarantine")
    names = {name.removeprefix("__rmm-scrub.errors.") for name, _ in sealed.headers}
    assert names == {"reason", "stage", "topic", "partition", "offset", "timestamp", "attempts"}
    assert sealed.key is None
    assert header(sealed, "__rmm-scrub.errors.topic") == pipeline.settings.named.raw
