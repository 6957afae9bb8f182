"""Authenticated encryption of things at rest: AES-256-GCM (NIST SP 800-38D).

A sealed value is a version byte, a random 96-bit nonce, and the ciphertext with its 128-bit tag. Random
nonces allow 2^32 messages a key (section 8.3); rotate the quarantine key long before that.
"""

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_VERSION = b"\x01"
_NONCE = 12


def seal(key: bytes, plaintext: bytes, context: bytes) -> bytes:
    """Encrypt under a 32-byte key; `context` must be given again to unseal."""
    nonce = os.urandom(_NONCE)
    return _VERSION + nonce + AESGCM(key).encrypt(nonce, plaintext, _VERSION + context)


def unseal(key: bytes, sealed: bytes, context: bytes) -> bytes:
    """The plaintext.

    Raises:
        cryptography.exceptions.InvalidTag: another key or context, an unknown version, altered or missing bytes.
    """
    if len(sealed) < len(_VERSION) + _NONCE:  # AESGCM says ValueError to a short nonce
        raise InvalidTag
    nonce, ciphertext = sealed[1 : 1 + _NONCE], sealed[1 + _NONCE :]
    return AESGCM(key).decrypt(nonce, ciphertext, sealed[:1] + context)
