"""Expressions are widened to what matches at least as much, and what bounds their matches is true of them."""

from math import inf

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from scrubbers import rules
from scrubbers.attempts import attempts
from scrubbers.rules import REGEX_FLAGS
from scrubbers.widened import widen

SHIPPED = [pattern.regex for rule in rules.load().recognizers for pattern in rule.all_patterns()]


@pytest.mark.parametrize(
    ("expression", "wider"),
    [
        (r"a(?!b)c(?<=c)d", "acd"),
        (r"^a\Kb\b$", r"(?:\A|\n)ab"),
        (r"(?<=x)a(?=y)", "(?:x)a(?:y)"),
        (r"(?<!\d)a(?![.b])", r"(?:\A|[^\d])a(?:\z|[^.b])"),
        (r"(?<!ab)c(?!de)", "c"),
        (r"(?:(?<!x)|(?<=y))a(?:(?!b)|(?=c))", r"(?:(?:\A|[^x])|(?:y))a(?:(?:\z|[^b])|(?:c))"),
        (r"(?:(?<!x)a(?!b))+c", "(?:a)+c"),
        (r"(?-i:(?<!x)a(?!b))", "(?-i:a)"),
        (r"a(?=(?<!x)b)", "a(?:b)"),
        (r"(?<=a(?!x))b", "(?:a)b"),
        (r"a{2,63}?b{17}", "a{2,}?b{17}"),
        (r"(?-i:A|B)/c", "(?-i:A|B)/c"),
        (r"(?P<entity>a)b++c{,3}d", "(?:a)b+c{0,3}d"),
        (r"ab+c{,3}", "ab{1}"),
        (r"a(?=b{2,}c?)", "a(?:b{2})"),
        (r"(?:a|b?)", "(?:a|b?)"),
        (r"\w[\d.]", r"[\x80\w][\x80\d.]"),
        (r"é[^\W_]", r"\x80(?:[^\W_]|\x80)"),
        (r"[\]x(]+y", r"[\]x(]+y"),
    ],
)
def test_what_is_widened_matches_at_least_as_much(expression: str, wider: str) -> None:
    """Look-arounds at the ends become characters, others and anchors go."""
    widened = widen(expression)
    assert widened is not None
    assert widened.expression == wider


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
        r"\Ga",
        r"[^é]",
        r"\b{2}a",
        "(*F)",
    ],
)
def test_what_hyperscan_would_read_otherwise_is_not_widened(expression: str) -> None:
    """Back-references, conditionals, fuzzy matching, classes that would lose characters."""
    assert widen(expression) is None


@pytest.mark.parametrize(
    ("expression", "alphabet", "shortest"),
    [
        (r"(?<=x)a[b-d]{2,3}(?:e|fg)?(?=\$)", r"[ab-defg\$]", 3),
        (r"(?:[\w.-]|\d{4})+:", r"[\w.\-\d\:]", 2),
        (r"[-a][b-]", r"[\-ab\-]", 2),
        (r"[a\\-]+[]b]*", r"[a\\\-\]b]", 1),
        (r"[^\W_](?![^/])", r"[\w]", 1),
        (r"a.", None, 2),
        (r"[^/]{3}", None, 3),
    ],
)
def test_what_matches_consist_of(expression: str, alphabet: str | None, shortest: int) -> None:
    """Without what stands in front of them, with what must follow."""
    widened = widen(expression)
    assert widened is not None
    assert (widened.alphabet, widened.shortest) == (alphabet, shortest)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_matches_keep_within_their_alphabet_and_length(data: st.DataObject) -> None:
    """On what each plain part of an expression matches."""
    expression = data.draw(st.sampled_from([r"[a-c.-]{1,3}(?:-|\w\d?)*", r"(?:a|bc){2}[\]\\-]?", r"[ \t]*[^\W_]+:?"]))
    text = data.draw(st.from_regex(expression, fullmatch=True, alphabet=st.characters(codec="ascii")))
    widened = widen(expression)
    assert widened is not None
    assert len(text) >= widened.shortest
    assert regex.fullmatch(f"{widened.alphabet}*", text, REGEX_FLAGS)


@pytest.mark.parametrize(
    ("expression", "most"),
    [
        ("abc", 3),
        ("a{2,4}", 5),
        ("a{2,4}b", 8),
        ("a{2,4}+b", 6),
        ("a|bc", 3),
        ("a*b", inf),
        ("(?:a+)+b", inf),
        (r"(a)\1", inf),
        ("(?<=ab)c", 3),
        ("a{1,4000000000}", 4_000_000_001),
        ("(?:a{1,1000}b){1,1000}", inf),  # more than a float can hold
        ("(?:a?){900}(?:a?){900}(?:)", inf),
        (r"(?<=\Ka)b", inf),  # its matches begin before they were looked for: there may be no end of them
    ],
)
def test_the_attempts_of_an_expression_are_bounded_or_infinite(expression: str, most: float) -> None:
    """Without a bound its matches are timed on every text."""
    assert attempts(expression) == most
