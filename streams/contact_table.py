"""The contact-state topic as a table: contacts and contracts by key, and where to look first."""

import msgspec

from schemas.errors import UNDECODABLE
from streams.states import ContactState, ContractState


class ContactTable:
    """Decoded rows of the contact-state topic; a row that does not decode is counted and left out.

    Read from another thread than the one that applies: every look is at a copy.
    """

    def __init__(self) -> None:
        self._contact = msgspec.json.Decoder(ContactState)
        self._contract = msgspec.json.Decoder(ContractState)
        self._contacts: dict[str, ContactState] = {}
        self._contracts: dict[str, ContractState] = {}
        self._of_tenant: dict[str, dict[str, ContactState]] = {}
        self._waiting: dict[str, ContactState] = {}
        self.undecodable = 0

    def apply(self, key: bytes, value: bytes | None) -> None:
        """Take over one record of the topic; a null value is a tombstone."""
        name = key.decode("utf-8", "replace")
        tenant, _, contact_id = name.partition("|")
        try:
            if contact_id:
                self._keep(name, tenant, None if value is None else self._contact.decode(value))
            elif value is None:
                self._contracts.pop(tenant, None)
            else:
                self._contracts[tenant] = self._contract.decode(value)
        except UNDECODABLE:
            self.undecodable += 1

    def contact(self, key: str) -> ContactState | None:
        """What is held of a contact, by `tenant|contact_id`."""
        return self._contacts.get(key)

    def contract(self, tenant: str) -> ContractState | None:
        """What is held of a tenant's contract."""
        return self._contracts.get(tenant)

    def contacts_of(self, tenant: str) -> list[ContactState]:
        """All contacts of a tenant."""
        return list(self._of_tenant.get(tenant, {}).values())

    def contracts(self) -> list[ContractState]:
        """All contracts of which something is held."""
        return list(self._contracts.values())

    def waiting(self) -> list[ContactState]:
        """Contacts with held changes or remembered withdrawals."""
        return list(self._waiting.values())

    def __len__(self) -> int:
        return len(self._contacts)

    def _keep(self, key: str, tenant: str, state: ContactState | None) -> None:
        self._waiting.pop(key, None)
        if state is None:
            self._contacts.pop(key, None)
            self._of_tenant.get(tenant, {}).pop(key, None)
            return
        self._contacts[key] = state
        self._of_tenant.setdefault(tenant, {})[key] = state
        if state.held or state.withdrawn:
            self._waiting[key] = state
