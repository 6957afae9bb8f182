"""Find everything in one record, before anything is replaced.

Finding and replacing are two steps, because what one event (or another of the same batch) teaches must
already count when the first one is replaced. A reading is a tree: a document has leaves, and a leaf may
hold a document as text.
"""

import base64
import binascii
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from scrubbers.entities import Finding, Known
from scrubbers.event import DocumentError, Path, leaves, literal_spans, parse
from scrubbers.recognise import Recogniser

# JSON in a string in JSON in a string …: what is nested deeper is searched as text.
NESTED_DEPTH = 4
# Members whose strings are base64 by specification: CloudEvents JSON format 3.1.1, OTLP AnyValue.
BASE64_MEMBERS = frozenset({"data_base64", "bytesValue"})


class NotText(Exception):
    """A base64 member holds bytes that are not UTF-8: they cannot be searched."""


class Leaf(msgspec.Struct, frozen=True, gc=False):
    """One string: its findings, the document inside it if it is one, its text if it is base64."""

    path: Path
    text: str
    findings: Sequence[Finding] = ()
    inner: "Document | None" = None
    decoded: "Leaf | None" = None
    ordinal: int = 0
    is_key: bool = False


class Document(msgspec.Struct, frozen=True):
    """A JSON text, where its string literals stand, and its leaves."""

    text: str
    spans: Sequence[tuple[int, int]]
    leaves: Sequence[Leaf]


def read_document(
    text: str,
    value: Any,
    recogniser: Recogniser,
    *,
    depth: int,
    path: Path = (),
    spared: Path | None = None,
    nested: int = 0,
) -> Document:
    """Read a JSON text whose parsed value is `value`; `spared` is a path to leave alone (the tenant's).

    Raises:
        DocumentError: too deep, or an object names a member twice.
        NotText: a base64 member does not hold text.
    """
    found = leaves(value, depth)
    spans = literal_spans(text, len(found))
    read = []
    for leaf in found:
        if leaf.path == spared:
            continue
        full = path + leaf.path
        if leaf.is_key:
            findings = recogniser.key(leaf.text)
            read.append(Leaf(full, leaf.text, findings, ordinal=leaf.ordinal, is_key=True))
        else:
            read.append(read_leaf(leaf.text, full, recogniser, ordinal=leaf.ordinal, depth=depth, nested=nested))
    return Document(text, spans, read)


def read_leaf(
    text: str, path: Path, recogniser: Recogniser, *, ordinal: int = 0, depth: int = 64, nested: int = 0
) -> Leaf:
    """Read one string value: a document in a string, base64 by specification, or text.

    Raises:
        NotText: see `read_document`.
    """
    if path and path[-1] in BASE64_MEMBERS:
        inner = read_leaf(_plain(text), path[:-1], recogniser, depth=depth, nested=nested)
        return Leaf(path, text, decoded=inner, ordinal=ordinal)
    if nested < NESTED_DEPTH and may_be_document(text):
        try:
            document = read_document(text, parse(text), recogniser, depth=depth, path=path, nested=nested + 1)
        except DocumentError:
            pass  # looks like one and is none: text
        else:
            return Leaf(path, text, inner=document, ordinal=ordinal)
    return Leaf(path, text, recogniser.value(text, path), ordinal=ordinal)


def learned(leaf: Leaf, recogniser: Recogniser) -> Iterator[Known]:
    """The names that a leaf teaches."""
    if leaf.decoded is not None:
        yield from learned(leaf.decoded, recogniser)
    elif leaf.inner is not None:
        for each in leaf.inner.leaves:
            yield from learned(each, recogniser)
    elif leaf.findings:
        yield from recogniser.learned(leaf.text, leaf.findings)


def may_be_document(text: str) -> bool:
    """Whether a text begins and ends as a JSON object or array does."""
    start = text[:1]
    if start not in "{[ \t\r\n" or len(text) < 2:
        return False
    stripped = text.strip()
    return stripped[:1] + stripped[-1:] in ("{}", "[]")


def _plain(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise NotText from None
