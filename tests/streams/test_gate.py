"""What keeps a rule set from being published."""

import msgspec
import pytest

from scrubbers.entities import EntityType
from scrubbers.evaluate import Label, LabelledText
from scrubbers.published import RuleSetRefused
from scrubbers.rules import Allow
from streams.gate import shortcomings
from tests.rule_sets import EVIL, EVIL_TEXT, TEXT, tags

CORPUS = {"mine": [LabelledText(1, TEXT, (Label(0, 10, EntityType.COMPUTER_NAME),))]}


def test_a_set_that_holds_what_it_says_may_be_published() -> None:
    """Its examples hold, and it finds in the corpus what the active one finds."""
    assert shortcomings(tags("1", "", "on «ASSET-0001»"), tags("1"), CORPUS) == []


def test_an_example_that_does_not_hold_is_a_reason() -> None:
    """It names the rule."""
    [reason] = shortcomings(tags("1", "", "on «TAG-0001»"), tags("1"), {})
    assert reason.startswith("tag-1: example 1")


def test_lost_recall_is_a_reason_by_type() -> None:
    """Against the active set, not against perfection."""
    [reason] = shortcomings(tags("2"), tags("1"), CORPUS)
    assert reason == "COMPUTER_NAME: finds 0 of 1 in the corpus, mine@1 finds 1"
    assert shortcomings(tags("3"), tags("2"), CORPUS) == []


def test_an_expression_that_does_not_end_is_a_reason() -> None:
    """By its form, on an example, or on the corpus."""
    evil = tags("1", EVIL, f"on {EVIL_TEXT}")
    corpus = {"mine": [LabelledText(1, EVIL_TEXT)]}
    slow, *reasons = shortcomings(evil, tags("1"), corpus)
    assert slow.startswith("tag-1: the expression of tag backtracks without bound: does not end in ")
    assert reasons == [
        "tag-1: an expression did not end in its time on an example",
        "tag-1: an expression did not end in its time on the corpus",
    ]


def test_what_lint_calls_an_error_is_a_reason() -> None:
    """A rule that can find nothing, and one that lets everything through; a warning is none."""
    low = msgspec.structs.replace(tags("1"), thresholds={EntityType.COMPUTER_NAME: 0.95})
    [reason] = shortcomings(low, tags("1"), {})
    assert reason == "tag-1: can find nothing: its scores are below the threshold 0.95"
    everything = Allow("all", (EntityType.COMPUTER_NAME,), patterns=(".*",))
    [reason] = shortcomings(msgspec.structs.replace(tags("1"), allow=(everything,)), tags("1"), {})
    assert reason == "all: lets everything of COMPUTER_NAME through"


def test_a_set_that_cannot_be_used_is_no_matter_of_force() -> None:
    """Every worker would refuse it."""
    with pytest.raises(RuleSetRefused, match="tag-1"):
        shortcomings(tags("1", "("), tags("1"), {})
