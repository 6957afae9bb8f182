"""Counting what a rule set finds and misses, as a corpus's README says."""

from collections.abc import Callable

import pytest

from scrubbers import rules
from scrubbers.compiled import CompiledRules
from scrubbers.detect import Span
from scrubbers.entities import EntityType
from scrubbers.evaluate import Label, LabelledText, Stretch, Tally, evaluate, f2, identifies_nobody, interval, judge
from scrubbers.recognise import Recogniser
from scrubbers.report import html

NAME, ADDRESS, USER, MAIL = (
    EntityType.COMPUTER_NAME,
    EntityType.IP_ADDRESS,
    EntityType.USER_NAME,
    EntityType.EMAIL_ADDRESS,
)
TEXT = "host web01.example.com at 10.0.0.1"  # the name is 5 to 22, the address 26 to 34


def replace(kind: EntityType, value: str) -> str:
    """A stand-in for a pseudonym."""
    return "x" * len(value)


def keep(kind: EntityType, value: str) -> str:
    """An operator that leaves everything."""
    return value


def case(
    *labels: Label, text: str = TEXT, complete: tuple[EntityType, ...] = (NAME, ADDRESS), **more: object
) -> LabelledText:
    """A labelled text."""
    return LabelledText("c", text, labels, complete=complete, **more)


def span(start: int, end: int, kind: EntityType = NAME, text: str = TEXT) -> Span:
    """A finding."""
    return Span(start, end, kind, text[start:end], 0.9, "rule")


def tally(one: LabelledText, *findings: Span, kind: EntityType = NAME, by: Callable[..., str] = replace) -> Tally:
    """The counts of a type."""
    return judge(one, findings, by).tallies[kind]


def test_a_label_is_found_only_when_it_is_covered_whole() -> None:
    """Several findings may cover it together."""
    labelled = case(Label(5, 22, NAME))
    assert tally(labelled, span(5, 22)).found == 1
    assert tally(labelled, span(5, 10)).found == 0
    assert tally(labelled, span(5, 10), span(10, 22)).found == 1
    assert tally(labelled, span(5, 10), span(11, 22)).found == 0


def test_a_finding_is_right_neutral_or_a_false_alarm() -> None:
    """Right on a label of an accepted type, neutral on another or on an ignored span, else false."""
    labelled = case(Label(26, 34, ADDRESS), ignore=(Stretch(5, 22),))
    assert tally(labelled, span(26, 34, ADDRESS), kind=ADDRESS).right == 1
    other = tally(labelled, span(26, 34))
    assert (other.right, other.wrong) == (0, 0)
    ignored = tally(labelled, span(5, 22))
    assert (ignored.right, ignored.wrong) == (0, 0)
    assert tally(labelled, span(0, 4)).wrong == 1


def test_false_alarms_count_only_where_labels_are_complete() -> None:
    """Nobody marked the users of this text."""
    assert tally(case(), span(0, 4, USER), kind=USER).wrong == 0


@pytest.mark.parametrize(
    ("label", "finding", "counts"),
    [
        (NAME, EntityType.DOMAIN_NAME, 1),
        (EntityType.DOMAIN_NAME, NAME, 0),
        (USER, MAIL, 1),
        (NAME, MAIL, 1),
        (MAIL, USER, 0),
        (NAME, ADDRESS, 0),
    ],
)
def test_which_types_count_for_a_label(label: EntityType, finding: EntityType, counts: int) -> None:
    """A domain for a computer, a mail address for what is in it."""
    assert tally(case(Label(5, 22, label)), span(5, 22, finding), kind=label).found == counts


def test_an_address_written_into_a_name_counts_either_way() -> None:
    """`ip-10-0-0-1.example.internal`"""
    text = "ip-10-0-0-1.example.internal"
    assert tally(case(Label(0, 28, NAME), text=text), span(0, 28, ADDRESS, text)).found == 1
    assert tally(case(Label(3, 11, ADDRESS), text=text), span(0, 28, NAME, text), kind=ADDRESS).found == 1


