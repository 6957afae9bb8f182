"""ipcrypt: published vectors, and the traps of passing addresses through."""

import os
from ipaddress import ip_address

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrubbers.ipcrypt import Deterministic, Ndx, Pfx, Walked, WrongKey, derive, from16, passes, to16

KEY = bytes(range(32))
V4 = st.binary(min_size=4, max_size=4)
V6 = st.binary(min_size=16, max_size=16)
# draft-denis-ipcrypt-13, appendix "Test Vectors"
DRAFT = [
    ("0123456789abcdeffedcba98765432101032547698badcfeefcdab8967452301", "192.0.2.1", "100.115.72.131"),
    (
        "0123456789abcdeffedcba98765432101032547698badcfeefcdab8967452301",
        "2001:db8::1",
        "c180:5dd4:2587:3524:30ab:fa65:6ab6:f88",
    ),
    ("2b7e151628aed2a6abf7158809cf4f3ca9f5ba40db214c3798f2e1c23456789a", "10.0.0.47", "19.214.210.244"),
]


def shared_bits(one: bytes, other: bytes) -> int:
    """The length of the common prefix."""
    difference = int.from_bytes(one) ^ int.from_bytes(other)
    return len(one) * 8 - difference.bit_length()


@pytest.mark.parametrize(("key", "address", "image"), DRAFT)
def test_pfx_gives_the_drafts_vectors(key: str, address: str, image: str) -> None:
    """And back."""
    pfx = Pfx(bytes.fromhex(key))
    assert pfx.encrypt(ip_address(address).packed) == ip_address(image).packed
    assert pfx.decrypt(ip_address(image).packed) == ip_address(address).packed


def test_all_published_vectors(shared) -> None:
    """pfx, deterministic and ndx of the draft, both ways."""
    done = 0
    for vector in orjson.loads((shared / "vectors" / "ipcrypt_vectors.json").read_bytes())["draft"]:
        key = bytes.fromhex(vector["key"])
        packed = from16(to16(ip_address(vector["ip"]).packed))
        match vector["variant"]:
            case "ipcrypt-pfx":
                image = from16(to16(ip_address(vector["encrypted_ip"]).packed))
                assert Pfx(key).encrypt(packed) == image
                assert Pfx(key).decrypt(image) == packed
            case "ipcrypt-deterministic":
                assert Deterministic(key).encrypt(packed) == ip_address(vector["encrypted_ip"]).packed
            case "ipcrypt-ndx":
                sealed = Ndx(key).encrypt(packed, bytes.fromhex(vector["tweak"]))
                assert Ndx(key).decrypt(sealed) == packed
                assert sealed.hex() == vector.get("output", vector.get("encrypted"))
            case _:
                continue
        done += 1
    assert done >= 22


def test_derived_keys_are_those_computed_for_the_draft(shared) -> None:
    """HKDF-SHA-256 with an empty salt and the variant's name."""
    vectors = orjson.loads((shared / "vectors" / "hkdf_ipcrypt_vectors.json").read_bytes())
    master = bytes.fromhex(vectors["k_master"])
    derived = {name: derive(master, name, len(key) // 2).hex() for name, key in vectors["subkeys"].items()}
    assert derived == vectors["subkeys"]


def test_equal_halves_are_refused() -> None:
    """K1 = K2 would make pfx the identity."""
    with pytest.raises(WrongKey):
        Pfx(bytes(16) * 2)


@given(V4 | V6, V4 | V6)
def test_pfx_keeps_exactly_the_shared_prefix(one: bytes, other: bytes) -> None:
    """Of two addresses of a family."""
    other = (other * 4)[: len(one)]
    pfx = Pfx(KEY)
    assert shared_bits(pfx.encrypt(one), pfx.encrypt(other)) == shared_bits(one, other)


@given(V4 | V6 | st.binary(min_size=3, max_size=3).map(lambda low: bytes.fromhex("ff0200000000000000000001ff") + low))
def test_walking_goes_there_and_back(packed: bytes) -> None:
    """Also through solicited-node multicast."""
    walked = Walked(Pfx(KEY))
    assert walked.decrypt(walked.encrypt(packed)) == packed


@given(V4)
def test_what_identifies_nobody_stays_and_nothing_else_lands_there(packed: bytes) -> None:
    """0/8, 127/8 and 224/3 map to themselves, so the map is injective."""
    image = Walked(Pfx(KEY)).encrypt(packed)
    assert passes(packed) == passes(image)
    assert not passes(packed) or image == packed


@given(V4, st.integers(8, 31), st.binary(min_size=4, max_size=4))
def test_walking_keeps_prefixes_of_eight_bits_and_more(packed: bytes, length: int, noise: bytes) -> None:
    """Cycle-walking moves whole /8 blocks only."""
    mask = (1 << (32 - length)) - 1
    other = ((int.from_bytes(packed) & ~mask) | (int.from_bytes(noise) & mask)).to_bytes(4)
    walked = Walked(Pfx(KEY))
    assert shared_bits(walked.encrypt(packed), walked.encrypt(other)) == shared_bits(packed, other)


def test_different_keys_give_unlinkable_images() -> None:
    """No pseudonym of one domain is that of another, over a thousand addresses."""
    one, other = Walked(Pfx(os.urandom(32))), Walked(Pfx(os.urandom(32)))
    addresses = [b"\x0a\x01" + number.to_bytes(2) for number in range(1_000)]
    assert sum(one.encrypt(each) == other.encrypt(each) for each in addresses) <= 2
