"""What a user gives in place of a text: itself, a file, or stdin."""

import sys
from pathlib import Path

from schemas.errors import UserError


def given(text: str) -> str:
    """The text itself, or what stands in the file of that name; without the line break at its end."""
    try:
        if text == "-":
            return sys.stdin.buffer.read().decode().rstrip("\r\n")
        path = Path(text)
        return path.read_text(encoding="utf-8").rstrip("\r\n") if _is_file(path) else text
    except UnicodeDecodeError:
        raise UserError("the input is not UTF-8") from None
    except OSError as problem:
        raise UserError(f"the file cannot be read: {problem.strerror}") from None


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a text longer than a file's name can be
        return False
