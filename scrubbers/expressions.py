"""A regular expression of the `regex` module as a tree, and texts that parts of it match.

For finding texts on which it is slow, so only the shape counts: what repeats, what follows what. Which characters
a piece takes the `regex` module itself says.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from math import inf

import msgspec
import regex

from scrubbers.tokens import class_length

_FLAGS = regex.DOTALL | regex.MULTILINE
_REPEAT = re.compile(r"(?:[*+?]|\{(?P<least>\d*)(?P<most>,\d*)?\})(?P<kind>[+?]?)")
_GROUP = re.compile(r"\((?:\?(?:P?<\w+>|(?P<kind><?[=!]|[:>|])|(?P<flags>[a-zA-Z]*(?:-[a-zA-Z]+)?)(?P<scope>[:)])))?")
_OTHER_GROUP = re.compile(r"\(\?(?:#[^)]*|P[=>&]\w+|&\w+|R|[+-]?\d+)\)|\(\*\w+\)")  # comments, references, verbs
_CONDITION = re.compile(r"\(\?\(\w+\)")
_ESCAPE = re.compile(
    r"\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[pPN]\{[^}]*\}|[gL]<\w+>|0[0-7]{0,2}|[1-9]\d?|.)", re.DOTALL
)
_NO_CHARACTER = re.compile(r"\\(?:[AZzbBmMKGgL1-9].*)", re.DOTALL)  # anchors and references to what was matched
_TRIED = "a0Ab1zf- _.:/\\@\"',;=()[]{}<>!\t\n%$#&*+?|~^`é"


class UnreadableError(Exception):
    """An expression whose shape is not known: verbose, fuzzy, or not an expression."""


class Characters(msgspec.Struct, frozen=True):
    """One character of a class, as it is written; `cased`: inside `(?-i:…)`."""

    written: str
    cased: bool = False


class Sequenced(msgspec.Struct, frozen=True):
    """One after the other."""

    items: "tuple[Node, ...]"


class Either(msgspec.Struct, frozen=True):
    """One of them."""

    options: "tuple[Node, ...]"


class Repeated(msgspec.Struct, frozen=True):
    """From `least` to `most` times; an `atomic` one gives nothing back."""

    body: "Node"
    least: int
    most: float
    atomic: bool = False


class Atomic(msgspec.Struct, frozen=True):
    """Once it has matched it is not gone back into."""

    body: "Node"


class Looked(msgspec.Struct, frozen=True):
    """A look-around; `wanted` unless it is a negative one."""

    body: "Node"
    behind: bool
    wanted: bool


Node = Characters | Sequenced | Either | Repeated | Atomic | Looked
NOTHING = Sequenced(())


def tree(expression: str) -> Node:
    """The expression's shape.

    Raises:
        UnreadableError: it is not certain.
    """
    reader = _Reader(expression)
    node = reader.either(cased=False)
    if reader.position < len(expression):
        raise UnreadableError
    return node


def sample(node: Node, prefer: str = "") -> str:
    """A text that a node matches, look-aheads and references aside; of the character `prefer` where it takes it."""
    match node:
        case Characters():
            found = members(node)
            return prefer if prefer and prefer in found else found[:1]
        case Sequenced(items):
            return "".join(sample(item, prefer) for item in items)
        case Either(options):
            return next((each for option in options if prefer in (each := sample(option, prefer))), sample(options[0]))
        case Repeated(body, least):
            return sample(body, prefer) * least
        case Looked(body, behind, wanted):
            return sample(body, prefer) if behind and wanted else ""
        case Atomic(body):
            return sample(body, prefer)


@lru_cache(maxsize=4_096)
def members(node: Characters) -> str:
    """Characters of the class, of those that are tried."""
    flags = _FLAGS if node.cased else _FLAGS | regex.IGNORECASE
    pattern = regex.compile(node.written, flags)
    own = node.written if len(node.written) == 1 else ""
    written = "".join(letter for letter in node.written[1:] if letter.isalnum())
    return "".join(dict.fromkeys(each for each in own + _TRIED + written if pattern.fullmatch(each)))


def classes(node: Node) -> Iterator[Characters]:
    """Every class of characters in a tree."""
    if isinstance(node, Characters):
        yield node
    for inner in inside(node):
        yield from classes(inner)


def inside(node: Node) -> Sequence[Node]:
    """The nodes right inside a node."""
    match node:
        case Characters():
            return ()
        case Sequenced(items):
            return items
        case Either(options):
            return options
        case Repeated(body) | Atomic(body) | Looked(body):
            return (body,)


def may_be_empty(node: Node) -> bool:
    """Whether a node can match nothing."""
    match node:
        case Characters():
            return False
        case Sequenced(items):
            return all(may_be_empty(item) for item in items)
        case Either(options):
            return any(may_be_empty(option) for option in options)
        case Repeated(body, least):
            return least == 0 or may_be_empty(body)
        case Looked():
            return True
        case Atomic(body):
            return may_be_empty(body)


class _Reader:
    def __init__(self, expression: str) -> None:
        self._expression = expression
        self.position = 0

    def either(self, *, cased: bool) -> Node:
        options = [self._sequence(cased=cased)]
        while self._at("|"):
            self.position += 1
            options.append(self._sequence(cased=cased))
        return options[0] if len(options) == 1 else Either(tuple(options))

    def _sequence(self, *, cased: bool) -> Node:
        items: list[Node] = []
        while self.position < len(self._expression) and not self._at("|") and not self._at(")"):
            repeat = _REPEAT.match(self._expression, self.position)
            if repeat is not None and repeat.group() not in ("{}", "{,}"):
                if not items:
                    raise UnreadableError
                self.position = repeat.end()
                items.append(_repeated(items.pop(), repeat))
            elif self._at("{"):
                raise UnreadableError  # a brace, or fuzzy matching
            else:
                items.append(self._item(cased=cased))
        return items[0] if len(items) == 1 else Sequenced(tuple(items))

    def _item(self, *, cased: bool) -> Node:
        start = self.position
        if self._at("("):
            return self._group(cased=cased)
        if self._at("["):
            self.position += class_length(self._expression[start:])
        elif self._at("\\"):
            escape = _ESCAPE.match(self._expression, start)
            if escape is None:
                raise UnreadableError
            self.position = escape.end()
            if _NO_CHARACTER.match(escape.group()):
                return NOTHING
        else:
            self.position += 1
            if self._expression[start] in "^$":
                return NOTHING
        return Characters(self._expression[start : self.position], cased)

    def _group(self, *, cased: bool) -> Node:
        if (other := _OTHER_GROUP.match(self._expression, self.position)) is not None:
            self.position = other.end()
            return NOTHING
        if (condition := _CONDITION.match(self._expression, self.position)) is not None:
            self.position = condition.end()
            return self._closed(cased=cased)
        opening = _GROUP.match(self._expression, self.position)
        if opening is None:
            raise UnreadableError
        flags = opening["flags"] or ""
        if "x" in flags:
            raise UnreadableError
        self.position = opening.end()
        if opening["scope"] == ")":  # flags from here on
            return NOTHING
        kind = opening["kind"] or ""
        body = self._closed(cased="i" in flags.partition("-")[2] or (cased and "i" not in flags))
        if kind.endswith(("=", "!")):
            return Looked(body, behind=kind.startswith("<"), wanted=kind.endswith("="))
        return Atomic(body) if kind == ">" else body

    def _closed(self, *, cased: bool) -> Node:
        body = self.either(cased=cased)
        if not self._at(")"):
            raise UnreadableError
        self.position += 1
        return body

    def _at(self, letter: str) -> bool:
        return self._expression.startswith(letter, self.position)


def _repeated(body: Node, repeat: re.Match[str]) -> Repeated:
    atomic = repeat["kind"] == "+"
    sign = repeat.group()[0]
    if sign != "{":
        return Repeated(body, int(sign == "+"), 1 if sign == "?" else inf, atomic)
    least = int(repeat["least"] or 0)
    if repeat["most"] is None:
        return Repeated(body, least, least, atomic)
    most = repeat["most"].lstrip(",")
    return Repeated(body, least, int(most) if most else inf, atomic)
