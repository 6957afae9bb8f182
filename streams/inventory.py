"""Known entities from an inventory: names a line, NDJSON or CSV → records of the known-entities topic."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import orjson

from schemas.errors import UserError
from scrubbers import hostnames
from scrubbers.entities import EntityType, Known
from scrubbers.keyring import Keyring
from scrubbers.known import related, worth_knowing
from scrubbers.rules import Learning
from streams.publisher import Message


class Row(msgspec.Struct, frozen=True):
    """One line of an inventory."""

    value: str
    type: EntityType = EntityType.COMPUTER_NAME
    tenant: str | None = None
    line: int = 0  # of its file, from 1


def read(path: Path) -> list[Row]:
    """The rows of an inventory: `.csv` with a header line, NDJSON `{"tenant","type","value"}`, or names.

    Raises:
        UserError: a line that is none of these, by its number.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as problem:
        raise UserError(f"{path}: {getattr(problem, 'strerror', None) or 'not UTF-8'}") from None
    if path.suffix.lower() == ".csv":
        rows = [(number, dict(row)) for number, row in enumerate(csv.DictReader(text.splitlines()), start=2)]
        return [_row(path, number, {key: value for key, value in row.items() if value}) for number, row in rows]
    return list(_lines(path, text))


def _lines(path: Path, text: str) -> Iterator[Row]:
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if stripped.startswith("{"):
            try:
                yield _row(path, number, orjson.loads(stripped))
            except orjson.JSONDecodeError:
                raise UserError(f"{path} line {number}: not JSON") from None
        elif stripped:
            yield Row(stripped, line=number)


def _row(path: Path, number: int, fields: object) -> Row:
    try:
        return msgspec.structs.replace(msgspec.convert(fields, Row), line=number)
    except msgspec.ValidationError:
        raise UserError(
            f"{path} line {number}: not an inventory row", 'expected "value", and optionally "type" and "tenant"'
        ) from None


def knowns(rows: Sequence[Row]) -> Iterator[tuple[str | None, Known]]:
    """(tenant, known entity) of each row, with what it teaches."""
    for row in rows:
        for known in related(Known(row.type, hostnames.normalise(row.value))):
            yield row.tenant, known


def messages(
    rows: Sequence[Row], tenant: str | None, keyring: Keyring, learning: Learning | None = None
) -> Iterator[Message]:
    """Records for the known-entities topic; what is not worth knowing is left out.

    Raises:
        UserError: a row without a tenant when none is given.
        KeyUnavailable: a tenant without keys.
    """
    for named, known in knowns(rows):
        if not worth_knowing(known, learning):
            continue
        owner = named or tenant
        if owner is None:
            raise UserError("a row names no tenant", "say --tenant")
        digest = keyring.tenant(owner).entity_digest(known.type, known.value)
        value = orjson.dumps({"tenant": owner, "type": known.type, "value": known.value})
        yield Message(value, digest.encode())
