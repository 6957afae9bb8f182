"""What scrubbing costs, as ratios of one run: a JSON round trip, the scrubber, Presidio itself."""

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec
import orjson

from scrubbers import rules
from scrubbers.compiled import CompiledRules
from scrubbers.keyring import Keyring
from scrubbers.known import KnownEntities
from scrubbers.pseudonyms import Pseudonymiser
from scrubbers.recognise import Engine, Recogniser
from scrubbers.records import Record, Refused
from scrubbers.scrub import Scrubber

T = TypeVar("T")
TENANT = "bench"
_REFERENCE_TEXTS = 2_000  # Presidio takes long; as many texts as it does in about a second


class Costs(msgspec.Struct, frozen=True):
    """Microseconds, each the mean of one run; `texts` are the strings of the events."""

    events: int
    bytes_per_event: float
    json_round_trip_us: float
    scrub_us: float
    scrub_per_round_trip: float
    compiled_us_per_text: float
    reference_us_per_text: float
    reference_per_compiled: float


def costs(events: Sequence[bytes]) -> Costs:
    """Measure on these events."""
    rule_set = rules.load()
    compiled = CompiledRules(rule_set)
    round_trip = _mean(events, lambda event: orjson.dumps(orjson.loads(event)))
    scrub = _mean(events, _scrub(rule_set, compiled))
    texts = [event.decode("utf-8", "replace") for event in events[:_REFERENCE_TEXTS]]
    fast = _mean(texts, compiled.find)
    slow = _mean(texts, _reference(rule_set).find)
    size = sum(map(len, events)) / len(events)
    return Costs(len(events), size, round_trip, scrub, scrub / round_trip, fast, slow, slow / fast)


def _scrub(rule_set: rules.RuleSet, engine: Engine) -> Callable[[bytes], object]:
    ring = Keyring.throwaway()
    ring.add_tenant(TENANT)
    pseudonymiser = Pseudonymiser(ring.tenant(TENANT), rule_set.operators)
    known = KnownEntities(rule_set.learning)
    scrubber = Scrubber(Recogniser(rule_set, engine), known)

    def scrub(event: bytes) -> object:
        try:
            reading = scrubber.read(Record("", 0, 0, 0, None, event, [("tenant", TENANT.encode())]))
        except Refused:
            return None
        for each in reading.learned:
            known.add(TENANT, each)
        return scrubber.write(reading, pseudonymiser)

    return scrub


def _reference(rule_set: rules.RuleSet) -> Engine:
    from scrubbers.reference import ReferenceEngine  # noqa: PLC0415 - takes seconds to import

    return ReferenceEngine(rule_set)


def _mean(items: Sequence[T], work: Callable[[T], object]) -> float:
    started = time.perf_counter()
    for item in items:
        work(item)
    return (time.perf_counter() - started) / len(items) * 1e6
