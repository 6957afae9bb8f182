"""Context words: Presidio's arithmetic, without a language model, in both engines alike."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scrubbers import rules
from scrubbers.compiled import CompiledRules
from scrubbers.context import raised, supportive
from scrubbers.entities import EntityType
from scrubbers.reference import ReferenceEngine
from scrubbers.rules import Pattern, Recogniser, RuleSet

TAG = Recogniser(
    "tag",
    EntityType.COMPUTER_NAME,
    (Pattern("digits", r"\b\d{4}\b", 0.3), Pattern("letters and digits", r"\b[a-z]\d{3,4}\b", 0.5)),
    context=("asset", "inventory number"),
)
RULES = RuleSet("mine", "1", (TAG,), learning=rules.load().learning)
COMPILED, REFERENCE = CompiledRules(RULES), ReferenceEngine(RULES)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("asset 1234", "asset"),
        ("Asset: one two three four 1234", "Asset"),
        ("inventory number 1234", "inventory number"),
        ("asset one two three four five 1234", None),
        ("assets 1234", None),
        ("1234 asset", None),
        ("1234", None),
    ],
)
def test_a_word_counts_within_five_words_in_front(text: str, word: str | None) -> None:
    """Whole, in any case; phrases too."""
    assert supportive(text, text.index("1234"), TAG.context) == word


def test_scores_rise_as_in_presidio() -> None:
    """By 0.35, to 0.4 at least and 1 at most."""
    assert raised(0.5) == pytest.approx(0.85)
    assert raised(0.01) == 0.4
    assert raised(0.9) == 1.0


def test_a_match_below_the_threshold_is_found_with_context() -> None:
    """And only with it."""
    assert COMPILED.find("number 1234") == []
    [finding] = COMPILED.find("asset 1234")
    assert finding.score == pytest.approx(0.65)


words = st.sampled_from(["asset", "ASSET", "inventory", "number", "1234", "a123", "a1234", "x", "-", "\n", "é"])


@settings(max_examples=200, deadline=None)
@given(st.lists(words, max_size=14))
def test_both_engines_agree(pieces: list[str]) -> None:
    """On any order of words."""
    text = " ".join(pieces)
    assert COMPILED.find(text) == REFERENCE.find(text)


def test_words_of_all_languages_count(tmp_path: Path) -> None:
    """Presidio's registry gives them by language."""
    path = tmp_path / "r.yaml"
    path.write_text(
        """
name: mine
version: "1"
supported_languages: [en, nl]
recognizers:
  - name: tag
    type: custom
    supported_entity: COMPUTER_NAME
    supported_languages:
      - {language: en, context: [asset]}
      - {language: nl, context: [bezit, asset]}
    patterns: [{name: digits, regex: '\\d{4}', score: 0.3}]
  - name: unused
    enabled: false
    supported_entity: COMPUTER_NAME
    deny_list: [x]
""",
        encoding="utf-8",
    )
    loaded = rules.load(path)
    assert [each.name for each in loaded.recognizers] == ["tag"]
    assert loaded.recognizers[0].context == ("asset", "bezit")
