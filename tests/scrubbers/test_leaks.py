"""Leaks: found wherever a string hides, told by place and type, never by value; pseudonyms are none."""

import base64
from collections.abc import Sequence

import orjson
import pytest

from scrubbers import rules
from scrubbers.compiled import CompiledRules
from scrubbers.contents import Part
from scrubbers.entities import EntityType, Known
from scrubbers.known import KnownEntities
from scrubbers.leaks import Finder, How, Leak, form_finder, known_finder, search
from scrubbers.recognise import Recogniser
from scrubbers.records import Record
from scrubbers.rules import Allow, RuleSet

RECOGNISER = Recogniser(rules.load(), CompiledRules(rules.load()))
KNOWN = KnownEntities()
KNOWN.add("zephyrco", Known(EntityType.COMPUTER_NAME, "turnstone-44"))
KNOWN.add("zephyrco", Known(EntityType.USER_NAME, "person"))
KNOWN.add("zephyrco", Known(EntityType.COMPUTER_NAME, "zephyrco"))
FINDER = known_finder(lambda text: KNOWN.find("zephyrco", text), RECOGNISER)
OWN = [("tenant", b"zephyrco"), ("scrub-domain", b"zephyrco/k01"), ("scrub-scheme", b"v1")]


def scrubbed(value: object, key: bytes | None = None, headers: Sequence[tuple[str, bytes]] = ()) -> Record:
    """A scrubbed record with this JSON, or these bytes, as its value."""
    raw = value if isinstance(value, bytes) else orjson.dumps(value)
    return Record("scrubbed", 0, 7, 0, key, raw, [*OWN, *headers])


def places(record: Record, finder: Finder = FINDER) -> list[tuple[str, ...]]:
    """Part, header, pointer and further steps of each leak."""
    return [
        tuple(filter(None, (each.place.part, each.place.header, each.place.pointer, *each.place.inside)))
        for each in search(record, finder)
    ]


class TestPlaces:
    @pytest.mark.parametrize(
        ("value", "place"),
        [
            ({"a": [{"m": "on TURNSTONE-44"}]}, ("value", "/a/0/m")),
            ({"TURNSTONE-44": 1}, ("value", "/<COMPUTER_NAME>")),
            ({"x/TURNSTONE-44~": {"turnstone-44": "turnstone-44"}}, ("value", "/x~1<COMPUTER_NAME>~0")),
            ({"m": orjson.dumps({"n": ["turnstone-44"]}).decode()}, ("value", "/m", "json /n/0")),
            ({"data_base64": base64.b64encode(b"turnstone-44").decode()}, ("value", "/data_base64", "base64")),
            ({"m": f"sh -c {base64.b64encode(b'ping turnstone-44 -c 12').decode()}"}, ("value", "/m", "base64")),
            (
                {"m": "-enc " + base64.b64encode("ping turnstone-44".encode("utf-16-le")).decode()},
                ("value", "/m", "base64"),
            ),
            ({"m": "file%3A%2F%2Fturnstone-44%2Fc"}, ("value", "/m", "percent")),
            ({"m": r"Host:\t\tTURNSTONE-44\r\n"}, ("value", "/m", "escapes")),
            (b"one\ntwo turnstone-44\n", ("value", "line 2")),
            (b'{"a":"turnstone-44","a":"b"}', ("value", "raw")),
            (b"\xff\xfe turnstone-44", ("value", "line 1")),
        ],
    )
    def test_in_the_value(self, value, place):
        """Members, their names, JSON in strings, base64, percent-encoding, text, what is not even JSON or UTF-8."""
        assert places(scrubbed(value))[0] == place

    def test_deep_inside(self):
        """Deeper than the scrubber reads nested JSON as JSON."""
        value: object = {"m": "turnstone-44"}
        for _ in range(7):
            value = {"m": orjson.dumps(value).decode()}

        assert len(places(scrubbed(value))[0]) == 9

    def test_key_and_headers(self):
        """The Kafka key, a header's name and value."""
        record = scrubbed({}, key=b"TURNSTONE-44", headers=[("x-agent", b"turnstone-44"), ("turnstone-44", b"1")])

        assert places(record) == [("key",), ("header", "x-agent"), ("header", "<COMPUTER_NAME>")]

    def test_one_place_is_told_once_with_its_count(self):
        """Three times in one string; the same string decoded is the same place."""
        [leak] = search(scrubbed({"m": "turnstone-44 turnstone-44 %41 turnstone-44"}), FINDER)

        assert (leak.count, leak.type, leak.how, leak.place.part) == (
            3,
            EntityType.COMPUTER_NAME,
            How.KNOWN,
            Part.VALUE,
        )

    def test_a_leak_holds_no_value(self):
        """Whatever is printed of it."""
        record = scrubbed({"turnstone-44": "turnstone-44"}, headers=[("turnstone-44", b"turnstone-44")])

        assert "turnstone" not in repr(search(record, FINDER)).lower()


