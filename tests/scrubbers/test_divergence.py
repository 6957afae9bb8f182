"""Two rule sets on one event: what one finds and the other does not."""

import base64

import orjson
import pytest

from scrubbers.compiled import CompiledRules
from scrubbers.divergence import Difference, Kind, differences
from scrubbers.entities import EntityType, Known
from scrubbers.known import KnownEntities
from scrubbers.recognise import Recogniser
from scrubbers.records import Record
from scrubbers.rules import RuleSet
from scrubbers.scrub import Scrubber
from tests.rule_sets import tags

PC = EntityType.COMPUTER_NAME


def compared(live: RuleSet, candidate: RuleSet, value: bytes, *known: Known) -> list[Difference]:
    """The differences on one event of acme's."""
    entities = KnownEntities()
    for each in known:
        entities.add("acme", each)
    record = Record("t", 0, 0, 0, None, value, [("tenant", b"acme"), ("x-agent", b"TAG-0001")])
    one, other = (Scrubber(Recogniser(each, CompiledRules(each)), entities).read(record) for each in (live, candidate))
    return differences(one, other, entities)


def test_equal_findings_are_no_difference() -> None:
    """Whatever the rules are called."""
    other = tags("1", "ASSET-[0-9]+")
    assert compared(tags("1"), other, b'{"m":"ASSET-0042"}') == []


def test_more_and_less_are_told_apart() -> None:
    """One rule's tags for another's, in text and headers, with their places."""
    found = compared(tags("1"), tags("2"), b'{"m":["ASSET-0042 and TAG-0042"]}')
    assert found == [
        Difference("/m/*", 15, 23, Kind.ADDED, PC, "tag-2"),
        Difference("/m/*", 0, 10, Kind.REMOVED, PC, "tag-1"),
        Difference("/$headers/x-agent", 0, 8, Kind.ADDED, PC, "tag-2"),
    ]


def test_another_span_is_a_change() -> None:
    """Not one more and one less."""
    longer = tags("1", r"ASSET-\d{4}-\w+")
    found = compared(tags("1"), longer, b"disk full on ASSET-0042-b\n")
    assert found == [Difference("/$text", 13, 25, Kind.CHANGED, PC, "tag-1")]


@pytest.mark.parametrize(
    "event",
    [
        {"m": orjson.dumps({"deep": "ASSET-0042"}).decode()},
        {"specversion": "1.0", "data_base64": base64.b64encode(b"on ASSET-0042").decode()},
        {"ASSET-0042": 1, "m": "ASSET-0042"},
    ],
)
def test_documents_in_strings_and_base64_are_compared_inside(event) -> None:
    """Where the strings really are; a rule that is not sure enough for keys says nothing of them."""
    [found] = compared(tags("1"), tags("3"), orjson.dumps(event))
    assert (found.kind, found.type, found.rule) == (Kind.REMOVED, PC, "tag-1")


def test_a_name_that_is_known_stands_in_both() -> None:
    """The candidate loses nothing that the known entities find all the same."""
    assert compared(tags("1"), tags("3"), b'{"m":"ASSET-0042"}', Known(PC, "asset-0042")) == []
