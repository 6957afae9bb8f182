"""A prefilter over many expressions: which of them may match somewhere in a text, in one pass.

Hyperscan knows no look-arounds, so it gets each expression widened: rewritten so that it matches wherever
the expression does, and perhaps elsewhere. What cannot be widened with certainty is always tried.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

import hyperscan

_FLAGS = (
    hyperscan.HS_FLAG_SINGLEMATCH
    | hyperscan.HS_FLAG_CASELESS
    | hyperscan.HS_FLAG_DOTALL
    | hyperscan.HS_FLAG_MULTILINE
    | hyperscan.HS_FLAG_PREFILTER
    | hyperscan.HS_FLAG_ALLOWEMPTY
)
# The `regex` module ignores the case of these too: dotted I, long s, Kelvin sign.
_SAME_LETTERS = str.maketrans({"\u0130": "i", "\u0131": "i", "\u017f": "s", "\u212a": "k"})
# One byte a character, this one for all outside ASCII: Hyperscan's Unicode classes take minutes to compile.
_OTHER = r"\x80"
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")

_LOOK_AROUND = ("(?=", "(?!", "(?<=", "(?<!")
_GROUP = re.compile(r"\((?:\?(?:-?i)?:|\?P?<\w+>)?")
_REPEAT = re.compile(r"\{(?P<least>\d*)(?P<most>,\d*)?\}")
_PLAIN_ESCAPES = frozenset("dDwWsStnrf")
_ZERO_WIDTH_ESCAPES = frozenset({r"\K", r"\b", r"\B", r"\A", r"\Z", r"\z", r"\m", r"\M", r"\G"})
_ZERO_WIDTH = _ZERO_WIDTH_ESCAPES | {"^", "$"}


class Prefilter:
    """Expressions by their position; `candidates` names those that may match."""

    def __init__(self, expressions: Sequence[str]) -> None:
        widened = {number: each for number, text in enumerate(expressions) if (each := widen(text)) is not None}
        self._database, taken = _database(widened)
        self._scratch = hyperscan.Scratch(self._database) if self._database is not None else None
        self.always = [number for number in range(len(expressions)) if number not in taken]

    def candidates(self, text: str) -> list[int]:
        """The expressions that may match, in their order."""
        if self._database is None:
            return self.always
        fired = list(self.always)

        def on_match(number: int, start: int, end: int, flags: int, context: object) -> None:  # noqa: ARG001
            fired.append(number)

        self._database.scan(_as_bytes(text), match_event_handler=on_match, scratch=self._scratch)
        fired.sort()
        return fired


def _as_bytes(text: str) -> bytes:
    if text.isascii():
        return text.encode()
    return _NOT_ASCII.sub("\x80", text.translate(_SAME_LETTERS)).encode("latin-1")


def widen(expression: str) -> str | None:
    """An expression without look-arounds that matches at least where this one does; None if that is uncertain.

    A positive look-around at either end becomes what it looks for, a negative one of a single character
    the other characters (or the text's end); others go, and so do anchors and `\\K`.
    """
    try:
        return _widened(list(_tokens(expression)))
    except _UncertainError:
        return None


class _UncertainError(Exception):
    """A construct that Hyperscan would read otherwise."""


def _widened(tokens: Sequence[str]) -> str:
    pieces: list[str] = []
    ended = False
    for index, token in enumerate(tokens):
        after = tokens[index + 1 : index + 2]
        if _is_zero_width(token) and after and _is_repeat(after[0]):
            raise _UncertainError
        if not _is_zero_width(token):
            pieces.append(token)
        elif not pieces and token.startswith(("(?<=", "(?<!")):
            pieces += _edge(token, r"\A")
        elif not ended and token.startswith(("(?=", "(?!")) and all(map(_is_zero_width, tokens[index + 1 :])):
            outcome = _edge(token, r"\z")
            ended = bool(outcome)
            pieces += outcome
    return "".join(pieces)


def _edge(token: str, bound: str) -> list[str]:
    """What a look-around asks for at an end of the expression, as characters to match; none if it says little."""
    opening = next(each for each in _LOOK_AROUND if token.startswith(each))
    inner = token[len(opening) : -1]
    if opening[-1] == "=":
        return [f"(?:{_widened(list(_tokens(inner)))})"]
    others = _complement(inner)
    return [] if others is None else [f"(?:{bound}|{others})"]


def _complement(expression: str) -> str | None:
    """The class of all characters but those of an expression that is one class, or one escape."""
    if len(expression) == 2 and expression[0] == "\\":
        return _class(f"[^{expression}]")
    if not expression.startswith("[") or _class_length(expression) != len(expression):
        return None
    return _class(f"[{expression[2:]}" if expression.startswith("[^") else f"[^{expression[1:]}")


def _is_zero_width(token: str) -> bool:
    return token in _ZERO_WIDTH or token.startswith(_LOOK_AROUND)


def _is_repeat(token: str) -> bool:
    return token in ("*", "+", "?") or token.startswith("{")


def _tokens(expression: str) -> Iterator[str]:
    """Look-arounds (whole), group openings, classes, escapes, repeats and single characters."""
    position = 0
    case_counts: list[bool] = []  # of each open group: whether `(?-i:` opened it
    repeated = False
    while position < len(expression):
        token, length = _next(expression[position:])
        position += length
        if token.startswith("(") and not token.startswith(_LOOK_AROUND):
            case_counts.append(expression[position - length : position] == "(?-i:")
        elif token == ")":
            case_counts.pop()
        elif token.startswith("[^") and any(case_counts):
            raise _UncertainError  # without case it would exclude more
        possessive = token == "+" and repeated
        repeated = _is_repeat(token)
        if not possessive:
            yield token


def _next(rest: str) -> tuple[str, int]:
    """The first token of an expression as Hyperscan is to read it, and its length as it is written."""
    if rest.startswith(_LOOK_AROUND):
        length = _group_length(rest)
        return rest[:length], length
    if rest[0] == "(":
        opening = _GROUP.match(rest)
        assert opening is not None
        if rest[opening.end() : opening.end() + 1] in ("?", "*"):
            raise _UncertainError
        return "(?:", opening.end()
    if rest[0] == "\\":
        return _escape(rest)
    if rest[0] == "[":
        length = _class_length(rest)
        return _class(rest[:length]), length
    if rest[0] == "{":
        return _repeat(rest)
    return rest[0] if rest[0].isascii() else _OTHER, 1


def _escape(rest: str) -> tuple[str, int]:
    token = rest[:2]
    if token in _ZERO_WIDTH_ESCAPES or token[1:] in "tnrf":
        return token, 2
    if token[1:] in "dDwWsS":
        return _class(f"[{token}]"), 2
    if token[1:].isalnum():
        raise _UncertainError
    return token if token.isascii() else _OTHER, 2


def _class(text: str) -> str:
    """A class of bytes that matches at least as much."""
    escapes = re.findall(r"\\(.)", text, re.DOTALL)
    if any(letter.isalnum() and letter not in _PLAIN_ESCAPES for letter in escapes):
        raise _UncertainError
    if not text.startswith("[^"):
        others = _OTHER if not text.isascii() or any(letter in "dDwWsS" for letter in escapes) else ""
        return f"[{others}{_NOT_ASCII.sub('', text[1:])}"
    if not text.isascii():
        raise _UncertainError
    return f"(?:{text}|{_OTHER})" if any(letter in "DWS" for letter in escapes) else text


def _repeat(rest: str) -> tuple[str, int]:
    match = _REPEAT.match(rest)
    if match is None or match.group() in ("{}", "{,}"):
        raise _UncertainError  # a literal brace, or the `regex` module's fuzzy matching
    return f"{{{match['least'] or '0'}{match['most'] or ''}}}", match.end()


def _group_length(text: str) -> int:
    """The length of the group that `text` begins with."""
    depth = position = 0
    while position < len(text):
        if text[position] == "\\":
            position += 1
        elif text[position] == "[":
            position += _class_length(text[position:]) - 1
        elif text[position] == "(":
            depth += 1
        elif text[position] == ")":
            depth -= 1
            if depth == 0:
                return position + 1
        position += 1
    return len(text)


def _class_length(text: str) -> int:
    """The length of the character class that `text` begins with."""
    position = 2 if text[1:2] == "^" else 1
    position += text[position : position + 1] == "]"
    while position < len(text) and text[position] != "]":
        position += 2 if text[position] == "\\" else 1
    return position + 1


def _database(expressions: Mapping[int, str]) -> tuple[hyperscan.Database | None, Mapping[int, str]]:
    """The expressions compiled, and which of them Hyperscan took (it refuses what is too large)."""
    if not expressions:
        return None, expressions
    try:
        return _compiled(expressions), expressions
    except hyperscan.error:
        taken = {number: each for number, each in expressions.items() if _compiles(each)}
    return (_compiled(taken) if taken else None), taken


def _compiles(expression: str) -> bool:
    try:
        _compiled({0: expression})
    except hyperscan.error:
        return False
    return True


def _compiled(expressions: Mapping[int, str]) -> hyperscan.Database:
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(
        expressions=[each.encode() for each in expressions.values()],
        ids=list(expressions),
        flags=[_FLAGS] * len(expressions),
    )
    return database
