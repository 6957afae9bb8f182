"""The latest records, searched again when names are learned; bounded by age and bytes."""

from collections import defaultdict

from scrubbers.records import Record
from streams.hindsight import Hindsight


def record(offset: int, size: int = 100) -> Record:
    """A scrubbed record."""
    return Record("scrubbed", 0, offset, 0, None, b"x" * size)


def offsets(hindsight: Hindsight) -> list[int]:
    """What a walk goes over."""
    return [kept.record.offset for kept in hindsight.walk()]


class TestHindsight:
    def test_nothing_is_walked_twice_for_the_same_names(self):
        """A record searched with today's names is not searched again until they grow."""
        versions: defaultdict[str, int] = defaultdict(int)
        hindsight = Hindsight(60, lambda tenant: versions[tenant])
        hindsight.keep(record(0), "acme", 0, set())

        first = hindsight.grown(), offsets(hindsight)
        versions["acme"] = 1
        second = hindsight.grown(), offsets(hindsight)

        assert first == (True, [])  # the tenant is new, its record is up to date
        assert second == (True, [0])
        assert (hindsight.grown(), offsets(hindsight)) == (False, [])

    def test_only_the_tenant_that_learned(self):
        """Others' records are left alone."""
        versions = {"acme": 0, "borealis": 0}
        hindsight = Hindsight(60, lambda tenant: versions[tenant])
        hindsight.keep(record(0), "acme", 0, set())
        hindsight.keep(record(1), "borealis", 0, set())
        versions["borealis"] = 1

        assert offsets(hindsight) == [1]

    def test_the_oldest_go_when_bytes_are_used_up(self):
        """What the bound leaves is the newest."""
        hindsight = Hindsight(60, lambda _: 1, most_bytes=10_000)
        for offset in range(50):
            hindsight.keep(record(offset, 1_000), "acme", 0, set())

        assert hindsight.bytes <= 10_000
        assert offsets(hindsight) == list(range(50 - len(hindsight), 50))

    def test_old_ones_go(self, monkeypatch):
        """And with the last one its tenant."""
        hindsight = Hindsight(60, lambda _: 1)
        monkeypatch.setattr("streams.hindsight.time.monotonic", lambda: 0.0)
        hindsight.keep(record(0), "acme", 0, set())
        monkeypatch.setattr("streams.hindsight.time.monotonic", lambda: 61.0)

        assert not hindsight.grown()
        assert (len(hindsight), hindsight.bytes) == (0, 0)

    def test_no_hindsight_keeps_nothing(self):
        """The setting 0 turns it off."""
        hindsight = Hindsight(0, lambda _: 1)
        hindsight.keep(record(0), "acme", 0, set())

        assert len(hindsight) == 0
