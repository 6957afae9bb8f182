"""Textual forms of computer names, domains and accounts: normalise, split, and read from a field's value."""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

import idna
import msgspec
import tldextract

from scrubbers.addresses import parse_ip
from scrubbers.entities import EntityType

# Values that stand in name fields and name nobody: absent values, this machine as seen by itself, and
# Windows' own accounts and authorities (Microsoft, "Well-known SIDs").
NOT_A_NAME = frozenset(
    "-;--;*;?;.;n/a;na;none;null;nil;(none);(null);<none>;<null>;unknown;undefined;empty;any;all;local;self;0;"
    "true;false;yes;no;localhost;localhost.localdomain;localhost4;localhost6;workgroup;mshome;builtin;system;"
    "localsystem;local system;localservice;local service;networkservice;network service;service;interactive;"
    "nt authority;nt service;nt virtual machine;nt-autorität;autorite nt;window manager;font driver host;"
    "anonymous;anonymous logon;authenticated users;everyone;iusr;amd64;x86;x64;x86_64;i386;i686;arm64;aarch64".split(
        ";"
    )
)
# Accounts that Windows makes for itself, and SIDs that are the same everywhere (MS-DTYP 2.4.2.4).
_WINDOWS_OWN = re.compile(
    r"(?:dwm|umfd)-\d+|s-1-\d{1,2}-\d{1,5}|s-1-5-32-\d{3,4}|s-1-5-(?:80|90|96)-[\d-]+", re.IGNORECASE
)

NETBIOS_LENGTH = 15  # the sixteenth character is the service suffix (Microsoft KB 909264)

# Letters of any script: normalise() turns them into an A-label. An underscore is no DNS character, but
# Windows and RMM tools allow it in names.
_LABEL = re.compile(r"(?=.{1,63}$)_?[^\W_](?:[\w-]*\w)?")
_UNC = re.compile(
    r"(?:\\\\\?\\UNC\\|\\\\|//)(?P<host>[^\\/@\s]+)(?:@SSL)?(?:@\d+)?(?:[\\/].*)?", re.IGNORECASE | re.DOTALL
)
_URL = re.compile(r"[a-z][a-z0-9+.-]*://(?:[^/@\s]*@)?(?P<host>\[[^\]\s]+\]|[^/:?#\s]+)", re.IGNORECASE)
_SPN = re.compile(r"[A-Za-z][\w-]{1,30}/(?P<host>[^/:@\s]+)(?::[\w-]+)?(?:/[^@\s]+)?(?:@(?P<realm>[\w.-]+))?")
_DOMAIN_ACCOUNT = re.compile(r"(?P<domain>[^\\/:@]+)\\+(?P<account>[^\\/:@\"]+)")
_AT = re.compile(r"(?P<user>[^@\s\\/]+)@(?P<host>[\w.-]+)")
_PORT = re.compile(r"(?P<host>.+?):\d{1,5}", re.DOTALL)
_WITH_SERIAL = re.compile(r"(?P<host>[^\s()]+) ?\([^()]*\)")  # `n9k-1(FOX1819GEG1)`: Cisco's neighbours
_SEPARATORS = re.compile(r"[,;|\n\r\t]")
_LIST = re.compile(r"[^,;|\s]+")
_SPACES = re.compile(r"\s+")


# The Public Suffix List as package data: nothing is fetched.
suffixes = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)
# With the names under which providers give their customers names: `azurewebsites.net`.
_customer_suffixes = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None, include_psl_private_domains=True)
# A vendor's own computers stand under these: `pc7.corp.vendor.com`.
_OFFICE_LABELS = frozenset("corp internal intra intranet lan ad priv private".split())
_HOSTLIKE = re.compile(r"[\d-]")


class Part(msgspec.Struct, frozen=True):
    """A part of a field's value that is personal: offsets into the value, as tight as a finding's."""

    start: int
    end: int
    type: EntityType


def normalise(name: str) -> str:
    """One spelling for all of a name's: NFC, IDNA A-label, lower case; no `\\\\`, trailing dot or `$`."""
    text = unicodedata.normalize("NFC", name.strip()).lstrip("\\").rstrip(".").removesuffix("$").lower()
    return text if text.isascii() else ".".join(_a_label(label) for label in text.split("."))


def split(name: str) -> tuple[str, str | None]:
    """(label, domain) of a normalised name; no domain in a single-label one."""
    label, _, domain = name.partition(".")
    return label, domain or None


def machine(label: str) -> str:
    """The NetBIOS form of a label: Windows cuts it to 15 characters."""
    return label[:NETBIOS_LENGTH]


def is_named(text: str) -> bool:
    """Whether a value names somebody or something at all (see `NOT_A_NAME`)."""
    plain = _SPACES.sub(" ", text.strip().lower())
    return plain.strip("-._ ") != "" and plain not in NOT_A_NAME and not _WINDOWS_OWN.fullmatch(plain)


def is_name(text: str) -> bool:
    """A host label or dotted name with a letter, of legal length (RFC 1123, NetBIOS; `_` allowed)."""
    if not 2 <= len(text) <= 253 or text.replace(".", "").replace("-", "").isdigit():
        return False
    labels = text.removesuffix(".").split(".")
    return any(letter.isalpha() for letter in text) and all(_LABEL.fullmatch(label) for label in labels)


def is_fqdn(text: str) -> bool:
    """A name of two labels or more whose last one is not a number."""
    return "." in text.rstrip(".") and is_name(text) and not text.rstrip(".").rpartition(".")[2].isdigit()


def is_own_domain(name: str) -> bool:
    """Whether a dotted name can be somebody's domain: not a public suffix itself (`co.uk`)."""
    found = suffixes(name)
    return "." in name and (not found.suffix or bool(found.domain))


