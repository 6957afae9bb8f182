"""Names and phone numbers in the forms in which people write them."""

import pytest

from scrubbers.persons import PersonName, canonical, forms, phone

JAN = PersonName(given="Jan", particle="de", family="Vries")


@pytest.mark.parametrize(
    "form",
    [
        "jan de vries",
        "j de vries",
        "de vries jan",
        "vries jan de",
        "vries j de",
        "jan vries",
        "& de vries",
        "jan devries",
    ],
)
def test_a_name_is_written_in_many_forms(form: str) -> None:
    """With and without the particle, surname first, initials, a form of address."""
    assert form in forms(JAN)


@pytest.mark.parametrize(
    "name",
    [
        PersonName(full="Jan de Vries"),
        PersonName(full="Vries, Jan de"),
        PersonName(full="de Vries, Jan"),
        PersonName(full="Dhr. Jan de Vries"),
        PersonName(given="JAN", family="De Vries"),
        PersonName(full="Jan de Vries", given="Jan", particle="de", family="Vries"),
    ],
)
def test_a_full_name_is_read_into_its_parts(name: PersonName) -> None:
    """The same forms, whoever wrote it down."""
    assert canonical(name) == "jan de vries"
    assert set(forms(name)) == set(forms(JAN))


def test_several_given_names_and_initials() -> None:
    """`J.W. van der Berg-Smit`."""
    found = forms(PersonName(given="José Willem", particle="van der", family="Berg-Smit"))
    assert {"jose willem van der berg smit", "jose van der berg smit", "j w van der berg smit", "jw berg smit"} <= set(
        found
    )


def test_initials_without_a_given_name() -> None:
    """As a contract has them."""
    assert {"a b van t hoff", "ab van t hoff", "van t hoff a"} <= set(
        forms(PersonName(initials="A.B.", family="van 't Hoff"))
    )


@pytest.mark.parametrize("name", [PersonName(), PersonName(given="Jan"), PersonName(full="")])
def test_without_a_surname_there_is_nothing_to_look_for(name: PersonName) -> None:
    """A given name alone is many people's."""
    assert forms(name) == []


def test_no_form_is_one_word() -> None:
    """It would be found all over the place."""
    assert [form for form in forms(JAN) if " " not in form] == []


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("06-12345678", "+31612345678"),
        ("+31 6 1234 5678", "+31612345678"),
        ("0031 (0)6 12345678", "+31612345678"),
        ("+31 (0)20-123 45 67", "+31201234567"),
        ("+49 30 901820", "+4930901820"),
        ("12", None),
        ("no number", None),
    ],
)
def test_a_phone_number_is_one_however_it_is_written(written: str, number: str | None) -> None:
    """Dutch if no country is given."""
    assert phone(written) == number


def test_nothing_of_a_name_is_in_its_repr() -> None:
    """A repr may end up in a log."""
    assert "Jan" not in repr(JAN)
