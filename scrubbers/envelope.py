"""Around the event: its format, its tenant, and what refuses it before anything is searched.

Formats are told from the `content-type` header and the value (`docs/contracts.md`, Input events).
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec

from scrubbers.event import DocumentError, TooDeep, look_up, parse
from scrubbers.records import QuarantineReason, Record, Refused

SCHEME_HEADER = "scrub-scheme"
_JSON_TYPE = re.compile(r"[\w.+-]+/(?:[\w.+-]+\+)?json\b", re.IGNORECASE)
_CLOUDEVENTS_JSON = "application/cloudevents+json"
_CLOUDEVENTS_BATCH = "application/cloudevents-batch+json"
# What opens a JSON array; a text line may open with a bracket too (`[2026-11-23 10:00] link down`).
_ARRAY = re.compile(r"\[\s*(?:[\[{\"\]]|-?\d[\d.eE+-]*\s*[,\]]|(?:true|false|null)\s*[,\]])")
_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_REQUIRED = ("id", "source", "type")  # and specversion (CloudEvents 1.0.2, Required Attributes)
_BOM = "\ufeff"


class Format(StrEnum):
    """What a value is."""

    JSON = "json"
    TEXT = "text"
    EMPTY = "empty"


class Envelope(msgspec.Struct, frozen=True):
    """A record's tenant and content: `text` is the decoded value, `document` its parsed JSON."""

    tenant: str
    format: Format
    text: str
    document: Any


def open_envelope(record: Record, *, max_bytes: int, max_depth: int, tenant_path: str) -> Envelope:
    """Read format and tenant of a record.

    Raises:
        Refused: too large, already pseudonymised, not UTF-8, malformed, too deep, not the CloudEvent it
            says it is, or without a tenant.
    """
    if len(record.value or b"") + len(record.key or b"") + _size(record) > max_bytes:
        raise Refused(QuarantineReason.TOO_LARGE, "envelope", _said_tenant(record))
    headers = _decoded_headers(record)
    said = headers.get("tenant")
    if SCHEME_HEADER in headers:
        raise Refused(QuarantineReason.ALREADY_PSEUDONYMISED, "envelope", said)
    try:
        text = (record.value or b"").decode()
    except UnicodeDecodeError:
        raise Refused(QuarantineReason.NOT_UTF8, "envelope", said) from None
    media_type = headers.get("content-type", "").strip().lower()
    kind = _format(record.value, text, media_type)
    document = _parsed(text, max_depth, said) if kind is Format.JSON else None
    _check_cloudevent(document, headers, media_type, said)
    return Envelope(_tenant(document, headers, tenant_path), kind, text, document)


def _size(record: Record) -> int:
    return sum(len(name) + len(value or b"") for name, value in record.headers)


def _said_tenant(record: Record) -> str | None:
    """The tenant header of a record whose headers were not checked yet."""
    value = next((value for name, value in record.headers if name == "tenant"), None)
    return value.decode("utf-8", "replace") if value is not None else None


def _decoded_headers(record: Record) -> dict[str, str]:
    """Headers as text; the first of a name counts, as CloudEvents has each once."""
    found: dict[str, str] = {}
    for name, value in record.headers:
        try:
            found.setdefault(name.lower(), (value or b"").decode())
        except UnicodeDecodeError:
            raise Refused(QuarantineReason.NOT_UTF8, "headers", found.get("tenant")) from None
    return found


def _format(value: bytes | None, text: str, media_type: str) -> Format:
    if value is None:
        return Format.EMPTY
    if _JSON_TYPE.match(media_type):
        return Format.JSON
    if media_type.startswith("text/"):
        return Format.TEXT
    start = text.lstrip(_BOM + " \t\r\n")
    if start.startswith("{") or _ARRAY.match(start):
        return Format.JSON
    return Format.TEXT


def _parsed(text: str, max_depth: int, tenant: str | None) -> Any:
    try:
        document = parse(text.lstrip(_BOM))
    except TooDeep:
        raise Refused(QuarantineReason.TOO_DEEP, "json", tenant) from None
    except DocumentError:
        raise Refused(QuarantineReason.MALFORMED_JSON, "json", tenant) from None
    if _deeper(document, max_depth):
        raise Refused(QuarantineReason.TOO_DEEP, "json", tenant)
    return document


def _deeper(node: Any, levels: int) -> bool:
    if isinstance(node, dict):
        return levels == 0 or any(
            _deeper(value, levels - 1) for value in node.values() if isinstance(value, dict | list)
        )
    if isinstance(node, list):
        return levels == 0 or any(_deeper(value, levels - 1) for value in node if isinstance(value, dict | list))
    return False


def _check_cloudevent(document: Any, headers: Mapping[str, str], media_type: str, tenant: str | None) -> None:
    """A record that says it is a CloudEvent must be one: its consumers rely on it."""
    if media_type.startswith(_CLOUDEVENTS_BATCH):
        events = document if isinstance(document, list) else [None]
        valid = all(_is_cloudevent(event) for event in events)
    elif media_type.startswith(_CLOUDEVENTS_JSON):
        valid = _is_cloudevent(document)
    elif "ce_specversion" in headers:
        valid = all(headers.get(f"ce_{name}") for name in _REQUIRED)
    else:
        return
    if not valid:
        raise Refused(QuarantineReason.SCHEMA_VIOLATION, "cloudevents", tenant)


def _is_cloudevent(event: Any) -> bool:
    if not isinstance(event, dict) or event.get("specversion") != "1.0":
        return False
    return all(isinstance(event.get(name), str) and event[name] for name in _REQUIRED)


def _tenant(document: Any, headers: Mapping[str, str], tenant_path: str) -> str:
    """Header, then CloudEvents extension, then the configured path (`docs/contracts.md`)."""
    said = headers.get("tenant") or headers.get("ce_tenantid")
    if not said and isinstance(document, dict):
        extension = document.get("tenantid") if "specversion" in document else None
        said = extension or look_up(document, tenant_path)
    if said is None or said == "":
        raise Refused(QuarantineReason.MISSING_TENANT, "tenant")
    if not isinstance(said, str) or not _TENANT.fullmatch(said):
        raise Refused(QuarantineReason.UNKNOWN_TENANT, "tenant")
    return said
