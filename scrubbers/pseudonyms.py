"""Operators: what a finding becomes inside a pseudonymisation domain (a tenant and a key epoch).

Tokens are keyed digests: HMAC-SHA-256 cut to 60 bits, in lower-case base32 (RFC 4648, 12 characters). With
10^6 names in a domain two share a token with a probability of about 4 in 10^7 (birthday bound,
10^12 / 2^61). `pc-` and 12 characters make 15: a valid DNS label (RFC 1123) and NetBIOS name.
"""

import base64
import hmac
import unicodedata
from collections.abc import Callable, Mapping
from functools import lru_cache

from schemas.errors import UserError
from scrubbers import addresses, hostnames
from scrubbers.entities import EntityType
from scrubbers.ipcrypt import SOLICITED, Deterministic, Pfx, Walked, from16
from scrubbers.keyring import TenantKeys

# Identifiers repeat; of new ones an address costs about 20 µs. 100,000 strings of both are about 20 MB.
CACHED = 100_000
TOKEN_BITS = 60
_SOLICITED_MAC = b"\x33\x33\xff"
# IPv4 and IPv6 multicast (RFC 1112, RFC 2464), IEEE 802.1 bridges and LLDP, PTP, Cisco's discovery.
_STANDARD_GROUPS = tuple(map(bytes.fromhex, ("01005e", "3333", "0180c2", "011b19", "01000c")))

PREFIXES = {
    EntityType.COMPUTER_NAME: "pc",
    EntityType.DOMAIN_NAME: "dom",
    EntityType.USER_NAME: "user",
    EntityType.PERSON: "person",
    EntityType.PHONE_NUMBER: "phone",
    EntityType.POSTAL_ADDRESS: "address",
    EntityType.EMAIL_ADDRESS: "mail",
    EntityType.IP_ADDRESS: "ip",
    EntityType.MAC_ADDRESS: "mac",
}
DEFAULT_OPERATORS: Mapping[EntityType, str] = {
    **dict.fromkeys(EntityType, "pseudonymise"),
    EntityType.IP_ADDRESS: "ipcrypt-pfx",
}


