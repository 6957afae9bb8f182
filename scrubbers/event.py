"""Walk a JSON event once, and write edits back into its original bytes.

The event is read with orjson, but never written with it: numbers, spacing, escapes and the order of
fields are the sender's, and stay. A walk visits every string literal (keys and values) in document
order; the n-th visited string is the n-th literal of the text, so an edit of a decoded string can be
spliced into the raw text.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import msgspec
import orjson

Path = tuple[str, ...]

_LITERAL = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
# A surrogate pair is two escapes and one code point; every other escape is one code point.
_ESCAPE = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.")

# Members that say `this is the name of that`: OTLP attributes, Zabbix tags, XML-to-JSON event data.
# The value's path then ends in the name, as if the sender had written an object.
_PAIRS = (("key", "value"), ("tag", "value"), ("@Name", "#text"), ("Name", "#text"))
# OTLP wraps a value in an object that says its type; lists of values are in `values`.
_OTLP = "@otlp"
_OTLP_VALUES = frozenset(
    {"stringValue", "arrayValue", "kvlistValue", "intValue", "boolValue", "doubleValue", "bytesValue"}
)
_OTLP_WRAPPERS = (_OTLP_VALUES | {"values"}) - {"bytesValue"}  # base64 keeps its name: it is read otherwise


class DocumentError(Exception):
    """A document that cannot be walked with certainty; the text never quotes it."""


class TooDeep(DocumentError):
    """Nested deeper than the limit."""


class Edit(msgspec.Struct, frozen=True, order=True, gc=False):
    """Put `text` in place of the code points `start` to `end` (exclusive)."""

    start: int
    end: int
    text: str


class Leaf(msgspec.Struct, frozen=True, gc=False):
    """One string of a document: `ordinal` counts literals; `path` has `*` for array positions.

    For a key, `path` is that of the member it names.
    """

    ordinal: int
    path: Path
    text: str
    is_key: bool


def parse(text: str | bytes) -> Any:
    """The document's value.

    Raises:
        TooDeep: nested deeper than orjson goes (1,024 levels).
        DocumentError: not JSON (RFC 8259).
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as problem:
        if "depth limit" in str(problem):
            raise TooDeep from None
        raise DocumentError("not JSON") from None


def leaves(document: Any, depth: int) -> list[Leaf]:
    """Every string of a parsed document, in document order.

    Raises:
        TooDeep: more than `depth` levels of objects and arrays.
    """
    found: list[Leaf] = []
    _walk(document, (), depth, found)
    return found


def pointers(document: Any) -> list[str]:
    """The JSON Pointer (RFC 6901) of every string, in the order of `leaves`; a key has its member's."""
    found: list[str] = []

    def visit(node: Any, pointer: str) -> None:
        if isinstance(node, str):
            found.append(pointer)
        elif isinstance(node, dict):
            for name, value in node.items():
                inner = f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}"
                found.append(inner)
                visit(value, inner)
        elif isinstance(node, list):
            for index, item in enumerate(node):
                visit(item, f"{pointer}/{index}")

    visit(document, "")
    return found


def splice(text: str, edits: Sequence[Edit]) -> str:
    """`text` with the (non-overlapping) edits applied."""
    pieces: list[str] = []
    position = 0
    for edit in sorted(edits):
        pieces += (text[position : edit.start], edit.text)
        position = edit.end
    pieces.append(text[position:])
    return "".join(pieces)


def literal_spans(text: str, expected: int) -> list[tuple[int, int]]:
    """Where each string literal of a JSON text stands, quotes included.

    A text with more literals than the walk saw (`expected`) has an object that names a member twice
    (RFC 7493 section 2.3 forbids it): one of the two was never seen, so nothing is certain.

    Raises:
        DocumentError: the number of literals differs.
    """
    spans = [match.span() for match in _LITERAL.finditer(text)]
    if len(spans) != expected:
        raise DocumentError("an object names a member twice")
    return spans


def raw_edits(text: str, span: tuple[int, int], edits: Sequence[Edit]) -> Iterator[Edit]:
    """Edits of a decoded literal, which stands at `span`, as edits of the raw JSON text."""
    start, end = span[0] + 1, span[1] - 1
    body = text[start:end]
    if "\\" not in body:
        for edit in edits:
            yield Edit(start + edit.start, start + edit.end, _escaped(edit.text))
        return
    decoded, raw = _escape_map(body)
    for edit in edits:
        first, behind = (_to_raw(position, decoded, raw) for position in (edit.start, edit.end))
        yield Edit(start + first, start + behind, _escaped(edit.text))


def look_up(document: Any, dotted: str) -> Any:
    """The value at a dotted path of member names, or None."""
    for name in dotted.split("."):
        if not isinstance(document, dict):
            return None
        document = document.get(name)
    return document


def _escape_map(body: str) -> tuple[list[int], list[int]]:
    """Positions right behind each escape, in the decoded and in the raw text."""
    decoded, raw = [0], [0]
    for match in _ESCAPE.finditer(body):
        position = decoded[-1] + match.start() - raw[-1] + 1
        decoded.append(position)
        raw.append(match.end())
    return decoded, raw


def _to_raw(position: int, decoded: list[int], raw: list[int]) -> int:
    index = bisect_right(decoded, position) - 1
    return raw[index] + position - decoded[index]


def _escaped(text: str) -> str:
    return orjson.dumps(text).decode()[1:-1]


@lru_cache(maxsize=16_384)  # member names repeat in every event; the bound holds against hostile ones
def _segments(name: str) -> Path:
    """`host.name` as one member is the same field as `name` inside `host` (ECS)."""
    return tuple(name.split("."))


def _walk(node: Any, path: Path, depth: int, found: list[Leaf]) -> None:
    if isinstance(node, str):
        found.append(Leaf(len(found), path, node, is_key=False))
    elif isinstance(node, dict):
        if depth == 0:
            raise TooDeep
        _walk_object(node, path, depth - 1, found)
    elif isinstance(node, list):
        if depth == 0:
            raise TooDeep
        inner = (*path, "*")
        for item in node:
            _walk(item, inner, depth - 1, found)


def _walk_object(node: dict[str, Any], path: Path, depth: int, found: list[Leaf]) -> None:
    named = _named_value(node, path)
    for name, value in node.items():
        wrapped = path[:1] == (_OTLP,) and name in _OTLP_WRAPPERS
        inner = path if wrapped else path + _segments(name)
        found.append(Leaf(len(found), inner, name, is_key=True))
        if named is None:
            _walk(value, inner, depth, found)
        elif name == named[0]:  # the name of a pair is a field's name, not text
            found.append(Leaf(len(found), inner, value, is_key=True))
        else:
            _walk(value, named[2] if name == named[1] else inner, depth, found)


def _named_value(node: dict[str, Any], path: Path) -> tuple[str, str, Path] | None:
    """(name member, value member, path of the value) of an object that is a name and its value."""
    for name_member, value_member in _PAIRS:
        name = node.get(name_member)
        if not isinstance(name, str) or value_member not in node:
            continue
        value = node[value_member]
        if name_member == "key" and isinstance(value, dict) and _OTLP_VALUES.intersection(value):
            return name_member, value_member, (_OTLP, *_segments(name))
        if isinstance(value, str):
            return name_member, value_member, path + _segments(name)
    return None