def is_domain(name: str) -> bool:
    """Whether a normalised dotted name is a domain and not a host in one; its form alone decides.

    `example.com` and `example.local` are domains, `web01.example.com` is a host. Right under an internal
    suffix a digit or hyphen makes a host: `johns-macbook-pro.local`.
    """
    label, rest = split(name)
    if rest is None:
        return False
    suffix = suffixes(name).suffix
    if suffix:
        return suffix in (rest, name)
    return "." not in rest and not _HOSTLIKE.search(label)


@lru_cache(maxsize=20_000)  # the same names come again
def is_service(name: str, domains: frozenset[str]) -> bool:
    """Whether a host is one of a service's own: under one of its domains, and no customer's or office's.

    By the private section of the Public Suffix List: under `vendor.net`, `shop.app.vendor.net` is a
    customer's if `app.vendor.net` is a suffix there.
    """
    labels = name.lower().rstrip(".").split(".")
    for index in range(len(labels) - 1):
        domain = ".".join(labels[index:])
        if domain in domains:
            suffix = _customer_suffixes(name).suffix
            return len(suffix) <= len(domain) and _OFFICE_LABELS.isdisjoint(labels[:index])
    return False


def candidates(value: str) -> list[Part]:
    """What is personal in the value of a field that carries hosts or machine accounts.

    Reads UNC paths, URLs, service principal names, `DOMAIN\\name`, `NAME$`, `user@host`, `host:port`, IP
    addresses, and lists of these.
    """
    return [part for part in _read(value, 0) if is_named(value[part.start : part.end])]


def accounts(value: str) -> list[Part]:
    """What is personal in the value of a field that carries user accounts."""
    return [part for part in _read_account(value, 0) if is_named(value[part.start : part.end])]


def _read(value: str, start: int) -> Iterator[Part]:
    text = value.strip()
    start += len(value) - len(value.lstrip())
    if not text or not is_named(text):
        return
    bare = text.strip("[]")
    if (address := parse_ip(bare)) is not None and (address.prefix is None or "/" in bare or "arpa" in bare):
        yield Part(start + text.index(bare), start + text.index(bare) + len(bare), EntityType.IP_ADDRESS)
        return
    for form in (_UNC, _URL, _SPN):
        if (match := form.fullmatch(text) if form is not _URL else form.match(text)) is not None:
            yield from _host(match["host"], start + match.start("host"))
            if form is _SPN and match["realm"]:
                yield Part(start + match.start("realm"), start + match.end("realm"), EntityType.DOMAIN_NAME)
            return
    yield from _read_simple(text, start)


def _read_simple(text: str, start: int) -> Iterator[Part]:
    if (match := _DOMAIN_ACCOUNT.fullmatch(text)) is not None:
        yield from _domain_account(match, start)
    elif (match := _AT.fullmatch(text)) is not None:
        yield Part(start + match.start("user"), start + match.end("user"), EntityType.USER_NAME)
        yield from _host(match["host"], start + match.start("host"))
    elif (match := _PORT.fullmatch(text)) is not None:
        yield from _read(match["host"], start)
    elif (match := _WITH_SERIAL.fullmatch(text)) is not None:
        yield from _host(match["host"], start)
    elif (items := list(_LIST.finditer(text))) and len(items) > 1:
        if _is_sentence(text):  # `Johns MacBook Pro`
            yield Part(start, start + len(text), EntityType.COMPUTER_NAME)
            return
        for item in items:
            yield from _read(item.group(), start + item.start())
    else:
        yield from _host(text, start)


def _is_sentence(text: str) -> bool:
    """Words with spaces between, not all of which look like names of machines: one name in several words."""
    words = text.split()
    return not _SEPARATORS.search(text) and not all(_HOSTLIKE.search(word) or "." in word for word in words)


def _host(text: str, start: int) -> Iterator[Part]:
    inner = text.strip("[]")
    begin = start + text.index(inner)
    if parse_ip(inner) is not None:
        yield Part(begin, begin + len(inner), EntityType.IP_ADDRESS)
        return
    plain = inner.rstrip(".").removesuffix("$")
    if is_name(plain):
        yield Part(begin, begin + len(plain), EntityType.COMPUTER_NAME)


def _domain_account(match: re.Match[str], start: int) -> Iterator[Part]:
    domain, account = match["domain"], match["account"]
    if not is_named(domain):
        return
    yield Part(start + match.start("domain"), start + match.end("domain"), EntityType.DOMAIN_NAME)
    yield from _account(account, start + match.start("account"))


def _account(account: str, start: int) -> Iterator[Part]:
    name = account.removesuffix("$")
    kind = EntityType.COMPUTER_NAME if account.endswith("$") else EntityType.USER_NAME
    if name:
        yield Part(start, start + len(name), kind)


def _read_account(value: str, start: int) -> Iterator[Part]:
    text = value.strip()
    start += len(value) - len(value.lstrip())
    if not text or not is_named(text):
        return
    if (match := _DOMAIN_ACCOUNT.fullmatch(text)) is not None:
        yield from _domain_account(match, start)
    elif (match := _AT.fullmatch(text)) is not None:
        if "." in match["host"]:
            yield Part(start, start + len(text), EntityType.EMAIL_ADDRESS)
        else:
            yield Part(start + match.start("user"), start + match.end("user"), EntityType.USER_NAME)
            yield from _host(match["host"], start + match.start("host"))
    elif _SPN.fullmatch(text) is not None:
        yield from _read(text, start)
    else:
        yield from _account(text, start)


def _a_label(label: str) -> str:
    try:
        return idna.encode(label, uts46=True).decode()
    except idna.IDNAError:  # not a legal internationalised label: its own lower-case letters stand for it
        return label
