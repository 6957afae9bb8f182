"""Persons and phone numbers of a tenant's contacts, found in text by keyed digests alone.

A contact's name is looked for in every form in which it may be written (`persons.py`). Each form is held as a digest
under the tenant's index key, whether the contact is current or was erased: so a forgotten name is still
recognised, and nobody can read who it was (a suppression entry).
"""

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import msgspec

from scrubbers import persons
from scrubbers.entities import EntityType, Finding

RULE = "contact"
LONGEST_WORDS = 8
Digest = Callable[[EntityType, str], str]  # `TenantKeys.entity_digest`

_WORD = re.compile(r"[^\W_]+")
# What may stand between the words of one name: `de Vries, J.P.`, `Jan\u00a0de Vries`, `Smit-Bakker`.
_BETWEEN = re.compile(r"[\s.,'’`-]{0,4}")
_NUMBER = re.compile(r"(?<![\w.])\+?\(?\d[\d\s().\-/]{6,22}\d(?![\w.]*\d)")
_FEWEST_DIGITS, _MOST_DIGITS = 9, 15  # of a phone number with its area, and of any (E.164)
_FIRST = 16  # hexadecimal digits of a first word's digest: enough to say that a name may begin here
_REMEMBERED = 50_000  # words of a tenant that were looked at: text repeats itself


class Form(msgspec.Struct, frozen=True):
    """One written form, as digests; `alias` is the digest that all forms of one person share."""

    type: EntityType
    digest: str
    alias: str
    words: int = 0
    first: str = ""


class _Tenant:
    def __init__(self) -> None:
        self.forms: dict[str, Form] = {}
        self.first: dict[str, int] = {}  # digest of a first word → how many forms begin with it
        self.lengths: dict[int, int] = {}
        self.phones = 0
        self.looked: dict[str, bool] = {}  # word → whether a form begins with it
        self.version = 0


class People:
    """Forms by tenant. One writer; `version` changes with every change."""

    def __init__(self) -> None:
        self._tenants: dict[str, _Tenant] = {}
        self.version = 0

    def add(self, tenant: str, form: Form) -> None:
        """Take up a form; one of the same digest is replaced."""
        self.discard(tenant, form.digest)
        held = self._tenants.setdefault(tenant, _Tenant())
        held.forms[form.digest] = form
        if form.type is EntityType.PHONE_NUMBER:
            held.phones += 1
        else:
            held.first[form.first] = held.first.get(form.first, 0) + 1
            held.lengths[form.words] = held.lengths.get(form.words, 0) + 1
        held.looked = {}
        held.version += 1
        self.version += 1

    def discard(self, tenant: str, digest: str) -> None:
        """Forget a form."""
        held = self._tenants.get(tenant)
        form = held.forms.pop(digest, None) if held is not None else None
        if held is None or form is None:
            return
        if form.type is EntityType.PHONE_NUMBER:
            held.phones -= 1
        else:
            for counted, key in ((held.first, form.first), (held.lengths, form.words)):
                counted[key] -= 1  # type: ignore[index]
                if not counted[key]:  # type: ignore[index]
                    del counted[key]  # type: ignore[arg-type]
        held.looked = {}
        held.version += 1
        self.version += 1

    def version_of(self, tenant: str) -> int:
        """Changes with every change of the tenant's forms."""
        held = self._tenants.get(tenant)
        return held.version if held is not None else 0

    def of(self, tenant: str) -> list[Form]:
        """All forms of a tenant."""
        held = self._tenants.get(tenant)
        return list(held.forms.values()) if held is not None else []

    def alias(self, tenant: str, kind: EntityType, surface: str, digest: Digest) -> str | None:
        """What the token of a found text is taken of; None if it is none of ours."""
        held = self._tenants.get(tenant)
        if held is None:
            return None
        plain = persons.phone(surface) if kind is EntityType.PHONE_NUMBER else " ".join(_plain(surface))
        form = held.forms.get(digest(kind, plain)) if plain else None
        return form.alias if form is not None else None

    def find(self, tenant: str, text: str, digest: Digest) -> list[Finding]:
        """Every form of a contact in the text; of several that begin at one place the longest."""
        held = self._tenants.get(tenant)
        if held is None or not held.forms:
            return []
        found = list(_names(held, text, digest)) if held.first else []
        if held.phones:
            found += _phones(held, text, digest)
        return found

    def __len__(self) -> int:
        return sum(len(held.forms) for held in self._tenants.values())