class Pseudonymiser:
    """Replaces findings in one domain; the same value always becomes the same text."""

    def __init__(self, keys: TenantKeys, operators: Mapping[EntityType, str] | None = None) -> None:
        """`operators` override the default ones by entity type.

        Raises:
            UserError: an operator that does not exist, or does not fit the type.
        """
        self.domain = keys.domain
        self._name_key = keys.key("rmm-scrub name v1")
        self._mac_key = keys.key("rmm-scrub mac v1")
        self._pfx = Walked(Pfx(keys.key("ipcrypt-pfx")))
        self._deterministic = Deterministic(keys.key("ipcrypt-deterministic", 16))
        chosen = {**DEFAULT_OPERATORS, **(operators or {})}
        self._operators = {kind: self._operator(kind, name) for kind, name in chosen.items()}
        self.replace: Callable[[EntityType, str], str] = lru_cache(CACHED)(self._replace)
        self._address = lru_cache(CACHED)(self._pfx.encrypt)

    def __repr__(self) -> str:
        """The domain, and no key."""
        return f"Pseudonymiser({self.domain})"

    def token(self, kind: EntityType, normalised: str) -> str:
        """The typed token of a normalised value, `pc-…` and the like."""
        digest = hmac.digest(self._name_key, f"{kind}\0{normalised}".encode(), "sha256")
        # 12 base32 characters are 60 bits: seven bytes and the high half of the eighth.
        return f"{PREFIXES[kind]}-{base64.b32encode(digest[:10]).decode().lower()[: TOKEN_BITS // 5]}"

    def _replace(self, kind: EntityType, surface: str) -> str:
        return self._operators[kind](kind, surface)

    def _operator(self, kind: EntityType, name: str) -> Callable[[EntityType, str], str]:
        operators: dict[str, Callable[[EntityType, str], str]] = {
            "pseudonymise": self._pseudonymise,
            "hash": lambda kind, surface: self.token(kind, _normal(kind, surface)),
            "redact": lambda kind, _: f"<{kind}>",
            "keep": lambda _, surface: surface,
        }
        if kind is EntityType.IP_ADDRESS:
            operators["ipcrypt-pfx"] = operators["pseudonymise"]
            operators["ipcrypt-deterministic"] = self._ip_deterministic
            operators["generalise"] = self._ip_generalised
        if name not in operators:
            raise UserError(f"operators: {kind} cannot be given {name}", f"one of: {', '.join(sorted(operators))}")
        return operators[name]

    def _pseudonymise(self, kind: EntityType, surface: str) -> str:
        match kind:
            case EntityType.IP_ADDRESS:
                return self._ip(surface)
            case EntityType.MAC_ADDRESS:
                return self._mac(surface)
            case EntityType.EMAIL_ADDRESS:
                return self._mail(surface)
            case EntityType.COMPUTER_NAME | EntityType.DOMAIN_NAME:
                return self._name(surface)
            case _:
                return self.token(kind, _normal(kind, surface))

    def _name(self, surface: str) -> str:
        """The host label's token, and the domain's: machines of one domain show that they are.

        The form of the value alone decides what is a host and what a domain, not the field it stands in:
        Windows writes computers into domain fields, and one value must have one pseudonym.
        """
        if addresses.parse_ip(surface) is not None:
            return self._ip(surface)
        name = hostnames.normalise(surface)
        label, domain = hostnames.split(name)
        if domain is None:
            return self.token(EntityType.COMPUTER_NAME, label)
        if hostnames.is_domain(name):
            return self.token(EntityType.DOMAIN_NAME, name)
        return f"{self.token(EntityType.COMPUTER_NAME, label)}.{self.token(EntityType.DOMAIN_NAME, domain)}"

    def _mail(self, surface: str) -> str:
        """Still an address, under a top-level domain that never exists (RFC 6761)."""
        user, _, host = surface.rpartition("@")
        user_token = self.token(EntityType.USER_NAME, hostnames.normalise(user))
        return f"{user_token}@{self._name(host)}.invalid"

    def _ip(self, surface: str) -> str:
        written = addresses.parse_ip(surface)
        if written is None:  # a rule that calls this an address knows a form we do not: never let it stand
            return self.token(EntityType.IP_ADDRESS, _normal(EntityType.IP_ADDRESS, surface))
        image = self._address(written.packed)
        if image == written.packed and "%" not in surface:  # a zone may be any text: it goes, here too
            return surface
        return written.write(_network(image, written))

    def _ip_deterministic(self, kind: EntityType, surface: str) -> str:
        written = addresses.parse_ip(surface)
        if written is None:
            return self.token(kind, _normal(kind, surface))
        return addresses.canonical(from16(self._deterministic.encrypt(written.packed)))

    def _ip_generalised(self, kind: EntityType, surface: str) -> str:
        """The network: the first 24 bits of an IPv4 address, 48 of an IPv6 one; a wider one stays as wide."""
        written = addresses.parse_ip(surface)
        if written is None:
            return f"<{kind}>"
        size = len(written.packed) * 8
        keep = 24 if size == 32 else 48
        if written.prefix is not None:
            keep = min(keep, written.prefix)
        host = (1 << (size - keep)) - 1
        network = (int.from_bytes(written.packed) & ~host).to_bytes(size // 8)
        return f"{addresses.canonical(network)}/{keep}"

    def _mac(self, surface: str) -> str:
        """A locally administered unicast address (IEEE 802c): 46 bits of digest, form and case kept.

        With 10^5 devices two share one with a probability of about 7 in 10^5. All-zero, broadcast and
        the standards' groups name no device and stay, but for solicited-node multicast: `33:33:ff` and the
        low 24 bits of a unicast address (RFC 2464 section 7), which become those of the group's pseudonym.
        Other group addresses stay groups: some tools write devices' so, with the bits of an octet reversed.
        """
        written = addresses.parse_mac(surface)
        if written is None:
            return self.token(EntityType.MAC_ADDRESS, _normal(EntityType.MAC_ADDRESS, surface))
        packed = written.packed
        if len(packed) == 6 and packed.startswith(_SOLICITED_MAC):
            return written.write(_SOLICITED_MAC + self._address(SOLICITED + packed[3:])[-3:])
        if packed.startswith(_STANDARD_GROUPS) or (len(set(packed)) == 1 and packed[0] in (0, 0xFF)):
            return surface
        digest = hmac.digest(self._mac_key, packed, "sha256")[: len(packed)]
        return written.write(bytes([digest[0] & 0xFC | 0x02 | packed[0] & 1]) + digest[1:])


def _normal(kind: EntityType, surface: str) -> str:
    """One text for all spellings of a value: what its token is taken of."""
    match kind:
        case EntityType.IP_ADDRESS if (written := addresses.parse_ip(surface)) is not None:
            mask = "" if written.prefix is None else f"/{written.prefix}"
            return addresses.canonical(written.packed) + mask
        case EntityType.MAC_ADDRESS if (mac := addresses.parse_mac(surface)) is not None:
            return mac.packed.hex()
        case EntityType.IP_ADDRESS | EntityType.MAC_ADDRESS | EntityType.EMAIL_ADDRESS:
            return surface.strip().lower()
        case EntityType.COMPUTER_NAME | EntityType.DOMAIN_NAME | EntityType.USER_NAME:
            return hostnames.normalise(surface)
        case EntityType.PHONE_NUMBER:
            return "".join(letter for letter in surface if letter.isdigit())
        case _:
            return unicodedata.normalize("NFC", " ".join(surface.split()).casefold())


def _network(image: bytes, written: addresses.WrittenIp) -> bytes:
    """A written network keeps its host bits zero: `10.20.0.0/16` becomes another `…0.0/16`."""
    if written.prefix is None:
        return image
    host_bits = len(image) * 8 - written.prefix
    mask = (1 << host_bits) - 1
    if int.from_bytes(written.packed) & mask:  # an address with its mask, not a network
        return image
    return (int.from_bytes(image) & ~mask).to_bytes(len(image))
