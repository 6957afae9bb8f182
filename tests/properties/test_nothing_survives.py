"""End to end over generated events: no form of a known identifier survives, and nothing else changes."""

import re
from typing import Any

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scrubbers import rules
from scrubbers.compiled import CompiledRules
from scrubbers.entities import EntityType, Known
from scrubbers.keyring import Keyring
from scrubbers.known import KnownEntities
from scrubbers.pseudonyms import Pseudonymiser
from scrubbers.recognise import Recogniser
from scrubbers.records import Record
from scrubbers.scrub import Scrubber

RING = Keyring.throwaway()
RING.add_tenant("acme")
PSEUDONYMS = Pseudonymiser(RING.tenant("acme"), rules.load().operators)
RECOGNISER = Recogniser(rules.load(), CompiledRules(rules.load()))
SLOT = "\0"  # where an identifier stands in the template of an event

NAMES = ("qorvex", "zblk-lt07", "QX-TILBURG-3", "wlnd2")
DOMAIN = "grebnik.local"
NAME_FORMS = (
    "{0}",
    "{0}.grebnik.local",
    "{0}.grebnik.local.",
    r"\\{0}\c$",
    "{0}$",
    "https://{0}.grebnik.local/x",
    "host/{0}.grebnik.local",
    "({0})",
    "{0}:8080",
    "name={0};",
    "'{0}'",
)
ADDRESSES = (
    "10.77.3.9",
    "010.077.003.009",
    "10.77.3.9:443",
    "10.77.0.0/16",
    "host10.77.3.9",
    "9.3.77.10.in-addr.arpa",
    "ip-10-77-3-9",
    "::ffff:10.77.3.9",
    "2a02:8108:77::9",
    "[2A02:8108:77:0:0:0:0:9]:80",
    "fe80::77:9%eth0",
    "2a02-8108-77--9.ipv6-literal.net",
)
# What must not be found afterwards, in lower case.
TRACES = [name.lower() for name in NAMES] + [
    "grebnik",
    "10.77.3",
    "010.077",
    "10-77-3",
    "3.77.10",
    "8108:77",
    "8108-77",
]

names = st.builds(
    lambda name, form, spelled: form.format(spelled(name)),
    st.sampled_from(NAMES),
    st.sampled_from(NAME_FORMS),
    st.sampled_from((str, str.lower, str.upper)),
)
identifiers = st.one_of(names, st.sampled_from(ADDRESSES))
# Letters that begin no known name and no label of a rule.
words = st.text('aeiou ,;é\n"\\', max_size=12)
slotted = st.lists(st.one_of(words, st.just(f" {SLOT} ")), max_size=5).map("".join)
slotted = slotted.filter(lambda text: r"\\" not in text)  # `\\\\ae` is a server's name
plain = st.one_of(
    st.integers(-(10**9), 10**9), st.booleans(), st.none(), st.floats(allow_nan=False, allow_infinity=False)
)
trees = st.recursive(
    st.one_of(slotted, plain),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(("a", "u.i", "oe", "x")), inner, max_size=4)
    ),
    max_leaves=12,
)


class Filled:
    """A template with its slots filled, some strings of it as JSON inside a string."""

    def __init__(self, data: st.DataObject) -> None:
        self._draw = data.draw

    def fill(self, node: Any) -> Any:
        """Fill the slots of every string."""
        if isinstance(node, str):
            while SLOT in node:
                node = node.replace(SLOT, self._draw(identifiers), 1)
            return node
        if isinstance(node, list):
            return [self.fill(item) for item in node]
        if isinstance(node, dict):
            return {name: self.fill(value) for name, value in node.items()}
        return node


def scrub(event: Any) -> Any:
    """The event after scrubbing, with the names known."""
    known = KnownEntities()
    for name in NAMES:
        known.add("acme", Known(EntityType.COMPUTER_NAME, name.lower()))
    known.add("acme", Known(EntityType.DOMAIN_NAME, DOMAIN))
    scrubber = Scrubber(RECOGNISER, known)
    reading = scrubber.read(Record("t", 0, 0, 0, None, orjson.dumps(event), [("tenant", b"acme")]))
    for each in reading.learned:
        known.add("acme", each)
    value = scrubber.write(reading, PSEUDONYMS).value
    assert value is not None
    return orjson.loads(value)


def same_but_slots(template: Any, result: Any) -> bool:
    """Whether the result is the template with something in its slots."""
    if isinstance(template, str):
        pattern = "(.+)".join(map(re.escape, template.split(SLOT)))
        return re.fullmatch(pattern, result, re.DOTALL) is not None
    if isinstance(template, list):
        return len(template) == len(result) and all(map(same_but_slots, template, result))
    if isinstance(template, dict):
        return list(template) == list(result) and all(
            same_but_slots(value, result[name]) for name, value in template.items()
        )
    return bool(template == result)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(("m", "ea", "io")), trees, max_size=4), st.data())
def test_no_form_survives_and_nothing_else_changes(template: dict[str, Any], data: st.DataObject) -> None:
    """Any form, any place, any nesting."""
    result = scrub(Filled(data).fill(template))
    text = orjson.dumps(result).decode().lower()
    assert [trace for trace in TRACES if trace in text] == []
    assert same_but_slots(template, result)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(trees, st.integers(1, 3), st.data())
def test_nor_inside_json_in_strings(template: Any, depth: int, data: st.DataObject) -> None:
    """An agent wraps its events in strings, more than once."""
    event = Filled(data).fill({"m": template})
    for _ in range(depth):
        event = {"m": orjson.dumps(event).decode()}
    result = scrub(event)
    text = orjson.dumps(result).decode().lower()
    assert [trace for trace in TRACES if trace in text] == []
    for _ in range(depth):
        result = orjson.loads(result["m"])
    assert same_but_slots({"m": template}, result)


@settings(max_examples=150, deadline=None)
@given(trees, st.sampled_from(NAMES), st.sampled_from(ADDRESSES[:3]))
def test_nor_in_the_names_of_fields(template: Any, name: str, address: str) -> None:
    """Agents make objects by host and by address."""
    result = scrub({"a": {name: 1, address: 2}, "m": template if not isinstance(template, str) else 0})
    text = orjson.dumps(result).decode().lower()
    assert [trace for trace in TRACES if trace in text] == []
    assert list(result["a"].values()) == [1, 2]
