"""Checks by name that a rule may ask of what its expression matched: on the matched text alone."""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache

from scrubbers import addresses, hostnames

# Suffixes that no registry gives out: internal names under them are a tenant's own.
INTERNAL_SUFFIXES = frozenset(
    "local localdomain lan corp internal intern intra intranet home private ad domain domein dom lokaal thuis "
    "office priv site test example invalid arpa cluster".split()
)
# Endings of file names that are top-level domains too: what ends so is far more often a file.
_FILE_ENDINGS = frozenset("sh py pl ps rs so md cc ml mm app zip mov cab java bat com.exe js ts".split())
_CODE = re.compile(
    r"(?:org|com|net|io|java|javax|sun|jdk|android|kotlin|scala|system|microsoft|windows)\.", re.IGNORECASE
)
_CAMEL = re.compile(r"(?<![\w-])[A-Za-z]*[a-z][A-Z][A-Za-z]*(?![\w-])")  # a class; hosts have digits or hyphens

Validator = Callable[[str], bool]


def is_ip(text: str) -> bool:
    """An IP address in some spelling."""
    return addresses.parse_ip(text) is not None


def is_mac(text: str) -> bool:
    """A MAC address that is not all one digit (a rule or a filler) and not a time."""
    return addresses.parse_mac(text) is not None


def is_host(text: str) -> bool:
    """A legal host name that names somebody."""
    return hostnames.is_named(text) and hostnames.is_name(text) and addresses.parse_ip(text) is None


@lru_cache(maxsize=20_000)  # the same names come again; looking up the suffix list costs about 10 µs
def is_public_host(text: str) -> bool:
    """A host under a public suffix, and not a file, a package or a class: `web01.example.com`."""
    name = text.rstrip(".")
    if not hostnames.is_fqdn(name) or _CODE.match(name) or _CAMEL.search(name):
        return False
    labels = name.lower().split(".")
    if labels[-1] in _FILE_ENDINGS:
        return False
    found = hostnames.suffixes(name)
    return bool(found.suffix and found.domain)


def is_internal_host(text: str) -> bool:
    """A host under a suffix for internal use: `web01.corp.local`."""
    name = text.rstrip(".")
    return hostnames.is_fqdn(name) and name.lower().rpartition(".")[2] in INTERNAL_SUFFIXES


VALIDATORS: Mapping[str, Validator] = {
    "ip": is_ip,
    "mac": is_mac,
    "host": is_host,
    "public_host": is_public_host,
    "internal_host": is_internal_host,
    "named": hostnames.is_named,
}
