"""The keyring: what pseudonyms, quarantine and revocation tokens rest on (format: docs/keyring.md).

Each tenant has independent random keys: nothing is derived across tenants, so that shredding one
tenant's keys makes its pseudonyms permanently anonymous. Every key is wrapped by a root key, which is
kept elsewhere. Inside a tenant and epoch, HKDF separates the uses.
"""

import base64
import hmac
import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import orjson
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from schemas.errors import UserError
from scrubbers import keyfile
from scrubbers.entities import EntityType
from scrubbers.ipcrypt import derive
from scrubbers.rootkey import KEY_BYTES, KeyWrapper, RootKey

# A new signing key signs once portals that keep our key set for minutes have seen it.
SIGNING_SETTLES = timedelta(minutes=10)
# How long tokens stand on their topic (30 days), and a day for who reads late.
TOKENS_STAND = timedelta(days=31)


class KeyUnavailable(Exception):
    """The tenant has no key: never made, or shredded."""


class TenantKeys:
    """The keys of one tenant; `epoch` is the current one."""

    def __init__(self, tenant: str, epochs: Mapping[str, bytes], index_key: bytes) -> None:
        self.tenant = tenant
        self._epochs = dict(epochs)
        self._index_key = index_key
        self.epoch = list(self._epochs)[-1]

    def __repr__(self) -> str:
        """The domain, and no key."""
        return f"TenantKeys({self.domain})"

    @property
    def domain(self) -> str:
        """The pseudonymisation domain, `tenant/epoch`."""
        return f"{self.tenant}/{self.epoch}"

    @property
    def epochs(self) -> list[str]:
        """Names of all epochs, oldest first."""
        return list(self._epochs)

    def key(self, use: str, length: int = KEY_BYTES, epoch: str | None = None) -> bytes:
        """The key for one use in an epoch (the current one by default), by HKDF-SHA-256."""
        return derive(self._epochs[epoch or self.epoch], use, length)

    def entity_digest(self, kind: EntityType, normalised: str) -> str:
        """A keyed digest that names a known entity in topics; the same in all epochs."""
        message = f"{kind}\0{normalised}".encode()
        return hmac.digest(self._index_key, message, "sha256").hex()


class SigningKey(msgspec.Struct, frozen=True):
    """An RSA key (PKCS #8, PEM) that signs Security Event Tokens, and its `kid`."""

    kid: str
    private_pem: bytes
    created: str = ""

    def __repr__(self) -> str:
        """Which key, and not the key."""
        return f"SigningKey({self.kid})"


