"""The demo's proof catches what it is there for: each check fails on a planted fault."""

import msgspec
import orjson
import pytest

from streams.demo import proof
from streams.demo.estate import build, identifiers
from streams.demo.events import SEQUENCE, Event, generate
from streams.reader import Read


def event(number: int, value: bytes = b'{"h":"zeus"}', device: str = "zeus") -> Event:
    """An input."""
    return Event("acme", device, "own", device.encode(), value, [(SEQUENCE, b"%d" % number)])


def read(
    number: int, value: bytes = b'{"h":"pc-1"}', *, offset: int | None = None, partition: int = 0, **more: object
) -> Read:
    """An output."""
    offset = number if offset is None else offset
    return Read(
        "t", partition, offset, 0, more.get("key"), value, [(SEQUENCE, b"%d" % number), *more.get("headers", [])]
    )


KNOWN = {"acme": {"zeus", "10.0.0.1"}, "borealis": {"hera"}}


@pytest.mark.parametrize(
    "leaky",
    [
        read(0, b"disk full on ZEUS"),
        read(0, b'{"zeus":1}'),
        read(0, b'{"m":"z\\u0065us"}'),
        read(0, orjson.dumps({"m": '{"d":"zeu\\u0073"}'})),
        read(0, b"{}", key=b"zeus"),
        read(0, b"{}", headers=[("x", b"at 10.0.0.1:80")]),
        read(0, b"{}", headers=[("zeus", b"")]),
    ],
)
def test_a_leak_is_found_in_every_place(leaky: Read) -> None:
    """Value, key, header, JSON key, behind escapes, nested."""
    assert not proof.nothing_leaked([leaky], KNOWN, {0: "acme"}).holds


def test_other_tenants_names_and_longer_words_are_no_leaks() -> None:
    """Whole tokens of the record's own tenant."""
    clean = [read(0, b"hera zeusx 10.0.0.12 pc-abcdefghijkl")]
    assert proof.nothing_leaked(clean, KNOWN, {0: "acme"}).holds


def test_lost_and_doubled_records_are_found() -> None:
    """Exactly once."""
    inputs = [event(0), event(1)]
    assert proof.nothing_lost(inputs, [read(0), read(1)], {}, []).holds
    assert not proof.nothing_lost(inputs, [read(0)], {}, []).holds
    assert not proof.nothing_lost(inputs, [read(0), read(1), read(1, offset=9)], {}, []).holds


def test_swapped_and_scattered_records_are_found() -> None:
    """Order per device, in one partition."""
    inputs = [event(0), event(1)]
    assert proof.order_kept(inputs, [read(0), read(1)]).holds
    assert not proof.order_kept(inputs, [read(0, offset=5), read(1, offset=4)]).holds
    assert not proof.order_kept(inputs, [read(0), read(1, partition=1)]).holds


def test_two_pseudonyms_for_one_name_are_found() -> None:
    """Across workers, and one shared by two tenants."""
    inputs, workers = [event(0), event(1)], {0: "w0", 1: "w1"}
    assert proof.same_pseudonyms(inputs, [read(0), read(1)], workers, KNOWN).holds
    assert not proof.same_pseudonyms(inputs, [read(0), read(1, b'{"h":"pc-2"}')], workers, KNOWN).holds
    other = msgspec.structs.replace(event(1), tenant="borealis")
    known = {"acme": {"zeus"}, "borealis": {"zeus"}}
    assert not proof.same_pseudonyms([event(0), other], [read(0), read(1)], {0: "w0", 1: "w0"}, known).holds


def test_changed_look_alikes_are_found() -> None:
    """A version that became an address."""
    inputs = [event(0, b'{"v":"10.0.22631.4317"}')]
    assert proof.survivors(inputs, [read(0, b'{"v":"10.0.22631.4317"}')]).holds
    assert not proof.survivors(inputs, [read(0, b'{"v":"x"}')]).holds


def test_the_generator_is_the_same_for_a_seed_and_holds_every_kind() -> None:
    """And its events do mention what must not survive."""
    estate = build()
    events = generate(estate, 500)
    assert events == generate(build(), 500)
    assert len({each.kind for each in events}) == 9
    known = identifiers(estate)
    assert all(any(name in each.value.decode().lower() for name in known[each.tenant]) for each in events)
