"""A long host name and its NetBIOS form are one machine; no pseudonym changes once it was given."""

import pytest

from scrubbers.aliases import Aliases
from scrubbers.entities import EntityType as E
from scrubbers.entities import Known
from scrubbers.keyring import Keyring
from scrubbers.known import KnownEntities, related
from scrubbers.pseudonyms import Pseudonymiser

RING = Keyring.throwaway()
RING.add_tenant("acme")

LONG = "accounting-workstation-07"
OTHER = "accounting-workstation-08"
SHORT = "accounting-work"


def knowing(*names: str) -> KnownEntities:
    """Names learned in this order."""
    known = KnownEntities()
    for name in names:
        known.add("acme", Known(E.COMPUTER_NAME, name))
    return known


def pseudonyms(known: KnownEntities, *names: str) -> list[str]:
    """What they become."""
    acme = Pseudonymiser(RING.tenant("acme"), aliases=known.aliases("acme"))
    return [acme.replace(E.COMPUTER_NAME, name) for name in names]


@pytest.mark.parametrize("order", [(LONG, SHORT), (SHORT, LONG)])
def test_both_names_of_a_machine_have_the_pseudonym_of_the_one_seen_first(order: tuple[str, str]) -> None:
    """Whatever the case, the domain, or the dollar sign."""
    first, second = order
    alone = pseudonyms(knowing(first), first)
    known = knowing(first, second)

    assert pseudonyms(known, LONG, SHORT, f"{SHORT.upper()}$") == alone * 3
    assert pseudonyms(known, f"{LONG}.corp.example.com")[0].startswith(f"{alone[0]}.")


def test_it_is_never_guessed() -> None:
    """Two long names begin alike: neither is the short one."""
    known = knowing(LONG, OTHER, SHORT)
    assert len(set(pseudonyms(known, LONG, OTHER, SHORT))) == 3


def test_a_second_long_name_changes_nothing() -> None:
    """What was decided stays, and the newcomer has its own."""
    before = pseudonyms(knowing(LONG, SHORT), LONG, SHORT)
    known = knowing(LONG, SHORT, OTHER)
    assert pseudonyms(known, LONG, SHORT) == before
    assert pseudonyms(known, OTHER)[0] not in before


def test_a_pseudonym_given_before_an_alias_appears_is_not_kept_from_the_cache() -> None:
    """The short name was replaced while it was not yet learned."""
    known = knowing(LONG)
    acme = Pseudonymiser(RING.tenant("acme"), aliases=known.aliases("acme"))
    acme.replace(E.COMPUTER_NAME, SHORT)
    known.add("acme", Known(E.COMPUTER_NAME, SHORT))
    assert acme.replace(E.COMPUTER_NAME, SHORT) == acme.replace(E.COMPUTER_NAME, LONG)


def test_what_was_decided_is_restored_and_not_decided_again() -> None:
    """A worker that starts later has the rows of the topic, in any order."""
    rows = [Known(E.COMPUTER_NAME, SHORT, LONG), Known(E.COMPUTER_NAME, LONG)]
    without = [Known(E.COMPUTER_NAME, SHORT), Known(E.COMPUTER_NAME, LONG)]
    restored, own = KnownEntities(), KnownEntities()
    for row in rows:
        restored.restore("acme", row)
    for row in without:
        own.restore("acme", row)

    assert pseudonyms(restored, LONG, SHORT) == pseudonyms(knowing(LONG, SHORT), LONG, SHORT)
    assert len(set(pseudonyms(own, LONG, SHORT))) == 2


@pytest.mark.parametrize("order", [(LONG, OTHER), (OTHER, LONG)])
def test_of_two_workers_claims_the_lesser_stands_whatever_came_first(order: tuple[str, str]) -> None:
    """Counted, and the same on every worker."""
    aliases = Aliases()
    for label in order:
        aliases.restore(label, SHORT)
    assert (aliases.of(LONG), aliases.of(OTHER), aliases.conflicts) == (SHORT, OTHER, 1)


def test_a_qualified_name_teaches_its_label() -> None:
    """`accounting-workstation-07.corp.example.com` is the machine of `ACCOUNTING-WORK`."""
    known = KnownEntities()
    for each in related(Known(E.COMPUTER_NAME, f"{LONG}.corp.example.com")):
        known.add("acme", each)
    known.add("acme", Known(E.COMPUTER_NAME, SHORT))
    assert len(set(pseudonyms(known, LONG, SHORT))) == 1


def test_short_names_have_none() -> None:
    """Windows does not cut them."""
    known = knowing("accounting-wor", "accounting-wo")
    assert len(set(pseudonyms(known, "accounting-wor", "accounting-wo"))) == 2