class Keyring:
    """The keyring file, opened. Changes are written atomically, under a lock, from the file's latest state."""

    def __init__(
        self, path: Path | None, wrapper: KeyWrapper, file: keyfile.Contents, stamp: keyfile.Stamp = None
    ) -> None:
        """Use `create`, `open` or `throwaway`; `stamp` is the file's, from before it was read."""
        self._path = path
        self._wrapper = wrapper
        self._file = file
        self._stamp = stamp
        self._tenants: dict[str, TenantKeys] = {}
        self._quarantine: bytes | None = None

    def __repr__(self) -> str:
        """Where it is, and no key."""
        return f"Keyring({self._path or 'in memory'})"

    @classmethod
    def create(cls, path: Path, wrapper: KeyWrapper) -> "Keyring":
        """A new keyring file with a quarantine key and a signing key, and no tenant.

        Raises:
            UserError: the file exists.
        """
        with keyfile.locked(path):
            if path.exists():
                raise UserError(f"keyring {path} exists already")
            keyfile.write(path, _new_file(wrapper))
        return cls.open(path, wrapper)

    @classmethod
    def open(cls, path: Path, wrapper: KeyWrapper) -> "Keyring":
        """The keyring at `path`.

        Raises:
            UserError: it cannot be read, is of another format, or was wrapped by another root key.
        """
        stamp = keyfile.stamp(path)
        keyring = cls(path, wrapper, keyfile.read(path), stamp)
        keyring.quarantine_key()
        return keyring

    @classmethod
    def throwaway(cls) -> "Keyring":
        """A keyring in memory, under a root key that nobody keeps."""
        wrapper = RootKey(secrets.token_bytes(KEY_BYTES))
        return cls(None, wrapper, _new_file(wrapper))

    def tenants(self) -> list[str]:
        """Tenants that have keys."""
        return sorted(self._file.tenants)

    def tenant(self, tenant: str) -> TenantKeys:
        """The tenant's keys.

        Raises:
            KeyUnavailable: it has none.
        """
        opened = self._tenants  # a change on another thread replaces it: then what is opened here is not kept
        found = opened.get(tenant)
        if found is None:
            entry = self._file.tenants.get(tenant)
            if entry is None:
                raise KeyUnavailable
            epochs = {each.name: self._unwrapped(each.master, "master", tenant, each.name) for each in entry.epochs}
            found = opened[tenant] = TenantKeys(tenant, epochs, self._unwrapped(entry.index, "index", tenant))
        return found

    def quarantine_key(self) -> bytes:
        """The key that seals quarantined records of all tenants."""
        if self._quarantine is None:
            self._quarantine = self._unwrapped(self._file.quarantine, "quarantine")
        return self._quarantine

    def audit_key(self) -> bytes:
        """The key that chains the audit log; kept over rotations and shreddings, as the log is."""
        return derive(self.quarantine_key(), "rmm-scrub audit v1", KEY_BYTES)

    def canary_key(self) -> bytes:
        """The key that canary identifiers are made with."""
        return derive(self.quarantine_key(), "rmm-scrub canary v1", KEY_BYTES)

    def signing_kid(self) -> str:
        """Which key signs now: the newest that has been published long enough, else the oldest."""
        settled = [each for each in self._file.signing if _age(each) >= SIGNING_SETTLES]
        return (settled[-1] if settled else self._file.signing[0]).kid

    def signing_key(self) -> SigningKey:
        """The key that signs now."""
        kid = self.signing_kid()
        return next(each for each in self.signing_keys() if each.kid == kid)

    def signing_keys(self) -> list[SigningKey]:
        """All signing keys, oldest first: tokens of older ones are still about."""
        return [
            SigningKey(each.kid, self._unwrapped(each.private, "signing", each.kid), each.created)
            for each in self._file.signing
        ]

    def rotate_signing(self) -> str:
        """Add a signing key, which signs once portals may know it; its `kid`.

        Keys whose tokens have all gone from their topic are dropped.
        """
        new = _new_signing(self._wrapper)

        def rotate(file: keyfile.Contents) -> None:
            # A key's last token was signed when the next one had settled.
            followers = [*file.signing[1:], new]
            gone = {
                each.kid
                for each, follower in zip(file.signing, followers, strict=True)
                if _age(follower) >= SIGNING_SETTLES + TOKENS_STAND
            }
            file.signing = [each for each in [*file.signing, new] if each.kid not in gone]

        self._change(rotate)
        return new.kid

    def add_tenant(self, tenant: str) -> None:
        """Give a tenant its first epoch; one that has keys keeps them.

        A tenant that comes back after its keys were shredded goes on counting: the name of an epoch never
        stands for two keys.
        """

        def add(file: keyfile.Contents) -> None:
            if tenant not in file.tenants:
                index = _wrapped(self._wrapper, secrets.token_bytes(KEY_BYTES), "index", tenant)
                number = file.shredded.pop(tenant, 0) + 1
                file.tenants[tenant] = keyfile.Tenant(index, [self._new_epoch(tenant, number)])

        self._change(add)

    def rotate(self, tenant: str) -> str:
        """Open a new epoch for a tenant; its name.

        Raises:
            UserError: the tenant has no keys.
        """

        def extend(file: keyfile.Contents) -> None:
            entry = _entry(file, tenant)
            entry.epochs.append(self._new_epoch(tenant, _last(entry) + 1))

        self._change(extend)
        return self.tenant(tenant).epoch

    def shred(self, tenant: str, newest: str | None = None) -> None:
        """Destroy a tenant's keys: its pseudonyms can no longer be turned back, by anyone.

        `newest` is the newest epoch that is meant: keys that were made since are not.

        Raises:
            UserError: the tenant has no keys, or a newer epoch than was meant.
        """

        def remove(file: keyfile.Contents) -> None:
            entry = _entry(file, tenant)
            if newest not in (None, entry.epochs[-1].name):
                raise UserError("this tenant has newer keys than those to be shredded")
            file.shredded[tenant] = _last(entry)
            del file.tenants[tenant]

        self._change(remove)

    def reload_if_changed(self) -> bool:
        """Take over what another process wrote; True if there was something. Costs one stat."""
        if self._path is None or (stamp := keyfile.stamp(self._path)) == self._stamp:
            return False
        # The stamp is older than what is read: a change in between is seen the next time, never missed.
        self._file = keyfile.read(self._path)
        self._stamp = stamp
        self._tenants = {}
        self._quarantine = None
        return True

    def epochs(self, tenant: str) -> list[tuple[str, str]]:
        """(name, time of creation) of a tenant's epochs, oldest first."""
        return [(each.name, each.created) for each in _entry(self._file, tenant).epochs]

    def _change(self, change: Callable[[keyfile.Contents], None]) -> None:
        if self._path is None:
            change(self._file)
        else:
            with keyfile.locked(self._path):
                file = keyfile.read(self._path)
                change(file)
                keyfile.write(self._path, file)
                self._stamp = keyfile.stamp(self._path)
            self._file = file
        self._tenants = {}
        self._quarantine = None

    def _new_epoch(self, tenant: str, number: int) -> keyfile.Epoch:
        name = f"k{number:02d}"
        master = _wrapped(self._wrapper, secrets.token_bytes(KEY_BYTES), "master", tenant, name)
        return keyfile.Epoch(name, _now(), master)

    def _unwrapped(self, wrapped: str, *context: str) -> bytes:
        try:
            sealed = base64.b64decode(wrapped, validate=True)
        except ValueError:
            raise UserError("a wrapped key in the keyring is not base64: the file was altered") from None
        return self._wrapper.unwrap(sealed, _context(*context))


