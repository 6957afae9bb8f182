"""A regular expression as tokens: whole look-arounds, group openings, classes, escapes, repeats, characters.

Each token is also what Hyperscan is to read for it, in bytes, so that it matches at least as much.
"""

import re
from collections.abc import Iterator
from math import inf

import msgspec

# One byte a character, this one for all outside ASCII: Hyperscan's Unicode classes take minutes to compile.
_OTHER = r"\x80"
# But these, which the `regex` module takes for the same without case: dotted I, dotless i, long s, Kelvin sign.
SAME_LETTERS = {"\u0130": "i", "\u0131": "i", "\u017f": "s", "\u212a": "k"}
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")

LOOK_AROUND = ("(?=", "(?!", "(?<=", "(?<!")
OPENINGS = ("(?:", "(?i:", "(?-i:")
_GROUP = re.compile(r"\((?:\?(?:-?i)?:|\?P?<\w+>)?")
_REPEAT = re.compile(r"\{(?P<least>\d*)(?P<most>,\d*)?\}")
_POSIX = re.compile(r"\[:[^\]]*:\]")  # `[:alpha:]`, inside a class
_PLAIN_ESCAPES = frozenset("dDwWsStnrf")
_ZERO_WIDTH_ESCAPES = frozenset({r"\K", r"\b", r"\B", r"\A", r"\Z", r"\z", r"\m", r"\M"})
_ZERO_WIDTH = _ZERO_WIDTH_ESCAPES | {"^", "$"}


class UncertainError(Exception):
    """A construct that Hyperscan would read otherwise."""


class Token(msgspec.Struct, frozen=True):
    """A piece of an expression for Hyperscan; `written` is the same in the original if it is a character.

    A `possessive` repeat gives nothing back; to Hyperscan, which never goes back, it is one like any other.
    """

    text: str
    written: str = ""
    possessive: bool = False


def tokenised(expression: str) -> Iterator[Token]:
    """Look-arounds (whole), group openings, classes, escapes, repeats and single characters."""
    position = 0
    case_counts: list[bool] = []  # of each open group: whether `(?-i:` opened it
    while position < len(expression):
        text, length = _next(expression[position:])
        written = expression[position : position + length]
        position += length
        if text in OPENINGS:
            case_counts.append(text == "(?-i:")
        elif text == ")":
            case_counts.pop()
        elif any(case_counts) and text.startswith(("[^", "(?:[^")):
            raise UncertainError  # the long s is read as an s, which only without case it equals
        elif any(case_counts) and text.startswith(LOOK_AROUND):
            text = r"\b"  # for the same reason: of no width, and becomes nothing
        token = Token(text)
        if is_repeat(token):
            possessive = expression.startswith("+", position)
            position += possessive
            yield Token(text, possessive=possessive)
        else:
            plain = text in (*OPENINGS, "|", ")") or is_zero_width(token)
            yield token if plain else Token(text, written)


def is_repeat(token: Token) -> bool:
    return token.text in ("*", "+", "?") or token.text.startswith("{")


def is_zero_width(token: Token) -> bool:
    return token.text in _ZERO_WIDTH or token.text.startswith(LOOK_AROUND)


def least_of(repeat: str) -> int:
    match = _REPEAT.match(repeat)
    return int(repeat == "+") if match is None else int(match["least"])


def most_of(repeat: str) -> float:
    match = _REPEAT.match(repeat)
    if match is None:
        return 1 if repeat == "?" else inf
    return inf if match["most"] == "," else int((match["most"] or match["least"]).lstrip(","))


def class_of_bytes(text: str) -> str:
    """A class of bytes that matches at least as much."""
    if _POSIX.search(text):
        raise UncertainError  # to Hyperscan it is ASCII's
    escapes = re.findall(r"\\(.)", text, re.DOTALL)
    if any(letter.isalnum() and letter not in _PLAIN_ESCAPES for letter in escapes):
        raise UncertainError
    if not text.startswith("[^"):
        others = _OTHER if not text.isascii() or any(letter in "dDwWsS" for letter in escapes) else ""
        others += "" if text.isascii() else "".join(SAME_LETTERS.values())  # which a range may take in
        return f"[{others}{_NOT_ASCII.sub('', text[1:])}"
    if not text.isascii():
        raise UncertainError
    return f"(?:{text}|{_OTHER})" if any(letter in "DWS" for letter in escapes) else text


def class_length(text: str) -> int:
    """The length of the character class that `text` begins with."""
    position = 2 if text[1:2] == "^" else 1
    position += text[position : position + 1] == "]"
    while position < len(text) and text[position] != "]":
        if (posix := _POSIX.match(text, position)) is not None:
            position = posix.end()
        else:
            position += 2 if text[position] == "\\" else 1
    return position + 1


def _next(rest: str) -> tuple[str, int]:
    """The first token of an expression as Hyperscan is to read it, and its length as it is written."""
    if rest.startswith(LOOK_AROUND):
        length = _group_length(rest)
        return rest[:length], length
    if rest[0] == "(":
        opening = _GROUP.match(rest)
        assert opening is not None
        if rest[opening.end() : opening.end() + 1] in ("?", "*"):
            raise UncertainError
        return opening.group() if opening.group() in OPENINGS else "(?:", opening.end()
    if rest[0] == "\\":
        return _escape(rest)
    if rest[0] == "[":
        length = class_length(rest)
        return class_of_bytes(rest[:length]), length
    if rest[0] == "{":
        return _repeat(rest)
    return _byte(rest[0]), 1


def _byte(letter: str) -> str:
    return letter if letter.isascii() else SAME_LETTERS.get(letter, _OTHER)


def _escape(rest: str) -> tuple[str, int]:
    token = rest[:2]
    if token in _ZERO_WIDTH_ESCAPES or token[1:] in "tnrf":
        return token, 2
    if token[1:] in "dDwWsS":
        return class_of_bytes(f"[{token}]"), 2
    if token[1:].isalnum():
        raise UncertainError
    return token if token.isascii() else _byte(token[1]), 2


def _repeat(rest: str) -> tuple[str, int]:
    match = _REPEAT.match(rest)
    if match is None or match.group() in ("{}", "{,}"):
        raise UncertainError  # a literal brace, or the `regex` module's fuzzy matching
    least, most = match["least"] or "0", match["most"] or ""
    return f"{{{least}{most}}}", match.end()


def _group_length(text: str) -> int:
    """The length of the group that `text` begins with."""
    depth = position = 0
    while position < len(text):
        if text[position] == "\\":
            position += 1
        elif text[position] == "[":
            position += class_length(text[position:]) - 1
        elif text[position] == "(":
            depth += 1
        elif text[position] == ")":
            depth -= 1
            if depth == 0:
                return position + 1
        position += 1
    return len(text)
