"""What a contact's names, phone and e-mail are in the known-entities topic: found in telemetry while they are the
contact's, and after that by digest alone.

A value that a contact no longer has, changed or erased, leaves the topic: its row is replaced under the same key by a
suppression entry, which holds keyed digests only. An e-mail address is found by its form, so its row just goes.
"""

from collections.abc import Iterator

import msgspec

from scrubbers import people, persons
from scrubbers.entities import EntityType
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
        key = digest(EntityType.EMAIL_ADDRESS, plain)
        found[key] = KnownRow(state.tenant, EntityType.EMAIL_ADDRESS, plain, contact=True)
    return found


def changes(before: Rows, after: Rows) -> Iterator[tuple[str, bytes | None]]:
    """The records, by key, that lead from one to the other."""
    for key, row in after.items():
        if before.get(key) != row:
            yield key, msgspec.json.encode(row)
    for key in before.keys() - after.keys():
        yield key, suppressed(before[key])


def suppressed(row: KnownRow) -> bytes | None:
    """A suppression entry in a row's place; a tombstone where none is needed."""
    if row.type is EntityType.EMAIL_ADDRESS:
        return None
    return msgspec.json.encode(msgspec.structs.replace(row, value=""))


def _row(tenant: str, form: Form, text: str) -> KnownRow:
    return KnownRow(tenant, form.type, text, form.alias, form.words, form.first, contact=True)


def _name(names: Names) -> persons.PersonName:
    return persons.PersonName(names.full, names.given, names.initials, names.particle, names.family)
