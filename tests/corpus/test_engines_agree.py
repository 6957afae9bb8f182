"""The compiled detector gives Presidio's findings: type, span, score and rule."""

from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scrubbers import rules
from scrubbers.compiled import CompiledRules
from scrubbers.examples import unmarked
from scrubbers.reference import ReferenceEngine

COMPILED = CompiledRules(rules.load())
REFERENCE = ReferenceEngine(rules.load())
EXAMPLES = [unmarked(example)[0] for rule in rules.load().recognizers for example in rule.examples]
PIECES = st.one_of(
    st.sampled_from(EXAMPLES),
    st.ip_addresses().map(str),
    st.from_regex(r"[A-Za-z0-9.:\\$@/_%-]{1,24}", fullmatch=True),
    st.text(max_size=8),
)


@pytest.mark.parametrize("text", EXAMPLES)
def test_on_every_example(text: str) -> None:
    """In values and in keys."""
    assert COMPILED.find(text) == REFERENCE.find(text)
    assert COMPILED.find(text, keys=True) == REFERENCE.find(text, keys=True)


@settings(max_examples=150, deadline=None)
@given(st.lists(PIECES, max_size=6))
def test_on_generated_texts(pieces: list[str]) -> None:
    """Addresses, names and noise, joined."""
    text = " ".join(pieces)
    assert COMPILED.find(text) == REFERENCE.find(text)


def test_on_real_texts(shared: Path) -> None:
    """Every twentieth text of the labelled corpus."""
    lines = [line for path in sorted((shared / "data/corpus/dev").glob("*.ndjson")) for line in path.open("rb")]
    texts = [orjson.loads(line)["text"] for line in lines[::20]]
    different = [number for number, text in enumerate(texts) if COMPILED.find(text) != REFERENCE.find(text)]
    assert len(texts) > 200
    assert different == []
