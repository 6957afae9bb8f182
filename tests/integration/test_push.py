"""`rmm-scrub contacts push` on a real broker and over real HTTP."""

import os
import subprocess
import sys
from pathlib import Path

import orjson
import pytest
from aiohttp import web

from streams import delivery
from streams.cli import main
from streams.groups import Group
from streams.publisher import Message
from streams.system import end_with_parent
from tests.conftest import Pipeline
from tests.receiver import refusal, serving

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def settings(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command is told by its environment, and waits little."""
    for name, value in pipeline.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(delivery, "FIRST_WAIT", 0.01)


def tokens(contact: str, count: int) -> list[Message]:
    """What a receiver takes for tokens of a contact; it checks nothing."""
    return [Message(f"{contact}.{number}.x".encode(), f"acme|{contact}".encode()) for number in range(count)]


def push(url: str, *more: str) -> int:
    return main(["contacts", "push", "--to", url, "--once", "--json", *more])


def test_each_token_arrives_once_and_in_the_order_of_its_contact(pipeline: Pipeline, capsysbinary) -> None:
    """Two calls: the second finds nothing to do."""
    pipeline.send("revocations", [*tokens("c1", 50), *tokens("c2", 50), *tokens("c3", 50)])
    with serving() as receiver:
        assert push(receiver.url) == 0
        first = orjson.loads(capsysbinary.readouterr().out)
        assert push(receiver.url) == 0
        second = orjson.loads(capsysbinary.readouterr().out)

    assert first == {"delivered": 150, "retries": 0, "refused": {}, "complete": True}
    assert second["delivered"] == 0
    assert [each for each in receiver.taken if each.startswith(b"c2")] == [m.value for m in tokens("c2", 50)]
    assert len(receiver.taken) == 150


def test_a_receiver_that_fails_for_a_while_gets_every_token_in_order(pipeline: Pipeline, capsysbinary) -> None:
    """Two of three calls fail."""
    pipeline.send("revocations", tokens("c1", 20))
    with serving(lambda _, call: web.Response(status=202 if call % 3 == 0 else 503)) as receiver:
        assert push(receiver.url) == 0

    assert orjson.loads(capsysbinary.readouterr().out)["retries"] == 40
    assert receiver.taken == [m.value for m in tokens("c1", 20)]


def test_a_refused_token_is_kept_and_said_and_the_others_go_on(pipeline: Pipeline, capsysbinary) -> None:
    """Exit 1, the file is its owner's, the token is in it, the offset is behind it."""
    pipeline.send("revocations", tokens("c1", 5))
    path = pipeline.folder / "refused.ndjson"

    def answer(token: bytes, call: int) -> web.Response:
        return refusal("invalid_audience") if token == b"c1.2.x" else web.Response(status=202)

    with serving(answer) as receiver:
        assert push(receiver.url, "--refused", str(path)) == 1
        shown = capsysbinary.readouterr()
        assert push(receiver.url, "--refused", str(path)) == 0

    row = orjson.loads(path.read_bytes())
    assert (row["err"], row["token"], row["offset"]) == ("invalid_audience", "c1.2.x", 2)
    assert path.stat().st_mode & 0o777 == 0o600
    assert orjson.loads(shown.out)["refused"] == {"invalid_audience": 1}
    assert b"c1.2.x" not in shown.err
    assert receiver.taken == [b"c1.0.x", b"c1.1.x", b"c1.3.x", b"c1.4.x"]


def test_a_contact_that_waits_holds_back_its_partition_only(pipeline: Pipeline) -> None:
    """The receiver is in trouble over one contact; the others' tokens are there long before."""
    pipeline.send("revocations", [*tokens("c1", 3), *tokens("c2", 3), *tokens("c3", 3), *tokens("c4", 3)])
    partitions = {read.key: read.partition for read in pipeline.read("revocations")}
    blocked = {key for key, place in partitions.items() if place == partitions[b"acme|c1"]}
    free = 3 * sum(1 for key in partitions if key not in blocked)
    with serving() as receiver:

        def answer(token: bytes, call: int) -> web.Response:
            waits = token == b"c1.0.x" and len(receiver.taken) < free
            return web.Response(status=503 if waits else 202)

        receiver.answer = answer
        assert push(receiver.url) == 0

    assert free > 0
    assert len(receiver.taken) == 12
    assert receiver.taken.index(b"c1.0.x") >= free


def test_what_a_killed_sender_had_not_committed_is_sent_again(pipeline: Pipeline, tmp_path: Path) -> None:
    """kill -9 in the middle of a delivery, then another process."""
    pipeline.send("revocations", tokens("c1", 10))
    group = Group(pipeline.settings, "scrub", pipeline.settings.named.revocations)
    with serving() as receiver, (tmp_path / "push.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "streams.cli", "contacts", "push", "--to", receiver.url],
            env=os.environ,
            stdout=log,
            stderr=log,
            preexec_fn=end_with_parent,
        )

        def answer(token: bytes, call: int) -> web.Response:
            if call == 5:
                process.kill()
            return web.Response(status=202)

        receiver.answer = answer
        assert process.wait(60) == -9
        assert push(receiver.url) == 0
    group.close()

    assert list(dict.fromkeys(receiver.taken)) == [m.value for m in tokens("c1", 10)]


def test_a_sender_without_end_sends_what_comes_and_stops_when_told(pipeline: Pipeline, tmp_path: Path) -> None:
    """SIGTERM: exit 0, nothing is sent twice afterwards."""
    with serving() as receiver, (tmp_path / "push.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "streams.cli", "contacts", "push", "--to", receiver.url],
            env=os.environ,
            stdout=log,
            stderr=log,
            preexec_fn=end_with_parent,
        )
        pipeline.send("revocations", tokens("c1", 3))
        pipeline.until(lambda: len(receiver.taken) == 3)
        pipeline.send("revocations", tokens("c2", 3))
        pipeline.until(lambda: len(receiver.taken) == 6)
        process.terminate()
        assert process.wait(30) == 0
        assert push(receiver.url) == 0

    assert len(receiver.taken) == 6


def test_two_senders_share_the_topic(pipeline: Pipeline, tmp_path: Path) -> None:
    """A second process takes over partitions while the first one is at work; order per contact holds."""
    names = [f"c{number}" for number in range(12)]
    pipeline.send("revocations", [each for name in names for each in tokens(name, 20)])
    with serving() as receiver, (tmp_path / "push.log").open("wb") as log:
        command = [sys.executable, "-m", "streams.cli", "contacts", "push", "--to", receiver.url]
        options = {"env": os.environ, "stdout": log, "stderr": log, "preexec_fn": end_with_parent}
        first = subprocess.Popen(command, **options)
        second = subprocess.Popen(command, **options)
        pipeline.until(lambda: len(set(receiver.taken)) == 240)
        pipeline.send("revocations", [Message(b"end.x.x", f"acme|{name}".encode()) for name in names])
        pipeline.until(lambda: receiver.taken.count(b"end.x.x") >= 12)
        first.terminate()
        second.terminate()
        assert [first.wait(30), second.wait(30)] == [0, 0]

    seen = list(dict.fromkeys(receiver.taken))
    assert [each for each in seen if each.startswith(b"c7.")] == [m.value for m in tokens("c7", 20)]
    assert len(seen) == 241


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--to", "http://portal.example.com/"], "plain http"),
        (["--to", "nowhere"], "not a URL"),
        (["--to", "http://localhost/", "--refused", "/proc/x/y"], "/proc/x/y"),
    ],
)
def test_wrong_use_is_said_before_anything_is_sent(arguments: list[str], told: str, capsys) -> None:
    """Exit 1, one line, a hint."""
    assert main(["contacts", "push", "--once", *arguments]) == 1
    error = capsys.readouterr().err
    assert told in error
    assert "hint:" in error


def test_a_missing_topic_is_said(pipeline: Pipeline, monkeypatch, capsys) -> None:
    """And what to do about it."""
    monkeypatch.setenv("RMM_SCRUB_TOPIC_PREFIX", "nowhere.")
    assert push("http://localhost/") == 1
    assert "topics plan" in capsys.readouterr().err


def test_help_has_an_example(capsys) -> None:
    """In --help."""
    assert main(["contacts", "push", "--help"]) == 0
    assert "rmm-scrub contacts push --to https://" in capsys.readouterr().out
