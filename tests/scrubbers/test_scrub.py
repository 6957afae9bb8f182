"""The scrubber as a whole: learn, then replace; refuse what is not certain; change nothing else."""

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scrubbers import rules
from scrubbers.compiled import CompiledRules
from scrubbers.entities import EntityType as E
from scrubbers.keyring import Keyring
from scrubbers.known import KnownEntities
from scrubbers.pseudonyms import Pseudonymiser
from scrubbers.recognise import Recogniser
from scrubbers.records import Record, Refused, Scrubbed
from scrubbers.scrub import Scrubber

RING = Keyring.throwaway()
RING.add_tenant("acme")
PSEUDONYMS = Pseudonymiser(RING.tenant("acme"))
RECOGNISER = Recogniser(rules.load(), CompiledRules(rules.load()))
TENANT = ("tenant", b"acme")


def scrubbed(value: bytes | None, *headers: tuple[str, bytes], key: bytes | None = None) -> Scrubbed:
    """A record scrubbed on its own, with what it teaches."""
    entities = KnownEntities()
    scrubber = Scrubber(RECOGNISER, entities)
    reading = scrubber.read(Record("t", 0, 0, 0, key, value, [TENANT, *headers]))
    for each in reading.learned:
        entities.add("acme", each)
    return scrubber.write(reading, PSEUDONYMS)


def pc(name: str) -> str:
    """The pseudonym of a name."""
    return PSEUDONYMS.replace(E.COMPUTER_NAME, name)


def test_a_field_teaches_the_text_before_it() -> None:
    """In the same event, in any case, as UNC path and machine account."""
    event = {"m": r"zeus: \\ZEUS\c$, ZEUS$ and zeus-2", "host": {"name": "zeus"}}
    result = orjson.loads(scrubbed(orjson.dumps(event)).value)
    assert result["m"] == rf"{pc('zeus')}: \\{pc('zeus')}\c$, {pc('zeus')}$ and {pc('zeus')}-2"


def test_tenant_and_numbers_and_unknown_text_stay() -> None:
    """Even where the tenant's id is spelled like a name."""
    value = b'{"tenant": "acme", "v": "10.0.22631.4317", "n": 1.50, "oid": "1.3.6.1.4.1.311"}'
    assert scrubbed(value).value == value


@pytest.mark.parametrize(
    ("value", "headers", "reason"),
    [
        (b'{"a":', [], "malformed_json"),
        (b'{"a":NaN}', [], "malformed_json"),
        (b'{"a":"x","a":"y"}', [], "malformed_json"),
        (b"[1,2", [], "malformed_json"),
        (b"plain text", [("content-type", b"application/json")], "malformed_json"),
        (b"\xff", [], "not_utf8"),
        (b"{}", [("x", b"\xff")], "not_utf8"),
        (b'{"data_base64":"/w=="}', [], "not_utf8"),
        (b"[" * 65 + b"]" * 65, [], "too_deep"),
        (b"x" * 1_000_001, [], "too_large"),
        (b"{}", [("scrub-scheme", b"v1")], "already_pseudonymised"),
        (b'{"specversion":"1.0","id":"1"}', [("content-type", b"application/cloudevents+json")], "schema_violation"),
        (b"{}", [("ce_specversion", b"1.0"), ("ce_id", b"1")], "schema_violation"),
    ],
)
def test_what_is_not_certain_is_refused_with_its_reason(value: bytes, headers: list, reason: str) -> None:
    """And the refusal quotes nothing."""
    with pytest.raises(Refused) as caught:
        scrubbed(value, *headers)
    assert caught.value.reason == reason


