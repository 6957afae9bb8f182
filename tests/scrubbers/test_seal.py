"""Sealing: what was sealed comes back, and nothing else does."""

import pytest
from cryptography.exceptions import InvalidTag
from hypothesis import given
from hypothesis import strategies as st

from scrubbers.seal import seal, unseal

KEY, OTHER_KEY = bytes(range(32)), bytes(range(1, 33))


@given(st.binary(max_size=200), st.binary(max_size=20))
def test_there_and_back(plaintext: bytes, context: bytes) -> None:
    """Under the same key and context."""
    assert unseal(KEY, seal(KEY, plaintext, context), context) == plaintext


def test_the_same_plaintext_is_never_sealed_the_same() -> None:
    """Each time another nonce."""
    assert seal(KEY, b"x", b"c") != seal(KEY, b"x", b"c")


def test_nothing_of_the_plaintext_shows() -> None:
    """And the version byte comes first."""
    sealed = seal(KEY, b"WORKSTATION5", b"c")
    assert sealed[:1] == b"\x01"
    assert b"WORKSTATION5" not in sealed


@pytest.mark.parametrize(("key", "context"), [(OTHER_KEY, b"c"), (KEY, b"d"), (KEY, b"")])
def test_another_key_or_context_opens_nothing(key: bytes, context: bytes) -> None:
    """The context is authenticated too."""
    with pytest.raises(InvalidTag):
        unseal(key, seal(KEY, b"x", b"c"), context)


@given(st.integers(0, 1 + 12 + 4 + 16 - 1), st.integers(1, 255))
def test_any_altered_byte_is_noticed(place: int, flip: int) -> None:
    """Version, nonce, ciphertext and tag."""
    sealed = bytearray(seal(KEY, b"four", b"c"))
    sealed[place] ^= flip
    with pytest.raises(InvalidTag):
        unseal(KEY, bytes(sealed), b"c")


@pytest.mark.parametrize("length", [0, 1, 8, 12, 13, 28, 32])
def test_a_truncated_value_is_noticed(length: int) -> None:
    """Of 33 bytes; a nonce cut short raises nothing else."""
    with pytest.raises(InvalidTag):
        unseal(KEY, seal(KEY, b"four", b"c")[:length], b"c")