@pytest.mark.parametrize(
    "address", ["0.0.0.0", "127.0.0.1", "::1", "224.0.0.5", "255.255.255.0", "192.0.2.9", "2001:db8::7", "ff02::1"]
)
def test_addresses_that_identify_nobody_are_neither_found_nor_missed(address: str) -> None:
    """Nor false alarms."""
    assert identifies_nobody(address)
    outcome = judge(case(Label(0, len(address), ADDRESS), text=address), [], replace)
    assert not outcome.missed
    assert not judge(case(text=address), [span(0, len(address), ADDRESS, address)], replace).wrong


@pytest.mark.parametrize("address", ["10.0.0.1", "8.8.8.8", "fe80::1", "100.64.0.1", "nonsense"])
def test_other_addresses_identify_somebody(address: str) -> None:
    """Private ones too: within a tenant they are somebody's."""
    assert not identifies_nobody(address)


def test_a_value_that_still_stands_in_the_scrubbed_text_has_leaked() -> None:
    """In any case, at token boundaries; a second place that was not found counts too."""
    text = "web01 said: WEB01 is up, web012 too"
    labelled = case(Label(0, 5, NAME), text=text)
    assert tally(labelled, span(0, 5, text=text)).leaked == 1
    assert tally(labelled, span(0, 5, text=text), span(12, 17, text=text)).leaked == 0
    assert tally(labelled, span(0, 5, text=text), span(12, 17, text=text), by=keep).leaked == 1


def test_look_alikes_count_as_touched_when_a_finding_overlaps_them() -> None:
    """Of any type."""
    looks = case(text="version 1.2.3.4", lookalikes=(Stretch(8, 15),))
    assert judge(looks, [span(8, 15, ADDRESS, "version 1.2.3.4")], replace).touched == [Stretch(8, 15)]
    assert not judge(looks, [], replace).touched


def test_gold_labels_are_counted_apart() -> None:
    """Derived ones share ideas with the rules that are measured."""
    counts = tally(case(Label(5, 22, NAME), Label(0, 4, NAME, "derived")), span(0, 4))
    assert (counts.labels, counts.found, counts.gold, counts.gold_found) == (2, 1, 1, 0)


def test_known_names_are_those_labelled_in_the_same_source() -> None:
    """Each file is a tenant of its own."""
    text = "beaconhill rebooted"
    corpus = {"a": [case(Label(0, 10, NAME), text=text)], "b": [case(text=text, complete=())]}
    rule_set = rules.load()
    recogniser = Recogniser(rule_set, CompiledRules(rule_set))
    cold = evaluate(corpus, recogniser, replace, known=False)
    known = evaluate(corpus, recogniser, replace, known=True)
    assert cold.tallies()[NAME].found == 0
    assert known.tallies("a")[NAME].found == 1
    assert NAME not in known.tallies("b")
    assert [each.value for each in cold.misses()] == ["beaconhill"]


def test_the_report_shows_every_mistake_and_escapes_the_text() -> None:
    """A text is somebody else's: it may hold markup."""
    text = "<script>web01</script> lost"
    result = evaluate({"a": [case(Label(8, 13, USER), text=text)]}, _recogniser(), replace, known=False)
    page = html("mine@1", result)
    assert "<script>" not in page
    assert '<mark class="missed" title="USER_NAME">web01</mark>' in page


@pytest.mark.parametrize(
    ("part", "whole", "low", "high"), [(50, 100, 0.404, 0.596), (0, 10, 0.0, 0.278), (10, 10, 0.722, 1.0)]
)
def test_intervals_are_wilsons(part: int, whole: int, low: float, high: float) -> None:
    """Figures from R's binom.wilson."""
    assert interval(part, whole) == pytest.approx((low, high), abs=1e-3)


def test_f2_weighs_recall_twice() -> None:
    """A miss leaks, a false alarm blurs."""
    assert f2(0.5, 1.0) == pytest.approx(5 / 6)
    assert f2(1.0, 0.5) == pytest.approx(5 / 9)
    assert f2(None, 1.0) is None


def _recogniser() -> Recogniser:
    rule_set = rules.load()
    return Recogniser(rule_set, CompiledRules(rule_set))