class TestNoLeak:
    @pytest.mark.parametrize(
        "value",
        [
            {"tenant": "zephyrco", "host": {"name": "pc-abcdefgh2345"}},
            {"by": "person-abcdefgh2345 on pc-abcdefgh2345.dom-abcdefgh2345"},
            {"m": "turnstone-444 turnstone xturnstone-44"},
        ],
    )
    def test_pseudonyms_and_the_tenants_own_id(self, value):
        """A known name may be spelled like a part of a pseudonym, or like the tenant."""
        assert search(scrubbed(value), FINDER) == []

    def test_the_tenants_name_elsewhere_is_one(self):
        """Where it is no routing id."""
        assert places(scrubbed({"tenant": "zephyrco", "m": "zephyrco"})) == [("value", "/m")]

    def test_what_the_rule_set_lets_pass(self):
        """An allow rule's host is none, although its name is known."""
        allow = Allow("ours", (EntityType.COMPUTER_NAME,), values=("turnstone-44",))
        base = rules.load()
        rule_set = RuleSet("x", "1", base.recognizers, base.fields, (allow,), learning=base.learning)
        finder = known_finder(lambda text: KNOWN.find("zephyrco", text), Recogniser(rule_set, CompiledRules(rule_set)))

        assert search(scrubbed({"host": {"name": "turnstone-44"}}), finder) == []
        assert len(search(scrubbed({"host": {"name": "turnstone-44"}}), FINDER)) == 1

    def test_what_an_operator_keeps(self):
        """`keep` is the security team's own decision."""
        kept = frozenset({EntityType.COMPUTER_NAME})
        finder = known_finder(lambda text: KNOWN.find("zephyrco", text), RECOGNISER, kept)

        assert search(scrubbed({"m": "turnstone-44"}), finder) == []


class TestForms:
    @pytest.mark.parametrize("text", ["lladdr 00:1a:2b:3c:4d:5e", "mail to <jo@example.com>"])
    def test_what_no_operator_writes(self, text):
        """A universally administered MAC address; an e-mail address that does not end in .invalid."""
        [leak] = search(scrubbed({"m": text}), form_finder(RECOGNISER))

        assert leak.how is How.FORM

    @pytest.mark.parametrize(
        "text",
        [
            "lladdr 02:1a:2b:3c:4d:5e",
            "to 01:00:5e:00:00:fb, 33:33:00:00:00:01, 00:00:00:00:00:00, ff:ff:ff:ff:ff:ff",
            "user-abcdefgh2345@pc-abcdefgh2345.dom-abcdefgh2345.invalid",
            "fingerprint 00:1A:2B:3C:4D:5E:6F:70:81:92",
        ],
    )
    def test_what_pseudonyms_look_like(self, text):
        """Locally administered, groups, nobody's, .invalid."""
        assert search(scrubbed({"m": text}), form_finder(RECOGNISER)) == []


def test_a_record_full_of_leaks_is_bounded():
    """One problem is told fifty times at most."""
    found: list[Leak] = search(scrubbed({str(number): "turnstone-44" for number in range(200)}), FINDER)

    assert len(found) == 50


def test_a_hostile_depth_is_read_as_text():
    """Nothing recurses without end."""
    record = scrubbed(b'{"a":' * 900 + b'"turnstone-44"' + b"}" * 900)

    assert places(record) == [("value", "raw")]
