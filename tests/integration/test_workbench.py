"""The workbench on a real Kafka: publishing, rolling back, and sealed records, on the audit log."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from scrubbers.records import QuarantineReason, Record
from streams.audit import Action, AuditLog, Event, Result
from streams.publisher import Message
from streams.quarantine import entry, sealed
from streams.workbench.engine import Engine
from tests.conftest import Pipeline
from tests.streams.workbench.browsers import World
from tests.streams.workbench.desk import TILL, Desk, draft

pytestmark = pytest.mark.integration

BROKEN = TILL.replace('"till_1"]', '"«till_1»"]').replace('version: "1"', 'version: "2"')
REASON = "tills of acme"


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """The two processes, for all tests."""
    started = Engine()
    yield started
    started.close()


@pytest.fixture
def desk(pipeline: Pipeline, engine: Engine, tmp_path: Path) -> Iterator[Callable[..., Desk]]:
    """Makes workbenches of the pipeline."""
    world = World()
    keyring = Path(pipeline.settings.keyring)
    yield lambda **options: Desk(world, engine, tmp_path, settings=pipeline.settings, keyring=keyring, **options)
    world.close()


def log(pipeline: Pipeline) -> AuditLog:
    """The pipeline's audit log."""
    return AuditLog(pipeline.settings, pipeline.keyring.audit_key())


def publish(desk: Desk, rules: str = TILL, **options: Any) -> Any:
    """Publish a draft to everybody."""
    return desk.post("/api/deployment/publish", {"draft": draft(rules), "reason": REASON, "stage": "active", **options})


def quarantine(pipeline: Pipeline, value: bytes, tenant: str | None) -> None:
    """A record that could not be scrubbed."""
    settings = pipeline.settings
    record = Record(settings.named.raw, 0, 7, 1_700_000_000_000, None, value)
    why = entry(record, QuarantineReason.RULE_FAILURE, "scrub", tenant=tenant)
    found = sealed(record, why, settings.named.quarantine, pipeline.keyring.quarantine_key())
    pipeline.send("quarantine", [Message(found.value, None, found.headers)])


def grant(pipeline: Pipeline, purpose: str) -> None:
    """Alice may look at acme's records."""
    expires = (datetime.now(UTC) + timedelta(days=1)).isoformat(timespec="seconds")
    detail: dict[str, Any] = {"employee": "alice", "expires": expires}
    log(pipeline).append(Event("gus", Action.GRANT_ADD, Result.DONE, "acme", purpose, detail=detail))


def opened(desk: Desk, purpose: str = "") -> Any:
    """Open the newest sealed record."""
    newest = desk.get("/api/sealed").json["sealed"][0]
    return desk.post("/api/sealed/open", {"kind": newest["kind"], "place": newest["place"], "purpose": purpose})


def test_a_draft_is_published_and_rolled_back_in_the_name_of_who_did_it(
    pipeline: Pipeline, desk: Callable[..., Desk]
) -> None:
    """Active, in the history, on the audit log; then as before."""
    bench = desk(shared=True)

    published = publish(bench).json
    state = bench.get("/api/deployment").json["deployment"]
    back = bench.post("/api/deployment/rollback", {"reason": "takes uptimes for tills", "revision": 1}).json

    assert published["changed"]
    assert (state["active"], state["steps"][-1]["author"], state["steps"][-1]["reason"]) == (
        published["deployment"]["active"],
        "alice",
        REASON,
    )
    assert back["deployment"]["active"] == ""
    assert [(each.actor, each.action) for each in log(pipeline).entries()] == [
        ("alice", Action.RULES_PUBLISH),
        ("alice", Action.RULES_ROLLBACK),
    ]


def test_nobody_promotes_or_takes_away_what_they_have_not_seen(desk: Callable[..., Desk]) -> None:
    """A page that shows the deployment before the last change."""
    bench = desk()
    first = publish(bench, stage="shadow").json["deployment"]
    second = publish(bench, TILL.replace('version: "1"', 'version: "2"'), stage="shadow").json["deployment"]
    seen = {"reason": "no differences", "revision": first["revision"]}
    promoted = bench.post("/api/deployment/promote", {**seen, "active": True})
    back = bench.post("/api/deployment/rollback", seen)
    assert [(each.status, "somebody else changed" in each.json["error"]) for each in (promoted, back)] == [
        (422, True)
    ] * 2
    assert bench.get("/api/deployment").json["deployment"] == second


