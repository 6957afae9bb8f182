"""The contact agent: a batch of contact changes becomes revocations and new states.

What a change does is decided in `streams.lifecycle`; here are its batch, its tokens and its clock. States
are rows of a compacted topic, written in the same transaction as the tokens; the lane waits until the
table has followed before it reads the next batch, so a decision always sees the ones before it.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

import msgspec
import orjson
from kafka.partitioner.default import murmur2

from schemas.errors import UserError
from scrubbers.keyring import Keyring, KeyUnavailable
from scrubbers.records import QuarantineReason, Record, Refused
from streams import contact_entities
from streams import policy as policies
from streams.audit import Action, Detail
from streams.changes import Change, ChangeInvalid, parse_change
from streams.config import Settings
from streams.contact_table import ContactTable
from streams.lane import Answer
from streams.lifecycle import NOTHING, Lifecycle
from streams.metrics import Metrics
from streams.quarantine import entry, sealed
from streams.revocations import Revocation, Signer
from streams.rows import ContractRow
from streams.states import ContactState, ContractState, KeyWork, Outcome, Phase
from streams.tables import KnownTable, Rows
from streams.transactions import Output

log = logging.getLogger(__name__)
STAGE = "contacts"
KEY_RETRY_SECONDS = 1.0  # after the keyring could not be written
# Kafka closes a segment, so that it is compacted, when another record comes: in a quiet partition an erased value
# would stand for ever. So each of ours gets a tombstone of this key now and then.
CLOSING_KEY = b"-"
CLOSING_SECONDS = 3_600.0


def _nothing(*_: object) -> None:
    pass


class ContactLane:
    """Answers batches of the contact-changes topic; an empty batch is a tick of its clock.

    `on_keys` is called when this worker itself has shredded or added a tenant's keys, `record` before it does.
    """

    def __init__(
        self,
        settings: Settings,
        keyring: Keyring,
        contracts: Rows[ContractRow],
        metrics: Metrics,
        known: KnownTable,
        on_keys: Callable[[], None] = _nothing,
        record: Callable[[Action, str, Detail], object] = _nothing,
    ) -> None:
        self.settings = settings
        self.keyring = keyring
        self.contracts = contracts
        self.metrics = metrics
        self.known = known
        self.states = ContactTable()
        self.policy = policies.load(Path(settings.policy) if settings.policy else None)
        self._on_keys = on_keys
        self._on_record = record
        self._keys_after = 0.0
        self._closing_after = time.monotonic() + CLOSING_SECONDS
        self._assigned: frozenset[int] = frozenset()
        self._signer: Signer | None = None
        # Asked for every held change and every contract on each tick.
        self._partition = lru_cache(100_000)(self._partition_of)

    def owns(self, partitions: set[int]) -> None:
        """Which partitions' contacts this worker answers for: their held changes are its to release."""
        self._assigned = frozenset(partitions)

    def keys_changed(self) -> None:
        """Take up the signing key anew."""
        self._signer = None

    def answer(self, records: Sequence[Record]) -> Answer:
        """Apply changes in order; without records, what is due."""
        now = datetime.now(UTC)
        work = _Work(Lifecycle(self.states, self.contracts, self.policy, self._is_ours, now))
        for record in records:
            self._record(record, work)
        if not records:
            self._tick(work, int(now.timestamp()))
        outputs = [*work.outputs, *self._state_outputs(work)]

        def committed() -> None:
            self.metrics.outcomes.labels(STAGE, "applied").inc(work.changes)
            self.metrics.outcomes.labels(STAGE, "quarantined").inc(work.reasons.total())
            for event, number in work.events.items():
                self.metrics.revocations.labels(event).inc(number)
            for reason, number in work.reasons.items():
                self.metrics.quarantined.labels(STAGE, reason).inc(number)

        return Answer(outputs, committed)

    def _record(self, record: Record, work: "_Work") -> None:
        try:
            change = self._change(record)
        except ChangeInvalid as invalid:
            log.warning("contacts: %r: %s: %s", record, invalid.reason, invalid)
            violated = invalid.reason is QuarantineReason.SCHEMA_VIOLATION
            self._refuse(record, invalid.reason, work, invalid.pointer if violated else None)
            return
        except Refused as refused:
            self._refuse(record, refused.reason, work)
            return
        partition = self._partition(change.key)
        if record.partition != partition:
            work.outputs.append(self._sent_on(record, partition))
            return
        work.changes += 1
        self._write(work.lifecycle.apply(change), work, record.timestamp // 1000)

    def _sent_on(self, record: Record, partition: int) -> Output:
        """To the partition of its contact, where a sender with another partitioner or key did not put it.

        As it came: the worker that has that partition alone writes the contact's state.
        """
        topic = self.settings.named.contact_changes
        return Output(topic, record.key, record.value, record.headers, partition, record.timestamp)

    def _refuse(self, record: Record, reason: QuarantineReason, work: "_Work", pointer: str | None = None) -> None:
        work.reasons[reason] += 1
        why = msgspec.structs.replace(entry(record, reason, STAGE), pointer=pointer)
        work.outputs.append(sealed(record, why, self.settings.named.quarantine, self.keyring.quarantine_key()))

    def _change(self, record: Record) -> Change:
        value = record.value or b""
        if len(value) > self.settings.limits.record_bytes:
            raise Refused(QuarantineReason.TOO_LARGE, STAGE)
        change = parse_change(value, record.key)
        if self.contracts.get(change.tenant) is None:
            raise Refused(QuarantineReason.UNKNOWN_TENANT, STAGE)
        return change

    def _tick(self, work: "_Work", iat: int) -> None:
        for outcome in work.lifecycle.tick():
            self._write(outcome, work, iat)
        work.outputs += self._closing()
        if time.monotonic() < self._keys_after:
            return
        for contract in work.lifecycle.key_work():
            self._write(self._keys(contract, work.lifecycle), work, iat)

    def _closing(self) -> list[Output]:
        if time.monotonic() < self._closing_after:
            return []
        self._closing_after = time.monotonic() + CLOSING_SECONDS
        topics = (self.settings.named.contact_state, self.settings.named.known_entities)
        return [Output(topic, CLOSING_KEY, None, partition=each) for topic in topics for each in sorted(self._assigned)]

    def _keys(self, contract: ContractState, lifecycle: Lifecycle) -> Outcome:
        """Shred or add the tenant's keys, as a committed state wants it: a crash repeats it, which changes nothing."""
        try:
            if self.keyring.reload_if_changed():
                self._tell_keys_changed()
            there = contract.tenant in self.keyring.tenants()
            if contract.keys is KeyWork.SHRED and there:
                newest, _ = self.keyring.epochs(contract.tenant)[-1]
                if newest != contract.epoch:
                    return lifecycle.keys_named(contract, newest)
                self._on_record(Action.KEYS_SHRED, contract.tenant, {"epoch": newest, "why": "the contract has ended"})
                self.keyring.shred(contract.tenant, newest)
            if contract.keys is KeyWork.ADD and not there:
                self._on_record(Action.KEYS_INIT, contract.tenant, {"why": "the contract is resumed after its erasure"})
                self.keyring.add_tenant(contract.tenant)
        except (UserError, OSError) as problem:  # whose text names the file and no key
            log.error("contacts: %s keys is to be tried again: %s", contract.keys, type(problem).__name__)  # noqa: TRY400
            self.metrics.key_failures.labels(contract.keys).inc()
            self._keys_after = time.monotonic() + KEY_RETRY_SECONDS
            return NOTHING
        self._tell_keys_changed()
        return lifecycle.keys_done(contract)

    def _tell_keys_changed(self) -> None:
        self.keys_changed()
        self._on_keys()

    def _write(self, outcome: Outcome, work: "_Work", iat: int) -> None:
        """The outcome's row and tokens; states are written once, at the batch's end."""
        if outcome.withheld is not None:
            log.warning("contacts: the end of a contract did not address its whole tenant: %s", outcome.withheld)
            self.metrics.withheld.inc()
        if outcome.contract is not None:
            tenant = outcome.contract["tenant"].encode()
            work.outputs.append(Output(self.settings.named.contracts, tenant, orjson.dumps(outcome.contract)))
        work.outputs += [self._token(each, work, iat) for each in outcome.revocations]
        for state in outcome.states:
            if isinstance(state, ContactState):
                work.passed.setdefault(state.key, []).append(state)

    def _token(self, revocation: Revocation, work: "_Work", iat: int) -> Output:
        token = self._signing().token(revocation, iat)
        work.events[revocation.event.rpartition("/")[2]] += 1
        return Output(self.settings.named.revocations, token.key, token.value, token.headers)

    def _signing(self) -> Signer:
        if self._signer is None or self._signer.kid != self.keyring.signing_kid():
            settings = self.settings
            self._signer = Signer(self.keyring.signing_key(), settings.issuer, settings.portal_audience)
        return self._signer

    def _state_outputs(self, work: "_Work") -> Iterator[Output]:
        for key, state in work.lifecycle.changed.items():
            value = None if state is None else msgspec.json.encode(state)
            yield Output(self.settings.named.contact_state, key.encode(), value)
            if isinstance(state, ContractState):
                yield from self._forgotten(state)
            else:
                yield from self._entities(key, [self.states.contact(key), *work.passed.get(key, ()), state])

    def _entities(self, key: str, states: Sequence[ContactState | None]) -> Iterator[Output]:
        """What the contact's states, from the one before the batch to the last, make of its known entities."""
        try:
            keys = self.keyring.tenant(key.partition("|")[0])
        except KeyUnavailable:  # nothing of the tenant is scrubbed any more
            return
        for digest, value in contact_entities.records(states, keys):
            yield Output(self.settings.named.known_entities, digest.encode(), value)

    def _forgotten(self, contract: ContractState) -> Iterator[Output]:
        """With an erased contract goes everything that is known of the tenant, while there are keys to name it by."""
        if contract.phase is not Phase.ERASED or contract.keys is not KeyWork.SHRED:
            return
        topic, tenant = self.settings.named.known_entities, contract.tenant
        for digest in list(self.known.contacts(tenant)):
            yield Output(topic, digest.encode(), None)
        with suppress(KeyUnavailable):
            keys = self.keyring.tenant(tenant)
            for each in self.known.of(tenant):
                yield Output(topic, keys.entity_digest(each.type, each.value).encode(), None)

    def _is_ours(self, key: str) -> bool:
        return self._partition(key) in self._assigned

    def _partition_of(self, key: str) -> int:
        """The partition of the changes topic that a contact's key belongs to (murmur2, as Java's client)."""
        return int((murmur2(key.encode()) & 0x7FFFFFFF) % self.settings.partitions)


class _Work:
    """What a batch has done so far."""

    def __init__(self, lifecycle: Lifecycle) -> None:
        self.lifecycle = lifecycle
        self.outputs: list[Output] = []
        self.events: Counter[str] = Counter()
        self.reasons: Counter[QuarantineReason] = Counter()
        self.changes = 0
        self.passed: dict[str, list[ContactState]] = {}  # each contact's states, one after the other
