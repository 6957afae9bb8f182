"""The prefilter names every expression that matches somewhere, and few others."""

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from scrubbers import rules
from scrubbers.examples import unmarked
from scrubbers.prefilter import Prefilter, widen
from scrubbers.rules import REGEX_FLAGS

SHIPPED = [pattern.regex for rule in rules.load().recognizers for pattern in rule.all_patterns()]
EXACT = [regex.compile(expression, REGEX_FLAGS) for expression in SHIPPED]
FILTER = Prefilter(SHIPPED)
EXAMPLES = [unmarked(example)[0] for rule in rules.load().recognizers for example in rule.examples]
# Letters that Unicode holds equal to ASCII ones, digits and spaces of other scripts, half a surrogate pair.
ODD = "İıſK٣é€\u00a0\u2003\x1c\ud800"


@pytest.mark.parametrize(
    ("expression", "wider"),
    [
        (r"a(?!b)c(?<=c)d", "acd"),
        (r"^a\Kb\b$", "ab"),
        (r"(?<=x)a(?=y)", "(?:x)a(?:y)"),
        (r"(?<!\d)a(?![.b])", r"(?:\A|[^\d])a(?:\z|[^.b])"),
        (r"(?<!ab)c(?!de)", "c"),
        (r"(?-i:A|B)/c", "(?:A|B)/c"),
        (r"(?P<entity>a)b++c{,3}", "(?:a)b+c{0,3}"),
        (r"\w[\d.]", r"[\x80\w][\x80\d.]"),
        (r"é[^\W_]", r"\x80(?:[^\W_]|\x80)"),
        (r"[\]x(]+y", r"[\]x(]+y"),
    ],
)
def test_what_is_widened_matches_at_least_as_much(expression: str, wider: str) -> None:
    """Look-arounds at the ends become characters, others and anchors go."""
    assert widen(expression) == wider


@pytest.mark.parametrize(
    "expression",
    [
        r"(a)\1",
        r"(?>a)",
        r"(?(1)a|b)",
        r"(?x) a",
        r"(?:foo){e<=1}",
        r"\p{L}",
        r"(?-i:[^a])",
        r"[^é]",
        r"\b{2}a",
        "(*F)",
    ],
)
def test_what_hyperscan_would_read_otherwise_is_not_widened(expression: str) -> None:
    """Back-references, conditionals, fuzzy matching, classes that would lose characters."""
    assert widen(expression) is None


def test_what_cannot_be_widened_is_always_a_candidate() -> None:
    """Alone, and beside others."""
    assert Prefilter([r"(a)\1"]).candidates("zzz") == [0]
    assert Prefilter(["b", r"(a)\1", "z"]).candidates("zzz") == [1, 2]
    assert Prefilter([]).candidates("zzz") == []


def test_what_is_too_large_for_hyperscan_is_always_a_candidate() -> None:
    """And the others are still filtered."""
    assert Prefilter(["b", r"(?:a{1,9999}b{1,9999}){500}", "z"]).candidates("zzz") == [1, 2]


def test_all_shipped_expressions_are_filtered() -> None:
    """None is tried on every text."""
    assert FILTER.always == []
    assert FILTER.candidates("C:\\Windows\\System32\\svchost.exe -k netsvcs started at 12:34 by NT AUTHORITY") == []


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
    ],
)
def test_letters_of_other_scripts_are_not_passed_over(expression: str, text: str) -> None:
    """Where the `regex` module matches, the prefilter fires."""
    assert regex.search(expression, text, REGEX_FLAGS) is not None
    assert Prefilter([expression]).candidates(text) == [0]


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
    assert matching <= set(FILTER.candidates(text))
