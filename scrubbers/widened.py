"""Expressions rewritten for an engine that knows no look-arounds, so that they match at least as much.

Beside the rewritten expression goes what bounds the search for the exact one: of which characters its
matches consist, and how many they have at least.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from math import inf

import msgspec

# One byte a character, this one for all outside ASCII: Hyperscan's Unicode classes take minutes to compile.
_OTHER = r"\x80"
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
_COUNTED = 3  # a repeat up to more than this is one without end: counting makes the scan three times slower

_LOOK_AROUND = ("(?=", "(?!", "(?<=", "(?<!")
_OPENINGS = ("(?:", "(?i:", "(?-i:")
_GROUP = re.compile(r"\((?:\?(?:-?i)?:|\?P?<\w+>)?")
_REPEAT = re.compile(r"\{(?P<least>\d*)(?P<most>,\d*)?\}")
_EDGES = re.compile(r"(\\.)|^[\]-]|-$")  # what means something else inside a class than at its edge
_PLAIN_ESCAPES = frozenset("dDwWsStnrf")
_ZERO_WIDTH_ESCAPES = frozenset({r"\K", r"\b", r"\B", r"\A", r"\Z", r"\z", r"\m", r"\M"})
_ZERO_WIDTH = _ZERO_WIDTH_ESCAPES | {"^", "$"}


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
        tokens = list(_tokens(expression))
        pieces = list(_widened(tokens, left=True, right=True))
    except _UncertainError:
        return None
    alphabet = _any_of(dict.fromkeys(each.written for each in pieces if each.written))
    return Widened("".join(each.text for each in _cut(pieces)), alphabet, _shortest(tokens))


class _UncertainError(Exception):
    """A construct that Hyperscan would read otherwise."""


class _Token(msgspec.Struct, frozen=True):
    """A piece of an expression for Hyperscan; `written` is the same in the original if it is a character."""

    text: str
    written: str = ""


class _Path(msgspec.Struct):
    """How far an alternative is: at its left end still, or behind what stands for its right one."""

    fresh: bool
    ended: bool


def _widened(tokens: Sequence[_Token], *, left: bool, right: bool) -> Iterator[_Token]:
    """`left` and `right`: whether what is looked at there may become part of the match."""
    groups = [_Path(left, ended=False)]  # as they were opened
    path = _Path(left, ended=False)
    for index, token in enumerate(tokens):
        if _is_zero_width(token):
            if index + 1 < len(tokens) and _is_repeat(tokens[index + 1]):
                raise _UncertainError
            edge: Sequence[_Token] = ()
            if path.fresh and token.text.startswith(("(?<=", "(?<!", "^")):
                edge = _left_edge(token.text)
            elif right and not path.ended and token.text.startswith(("(?=", "(?!")) and _is_last(tokens, index):
                edge = _right_edge(token.text)
                path.ended = bool(edge)
            path.fresh = path.fresh and not edge
            yield from edge
            continue
        yield _uncounted(token) if _is_repeat(token) else token
        if token.text in _OPENINGS:
            path.fresh = path.fresh and not _is_repeated(tokens, index)
            groups.append(_Path(path.fresh, path.ended))
        elif token.text == "|":
            path = _Path(groups[-1].fresh, groups[-1].ended)
        else:
            if token.text == ")":
                groups.pop()
            path.fresh = False


def _cut(pieces: list[_Token]) -> list[_Token]:
    """Without what more of the same the last character may have: each more would be one more end to report."""
    while len(pieces) > 1 and _is_repeat(pieces[-1]) and pieces[-2].written:
        least = _least(pieces[-1].text)
        if least > 0:
            return [*pieces[:-1], _Token(f"{{{least}}}")]
        if len(pieces) < 3 or pieces[-3].text in (*_OPENINGS, "|"):
            break
        pieces = pieces[:-2]
    return pieces


def _uncounted(repeat: _Token) -> _Token:
    most = _most(repeat.text)
    return _Token(f"{{{_least(repeat.text)},}}") if _COUNTED < most < inf and "," in repeat.text else repeat


def _left_edge(token: str) -> list[_Token]:
    """What stands before the match: no part of it, so of no alphabet."""
    if token == "^":
        return [_Token(r"(?:\A|\n)")]
    inner = token[4:-1]
    if token.startswith("(?<="):
        behind = _widened(list(_tokens(inner)), left=True, right=False)
        return [_Token(f"(?:{''.join(each.text for each in behind)})")]
    others = _complement(inner)
    return [] if others is None else [_Token(rf"(?:\A|{others})")]


def _right_edge(token: str) -> list[_Token]:
    inner = token[3:-1]
    if token.startswith("(?="):
        return [_Token("(?:"), *_cut(list(_widened(list(_tokens(inner)), left=False, right=True))), _Token(")")]
    others = _complement(inner)
    return [] if others is None else [_Token(rf"(?:\z|{others})")]


def _complement(expression: str) -> str | None:
    """The class of all characters but those of an expression that is one class, or one character."""
    if len(expression) == 1 and expression.isalnum():
        return _class(f"[^{expression}]")
    if len(expression) == 2 and expression[0] == "\\":
        return _class(f"[^{expression}]")
    if not expression.startswith("[") or _class_length(expression) != len(expression):
        return None
    return _class(f"[{expression[2:]}" if expression.startswith("[^") else f"[^{expression[1:]}")


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


def _shortest(tokens: Sequence[_Token]) -> int:
    """The length of the shortest match."""
    groups: list[tuple[int, list[int]]] = []  # what stood before each open one, and its alternatives
    before, last = 0, 0
    done: list[int] = []
    for token in tokens:
        if _is_repeat(token):
            last *= _least(token.text)
            continue
        before, last = before + last, 0
        if token.text in _OPENINGS:
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


def _least(repeat: str) -> int:
    match = _REPEAT.match(repeat)
    return int(repeat == "+") if match is None else int(match["least"])


def attempts(expression: str) -> float:
    """The most that a backtracking engine tries from one start on; infinite if there is no bound.

    Counted as the nodes of its tree of attempts, as if no character ever cut a branch off.
    """
    try:
        return _tree(list(_tokens(expression))).nodes
    except (_UncertainError, OverflowError):
        return inf


class _Tree(msgspec.Struct, frozen=True):
    """In how many ways a piece can match, and how many attempts it takes to find them."""

    ways: float = 1
    nodes: float = 0

    def then(self, other: "_Tree") -> "_Tree":
        """The one, and behind each of its ways the other."""
        return _Tree(self.ways * other.ways, self.nodes + self.ways * other.nodes)

    def either(self, other: "_Tree") -> "_Tree":
        """The one or the other."""
        return _Tree(self.ways + other.ways, self.nodes + other.nodes)

    def repeated(self, least: int, most: float) -> "_Tree":
        """Itself, from `least` to `most` times."""
        if most == inf:
            return _Tree(inf, inf)
        ways = [self.ways**count for count in range(int(most) + 1)]
        return _Tree(sum(ways[least:]), 1 + self.nodes * sum(ways[:-1]))


_NEITHER = _Tree(0, 0)


def _tree(tokens: Sequence[_Token]) -> _Tree:
    groups: list[tuple[_Tree, _Tree]] = []  # what stood before each open one, and its alternatives
    before, last, others = _Tree(), _Tree(), _NEITHER
    for token in tokens:
        if _is_repeat(token):
            last = last.repeated(_least(token.text), _most(token.text))
            continue
        before, last = before.then(last), _Tree()
        if token.text in _OPENINGS:
            groups.append((before, others))
            before, others = _Tree(), _NEITHER
        elif token.text == "|":
            before, others = _Tree(), others.either(before)
        elif token.text == ")":
            last = others.either(before)
            before, others = groups.pop()
        elif token.text.startswith(_LOOK_AROUND):  # once it has looked it is not gone back into
            inner = token.text[4 if token.text.startswith("(?<") else 3 : -1]
            last = _Tree(1, _tree(list(_tokens(inner))).nodes)
        else:
            last = _Tree(1, 1)
    return others.either(before.then(last))


def _most(repeat: str) -> float:
    match = _REPEAT.match(repeat)
    if match is None:
        return 1 if repeat == "?" else inf
    return inf if match["most"] == "," else int((match["most"] or match["least"]).lstrip(","))


def _is_zero_width(token: _Token) -> bool:
    return token.text in _ZERO_WIDTH or token.text.startswith(_LOOK_AROUND)


def _is_repeat(token: _Token) -> bool:
    return token.text in ("*", "+", "?") or token.text.startswith("{")


def _is_repeated(tokens: Sequence[_Token], opening: int) -> bool:
    closing = _closing(tokens, opening + 1)
    return closing + 1 < len(tokens) and _is_repeat(tokens[closing + 1])


def _closing(tokens: Sequence[_Token], index: int) -> int:
    """Where the group ends that a token is in."""
    depth = 1
    while index < len(tokens):
        depth += (tokens[index].text in _OPENINGS) - (tokens[index].text == ")")
        if depth == 0:
            break
        index += 1
    return index


def _is_last(tokens: Sequence[_Token], index: int) -> bool:
    """Whether nothing of any width follows a token, in no alternative and no other turn of a group."""
    index += 1
    while index < len(tokens):
        if tokens[index].text == "|":
            index = _closing(tokens, index + 1)
        elif tokens[index].text != ")" and not _is_zero_width(tokens[index]):
            return False
        else:
            index += 1
    return True


def _tokens(expression: str) -> Iterator[_Token]:
    """Look-arounds (whole), group openings, classes, escapes, repeats and single characters."""
    position = 0
    case_counts: list[bool] = []  # of each open group: whether `(?-i:` opened it
    repeated = False
    while position < len(expression):
        text, length = _next(expression[position:])
        written = expression[position : position + length]
        position += length
        if text in _OPENINGS:
            case_counts.append(text == "(?-i:")
        elif text == ")":
            case_counts.pop()
        elif any(case_counts) and text.startswith(("[^", "(?:[^")):
            raise _UncertainError  # the long s is read as an s, which only without case it equals
        elif any(case_counts) and text.startswith(_LOOK_AROUND):
            text = r"\b"  # for the same reason: of no width, and becomes nothing
        token = _Token(text)
        possessive = text == "+" and repeated
        repeated = _is_repeat(token)
        if not possessive:
            plain = text in (*_OPENINGS, "|", ")") or repeated or _is_zero_width(token)
            yield token if plain else _Token(text, written)


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
        return opening.group() if opening.group() in _OPENINGS else "(?:", opening.end()
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
    least, most = match["least"] or "0", match["most"] or ""
    return f"{{{least}{most}}}", match.end()


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
