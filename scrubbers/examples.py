"""Examples beside the rules: a text with « » around what its rule must find, and nothing else by it."""

from collections.abc import Iterator, Sequence

import msgspec

from scrubbers.compiled import CompiledRules
from scrubbers.rules import CLOSE_MARK, OPEN_MARK, RuleSet


def unmarked(example: str) -> tuple[str, list[tuple[int, int]]]:
    """The text without marks, and the spans that were marked."""
    text, spans, start = "", [], 0
    for letter in example:
        if letter == OPEN_MARK:
            start = len(text)
        elif letter == CLOSE_MARK:
            spans.append((start, len(text)))
        else:
            text += letter
    return text, spans


class Failure(msgspec.Struct, frozen=True):
    """An example that does not hold: the rule's `number`-th, from 1."""

    rule: str
    number: int
    what: str


def failures(rules: RuleSet) -> Iterator[Failure]:
    """Every example that does not hold.

    Raises:
        RuleFailure: an expression did not end in its time.
    """
    engine = CompiledRules(rules)
    for rule in rules.recognizers:
        for number, example in enumerate(rule.examples, start=1):
            text, wanted = unmarked(example)
            found = [
                (each.start, each.end) for each in engine.find(text) if each.rule == rule.name and not each.allowed
            ]
            if found != wanted:
                yield Failure(rule.name, number, f"example {number}: marked {_places(wanted)}, found {_places(found)}")


def _places(spans: Sequence[tuple[int, int]]) -> str:
    """Where, and not what: this ends up on the audit log too."""
    return ", ".join(f"{start}:{end}" for start, end in spans) or "nothing"
