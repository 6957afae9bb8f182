"""An invented estate: tenants with machines, networks and people. All names are made up."""

import random
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address

import msgspec

TENANTS = ("acme", "borealis", "cobalt")
_SITES = ("ams", "rtm", "ein", "gro")
_NICKNAMES = ("jupiter", "marmot", "tulip", "zeppelin", "bramble", "kestrel", "orchid", "falcon", "quartz", "saffron")
_PEOPLE = ("jansen", "devries", "bakker", "visser", "smit", "mulder", "bos", "peeters", "dekker", "kok", "vos", "blom")
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"


class Machine(msgspec.Struct, frozen=True):
    """A computer or device, and how it may be written."""

    tenant: str
    name: str
    domain: str
    netbios: str
    ipv4: str
    ipv6: str
    mac: str
    user: str
    listed: bool  # in the provider's inventory, so known before its first event

    @property
    def fqdn(self) -> str:
        """Its DNS name."""
        return f"{self.name.lower()}.{self.domain}"

    @property
    def mail(self) -> str:
        """Its user's address."""
        return f"{self.user}@{self.domain.removeprefix('corp.').replace('.local', '.example')}"


def build(seed: int = 7, machines: int = 40) -> list[Machine]:
    """Machines of all tenants, the same for the same seed. Two tenants have one name in common."""
    chance = random.Random(seed)  # noqa: S311 - reproducible, not secret
    estate: list[Machine] = []
    for number, tenant in enumerate(TENANTS):
        domain = (f"corp.{tenant}-group.local", f"{tenant}.lan", f"ad.{tenant}-care.nl")[number]
        names = dict.fromkeys(_name(chance, tenant, index) for index in range(machines * 2))
        chosen = ["HERMES-01", *list(names)[: machines - 1]]
        for index, name in enumerate(chosen):
            estate.append(
                Machine(
                    tenant,
                    name,
                    domain,
                    f"{tenant.upper()}AD",
                    str(IPv4Address(0x0A000000 + (20 + number) * 65536 + (index % 5) * 256 + 10 + index)),
                    str(IPv6Address((0x2A020810 << 96) + (number << 80) + (index << 64) + chance.getrandbits(48))),
                    ":".join(f"{byte:02x}" for byte in (0x00, 0x1B, 0x44, *chance.randbytes(3))),
                    _PEOPLE[index % len(_PEOPLE)] + str(number) + str(index),
                    listed=index % 3 != 2,
                )
            )
    return estate


def _name(chance: random.Random, tenant: str, index: int) -> str:
    """Names of the kinds that Windows, administrators and owners give."""
    site = chance.choice(_SITES)
    code = "".join(chance.choices(_LETTERS, k=7))
    return (
        f"DESKTOP-{code}",
        f"{site.upper()}-FS{index:02d}",
        f"{chance.choice(_PEOPLE).upper()}-LT{index:02d}",
        f"{chance.choice(_NICKNAMES)}{index:02d}",
        f"{tenant}-accounting-workstation-{index:02d}",
        f"sw-{site}-{index:02d}",
    )[index % 6]


def inventory(estate: Sequence[Machine]) -> list[tuple[str, str]]:
    """(tenant, name) of the machines that the provider has on its list."""
    return [(machine.tenant, machine.fqdn) for machine in estate if machine.listed]


def identifiers(estate: Sequence[Machine]) -> dict[str, set[str]]:
    """By tenant, every spelling that must not be found in what comes out; lower case."""
    found: dict[str, set[str]] = {}
    for machine in estate:
        forms = {machine.name, machine.fqdn, machine.ipv4, machine.ipv6, machine.mac, machine.mail}
        forms |= {machine.mac.replace(":", "-"), machine.ipv4.replace(".", "-")}
        found.setdefault(machine.tenant, set()).update(form.lower() for form in forms)
    return found
