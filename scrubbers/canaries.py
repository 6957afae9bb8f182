"""Canary identifiers: a computer, addresses and a user that exist nowhere, other ones each hour.

They are digests under a key of the keyring, so that every worker makes the same ones and none has to be stored.
Published as raw events of a tenant of their own, they must never come out of the scrub lane.
"""

import base64
from collections.abc import Iterator

import msgspec
import orjson

from scrubbers.addresses import canonical
from scrubbers.entities import EntityType, Known
from scrubbers.ipcrypt import derive
from scrubbers.records import Headers

TENANT = "rmm-scrub-canary"
HOUR = 3_600  # seconds that a canary is in use
MARK = "rsc"  # names begin with it: a text without it holds no canary's name
# Set aside for documents (RFC 5737, RFC 3849): no machine has such an address.
_NETWORKS = tuple(bytes(map(int, network.split("."))) for network in ("192.0.2", "198.51.100", "203.0.113"))
_NETWORK6 = bytes.fromhex("20010db8")
_LOCAL_UNICAST = 0x02  # of a MAC address's first octet: assigned by nobody (IEEE 802c)


class Canary(msgspec.Struct, frozen=True):
    """The identifiers of one hour."""

    hour: int
    computer: str
    domain: str
    user: str
    ipv4: str
    ipv6: str
    mac: str

    def __repr__(self) -> str:
        """Of which hour."""
        return f"Canary({self.hour})"

    @property
    def mail(self) -> str:
        """The user's e-mail address."""
        return f"{self.user}@{self.domain}"

    @property
    def netbios(self) -> str:
        """The domain as Windows writes it in front of an account."""
        return self.domain.partition(".")[0].upper()

    def known(self) -> list[Known]:
        """All of them, with their types."""
        return [
            Known(EntityType.COMPUTER_NAME, self.computer),
            Known(EntityType.DOMAIN_NAME, self.domain),
            Known(EntityType.USER_NAME, self.user),
            Known(EntityType.EMAIL_ADDRESS, self.mail),
            Known(EntityType.IP_ADDRESS, self.ipv4),
            Known(EntityType.IP_ADDRESS, self.ipv6),
            Known(EntityType.MAC_ADDRESS, self.mac),
        ]


class CanaryEvent(msgspec.Struct, frozen=True):
    """A raw event with canaries in it."""

    key: bytes
    value: bytes
    headers: Headers


def canary(key: bytes, hour: int) -> Canary:
    """The canary of an hour (hours since the epoch); `key` is the keyring's (`Keyring.canary_key`)."""
    seed = derive(key, f"rmm-scrub canary v1 {hour}", 64)

    def letters(start: int, count: int) -> str:
        return base64.b32encode(seed[start : start + 10]).decode().lower()[:count]

    network = _NETWORKS[seed[40] % len(_NETWORKS)]
    return Canary(
        hour,
        f"{MARK}-{letters(0, 11)}",  # 15 characters: a NetBIOS name
        f"{MARK}{letters(10, 12)}.example",
        f"{MARK}-u{letters(20, 12)}",
        canonical(network + bytes([1 + seed[41] % 254])),
        canonical(_NETWORK6 + seed[42:54]),
        ":".join(f"{octet:02x}" for octet in bytes([seed[54] & 0xFC | _LOCAL_UNICAST]) + seed[55:60]),
    )


def events(canary: Canary) -> Iterator[CanaryEvent]:
    """Raw events that carry the canary in every place that the scrubber must look into."""
    host = f"{canary.computer}.{canary.domain}"
    tenant = ("tenant", TENANT.encode())
    inner = {"host": {"name": canary.computer, "ip": canary.ipv6}, "note": f"from {canary.ipv4}"}
    event = {
        "host": {"name": host, "ip": [canary.ipv4, canary.ipv6], "mac": [canary.mac]},
        "user": {"name": canary.user, "email": canary.mail},
        "message": (
            f"disk full on {canary.computer.upper()}, session of {canary.netbios}\\{canary.user} from {canary.ipv4} "
            f"({canary.mac}), mail to <{canary.mail}>, see \\\\{canary.computer}\\c$ and [{canary.ipv6}]:443"
        ),
        "event": {"original": orjson.dumps({"list": [orjson.dumps(inner).decode()]}).decode()},
        "peers": {canary.computer: "up", canary.ipv4: "down"},
    }
    headers = [tenant, ("content-type", b"application/json"), ("x-agent", host.encode())]
    yield CanaryEvent(canary.computer.encode(), orjson.dumps(event), headers)
    line = (
        f"<13>Oct 11 22:14:15 {canary.computer} sshd[77]: Accepted password for {canary.user} from {canary.ipv4} "
        f"port 22; lladdr {canary.mac}; ticket of {canary.mail}; {host} at {canary.ipv6}"
    )
    yield CanaryEvent(host.encode(), line.encode(), [tenant, ("content-type", b"text/plain")])
