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
    ("name", "text", "wanted"),
    [
        ("Ian May", "May I restart it? I may, if a post. office is shut", []),
        ("Ian May", "called by I. May", ["I. May"]),
        ("Ian May", "called by may, i. at noon", ["may, i"]),
        ("Ian May", "called by mr may, and ian may", ["mr may", "ian may"]),
        ("Mark Post", "mark post 4 as read", []),
        ("Mark Post", "mail of Mark Post and MARK POST", ["Mark Post", "MARK POST"]),
        ("Mark Post", "M. Post to m post", ["M. Post"]),
    ],
)
def test_a_name_of_ordinary_words_shreds_no_text(name: str, text: str, wanted: list[str]) -> None:
    """It is found where it is written as a name: with dots or a comma, a form of address, or capitals."""
    made = People()
    for form in people.forms(PersonName(full=name), KEYS.entity_digest).values():
        made.add("acme", form)
    assert found(made, text) == wanted


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


BERG = PersonName(given="Jan Peter", particle="van den", family="Berg")
HOF = PersonName(full="Theo van het Hof")
MARRIED = PersonName(given="Véronique", family="Sørensen-Bakker")


@pytest.mark.parametrize(
    ("name", "written"),
    [
        (BERG, "Jan v.d. Berg"),
        (BERG, "J.P. vd Berg"),
        (BERG, "jan v/d berg"),
        (BERG, "Jan van der Berg"),
        (BERG, "Berg, J.P. v.d."),
        (BERG, "van den Berg, dhr. J.P."),
        (BERG, "Berg, dhr. dr. J. van den"),
        (BERG, "fam. v.d. Berg"),
        (BERG, "jan_van_den_berg"),
        (BERG, "VandenBerg, Jan"),
        (HOF, "Theo van \u2018t Hof"),
        (HOF, "Hof, Th. van het"),
        (HOF, "Theo Hof"),
        (MARRIED, "Veronique Sorensen-Bakker"),
        (MARRIED, "V. SØRENSEN\u2013BAKKER"),
        (MARRIED, "Ve\u0301ronique Sørensen\u2011Bakker"),
        (PersonName(given="Theo", initials="Th.M.", family="Smit"), "Th.M. Smit"),
        (PersonName(given="Jan", particle="de", family="de Wit"), "Wit, Jan de"),
        (PersonName(full="Jan v.d. Wal"), "Wal, Jan van der"),
        (PersonName(given="Jan", particle="de", family="Heer"), "Jan de Heer"),
        (PersonName(given="Jan", particle="de", family="Heer"), "mevr. de Heer"),
    ],
)
def test_a_name_is_found_as_people_write_it(name: PersonName, written: str) -> None:
    """Particles shortened or taken for one another, a form of address within, accents as they come."""
    made = people.forms(name, KEYS.entity_digest).values()
    held = People()
    for form in made:
        held.add("acme", form)
    assert found(held, f"ticket of {written}: printer") == [written.rstrip(".")]
    assert held.alias("acme", E.PERSON, written, KEYS.entity_digest) == next(iter(made)).alias


@pytest.mark.parametrize(
    "written",
    [
        "06-12345678",
        "+31 6 12 34 56 78",
        "0031612345678",
        "(06) 1234 5678",
        "06\u201312345678",
        "(+31) 6 12345678",
        "0031 (0)6 12345678",
    ],
)
@pytest.mark.parametrize(
    "around", ["call {} back", "{} / 020-1234567", "020-7654321 {}", "2026-01-05 {} 2 x", "T.{}", "a 1 {}"]
)
def test_a_phone_number_is_found_however_it_is_written(held: People, written: str, around: str) -> None:
    """In text, also beside other numbers."""
    assert found(held, around.format(written)) == [written]


@pytest.mark.parametrize(
    "text",
    [
        "de vries in Jan",
        "Jan. The printer of de Boer",
        "jan\n\n\n\n\n\nde vries",
        "10.20.30.40",
        "06-12345679",
        "Jansen de Vriesland",
        "0612345678901234567",
        "01-02-03-04-05",
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


@pytest.mark.parametrize(
    ("address", "text", "written"),
    [
        ("J.deVries@acme.nl", "mail j.devries@ACME.nl.", "j.devries@ACME.nl"),
        ("jan@intranet", "user=jan@intranet;", "jan@intranet"),
        ("o'brien@acme.nl", "'o'brien@acme.nl'", "o'brien@acme.nl"),
        ("jörg@müller.example", "<jörg@müller.example>", "jörg@müller.example"),
        ("jan@acme.nl", "/mail?to=jan%40acme.nl&x=1", "jan%40acme.nl"),
        ("jan&co@acme.nl", "from jan&co@acme.nl", "jan&co@acme.nl"),
        ("jan@acme.nl", "piet@acme.nl jan@acme.nl.example x@ @ @jan", None),
    ],
)
def test_an_address_is_found_though_no_rule_takes_it_for_one(address: str, text: str, written: str | None) -> None:
    """The whole of it, in any case, and nothing else."""
    held = People()
    held.add("acme", people.mail(address.lower(), KEYS.entity_digest))
    assert found(held, text) == ([] if written is None else [written])
    held.discard("acme", held.of("acme")[0].digest)
    assert found(held, text) == []


def test_an_address_has_one_pseudonym_however_it_is_written() -> None:
    """Also within a URL."""
    acme = Pseudonymiser(KEYS)
    assert acme.replace(E.EMAIL_ADDRESS, "jan%40acme.nl") == acme.replace(E.EMAIL_ADDRESS, "Jan@acme.nl")


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
