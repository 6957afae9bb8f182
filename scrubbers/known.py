"""Known entities: names that a tenant is known to use, found anywhere as whole tokens, in any case.

Finding tokenises a text once and looks each token up, so it costs the same for ten names and a million.
What is worth remembering is decided by `worth_knowing`: a wrong entry would shred ordinary text.
"""

import re
from collections.abc import Iterator

from scrubbers import hostnames
from scrubbers.addresses import parse_ip
from scrubbers.entities import EntityType, Finding, Known
from scrubbers.hostnames import is_fqdn, is_name, is_named, normalise, split

RULE = "known-entity"
SHORTEST = 3  # shorter names are everywhere in ordinary text: `pc`, `a1`
LONGEST_WORDS = 4  # of a person's name

# Words that are names of machines somewhere and ordinary words everywhere else, in the languages of the
# default rules. A field that carries one is still scrubbed; it is not hunted in other text.
_ORDINARY = frozenset(
    """
    access account action active admin administrator agent alert android api app apple application archive audit
    auth backup beheer beheerder bridge browser build bureau cache camera center central centos client cloud
    cluster code collector computer config connection console container control controller core corp cpu daemon
    dashboard data database date debian debug default demo desktop device dev disk display dns docker docs domain
    down download edge email error event events example exchange external failed failure file files firewall
    firmware fout gast gateway gebruiker general global group guest handle health helpdesk home host hostname
    hosts http https image inbound info information input inside install instance interface internal internet
    intern jenkins job kafka kantoor kernel key keyboard lab laptop lan linux live log logger login logon logs mac
    machine mail main manager master memory message mobile module monitor monitoring mouse name nas network netwerk
    new node notebook null object office online open operator oracle outbound output outside owner page partner
    password phone ping platform policy pool port portal power primary print printer private process prod
    production profile program project proxy public query queue raspberrypi reader receiver registry relay remote
    replica report request reserve response restore result root router rule sample sandbox scan scanner schedule
    script search secondary security sender sensor server service session shared site slave sql staging standby
    start state status stop storage store stream support switch sync syslog system tablet target task team temp
    template terminal test testing thread time token tool traffic transfer ubuntu unit update upload user value
    vault version video virtual vpn warning web website werkplek werkstation wifi windows wireless worker
    workstation zabbix
    """.split()
)
_TOKEN = re.compile(r"\w(?:[\w.-]*\w)?")
_PIECE = re.compile(r"[^\W_]+")  # letters and digits between the separators of a token: `-`, `_`, `.`
_RUN = 16  # pieces that a name may have; longer tokens are no names
_HUNTED = frozenset(
    {EntityType.COMPUTER_NAME, EntityType.DOMAIN_NAME, EntityType.USER_NAME, EntityType.PERSON, EntityType.PHONE_NUMBER}
)


def worth_knowing(known: Known) -> bool:
    """Whether a value may be hunted in text it does not stand in a known field of.

    Not: values that name nobody, ordinary words, numbers, fewer than three characters, one letter over and
    over, names without a letter, service labels (`_ldap`), IP addresses (they have recognisers), and types
    that are found by their form.
    """
    value = known.value
    if known.type not in _HUNTED or len(value) < SHORTEST or not is_named(value) or value in _ORDINARY:
        return False
    if known.type is EntityType.PERSON:
        return 2 <= len(value.split()) <= LONGEST_WORDS
    if known.type is EntityType.PHONE_NUMBER:
        return sum(letter.isdigit() for letter in value) >= 8
    return value[0] != "_" and len(set(value)) > 1 and is_name(value) and parse_ip(value) is None


def related(known: Known) -> tuple[Known, ...]:
    """What a known name teaches: itself, and for `utica.example.local` also `utica` and `example.local`."""
    if known.type is not EntityType.COMPUTER_NAME or not is_fqdn(known.value):
        return (known,)
    label, domain = split(known.value)
    found = [known, Known(EntityType.COMPUTER_NAME, label)]
    if domain is not None and hostnames.is_own_domain(domain):
        found.append(Known(EntityType.DOMAIN_NAME, domain))
    return tuple(found)


