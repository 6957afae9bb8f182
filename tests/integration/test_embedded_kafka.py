"""The embedded Kafka: starts, stops, survives a kill, and leaves no orphan."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import orjson
import pytest

from schemas.errors import UserError
from streams import broker
from streams.cli import main
from streams.system import need_programs

pytestmark = pytest.mark.integration


def test_start_status_stop_on_the_command_line(tmp_path, capsysbinary, monkeypatch) -> None:
    """It outlives the command that started it, is found again, and goes when told."""
    monkeypatch.delenv("RMM_SCRUB_KAFKA", raising=False)
    folder = ["--folder", str(tmp_path / "kafka")]
    assert main(["kafka", "status", *folder]) == 1
    capsysbinary.readouterr()
    assert main(["kafka", "start", "--json", *folder]) == 0
    started = orjson.loads(capsysbinary.readouterr().out)
    assert main(["kafka", "status", "--json", *folder]) == 0
    assert orjson.loads(capsysbinary.readouterr().out) == started
    assert main(["kafka", "stop", *folder]) == 0

    assert broker.running(tmp_path / "kafka") is None
    assert not Path(f"/proc/{started['pid']}").exists()


def test_it_ends_with_a_killed_parent(tmp_path) -> None:
    """A test run or demo that is SIGKILLed leaves no Kafka behind."""
    code = (
        "import sys; from pathlib import Path; from streams import broker; "
        "print(broker.start(Path(sys.argv[1])).pid, flush=True); input()"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    pid = int(parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    deadline = time.monotonic() + 30
    while broker._birth(pid) and time.monotonic() < deadline:
        time.sleep(0.1)

    assert broker._birth(pid) == ""


def test_a_kafka_of_the_users_is_used_and_left_alone(kafka, tmp_path, monkeypatch) -> None:
    """RMM_SCRUB_KAFKA names it: nothing is started, and stop does nothing."""
    monkeypatch.setenv("RMM_SCRUB_KAFKA", kafka.bootstrap)
    named = broker.start(tmp_path / "unused")
    named.stop()

    assert named.bootstrap == kafka.bootstrap
    assert not (tmp_path / "unused").exists()
    assert kafka.alive


def test_a_broken_folder_is_one_line_with_the_reason(tmp_path, monkeypatch) -> None:
    """Kafka that does not come up says why, and its process is gone."""
    monkeypatch.delenv("RMM_SCRUB_KAFKA", raising=False)
    running = broker.start(tmp_path)
    running.stop()
    properties = tmp_path / "server.properties"
    properties.write_text(properties.read_text() + "\nlog.segment.bytes=none\n")

    with pytest.raises(UserError, match="Kafka ended with code 1"):
        broker.start(tmp_path)


def test_a_missing_program_says_what_to_install(monkeypatch) -> None:
    """Not root: one line with the package and the way round."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    with pytest.raises(UserError) as caught:
        need_programs({"no-such-java": "openjdk-17-jre-headless"})
    assert "no-such-java" in str(caught.value)
    assert "openjdk-17-jre-headless" in caught.value.hints[0]


def test_a_cluster_id_is_never_taken_for_an_option() -> None:
    """One in 64 random ids has a dash in front; Kafka's tool then wants another argument."""
    drawn = [broker._cluster_id() for _ in range(2_000)]
    assert {(len(each), each.startswith("-")) for each in drawn} == {(22, False)}
