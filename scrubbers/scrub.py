"""Scrub a record: first `read` it, then `write` it with its tenant's pseudonyms.

Between the two, what was learned from the record (and from others of its batch) goes to the known
entities, so that a name in a known field is also replaced in the free text before it.
"""

import base64
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
import orjson

from scrubbers.entities import EntityType, Finding, Known
from scrubbers.envelope import SCHEME_HEADER, Envelope, Format, open_envelope
from scrubbers.event import DocumentError, Edit, Path, raw_edits, splice
from scrubbers.known import KnownEntities
from scrubbers.people import People
from scrubbers.pseudonyms import Pseudonymiser
from scrubbers.reading import Document, Leaf, NotText, learned, read_document, read_leaf
from scrubbers.recognise import Recogniser, RuleFailure, resolved
from scrubbers.records import QuarantineReason, Record, Refused, Scrubbed

SCHEME = "v1"
_OWN_HEADERS = frozenset({"scrub-ruleset", "scrub-domain", SCHEME_HEADER, "scrub-findings"})
# Routing and tracing: opaque by their specifications, and consumers match on the bytes.
_PLAIN_HEADERS = frozenset({"tenant", "ce_tenantid", "content-type", "traceparent", "tracestate"})
# A Kafka key that identifies no machine by name: a number, a UUID, a digest.
_OPAQUE_KEY = re.compile(r"\d+|[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}|[0-9a-fA-F]{16,128}")
_PORT = re.compile(r":\d")
_LINE = re.compile(r"[^\r\n]+")


def _anyone(_: str) -> None:
    """Admits every tenant, by the rule set of all: without Kafka there are no contracts to ask."""


class Bounds(msgspec.Struct, frozen=True):
    """What a record may be, and where its tenant may stand."""

    record_bytes: int = 1_000_000
    depth: int = 64
    tenant_path: str = "tenant"


class Reading(msgspec.Struct, frozen=True):
    """Everything found in a record; `headers` holds a leaf, or the header's bytes where it is plain."""

    record: Record
    tenant: str
    recogniser: Recogniser  # whose findings these are
    text: str
    document: Document | None
    lines: Sequence[tuple[int, Leaf]]
    key: Leaf | None
    headers: Sequence[tuple[Leaf, Leaf | bytes | None]]
    learned: tuple[Known, ...]


class Scrubber:
    """Takes personal data out of records by one rule set; knows names per tenant."""

    def __init__(
        self,
        recogniser: Recogniser,
        known: KnownEntities,
        bounds: Bounds | None = None,
        people: People | None = None,
    ) -> None:
        self.recogniser = recogniser
        self.known = known
        self.people = people if people is not None else People()  # an empty one is filled later
        self.bounds = bounds or Bounds()

    def read(self, record: Record, admit: Callable[[str], Recogniser | None] = _anyone) -> Reading:
        """Find everything in a record.

        `admit` refuses tenants that may not be processed, and names the rule set of one that has another.

        Raises:
            Refused: the record cannot be scrubbed with certainty, and why.
        """
        bounds = self.bounds
        envelope = open_envelope(
            record, max_bytes=bounds.record_bytes, max_depth=bounds.depth, tenant_path=bounds.tenant_path
        )
        recogniser = admit(envelope.tenant) or self.recogniser
        try:
            return self._read(record, envelope, recogniser)
        except RuleFailure:
            raise Refused(QuarantineReason.RULE_FAILURE, "detection", envelope.tenant) from None
        except NotText:
            raise Refused(QuarantineReason.NOT_UTF8, "base64", envelope.tenant) from None
        except DocumentError:
            raise Refused(QuarantineReason.MALFORMED_JSON, "json", envelope.tenant) from None

    def write(self, reading: Reading, pseudonymiser: Pseudonymiser) -> Scrubbed:
        """The scrubbed record, by what is known by now.

        Raises:
            Refused: a rule did not end in its time.
        """
        counts: Counter[EntityType] = Counter()
        edit = Editor(self.known, self.people, pseudonymiser, reading.tenant, counts)
        record = reading.record
        value = None if record.value is None else splice(reading.text, list(edit.value(reading))).encode()
        key = record.key if reading.key is None else edit.leaf_text(reading.key).encode()
        headers = [
            (edit.leaf_text(name), edit.leaf_text(found).encode() if isinstance(found, Leaf) else found)
            for name, found in reading.headers
        ]
        headers += [
            ("scrub-ruleset", reading.recogniser.identity.encode()),
            ("scrub-domain", pseudonymiser.domain.encode()),
            (SCHEME_HEADER, SCHEME.encode()),
            ("scrub-findings", orjson.dumps(counts, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)),
        ]
        return Scrubbed(key, value, headers, reading.tenant, dict(counts), reading.learned)

    def _read(self, record: Record, envelope: Envelope, recogniser: Recogniser) -> Reading:
        document, lines = None, []
        if envelope.format is Format.JSON:
            document = read_document(
                envelope.text,
                envelope.document,
                recogniser,
                depth=self.bounds.depth,
                spared=tenant_member(envelope.document, envelope.tenant, self.bounds.tenant_path),
            )
        elif envelope.format is Format.TEXT:
            lines = [
                (match.start(), read_leaf(match.group(), ("$text",), recogniser))
                for match in _LINE.finditer(envelope.text)
            ]
        key = _key_leaf(record.key, recogniser, envelope.tenant)
        headers = [
            (_header_name(name, recogniser), _header_leaf(name, value, recogniser))
            for name, value in record.headers
            if name.lower() not in _OWN_HEADERS
        ]
        parts = [leaf for _, leaf in lines] + list(document.leaves if document else ())
        parts += [found for _, found in headers if isinstance(found, Leaf)]
        parts += [key] if key is not None else []
        taught = dict.fromkeys(known for leaf in parts for known in learned(leaf, recogniser))
        return Reading(record, envelope.tenant, recogniser, envelope.text, document, lines, key, headers, tuple(taught))


