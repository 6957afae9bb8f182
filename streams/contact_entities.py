"""What a contact's names, phone and e-mail are in the known-entities topic: found in telemetry while they are the
contact's, and after that by digest alone.

A value that a contact no longer has, changed or erased, leaves the topic: its row is replaced under the same key by a
suppression entry, which holds keyed digests only.
"""

from collections.abc import Iterator

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


def changes(before: Rows, after: Rows) -> Iterator[tuple[str, bytes]]:
    """The records, by key, that lead from one to the other."""
    for key, row in after.items():
        if before.get(key) != row:
            yield key, msgspec.json.encode(row)
    for key in before.keys() - after.keys():
        yield key, suppressed(before[key])


def suppressed(row: KnownRow) -> bytes:
    """A suppression entry in a row's place."""
    return msgspec.json.encode(msgspec.structs.replace(row, value=""))


def _row(tenant: str, form: Form, text: str) -> KnownRow:
    return KnownRow(tenant, form.type, text, form.alias, form.words, form.first, contact=True)


def _name(names: Names) -> persons.PersonName:
    return persons.PersonName(names.full, names.given, names.initials, names.particle, names.family)
