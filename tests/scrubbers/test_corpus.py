"""A team's corpus: samples, labels, and a baseline below which no rule set may fall."""

import msgspec
import pytest

from schemas.errors import UserError
from scrubbers import corpus
from scrubbers.entities import EntityType
from scrubbers.evaluate import Label, LabelledText
from scrubbers.rules import Pattern, Recogniser, RuleSet

NAME, USER = EntityType.COMPUTER_NAME, EntityType.USER_NAME
TEXT = "on TAG-17 and TAG-A by kees"
CASE = LabelledText(1, TEXT, (Label(3, 9, NAME), Label(14, 19, NAME)))


def rules(regex: str) -> RuleSet:
    """One rule."""
    return RuleSet("mine", "1", (Recogniser("tag", NAME, (Pattern("tag", regex, 0.9),)),))


def test_a_sample_gets_the_next_number() -> None:
    """Above those that there are; ids that are words do not count."""
    cases, case = corpus.add([LabelledText("x", "a"), LabelledText(7, "b")], "c")
    assert (case.id, case.text, len(cases)) == (8, "c", 3)


@pytest.mark.parametrize("text", [" \n", TEXT])
def test_an_empty_or_second_sample_is_refused(text: str) -> None:
    """Nothing to learn from it."""
    with pytest.raises(UserError):
        corpus.add([CASE], text)


@pytest.mark.parametrize(
    ("spec", "spans"),
    [("3:9:COMPUTER_NAME", [(3, 9)]), ("kees:USER_NAME", [(23, 27)]), ("TAG:COMPUTER_NAME", [(3, 6), (14, 17)])],
)
def test_a_label_is_asked_for_by_offsets_or_by_value(spec: str, spans: list[tuple[int, int]]) -> None:
    """A value wherever it stands as a whole word."""
    assert [(each.start, each.end) for each in corpus.labels_of(TEXT, spec)] == spans


@pytest.mark.parametrize(
    "spec",
    ["3:99:COMPUTER_NAME", "9:3:COMPUTER_NAME", "2:9:COMPUTER_NAME", "kee:USER_NAME", "3:9:NAME", "kees", ":PERSON"],
)
def test_a_bad_label_is_refused(spec: str) -> None:
    """Outside, backwards, with a space, no whole word, no type; the message has no value."""
    with pytest.raises(UserError) as caught:
        corpus.labels_of(TEXT, spec)
    assert "kee" not in str(caught.value)


def test_a_label_replaces_one_with_its_span_and_may_stand_inside_another() -> None:
    """But not cross one."""
    relabelled = corpus.labelled(CASE, [Label(3, 9, USER), Label(3, 6, NAME)])
    assert [(each.start, each.end, each.type) for each in relabelled.spans] == [
        (3, 6, NAME),
        (3, 9, USER),
        (14, 19, NAME),
    ]
    with pytest.raises(UserError, match="in part"):
        corpus.labelled(CASE, [Label(7, 16, NAME)])


def test_a_label_that_is_not_there_cannot_be_removed() -> None:
    """One that is can."""
    assert corpus.unlabelled(CASE, [Label(3, 9, NAME)]).spans == CASE.spans[1:]
    with pytest.raises(UserError, match="does not have this label"):
        corpus.unlabelled(CASE, [Label(3, 9, USER)])


def test_accepted_findings_become_labels_beside_those_that_are_there() -> None:
    """And the sample is complete: more would be a false alarm."""
    case = corpus.accepted(msgspec.structs.replace(CASE, spans=(Label(3, 9, USER),)), rules(r"TAG-\w+"))
    assert [(each.start, each.type) for each in case.spans] == [(3, USER), (14, NAME)]
    assert case.complete == tuple(EntityType)


def test_without_a_baseline_everything_must_be_found() -> None:
    """The misses are named, in their context."""
    assert corpus.check([CASE], rules(r"TAG-\w+")).passed
    verdict = corpus.check([CASE], rules(r"TAG-\d+"))
    assert (verdict.passed, verdict.fallen) == (False, (NAME,))
    assert [(each.id, each.value) for each in verdict.misses] == [(1, "TAG-A")]


def test_recall_must_not_fall_below_the_baseline() -> None:
    """Half was accepted: half will do, another half too, but as a fresh miss; less will not."""
    baseline = corpus.check([CASE], rules(r"TAG-\d+")).now
    same, other, less = (corpus.check([CASE], rules(each), baseline) for each in (r"TAG-\d+", "TAG-A", "BADGE"))
    assert (same.passed, same.fresh) == (True, ())
    assert (other.passed, [(each.start, each.end) for each in other.fresh]) == (True, [(3, 9)])
    assert less.passed is False


def test_a_type_that_the_baseline_does_not_have_must_be_found() -> None:
    """A new label is there because something leaked."""
    baseline = corpus.check([CASE], rules(r"TAG-\w+")).now
    case = corpus.labelled(CASE, [Label(23, 27, USER)])
    assert corpus.check([case], rules(r"TAG-\w+"), baseline).fallen == (USER,)