def test_the_tenant_is_found_in_header_extension_and_member() -> None:
    """In this order; none of them: refused."""
    scrubber = Scrubber(RECOGNISER, KnownEntities())

    def tenant(value: bytes, *headers: tuple[str, bytes]) -> str:
        return scrubber.read(Record("t", 0, 0, 0, None, value, headers)).tenant

    cloud = b'{"specversion":"1.0","id":"1","source":"/s","type":"t","tenantid":"b","tenant":"c"}'
    assert tenant(cloud, ("tenant", b"a")) == "a"
    assert tenant(cloud) == "b"
    assert tenant(b'{"tenant":"c"}') == "c"
    with pytest.raises(Refused, match="missing_tenant"):
        tenant(b"{}")
    with pytest.raises(Refused, match="unknown_tenant"):
        tenant(b'{"tenant":"no such name!"}')


def test_null_values_and_text_that_looks_like_an_array_pass() -> None:
    """A tombstone stays one; a line may open with a bracket."""
    assert scrubbed(None).value is None
    assert scrubbed(b"[2026-11-23 10:00] link down").value == b"[2026-11-23 10:00] link down"


@pytest.mark.parametrize(
    ("key", "wanted"),
    [
        (b"zeus", pc("zeus")),
        (b"zeus.example.local", pc("zeus.example.local")),
        (b"12345", "12345"),
        (b"10.1.2.3", PSEUDONYMS.replace(E.IP_ADDRESS, "10.1.2.3")),
    ],
    ids=["host", "qualified host", "number", "address"],
)
def test_the_kafka_key_is_pseudonymised(key: bytes, wanted: str) -> None:
    """Names and addresses; numbers and UUIDs name nobody."""
    assert scrubbed(b"{}", key=key).key == wanted.encode()


NAMES = st.from_regex(r"[a-z]{3,6}[0-9]{2}(?:-[a-z]{2,4})?", fullmatch=True)
FILLER = st.dictionaries(
    st.sampled_from(["count", "note", "ok", "list", "ratio"]),
    st.integers(0, 999)
    | st.booleans()
    | st.sampled_from(["all good", "café ☕", "C:\\Windows\\x.exe", "v1.2.3.4"])
    | st.lists(st.integers(0, 9), max_size=3),
    max_size=4,
)


@settings(deadline=None)
@given(
    NAMES,
    st.ip_addresses(v=4),
    FILLER,
    st.sampled_from(["{}", "\\\\{}\\c$", "{}$", "on {}, ok", "x={}", "http://{}:80/"]),
    st.integers(0, 3),
)
def test_no_known_name_survives_in_any_place_and_nothing_else_changes(name, address, filler, form, depth) -> None:
    """In values, keys, nested JSON, header and Kafka key; what is no identifier comes out as it went in."""
    said = form.format(name.upper())
    nested: object = {said: said, "ip": str(address)}
    for _ in range(depth):
        nested = {"in": orjson.dumps(nested).decode()}
    event = {**filler, "hostname": name, "inner": nested}

    result = scrubbed(orjson.dumps(event), ("x-agent", said.encode()), key=name.encode())

    out = b" ".join([result.value, result.key, *(value for _, value in result.headers)]).lower()
    assert name.encode() not in out
    after = orjson.loads(result.value)
    assert {key: after[key] for key in filler} == filler
    assert after["hostname"] == pc(name)


def test_an_address_that_becomes_ipv6_in_front_of_a_port_gets_brackets() -> None:
    """`10.1.2.3:8080` under `ipcrypt-deterministic`; not where no port follows, nor around what is IPv6 already."""
    pseudonymiser = Pseudonymiser(RING.tenant("acme"), {E.IP_ADDRESS: "ipcrypt-deterministic"})
    text = b"GET http://10.1.2.3:8080/x from 10.1.2.3, [2001:db9::5]:443"
    record = Record("raw", 0, 0, 0, None, text, [("tenant", b"acme"), ("content-type", b"text/plain")])
    image = pseudonymiser.replace(E.IP_ADDRESS, "10.1.2.3")
    other = pseudonymiser.replace(E.IP_ADDRESS, "2001:db9::5")
    scrubber = Scrubber(RECOGNISER, KnownEntities())

    scrubbed = scrubber.write(scrubber.read(record), pseudonymiser)

    assert scrubbed.value == f"GET http://[{image}]:8080/x from {image}, [{other}]:443".encode()
