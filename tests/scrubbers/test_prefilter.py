"""The prefilter names every expression that matches somewhere, and few others."""

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from scrubbers import rules
from scrubbers.examples import unmarked
from scrubbers.prefilter import Prefilter
from scrubbers.rules import REGEX_FLAGS
from scrubbers.widened import widen

SHIPPED = [pattern.regex for rule in rules.load().recognizers for pattern in rule.all_patterns()]
EXACT = [regex.compile(expression, REGEX_FLAGS) for expression in SHIPPED]


def prefilter(expressions: list[str]) -> Prefilter:
    """For the places of these."""
    widened = [widen(each) for each in expressions]
    return Prefilter([each and each.expression for each in widened], [True] * len(expressions))


def fired(filters: Prefilter, text: str) -> list[int]:
    """What may match."""
    return sorted({*filters.always, *(number for number, _ in filters.candidates(text))})


FILTER = prefilter(SHIPPED)
EXAMPLES = [unmarked(example)[0] for rule in rules.load().recognizers for example in rule.examples]
# Letters that Unicode holds equal to ASCII ones, digits and spaces of other scripts, half a surrogate pair.
ODD = "İıſK٣é€\u00a0\u2003\x1c\ud800"


def test_what_cannot_be_widened_is_always_a_candidate() -> None:
    """Alone, and beside others."""
    assert fired(prefilter([r"(a)\1"]), "zzz") == [0]
    assert fired(prefilter(["b", r"(a)\1", "z"]), "zzz") == [1, 2]
    assert fired(prefilter([]), "zzz") == []


def test_what_is_too_large_for_hyperscan_is_always_a_candidate() -> None:
    """And the others are still filtered."""
    assert fired(prefilter(["b", r"(?:a{9999}b{9999}){500}", "z"]), "zzz") == [1, 2]


def test_where_an_expression_matches_is_reported_unless_it_is_not_asked_for() -> None:
    """Ends of all matches, or that there is one."""
    assert Prefilter(["ab", "b"], [True, False]).candidates("ab ab") == [(0, 2), (0, 5), (1, 2)]


def test_all_shipped_expressions_are_filtered() -> None:
    """None is tried on every text."""
    assert FILTER.always == []
    assert fired(FILTER, "C:\\Windows\\System32\\svchost.exe -k netsvcs started at 12:34 by NT AUTHORITY") == []


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("kelvin", "\u212aelvin"),
        ("is", "İſ"),
        (r"\d\d", "٣٣"),
        (r"a\sb", "a\u2003b"),
        (r"\w@", "é@"),
        ("[^a]b", "éb"),
        ("é", "É"),
        ("[[:alpha:]]{5}-7", "utica-7"),
        ("(?=[^[:digit:])]x)[^[:digit:])]x7", "ax7"),
        ("\u0130stanbul", "\u0130STANBUL"),
        ("\\\u017f7", "\u017f7"),
        ("[\u00e0-\u017f]7", "\u017f7"),
    ],
)
def test_letters_of_other_scripts_are_not_passed_over(expression: str, text: str) -> None:
    """Where the `regex` module matches, the prefilter fires."""
    assert regex.search(expression, text, REGEX_FLAGS) is not None
    assert fired(prefilter([expression]), text) == [0]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.one_of(st.sampled_from(EXAMPLES), st.text(alphabet=ODD + "aksi09.:-_\\/@$%=[]<> \n\t", max_size=12)),
        max_size=5,
    )
)
def test_no_match_is_passed_over(pieces: list[str]) -> None:
    """Whatever an expression matches, the prefilter has named it."""
    text = "".join(pieces)
    matching = {number for number, exact in enumerate(EXACT) if exact.search(text)}
    assert matching <= set(fired(FILTER, text))
