"""Files that are changed whole or not at all."""

import os
import tempfile
from pathlib import Path

from schemas.errors import UserError


def write(path: Path, content: bytes) -> None:
    """Put a file there, or another one in its place; a new one is readable by its owner alone.

    Raises:
        UserError: it cannot be written; then it is as it was.
    """
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as new:
            temporary = Path(new.name)
            try:
                new.write(content)
                new.flush()
                os.fsync(new.fileno())
                if path.exists():
                    temporary.chmod(path.stat().st_mode & 0o777)
                temporary.replace(path)
            finally:
                temporary.unlink(missing_ok=True)
    except OSError as problem:
        raise UserError(f"{path}: cannot be written: {problem.strerror}") from None
