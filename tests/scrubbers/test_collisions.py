"""Two names with one token are found, however and whenever they were learned."""

from collections.abc import Iterator

import pytest

from scrubbers import collisions
from scrubbers.collisions import Collisions
from scrubbers.entities import EntityType as E
from scrubbers.entities import Known
from scrubbers.keyring import Keyring
from scrubbers.known import KnownEntities
from scrubbers.pseudonyms import Pseudonymiser


class FewBits(Pseudonymiser):
    """Tokens of four bits: names collide soon."""

    def number(self, kind: E, normalised: str) -> int:
        """The first of 60."""
        return super().number(kind, normalised) >> 56


@pytest.fixture
def ring() -> Keyring:
    """One tenant's keys."""
    made = Keyring.throwaway()
    made.add_tenant("acme")
    return made


def name(number: int) -> Known:
    """A computer."""
    return Known(E.COMPUTER_NAME, f"till-{number}")


def clashing(ring: Keyring) -> Iterator[tuple[Known, Known]]:
    """Pairs of names with one token of four bits."""
    acme = FewBits(ring.tenant("acme"))
    seen: dict[int, Known] = {}
    for known in map(name, range(100, 200)):
        other = seen.setdefault(acme.number(known.type, known.value), known)
        if other != known:
            yield other, known


def test_sixty_bits_tell_names_apart(ring: Keyring) -> None:
    """No false alarm among ten thousand."""
    known = KnownEntities()
    for number in range(10_000):
        known.add("acme", name(number))
    assert Collisions(known).after("acme", Pseudonymiser(ring.tenant("acme"))) == []


def test_the_second_of_two_is_found(ring: Keyring) -> None:
    """When it is learned, and not again."""
    one, other = next(clashing(ring))
    known, acme = KnownEntities(), FewBits(ring.tenant("acme"))
    found = Collisions(known)
    known.add("acme", one)
    first = found.after("acme", acme)
    known.add("acme", other)

    assert (first, found.after("acme", acme), found.after("acme", acme)) == ([], [other], [])


def test_it_is_found_among_names_that_were_there_before_and_after_a_merge(ring: Keyring, monkeypatch) -> None:
    """The index is built from all names, some of them sorted already."""
    monkeypatch.setattr(collisions, "_RECENT", 2)
    one, other = next(clashing(ring))
    known, acme = KnownEntities(), FewBits(ring.tenant("acme"))
    taken = acme.number(one.type, one.value)
    others = [each for each in map(name, range(300, 900)) if acme.number(each.type, each.value) != taken]
    for each in (one, *others, other):
        known.add("acme", each)

    assert other in Collisions(known).after("acme", acme)
    assert one not in Collisions(known).after("acme", acme)


def test_a_name_that_is_learned_again_is_no_other_name(ring: Keyring) -> None:
    """Forgotten, and back."""
    known, acme = KnownEntities(), Pseudonymiser(ring.tenant("acme"))
    found = Collisions(known)
    known.add("acme", name(1))
    found.after("acme", acme)
    known.discard("acme", name(1))
    known.add("acme", name(1))

    assert found.after("acme", acme) == []


def test_both_names_of_a_machine_share_theirs_on_purpose(ring: Keyring) -> None:
    """An alias is no collision."""
    known, acme = KnownEntities(), Pseudonymiser(ring.tenant("acme"))
    known.add("acme", Known(E.COMPUTER_NAME, "accounting-workstation-07"))
    known.add("acme", Known(E.COMPUTER_NAME, "accounting-work"))
    assert Collisions(known).after("acme", acme) == []


def test_a_new_epoch_is_looked_at_anew(ring: Keyring) -> None:
    """Its tokens are others."""
    known, before = KnownEntities(), Pseudonymiser(ring.tenant("acme"))
    found = Collisions(known)
    known.add("acme", name(1))
    found.after("acme", before)
    ring.rotate("acme")
    one, other = next(clashing(ring))
    known.add("acme", one)
    known.add("acme", other)

    assert other in found.after("acme", FewBits(ring.tenant("acme")))
