"""The compiled detector: what it finds in values and in keys, and how it fails."""

import pickle
import subprocess
import sys
import time

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from scrubbers import rules
from scrubbers.compiled import CompiledRules, without_duplicates
from scrubbers.entities import EntityType, Finding
from scrubbers.findings import MATCH_SECONDS, RuleFailure
from scrubbers.rules import REGEX_FLAGS, Pattern, Recogniser, RuleSet

SHIPPED = CompiledRules(rules.load())


def values(text: str, *, keys: bool = False) -> list[str]:
    """What is found and not allowed, as text."""
    return [text[each.start : each.end] for each in SHIPPED.find(text, keys=keys) if not each.allowed]


@pytest.mark.parametrize(
    "key",
    [
        "source.ip",
        "winlog.event_data",
        "host.name",
        "user.domain",
        "url.domain",
        "k8s.pod.name",
        "System.Net",
        "event.home",
    ],
)
def test_field_names_are_not_hosts(key: str) -> None:
    """A dotted field name is left alone, even where it ends like an internal domain."""
    assert values(key, keys=True) == []


@pytest.mark.parametrize(
    "key",
    [
        "10.20.30.40",
        "fe80::1",
        "00:1a:2b:3c:4d:5e",
        "fs01.corp.internal",
        "web.example.local",
        "DESKTOP-1A2B3C4",
        "a@example.org",
    ],
)
def test_identifiers_are_found_as_keys(key: str) -> None:
    """Objects keyed by host or address."""
    assert values(key, keys=True) == [key]


@pytest.mark.parametrize(
    "text",
    [
        "svchost.exe loaded kernel32.dll",
        "at org.apache.hadoop.mapreduce.Job",
        "System.Data.SqlClient.SqlException",
        "e.g. this, i.e. that",
        "release 3.11.4.2 of python",
        "C:\\Program Files\\Vendor\\app.config",
        "OID 1.3.6.1.4.1.311.21.8",
        "GUID 9ACE2F41-ACE2-4F4F-9178-9926F41749EA",
        "at 12:34:56.789 on 2026-01-02",
    ],
)
def test_look_alikes_are_left_alone(text: str) -> None:
    """Files, packages, versions, identifiers and times."""
    assert values(text) == []


def test_an_allowed_finding_is_reported_as_such() -> None:
    """A vendor's public host."""
    [finding] = SHIPPED.find("GET https://www.microsoft.com/x")
    assert finding.allowed


def test_offsets_are_code_points() -> None:
    """Behind letters of more than one byte, and beside half a surrogate pair."""
    text = "naïve 🖥 \ud800 10.20.30.40"
    assert values(text) == ["10.20.30.40"]


def test_a_validator_refuses_what_the_expression_matched() -> None:
    """999 is no octet."""
    assert values("at 999.20.30.40") == []


def test_a_deny_list_matches_whole_words_in_any_case() -> None:
    """As Presidio makes an expression of it."""
    engine = CompiledRules(
        RuleSet("mine", "1", (Recogniser("list", EntityType.COMPUTER_NAME, deny_list=("utica", "s+1")),))
    )
    spans = [(each.start, each.end) for each in engine.find("UTICA, s+1 but not Uticanian")]
    assert spans == [(0, 5), (7, 10)]


def test_a_finding_inside_another_of_its_type_goes_unless_it_scores_higher() -> None:
    """Presidio's own rule."""
    outer = Finding(0, 9, EntityType.COMPUTER_NAME, 0.5, "a")
    weak = Finding(2, 5, EntityType.COMPUTER_NAME, 0.5, "b")
    sure = Finding(2, 5, EntityType.COMPUTER_NAME, 0.9, "c")
    other = Finding(2, 5, EntityType.IP_ADDRESS, 0.1, "d")
    assert without_duplicates([outer, weak]) == [outer]
    assert without_duplicates([outer, sure]) == [outer, sure]
    assert without_duplicates([outer, other]) == [outer, other]


def test_an_expression_that_does_not_end_is_a_failure_within_the_bound() -> None:
    """The rule is named, the text is not."""
    rule = Recogniser("endless", EntityType.COMPUTER_NAME, (Pattern("p", r"(?:a|aa)+b(?!cd)", 0.9),))
    engine = CompiledRules(RuleSet("mine", "1", (rule,)))
    began = time.monotonic()
    with pytest.raises(RuleFailure, match=r"^endless$"):
        engine.find("a" * 80 + "bcd")
    assert time.monotonic() - began < 3 * MATCH_SECONDS


