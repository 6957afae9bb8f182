"""The rules topic as a table, and what a change writes to it."""

import msgspec
import orjson
import pytest

from schemas.errors import UserError
from scrubbers.published import SourceFile
from streams.deployment import Deployment, Place, Why, placed
from streams.rule_topic import KEPT, LARGEST, RuleTable, _records
from tests.rule_sets import published, tags

WHY = Why("alice", "a test", "2026-01-01T00:00:00Z")


def filled(count: int) -> tuple[RuleTable, list[str]]:
    """A table of so many sets, the oldest first, and their digests."""
    table = RuleTable()
    sets = [published(tags("1", f"A{number}"), f"2026-01-01T00:00:{number:02}Z") for number in range(count)]
    for each in reversed(sets):
        table.apply(each.key.encode(), msgspec.json.encode(each))
    return table, [each.digest for each in sets]


def test_sets_beyond_fifty_go_but_for_those_in_use() -> None:
    """Oldest first, in the same transaction."""
    table, digests = filled(KEPT + 2)
    oldest, second = digests[:2]
    new = published(tags("2"), "2026-02-01T00:00:00Z")
    deployment = placed(Deployment("mine", active=oldest), new, Place(), WHY)

    written = dict(_records(table, deployment, [new]))

    assert [key for key, value in written.items() if value is None] == [f"mine@{second}", f"mine@{digests[2]}"]
    assert set(written) >= {"mine", new.key}
    assert f"mine@{oldest}" not in written


def test_nothing_goes_before_there_are_fifty() -> None:
    """A short history is whole."""
    table, digests = filled(KEPT)
    assert list(dict(_records(table, Deployment("mine", active=digests[0]), []))) == ["mine"]


def test_rows_come_go_and_are_counted_where_they_cannot_be_read() -> None:
    """A deployment, a tombstone, and what is neither: it takes no rule set from the workers."""
    table, [digest] = filled(1)
    table.apply(b"mine", orjson.dumps(msgspec.to_builtins(Deployment("mine", 7, digest))))
    assert table.deployment.revision == 7
    table.apply(f"mine@{digest}".encode(), None)
    assert (len(table), table.value("mine", digest)) == (0, None)
    table.apply(b"mine", b"{")
    assert (table.deployment.revision, table.undecodable) == (7, 1)
    table.apply(b"mine", None)
    assert table.deployment is None


def test_a_set_that_the_topic_would_not_take_is_said_before() -> None:
    """Not by a broker in the middle of a transaction."""
    large = msgspec.structs.replace(published(tags("1")), source=(SourceFile("a.yaml", "x" * LARGEST),))
    with pytest.raises(UserError, match="too large"):
        list(_records(RuleTable(), Deployment("mine"), [large]))
