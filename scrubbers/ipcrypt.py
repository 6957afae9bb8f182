"""ipcrypt: keyed permutations of IP addresses (draft-denis-ipcrypt-13, work in progress).

Bare primitives: addresses in and out are packed, 4 bytes (IPv4) or 16 (IPv6); an IPv4-mapped address
must be passed as its IPv4 (section "Address Representation"). Every primitive call of AES for addresses
is in this file. What passes through, and why that keeps prefixes, is in `Walked`.
"""

from collections.abc import Callable, Sequence
from functools import cache

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_MAPPED = b"\0" * 10 + b"\xff\xff"  # ::ffff:0:0/96, the 16-byte form of every IPv4 address
_MAPPED_BITS = int.from_bytes(_MAPPED + b"\0" * 4)


class WrongKey(ValueError):
    """A key that the draft forbids; the text never shows it."""


def derive(master: bytes, variant: str, length: int) -> bytes:
    """The key of one variant (section "Key Derivation for Multiple Variants").

    HKDF with an empty salt and the variant's name as info; the draft names no hash, we take SHA-256.
    """
    return HKDF(SHA256(), length, salt=None, info=variant.encode()).derive(master)


def to16(packed: bytes) -> bytes:
    """The 16-byte form: IPv4 as IPv4-mapped."""
    return _MAPPED + packed if len(packed) == 4 else packed


def from16(packed: bytes) -> bytes:
    """Back: an IPv4-mapped address is an IPv4 address."""
    return packed[12:] if packed.startswith(_MAPPED) else packed


class _Aes:
    """AES of single blocks; the context stays open, since setting one up costs more than a block."""

    def __init__(self, key: bytes) -> None:
        self._encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305 - a bare permutation
        self._key = key

    def encrypt(self, blocks: bytes) -> bytes:
        if len(blocks) % 16:  # the open context would keep the rest and prepend it to the next address
            raise ValueError("AES takes whole blocks of 16 bytes")
        return self._encryptor.update(blocks)

    def decrypt(self, block: bytes) -> bytes:
        decryptor = Cipher(algorithms.AES(self._key), modes.ECB()).decryptor()  # noqa: S305
        return decryptor.update(block)


class Pfx:
    """`ipcrypt-pfx`: two addresses that share a prefix of n bits have images that share exactly n."""

    def __init__(self, key: bytes) -> None:
        """`key` is 32 bytes, K1 then K2; equal halves would make the permutation the identity.

        Raises:
            WrongKey: wrong length, or K1 = K2.
        """
        if len(key) != 32 or key[:16] == key[16:]:
            raise WrongKey("ipcrypt-pfx takes two different keys of 16 bytes")
        self._first, self._second = _Aes(key[:16]), _Aes(key[16:])

    def encrypt(self, packed: bytes) -> bytes:
        """The image of an address, of the same family: one AES call a key, since all blocks are known."""
        blocks = _all_blocks(packed)
        flips = _low_bits(self._first.encrypt(blocks), self._second.encrypt(blocks))
        return (int.from_bytes(packed) ^ flips).to_bytes(len(packed))

    def decrypt(self, packed: bytes) -> bytes:
        """The address of an image: bit by bit, each block needs the bits before it."""
        number, start = _number(packed)
        plain = number
        for length in range(start, 128):
            block = _block(plain, length)
            flip = (self._first.encrypt(block)[15] ^ self._second.encrypt(block)[15]) & 1
            plain ^= flip << (127 - length)
        return plain.to_bytes(16)[-len(packed) :]


class Deterministic:
    """`ipcrypt-deterministic`: one AES block; an IPv4 address usually becomes an IPv6 one."""

    def __init__(self, key: bytes) -> None:
        if len(key) != 16:
            raise WrongKey("ipcrypt-deterministic takes a key of 16 bytes")
        self._aes = _Aes(key)

    def encrypt(self, packed: bytes) -> bytes:
        return from16(self._aes.encrypt(to16(packed)))

    def decrypt(self, packed: bytes) -> bytes:
        return from16(self._aes.decrypt(to16(packed)))