def test_a_published_set_can_be_opened_again_as_it_was_written(desk: Callable[..., Desk]) -> None:
    """Comments and all."""
    bench = desk()
    published = publish(bench, TILL + "# why: ticket 4711\n")
    assert (published.status, published.json.get("error")) == (200, None)
    [found] = [each for each in bench.get("/api/sets").json["sets"] if each["origin"] == "published"]
    assert (found["identity"], found["stage"]) == ("ours@1", "active")
    assert bench.get(f"/api/sets/{found['id']}").json["files"] == draft(TILL + "# why: ticket 4711\n")["files"]


def test_what_does_not_hold_is_not_published_without_force(desk: Callable[..., Desk]) -> None:
    """The example that fails is told; forced it is recorded."""
    bench = desk()
    refused = publish(bench, BROKEN)
    forced = publish(bench, BROKEN, force=True).json
    assert (refused.status, len(refused.json["shortcomings"])) == (409, 1)
    assert "example 2" in refused.json["shortcomings"][0]
    assert forced["forced"] == refused.json["shortcomings"]


def test_nothing_is_published_without_a_reason(desk: Callable[..., Desk]) -> None:
    """Spaces are none."""
    answer = publish(desk(), reason="  ")
    assert (answer.status, answer.json["error"]) == (422, "a reason is stated in 1 to 500 characters")


def test_recall_on_the_teams_corpus_may_not_drop(desk: Callable[..., Desk]) -> None:
    """The corpus that the workbench was started with counts by itself."""
    bench = desk()
    publish(bench)
    bench.post("/api/corpus", {"text": "done on till_0447"})
    bench.post("/api/corpus/samples/1/label", {"values": [{"value": "till_0447", "type": "COMPUTER_NAME"}]})
    worse = (
        TILL.replace("till_\\d", "kiosk_\\d")
        .replace('"done on «till_0447»", ', "")
        .replace('version: "1"', "version: '2'")
    )
    refused = publish(bench, worse)
    assert (refused.status, "finds 0 of 1" in refused.json["shortcomings"][0]) == (409, True)


def test_a_sealed_record_is_opened_at_ones_own_workbench_and_on_the_audit_log(
    pipeline: Pipeline, desk: Callable[..., Desk]
) -> None:
    """As with `rmm-scrub quarantine show`."""
    quarantine(pipeline, b'{"message":"caf\xc3\xa9 on till_0447"}', None)
    bench = desk()
    assert opened(bench).json["value"] == '{"message":"café on till_0447"}'
    [entry] = log(pipeline).entries()
    assert (entry.actor, entry.action, entry.result) == ("os:alice", Action.QUARANTINE_SHOW, Result.DONE)


@pytest.mark.parametrize(
    ("tenant", "granted", "purpose", "why"),
    [
        ("acme", None, "tuning", "no grant for this tenant and purpose"),
        ("acme", "tuning", "curiosity", "the grant is for another purpose"),
        ("globex", "tuning", "tuning", "the grant is for another tenant"),
        (None, "tuning", "tuning", "no grant can be for a record whose tenant is not known"),
    ],
)
def test_in_a_shared_workbench_a_sealed_record_needs_a_grant(
    pipeline: Pipeline,
    desk: Callable[..., Desk],
    tenant: str | None,
    granted: str | None,
    purpose: str,
    why: str,
) -> None:
    """Refused, and the refusal is on the audit log."""
    quarantine(pipeline, b"till_0447", tenant)
    if granted:
        grant(pipeline, granted)
    answer = opened(desk(shared=True), purpose)
    assert (answer.status, why in answer.json["error"], "till" in answer.text) == (422, True, False)
    last = log(pipeline).entries()[-1]
    assert (last.actor, last.action, last.result, last.reason) == (
        "alice",
        Action.QUARANTINE_SHOW,
        Result.REFUSED,
        why,
    )


def test_with_a_grant_it_is_opened(pipeline: Pipeline, desk: Callable[..., Desk]) -> None:
    """For the tenant and the purpose that are stated, on the audit log."""
    quarantine(pipeline, b"till_0447", "acme")
    grant(pipeline, "tuning")
    assert opened(desk(shared=True), "tuning").json["value"] == "till_0447"
    last = log(pipeline).entries()[-1]
    assert (last.result, last.tenant, last.purpose) == (Result.DONE, "acme", "tuning")