class Editor:
    """Turns findings, with those of known entities, into edits; counts what it replaces."""

    def __init__(
        self,
        known: KnownEntities,
        people: People,
        pseudonymiser: Pseudonymiser,
        tenant: str,
        counts: Counter[EntityType],
    ) -> None:
        self._known = known
        self._people = people
        self._pseudonymiser = pseudonymiser
        self._tenant = tenant
        self._counts = counts

    def value(self, reading: Reading) -> Iterator[Edit]:
        """Edits of the record's value."""
        if reading.document is not None:
            yield from self.document(reading.document)
        for start, leaf in reading.lines:
            for edit in self.leaf(leaf):
                yield Edit(start + edit.start, start + edit.end, edit.text)

    def document(self, document: Document) -> Iterator[Edit]:
        """Edits of a JSON text."""
        for leaf in document.leaves:
            if edits := self.leaf(leaf):
                yield from raw_edits(document.text, document.spans[leaf.ordinal], edits)

    def leaf(self, leaf: Leaf) -> list[Edit]:
        """Edits of a string."""
        if leaf.decoded is not None:
            inner = self.leaf(leaf.decoded)
            if not inner:
                return []
            encoded = base64.b64encode(splice(leaf.decoded.text, inner).encode()).decode()
            return [Edit(0, len(leaf.text), encoded)]
        if leaf.inner is not None:
            return list(self.document(leaf.inner))
        known = self._known.find(self._tenant, leaf.text)
        known += self._people.find(self._tenant, leaf.text, self._pseudonymiser.digest)
        findings = resolved([*leaf.findings, *known]) if known else leaf.findings
        return [edit for finding in findings if (edit := self._edit(leaf.text, finding)) is not None]

    def leaf_text(self, leaf: Leaf) -> str:
        """A whole string, scrubbed."""
        return splice(leaf.text, self.leaf(leaf))

    def _edit(self, text: str, finding: Finding) -> Edit | None:
        if finding.allowed:
            return None
        surface = text[finding.start : finding.end]
        replacement = self._pseudonymiser.replace(finding.type, surface)
        if replacement == surface:  # it identifies nobody: loopback, multicast, an operator that keeps it
            return None
        self._counts[finding.type] += 1
        return Edit(finding.start, finding.end, _bracketed(text, finding, surface, replacement))


def _bracketed(text: str, finding: Finding, surface: str, replacement: str) -> str:
    """An operator may make an IPv6 address of an IPv4 one: with a port behind it, it needs brackets (RFC 3986)."""
    if ":" not in replacement or ":" in surface or not _PORT.match(text, finding.end):
        return replacement
    return f"[{replacement}]"


def tenant_member(document: Any, tenant: str, tenant_path: str) -> Path:
    """Where the tenant's id stands in the event: it is not personal, and readers route by it."""
    if isinstance(document, dict) and document.get("tenantid") == tenant and "specversion" in document:
        return ("tenantid",)
    return tuple(tenant_path.split("."))


def _key_leaf(key: bytes | None, recogniser: Recogniser, tenant: str) -> Leaf | None:
    if key is None:
        return None
    try:
        text = key.decode()
    except UnicodeDecodeError:
        raise Refused(QuarantineReason.NOT_UTF8, "key", tenant) from None
    leaf = read_leaf(text, ("$key",), recogniser)
    if leaf.findings or leaf.inner is not None or not text or text == tenant or _OPAQUE_KEY.fullmatch(text):
        return leaf
    # Agents key their events by device: what no rule recognises is still the name of one.
    return Leaf(leaf.path, text, [Finding(0, len(text), EntityType.COMPUTER_NAME, 1.0, "record-key")])


def _header_name(name: str, recogniser: Recogniser) -> Leaf:
    return Leaf(("$headers",), name, recogniser.key(name))


def _header_leaf(name: str, value: bytes | None, recogniser: Recogniser) -> Leaf | bytes | None:
    if value is None or name.lower() in _PLAIN_HEADERS:
        return value
    return read_leaf(value.decode(), ("$headers", name), recogniser)
