"""ipcrypt: published vectors, and the traps of passing addresses through."""

import os
from ipaddress import ip_address

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrubbers.ipcrypt import SOLICITED, Deterministic, Ndx, Pfx, Walked, WrongKey, derive, from16, passes, to16

KEY = bytes(range(32))
V4 = st.binary(min_size=4, max_size=4)
V6 = st.binary(min_size=16, max_size=16)
LOW = st.binary(min_size=3, max_size=3)
# Under KEY the bare permutation sends 14::/8 into ff00::/8: half of the addresses are taken from there.
WALKED_V6 = V6.filter(lambda packed: 0 < packed[0] < 0xFF) | V6.map(lambda packed: b"\x14" + packed[1:])
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


def test_deterministic_gives_the_drafts_vector() -> None:
    """And back."""
    aes = Deterministic(bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c"))
    image = ip_address("1dbd:c1b9:fff1:7586:7d0b:67b4:e76e:4777").packed
    assert aes.encrypt(ip_address("192.0.2.1").packed) == image
    assert aes.decrypt(image) == ip_address("192.0.2.1").packed


def test_ndx_gives_the_drafts_vector() -> None:
    """The tweak, then the first block of XTS; and back."""
    ndx = Ndx(bytes.fromhex("0123456789abcdeffedcba98765432101032547698badcfeefcdab8967452301"))
    sealed = bytes.fromhex("21bd1834bc088cd2b4ecbe30b70898d782db0d4125fdace61db35b8339f20ee5")
    assert ndx.encrypt(bytes(4), sealed[:16]) == sealed
    assert ndx.decrypt(sealed) == bytes(4)


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


@given(V4 | V6 | WALKED_V6 | LOW.map(lambda low: SOLICITED + low))
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


@given(V6)
def test_no_ipv6_address_lands_where_nobody_is(packed: bytes) -> None:
    """::, ::1 and ff00::/8 map to themselves, so the map is injective."""
    image = Walked(Pfx(KEY)).encrypt(packed)
    assert passes(packed) == passes(image)
    assert not passes(packed) or image == packed


@given(WALKED_V6, st.integers(8, 127), st.binary(min_size=16, max_size=16))
def test_walking_keeps_ipv6_prefixes_of_eight_bits_and_more(packed: bytes, length: int, noise: bytes) -> None:
    """Also in the one /8 that the bare permutation sends into multicast."""
    mask = (1 << (128 - length)) - 1
    other = ((int.from_bytes(packed) & ~mask) | (int.from_bytes(noise) & mask)).to_bytes(16)
    walked = Walked(Pfx(KEY))
    assert shared_bits(walked.encrypt(packed), walked.encrypt(other)) == shared_bits(packed, other)


def test_the_block_that_must_be_walked_is_walked() -> None:
    """The bare permutation sends 14::/8 into ff00::/8 under this key; back again too."""
    packed = b"\x14" + bytes(15)
    image = Walked(Pfx(KEY)).encrypt(packed)
    assert Pfx(KEY).encrypt(packed)[0] == 0xFF
    assert image[0] not in (0x14, 0xFF)
    assert Walked(Pfx(KEY)).decrypt(image) == packed


@given(LOW, LOW)
def test_solicited_node_addresses_are_permuted_inside_their_block(one: bytes, other: bytes) -> None:
    """ff02::1:ff00:0/104 stays itself; within it prefixes are kept, so it is injective."""
    walked = Walked(Pfx(KEY))
    images = walked.encrypt(SOLICITED + one), walked.encrypt(SOLICITED + other)
    assert images[0].startswith(SOLICITED)
    assert shared_bits(*images) == shared_bits(SOLICITED + one, SOLICITED + other)


def test_solicited_node_addresses_do_not_keep_their_low_bits() -> None:
    """Of 256 of them at most one does, by chance."""
    walked = Walked(Pfx(KEY))
    solicited = [SOLICITED + bytes([0x3C, 0x4D, last]) for last in range(256)]
    assert sum(walked.encrypt(each) == each for each in solicited) <= 1


@pytest.mark.parametrize("packed", [b"", b"abc", b"abcde", bytes(15), bytes(17)])
def test_what_is_no_packed_address_is_refused(packed: bytes) -> None:
    """And the next address is not disturbed."""
    pfx, deterministic = Pfx(KEY), Deterministic(KEY[:16])
    with pytest.raises(ValueError, match="bytes"):
        pfx.encrypt(packed)
    with pytest.raises(ValueError, match="bytes"):
        deterministic.encrypt(packed or b"x")
    assert deterministic.encrypt(b"\n\0\0\1") == Deterministic(KEY[:16]).encrypt(b"\n\0\0\1")


def test_a_short_tweak_is_refused() -> None:
    """And the next address is not disturbed."""
    ndx = Ndx(KEY)
    with pytest.raises(ValueError, match="16 bytes"):
        ndx.encrypt(b"\n\0\0\1", b"short")
    assert ndx.encrypt(b"\n\0\0\1", KEY[:16]) == Ndx(KEY).encrypt(b"\n\0\0\1", KEY[:16])


def test_different_keys_give_unlinkable_images() -> None:
    """No pseudonym of one domain is that of another, over a thousand addresses."""
    one, other = Walked(Pfx(os.urandom(32))), Walked(Pfx(os.urandom(32)))
    addresses = [b"\x0a\x01" + number.to_bytes(2) for number in range(1_000)]
    assert sum(one.encrypt(each) == other.encrypt(each) for each in addresses) <= 2