class WalkedDeterministic:
    """`ipcrypt-deterministic` with addresses that identify nobody passed through, cycle-walked like `Walked`.

    Nothing of a prefix is kept, so smaller blocks may pass too (`passes_elsewhere`). Of all images one in 256
    is an IPv6 multicast address: without walking it would be taken for one that passed.
    """

    def __init__(self, cipher: Deterministic) -> None:
        self._cipher = cipher

    def encrypt(self, packed: bytes) -> bytes:
        """The pseudonymous address; the same bytes if the address identifies nobody."""
        return _walk(packed, self._cipher.encrypt)

    def decrypt(self, packed: bytes) -> bytes:
        """The address behind a pseudonymous one."""
        return _walk(packed, self._cipher.decrypt)


def _walk(packed: bytes, permute: Callable[[bytes], bytes]) -> bytes:
    if passes_elsewhere(packed):
        return packed
    image = permute(packed)
    while passes_elsewhere(image):
        image = permute(image)
    return image


class Ndx:
    """`ipcrypt-ndx`: randomised, 32 bytes of output (tweak, then ciphertext): the first block of XTS."""

    def __init__(self, key: bytes) -> None:
        if len(key) != 32 or key[:16] == key[16:]:
            raise WrongKey("ipcrypt-ndx takes two different keys of 16 bytes")
        self._first, self._second = _Aes(key[:16]), _Aes(key[16:])

    def encrypt(self, packed: bytes, tweak: bytes) -> bytes:
        """`tweak` is 16 random bytes, new for each address."""
        mask = self._second.encrypt(tweak)
        return tweak + _xor(self._first.encrypt(_xor(to16(packed), mask)), mask)

    def decrypt(self, sealed: bytes) -> bytes:
        mask = self._second.encrypt(sealed[:16])
        return from16(_xor(self._first.decrypt(_xor(sealed[16:], mask)), mask))


class Walked:
    """`ipcrypt-pfx` with addresses that identify nobody passed through.

    An address outside the passing blocks whose image falls into one is encrypted again until it does not
    (cycle-walking), so the map stays injective. The blocks are exactly 0/8, 127/8, 224/3 and ::, ::1,
    ff00::/8: with smaller blocks, walking would break prefixes (`docs/design.md`, Addresses). Solicited-node
    multicast (ff02::1:ff00:0/104, RFC 4291 section 2.7.1) carries the low 24 bits of a unicast address:
    there those 24 bits are permuted in place, which stays inside the block, so nothing else is disturbed.
    """

    def __init__(self, pfx: Pfx) -> None:
        self._pfx = pfx

    def encrypt(self, packed: bytes) -> bytes:
        """The pseudonymous address; the same bytes if the address identifies nobody."""
        if passes(packed):
            return packed
        if _is_solicited(packed):
            return packed[:13] + self._pfx.encrypt(packed)[13:]
        image = self._pfx.encrypt(packed)
        while passes(image) or _is_solicited(image):
            image = self._pfx.encrypt(image)
        return image

    def decrypt(self, packed: bytes) -> bytes:
        """The address behind a pseudonymous one."""
        if passes(packed):
            return packed
        if _is_solicited(packed):
            return self._solicited_origin(packed)
        origin = self._pfx.decrypt(packed)
        while passes(origin) or _is_solicited(origin):
            origin = self._pfx.decrypt(origin)
        return origin

    def _solicited_origin(self, packed: bytes) -> bytes:
        # The image of the block's first address gives the bits that every member of the block shares.
        outer = self._pfx.encrypt(packed[:13] + b"\0\0\0")[:13]
        return self._pfx.decrypt(outer + packed[13:])


def passes(packed: bytes) -> bool:
    """Whether the address identifies nobody and stays as it is in pfx mode; part of scheme v1."""
    if len(packed) == 4:
        return packed[0] in (0, 127) or packed[0] >= 224
    if packed[0] == 0xFF:
        return not _is_solicited(packed)
    return packed[:15] == b"\0" * 15 and packed[15] <= 1


