"""Expressions rewritten for an engine that knows no look-arounds, so that they match at least as much.

Beside the rewritten expression goes what bounds the search for the exact one: of which characters its
matches consist, and how many they have at least.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from math import inf

import msgspec

from scrubbers.tokens import (
    OPENINGS,
    Token,
    UncertainError,
    class_length,
    class_of_bytes,
    is_repeat,
    is_zero_width,
    least_of,
    most_of,
    tokenised,
)

_COUNTED = 3  # a repeat up to more than this is one without end: counting makes the scan three times slower
_EDGES = re.compile(r"(\\.)|^[\]-]|-$")  # what means something else inside a class than at its edge


class Widened(msgspec.Struct, frozen=True):
    """What an expression was widened to.

    `expression` (for Hyperscan, in bytes) ends a match in or behind each of the original's, at least
    `shortest` characters from its start. All that lies between that start and the character before that
    end is of the class `alphabet` (for the `regex` module; None for nearly all).
    """

    expression: str
    alphabet: str | None
    shortest: int


def widen(expression: str) -> Widened | None:
    """An expression without look-arounds that matches at least where this one does; None if that is uncertain.

    A positive look-around at either end becomes what it looks for, a negative one of a single character
    the other characters (or the text's end); others go, and so do most anchors and `\\K`.
    """
    try:
        tokens = list(tokenised(expression))
        pieces = list(_widened(tokens, left=True, right=True))
    except UncertainError:
        return None
    alphabet = _any_of(dict.fromkeys(each.written for each in pieces if each.written))
    return Widened("".join(each.text for each in _cut(pieces)), alphabet, _shortest(tokens))


class _Path(msgspec.Struct):
    """How far an alternative is: at its left end still, or behind what stands for its right one."""

    fresh: bool
    ended: bool


def _widened(tokens: Sequence[Token], *, left: bool, right: bool) -> Iterator[Token]:
    """`left` and `right`: whether what is looked at there may become part of the match."""
    groups = [_Path(left, ended=False)]  # as they were opened
    path = _Path(left, ended=False)
    for index, token in enumerate(tokens):
        if is_zero_width(token):
            if index + 1 < len(tokens) and is_repeat(tokens[index + 1]):
                raise UncertainError
            edge: Sequence[Token] = ()
            if path.fresh and token.text.startswith(("(?<=", "(?<!", "^")):
                edge = _left_edge(token.text)
            elif right and not path.ended and token.text.startswith(("(?=", "(?!")) and _is_last(tokens, index):
                edge = _right_edge(token.text)
                path.ended = bool(edge)
            path.fresh = path.fresh and not edge
            yield from edge
            continue
        yield _uncounted(token) if is_repeat(token) else token
        if token.text in OPENINGS:
            path.fresh = path.fresh and not _is_repeated(tokens, index)
            groups.append(_Path(path.fresh, path.ended))
        elif token.text == "|":
            path = _Path(groups[-1].fresh, groups[-1].ended)
        else:
            if token.text == ")":
                groups.pop()
            path.fresh = False


def _cut(pieces: list[Token]) -> list[Token]:
    """Without what more of the same the last character may have: each more would be one more end to report."""
    while len(pieces) > 1 and is_repeat(pieces[-1]) and pieces[-2].written:
        least = least_of(pieces[-1].text)
        if least > 0:
            return [*pieces[:-1], Token(f"{{{least}}}")]
        if len(pieces) < 3 or pieces[-3].text in (*OPENINGS, "|"):
            break
        pieces = pieces[:-2]
    return pieces


def _uncounted(repeat: Token) -> Token:
    most = most_of(repeat.text)
    return Token(f"{{{least_of(repeat.text)},}}") if _COUNTED < most < inf and "," in repeat.text else repeat


def _left_edge(token: str) -> list[Token]:
    """What stands before the match: no part of it, so of no alphabet."""
    if token == "^":
        return [Token(r"(?:\A|\n)")]
    inner = token[4:-1]
    if token.startswith("(?<="):
        behind = _widened(list(tokenised(inner)), left=True, right=False)
        return [Token(f"(?:{''.join(each.text for each in behind)})")]
    others = _complement(inner)
    return [] if others is None else [Token(rf"(?:\A|{others})")]


def _right_edge(token: str) -> list[Token]:
    inner = token[3:-1]
    if token.startswith("(?="):
        return [Token("(?:"), *_cut(list(_widened(list(tokenised(inner)), left=False, right=True))), Token(")")]
    others = _complement(inner)
    return [] if others is None else [Token(rf"(?:\z|{others})")]


def _complement(expression: str) -> str | None:
    """The class of all characters but those of an expression that is one class, or one character."""
    if len(expression) == 1 and expression.isalnum():
        return class_of_bytes(f"[^{expression}]")
    if len(expression) == 2 and expression[0] == "\\":
        return class_of_bytes(f"[^{expression}]")
    if not expression.startswith("[") or class_length(expression) != len(expression):
        return None
    return class_of_bytes(f"[{expression[2:]}" if expression.startswith("[^") else f"[^{expression[1:]}")


def _any_of(characters: Iterable[str]) -> str | None:
    """One class of all; None if there is no narrow one."""
    inner: list[str] = []
    for each in characters:
        if each.startswith(r"[^\W"):
            inner.append(r"\w")
            continue
        if each == "." or each.startswith("[^"):
            return None
        if each.startswith("["):
            inner.append(_EDGES.sub(lambda found: found[1] or f"\\{found[0]}", each[1:-1]))
        else:
            inner.append(each if len(each) > 1 or each.isalnum() else f"\\{each}")
    return f"[{''.join(inner)}]" if inner else None


def _shortest(tokens: Sequence[Token]) -> int:
    """The length of the shortest match."""
    groups: list[tuple[int, list[int]]] = []  # what stood before each open one, and its alternatives
    before, last = 0, 0
    done: list[int] = []
    for token in tokens:
        if is_repeat(token):
            last *= least_of(token.text)
            continue
        before, last = before + last, 0
        if token.text in OPENINGS:
            groups.append((before, done))
            before, done = 0, []
        elif token.text == "|":
            done.append(before)
            before = 0
        elif token.text == ")":
            last = min([*done, before])
            before, done = groups.pop()
        elif token.written:
            last = 1
    return min([*done, before + last])


def _is_repeated(tokens: Sequence[Token], opening: int) -> bool:
    closing = _closing(tokens, opening + 1)
    return closing + 1 < len(tokens) and is_repeat(tokens[closing + 1])


def _closing(tokens: Sequence[Token], index: int) -> int:
    """Where the group ends that a token is in."""
    depth = 1
    while index < len(tokens):
        depth += (tokens[index].text in OPENINGS) - (tokens[index].text == ")")
        if depth == 0:
            break
        index += 1
    return index


def _is_last(tokens: Sequence[Token], index: int) -> bool:
    """Whether nothing of any width follows a token, in no alternative and no other turn of a group."""
    index += 1
    while index < len(tokens):
        if tokens[index].text == "|":
            index = _closing(tokens, index + 1)
        elif tokens[index].text != ")" and not is_zero_width(tokens[index]):
            return False
        else:
            index += 1
    return True
