"""Two names with one pseudonym are an error to be seen, never a silent merge.

With 10^6 names in a domain it happens with a probability of about 4 in 10^7 (`pseudonyms.py`). Every name that is
learned is checked against all that are known. The index takes 8 bytes a name: the numbers of tokens, sorted.
"""

from array import array
from bisect import bisect_left

from scrubbers.entities import EntityType, Known
from scrubbers.known import KnownEntities
from scrubbers.pseudonyms import Pseudonymiser

_RECENT = 50_000  # numbers that wait to be merged into the sorted ones: merging copies all of them
_KINDS = list(EntityType)


class Collisions:
    """The tokens of all known names, by domain. Used from one thread at a time."""

    def __init__(self, known: KnownEntities) -> None:
        self._known = known
        self._tenants: dict[str, _Tenant] = {}

    def after(self, tenant: str, pseudonymiser: Pseudonymiser) -> list[Known]:
        """Of the names learned since the last call, those whose token another name has.

        The first call in a domain looks at all names: about 2 µs each.
        """
        index = self._tenants.get(tenant)
        if index is None or index.domain != pseudonymiser.domain:
            index = self._tenants[tenant] = _Tenant(pseudonymiser.domain)
        learned = self._known.learned_since(tenant, index.position)
        index.position += len(learned)
        return [
            each
            for each in learned
            if each is not None
            and _has_token(each)
            and not index.add(_number(each, pseudonymiser))
            and self._is_another(tenant, each, pseudonymiser)
        ]

    def _is_another(self, tenant: str, known: Known, pseudonymiser: Pseudonymiser) -> bool:
        """Whether it is not the same name, forgotten and learned again, or the other name of the same machine."""
        aliases, number = self._known.aliases(tenant), _number(known, pseudonymiser)
        if aliases.of(known.value) != known.value:
            return False
        return any(
            other != known
            and _has_token(other)
            and aliases.of(other.value) == other.value
            and _number(other, pseudonymiser) == number
            for other in self._known.values(tenant)
        )


class _Tenant:
    """Numbers of one domain: most of them sorted, the last ones in a set."""

    def __init__(self, domain: str) -> None:
        self.domain = domain
        self.position = 0
        self._sorted = array("Q")
        self._recent: set[int] = set()

    def add(self, number: int) -> bool:
        """Whether it was not there yet."""
        place = bisect_left(self._sorted, number)
        if number in self._recent or (place < len(self._sorted) and self._sorted[place] == number):
            return False
        self._recent.add(number)
        if len(self._recent) >= max(_RECENT, len(self._sorted) // 4):
            self._sorted = array("Q", sorted([*self._sorted, *self._recent]))
            self._recent = set()
        return True


def _has_token(known: Known) -> bool:
    """A qualified name is two tokens, and both parts are known by themselves."""
    return known.type is not EntityType.COMPUTER_NAME or "." not in known.value


def _number(known: Known, pseudonymiser: Pseudonymiser) -> int:
    return pseudonymiser.number(known.type, known.value) << 4 | _KINDS.index(known.type)
