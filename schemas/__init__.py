"""Contracts: JSON Schema 2020-12 documents of this folder, loaded and checked by name."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import msgspec
import orjson
from jsonschema import Draft202012Validator, FormatChecker, ValidationError, validators
from referencing import Registry
from referencing.jsonschema import DRAFT202012

FOLDER = Path(__file__).parent
_SUFFIX = ".schema.json"
_RFC3339 = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9:.]{8,32}(?:[Zz]|[+-][0-9]{2}:[0-9]{2})")
_Instant = Annotated[datetime, msgspec.Meta(tz=True)]


class Violation(msgspec.Struct, frozen=True, order=True):
    """What does not keep to a schema: where (a JSON Pointer), and what is expected there.

    The message is made of the schema alone, so it holds no value of the document. The pointer holds
    member names of the document; a schema for input from outside names the members it constrains
    and lets the others be, so that no name of the sender's choosing comes up in one.
    """

    pointer: str
    message: str


def names() -> list[str]:
    """The schemas that there are, sorted."""
    return sorted(path.name.removesuffix(_SUFFIX) for path in FOLDER.glob(f"*{_SUFFIX}"))


@cache
def validator(name: str) -> Draft202012Validator:
    """The validator for a schema by name (`contact-change`).

    Raises:
        FileNotFoundError: there is no schema of that name.
    """
    schema = _document(name)
    checked: Draft202012Validator = _Validator(schema, registry=_registry(), format_checker=_formats)
    return checked


def check(name: str, value: Any) -> list[Violation]:
    """Every violation of a schema by a decoded document, sorted by pointer; empty when it keeps to it."""
    found = {each for error in validator(name).iter_errors(value) for each in _violations(error)}
    return sorted(found)


def instant(text: str) -> datetime:
    """An RFC 3339 date-time as an aware datetime in UTC, to the microsecond.

    Raises:
        ValueError: not RFC 3339, no offset, a leap second, or outside the years 1 to 9999 in UTC.
    """
    if _RFC3339.fullmatch(text) is None:
        raise ValueError("not an RFC 3339 date-time")
    try:
        return msgspec.convert(text, _Instant).astimezone(UTC)
    except (msgspec.ValidationError, OverflowError):
        raise ValueError("not an RFC 3339 date-time") from None


def _document(name: str) -> dict[str, Any]:
    document: dict[str, Any] = orjson.loads((FOLDER / f"{name}{_SUFFIX}").read_bytes())
    return document


@cache
def _registry() -> Registry[Any]:
    """All schemas by their `$id`, so that one can refer to another."""
    documents = [_document(name) for name in names()]
    resources = [(each["$id"], DRAFT202012.create_resource(each)) for each in documents]
    return Registry[Any]().with_resources(resources)


def _pattern(_: Any, pattern: str, instance: Any, __: Any) -> Iterator[ValidationError]:
    """`pattern` as ECMA-262 reads it: Python's `$` would let a trailing line feed through."""
    if not isinstance(instance, str):
        return
    if re.search(re.sub(r"(?<!\\)\$$", r"\\Z", pattern), instance) is None:
        yield ValidationError("pattern")


def _minimum(_: Any, minimum: float, instance: Any, __: Any) -> Iterator[ValidationError]:
    """`minimum`, which YAML's not-a-number is not below and does not reach."""
    if isinstance(instance, int | float) and not isinstance(instance, bool) and not instance >= minimum:
        yield ValidationError("minimum")


_OURS = {"pattern": _pattern, "minimum": _minimum}
_Validator: Any = validators.extend(Draft202012Validator, _OURS)  # type: ignore[no-untyped-call]
_formats = FormatChecker(formats=())


@_formats.checks("date-time", raises=ValueError)
def _is_instant(value: object) -> bool:
    return not isinstance(value, str) or bool(instant(value))


def _violations(error: ValidationError) -> Iterator[Violation]:
    """The violations in one error, with what is missing or unknown pointed at itself."""
    place = "".join(f"/{_escaped(str(step))}" for step in error.absolute_path)
    wanted: Any = error.validator_value
    instance: Any = error.instance
    if "propertyNames" in error.absolute_schema_path:  # the member is what is wrong, not what is around it
        place += f"/{_escaped(str(instance))}"
    match error.validator:
        case "required":
            for member in wanted:
                if member not in instance:
                    yield Violation(f"{place}/{_escaped(member)}", "is required")
        case "additionalProperties" if wanted is False:
            for member in _unknown(error):
                yield Violation(f"{place}/{_escaped(member)}", "is not a known member")
        case _:
            yield Violation(place, f"expected {_expected(error)}")


def _unknown(error: ValidationError) -> list[str]:
    instance: Any = error.instance
    allowed = error.schema.get("properties", {}) if isinstance(error.schema, dict) else {}
    return [str(member) for member in instance if member not in allowed]


def _escaped(step: str) -> str:
    """One step of a JSON Pointer (RFC 6901, section 3)."""
    return step.replace("~", "~0").replace("/", "~1")


_ARTICLES = {
    "object": "an object",
    "array": "an array",
    "string": "a string",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}
_PHRASES = {
    "minLength": "a string of at least {} characters",
    "maxLength": "a string of at most {} characters",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "minProperties": "at least {} members",
    "maxProperties": "at most {} members",
    "minimum": "a number of at least {}",
    "maximum": "a number of at most {}",
    "exclusiveMinimum": "a number above {}",
    "exclusiveMaximum": "a number below {}",
    "pattern": "text that matches {}",
    "format": "an RFC 3339 {}",
    "uniqueItems": "no item twice",
    "propertyNames": "member names of the allowed form",
}


def _expected(error: ValidationError) -> str:
    """What the schema wants at the error's place; an `x-expected` beside the keyword says it in words."""
    keyword = str(error.validator)
    wanted: Any = error.validator_value
    if isinstance(error.schema, dict) and isinstance(told := error.schema.get("x-expected"), str):
        return told
    if keyword == "type":
        return " or ".join(_ARTICLES[each] for each in ([wanted] if isinstance(wanted, str) else wanted))
    if keyword == "const":
        return orjson.dumps(wanted).decode()
    if keyword == "enum":
        return "one of " + ", ".join(orjson.dumps(each).decode() for each in wanted)
    return _PHRASES[keyword].format(wanted) if keyword in _PHRASES else "another form"
