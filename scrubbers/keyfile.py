"""The keyring's file: read whole, replaced whole, one writer at a time (format: docs/keyring.md).

Everything secret in it is wrapped; what a version held is overwritten when the next one takes its place.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TypeAlias

import msgspec
import orjson

from schemas.errors import UNDECODABLE, UserError

FORMAT = 1

# What a replaced file does not share with the new one: inode, time in ns, size. None where there is no file.
Stamp: TypeAlias = tuple[int, int, int] | None


class Epoch(msgspec.Struct, forbid_unknown_fields=True):
    """`name` is `k01` and so on; `master` is wrapped."""

    name: str
    created: str
    master: str


class Tenant(msgspec.Struct, forbid_unknown_fields=True):
    """`index` is wrapped; epochs, at least one, oldest first."""

    index: str
    epochs: list[Epoch]


class Signing(msgspec.Struct, forbid_unknown_fields=True):
    """`private` is wrapped PKCS #8 in PEM."""

    kid: str
    created: str
    private: str


class Contents(msgspec.Struct, forbid_unknown_fields=True):
    """`quarantine` is wrapped; `shredded` has the last epoch's number of tenants whose keys are gone."""

    version: int
    quarantine: str
    signing: list[Signing]
    tenants: dict[str, Tenant] = {}
    shredded: dict[str, int] = {}


def read(path: Path) -> Contents:
    """The latest version.

    Raises:
        UserError: it cannot be read, or is of another format.
    """
    before = stamp(path)
    try:
        file = msgspec.json.decode(path.read_bytes(), type=Contents)
    except OSError as problem:
        raise UserError(f"keyring {path}: {problem.strerror}", f"rmm-scrub keys init --keyring {path}") from None
    except UNDECODABLE:
        if stamp(path) != before:  # replaced and overwritten while we were reading
            return read(path)
        raise UserError(f"keyring {path}: not a keyring of format {FORMAT}") from None
    if file.version != FORMAT:
        raise UserError(f"keyring {path}: format {file.version}, this version reads {FORMAT}")
    return file


def write(path: Path, file: Contents) -> None:
    """All or nothing: a crash leaves the old file or the new one, never a part.

    What is replaced is overwritten, every time: a tenant's keys stand in each earlier version too.
    """
    temporary = path.with_name(f".{path.name}.new")  # only the holder of the lock writes it
    _overwrite_left_over(temporary)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as new:
            _give_to_owner(descriptor, path)
            new.write(orjson.dumps(msgspec.to_builtins(file), option=orjson.OPT_INDENT_2))
            new.flush()
            os.fsync(new.fileno())
        old = path.open("r+b") if path.exists() else None
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)
    if old is not None:
        _overwrite(old)


def _give_to_owner(descriptor: int, path: Path) -> None:
    """Root's change leaves the file readable for the account of the workers: else they would keep shredded keys."""
    if path.exists() and (owner := path.stat()).st_uid != os.geteuid():
        os.fchown(descriptor, owner.st_uid, owner.st_gid)


def _overwrite_left_over(temporary: Path) -> None:
    """What a writer that was killed left behind."""
    if temporary.exists():
        _overwrite(temporary.open("r+b"))


def _overwrite(old: IO[bytes]) -> None:
    """Overwrite the blocks of a file that the folder no longer names; what a disk keeps beyond is wrapped."""
    with old:
        size = os.fstat(old.fileno()).st_size
        old.write(b"\0" * size)
        old.flush()
        os.fsync(old.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """One writer at a time; the lock is a file of its own, since the keyring's is replaced.

    Raises:
        UserError: the folder cannot be made or written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.with_name(path.name + ".lock").open("w")
    except OSError as problem:
        raise UserError(f"keyring {path}: its folder cannot be written: {problem.strerror}") from None
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def stamp(path: Path) -> Stamp:
    """What a replaced file does not share with the new one; None where there is no file."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size
