"""A person's name and phone number in the forms in which people write them.

A form of a name is its words in lower case and without accents, with one space between, whatever stood between
them: `J. de Vries` and `j de vries` are one. `people.py` finds such forms in text.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator

import msgspec
import phonenumbers

_WORD = re.compile(r"[^\W_]+")
# What stands in front of a surname and is often left out or put behind it (Dutch, and the neighbours').
PARTICLES = frozenset(
    "aan af al bij d da dal de del della den der des di do dos du el het in la las le los o onder op over s t te ten "
    "ter thoe tot uit uyt van vande vanden vander vd ver vom von voor zu zum zur".split()
)
# Particles that people write in several ways and take for one another: `van der`, `van den`, `v.d.`, `vd`; `'t`, `het`.
SECOND = frozenset("d de den der het t".split())
ONE_PARTICLE = {
    **dict.fromkeys((f"{van} {de}" for van in ("v", "van") for de in ("d", "de", "den", "der")), "van de"),
    **dict.fromkeys((f"{van} {het}" for van in ("v", "van") for het in ("het", "t")), "van het"),
    **dict.fromkeys(("in het", "in t"), "in het"),
    **dict.fromkeys(("vd", "vande", "vanden", "vander"), "van de"),
}
# Forms of address and titles, as they precede a surname. In a form they all are `ADDRESS`, which is no word.
ADDRESSES = frozenset(
    "dhr fam familie heer meneer mijnheer mevr mevrouw mw mej mr mrs ms miss mister dr drs ir ing prof madame monsieur "
    "herr frau".split()
)
ADDRESS = "&"
_INITIALS = ("chr", "ch", "ij", "ph", "th")  # what begins a given name and is its initial: `Th. Bakker`
# Letters that have no accent that could be left out, and what is written without.
_PLAIN = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "ı": "i", "æ": "ae", "œ": "oe"})
COUNTRY = "NL"  # of phone numbers that are written without a country
_CODE = phonenumbers.country_code_for_region(COUNTRY)
_NO_DIGIT = re.compile(r"\D")


class PersonName(msgspec.Struct, frozen=True):
    """A name in parts, as far as they are known; `full` as it is written."""

    full: str | None = None
    given: str | None = None
    initials: str | None = None
    particle: str | None = None
    family: str | None = None

    def __repr__(self) -> str:
        """Nothing of the name."""
        return "PersonName()"


def canonical(name: PersonName) -> str:
    """The one form that stands for all of a person's: given name (else initials), particle, surname."""
    given, initials, particle, family = _parts(name)
    return " ".join([*(given or initials), *particle, *family])


def forms(name: PersonName) -> list[str]:
    """Every form in which the name may be written, of two words at least, each once; none without a surname."""
    given, initials, particle, family = _parts(name)
    if not family:
        return []
    surnames = _distinct([(*particle, *family), family, ("".join(particle) + family[0], *family[1:])])
    fore = _distinct([*_fore_names(given, initials), *_long_initials(name.initials, given)])
    found = [(*first, *last) for first in fore for last in surnames]
    found += [(*last, *first) for first in fore for last in surnames]
    found += [(*family, *first, *particle) for first in fore if particle]
    found += [(ADDRESS, *last) for last in surnames]
    return list(dict.fromkeys(" ".join(words) for words in found if len(words) > 1))


def phone(text: str) -> str | None:
    """A phone number as E.164 (`+31612345678`); a Dutch one if no country is written; None if it is none."""
    try:
        number = phonenumbers.parse(text.replace("(0)", ""), COUNTRY)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def dialled(text: str) -> str:
    """The same of a number with its area (`06…`) or after `00`, as one dials it; quick, and takes it for possible."""
    digits = _NO_DIGIT.sub("", text.replace("(0)", ""))
    return f"+{digits[2:]}" if digits.startswith("00") else f"+{_CODE}{digits[1:]}"


def _parts(name: PersonName) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """(given names, initials, particles, surname) as words; what is missing is taken from the full name."""
    given, particle, family = (tuple(_words(part)) for part in (name.given, name.particle, name.family))
    initials = tuple("".join(_plain_words(name.initials)))
    if name.full and not (family and (given or initials)):
        read_given, read_particle, read_family = _read(name.full)
        given, particle, family = given or read_given, particle or read_particle, family or read_family
    if count := _leading_particles(family):  # `family: "de Vries"`, with `particle: "de"` or without
        leading, family = family[:count], family[count:]
        particle = particle if particle[-count:] == leading else (*particle, *leading)
    return given, initials or tuple(word[0] for word in given), particle, family


def _read(full: str) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """(given, particles, surname) of a name as written: `Jan de Vries`, `Vries, Jan de`, `de Vries, J.`."""
    before, comma, behind = full.partition(",")
    if comma:
        last, first = _words(before), _words(behind)
        count = _leading_particles(last)
        trailing = len(first)
        while trailing > 1 and first[trailing - 1] in PARTICLES:
            trailing -= 1
        particle = (*last[:count], *first[trailing:])
        return tuple(first[:trailing]), particle, tuple(last[count:])
    words = _words(full)
    while len(words) > 2 and words[0] in ADDRESSES:
        words = words[1:]
    if len(words) < 2:
        return (), (), tuple(words)
    inner = next((index for index in range(1, len(words) - 1) if words[index] in PARTICLES), len(words) - 1)
    count = inner + _leading_particles(words[inner:])
    return tuple(words[:inner]), tuple(words[inner:count]), tuple(words[count:])


def _fore_names(given: tuple[str, ...], initials: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    yield from _distinct([given, given[:1], ("".join(given),), initials, initials[:1], ("".join(initials),)])
    if len(given) > 1:  # `Jan W. de Vries`
        yield (given[0], *(word[0] for word in given[1:]))


def _leading_particles(words: Iterable[str]) -> int:
    """How many words at the start are particles; at least one word is the surname."""
    words = list(words)
    count = 0
    while count < len(words) - 1 and words[count] in PARTICLES:
        count += 1
    return count


def _long_initials(initials: str | None, given: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Initials of several letters: as they are written (`Th.M.`), and what a given name is shortened to (`Th.`)."""
    written = tuple(_plain_words(initials))
    yield from (written, written[:1])
    yield from ((each,) for each in _INITIALS if given and given[0].startswith(each))


def _words(text: str | None) -> list[str]:
    """With `v.` before another particle as `van`."""
    words = _plain_words(text)
    return [
        "van" if word == "v" and not SECOND.isdisjoint(words[index + 1 : index + 2]) else word
        for index, word in enumerate(words)
    ]


def _plain_words(text: str | None) -> list[str]:
    return _WORD.findall(folded((text or "").casefold()))


def _distinct(forms: Iterable[tuple[str, ...]]) -> list[tuple[str, ...]]:
    return [each for each in dict.fromkeys(forms) if each and all(each)]


def folded(text: str) -> str:
    """Without accents and ligatures, in lower case: `jose` for `josé`."""
    if text.isascii():
        return text
    plain = "".join(letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))
    return plain.translate(_PLAIN)
