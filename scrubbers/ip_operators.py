"""What an IP address becomes, by operator: written back in the spelling that stood there, and turned back.

`ipcrypt-pfx` keeps family, prefixes and masks; `ipcrypt-deterministic` gives an address of which nothing is
kept; `ipcrypt-ndx` 64 hexadecimal digits, other ones each time; `generalise` the network (docs/pseudonyms.md).
"""

import os
from collections.abc import Callable
from typing import Protocol

from scrubbers import addresses
from scrubbers.addresses import WrittenIp, canonical
from scrubbers.entities import EntityType
from scrubbers.ipcrypt import Deterministic, Ndx, Pfx, Walked, WalkedDeterministic, passes_elsewhere

_TWEAK = 16
_NDX_BYTES = 32
_MAPPED_BITS = 96  # of a 16-byte address stand before its IPv4 address

Derive = Callable[[str, int], bytes]  # a key for a use, of so many bytes


class AddressOperator(Protocol):
    """Replaces addresses in one pseudonymisation domain; both return None for a text that is no address."""

    repeats: bool  # whether a value always becomes the same text

    def replace(self, surface: str) -> str | None:
        """What stands for the address."""
        ...

    def reverse(self, surface: str) -> str | None:
        """The address that a replaced one stands for; None also where nothing can be turned back."""
        ...


class PrefixPreserving:
    """`ipcrypt-pfx`, cycle-walked."""

    repeats = True

    def __init__(self, derive: Derive) -> None:
        self._walked = Walked(Pfx(derive("ipcrypt-pfx", 32)))
        self.image = self._walked.encrypt

    def replace(self, surface: str) -> str | None:
        """Of the same family, in the same form; a network keeps its mask and zero host bits."""
        written = addresses.parse_ip(surface)
        if written is None:
            return None
        image = self.image(written.packed)
        if image == written.packed and "%" not in surface:  # a zone may be any text: it goes, here too
            return surface
        return written.write(_network(image, written))

    def reverse(self, surface: str) -> str | None:
        """The address again; of a network, whose image lost its host bits, the network."""
        written = addresses.parse_ip(surface)
        if written is None:
            return None
        return written.write(_network(self._walked.decrypt(written.packed), written))


class Scattered:
    """`ipcrypt-deterministic`, cycle-walked: an address of either family becomes one that usually is IPv6.

    A mask keeps its length (an IPv4 one counts from the mapped prefix) and no meaning: host bits stay, since
    without them the address could not be turned back.
    """

    repeats = True

    def __init__(self, derive: Derive) -> None:
        self._walked = WalkedDeterministic(Deterministic(derive("ipcrypt-deterministic", 16)))

    def replace(self, surface: str) -> str | None:
        """RFC 5952 text, with a mask if one was written."""
        return self._mapped(surface, self._walked.encrypt)

    def reverse(self, surface: str) -> str | None:
        """The address again, with its own mask."""
        return self._mapped(surface, self._walked.decrypt)

    def _mapped(self, surface: str, permute: Callable[[bytes], bytes]) -> str | None:
        written = addresses.parse_ip(surface)
        if written is None:
            return None
        image = permute(written.packed)
        if image == written.packed:
            return surface.partition("%")[0] if "%" in surface and "/" not in surface else surface
        return canonical(image) + _mask(written, image)


class Randomised:
    """`ipcrypt-ndx`: tweak and ciphertext in hexadecimal; two texts of one address cannot be joined."""

    repeats = False

    def __init__(self, derive: Derive) -> None:
        self._ndx = Ndx(derive("ipcrypt-ndx", 32))

    def replace(self, surface: str) -> str | None:
        """64 hexadecimal digits, and a mask if one was written."""
        written = addresses.parse_ip(surface)
        if written is None or passes_elsewhere(written.packed):
            return None if written is None else surface
        mask = "" if written.prefix is None else f"/{written.prefix}"
        return self._ndx.encrypt(written.packed, os.urandom(_TWEAK)).hex() + mask

    def reverse(self, surface: str) -> str | None:
        """The address in its canonical form."""
        digits, slash, mask = surface.partition("/")
        try:
            sealed = bytes.fromhex(digits)
        except ValueError:
            return None
        return canonical(self._ndx.decrypt(sealed)) + slash + mask if len(sealed) == _NDX_BYTES else None


class Network:
    """`generalise`: the first 24 bits of an IPv4 address, 48 of an IPv6 one; a wider network stays as wide."""

    repeats = True

    def replace(self, surface: str) -> str | None:
        """The network with its mask; the entity type for what is no address."""
        written = addresses.parse_ip(surface)
        if written is None:
            return f"<{EntityType.IP_ADDRESS}>"
        size = len(written.packed) * 8
        keep = 24 if size == 32 else 48
        if written.prefix is not None:
            keep = min(keep, written.prefix)
        host = (1 << (size - keep)) - 1
        network = (int.from_bytes(written.packed) & ~host).to_bytes(size // 8)
        return f"{canonical(network)}/{keep}"

    def reverse(self, surface: str) -> str | None:  # noqa: ARG002
        """Nothing: the host bits are gone."""
        return None


def _network(image: bytes, written: WrittenIp) -> bytes:
    """A written network keeps its host bits zero: `10.20.0.0/16` becomes another `…0.0/16`."""
    if written.prefix is None:
        return image
    host_bits = len(image) * 8 - written.prefix
    mask = (1 << host_bits) - 1
    if int.from_bytes(written.packed) & mask:  # an address with its mask, not a network
        return image
    return (int.from_bytes(image) & ~mask).to_bytes(len(image))


def _mask(written: WrittenIp, image: bytes) -> str:
    if written.prefix is None:
        return ""
    wider = _MAPPED_BITS * ((len(image) == 16) - (len(written.packed) == 16))
    return f"/{max(0, written.prefix + wider)}"
