"""Rotating and shredding keys while workers run: each event in one key epoch, none lost, none doubled."""

import time
from collections import Counter

import orjson
import pytest

from scrubbers.entities import EntityType
from scrubbers.keyring import Keyring, KeyUnavailable
from scrubbers.pseudonyms import Pseudonymiser
from scrubbers.rootkey import RootKey, root_path
from streams.cli import main
from streams.reader import Read
from tests.conftest import Pipeline, header, record

pytestmark = pytest.mark.integration

SECONDS = 5.0  # within which every worker has taken up a rotation or forgotten shredded keys


def event(number: int) -> dict[str, object]:
    """A name in a field and in a text, and an address."""
    name = f"HOST-{number % 500}"
    return {"host": {"name": name}, "ip": f"10.0.{number % 250}.{number % 199}", "message": f"disk full on {name}"}


def expected(number: int, pseudonymiser: Pseudonymiser) -> dict[str, object]:
    """The event as it comes out in one domain."""
    plain = event(number)
    name = pseudonymiser.replace(EntityType.COMPUTER_NAME, f"HOST-{number % 500}")
    ip = pseudonymiser.replace(EntityType.IP_ADDRESS, plain["ip"])
    return {"host": {"name": name}, "ip": ip, "message": f"disk full on {name}"}


def agrees(read: Read, domains: dict[str, Pseudonymiser]) -> bool:
    """Whether a scrubbed event is entirely of the domain that its header names."""
    number = int(header(read, "x-seq") or "")
    return orjson.loads(read.value or b"") == expected(number, domains[header(read, "scrub-domain") or ""])


def rotate_under_load(pipeline: Pipeline, count: int) -> tuple[list[Read], dict[str, Pseudonymiser]]:
    """Publish `count` events with a rotation in their middle; what came out, and the two domains."""
    pipeline.tenants("acme")
    before = Pseudonymiser(pipeline.keyring.tenant("acme"))
    events = [
        record(orjson.dumps(event(n)), key=b"K-%d" % (n % 500), x_seq=b"%d" % n, content_type=b"application/json")
        for n in range(count)
    ]
    with pipeline.workers(2):
        pipeline.send("raw", events[: count // 2])
        pipeline.keyring.rotate("acme")
        pipeline.send("raw", events[count // 2 : count * 3 // 4])
        time.sleep(SECONDS)
        pipeline.send("raw", events[count * 3 // 4 :])
        pipeline.until(pipeline.drained, 600)
    after = Pseudonymiser(pipeline.keyring.tenant("acme"))
    return pipeline.read("scrubbed"), {each.domain: each for each in (before, after)}


def check(reads: list[Read], domains: dict[str, Pseudonymiser], count: int) -> None:
    """Every event once, in one epoch, and both epochs used."""
    seen = Counter(header(read, "x-seq") for read in reads)
    assert len(seen) == count
    assert set(seen.values()) == {1}
    assert [read.offset for read in reads if not agrees(read, domains)] == []
    assert {header(read, "scrub-domain") for read in reads} == set(domains)
    late = [read for read in reads if int(header(read, "x-seq") or "") >= count * 3 // 4]
    assert {header(read, "scrub-domain") for read in late} == {"acme/k02"}


def test_a_rotation_under_load_leaves_every_event_in_one_epoch(pipeline: Pipeline) -> None:
    """12,000 events on two workers."""
    reads, domains = rotate_under_load(pipeline, 12_000)

    check(reads, domains, 12_000)


@pytest.mark.soak
@pytest.mark.timeout(1_800)
def test_a_rotation_in_two_hundred_thousand_events(pipeline: Pipeline) -> None:
    """The same in full."""
    reads, domains = rotate_under_load(pipeline, 200_000)

    check(reads, domains, 200_000)


def test_workers_forget_shredded_keys_and_nothing_turns_their_pseudonyms_back(pipeline: Pipeline) -> None:
    """Within five seconds the tenant's events are quarantined; no copy of the keyring has the keys."""
    pipeline.tenants("acme", "borealis")
    with pipeline.workers(2):
        pipeline.send("raw", [record(b'{"ip":"10.1.2.3"}'), record(b'{"ip":"10.1.2.3"}', tenant="borealis")])
        pipeline.until(pipeline.drained)
        pipeline.keyring.shred("acme")
        time.sleep(SECONDS)
        pipeline.send("raw", [record(b'{"ip":"10.1.2.3"}', x_after=b"1") for _ in range(40)])
        pipeline.send("raw", [record(b'{"ip":"10.1.2.3"}', tenant="borealis", x_after=b"1")])
        pipeline.until(pipeline.drained)
    reasons = Counter(header(read, "__rmm-scrub.errors.reason") for read in pipeline.read("quarantine"))
    after = [header(read, "scrub-domain") for read in pipeline.read("scrubbed") if header(read, "x-after")]
    path = pipeline.folder / "keys.json"
    opened = Keyring.open(path, RootKey.from_file(root_path(path)))

    assert reasons == {"key_unavailable": 40}
    assert after == ["borealis/k01"]
    with pytest.raises(KeyUnavailable):
        opened.tenant("acme")


def test_a_bridge_joins_what_was_scrubbed_before_and_after_a_rotation(
    pipeline: Pipeline, tmp_path, monkeypatch, capsysbinary
) -> None:
    """Old pseudonym to new one, by the names that workers learned and the addresses that analytics hold."""
    for name, value in pipeline.environment().items():
        monkeypatch.setenv(name, value)
    pipeline.tenants("acme")
    with pipeline.workers():
        pipeline.send("raw", [record(orjson.dumps(event(7)), x_seq=b"1")])
        pipeline.until(pipeline.drained)
        pipeline.keyring.rotate("acme")
        time.sleep(SECONDS)
        pipeline.send("raw", [record(orjson.dumps(event(7)), x_seq=b"2")])
        pipeline.until(pipeline.drained)
    before, after = (
        orjson.loads(read.value or b"") for read in sorted(pipeline.read("scrubbed"), key=lambda r: header(r, "x-seq"))
    )
    (tmp_path / "addresses.txt").write_text(before["ip"])
    assert main(["keys", "bridge", "acme", str(tmp_path / "addresses.txt")]) == 0
    out = capsysbinary.readouterr().out
    bridged = {pair["old"]: pair["new"] for pair in map(orjson.loads, out.splitlines())}

    assert bridged[before["host"]["name"]] == after["host"]["name"] != before["host"]["name"]
    assert bridged[before["ip"]] == after["ip"] != before["ip"]
    assert b"HOST-7" not in out
