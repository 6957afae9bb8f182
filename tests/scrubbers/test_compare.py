"""Comparison of two rule sets: what differs in them, and what that changes."""

import msgspec
import pytest

from scrubbers.compare import Change, Comparison, Kind, compare
from scrubbers.entities import EntityType
from scrubbers.evaluate import Label, LabelledText
from scrubbers.rules import Allow, FieldRule, Learning, Pattern, Recogniser, RuleSet

NAME, USER = EntityType.COMPUTER_NAME, EntityType.USER_NAME
TAG = Recogniser("tag", NAME, (Pattern("tag", r"TAG-\d+", 0.9),))
MINE = RuleSet("mine", "1", (TAG,))
TEXT = LabelledText(1, "on TAG-17 and KIOSK.9", (Label(3, 9, NAME), Label(14, 21, NAME)), complete=(NAME,))


def changed(**members: object) -> RuleSet:
    """The rule set with other members."""
    return msgspec.structs.replace(MINE, **members)


def tag(**members: object) -> RuleSet:
    """The rule set with its one rule changed."""
    return changed(recognizers=(msgspec.structs.replace(TAG, **members),))


def only(found: Comparison) -> Change:
    """The one change on the texts."""
    [count] = found.counts
    assert count.number == 1
    return count.samples[0].change


def test_a_rule_set_does_not_differ_from_itself() -> None:
    """Also when its version is another."""
    assert compare(MINE, changed(version="2"), {"mine": [TEXT]}).same


@pytest.mark.parametrize(
    ("other", "part", "name", "kind", "what"),
    [
        (changed(recognizers=()), "recognizers", "tag", Kind.REMOVED, ()),
        (tag(context=("on",), validator="host"), "recognizers", "tag", Kind.CHANGED, ("context", "validator")),
        (changed(fields=(FieldRule("f", NAME, ("a",)),)), "fields", "f", Kind.ADDED, ()),
        (changed(allow=(Allow("a", (NAME,)),)), "allow", "a", Kind.ADDED, ()),
        (changed(thresholds={NAME: 0.5}), "thresholds", NAME, Kind.ADDED, ()),
        (changed(operators={NAME: "hash"}), "operators", NAME, Kind.ADDED, ()),
        (changed(learning=Learning(shortest=5)), "learning", "learning", Kind.CHANGED, ("shortest",)),
    ],
)
def test_what_differs_in_the_sets_is_named(other: RuleSet, part: str, name: str, kind: Kind, what: tuple) -> None:
    """Rules, fields, allow rules, thresholds, operators, learning; no text is needed."""
    [found] = compare(MINE, other).differences
    assert (found.part, found.name, found.kind, found.what) == (part, name, kind, what)


def test_a_finding_that_only_one_set_has_is_added_or_removed() -> None:
    """By type and rule, with a sample in its context."""
    kiosk = Recogniser("kiosk", NAME, (Pattern("k", r"KIOSK\.\d", 0.9),))
    [count] = compare(MINE, changed(recognizers=(TAG, kiosk)), {"mine": [TEXT]}).counts
    assert (count.kind, count.type, count.rule, count.number) == (Kind.ADDED, NAME, "kiosk", 1)
    sample = count.samples[0]
    assert (sample.source, sample.id, sample.left, sample.value) == ("mine", 1, "on TAG-17 and ", "KIOSK.9")
    assert only(compare(MINE, changed(recognizers=()), {"mine": [TEXT]})).kind is Kind.REMOVED


@pytest.mark.parametrize(
    ("other", "what"),
    [
        (tag(supported_entity=USER), ("type",)),
        (tag(patterns=(Pattern("tag", r"TAG-\d", 0.9),)), ("span",)),
        (tag(name="badge"), ("rule",)),
        (changed(allow=(Allow("a", (NAME,), values=("tag-17",)),)), ("allowed",)),
        (changed(operators={NAME: "redact"}), ("operator",)),
    ],
)
def test_a_finding_that_is_another_says_in_what(other: RuleSet, what: tuple[str, ...]) -> None:
    """Type, span, rule, whether it passes, operator; not in its score."""
    change = only(compare(MINE, other, {"mine": [TEXT]}))
    assert (change.kind, change.what) == (Kind.CHANGED, what)
    assert compare(MINE, tag(patterns=(Pattern("tag", r"TAG-\d+", 0.8),)), {"mine": [TEXT]}).counts == ()


def test_labelled_texts_are_measured_before_and_after() -> None:
    """Recall, precision, leak rate by type; none where nothing is labelled."""
    measured = compare(MINE, changed(recognizers=()), {"mine": [TEXT]}).measures[NAME]
    assert [(each.recall, each.leak_rate) for each in measured] == [(0.5, 0.5), (0.0, 1.0)]
    assert compare(MINE, changed(recognizers=()), {"mine": [LabelledText(1, TEXT.text)]}).measures == {}


def test_samples_are_few_and_counts_are_whole() -> None:
    """What is removed comes first: that is what leaks."""
    found = compare(MINE, tag(patterns=(Pattern("k", "KIOSK", 0.9),)), {"mine": [TEXT] * 5})
    assert [(each.kind, each.number, len(each.samples)) for each in found.counts] == [
        (Kind.REMOVED, 5, 3),
        (Kind.ADDED, 5, 3),
    ]
    assert (found.texts, found.changed_texts) == (5, 5)


def test_nothing_of_a_text_is_in_a_repr() -> None:
    """A comparison in a log would be a leak."""
    assert "TAG-17" not in repr(compare(MINE, changed(recognizers=()), {"mine": [TEXT]}))
