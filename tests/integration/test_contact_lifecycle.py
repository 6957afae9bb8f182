"""Held changes, withdrawals, grace periods and resumptions on a real broker, over restarts and kills."""

import os
import signal
import time
from collections import Counter
from datetime import UTC, datetime, timedelta

import orjson
import pytest

from scrubbers.keyring import Keyring
from scrubbers.rootkey import RootKey, root_path
from streams.audit import Action, AuditLog
from streams.publisher import Message
from streams.quarantine import read_entry
from streams.reader import Read
from tests.conftest import Pipeline, header, record
from tests.integration.test_contact_lane import change, claims
from tests.integration.test_exactly_once import worker_pids

pytestmark = pytest.mark.integration

SECONDS = 5.0  # within which what is due has taken effect
GRACE_SECONDS = 8.64
HOST = [record(b'{"hostname":"UTICA"}')]


@pytest.fixture
def short(make_pipeline, tmp_path) -> Pipeline:
    """A pipeline with a grace period of some seconds."""
    policy = tmp_path / "policy.yaml"
    policy.write_text("version: 1\ndefault: {grace_days: 0.0001, roles: {viewer: [devices:read]}}\n", encoding="utf-8")
    return make_pipeline(policy=str(policy))


def told(pipeline: Pipeline) -> list[tuple[str, str]]:
    """(key, event) of each token, in the order of their contact."""
    return [(key, event) for key, event, _ in claims(pipeline)]


def epochs(pipeline: Pipeline) -> list[str]:
    """The tenant's key epochs, as the keyring's file has them now."""
    path = pipeline.folder / "keys.json"
    ring = Keyring.open(path, RootKey.from_file(root_path(path)))
    return [name for name, _ in ring.epochs("acme")] if "acme" in ring.tenants() else []


def states(pipeline: Pipeline) -> dict[str, bytes | None]:
    """What the contact-state topic says last of each key."""
    return {(read.key or b"").decode(): read.value for read in pipeline.read("contact_state")}


def status(pipeline: Pipeline) -> str:
    """What the contracts topic says last."""
    last: Read = pipeline.read("contracts")[-1]
    return orjson.loads(last.value or b"")["status"]


def withdrawn(of: Message, number: int) -> Message:
    """The withdrawal of a change."""
    event = orjson.loads(of.value)
    data = {name: event["data"][name] for name in ("tenant", "contact_id") if name in event["data"]}
    body = {"specversion": "1.0", "id": f"w-{number}", "source": "/crm", "type": "rmm.contact.change-withdrawn"}
    return Message(orjson.dumps(body | {"data": data | {"source": event["source"], "id": event["id"]}}), of.key)


def test_held_changes_take_effect_once_though_their_worker_is_killed(pipeline: Pipeline) -> None:
    """One of two workers dies and does not come back: the other fires all, each within seconds of its time."""
    pipeline.tenants("acme")
    due = datetime.now(UTC) + timedelta(seconds=35)
    with pipeline.workers(2) as supervisor:
        leavings = [change("contact.left", f"c{n}", n, at=due) for n in range(12)]
        pipeline.send("contact_changes", leavings)
        pipeline.until(pipeline.drained)
        os.kill(supervisor.pid, signal.SIGSTOP)  # so that it starts no other
        os.kill(worker_pids(supervisor.pid)[0], signal.SIGKILL)
        pipeline.until(lambda: len(pipeline.read("revocations")) >= 24, 70)
        time.sleep(2)
        reads = pipeline.read("revocations")
        os.kill(supervisor.pid, signal.SIGCONT)

    assert Counter(key for key, _ in told(pipeline)) == {f"acme|c{n}": 2 for n in range(12)}
    assert {read.timestamp / 1000 - due.timestamp() < SECONDS for read in reads} == {True}
    assert min(read.timestamp for read in reads) / 1000 >= due.timestamp()


def test_a_held_change_is_withdrawn_over_a_restart(pipeline: Pipeline) -> None:
    """A leaving and a contract's end, held by one worker, withdrawn with the next; another leaving comes true."""
    pipeline.tenants("acme")
    due = datetime.now(UTC) + timedelta(seconds=20)
    held = [change("contact.left", "c1", 1, at=due), change("contract.ended", "", 2, at=due)]
    with pipeline.workers():
        pipeline.send("contact_changes", [*held, change("contact.left", "c2", 3, at=due)])
        pipeline.until(pipeline.drained)
    with pipeline.workers():
        assert datetime.now(UTC) < due
        pipeline.send("contact_changes", [withdrawn(each, n) for n, each in enumerate(held)])
        pipeline.until(lambda: len(pipeline.read("revocations")) >= 2, 60)
        pipeline.send("contact_changes", held)
        pipeline.until(pipeline.drained)

    assert told(pipeline) == [("acme|c2", "account-disabled"), ("acme|c2", "session-revoked")]
    assert status(pipeline) == "active"


