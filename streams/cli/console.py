"""What a user of the command line hears.

Results go to stdout; summaries, progress and errors to stderr. Errors are lower case, one line, no
full stop: `rmm-scrub: error: …`, then a `rmm-scrub: hint: …` a line each. Exit 2 is a usage error,
1 a failure.
"""

import sys
from typing import Any, NoReturn

import orjson
from rich.console import Console

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def print_json(value: Any) -> None:
    """One JSON document on a line of its own, for machines."""
    sys.stdout.buffer.write(orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS))
    sys.stdout.buffer.flush()


def error(message: str, *hints: str) -> None:
    """Say what went wrong and what to do."""
    sys.stderr.write(f"rmm-scrub: error: {message}\n")
    sys.stderr.writelines(f"rmm-scrub: hint: {hint}\n" for hint in hints)


def fail(message: str, *hints: str, code: int = 1) -> NoReturn:
    """Say what went wrong and end the command."""
    error(message, *hints)
    raise SystemExit(code)
