"""Slow expressions: refused by their shape or because they were slow; honest ones never."""

import time

import pytest

from scrubbers import rules
from scrubbers.backtracking import slowness
from scrubbers.expressions import UnreadableError, sample, tree


@pytest.mark.parametrize(
    "expression",
    [
        r"(a+)+$",
        r"([a-zA-Z]+)*$",
        r"(?:a|aa)+$",
        r"(a|a)*c",
        r"(?:ab|abab)+!",
        r"(\w+\s?)+:",
        r"(.*)*=",
        r"(?:\w{1,20}\s?){1,30}:",
        r"(.*a){12}b",
        r"\w+\w+\w+x",
        r"(x+x+)+y",
        r"(?P<q>['\"])(?:a|\w)*(?P=q)",
        r"(?<=user )(?:\w|\w\w)+!",
        r"(?x) (a|a)*c",
        "(?:a|a)" * 24 + "z",
    ],
)
def test_a_catastrophic_expression_is_refused(expression: str) -> None:
    """Exponential, or worse than the square; also with look-behinds, back-references, bounds."""
    assert slowness(expression) is not None


@pytest.mark.parametrize(
    "expression",
    [
        r"ASSET-\d{4}",
        r"\w+@",
        r"(?:\w+\.)+\w+",
        r"(?:\d{1,3}\.){3}\d{1,3}",
        r"(?:[a-z0-9-]+\.)*example\.com",
        r'"(?:[^"\\]|\\.)*"',
        r"(?:\w++)+x",
        r"(?>\w+)-x",
        r"(\w+)-\1",
        r"(?:foo){2,3}",
        r"[\w.-]+\.corp\.local",
        r"(?i)kiosk[-_]\p{Lu}\w*",
    ],
)
def test_an_honest_expression_is_not(expression: str) -> None:
    """Linear, or the square at most."""
    assert slowness(expression) is None


def test_no_shipped_expression_is_refused() -> None:
    """They run on every event."""
    shipped = rules.load()
    patterns = [pattern for rule in shipped.recognizers for pattern in rule.all_patterns()]
    allowed = [pattern for rule in shipped.allow for pattern in rule.patterns]
    assert [each.name for each in patterns if slowness(each.regex)] == []
    assert [each for each in allowed if slowness(each, whole=True)] == []


def test_an_allow_rules_expression_is_held_against_whole_values() -> None:
    """As it is used: it is slow only if the end does not fit."""
    assert slowness(r"(?:a|aa)+", whole=True) is not None
    assert slowness(r"[\w.-]+\.example\.com", whole=True) is None


def test_a_verdict_takes_little_of_the_processor() -> None:
    """Also where the expression itself would take hours: below the two seconds that lint has."""
    began = time.process_time()
    assert slowness(r"(?:b|bb|bbb)+c(?!d)") is not None
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        (r"a+b{3}", "abbb"),
        (r"(?:x|yz)\d", "x0"),
        (r"(?<=user )\w+", "user a"),
        (r"(?-i:[A-Z])\.", "A."),
        (r"\p{Lu}\\", "a\\"),  # without case, as Presidio has it
        (r"(?P<n>k)(?P=n)?\b", "k"),
        (r"(?(1)a|b)c", "ac"),
        (r"[]x]{2}", "]]"),
    ],
)
def test_a_tree_gives_a_text_that_matches(expression: str, text: str) -> None:
    """Of every part that is needed."""
    assert sample(tree(expression)).lower() == text.lower()


@pytest.mark.parametrize("expression", ["(?x) a b", "a{e<=1}", "(a", "a)", "*a"])
def test_a_shape_that_is_not_certain_is_not_guessed(expression: str) -> None:
    """Verbose, fuzzy, or no expression."""
    with pytest.raises(UnreadableError):
        tree(expression)
