"""Labelled corpora: NDJSON files of texts in which people marked what is personal."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import orjson

from schemas.errors import UserError
from scrubbers.evaluate import LabelledText
from streams.lines import lines


def read(paths: Sequence[Path]) -> dict[str, Sequence[LabelledText]]:
    """The texts of each file, by the file's name without its ending.

    Raises:
        UserError: a file cannot be read or a line is no labelled text, with its place.
    """
    corpus: dict[str, list[LabelledText]] = {}
    for path in paths:
        cases = corpus.setdefault(path.stem, [])
        for source, number, line in lines([path]):
            cases.append(_case(line, f"{source} line {number}"))
    return dict(corpus)


def cases(paths: Sequence[Path]) -> dict[str, Sequence[LabelledText]]:
    """As `read`, but of any NDJSON: labelled texts, cases `{"id","event"}`, or events, which have no labels.

    Raises:
        UserError: a file cannot be read or a line is not JSON, with its place.
    """
    found: dict[str, list[LabelledText]] = {}
    for path in paths:
        texts = found.setdefault(path.stem, [])
        for source, number, line in lines([path]):
            texts.append(_any_case(line, number, f"{source} line {number}"))
    return dict(found)


def _any_case(line: bytes, number: int, place: str) -> LabelledText:
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        raise UserError(f"{place}: not JSON") from None
    if isinstance(value, dict) and {"id", "text"} <= value.keys():
        return _case(line, place)
    if isinstance(value, dict) and {"id", "event"} == value.keys():
        event = value["event"]
        return LabelledText(value["id"], event if isinstance(event, str) else orjson.dumps(event).decode())
    return LabelledText(number, line.decode())


def events(paths: Sequence[Path]) -> list[Any]:
    """The events of NDJSON files, as parsed.

    Raises:
        UserError: a file cannot be read or a line is not JSON, with its place.
    """
    found = []
    for source, number, line in lines(paths):
        try:
            found.append(orjson.loads(line))
        except orjson.JSONDecodeError:
            raise UserError(f"{source} line {number}: not JSON") from None
    return found


def _case(line: bytes, place: str) -> LabelledText:
    try:
        case = msgspec.convert(orjson.loads(line), LabelledText)
    except orjson.JSONDecodeError:
        raise UserError(f"{place}: not JSON") from None
    except msgspec.ValidationError as problem:
        # msgspec quotes a wrong enum value: the path is enough to find it.
        where = str(problem).rpartition(" - at ")[2] if " - at " in str(problem) else "`$`"
        raise UserError(f"{place}: not a labelled text, at {where}", "docs/rules.md shows a line") from None
    stretches = [(each.start, each.end) for each in case.spans]
    stretches += [(each.start, each.end) for each in (*case.ignore, *case.lookalikes)]
    for start, end in stretches:
        if not 0 <= start < end <= len(case.text):
            raise UserError(f"{place}: a span lies outside its text")
    return case
