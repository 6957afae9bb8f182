"""A tenant's contacts are found in text by digests alone, current or forgotten."""

import pytest

from scrubbers import people
from scrubbers.entities import EntityType as E
from scrubbers.keyring import Keyring
from scrubbers.people import People
from scrubbers.persons import PersonName
from scrubbers.pseudonyms import Pseudonymiser

RING = Keyring.throwaway()
RING.add_tenant("acme")
KEYS = RING.tenant("acme")
JAN = PersonName(full="Jan de Vries")


@pytest.fixture
def held() -> People:
    """Jan and his phone."""
    made = People()
    for form in people.forms(JAN, KEYS.entity_digest).values():
        made.add("acme", form)
    number = people.phone("06-12345678", KEYS.entity_digest)
    assert number is not None
    made.add("acme", number)
    return made


def found(held: People, text: str) -> list[str]:
    """What is found, as it stands."""
    return [text[each.start : each.end] for each in held.find("acme", text, KEYS.entity_digest)]


@pytest.mark.parametrize(
    "written",
    [
        "Jan de Vries",
        "JAN DE VRIES",
        "J. de Vries",
        "de Vries, J.",
        "Vries, Jan de",
        "dhr. De Vries",
        "Mevrouw de Vries",
        "Jan Vries",
    ],
)
def test_every_form_is_found(held: People, written: str) -> None:
    """Wherever it stands."""
    assert found(held, f"ticket of {written}: printer") == [written.rstrip(".")]


@pytest.mark.parametrize("written", ["06-12345678", "+31 6 12 34 56 78", "0031612345678", "(06) 1234 5678"])
def test_a_phone_number_is_found_however_it_is_written(held: People, written: str) -> None:
    """In text."""
    assert found(held, f"call {written} back") == [written]


@pytest.mark.parametrize(
    "text",
    [
        "de vries in Jan",
        "Jan. The printer of de Boer",
        "jan\n\n\n\n\n\nde vries",
        "10.20.30.40",
        "06-12345679",
        "Jansen de Vriesland",
    ],
)
def test_what_is_not_the_contact_is_not_found(held: People, text: str) -> None:
    """Other words, other numbers, words far apart."""
    assert found(held, text) == []


def test_all_forms_of_a_person_have_one_pseudonym(held: People) -> None:
    """Also once only digests are left: they are all that is held in the first place."""
    acme = Pseudonymiser(KEYS, people=held)
    written = ["Jan de Vries", "J. de Vries", "Vries, Jan de", "DHR. DE VRIES"]
    assert len({acme.replace(E.PERSON, each) for each in written}) == 1
    assert acme.replace(E.PHONE_NUMBER, "06-12345678") == acme.replace(E.PHONE_NUMBER, "+31 6 12345678")


def test_a_bracket_around_more_than_the_number_stays(held: People) -> None:
    """`(06-12345678, at work)`."""
    assert found(held, "Jan (06-12345678, at work)") == ["06-12345678"]


def test_an_empty_table_is_filled_later() -> None:
    """Whoever holds it sees what comes."""
    held = People()
    acme = Pseudonymiser(KEYS, people=held)
    before = acme.replace(E.PERSON, "J. de Vries")
    for form in people.forms(JAN, KEYS.entity_digest).values():
        held.add("acme", form)
    assert acme.replace(E.PERSON, "J. de Vries") == acme.replace(E.PERSON, "Jan de Vries") != before


def test_another_tenants_contacts_are_not_looked_for(held: People) -> None:
    """Each has its own."""
    assert held.find("borealis", "Jan de Vries", KEYS.entity_digest) == []


def test_a_forgotten_form_is_gone(held: People) -> None:
    """And with the last one all that was kept of it."""
    for form in held.of("acme"):
        held.discard("acme", form.digest)
    assert (found(held, "Jan de Vries 06-12345678"), len(held)) == ([], 0)


def test_nothing_readable_is_held(held: People) -> None:
    """Digests, and how many words."""
    assert "vries" not in str(held.of("acme")).lower()