def forms(name: persons.PersonName, digest: Digest) -> dict[str, Form]:
    """The forms of a name, by their text."""
    alias = digest(EntityType.PERSON, f"person\0{persons.canonical(name)}")
    made = {}
    for text in persons.forms(name):
        words = text.split(" ")
        first = first_word(words[0], digest)
        made[text] = Form(EntityType.PERSON, digest(EntityType.PERSON, text), alias, len(words), first)
    return made


def phone(number: str, digest: Digest) -> Form | None:
    """A phone number's form; None if it is none."""
    plain = persons.phone(number)
    if plain is None:
        return None
    return Form(EntityType.PHONE_NUMBER, digest(EntityType.PHONE_NUMBER, plain), digest(EntityType.PHONE_NUMBER, plain))


def first_word(word: str, digest: Digest) -> str:
    """The digest by which a form's first word is looked for."""
    return digest(EntityType.PERSON, f"first\0{word}")[:_FIRST]


def _names(held: _Tenant, text: str, digest: Digest) -> Iterator[Finding]:
    words = [(_word(match.group()), *match.span()) for match in _WORD.finditer(text)]
    lengths = sorted(held.lengths, reverse=True)
    index = 0
    while index < len(words):
        count = _length_at(held, words, index, lengths, text, digest) if _begins(held, words[index][0], digest) else 0
        if count:
            yield Finding(words[index][1], words[index + count - 1][2], EntityType.PERSON, 1.0, RULE)
        index += max(1, count)


def _length_at(
    held: _Tenant,
    words: Sequence[tuple[str, int, int]],
    index: int,
    lengths: Sequence[int],
    text: str,
    digest: Digest,
) -> int:
    """How many words the longest form has that begins at a word; 0 if none does."""
    for count in lengths:
        run = words[index : index + count]
        if len(run) < count or not _is_one_name(run, text):
            continue
        if digest(EntityType.PERSON, " ".join(word for word, _, _ in run)) in held.forms:
            return count
    return 0


def _begins(held: _Tenant, word: str, digest: Digest) -> bool:
    known = held.looked.get(word)
    if known is None:
        known = first_word(word, digest) in held.first
        if len(held.looked) >= _REMEMBERED:
            held.looked = {}
        held.looked[word] = known
    return known


def _is_one_name(run: Sequence[tuple[str, int, int]], text: str) -> bool:
    return all(_BETWEEN.fullmatch(text, end, start) for (_, _, end), (_, start, _) in pairwise(run))


def _phones(held: _Tenant, text: str, digest: Digest) -> Iterator[Finding]:
    for match in _NUMBER.finditer(text):
        number = match.group()
        digits = sum(letter.isdigit() for letter in number)
        plain = persons.phone(number) if _FEWEST_DIGITS <= digits <= _MOST_DIGITS else None
        if plain is not None and digest(EntityType.PHONE_NUMBER, plain) in held.forms:
            outside = number.startswith("(") and ")" not in number  # `(06-12345678, at work)`
            yield Finding(match.start() + outside, match.end(), EntityType.PHONE_NUMBER, 1.0, RULE)


def _plain(surface: str) -> list[str]:
    return [_word(each) for each in _WORD.findall(surface)]


def _word(text: str) -> str:
    word = persons.folded(text.casefold())
    return persons.ADDRESS if word in persons.ADDRESSES else word
