"""Old pseudonym → new one over a key rotation, for analytics that must join across it; no original in it."""

from collections.abc import Iterable, Iterator

import msgspec

from scrubbers.entities import EntityType, Known
from scrubbers.pseudonyms import Pseudonymiser
from scrubbers.reverse import kind_of, stands_for


class Pair(msgspec.Struct, frozen=True):
    """The pseudonyms of one value in two key epochs of a tenant."""

    type: EntityType
    old: str
    new: str


def names(known: Iterable[Known], old: Pseudonymiser, new: Pseudonymiser) -> Iterator[Pair]:
    """A pair for each known name, each once."""
    seen: set[str] = set()
    for each in known:
        for (before, _), (after, _) in zip(stands_for(old, each), stands_for(new, each), strict=True):
            if before not in seen:
                seen.add(before)
                yield Pair(kind_of(before), before, after)


def address(pseudonym: str, old: Pseudonymiser, new: Pseudonymiser) -> Pair | None:
    """The pair of an address's old pseudonym; None if the text is no address or its operator gives none back."""
    origin = old.reverse_ip(pseudonym)
    if origin is None:
        return None
    return Pair(EntityType.IP_ADDRESS, pseudonym, new.replace(EntityType.IP_ADDRESS, origin))
