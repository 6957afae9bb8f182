"""`rmm-scrub doctor` on a healthy installation and on broken ones."""

from pathlib import Path

import orjson
import pytest

from scrubbers.canaries import TENANT
from streams.audit import Action, Event, Result
from streams.cli import main
from tests.conftest import Pipeline, record
from tests.integration.test_rollout import audit as audit_log
from tests.integration.test_rollout import put
from tests.rule_sets import tags

pytestmark = pytest.mark.integration


def examined(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, capsysbinary
) -> tuple[int, dict[str, list[tuple[str, str]]]]:
    """The exit code, and (level, finding) by check."""
    for name, value in pipeline.environment().items():
        monkeypatch.setenv(name, value)
    code = main(["doctor", "--json"])
    found: dict[str, list[tuple[str, str]]] = {}
    for line in map(orjson.loads, capsysbinary.readouterr().out.splitlines()):
        found.setdefault(line["check"], []).append((line["level"], line["finding"] + " " + line["todo"]))
    return code, found


def test_a_healthy_installation_fails_nothing(pipeline: Pipeline, monkeypatch, capsysbinary) -> None:
    """Kafka, topics, keys, tenants, canaries, a running worker."""
    pipeline.tenants("acme", TENANT)
    with pipeline.workers():
        code, found = examined(pipeline, monkeypatch, capsysbinary)

    assert code == 0
    assert found["kafka"][0][0] == "ok"
    assert found["topics"] == [("ok", "all there, configured as planned ")]
    assert found["tenants"] == [("ok", "2 have a contract and keys ")]
    assert found["canaries"][0][0] == "ok"
    assert [level for level, _ in found["workers"]] == ["ok"]
    assert found["clock"][0][0] == "ok"
    assert found["published"] == [("ok", "no rule set is published: workers use their own ")]
    assert [level for level, _ in found["access"]] == ["ok", "ok"]


def test_tenants_without_keys_or_contract_are_named(pipeline: Pipeline, monkeypatch, capsysbinary) -> None:
    """And what to do; no canary tenant, and no worker, are warnings."""
    pipeline.tenants("keyless", keys=False)
    pipeline.tenants("gone", status="ended")
    pipeline.keyring.add_tenant("paperless")

    code, found = examined(pipeline, monkeypatch, capsysbinary)

    levels = {text.partition(" ")[0]: level for level, text in found["tenants"]}
    assert code == 1
    assert levels == {"keyless": "fail", "gone's": "warn", "paperless": "warn", "0": "ok"}
    assert f"contracts add {TENANT}" in found["canaries"][0][1]
    assert found["workers"][0][0] == "warn"


def test_a_missing_topic_and_a_changed_one_are_named(pipeline: Pipeline, monkeypatch, capsysbinary) -> None:
    """As `topics plan` says it."""
    monkeypatch.setenv("RMM_SCRUB_TOPIC_AUDIT", "nowhere")

    code, found = examined(pipeline, monkeypatch, capsysbinary)

    assert code == 1
    assert [level for level, _ in found["topics"]] == ["fail"]
    assert "nowhere is missing rmm-scrub topics apply" in found["topics"][0][1]


def test_a_published_set_that_cannot_be_used_and_an_altered_audit_log_are_named(
    pipeline: Pipeline, monkeypatch, capsysbinary
) -> None:
    """Both are failures, and each says what to do."""
    put(pipeline, tags("1", "("))
    audit_log(pipeline).append(Event("alice", Action.RULES_PUBLISH, Result.DONE))
    pipeline.send("audit", [record(b'{"seq": 2, "actor": "mallory"}')])

    code, found = examined(pipeline, monkeypatch, capsysbinary)

    assert code == 1
    assert [level for level, _ in found["published"]] == ["fail"]
    assert "rmm-scrub rules rollback" in found["published"][0][1]
    assert "fail" in [level for level, _ in found["access"]]


def test_without_kafka_it_says_so_and_goes_on(monkeypatch, capsysbinary, tmp_path: Path) -> None:
    """Nothing listens, there is no keyring, the rules are broken: each is told, no check stops another."""
    broken = tmp_path / "rules.yaml"
    broken.write_text("name: x\nversion: '1'\nrecognizers:\n  - name: [\n")
    monkeypatch.setenv("RMM_SCRUB_BOOTSTRAP", "127.0.0.1:1")
    monkeypatch.setenv("RMM_SCRUB_KEYRING", str(tmp_path / "none.json"))
    monkeypatch.setenv("RMM_SCRUB_RULES", str(broken))
    monkeypatch.setenv("RMM_SCRUB_STATE_DIR", str(tmp_path))

    code = main(["doctor", "--json"])

    levels: dict[str, str] = {}
    for line in map(orjson.loads, capsysbinary.readouterr().out.splitlines()):
        levels.setdefault(line["check"], line["level"])
    assert code == 1
    assert levels["kafka"] == levels["keyring"] == levels["rules"] == "fail"
    assert levels["packages"] == levels["machine"] == levels["policy"] == "ok"
    assert levels["tenants"] == levels["topics"] == "warn"


def test_contracts_are_added_once_and_never_revived(pipeline: Pipeline, monkeypatch, capsysbinary) -> None:
    """An active row for a tenant that has none; one that has ended stays ended."""
    for name, value in pipeline.environment().items():
        monkeypatch.setenv(name, value)
    pipeline.tenants("gone", status="ended")

    codes = [main(["contracts", "add", tenant, "--json"]) for tenant in (TENANT, TENANT, "gone")]
    main(["contracts", "list", "--json"])

    lines = [orjson.loads(line) for line in capsysbinary.readouterr().out.splitlines()]
    assert codes == [0, 0, 1]
    assert [line["published"] for line in lines[:2]] == [True, False]
    assert lines[2:] == [{"tenant": "gone", "status": "ended"}, {"tenant": TENANT, "status": "active"}]
