"""The shadow: a share of the traffic, never in the way, and quiet about what it saw."""

import time
from collections import Counter
from collections.abc import Callable

import orjson
import pytest

from scrubbers.compiled import CompiledRules
from scrubbers.keyring import Keyring
from scrubbers.known import KnownEntities
from scrubbers.recognise import Recogniser
from scrubbers.records import Headers, Record
from scrubbers.rules import RuleSet
from scrubbers.scrub import Reading, Scrubber
from streams.config import Settings
from streams.metrics import Metrics
from streams.notices import PREFIX, Count, NoticeKind, ShadowCounts, unsealed_sample
from streams.shadow import FAILURES, Candidate, Shadow, sampled
from tests.rule_sets import EVIL, EVIL_TEXT, TEXT, tags

RING = Keyring.throwaway()


class Outbox:
    """Keeps notices instead of sending them."""

    def __init__(self) -> None:
        self.sent: list[tuple[NoticeKind, bytes, Headers]] = []
        self.said: list[ShadowCounts] = []

    def send(self, kind: NoticeKind, value: bytes, *, tenant: str | None = None, headers: Headers = ()) -> None:
        self.sent.append((kind, value, headers))

    def say(self, kind: NoticeKind, notice: ShadowCounts) -> None:
        self.said.append(notice)


class Bench:
    """A shadow that holds a candidate against the tags of version 1."""

    def __init__(self, candidate: RuleSet, share: float = 1.0) -> None:
        known = KnownEntities()
        self.outbox = Outbox()
        live = tags("1")
        self.live = Scrubber(Recogniser(live, CompiledRules(live)), known)
        self.shadow = Shadow(Settings(shadow_share=share), RING, Metrics(), self.outbox, "w")  # type: ignore[arg-type]
        other = Scrubber(Recogniser(candidate, CompiledRules(candidate)), known)
        self.shadow.use(Candidate(candidate.digest(), live.digest(), self.live.recogniser, other))

    def read(self, *texts: str) -> list[Reading]:
        values = [orjson.dumps({"m": text}) for text in texts]
        records = [Record("raw", 0, n, 0, None, value, [("tenant", b"acme")]) for n, value in enumerate(values)]
        return [self.live.read(each) for each in records]

    def counts(self) -> ShadowCounts:
        self.shadow.report()
        return self.outbox.said[-1]

    def until(self, holds: Callable[[ShadowCounts], bool]) -> ShadowCounts:
        deadline = time.monotonic() + 20
        while not holds(self.counts()):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return self.counts()


def test_differences_are_counted_by_kind_type_and_rule() -> None:
    """And nothing of the events is in what is said."""
    bench = Bench(tags("2"))
    bench.shadow.offer(bench.read(TEXT, TEXT, "nothing"), 0.0)
    counts = bench.until(lambda each: each.compared == 3)

    assert counts.differences == (
        Count("added", "COMPUTER_NAME", "tag-2", 2),
        Count("removed", "COMPUTER_NAME", "tag-1", 2),
    )
    assert (counts.skipped, counts.failed) == (0, 0)


def test_one_sample_of_a_sort_is_kept_sealed() -> None:
    """Its headers say what differs, and hold neither value nor path."""
    bench = Bench(tags("2"))
    bench.shadow.offer(bench.read(TEXT, TEXT, TEXT), 0.0)
    bench.until(lambda each: each.compared == 3)

    [(kind, value, headers)] = bench.outbox.sent
    plain = dict(headers)
    opened = unsealed_sample(value, RING.quarantine_key())
    assert kind is NoticeKind.SAMPLE
    assert opened.record.value == orjson.dumps({"m": TEXT})
    assert {each.path for each in opened.differences} == {"/m"}
    assert b"ASSET" not in value
    assert orjson.loads(plain[PREFIX + "differences"])[0] == {
        "kind": "added",
        "type": "COMPUTER_NAME",
        "rule": "tag-2",
        "count": 1,
    }
    assert not any(b"0042" in each or b"/m" in each for each in plain.values())


def test_a_batch_over_its_budget_is_not_compared() -> None:
    """Shadow yields first, and says how much it left out."""
    bench = Bench(tags("2"))
    bench.shadow.offer(bench.read(TEXT, TEXT), 0.6)
    assert (bench.counts().compared, bench.counts().skipped) == (0, 2)


def test_a_candidate_that_keeps_failing_is_given_up() -> None:
    """After a few attempts, which get shorter; the live readings are whole all the while."""
    candidate = tags("2", EVIL)
    bench = Bench(candidate)
    readings = bench.read(*[f"{EVIL_TEXT} ASSET-{n:04}" for n in range(FAILURES)])
    for reading in readings:
        failed = bench.counts().failed
        bench.shadow.offer([reading], 0.0)
        bench.until(lambda each, before=failed: each.failed > before)

    assert bench.shadow.failed == candidate.digest()
    bench.shadow.offer(bench.read(TEXT), 0.0)
    assert bench.counts().compared == 0


def test_events_of_another_live_set_are_not_held_against_it() -> None:
    """A canary's tenants, and batches from before a reload."""
    bench = Bench(tags("2"))
    other = tags("3")
    strangers = Scrubber(Recogniser(other, CompiledRules(other)), KnownEntities())
    record = Record("raw", 0, 0, 0, None, b'{"m":"LABEL-0042"}', [("tenant", b"acme")])
    bench.shadow.offer([strangers.read(record)], 0.0)
    assert (bench.counts().compared, bench.counts().skipped) == (0, 0)


@pytest.mark.parametrize("share", [0.0, 0.1, 1.0])
def test_the_share_is_about_what_was_asked_for(share: float) -> None:
    """Decided by where a record stands, so again alike."""
    records = [Record("raw", number % 12, number, 0, None, None) for number in range(20_000)]
    chosen = Counter(sampled(each, share) for each in records)
    assert chosen[True] / 20_000 == pytest.approx(share, abs=0.01)
    assert [sampled(each, share) for each in records[:50]] == [sampled(each, share) for each in records[:50]]