def test_an_expression_whose_matches_do_not_end_is_a_failure_too() -> None:
    """Each of them is quick, and begins before the last: on a text of any length."""
    rule = Recogniser("endless", EntityType.COMPUTER_NAME, (Pattern("p", r"(?<=\Ka)b?", 0.9),))
    with pytest.raises(RuleFailure, match=r"^endless$"):
        CompiledRules(RuleSet("mine", "1", (rule,))).find("ba")


def test_the_bound_is_for_all_places_that_an_expression_is_tried_at() -> None:
    """Each of them ends in time, together they would not."""
    rule = Recogniser("slow", EntityType.COMPUTER_NAME, (Pattern("p", r"(?:a|aa)+b(?!cd)", 0.9),))
    engine = CompiledRules(RuleSet("mine", "1", (rule,)))
    began = time.monotonic()
    with pytest.raises(RuleFailure, match=r"^slow$"):
        engine.find(("a" * 28 + "bcd ") * 2_000)
    assert time.monotonic() - began < 3 * MATCH_SECONDS


def test_an_expression_that_keeps_failing_gets_less_time() -> None:
    """So that a batch in which every record makes it fail still ends."""
    rule = Recogniser("endless", EntityType.COMPUTER_NAME, (Pattern("p", r"(?:a|aa)+b(?!cd)", 0.9),))
    engine = CompiledRules(RuleSet("mine", "1", (rule,)))
    for _ in range(6):
        with pytest.raises(RuleFailure):
            engine.find("a" * 80 + "bcd")
    began = time.monotonic()
    for _ in range(10):
        with pytest.raises(RuleFailure):
            engine.find("a" * 80 + "bcd")
    assert time.monotonic() - began < MATCH_SECONDS


EXPRESSIONS = [
    r"(?<![\w.])\w+(?:\.\w+){1,8}(?:com|x)(?!\w)",
    r"(?<=\ba)b+",
    r"a+b?(?=b)",
    r"//\K[a-b]+(?=/)",
    r"(?:(?<!a)|(?<=ba))b[ab]{0,9}(?:(?!b)|(?=ba))",
    r"a\K(?=b)",
    r"^[ab.]+(?=\s*$)",
    r"(?-i:A)b|[^a]b",
    r"[ab]",
    r"b*",
    r"(a)\1",
    r"[[:alpha:]]",
    r"[^[:alpha:]b]a",
    "\u017f?o",
]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(EXPRESSIONS), st.text(alphabet="aAb./x \ncomé\u017f", max_size=40))
def test_searching_near_what_the_prefilter_reports_finds_what_searching_the_text_does(
    expression: str, text: str
) -> None:
    """Runs, look-arounds, \\K, anchors, empty matches."""
    plain = regex.compile(expression, REGEX_FLAGS)
    rule = Recogniser("r", EntityType.USER_NAME, (Pattern("p", expression, 0.9),))
    wanted = [match.span() for match in plain.finditer(text) if match.start() < match.end()]
    assert [(each.start, each.end) for each in CompiledRules(RuleSet("mine", "1", (rule,))).find(text)] == wanted


@pytest.mark.parametrize("piece", ["1.2.3.", "a-b.", "a.com\\", "//x.yz", "12:34:", "ab$(", "A\\\\b:", "x@y."])
def test_the_time_does_not_grow_faster_than_the_text(piece: str) -> None:
    """A record of nothing but beginnings: each run of characters is searched once."""
    began = time.monotonic()
    SHIPPED.find(piece * (20_000 // len(piece)))
    assert time.monotonic() - began < 2


def test_importing_it_does_not_import_presidio() -> None:
    """Which takes seconds, in every worker."""
    code = "import sys, scrubbers.compiled; sys.exit('presidio_analyzer' in sys.modules or 'spacy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_rule_sets_travel_between_processes() -> None:
    """A worker compiles its own detector from the rule set."""
    copy = pickle.loads(pickle.dumps(rules.load()))
    assert copy == rules.load()
    assert copy.digest() == rules.load().digest()
