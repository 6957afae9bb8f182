"""Report findings without replacing anything: for texts, JSON texts and events."""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import orjson

from scrubbers import hostnames
from scrubbers.entities import EntityType, Finding, Known
from scrubbers.event import DocumentError, Edit, parse, pointers, raw_edits
from scrubbers.known import KnownEntities
from scrubbers.reading import Document, Leaf, learned, read_document, read_leaf
from scrubbers.recognise import Recogniser, resolved

_CASE = "case"  # the one tenant of a case's own known entities


class Span(msgspec.Struct, frozen=True, omit_defaults=True):
    """A finding with its value; `path` is the JSON Pointer of the string it stands in, for events."""

    start: int
    end: int
    type: EntityType
    value: str
    score: float
    rule: str
    path: str = ""
    allowed: bool = False


class Detector:
    """Finds in cases, each with the names that the case itself teaches, and those known to all."""

    def __init__(self, recogniser: Recogniser, known: Sequence[Known] = (), depth: int = 64) -> None:
        self.recogniser = recogniser
        self.depth = depth
        self._common = KnownEntities(recogniser.learning)
        for each in known:
            self._common.add(_CASE, each)

    def text(self, text: str, known: Sequence[Known] = ()) -> list[Span]:
        """Findings in a text; if it is a JSON document its fields count too. Offsets are into `text`."""
        leaf = read_leaf(text, ("$text",), self.recogniser, depth=self.depth)
        own = self._own(leaf, known)
        return sorted(
            (_span(text, finding) for finding in self._located(leaf, own)), key=lambda span: (span.start, span.end)
        )

    def event(self, event: Any, known: Sequence[Known] = ()) -> list[Span]:
        """Findings in an event; offsets are into the string at `path`."""
        text = orjson.dumps(event).decode()
        document = read_document(text, event, self.recogniser, depth=self.depth)
        own = self._own(Leaf((), text, inner=document), known)
        names = pointers(event)
        return [
            _span(leaf.text, finding, names[leaf.ordinal])
            for leaf in document.leaves
            for finding in self._located(leaf, own)
        ]

    def _own(self, leaf: Leaf, known: Sequence[Known]) -> KnownEntities:
        own = KnownEntities(self.recogniser.learning)
        for each in (*known, *learned(leaf, self.recogniser)):
            own.add(_CASE, each)
        return own

    def _located(self, leaf: Leaf, own: KnownEntities) -> Iterator[Finding]:
        """Findings with offsets into the leaf's own text, also those inside a nested document."""
        if leaf.decoded is not None:
            for found in self._located(leaf.decoded, own):  # base64 has no offsets inside: all of it
                yield msgspec.structs.replace(found, start=0, end=len(leaf.text))
        elif leaf.inner is not None:
            yield from self._in_document(leaf.inner, own)
        else:
            known = [*self._common.find(_CASE, leaf.text), *own.find(_CASE, leaf.text)]
            yield from resolved([*leaf.findings, *known]) if known else leaf.findings

    def _in_document(self, document: Document, own: KnownEntities) -> Iterator[Finding]:
        for leaf in document.leaves:
            for found in self._located(leaf, own):
                [place] = raw_edits(document.text, document.spans[leaf.ordinal], [Edit(found.start, found.end, "")])
                yield msgspec.structs.replace(found, start=place.start, end=place.end)


def _span(text: str, finding: Finding, path: str = "") -> Span:
    value = text[finding.start : finding.end]
    return Span(finding.start, finding.end, finding.type, value, finding.score, finding.rule, path, finding.allowed)


def case_spans(case: Any, detector: Detector) -> list[Span]:
    """The findings of one case: `{"text"}` or `{"event"}`, optionally with `known` names.

    Raises:
        DocumentError: the case has neither, or its event cannot be read.
    """
    if not isinstance(case, dict):
        raise DocumentError("a case is an object")
    known = [Known(EntityType.COMPUTER_NAME, hostnames.normalise(name)) for name in case.get("known", ())]
    if isinstance(case.get("text"), str):
        return detector.text(case["text"], known)
    if "event" in case:
        event = case["event"]
        return detector.event(parse(event) if isinstance(event, str) else event, known)
    raise DocumentError("a case has a text or an event")
