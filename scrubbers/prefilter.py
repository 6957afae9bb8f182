"""A prefilter over many expressions: which of them may match in a text, and where, in one pass.

Hyperscan gets each expression widened (`widened.py`): it reports wherever the expression matches, and
perhaps elsewhere. What cannot be widened with certainty is always tried.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import hyperscan

from scrubbers.tokens import SAME_LETTERS

_FLAGS = (
    hyperscan.HS_FLAG_CASELESS | hyperscan.HS_FLAG_DOTALL | hyperscan.HS_FLAG_MULTILINE | hyperscan.HS_FLAG_ALLOWEMPTY
)
_Flagged = Mapping[int, tuple[str, int]]  # expressions with their flags
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")


class Prefilter:
    """Widened expressions by their position; None and what Hyperscan refuses are in `always`.

    Of those that are `placed` the ends of all matches are reported, of the others that there is one.
    """

    def __init__(self, expressions: Sequence[str | None], placed: Sequence[bool]) -> None:
        widened = {
            number: (each, _FLAGS if all_ends else _FLAGS | hyperscan.HS_FLAG_SINGLEMATCH)
            for number, (each, all_ends) in enumerate(zip(expressions, placed, strict=True))
            if each is not None
        }
        self._database, taken = _database(widened)
        self._scratch = hyperscan.Scratch(self._database) if self._database is not None else None
        self.always = [number for number in range(len(expressions)) if number not in taken]

    def candidates(self, text: str) -> list[tuple[int, int]]:
        """The expressions that may match and where their widened matches end, in order."""
        fired: list[tuple[int, int]] = []
        if self._database is not None:
            self._database.scan(_as_bytes(text), match_event_handler=_collect, context=fired, scratch=self._scratch)
            fired.sort()
        return fired


def _collect(number: int, start: int, end: int, flags: int, context: Any) -> None:  # noqa: ARG001
    context.append((number, end))


def _as_bytes(text: str) -> bytes:
    if text.isascii():
        return text.encode()
    for letter, same in SAME_LETTERS.items():
        text = text.replace(letter, same)
    return _NOT_ASCII.sub("\x80", text).encode("latin-1")


def _database(expressions: _Flagged) -> tuple[hyperscan.Database | None, _Flagged]:
    """The expressions compiled, and which of them Hyperscan took (it refuses what is too large)."""
    if not expressions:
        return None, expressions
    try:
        return _compiled(expressions), expressions
    except hyperscan.error:
        taken = {number: each for number, each in expressions.items() if _compiles({number: each})}
    return (_compiled(taken) if taken else None), taken


def _compiles(expressions: _Flagged) -> bool:
    try:
        _compiled(expressions)
    except hyperscan.error:
        return False
    return True


def _compiled(expressions: _Flagged) -> hyperscan.Database:
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(
        expressions=[each.encode() for each, _ in expressions.values()],
        ids=list(expressions),
        flags=[flags for _, flags in expressions.values()],
    )
    return database
