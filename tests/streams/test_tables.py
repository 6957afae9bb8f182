"""The known-entities table under another learning policy."""

import asyncio

import orjson
import pytest

from scrubbers.entities import EntityType, Known
from scrubbers.known import KnownEntities
from scrubbers.rules import Learning
from streams.contact_table import ContactTable
from streams.rows import ContractRow
from streams.rule_topic import RuleTable
from streams.tables import KnownTable, Rows

PC = EntityType.COMPUTER_NAME
STRICT = Learning(never=frozenset({"rooster"}))


def table(learning: Learning) -> KnownTable:
    """A table with two names of acme's and one of borealis'."""
    known = KnownTable(KnownEntities(learning))
    for key, tenant, value in (("1", "acme", "rooster"), ("2", "acme", "heron-7"), ("3", "borealis", "rooster")):
        known.apply(key.encode(), orjson.dumps({"tenant": tenant, "type": PC, "value": value}))
    return known


def names(known: KnownTable, tenant: str) -> set[str]:
    """What is hunted for a tenant."""
    return {each.value for each in known.known.values(tenant)}


def test_a_policy_that_learns_more_takes_in_what_other_workers_learned() -> None:
    """Else their names would stand in this worker's output."""
    known = table(STRICT)
    assert names(known, "acme") == {"heron-7"}
    asyncio.run(known.adopt(Learning(), {}))
    assert names(known, "acme") == {"rooster", "heron-7"}


def test_a_policy_that_learns_less_stops_hunting_as_after_a_restart() -> None:
    """For the tenants that it concerns; what is kept is still there for another policy."""
    known = table(Learning())
    asyncio.run(known.adopt(Learning(), {"acme": STRICT}))
    assert names(known, "acme") == {"heron-7"}
    assert names(known, "borealis") == {"rooster"}
    asyncio.run(known.adopt(Learning(), {}))
    assert names(known, "acme") == {"rooster", "heron-7"}


def test_a_name_that_was_forgotten_does_not_come_back() -> None:
    """A tombstone counts under every policy."""
    known = table(STRICT)
    known.apply(b"1", None)
    asyncio.run(known.adopt(Learning(), {}))
    assert not known.known.contains("acme", Known(PC, "rooster"))


@pytest.mark.parametrize(
    "value",
    [b"{", b'{"tenant":"\xff"}', b'{"\xff":1}', b'{"x":' + b"[" * 100_000, b'{"tenant":"\\ud800"}', b"\xff", b""],
)
@pytest.mark.parametrize("make", [lambda: Rows(ContractRow), lambda: table(STRICT), ContactTable, RuleTable])
def test_a_row_that_is_no_row_is_counted_and_stops_no_worker(make, value: bytes) -> None:
    """Not JSON, not UTF-8, nested without end: whoever may write to the topic may not end every worker."""
    made = make()
    for key in (b"acme", b"acme|c-1", b"mine@0123"):
        made.apply(key, value)
    assert made.undecodable > 0
