"""Open the keyring that the settings name."""

import os
from pathlib import Path

from schemas.errors import UserError
from scrubbers.keyring import Keyring
from scrubbers.rootkey import wrapper_for
from streams.config import Settings


def keyring_path(settings: Settings, given: Path | None = None) -> Path:
    """The keyring's file: as given, else `RMM_SCRUB_KEYRING`.

    Raises:
        UserError: neither is there.
    """
    named = given or (Path(settings.keyring) if settings.keyring else None)
    if named is None:
        raise UserError("no keyring is named", "set RMM_SCRUB_KEYRING, or make one: rmm-scrub keys init --keyring FILE")
    return named


def open_keyring(settings: Settings, given: Path | None = None) -> Keyring:
    """The keyring, unwrapped with its root key (a file beside it, or `RMM_SCRUB_ROOT_KEY`).

    Raises:
        UserError: it is not there, cannot be unwrapped, or may be read by others.
    """
    path = keyring_path(settings, given)
    if not path.exists():
        raise UserError(f"keyring {path}: no such file", f"make it: rmm-scrub keys init --keyring {path}")
    return Keyring.open(path, wrapper_for(path, os.environ))
