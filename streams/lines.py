"""Lines of files and of stdin, with where each came from."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from schemas.errors import UserError

Line = tuple[str, int, bytes]  # source, number from 1, the line without its end
STDIN = Path("-")


def lines(paths: Sequence[Path]) -> Iterator[Line]:
    """Every line that is not empty, file after file; `-` is stdin.

    Raises:
        UserError: a file cannot be read.
    """
    for path in paths:
        if path == STDIN:
            yield from numbered("stdin", sys.stdin.buffer)
            continue
        try:
            with path.open("rb") as file:
                yield from numbered(str(path), file)
        except OSError as problem:
            raise UserError(f"{path}: {problem.strerror}") from None


def numbered(source: str, stream: Iterable[bytes]) -> Iterator[Line]:
    """The lines of an open stream that are not empty."""
    for number, line in enumerate(stream, start=1):
        if stripped := line.rstrip(b"\r\n"):
            yield source, number, stripped
