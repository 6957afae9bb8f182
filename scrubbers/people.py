"""Persons, phone numbers and e-mail addresses of a tenant's contacts, found in text by keyed digests alone.

A contact's name is looked for in every form in which it may be written (`persons.py`). Each form is held as a digest
under the tenant's index key, whether the contact is current or was erased: so a forgotten name is still
recognised, and nobody can read who it was (a suppression entry).
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import msgspec

from scrubbers import persons, rules
from scrubbers.entities import EntityType, Finding

RULE = "contact"
Digest = Callable[[EntityType, str], str]  # `TenantKeys.entity_digest`

_WORD = re.compile(r"[^\W_](?:[^\W_]|[\u0300-\u036f])*")  # an accent may be a character of its own
# What may stand between the words of one name: `de Vries, J.P.`, `Jan\u00a0de Vries`, `Smit-Bakker`, `v/d`, `jan_smit`.
_BETWEEN = re.compile(r"[\s.,'‘’`´()/_\u2010-\u2015-]{0,4}")
_SKIPPED = 2  # forms of address that may stand within a name: `de Vries, mevr. dr. A.`
# Groups of digits that may be phone numbers, one or several: `020-1234567 / 06-12345678`.
_DIGITS = re.compile(r"[+(]{0,2}\d[\d\s().+\-/\u2010-\u2015]*+")
_GROUP = re.compile(r"[+(]{0,2}(\d+)")
_FEWEST_DIGITS, _MOST_DIGITS = 9, 15  # of a phone number with its area, and of any (E.164)
_LONGEST_NUMBER = 28  # characters, however it is written
# Around the `@` of an e-mail address, also of one that no rule takes for one: `jan@intranet`, `o'brien@acme.nl`.
_AT = re.compile(r"@|%40")
_NO_USER = re.compile(r"[\s<>()\[\],;:\"\\@]")
_USER_BEGINS = re.compile(r"(?:\A|[^\w.+-])(?=.)")
_HOST = re.compile(r"\w[\w.-]{0,252}")
_LONGEST_USER = 64
_FIRST = 16  # hexadecimal digits of a first word's digest: enough to say that a name may begin here
_REMEMBERED = 50_000  # words of a tenant that were looked at: text repeats itself


_Word = tuple[str, int, int]  # as forms have it, and where it stands


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
        self.others: Counter[EntityType] = Counter()  # forms that are no names
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
        if form.type is not EntityType.PERSON:
            held.others[form.type] += 1
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
        if form.type is not EntityType.PERSON:
            held.others[form.type] -= 1
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
        if kind is EntityType.PHONE_NUMBER:
            plain = persons.phone(surface)
            spelled = [plain] if plain else []
        else:
            spelled = [" ".join(words) for words in _spellings([word for word, _, _ in _words(surface)])]
        found = (held.forms.get(digest(kind, each)) for each in spelled)
        return next((form.alias for form in found if form is not None), None)

    def find(self, tenant: str, text: str, digest: Digest) -> list[Finding]:
        """Every form of a contact in the text; of several that begin at one place the longest."""
        held = self._tenants.get(tenant)
        if held is None or not held.forms:
            return []
        found = list(_names(held, text, digest)) if held.first else []
        if held.others[EntityType.PHONE_NUMBER]:
            found += _phones(held, text, digest)
        if held.others[EntityType.EMAIL_ADDRESS]:
            found += _mails(held, text, digest)
        return found

    def __len__(self) -> int:
        return sum(len(held.forms) for held in self._tenants.values())


def forms(name: persons.PersonName, digest: Digest) -> dict[str, Form]:
    """The forms of a name, by their text."""
    alias = digest(EntityType.PERSON, f"person\0{persons.canonical(name)}")
    made = {}
    for text in persons.forms(name):
        words = _form_words(text)
        first = first_word(words[0], digest)
        made[text] = Form(EntityType.PERSON, digest(EntityType.PERSON, " ".join(words)), alias, len(words), first)
    return made


def phone(number: str, digest: Digest) -> Form | None:
    """A phone number's form; None if it is none."""
    plain = persons.phone(number)
    if plain is None:
        return None
    return Form(EntityType.PHONE_NUMBER, digest(EntityType.PHONE_NUMBER, plain), digest(EntityType.PHONE_NUMBER, plain))


def mail(address: str, digest: Digest) -> Form:
    """An e-mail address's form."""
    key = digest(EntityType.EMAIL_ADDRESS, address)
    return Form(EntityType.EMAIL_ADDRESS, key, key)


def first_word(word: str, digest: Digest) -> str:
    """The digest by which a form's first word is looked for."""
    return digest(EntityType.PERSON, f"first\0{word}")[:_FIRST]


def _names(held: _Tenant, text: str, digest: Digest) -> Iterator[Finding]:
    words = _words(text)
    index = 0
    while index < len(words):
        count = _length_at(held, words, index, text, digest) if _begins(held, words[index][0], digest) else 0
        if count and _is_written_as_name(words[index : index + count], text):
            yield Finding(words[index][1], words[index + count - 1][2], EntityType.PERSON, 1.0, RULE)
        index += max(1, count)


def _is_written_as_name(words: Sequence[_Word], text: str) -> bool:
    """Whether a form may stand there: one of ordinary words only (`I may`, `a post`, `mark post`) needs more than them.

    Initials need their dots or a comma, names their capitals; whoever is called `I. May` must not shred English.
    """
    ordinary = rules.load().learning.never
    if any(len(word) > 1 and word not in ordinary and word not in persons.PARTICLES for word, _, _ in words):
        return True
    initials = [end for word, _, end in words if len(word) == 1]
    if not initials:
        return all(text[start].isupper() for word, start, _ in words if word not in persons.PARTICLES)
    return "," in text[words[0][1] : words[-1][2]] or all(text[end : end + 1] == "." for end in initials)