class KnownEntities:
    """Names by tenant. One writer; readers in other threads see each change whole."""

    def __init__(self) -> None:
        self._values: dict[str, dict[str, EntityType]] = {}
        self._versions: dict[str, int] = {}
        self._beginnings: dict[str, set[str]] = {}  # first words of all values
        self._several: dict[str, set[str]] = {}  # first words of values that have several

    def add(self, tenant: str, known: Known) -> bool:
        """Remember a name; True if it is new and worth knowing."""
        if not worth_knowing(known):
            return False
        values = self._values.setdefault(tenant, {})
        if known.value in values:
            return False
        values[known.value] = known.type
        self._beginnings.setdefault(tenant, set()).add(_PIECE.findall(known.value)[0])
        if " " in known.value:
            self._several.setdefault(tenant, set()).add(known.value.split()[0])
        self._versions[tenant] = self.version(tenant) + 1
        return True

    def discard(self, tenant: str, known: Known) -> None:
        """Forget a name."""
        if self._values.get(tenant, {}).pop(known.value, None) is not None:
            self._versions[tenant] = self.version(tenant) + 1

    def contains(self, tenant: str, known: Known) -> bool:
        """Whether the name is remembered, as this type."""
        return self._values.get(tenant, {}).get(known.value) is known.type

    def values(self, tenant: str) -> Iterator[Known]:
        """All names of a tenant."""
        for value, kind in list(self._values.get(tenant, {}).items()):
            yield Known(kind, value)

    def version(self, tenant: str) -> int:
        """Changes with every change: what a cache of `find` may rest on."""
        return self._versions.get(tenant, 0)

    def __len__(self) -> int:
        return sum(map(len, self._values.values()))

    def find(self, tenant: str, text: str) -> list[Finding]:
        """Every known name in the text, bounded by anything but letters and digits; of several the longest."""
        values = self._values.get(tenant)
        if not values:
            return []
        lowered = text.lower()
        beginnings = self._beginnings[tenant] if lowered.isascii() else None  # else an A-label may hide in it
        if beginnings is not None and beginnings.isdisjoint(_PIECE.findall(lowered)):
            return []
        found: list[Finding] = []
        for token in _TOKEN.finditer(text):
            pieces = [piece.span() for piece in _PIECE.finditer(text, *token.span())]
            found += _whole_host(list(_runs(values, beginnings, text, pieces)), text, token.start())
        if words := self._several.get(tenant):
            found += _several_words(values, words, text)
        return found


def _runs(
    values: dict[str, EntityType], beginnings: set[str] | None, text: str, pieces: list[tuple[int, int]]
) -> Iterator[Finding]:
    """Known names among the pieces of a token: from the left, the longest run first."""
    index = 0
    while index < len(pieces):
        start, end = pieces[index]
        index += 1
        if beginnings is not None and text[start:end].lower() not in beginnings:
            continue
        for last in range(min(len(pieces), index + _RUN) - 1, index - 2, -1):
            behind = pieces[last][1]
            kind = values.get(normalise(text[start:behind]))
            if kind is not None:
                yield Finding(start, behind, kind, 1.0, RULE)
                index = last + 1
                break


def _whole_host(found: list[Finding], text: str, start: int) -> list[Finding]:
    """A dotted name that ends in a known domain is a computer of the tenant's, all of it."""
    last = found[-1] if found else None
    if last is None or last.start == start or text[last.start - 1] != ".":
        return found
    if last.type is not EntityType.DOMAIN_NAME or "." not in text[last.start : last.end]:
        return found
    return [Finding(start, last.end, EntityType.COMPUTER_NAME, 1.0, RULE)]


def _several_words(values: dict[str, EntityType], first: set[str], text: str) -> Iterator[Finding]:
    tokens = [(match.group().lower(), *match.span()) for match in _PIECE.finditer(text)]
    for index, (token, start, _) in enumerate(tokens):
        if token not in first:
            continue
        for count in range(LONGEST_WORDS, 1, -1):
            run = tokens[index : index + count]
            kind = values.get(" ".join(each[0] for each in run)) if len(run) == count else None
            if kind is not None:
                yield Finding(start, run[-1][2], kind, 1.0, RULE)
                break