def _context(*parts: str) -> bytes:
    """Where a key belongs; the parts are JSON, so that no two places give the same bytes."""
    return orjson.dumps(["rmm-scrub keyring", keyfile.FORMAT, *parts])


def _new_file(wrapper: KeyWrapper) -> keyfile.Contents:
    quarantine = _wrapped(wrapper, secrets.token_bytes(KEY_BYTES), "quarantine")
    return keyfile.Contents(keyfile.FORMAT, quarantine, [_new_signing(wrapper)])


def _new_signing(wrapper: KeyWrapper) -> keyfile.Signing:
    kid = secrets.token_hex(8)
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return keyfile.Signing(kid, _now(), _wrapped(wrapper, pem, "signing", kid))


def _wrapped(wrapper: KeyWrapper, key: bytes, *context: str) -> str:
    return base64.b64encode(wrapper.wrap(key, _context(*context))).decode()


def _age(key: keyfile.Signing) -> timedelta:
    return datetime.now(UTC) - datetime.fromisoformat(key.created)


def _entry(file: keyfile.Contents, tenant: str) -> keyfile.Tenant:
    if tenant not in file.tenants:
        raise UserError("this tenant has no keys", "rmm-scrub keys list shows those that have")
    return file.tenants[tenant]


def _last(tenant: keyfile.Tenant) -> int:
    """The number of the newest epoch."""
    return int(tenant.epochs[-1].name.removeprefix("k"))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