def _length_at(held: _Tenant, words: Sequence[_Word], index: int, text: str, digest: Digest) -> int:
    """How many words the longest form has that begins at a word; 0 if none does."""
    run = _one_name(words[index : index + max(held.lengths, default=0) + _SKIPPED], text)
    for count in range(len(run), 0, -1):
        for spelled in _spellings([word for word, _, _ in run[:count]]):
            if len(spelled) in held.lengths and digest(EntityType.PERSON, " ".join(spelled)) in held.forms:
                return count
    return 0


def _spellings(words: Sequence[str]) -> Iterator[Sequence[str]]:
    """How forms may spell a run of words: as it stands, and with forms of address told as such or left out.

    A word such as `heer` may be a surname as well.
    """
    yield words
    if persons.ADDRESSES.isdisjoint(words):
        return
    without = [word for word in words[1:] if word not in persons.ADDRESSES]
    yield [words[0], *without]
    if words[0] in persons.ADDRESSES:
        yield [persons.ADDRESS, *words[1:]]
        yield [persons.ADDRESS, *without]


def _begins(held: _Tenant, word: str, digest: Digest) -> bool:
    known = held.looked.get(word)
    if known is None:
        known = first_word(word, digest) in held.first or (
            word in persons.ADDRESSES and first_word(persons.ADDRESS, digest) in held.first
        )
        if len(held.looked) >= _REMEMBERED:
            held.looked = {}
        held.looked[word] = known
    return known


def _one_name(words: Sequence[_Word], text: str) -> Sequence[_Word]:
    """The words up to where one name must end, for what stands behind it."""
    for index, ((_, _, end), (_, start, _)) in enumerate(pairwise(words), 1):
        if not _BETWEEN.fullmatch(text, end, start):
            return words[:index]
    return words


def _phones(held: _Tenant, text: str, digest: Digest) -> Iterator[Finding]:
    for run in _DIGITS.finditer(text):
        groups = list(_GROUP.finditer(text, *run.span()))
        end = 0
        for index, group in enumerate(groups):
            begin, start = group.start(), group.start(1)
            whole = index == 0 or "+" in text[begin:start]
            if begin < end or not (whole or _may_begin(text, start)):
                continue
            read = persons.phone if whole else persons.dialled
            end = _phone_at(held, text, groups[index : index + _MOST_DIGITS], read, digest)
            if end:
                outside = text[begin] == "(" and ")" not in text[begin:end]  # `(06-12345678, at work)`
                yield Finding(begin + outside, end, EntityType.PHONE_NUMBER, 1.0, RULE)


def _may_begin(text: str, start: int) -> bool:
    """Whether digits within others may begin a number: with an area, or with a country after `00`."""
    return text[start] == "0" and text[start + 1 : start + 2].isdigit() and text[start : start + 3] != "000"


def _phone_at(
    held: _Tenant,
    text: str,
    groups: Sequence[re.Match[str]],
    read: Callable[[str], str | None],
    digest: Digest,
) -> int:
    """Where the longest of the tenant's numbers ends that begins with the first group; 0 if none does."""
    begin, digits, ends = groups[0].start(), 0, []
    for group in groups:
        digits += len(group[1])
        if digits > _MOST_DIGITS + len("00") or group.end() - begin > _LONGEST_NUMBER:
            break
        if group is not groups[0] and "+" in group[0]:  # the next number
            break
        if digits >= _FEWEST_DIGITS:
            ends.append(group.end())
    for end in reversed(ends):
        plain = read(text[begin:end])
        if plain is not None and digest(EntityType.PHONE_NUMBER, plain) in held.forms:
            return end
    return 0


def _mails(held: _Tenant, text: str, digest: Digest) -> Iterator[Finding]:
    for at in _AT.finditer(text):
        user = _NO_USER.split(text[max(0, at.start() - _LONGEST_USER) : at.start()])[-1]
        match = _HOST.match(text, at.end())
        host = match.group().rstrip(".-") if match else ""
        for begins in _USER_BEGINS.finditer(user) if host else ():
            plain = f"{user[begins.end() :]}@{host}".lower()
            if digest(EntityType.EMAIL_ADDRESS, plain) in held.forms:
                start = at.start() - len(user) + begins.end()
                yield Finding(start, at.end() + len(host), EntityType.EMAIL_ADDRESS, 1.0, RULE)
                break


def _form_words(text: str) -> list[str]:
    """A form's words as `_words` reads them in text; a form of address stands at its beginning."""
    address, _, rest = text.rpartition(f"{persons.ADDRESS} ")
    return [*([persons.ADDRESS] if address or text != rest else []), *(word for word, _, _ in _words(rest))]


def _words(text: str) -> list[_Word]:
    """Words, with particles that stand for one another as one: `v.d.`, `van den`, `vd`."""
    found: list[_Word] = []
    for match in _WORD.finditer(text):
        word, (start, end) = persons.folded(match.group().casefold()), match.span()
        if word in persons.SECOND and found and _BETWEEN.fullmatch(text, found[-1][2], start):
            before, began, _ = found[-1]
            if (particle := persons.ONE_PARTICLE.get(f"{before} {word}")) is not None:
                found[-1] = (particle, began, end)
                continue
        found.append((persons.ONE_PARTICLE.get(word, word), start, end))
    return found
