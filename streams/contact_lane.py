"""The contact agent: a batch of contact changes becomes revocations and new contact states.

What a change does is decided in `streams.contacts`; here are its batch, its state and its clock. States
are rows of a compacted topic, written in the same transaction as the tokens; the lane waits until the
table has followed before it reads the next batch, so a decision always sees the ones before it.
"""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import orjson
from kafka.partitioner.default import murmur2

from scrubbers.keyring import Keyring
from scrubbers.records import QuarantineReason, Record, Refused
from streams import policy as policies
from streams.changes import Change, ChangeInvalid, parse_change
from streams.config import Settings
from streams.contacts import ContactState, Outcome, decide, due
from streams.lane import Answer
from streams.metrics import Metrics
from streams.quarantine import entry, sealed
from streams.revocations import Revocation, Signer
from streams.rows import ContractRow, ContractStatus
from streams.tables import Rows
from streams.transactions import Output

log = logging.getLogger(__name__)
STAGE = "contacts"


class ContactLane:
    """Answers batches of the contact-changes topic; an empty batch is a tick of its clock."""

    def __init__(self, settings: Settings, keyring: Keyring, contracts: Rows[ContractRow], metrics: Metrics) -> None:
        self.settings = settings
        self.keyring = keyring
        self.contracts = contracts
        self.metrics = metrics
        self.states = Rows(ContactState)
        self.policy = policies.load(Path(settings.policy) if settings.policy else None)
        self._assigned: frozenset[int] = frozenset()
        self._signer: Signer | None = None

    def owns(self, partitions: set[int]) -> None:
        """Which partitions' contacts this worker answers for: their held changes are its to release."""
        self._assigned = frozenset(partitions)

    def keys_changed(self) -> None:
        """Take up the signing key anew."""
        self._signer = None

    def answer(self, records: Sequence[Record]) -> Answer:
        """Apply changes in order; without records, those that have fallen due."""
        work = _Work(self.states)
        now = datetime.now(UTC)
        for record in records:
            self._record(record, work, now)
        if not records:
            for change in list(self._due(now)):
                self._apply(change, work, now, int(now.timestamp()))
        outputs = [*work.outputs, *self._state_outputs(work)]

        def committed() -> None:
            self.metrics.outcomes.labels(STAGE, "applied").inc(work.changes)
            self.metrics.outcomes.labels(STAGE, "quarantined").inc(work.reasons.total())
            for event, number in work.events.items():
                self.metrics.revocations.labels(event).inc(number)
            for reason, number in work.reasons.items():
                self.metrics.quarantined.labels(STAGE, reason).inc(number)

        return Answer(outputs, committed)

    def _record(self, record: Record, work: "_Work", now: datetime) -> None:
        try:
            change = self._change(record)
        except Refused as refused:
            work.reasons[refused.reason] += 1
            tenant = refused.tenant if refused.tenant and self.contracts.get(refused.tenant) else None
            why = entry(record, refused.reason, refused.stage, 1, tenant)
            work.outputs.append(sealed(record, why, self.settings.named.quarantine, self.keyring.quarantine_key()))
            return
        self._apply(change, work, now, record.timestamp // 1000)

    def _change(self, record: Record) -> Change:
        value = record.value or b""
        if len(value) > self.settings.limits.record_bytes:
            raise Refused(QuarantineReason.TOO_LARGE, STAGE)
        try:
            change = parse_change(value)
        except ChangeInvalid as invalid:
            log.warning("contacts: %r: %s: %s", record, invalid.reason, invalid)
            raise Refused(invalid.reason, STAGE) from None
        if self.contracts.get(change.tenant) is None:
            raise Refused(QuarantineReason.UNKNOWN_TENANT, STAGE)
        return change

    def _apply(self, change: Change, work: "_Work", now: datetime, iat: int) -> None:
        contract = self.contracts.get(change.tenant)
        ended = contract is None or contract.status is ContractStatus.ENDED or change.tenant in work.ended
        outcome: Outcome = decide(
            change, work.state(change.key), work.of_tenant(change.tenant), ended, self.policy, now
        )
        work.changes += 1
        for state in outcome.states:
            work.changed[state.key] = state
        if outcome.contract is not None:
            work.ended.add(change.tenant)
            topic = self.settings.named.contracts
            work.outputs.append(Output(topic, change.tenant.encode(), orjson.dumps(outcome.contract)))
        work.outputs += [self._token(each, work, iat) for each in outcome.revocations]

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
        for key, state in work.changed.items():
            yield Output(self.settings.named.contact_state, key.encode(), msgspec.json.encode(state))

    def _due(self, now: datetime) -> Iterator[Change]:
        """Held changes whose time has come, of contacts whose partition is ours."""
        for state in self.states.values():
            if state.held and self._partition(state.key) in self._assigned:
                yield from due(state, now)

    def _partition(self, key: str) -> int:
        """The partition of the changes topic that a contact's key belongs to (murmur2, as Java's client)."""
        return int((murmur2(key.encode()) & 0x7FFFFFFF) % self.settings.partitions)


class _Work:
    """What a batch has done so far: later changes of the batch see what earlier ones left."""

    def __init__(self, states: Rows[ContactState]) -> None:
        self._states = states
        self.changed: dict[str, ContactState] = {}
        self.ended: set[str] = set()
        self.outputs: list[Output] = []
        self.events: Counter[str] = Counter()
        self.reasons: Counter[QuarantineReason] = Counter()
        self.changes = 0

    def state(self, key: str) -> ContactState | None:
        return self.changed.get(key) or self._states.get(key)

    def of_tenant(self, tenant: str) -> Iterator[ContactState]:
        """Lazily: only the end of a contract reads it."""
        merged = {state.key: state for state in self._states.values() if state.tenant == tenant}
        merged |= {key: state for key, state in self.changed.items() if state.tenant == tenant}
        yield from merged.values()
