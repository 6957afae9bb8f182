"""What a million known names cost a worker: memory, and time per event against a thousand names.

Each figure is of a process of its own (`python -m benchmarks.known_names NAMES TENANTS`), so that the growth
of its memory is that of the names. They come as rows of the known-entities topic, as a worker takes them.
"""

import hashlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson

from scrubbers import rules
from scrubbers.collisions import Collisions
from scrubbers.compiled import CompiledRules
from scrubbers.keyring import Keyring
from scrubbers.known import KnownEntities
from scrubbers.pseudonyms import Pseudonymiser
from scrubbers.recognise import Recogniser
from scrubbers.records import Record
from scrubbers.scrub import Scrubber
from streams.demo.estate import build
from streams.demo.events import generate
from streams.tables import KnownTable

MILLION, THOUSAND = 1_000_000, 1_000
EVENTS = 1_000
PASSES = 7


def measure() -> dict[str, float]:
    """MB that a million names of one tenant and of a hundred take, and what an event then costs (ratios)."""
    few, many, spread = _child(THOUSAND, 1), _child(MILLION, 1), _child(MILLION, 100)
    return {
        "million_names_mb": many["mb"],
        "million_names_of_100_tenants_mb": spread["mb"],
        "thousand_names_us_per_event": few["us"],
        "million_names_us_per_event": many["us"],
        "ratio": many["us"] / few["us"],
        "ratio_100_tenants": spread["us"] / few["us"],
    }


def _child(names: int, tenants: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.known_names", str(names), str(tenants)]
    found: dict[str, float] = orjson.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return found


def _measure_here(names: int, tenants: int) -> dict[str, float]:
    rule_set = rules.load()
    table = KnownTable(KnownEntities(rule_set.learning))
    before = _resident_mb()
    for key, row in _rows(names, tenants):
        table.apply(key, row)
    ring = Keyring.throwaway()
    collisions = Collisions(table.known)
    for tenant in (f"tenant-{number}" for number in range(tenants)):
        ring.add_tenant(tenant)
        assert collisions.after(tenant, Pseudonymiser(ring.tenant(tenant))) == []
    grown = _resident_mb() - before
    assert len(table.known) == names, "a name of this benchmark is not worth knowing"
    return {"mb": grown, "us": _microseconds_per_event(rule_set, table.known)}


def _rows(names: int, tenants: int) -> Iterator[tuple[bytes, bytes]]:
    for number in range(names):
        row = {"tenant": f"tenant-{number % tenants}", "type": "COMPUTER_NAME", "value": _name(number)}
        value = orjson.dumps(row)
        yield hashlib.sha256(value).hexdigest().encode(), value


def _name(number: int) -> str:
    """The kinds of names that estates have; half of them begin like no other."""
    chance = hashlib.sha256(b"%d" % number).hexdigest()
    return (
        f"pc-ams-{number:05}",
        f"web{number % 40:02}.customer-{number:04}.example.com",
        f"desktop-{chance[:3]}{number:05x}",
        f"fs{number:06}",
        f"{chance[:2]}{number:05}-laptop",
        f"host{number:05}.ad.example.net",
    )[number % 6]


def _microseconds_per_event(rule_set: rules.RuleSet, known: KnownEntities) -> float:
    """The best of several passes, since others use this machine too; each sees its events for the first time."""
    ring = Keyring.throwaway()
    ring.add_tenant("tenant-0")
    pseudonymiser = Pseudonymiser(ring.tenant("tenant-0"), rule_set.operators)
    engine = CompiledRules(rule_set)
    values = [event.value for event in generate(build(), EVENTS) if event.value.startswith(b"{")]
    records = [Record("", 0, 0, 0, None, value, [("tenant", b"tenant-0")]) for value in values]

    def scrub_all() -> None:
        scrubber = Scrubber(Recogniser(rule_set, engine), known)  # whose cache is empty
        for record in records:
            scrubber.write(scrubber.read(record), pseudonymiser)

    return min(_seconds(scrub_all) for _ in range(PASSES)) / len(records) * 1e6


def _seconds(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _resident_mb() -> float:
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS:")]
    return int(line.split()[1]) / 1000


if __name__ == "__main__":
    print(orjson.dumps(_measure_here(int(sys.argv[1]), int(sys.argv[2]))).decode())
