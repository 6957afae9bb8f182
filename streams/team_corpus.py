"""A team's corpus and its baseline as files: changed whole or not at all, by one at a time, for their owner alone."""

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import orjson

from schemas.errors import UserError
from scrubbers.corpus import Baseline
from scrubbers.evaluate import LabelledText
from streams import corpora
from streams.files import write
from streams.lines import lines

Cases = list[LabelledText]


def read(path: Path) -> Cases:
    """The corpus's lines.

    Raises:
        UserError: it cannot be read, or a line is no labelled text, with its place.
    """
    return list(corpora.read([path])[path.stem])


def edit(path: Path, change: Callable[[Cases], Cases]) -> None:
    """Change a corpus; a new one is begun if there is none. Lines that stay the same stay as they are written.

    Raises:
        UserError: as for `read`, or it cannot be written; then it is as it was.
    """
    with _alone(path):
        lines_before = list(zip(read(path), _lines(path), strict=True)) if path.exists() else []
        before = {case.id: (case, line) for case, line in lines_before}
        if len(before) < len(lines_before):
            raise UserError(f"{path}: two samples have the same id")
        after = change([case for case, _ in before.values()])
        write(path, b"".join(_written(case, *before.get(case.id, (None, b"{}"))) + b"\n" for case in after))


def baseline_path(path: Path) -> Path:
    """Where a corpus's baseline is: beside it, to be kept with it under version control."""
    return path.with_suffix(".baseline.json")


def read_baseline(path: Path) -> Baseline | None:
    """The baseline of a corpus, if one was accepted.

    Raises:
        UserError: it cannot be read.
    """
    place = baseline_path(path)
    try:
        return msgspec.convert(orjson.loads(place.read_bytes()), Baseline)
    except FileNotFoundError:
        return None
    except (OSError, orjson.JSONDecodeError, msgspec.ValidationError):
        raise UserError(f"{place}: not a baseline", "rmm-scrub rules corpus check --accept makes one") from None


def write_baseline(path: Path, baseline: Baseline) -> None:
    """Keep a baseline; it holds no value of the corpus.

    Raises:
        UserError: it cannot be written.
    """
    place = baseline_path(path)
    tree = msgspec.to_builtins(baseline, str_keys=True, order="sorted")
    with _alone(place):
        write(place, orjson.dumps(tree, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def _lines(path: Path) -> Iterator[bytes]:
    yield from (line for _, _, line in lines([path]))


def _written(case: LabelledText, before: LabelledText | None, line: bytes) -> bytes:
    """A line anew, with the members that only its writer knows; as it was, if nothing is changed."""
    if case == before:
        return line
    old: dict[str, Any] = orjson.loads(line)
    new = {name: value for name, value in msgspec.to_builtins(case).items() if value or name in old or name == "spans"}
    return orjson.dumps({**old, **new})


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One writer at a time in a folder."""
    try:
        folder = os.open(path.parent, os.O_RDONLY)
    except OSError as problem:
        raise UserError(f"{path}: its folder cannot be opened: {problem.strerror}") from None
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
        os.fsync(folder)
    finally:
        os.close(folder)