# RFC 5737, RFC 3849, RFC 9637: addresses of documents, as (prefix, its bits).
_DOCUMENTS = tuple(
    (int.from_bytes(bytes.fromhex(prefix).ljust(16 if bits in (20, 32) else 4, b"\0")), bits)
    for prefix, bits in (("c00002", 24), ("c63364", 24), ("cb0071", 24), ("20010db8", 32), ("3fff00", 20))
)


def passes_elsewhere(packed: bytes) -> bool:
    """Whether the address identifies nobody and stays as it is in modes that keep no prefix; part of scheme v1.

    Of IPv4: "this network", loopback, multicast, broadcast and netmasks (255/8), documentation. Of IPv6: unspecified,
    loopback, multicast but for solicited-node, documentation.
    """
    if len(packed) == 4:
        if packed[0] in (0, 127, 255) or 224 <= packed[0] < 240:
            return True
    elif passes(packed):
        return True
    size, number = len(packed) * 8, int.from_bytes(packed)
    wanted = (24,) if size == 32 else (32, 20)
    return any(bits in wanted and (number ^ prefix) >> (size - bits) == 0 for prefix, bits in _DOCUMENTS)


SOLICITED = bytes.fromhex("ff0200000000000000000001ff")  # ff02::1:ff00:0/104, without its last 24 bits


def _is_solicited(packed: bytes) -> bool:
    return packed.startswith(SOLICITED)


def _number(packed: bytes) -> tuple[int, int]:
    """The address as a 128-bit number, and the first bit that is encrypted."""
    if len(packed) == 4:
        return _MAPPED_BITS | int.from_bytes(packed), 96
    if len(packed) != 16:
        raise ValueError("a packed address has 4 or 16 bytes")
    return int.from_bytes(packed), 0


def _block(number: int, length: int) -> bytes:
    """The padded prefix: zeros, a one, then the first `length` bits."""
    return ((1 << length) | (number >> (128 - length))).to_bytes(16)


@cache
def _tables(size: int) -> tuple[int, Sequence[Sequence[int]]]:
    """All blocks of an address of `size` bytes as one number: what every one has, and what each byte's value adds.

    A block is the address shifted right, and shifting does not mix the parts of a number that share no bits. So
    the blocks are put together of one table entry a byte, and not of one shift a bit: three times as fast.
    """
    bits = size * 8

    def joined(number: int) -> int:
        return sum(number >> (128 - length) << (128 * (127 - length)) for length in range(128 - bits, 128))

    ones = sum(1 << length << (128 * (127 - length)) for length in range(128 - bits, 128))
    every = ones + joined(_MAPPED_BITS if size == 4 else 0)
    tables = []
    for shift in range(bits - 8, -8, -8):
        table = [0]
        for value in range(1, 256):
            lowest = value & -value
            table.append(joined(value << shift) if value == lowest else table[value ^ lowest] | table[lowest])
        tables.append(table)
    return every, tables


def _all_blocks(packed: bytes) -> bytes:
    size = len(packed)
    if size not in (4, 16):
        raise ValueError("a packed address has 4 or 16 bytes")
    number, tables = _tables(size)
    for table, value in zip(tables, packed, strict=True):
        number |= table[value]
    return number.to_bytes(size * 8 * 16)


def _low_bits(first: bytes, second: bytes) -> int:
    """The lowest bit of each block of `first` XOR `second`, as a number, the last one lowest."""
    count = len(first) // 16
    ones, zeros = _DIGITS[count]
    lowest = int.from_bytes(first[15::16]) ^ int.from_bytes(second[15::16])
    return int((lowest & ones | zeros).to_bytes(count), 2)


# For so many blocks: the lowest bit of each byte, and what makes it a binary digit (0x30 is "0", 0x31 is "1").
_DIGITS = {count: (int.from_bytes(b"\x01" * count), int.from_bytes(b"0" * count)) for count in (32, 128)}


def _xor(one: bytes, other: bytes) -> bytes:
    return (int.from_bytes(one) ^ int.from_bytes(other)).to_bytes(len(one))
