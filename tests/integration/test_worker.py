"""The worker command: health, metrics, restart, shutdown, quarantine and replay."""

import os
import signal
import urllib.error
import urllib.request
from pathlib import Path

import orjson
import pytest

from scrubbers import rules
from streams.cli import main
from tests.conftest import Pipeline, record
from tests.integration.test_exactly_once import worker_pids

pytestmark = pytest.mark.integration


def get(pipeline: Pipeline, path: str, worker: int = 0) -> tuple[int, bytes]:
    """Status and body of a worker's page."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{pipeline.settings.web_port + worker}{path}") as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as problem:
        return problem.code, problem.read()


def test_health_and_metrics_say_what_the_worker_does(pipeline: Pipeline) -> None:
    """Live, ready, and Prometheus counters; Faust's own pages, which would show tables, are off."""
    pipeline.tenants("acme")
    with pipeline.workers():
        pipeline.send("raw", [record(b'{"hostname":"H-1"}'), record(b"{")])
        pipeline.until(pipeline.drained)
        status, body = get(pipeline, "/health")
        _, metrics = get(pipeline, "/metrics")
        table, _ = get(pipeline, "/table/")

    assert status == 200
    assert orjson.loads(body) == {
        "live": True,
        "ready": True,
        "checks": {"tables": True, "rules": True, "scrub": True, "contacts": True, "auditor": True},
        "rules": {
            "active": f"{rules.load().identity} {rules.load().digest()}",
            "canary": None,
            "shadow": None,
            "refused": [],
        },
    }
    assert b'rmm_scrub_outcomes_total{lane="scrub",outcome="scrubbed"} 1.0' in metrics
    assert b'rmm_scrub_quarantined_total{lane="scrub",reason="malformed_json"} 1.0' in metrics
    assert b"H-1" not in metrics
    assert table == 404


def test_a_worker_that_dies_is_started_again_and_sigterm_stops_all(pipeline: Pipeline) -> None:
    """A new process takes the dead one's place; afterwards none is left."""
    pipeline.tenants("acme")
    with pipeline.workers(2) as supervisor:
        before = worker_pids(supervisor.pid)
        os.kill(before[0], signal.SIGKILL)
        pipeline.until(
            lambda: len(set(worker_pids(supervisor.pid)) - set(before)) == 1 and len(worker_pids(supervisor.pid)) == 2
        )
        pipeline.until(lambda: pipeline.workers_at_work() == 2)
        after = worker_pids(supervisor.pid)
        supervisor.send_signal(signal.SIGTERM)
        code = supervisor.wait(60)

    assert code == 0
    assert not any(Path(f"/proc/{pid}").exists() for pid in {*before, *after})


def test_workers_end_with_a_killed_supervisor(pipeline: Pipeline) -> None:
    """No orphans."""
    pipeline.tenants("acme")
    with pipeline.workers(1) as supervisor:
        [worker] = worker_pids(supervisor.pid)
        supervisor.kill()
        supervisor.wait()
        pipeline.until(lambda: not Path(f"/proc/{worker}").exists(), 60)


def test_a_wrong_setting_is_said_once_and_ends_the_command(pipeline: Pipeline, monkeypatch, capsys) -> None:
    """No keyring: one line, a hint, exit 1."""
    for name, value in pipeline.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("RMM_SCRUB_KEYRING", str(pipeline.folder / "nowhere.json"))

    assert main(["worker"]) == 1
    assert "hint: make it: rmm-scrub keys init" in capsys.readouterr().err


def test_quarantined_records_are_listed_shown_and_replayed_once(pipeline: Pipeline, monkeypatch, capsysbinary) -> None:
    """After the cause is mended a replay scrubs the record; a second replay does nothing."""
    for name, value in pipeline.environment().items():
        monkeypatch.setenv(name, value)
    pipeline.tenants("late", keys=False)
    with pipeline.workers():
        pipeline.send("raw", [record(b'{"hostname":"H-1"}', tenant="late", key=b"H-1")])
        pipeline.until(pipeline.drained)
        assert main(["quarantine", "list", "--json"]) == 0
        listed = orjson.loads(capsysbinary.readouterr().out)
        assert main(["quarantine", "show", listed["place"]]) == 0
        shown = orjson.loads(capsysbinary.readouterr().out)
        pipeline.keyring.add_tenant("late")
        pipeline.until(lambda: main(["quarantine", "replay"]) == 0 and pipeline.read("scrubbed") != [], 30)
        assert main(["quarantine", "replay", "--json"]) == 0

    assert listed["reason"] == "key_unavailable"
    assert shown["value"] == '{"hostname":"H-1"}'
    assert orjson.loads(capsysbinary.readouterr().out.splitlines()[-1]) == {"replayed": 0}
    assert len(pipeline.read("scrubbed")) == 1
