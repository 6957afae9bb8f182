"""One machine under two names: a host name over 15 characters, and the NetBIOS name that Windows cuts it to.

Whichever of the two is learned second takes the pseudonym of the first, if it is the only one that fits. That
is decided once and kept, so that no value's pseudonym changes: where two long names begin alike, the one
learned later keeps a pseudonym of its own.
"""

from collections.abc import Callable, Iterable

from scrubbers.entities import EntityType, Known
from scrubbers.hostnames import NETBIOS_LENGTH


class Aliases:
    """The aliases of one tenant. `version` changes with them: what a cache of pseudonyms may rest on."""

    def __init__(self) -> None:
        self._shared: dict[str, str] = {}  # label → the label whose pseudonym it has
        self._sharer: dict[str, str] = {}  # the other way round
        self._longer: dict[str, str | None] = {}  # first 15 characters → the one longer label; None: several
        self.version = 0
        self.conflicts = 0  # of workers that decided at the same time

    @classmethod
    def of_all(cls, known: Iterable[Known]) -> "Aliases":
        """Those that known entities carry with them."""
        made = cls()
        for each in known:
            if each.alias and each.type is EntityType.COMPUTER_NAME:
                made.restore(each.value, each.alias)
        return made

    def of(self, label: str) -> str:
        """The label whose pseudonym this one has: mostly its own."""
        return self._shared.get(label, label)

    def decide(self, label: str, is_known: Callable[[str], bool]) -> None:
        """Whether a label that is new shares the pseudonym of one that `is_known`."""
        if len(label) < NETBIOS_LENGTH or label in self._shared:
            return
        short = label[:NETBIOS_LENGTH]
        if label == short:
            longer = self._longer.get(short)
            if longer is not None and self._is_free(longer):
                self._share(label, longer)
            return
        self.note(label)
        if self._longer[short] == label and is_known(short) and self._is_free(short):
            self._share(label, short)

    def note(self, label: str) -> None:
        """Remember a label that Windows would cut."""
        if len(label) > NETBIOS_LENGTH:
            short = label[:NETBIOS_LENGTH]
            self._longer[short] = label if self._longer.get(short, label) == label else None

    def restore(self, label: str, alias: str) -> None:
        """What was decided elsewhere; no alias: the label has a pseudonym of its own.

        Where two workers gave one name's pseudonym to different labels, the lesser label keeps it.
        """
        self.note(label)
        before = self._shared.get(label, "")
        if before == alias:
            return
        if before:
            del self._shared[label], self._sharer[before]
            self.version += 1
        if not alias:
            return
        rival = self._sharer.get(alias)
        if rival is not None:
            self.conflicts += 1
            if rival < label:
                return
            del self._shared[rival], self._sharer[alias]
        self._share(label, alias)

    def _is_free(self, label: str) -> bool:
        """Whether a label has its own pseudonym, and alone."""
        return label not in self._shared and label not in self._sharer

    def _share(self, label: str, other: str) -> None:
        self._shared[label] = other
        self._sharer[other] = label
        self.version += 1


def concerns(known: Known) -> bool:
    """Whether a known entity may have an alias: a single label long enough."""
    return known.type is EntityType.COMPUTER_NAME and len(known.value) >= NETBIOS_LENGTH and "." not in known.value
