"""The root key in a file: what is none is refused at once."""

import os
from pathlib import Path

import pytest

from schemas.errors import UserError
from scrubbers.rootkey import RootKey


def test_a_root_key_that_is_no_regular_file_is_refused_at_once(tmp_path: Path) -> None:
    """A named pipe has nobody at the other end; a folder is no file."""
    os.mkfifo(tmp_path / "pipe", 0o600)
    (tmp_path / "folder").mkdir(0o700)
    with pytest.raises(UserError, match="not a regular file"):
        RootKey.from_file(tmp_path / "pipe")
    with pytest.raises(UserError, match="folder"):
        RootKey.from_file(tmp_path / "folder")


@pytest.mark.parametrize("size", [0, 16, 31, 33])
def test_a_root_key_of_another_size_is_refused(tmp_path: Path, size: int) -> None:
    """32 bytes, raw."""
    root = tmp_path / "root"
    root.touch(0o600)
    root.write_bytes(bytes(size))
    with pytest.raises(UserError, match="32 bytes"):
        RootKey.from_file(root)
