"""Contacts and contracts over a batch of changes, or a tick of the clock: what to write, in order. No Kafka.

A contact's state is written by one worker only, the one that has the contact's partition, and a contract's
likewise. So a contract's end or resumption changes the contract's own state; each contact follows where
its own changes are decided, in the same batch if that is here, else with the other worker's next tick.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Protocol

import msgspec

from streams import contacts, contracts
from streams.changes import CONTRACT_TYPES, Change
from streams.policy import Policy
from streams.rows import ContractRow, ContractStatus
from streams.states import ContactState, ContractState, KeyWork, Outcome, State, Status, Verdict

NOTHING = Outcome(Verdict.APPLIED, "nothing follows")


class Held(Protocol):
    """What is held at the batch's beginning (`streams.contact_table.ContactTable`)."""

    def contact(self, key: str) -> ContactState | None:
        """A contact by `tenant|contact_id`."""

    def contract(self, tenant: str) -> ContractState | None:
        """A tenant's contract."""

    def contacts_of(self, tenant: str) -> list[ContactState]:
        """All contacts of a tenant."""

    def contracts(self) -> list[ContractState]:
        """All contracts of which something is held."""

    def waiting(self) -> list[ContactState]:
        """Contacts with held changes or remembered withdrawals."""


class Rows(Protocol):
    """The contracts table."""

    def get(self, key: str) -> ContractRow | None:
        """A tenant's row."""

    def values(self) -> Iterator[ContractRow]:
        """All rows."""


class Lifecycle:
    """One batch: later changes of it see what earlier ones left. `owns` tells which states are ours to write."""

    def __init__(self, held: Held, rows: Rows, policy: Policy, owns: Callable[[str], bool], now: datetime) -> None:
        self.now = now
        self.changed: dict[str, State | None] = {}
        self._held = held
        self._rows = rows
        self._row_changed: dict[str, ContractRow] = {}
        self._policy = policy
        self._owns = owns

    def apply(self, change: Change) -> Outcome:
        """What a change does, with what follows for its contact or for the contacts of its contract."""
        if change.type in CONTRACT_TYPES or not change.contact_id:
            return self._contract_change(change)
        return self._contact_change(change)

    def tick(self) -> Iterator[Outcome]:
        """What is due without a record: rows of the contracts topic, held changes, grace periods, followers."""
        for row in self._rows.values():
            change = contracts.follow(row, self._contract(row.tenant), self.now)
            if change is not None and self._owns(change.key) and self._row(change.tenant) == row:
                yield self.apply(change)
        for contract in self._held.contracts():
            if self._owns(contract.key):
                yield from map(self.apply, contracts.due(contract, self.now))
                yield from self._graces(contract.tenant)
        for contact in self._held.waiting():
            if self._owns(contact.key):
                yield from map(self.apply, contacts.due(contact, self.now))
                yield from self._tidied(contact.key)
        for contract in self._held.contracts():
            yield self._followers(contract.tenant)

    def key_work(self) -> list[ContractState]:
        """Contracts of ours whose keys are to be shredded or added, as they were committed before this batch."""
        return [each for each in self._held.contracts() if each.keys is not KeyWork.NONE and self._owns(each.key)]

    def keys_named(self, contract: ContractState, epoch: str) -> Outcome:
        """The newest epoch of the keys that are to be shredded."""
        return self._on_keys(contract, lambda held: contracts.keys_named(held, epoch))

    def keys_done(self, contract: ContractState) -> Outcome:
        """The keys are as `key_work` wanted them."""
        return self._on_keys(contract, contracts.keys_done)

    def _on_keys(self, contract: ContractState, work: Callable[[ContractState], Outcome]) -> Outcome:
        """Unless this batch has changed what is wanted of the keys."""
        held = self._contract(contract.tenant)
        return NOTHING if held is None or held.keys is not contract.keys else self._take(work(held))

    def _contract_change(self, change: Change) -> Outcome:
        tenant = change.tenant
        known = sum(1 for each in self._contacts_of(tenant) if each.status is not Status.LEFT)
        outcome = contracts.decide(change, self._contract(tenant), self._row(tenant), known, self.now)
        return _joined(self._take(outcome), [], [self._followers(tenant)])

    def _contact_change(self, change: Change) -> Outcome:
        before = self._settled(change.key)
        row = self._row(change.tenant)
        ended = row is None or row.status is ContractStatus.ENDED
        held, contract = self._contact(change.key), self._contract(change.tenant)
        outcome = self._take(contacts.decide(change, held, contract, ended, self._policy, self.now))
        return _joined(outcome, [before], [self._settled(change.key)])

    def _followers(self, tenant: str) -> Outcome:
        """What the contract's standing makes of its contacts that are ours, by id."""
        contract = self._contract(tenant)
        found = [each for each in self._contacts_of(tenant) if contacts.is_behind(each, contract)]
        found.sort(key=lambda each: each.contact_id)
        return _joined(NOTHING, [], [self._settled(each.key) for each in found if self._owns(each.key)])

    def _settled(self, key: str) -> Outcome:
        state = self._contact(key)
        if state is None:
            return NOTHING
        outcome = contacts.settle(state, self._contract(state.tenant), self._policy, self.now)
        return self._take(outcome or NOTHING)

    def _graces(self, tenant: str) -> Iterator[Outcome]:
        contract = self._contract(tenant)
        if contract is not None and contracts.is_over(contract, self._row(tenant), self._policy, self.now):
            yield self._take(contracts.erased(contract))

    def _tidied(self, key: str) -> Iterator[Outcome]:
        state = self._contact(key)
        if state is not None and (outcome := contacts.tidied(state, self.now)):
            yield self._take(outcome)

    def _take(self, outcome: Outcome) -> Outcome:
        for state in outcome.states:
            self.changed[state.key] = state
        for key in outcome.gone:
            self.changed[key] = None
        if outcome.contract is not None:
            row = msgspec.convert(outcome.contract, ContractRow)
            self._row_changed[row.tenant] = row
        return outcome

    def _contact(self, key: str) -> ContactState | None:
        found = self.changed[key] if key in self.changed else self._held.contact(key)
        assert found is None or isinstance(found, ContactState), "a contact's key has a contact id"
        return found

    def _contract(self, tenant: str) -> ContractState | None:
        key = f"{tenant}|"
        found = self.changed[key] if key in self.changed else self._held.contract(tenant)
        assert found is None or isinstance(found, ContractState), "a contract's key has no contact id"
        return found

    def _row(self, tenant: str) -> ContractRow | None:
        return self._row_changed.get(tenant) or self._rows.get(tenant)

    def _contacts_of(self, tenant: str) -> list[ContactState]:
        merged: dict[str, State | None] = {each.key: each for each in self._held.contacts_of(tenant)}
        merged |= {key: state for key, state in self.changed.items() if key.partition("|")[0] == tenant}
        return [each for each in merged.values() if isinstance(each, ContactState)]


def _joined(outcome: Outcome, before: list[Outcome], after: list[Outcome]) -> Outcome:
    """The outcome, with what had to come before it and what follows from it."""
    every = [*before, outcome, *after]
    states: dict[str, State | None] = {}
    for each in every:
        states |= {state.key: state for state in each.states} | dict.fromkeys(each.gone)
    return msgspec.structs.replace(
        outcome,
        states=tuple(state for state in states.values() if state is not None),
        gone=tuple(key for key, state in states.items() if state is None),
        revocations=tuple(revocation for each in every for revocation in each.revocations),
    )