def test_an_ended_contract_is_erased_and_begins_anew_without_its_contacts(short: Pipeline) -> None:
    """The grace period ends while no worker runs; the next one erases, shreds, and later opens a new domain."""
    short.tenants("acme")
    ended = datetime.now(UTC)
    roles = [change("contact.role-changed", f"c{n}", n, new_role="viewer", at=ended) for n in (1, 2)]
    with short.workers():
        short.send("contact_changes", [*roles, change("contact.updated", "c1", 3, email="a@b.example", at=ended)])
        short.until(short.drained)
        short.send("contact_changes", [change("contract.ended", "", 9, at=ended)])
        short.until(lambda: status(short) == "ended")
        short.send("raw", HOST)
        short.until(lambda: len(short.read("quarantine")) == 1)
    assert epochs(short) == ["k01"]
    time.sleep(GRACE_SECONDS)
    with short.workers():
        short.until(lambda: epochs(short) == [])  # a worker that starts takes some seconds until it reads
        short.send("raw", HOST)
        short.until(lambda: len(short.read("quarantine")) == 2)
        erased = states(short)
        short.send("contact_changes", [change("contract.resumed", "", 10, at=datetime.now(UTC))])
        short.until(lambda: status(short) == "active")
        short.send("contact_changes", [roles[0], change("contact.role-changed", "c2", 11, new_role="viewer", at=ended)])
        short.until(short.drained)
        short.send("raw", HOST)
        short.until(lambda: len(short.read("scrubbed")) == 1)

    assert [read_entry(read.headers).reason for read in short.read("quarantine")] == ["contract_ended"] * 2
    assert {key: value is None for key, value in erased.items()} == {"acme|": False, "acme|c1": True, "acme|c2": True}
    assert epochs(short) == ["k02"]
    assert [header(read, "scrub-domain") for read in short.read("scrubbed")] == ["acme/k02"]
    recorded = AuditLog(short.settings, short.keyring.audit_key()).entries()
    assert [(each.action, each.tenant) for each in recorded if each.actor.startswith("worker:")] == [
        (Action.KEYS_SHRED, "acme"),
        (Action.KEYS_INIT, "acme"),
    ]
    assert [event for key, event in told(short) if key == "acme|c2"] == [
        "token-claims-change",
        "session-revoked",
        "account-disabled",
        "account-purged",
    ]


def test_a_contract_that_is_resumed_in_time_is_as_before(pipeline: Pipeline) -> None:
    """On two workers: accounts enabled with their rights, telemetry scrubbed in the same domain; who left stays out."""
    pipeline.tenants("acme")
    at = datetime.now(UTC)
    names = [f"c{n}" for n in range(6)]
    with pipeline.workers(2):
        roles = [change("contact.role-changed", name, n, new_role="viewer", at=at) for n, name in enumerate(names)]
        pipeline.send("contact_changes", [*roles, change("contact.left", "c0", 20, at=at)])
        pipeline.until(pipeline.drained)
        pipeline.send("contact_changes", [change("contract.ended", "", 30, at=at)])
        pipeline.until(lambda: len([1 for _, event in told(pipeline) if event == "account-disabled"]) == 6)
        pipeline.send("contact_changes", [change("contract.resumed", "", 31, at=at + timedelta(milliseconds=1))])
        pipeline.until(lambda: len([1 for _, event in told(pipeline) if event == "account-enabled"]) == 5)
        pipeline.until(lambda: status(pipeline) == "active")
        pipeline.send("raw", HOST)
        pipeline.until(lambda: len(pipeline.read("scrubbed")) == 1)

    by_contact = {name: [event for key, event in told(pipeline) if key == f"acme|{name}"] for name in names}
    again = ["account-disabled", "account-enabled", "token-claims-change"]
    first = ["token-claims-change", "session-revoked"]
    assert by_contact == dict.fromkeys(names[1:], first + again) | {
        "c0": [*first, "account-disabled", "session-revoked"]
    }
    assert [header(read, "scrub-domain") for read in pipeline.read("scrubbed")] == ["acme/k01"]


def test_an_ended_row_without_an_event_revokes_each_contact_and_starts_the_clock(short: Pipeline) -> None:
    """No token for the whole tenant; erased and shredded like any other."""
    short.tenants("acme")
    with short.workers():
        short.send("contact_changes", [change("contact.role-changed", "c1", 1, new_role="viewer")])
        short.until(short.drained)
        short.tenants("acme", status="ended", keys=False)
        short.until(lambda: epochs(short) == [], GRACE_SECONDS + 2 * SECONDS)

    assert told(short) == [
        ("acme|c1", "token-claims-change"),
        ("acme|c1", "session-revoked"),
        ("acme|c1", "account-disabled"),
        ("acme|c1", "session-revoked"),
        ("acme|c1", "account-purged"),
    ]
