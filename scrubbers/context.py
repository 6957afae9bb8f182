"""Context words: what a rule's match gains when one of the rule's words stands in front of it.

As in Presidio (`LemmaContextAwareEnhancer`): five words back, 0.35 more, 0.4 at least; but on words as they
are written, without a language model.
"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

WORDS_BEFORE = 5
GAIN = 0.35
LEAST = 0.4
_FARTHEST = 400  # characters back in which the words are looked for
_WORD = re.compile(r"\w+")


def supportive(text: str, start: int, words: Sequence[str]) -> str | None:
    """The first of a rule's context words (or phrases) within five words before a match, in any case."""
    before = text[max(0, start - _FARTHEST) : start]
    nearest = list(_WORD.finditer(before))[-WORDS_BEFORE:]
    if not nearest:
        return None
    found = _phrases(tuple(words)).search(before, nearest[0].start())
    return found.group() if found is not None else None


def raised(score: float) -> float:
    """A score with the gain of a context word."""
    return min(1.0, max(LEAST, score + GAIN))


@lru_cache(maxsize=1_024)
def _phrases(words: Iterable[str]) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, words))})(?!\w)", re.IGNORECASE)
