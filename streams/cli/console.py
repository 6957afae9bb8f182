"""What a user of the command line hears.

Results go to stdout; summaries, progress and errors to stderr. Errors are lower case, one line, no
full stop: `rmm-scrub: error: …`, then a `rmm-scrub: hint: …` a line each. Exit 2 is a usage error,
1 a failure.
"""

import sys
from typing import Any, NoReturn

import orjson
from rich.console import Console

from schemas.errors import UserError

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def print_json(value: Any) -> None:
    """One JSON document on a line of its own, for machines."""
    sys.stdout.buffer.write(orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS))
    sys.stdout.buffer.flush()


def utf8(argument: str, what: str) -> str:
    """An argument that is to be sent or written; the command line may hold any bytes.

    Raises:
        UserError: it is not UTF-8.
    """
    if any("\ud800" <= letter <= "\udfff" for letter in argument):  # how Python holds such bytes (PEP 383)
        raise UserError(f"{what} is not UTF-8")
    return argument


def error(message: str, *hints: str) -> None:
    """Say what went wrong and what to do."""
    sys.stderr.write(f"rmm-scrub: error: {message}\n")
    sys.stderr.writelines(f"rmm-scrub: hint: {hint}\n" for hint in hints)


def fail(message: str, *hints: str, code: int = 1) -> NoReturn:
    """Say what went wrong and end the command."""
    error(message, *hints)
    raise SystemExit(code)
