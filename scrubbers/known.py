"""Known entities: names that a tenant is known to use, found anywhere as whole tokens, in any case.

Finding tokenises a text once and looks each token up, so it costs the same for ten names and a million.
What is worth remembering is decided by `worth_knowing` and the rule set's `learning`: a wrong entry would
shred ordinary text.
"""

import re
from collections.abc import Iterator, Mapping

from scrubbers import aliases, hostnames, rules
from scrubbers.addresses import parse_ip
from scrubbers.aliases import Aliases
from scrubbers.entities import EntityType, Finding, Known
from scrubbers.hostnames import is_fqdn, is_name, is_named, normalise, split
from scrubbers.rules import Learning

RULE = "known-entity"
_TOKEN = re.compile(r"\w(?:[\w.-]*\w)?")
_PIECE = re.compile(r"[^\W_]+")  # letters and digits between the separators of a token: `-`, `_`, `.`
_RUN = 16  # pieces that a name may have; longer tokens are no names
_HUNTED = frozenset(
    {EntityType.COMPUTER_NAME, EntityType.DOMAIN_NAME, EntityType.USER_NAME, EntityType.PERSON, EntityType.PHONE_NUMBER}
)

# Names with their types, and first pieces of names without. Types are plain strings, not members of the enum:
# then the garbage collector has nothing to follow and leaves a dict of a million names alone.
_Names = dict[str, str | None]


def worth_knowing(known: Known, learning: Learning | None = None) -> bool:
    """Whether a value may be hunted in text it does not stand in a known field of; by the shipped policy if none.

    Not: values that name nobody, what the policy never learns, names of persons that are all such words,
    numbers, one letter over and over, names without a letter, service labels (`_ldap`), IP addresses (they
    have recognisers), and types that are found by their form.
    """
    policy = learning or rules.load().learning
    value = known.value
    if known.type not in _HUNTED or len(value) < policy.shortest or not is_named(value) or value in policy.never:
        return False
    if known.type is EntityType.PERSON:
        words = value.split()
        return 2 <= len(words) <= policy.longest_words and not policy.never.issuperset(words)
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
    """Names by tenant. One writer; readers in other threads see each change whole.

    A tenant's names and the first pieces of them are keys of one dict, so that a million names take no second
    set of strings; a piece that is no name itself has no type.
    """

    def __init__(self, learning: Learning | None = None) -> None:
        self._learning = learning or rules.load().learning
        self._policies: Mapping[str, Learning] = {}  # of tenants with another one
        self._values: dict[str, _Names] = {}
        self._versions: dict[str, int] = {}
        self._several: dict[str, set[str]] = {}  # first words of values that have several
        self._aliases: dict[str, Aliases] = {}
        self._learned: dict[str, list[str]] = {}  # in the order of learning; also what was forgotten since
        self._count = 0

    def adopt(self, learning: Learning, policies: Mapping[str, Learning]) -> None:
        """Learn by another policy from now on, and by others yet for some tenants. What is known stays known."""
        self._learning, self._policies = learning, policies

    def policy(self, tenant: str) -> Learning:
        """What decides which names of a tenant are worth knowing."""
        return self._policies.get(tenant, self._learning)

    def add(self, tenant: str, known: Known) -> bool:
        """Remember a name; True if it is new and worth knowing. Then it is decided whether it has an alias."""
        if not self._remember(tenant, known):
            return False
        if aliases.concerns(known):
            values = self._values[tenant]
            self.aliases(tenant).decide(known.value, lambda label: values.get(label) == EntityType.COMPUTER_NAME)
        return True

    def restore(self, tenant: str, known: Known) -> bool:
        """Remember a name that was learned elsewhere or before, with the alias that it was given there, or none."""
        new = self._remember(tenant, known)
        if aliases.concerns(known) and self.contains(tenant, known):
            self.aliases(tenant).restore(known.value, known.alias)
        return new

    def aliases(self, tenant: str) -> Aliases:
        """The tenant's aliases."""
        return self._aliases.setdefault(tenant, Aliases())

    def _remember(self, tenant: str, known: Known) -> bool:
        if not worth_knowing(known, self.policy(tenant)):
            return False
        values = self._values.setdefault(tenant, {})
        if values.get(known.value) is not None:
            return False
        values.setdefault(_first_piece(known.value), None)
        values[known.value] = known.type.value
        if " " in known.value:
            self._several.setdefault(tenant, set()).add(known.value.split()[0])
        self._learned.setdefault(tenant, []).append(known.value)
        self._count += 1
        self._versions[tenant] = self.version(tenant) + 1
        return True

    def discard(self, tenant: str, known: Known) -> None:
        """Forget a name."""
        values = self._values.get(tenant, {})
        if values.get(known.value) is None:
            return
        if _first_piece(known.value) == known.value:
            values[known.value] = None  # other names may begin with it
        else:
            del values[known.value]
        self._count -= 1
        self._versions[tenant] = self.version(tenant) + 1

    def contains(self, tenant: str, known: Known) -> bool:
        """Whether the name is remembered, as this type."""
        return self._values.get(tenant, {}).get(known.value) == known.type

    def values(self, tenant: str) -> Iterator[Known]:
        """All names of a tenant."""
        for value, kind in list(self._values.get(tenant, {}).items()):
            if kind is not None:
                yield Known(EntityType(kind), value)

    def learned_since(self, tenant: str, position: int) -> list[Known | None]:
        """What was learned behind a position, from 0, in its order; None for what was forgotten since."""
        values = self._values.get(tenant, {})
        found = [(value, values.get(value)) for value in self._learned.get(tenant, [])[position:]]
        return [None if kind is None else Known(EntityType(kind), value) for value, kind in found]

    def version(self, tenant: str) -> int:
        """Changes with every change: what a cache of `find` may rest on."""
        return self._versions.get(tenant, 0)

    def __len__(self) -> int:
        return self._count

    def find(self, tenant: str, text: str) -> list[Finding]:
        """Every known name in the text, bounded by anything but letters and digits; of several the longest."""
        values = self._values.get(tenant)
        if not values:
            return []
        lowered = text.lower()
        # If it is not ASCII an A-label may hide in it, which begins with no piece of the text.
        beginnings = values.keys() & _PIECE.findall(lowered) if lowered.isascii() else None
        if beginnings is not None and not beginnings:
            return []
        found: list[Finding] = []
        for token in _TOKEN.finditer(text):
            pieces = [piece.span() for piece in _PIECE.finditer(text, *token.span())]
            found += _whole_host(list(_runs(values, beginnings, text, pieces)), text, token.start())
        if words := self._several.get(tenant):
            found += _several_words(values, words, text, self.policy(tenant).longest_words)
        return found


def _first_piece(name: str) -> str:
    piece = _PIECE.search(name)
    return name if piece is None else piece.group()


def _runs(values: _Names, beginnings: set[str] | None, text: str, pieces: list[tuple[int, int]]) -> Iterator[Finding]:
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
                yield Finding(start, behind, EntityType(kind), 1.0, RULE)
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


def _several_words(values: _Names, first: set[str], text: str, longest: int) -> Iterator[Finding]:
    tokens = [(match.group().lower(), *match.span()) for match in _PIECE.finditer(text)]
    for index, (token, start, _) in enumerate(tokens):
        if token not in first:
            continue
        for count in range(longest, 1, -1):
            run = tokens[index : index + count]
            kind = values.get(" ".join(each[0] for each in run)) if len(run) == count else None
            if kind is not None:
                yield Finding(start, run[-1][2], EntityType(kind), 1.0, RULE)
                break
