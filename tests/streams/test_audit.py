"""The audit log's chain, as who checks it and who rests on it see it."""

from datetime import timedelta

import msgspec
import orjson
import pytest

from streams.audit import Action, AuditLog, Entry, Event, Flaw, _linked, _mac, check
from streams.config import Settings
from streams.grants import fold

KEY = bytes(32)
LONG_AGO = {
    "seq": 1,
    "time": "2026-01-01T00:00:00.000+00:00",
    "actor": "grace",
    "action": "grant-add",
    "result": "done",
    "tenant": "acme",
    "purpose": "incident",
    "reason": "",
    "detail": {"employee": "mallory", "expires": "2999-01-01T00:00:00+00:00"},
    "previous": "",
    "mac": "0" * 64,
}


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> AuditLog:
    """A log that is told what it reads."""
    made = AuditLog(Settings(bootstrap="127.0.0.1:1"), KEY)
    monkeypatch.setattr(made, "_catch_up", lambda: None)
    return made


@pytest.mark.parametrize(
    "forged",
    [{}, {"mac": ""}, {"mac": "\u00e9"}, {"seq": 2**64 - 1}, {"seq": -1}, {"detail": {}}, {"time": "yesterday"}],
)
def test_a_grant_that_was_not_written_with_the_key_is_none(log: AuditLog, forged: dict[str, object]) -> None:
    """Whoever may write to the topic may not grant; the check sees that they tried."""
    log._take(orjson.dumps({**LONG_AGO, **forged}))

    assert fold(log.entries()) == []
    assert [each.flaw for each in check(log.records(), KEY)] == [Flaw.ALTERED]


def test_a_number_that_no_entry_can_have_stops_nothing(log: AuditLog) -> None:
    """A forger's, of more than 64 bits."""
    log._take(orjson.dumps(LONG_AGO).replace(b'"seq":1', b'"seq":%d' % 2**70))

    assert log.entries() == []
    assert [each.flaw for each in check(log.records(), KEY)] == [Flaw.ALTERED]


@pytest.mark.parametrize("value", [None, b"", b"x", b"{}", b'{"actor":"\xff"}', b'{"x":' + b"[" * 100_000])
def test_what_is_no_entry_is_counted(log: AuditLog, value: bytes | None) -> None:
    """And nothing rests on it."""
    log._take(value)
    assert (log.entries(), log.records(), log.unreadable) == ([], [], 1)


def chained(*events: Event) -> list[Entry]:
    """Entries as a log writes them."""
    made: list[Entry] = []
    for event in events:
        made.append(_linked(event, made[-1] if made else None, KEY))
    return made


@pytest.mark.parametrize("field", list(Entry.__struct_fields__))
def test_an_altered_field_is_seen_whichever_it_is(field: str) -> None:
    """Number, time, actor, and all the others."""
    one, two, three = chained(*[Event("alice", Action.REVERSE, tenant="acme", detail={"turned": 1})] * 3)
    other = {"seq": 7, "action": Action.GRANT_ADD, "detail": {"turned": 2}, "result": "refused"}.get(field, "other")
    altered = msgspec.structs.replace(two, **{field: other})
    assert check([one, two, three], KEY) == []
    assert Flaw.ALTERED in {each.flaw for each in check([one, altered, three], KEY)}


def aged(entries: list[Entry], days: int) -> list[Entry]:
    """The same chain, so many days ago."""
    made: list[Entry] = []
    for each in entries:
        then = (each.at - timedelta(days=days)).isoformat(timespec="milliseconds")
        bare = msgspec.structs.replace(each, time=then, previous=made[-1].mac if made else "", mac="")
        made.append(msgspec.structs.replace(bare, mac=_mac(bare, KEY)))
    return made


@pytest.mark.parametrize(("days", "flaws"), [(0, [Flaw.MISSING]), (700, [Flaw.MISSING]), (760, [])])
def test_a_gap_is_a_flaw_unless_retention_can_have_made_it(days: int, flaws: list[Flaw]) -> None:
    """The topic has several partitions: one's oldest entries go before another's."""
    one, _, three = aged(chained(*[Event("alice", Action.REVERSE)] * 3), days)
    assert [each.flaw for each in check([one, three], KEY)] == flaws


def test_an_entry_of_another_chain_is_seen() -> None:
    """Rightly written with the key, in another branch: what a restored backup of the topic holds."""
    event = Event("alice", Action.REVERSE)
    one, two, three = chained(event, event, event)
    _, other, _ = chained(Event("bob", Action.REVERSE), event, event)
    assert [each.flaw for each in check([one, other, three], KEY)] == [Flaw.UNLINKED, Flaw.UNLINKED]
    assert [each.flaw for each in check([one, two, three], KEY, (3, other.mac))] == [Flaw.NO_HEAD]
