"""What a contact's names, phone and e-mail are in the known-entities topic: found in telemetry while they are the
contact's, and after that by digest alone.

A value that a contact no longer has, changed or erased, leaves the topic: its row is replaced under the same key by a
suppression entry, which holds keyed digests only.
"""

from collections.abc import Iterator, Sequence

import msgspec

from scrubbers import people, persons
from scrubbers.keyring import TenantKeys
from scrubbers.people import Form
from streams.changes import Names
from streams.states import ContactState
from streams.tables import KnownRow

Rows = dict[str, KnownRow]


def rows(state: ContactState | None, keys: TenantKeys) -> Rows:
    """The rows of what is held of a contact, by key."""
    if state is None:
        return {}
    digest = keys.entity_digest
    found: Rows = {}
    if state.names is not None:
        for text, form in people.forms(_name(state.names), digest).items():
            found[form.digest] = _row(state.tenant, form, text)
    if state.phone and (number := people.phone(state.phone, digest)) is not None:
        found[number.digest] = _row(state.tenant, number, persons.phone(state.phone) or "")
    if state.email:
        plain = state.email.strip().lower()
        address = people.mail(plain, digest)
        found[address.digest] = _row(state.tenant, address, plain)
    return found


def records(states: Sequence[ContactState | None], keys: TenantKeys) -> Iterator[tuple[str, bytes | None]]:
    """The records, by key, that lead from the first of a contact's states to the last.

    What only one between them had, is suppressed like what the first had: a name that came and went with one batch.
    """
    differing = [each for index, each in enumerate(states) if index == 0 or _values(each) != _values(states[index - 1])]
    if len(differing) < 2:
        return
    every = [rows(each, keys) for each in differing]
    before, after = every[0], every[-1]
    for key, row in after.items():
        if before.get(key) != row:
            yield key, msgspec.json.encode(row)
    gone = {key: row for found in every for key, row in found.items() if key not in after}
    for key, row in gone.items():
        yield key, suppressed(row)
        if (plain := keys.entity_digest(row.type, row.value)) != key:
            yield plain, None  # as an inventory has it that names the same person


def suppressed(row: KnownRow) -> bytes:
    """A suppression entry in a row's place."""
    return msgspec.json.encode(msgspec.structs.replace(row, value=""))


def _values(state: ContactState | None) -> tuple[object, ...]:
    return (None, None, None) if state is None else (state.names, state.phone, state.email)


def _row(tenant: str, form: Form, text: str) -> KnownRow:
    return KnownRow(tenant, form.type, text, form.alias, form.words, form.first, contact=True)


def _name(names: Names) -> persons.PersonName:
    return persons.PersonName(names.full, names.given, names.initials, names.particle, names.family)
