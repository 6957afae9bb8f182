"""Operators: what a finding becomes inside a pseudonymisation domain (a tenant and a key epoch).

Tokens are keyed digests: HMAC-SHA-256 cut to 60 bits, in lower-case base32 (RFC 4648, 12 characters). With
10^6 names in a domain two share a token with a probability of about 4 in 10^7 (birthday bound,
10^12 / 2^61). `pc-` and 12 characters make 15: a valid DNS label (RFC 1123) and NetBIOS name.
"""

import base64
import hmac
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache

from schemas.errors import UserError
from scrubbers import addresses, hostnames
from scrubbers.aliases import Aliases
from scrubbers.entities import EntityType
from scrubbers.ip_operators import AddressOperator, Network, PrefixPreserving, Randomised, Scattered
from scrubbers.ipcrypt import SOLICITED
from scrubbers.keyring import TenantKeys
from scrubbers.people import People

# Identifiers repeat; of new ones an address costs about 20 µs. 100,000 strings of both are about 20 MB.
CACHED = 100_000
TOKEN_BITS = 60
_SOLICITED_MAC = b"\x33\x33\xff"
# IPv4 and IPv6 multicast (RFC 1112, RFC 2464), IEEE 802.1 bridges and LLDP, PTP, Cisco's discovery.
# A site's code in front of a name: `AMS-WEB-01`, `nl02srv7`. Longer words may be somebody's name.
_SITE = re.compile(r"(?P<site>[a-z]{2,3})(?=[-_\d])")
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

    def __init__(
        self,
        keys: TenantKeys,
        operators: Mapping[EntityType, str] | None = None,
        *,
        epoch: str | None = None,
        aliases: Aliases | None = None,
        people: People | None = None,
    ) -> None:
        """`operators` override the default ones by entity type; `epoch` is the current one by default.

        Raises:
            UserError: an operator that does not exist, or does not fit the type.
        """
        epoch = epoch or keys.epoch
        self.domain = f"{keys.tenant}/{epoch}"
        self._name_key = keys.key("rmm-scrub name v1", epoch=epoch)
        self._mac_key = keys.key("rmm-scrub mac v1", epoch=epoch)
        self._pfx = PrefixPreserving(lambda use, length: keys.key(use, length, epoch))
        chosen = {**DEFAULT_OPERATORS, **(operators or {})}
        self._ip = self._ip_operator(chosen[EntityType.IP_ADDRESS], lambda use, length: keys.key(use, length, epoch))
        self._operators = {kind: self._operator(kind, name) for kind, name in chosen.items()}
        self._aliases = aliases or Aliases()
        self._cached = lru_cache(CACHED)(self._replace)
        self._people = people if people is not None else People()
        self._tenant = keys.tenant
        self.digest = keys.entity_digest
        self._cached_for = self._aliases.version + self._people.version
        self._repeats = self._ip is None or self._ip.repeats

    def __repr__(self) -> str:
        """The domain, and no key."""
        return f"Pseudonymiser({self.domain})"

    def replace(self, kind: EntityType, surface: str) -> str:
        """What stands for a finding's text."""
        if not self._repeats:
            return self._replace(kind, surface)
        changes = self._aliases.version + self._people.version  # both only grow
        if changes != self._cached_for:
            self._cached_for = changes
            self._cached.cache_clear()
        return self._cached(kind, surface)

    def token(self, kind: EntityType, normalised: str) -> str:
        """The typed token of a normalised value, `pc-…` and the like."""
        digest = self._digest(kind, normalised)
        # 12 base32 characters are 60 bits: seven bytes and the high half of the eighth.
        return f"{PREFIXES[kind]}-{base64.b32encode(digest[:10]).decode().lower()[: TOKEN_BITS // 5]}"

    def number(self, kind: EntityType, normalised: str) -> int:
        """The 60 bits of a value's token."""
        return int.from_bytes(self._digest(kind, normalised)[:8]) >> (64 - TOKEN_BITS)

    def _digest(self, kind: EntityType, normalised: str) -> bytes:
        return hmac.digest(self._name_key, f"{kind}\0{normalised}".encode(), "sha256")

    def name_tokens(self, name: str) -> Iterator[tuple[str, str]]:
        """The tokens that a normalised name is made of, each with what it stands for."""
        label, domain = hostnames.split(name)
        if domain is None or not hostnames.is_domain(name):
            yield self._machine(label), label
        if domain is not None:
            whole = name if hostnames.is_domain(name) else domain
            yield self.token(EntityType.DOMAIN_NAME, whole), whole

    def reverse_ip(self, surface: str) -> str | None:
        """The address that a pseudonymous one stands for; None if it is none, or its operator keeps no way back."""
        return None if self._ip is None else self._ip.reverse(surface)

    def _machine(self, label: str) -> str:
        return self.token(EntityType.COMPUTER_NAME, self._aliases.of(label))

    def _replace(self, kind: EntityType, surface: str) -> str:
        return self._operators[kind](kind, surface)

    def _ip_operator(self, name: str, derive: Callable[[str, int], bytes]) -> AddressOperator | None:
        """None for an operator that treats addresses like other values."""
        match name:
            case "pseudonymise" | "ipcrypt-pfx":
                return self._pfx
            case "ipcrypt-deterministic":
                return Scattered(derive)
            case "ipcrypt-ndx":
                return Randomised(derive)
            case "generalise":
                return Network()
            case _:
                return None

    def _operator(self, kind: EntityType, name: str) -> Callable[[EntityType, str], str]:
        operators: dict[str, Callable[[EntityType, str], str]] = {
            "pseudonymise": self._pseudonymise,
            "hash": lambda kind, surface: self.token(kind, _normal(kind, surface)),
            "redact": lambda kind, _: f"<{kind}>",
            "keep": lambda _, surface: surface,
        }
        if kind is EntityType.IP_ADDRESS:
            own = ("pseudonymise", "ipcrypt-pfx", "ipcrypt-deterministic", "ipcrypt-ndx", "generalise")
            operators |= dict.fromkeys(own, self._address)
        if kind is EntityType.COMPUTER_NAME:
            operators["generalise"] = self._site
        if name not in operators:
            raise UserError(f"operators: {kind} cannot be given {name}", f"one of: {', '.join(sorted(operators))}")
        return operators[name]

    def _pseudonymise(self, kind: EntityType, surface: str) -> str:
        match kind:
            case EntityType.MAC_ADDRESS:
                return self._mac(surface)
            case EntityType.EMAIL_ADDRESS:
                return self._mail(surface)
            case EntityType.COMPUTER_NAME | EntityType.DOMAIN_NAME:
                return self._name(surface)
            case EntityType.PERSON | EntityType.PHONE_NUMBER:
                alias = self._people.alias(self._tenant, kind, surface, self.digest)
                return self.token(kind, alias or _normal(kind, surface))
            case _:
                return self.token(kind, _normal(kind, surface))

    def _name(self, surface: str) -> str:
        """The host label's token, and the domain's: machines of one domain show that they are.

        The form of the value alone decides what is a host and what a domain, not the field it stands in:
        Windows writes computers into domain fields, and one value must have one pseudonym.
        """
        if addresses.parse_ip(surface) is not None:
            return self._replace(EntityType.IP_ADDRESS, surface)
        name = hostnames.normalise(surface)
        label, domain = hostnames.split(name)
        if domain is None:
            return self._machine(label)
        if hostnames.is_domain(name):
            return self.token(EntityType.DOMAIN_NAME, name)
        return f"{self._machine(label)}.{self.token(EntityType.DOMAIN_NAME, domain)}"

    def _mail(self, surface: str) -> str:
        """Still an address, under a top-level domain that never exists (RFC 6761)."""
        user, _, host = surface.replace("%40", "@").rpartition("@")
        user_token = self.token(EntityType.USER_NAME, hostnames.normalise(user))
        return f"{user_token}@{self._name(host)}.invalid"

    def _address(self, kind: EntityType, surface: str) -> str:
        assert self._ip is not None
        replaced = self._ip.replace(surface)
        if replaced is None:  # a rule that calls this an address knows a form we do not: never let it stand
            return self.token(kind, _normal(kind, surface))
        return replaced

    def _site(self, kind: EntityType, surface: str) -> str:
        """The code of the site that a name begins with, if it is short enough to be no person's name."""
        site = _SITE.match(hostnames.normalise(surface))
        return f"<{kind}>" if site is None else f"{site['site']}-<{kind}>"

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
            return written.write(_SOLICITED_MAC + self._pfx.image(SOLICITED + packed[3:])[-3:])
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
