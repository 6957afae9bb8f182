"""What wraps the keys of a keyring, and is kept elsewhere: a root key in a file or a variable, or a KMS."""

import base64
import os
import secrets
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag

from schemas.errors import UserError
from scrubbers.seal import seal, unseal

KEY_BYTES = 32
ROOT_VARIABLE = "RMM_SCRUB_ROOT_KEY"


class KeyWrapper(Protocol):
    """Wraps keys under a key that the keyring does not hold: a file here, a KMS elsewhere.

    `context` binds a wrapped key to its place, so that it cannot be moved to another tenant or use.
    """

    def wrap(self, plaintext: bytes, context: bytes) -> bytes:
        """Encrypt a key."""
        ...

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """Decrypt a key; UserError when it was wrapped by another root key or altered."""
        ...


class RootKey:
    """A `KeyWrapper` over 32 bytes in memory."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise UserError("the root key must be 32 bytes", "rmm-scrub keys init makes one")
        self._key = key

    @classmethod
    def from_file(cls, path: Path) -> "RootKey":
        """The root key in a file that only its owner can read (mode 0600).

        Raises:
            UserError: it is missing, is not a regular file, may be read by others, or has another size.
        """
        try:
            # Without O_NONBLOCK, opening a named pipe would wait for its writer.
            with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
                status = os.fstat(file.fileno())
                if not stat.S_ISREG(status.st_mode):
                    raise UserError(f"root key {path}: not a regular file", f"or set {ROOT_VARIABLE}")
                if stat.S_IMODE(status.st_mode) & 0o077:
                    raise UserError(f"root key {path}: others may read it", f"chmod 600 {path}")
                return cls(file.read(KEY_BYTES + 1))
        except OSError as problem:
            raise UserError(f"root key {path}: {problem.strerror}", f"or set {ROOT_VARIABLE}") from None

    @classmethod
    def create_file(cls, path: Path) -> "RootKey":
        """A new random root key in a new file of mode 0600.

        Raises:
            UserError: the file exists, or cannot be made.
        """
        key = secrets.token_bytes(KEY_BYTES)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as problem:
            raise UserError(f"root key {path}: {problem.strerror}") from None
        with os.fdopen(descriptor, "wb") as file:
            file.write(key)
            file.flush()
            os.fsync(file.fileno())
        return cls(key)

    def wrap(self, plaintext: bytes, context: bytes) -> bytes:
        """AES-256-GCM under the root key."""
        return seal(self._key, plaintext, context)

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """The key again; UserError when it was wrapped by another root key or altered."""
        try:
            return unseal(self._key, wrapped, context)
        except InvalidTag:
            raise UserError("the keyring was wrapped by another root key, or was altered") from None


def root_path(keyring: Path) -> Path:
    """Where a keyring's root key is kept unless told otherwise."""
    return keyring.with_name(keyring.name + ".root")


def wrapper_for(keyring: Path, environ: Mapping[str, str]) -> KeyWrapper:
    """The root key from `RMM_SCRUB_ROOT_KEY` (base64), else from the file beside the keyring.

    Raises:
        UserError: neither gives a usable key.
    """
    encoded = environ.get(ROOT_VARIABLE)
    if encoded is None:
        return RootKey.from_file(root_path(keyring))
    try:
        return RootKey(base64.b64decode(encoded, validate=True))
    except ValueError:
        raise UserError(f"{ROOT_VARIABLE} is not base64") from None
