"""Every string of a record, wherever it is wrapped, and where it stands: for those that look for leaks.

Goes farther than reading a record to scrub it (`reading.py`): JSON in strings at any depth, base64 in any string,
percent-encoding, text whose line ends and tabs were escaped. What the scrubber cannot see must be seen here.
"""

import base64
import binascii
import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Any
from urllib.parse import unquote

import msgspec

from scrubbers.event import DocumentError, Path, TooDeep, leaves, literal_spans, parse, pointers
from scrubbers.reading import BASE64_MEMBERS, may_be_document
from scrubbers.records import Record

WRAPPED_DEPTH = 16  # escapes double at each level of JSON in JSON: a record of a megabyte cannot hold more
_EVENT_DEPTH = 200  # no lane lets deeper ones pass (64); the walk is recursive
_LINE = re.compile(r"[^\r\n]+")
# Shorter runs are words; a longer one that decodes to text is base64 (`powershell -enc …`).
_BASE64_LEAST = 24
_BASE64_RUN = re.compile(rf"[A-Za-z0-9+/]{{{_BASE64_LEAST},}}={{0,2}}")
_BASE64_PATHS = frozenset((name,) for name in BASE64_MEMBERS)
_PERCENT = re.compile(r"%[0-9A-Fa-f]{2}")
# One `\t` may be a folder (`C:\temp`); two in a row are escapes that nobody undid.
_ESCAPED = re.compile(r"\\[rnt](?=\\[rnt])|(?<=\\[rnt])\\[rnt]")
_ESCAPE = re.compile(r"\\[rnt]")
_QUOTE = '"'
# What a string must have to be more than itself; most have nothing of it.
_MORE = re.compile(rf"[%\\]|\A[\s{{\[]|[A-Za-z0-9+/]{{{_BASE64_LEAST}}}")


class Part(StrEnum):
    """The part of a record that a string stands in."""

    VALUE = "value"
    KEY = "key"
    HEADER = "header"


class Content(msgspec.Struct, frozen=True, gc=False):
    """One string; `path` is what field rules go by, `steps` lead to it (`place_of` makes a place of them)."""

    text: str
    path: Path
    is_key: bool
    part: Part
    header: str
    steps: tuple[Any, ...]

    def __repr__(self) -> str:
        """The part, never the text."""
        return f"Content({self.part})"


class Place(msgspec.Struct, frozen=True):
    """Where a string stands: a JSON Pointer (RFC 6901) per document it is in, outermost first.

    `inside` are the further steps: `line 3`, `base64`, `percent`, `escapes`, `raw` (the text of a document that
    names a member twice or is too deep), and `json` with a pointer.
    """

    part: Part
    header: str = ""
    pointer: str = ""
    inside: tuple[str, ...] = ()


def contents(record: Record, without: frozenset[str] = frozenset()) -> Iterator[Content]:
    """Every string of key, headers and value; bytes that are not UTF-8 are read as far as they are.

    `without`: headers to leave out, by their names in lower case.
    """
    if record.key:
        yield from _wrapped(_text(record.key), ("$key",), Part.KEY, "", ())
    for name, value in record.headers:
        if name.lower() in without:
            continue
        yield from _views(name, ("$headers",), Part.HEADER, name, (), is_key=True)
        if value:
            yield from _wrapped(_text(value), ("$headers", name), Part.HEADER, name, ())
    if not record.value:
        return
    text = _text(record.value).lstrip("\ufeff")
    document = _document(text)
    if document is not None:
        yield from _leaves(text, document, (), Part.VALUE, "", ())
        return
    for number, line in enumerate(_LINE.finditer(text), start=1):
        yield from _wrapped(line.group(), ("$text",), Part.VALUE, "", (f"line {number}",))


def views(name: str) -> Iterator[Content]:
    """A member's or header's name, as it is and as what it is when decoded."""
    yield from _views(name, (), Part.HEADER, "", (), is_key=True)


def place_of(content: Content) -> Place:
    """Where a content stands."""
    pointer, inside = "", []
    for index, step in enumerate(content.steps):
        if isinstance(step, str):
            inside.append(step)
            continue
        document, ordinal = step
        found = pointers(document)[ordinal]
        if index == 0 and content.part is Part.VALUE:
            pointer = found
        else:
            inside.append(f"json {found}".rstrip())
    return Place(content.part, content.header, pointer, tuple(inside))


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def _document(text: str) -> Any:
    """The parsed object or array that a text is, or None."""
    if not may_be_document(text):
        return None
    try:
        return parse(text)
    except DocumentError:
        return None


def _leaves(text: str, document: Any, path: Path, part: Part, header: str, steps: tuple[Any, ...]) -> Iterator[Content]:
    try:
        found = leaves(document, _EVENT_DEPTH)
    except TooDeep:
        yield Content(text, path, False, part, header, (*steps, "raw"))
        return
    for leaf in found:
        here = (*steps, (document, leaf.ordinal))
        full = path + leaf.path
        if _MORE.search(leaf.text) is None and (leaf.is_key or full[-1:] not in _BASE64_PATHS):
            yield Content(leaf.text, full, leaf.is_key, part, header, here)
        elif leaf.is_key:
            yield from _views(leaf.text, full, part, header, here, is_key=True)
        else:
            yield from _wrapped(leaf.text, full, part, header, here)
    if _names_a_member_twice(text, len(found)):  # the parser kept one of the two
        yield Content(text, path, False, part, header, (*steps, "raw"))


def _names_a_member_twice(text: str, seen: int) -> bool:
    if "\\" not in text:
        return text.count(_QUOTE) != 2 * seen
    try:
        literal_spans(text, seen)
    except DocumentError:
        return True
    return False


def _wrapped(text: str, path: Path, part: Part, header: str, steps: tuple[Any, ...]) -> Iterator[Content]:
    """A string value: the strings of the document it is, or itself and what it is when decoded."""
    if len(steps) < WRAPPED_DEPTH and (document := _document(text)) is not None:
        yield from _leaves(text, document, path, part, header, steps)
        return
    yield from _views(text, path, part, header, steps, is_key=False)


def _views(
    text: str, path: Path, part: Part, header: str, steps: tuple[Any, ...], *, is_key: bool
) -> Iterator[Content]:
    yield Content(text, path, is_key, part, header, steps)
    if len(steps) >= WRAPPED_DEPTH:
        return
    if path and path[-1] in BASE64_MEMBERS:
        plain = _plain(text)
        if plain is not None:
            yield from _wrapped(plain, path[:-1], part, header, (*steps, "base64"))
            return
    if len(text) >= _BASE64_LEAST:
        for run in _BASE64_RUN.findall(text):
            plain = _plain(run) if len(run) % 4 == 0 else None
            if plain is not None:
                yield from _wrapped(plain, path, part, header, (*steps, "base64"))
    if "%" in text and _PERCENT.search(text):
        yield from _wrapped(unquote(text), path, part, header, (*steps, "percent"))
    if "\\" in text and _ESCAPED.search(text):
        yield from _wrapped(_ESCAPE.sub(" ", text), path, part, header, (*steps, "escapes"))


def _plain(text: str) -> str | None:
    """The text that base64 holds, UTF-8 or (Windows' own habit) UTF-16; None if it is not text."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    for encoding in ("utf-8", "utf-16-le"):
        try:
            plain = raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        if all(each.isprintable() or each in "\t\r\n" for each in plain):
            # Any bytes are UTF-16 of some script; only Windows' own ASCII commands are meant here.
            return plain if encoding == "utf-8" or plain.isascii() else None
    return None
