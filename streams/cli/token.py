"""The caller's OIDC token: from a file or the environment, never from the command line, where others see it."""

import os
import stat
import sys
from pathlib import Path
from typing import Annotated

import typer

from schemas.errors import UserError

VARIABLE = "RMM_SCRUB_TOKEN"
File = Annotated[Path | None, typer.Option("--token-file", help=f"Your OIDC token; '-' is stdin. Default: {VARIABLE}.")]


def read(file: Path | None) -> str:
    """The token.

    Raises:
        UserError: there is none, or others may read its file.
    """
    if file is None:
        token = os.environ.get(VARIABLE, "")
        if not token:
            raise UserError("who are you? no token is given", f"set {VARIABLE}, or say --token-file FILE")
        return token
    if str(file) == "-":
        return sys.stdin.readline().strip()
    try:
        if stat.S_IMODE(file.stat().st_mode) & 0o077:
            raise UserError(f"token file {file}: others may read it", f"chmod 600 {file}")
        return file.read_text(encoding="ascii").strip()
    except UnicodeDecodeError:
        raise UserError(f"token file {file}: not a token") from None
    except OSError as problem:
        raise UserError(f"token file {file}: {problem.strerror}") from None
