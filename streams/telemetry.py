"""The scrub agent: a batch of raw records becomes scrubbed, quarantined and learned ones."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import msgspec
import orjson

from scrubbers.collisions import Collisions
from scrubbers.entities import EntityType, Known
from scrubbers.keyring import Keyring, KeyUnavailable
from scrubbers.pseudonyms import Pseudonymiser
from scrubbers.recognise import Recogniser
from scrubbers.records import QuarantineReason, Record, Refused, Scrubbed
from scrubbers.rules import RuleSet
from scrubbers.scrub import Bounds, Reading, Scrubber
from streams.config import Settings
from streams.lane import Answer
from streams.live_rules import InUse, Running
from streams.metrics import Metrics
from streams.quarantine import entry, sealed
from streams.rows import ContractRow, ContractStatus
from streams.tables import Rows
from streams.transactions import Output

log = logging.getLogger(__name__)
STAGE = "scrub"
# A rule set that is being compiled gets the processor for so long: with events waiting it would take thrice its time,
# and more than the five seconds within which a published set is at work.
HOLD_SECONDS = 2.0


class Telemetry:
    """Answers batches of the raw topic. Used from one thread at a time."""

    def __init__(
        self,
        settings: Settings,
        keyring: Keyring,
        scrubber: Scrubber,
        contracts: Rows[ContractRow],
        metrics: Metrics,
        rules: InUse | None = None,
        after: Callable[[Sequence[Reading], float], None] | None = None,
    ) -> None:
        """`rules`: the scrubber's own if none. `after` hears what a committed batch read, and its seconds."""
        self.settings = settings
        self.keyring = keyring
        self.scrubber = scrubber
        self.contracts = contracts
        self.metrics = metrics
        self._after = after
        self._next = _Basis(rules or InUse(Running.of(scrubber.recogniser)), {})
        self._of_batch = self._next
        self._free = threading.Event()
        self._free.set()
        # Learned, but not yet committed to the topic: a transaction that aborts loses no name.
        self._unpublished: dict[tuple[str, Known], None] = {}
        self._collisions = Collisions(scrubber.known)

    def keys_changed(self) -> None:
        """Forget derived keys, so that a rotation or shredding counts from the next batch on.

        The batch in work keeps the ones it began with, and no longer: it stays in one key epoch.
        """
        self._next = _Basis(self._next.rules, {})

    def use(self, rules: InUse) -> None:
        """Scrub with these rule sets from the next batch on; the batch in work keeps those it began with."""
        self._next = _Basis(rules, {})

    def rules_of(self, tenant: str) -> RuleSet:
        """The rule set by which a tenant's next batch is scrubbed."""
        return self._next.rules.of(tenant).rules

    @contextmanager
    def holding(self) -> Iterator[None]:
        """Begin no batch for a moment (`HOLD_SECONDS` at most): what is done meanwhile needs the processor."""
        self._free.clear()
        try:
            yield
        finally:
            self._free.set()

    def answer(self, records: Sequence[Record]) -> Answer:
        """Scrub a batch: read all, learn, then write all, so that a name counts wherever it stands."""
        self._free.wait(HOLD_SECONDS)
        self._of_batch = self._next
        try:
            return self._answer(records)
        finally:
            self._of_batch = _Basis(self._next.rules, {})  # an idle worker keeps no keys that are changed

    def _answer(self, records: Sequence[Record]) -> Answer:
        tally, started = _Tally(), time.monotonic()
        read = [self._read(record) for record in records]
        for index, reading in enumerate(read):
            if isinstance(reading, Reading) and not self._learn(reading, tally):
                read[index] = Refused(QuarantineReason.RULE_FAILURE, "collision", reading.tenant)
        outputs = [self._write(record, reading, tally) for record, reading in zip(records, read, strict=True)]
        published = self._known_outputs()
        outputs += published.values()
        seconds = time.monotonic() - started

        def committed() -> None:
            for each in published:
                self._unpublished.pop(each, None)
            tally.count(self.metrics)
            if self._after is not None:
                self._after([each for each in read if isinstance(each, Reading)], seconds)

        return Answer(outputs, committed)

    def refuse(self, record: Record, reason: QuarantineReason, stage: str, attempts: int) -> Output:
        """The quarantine record for one that no agent could answer."""
        return self._sealed(record, Refused(reason, stage), attempts)

    def _read(self, record: Record) -> Reading | Refused:
        try:
            return self.scrubber.read(record, self._admit)
        except Refused as refused:
            return refused

    def _admit(self, tenant: str) -> Recogniser:
        contract = self.contracts.get(tenant)
        if contract is None:
            raise Refused(QuarantineReason.UNKNOWN_TENANT, "contract")
        if contract.status is ContractStatus.ENDED:
            raise Refused(QuarantineReason.CONTRACT_ENDED, "contract", tenant)
        self._pseudonymiser(tenant)
        return self._of_batch.rules.of(tenant).recogniser

    def _pseudonymiser(self, tenant: str) -> Pseudonymiser:
        basis = self._of_batch
        found = basis.pseudonymisers.get(tenant)
        if found is None:
            try:
                known = self.scrubber.known
                found = Pseudonymiser(
                    self.keyring.tenant(tenant),
                    basis.rules.of(tenant).rules.operators,
                    aliases=known.aliases(tenant),
                    people=self.scrubber.people,
                )
            except KeyUnavailable:
                raise Refused(QuarantineReason.KEY_UNAVAILABLE, "keyring", tenant) from None
            basis.pseudonymisers[tenant] = found
        return found

    def _learn(self, reading: Reading, tally: "_Tally") -> bool:
        """Whether no name that the record teaches has the token of another: that would merge the two."""
        tenant, known = reading.tenant, self.scrubber.known
        new = [each for each in reading.learned if known.add(tenant, each)]
        if not new:
            return True
        clashing = self._collisions.after(tenant, self._pseudonymiser(tenant))
        if clashing:
            self.metrics.collisions.inc(len(clashing))
            log.error("two names of a tenant have one pseudonym: what teaches the second goes to quarantine")
        for each in new:
            if each in clashing:
                known.discard(tenant, each)  # so that the next record that teaches it goes there, too
            else:
                self._unpublished[tenant, each] = None
                tally.learned[each.type] += 1
        return not any(each in clashing for each in new)

    def _write(self, record: Record, reading: Reading | Refused, tally: "_Tally") -> Output:
        try:
            if isinstance(reading, Refused):
                raise reading
            scrubbed = self.scrubber.write(reading, self._pseudonymiser(reading.tenant))
        except Refused as refused:
            tally.reasons[refused.reason] += 1
            return self._sealed(record, refused)
        tally.scrubbed += 1
        tally.findings.update(scrubbed.findings)
        return self._scrubbed_output(record, scrubbed)

    def _scrubbed_output(self, record: Record, scrubbed: Scrubbed) -> Output:
        # Without a key there is nothing to choose a partition by; its own one keeps the order it came in.
        partition = record.partition % self.settings.partitions if scrubbed.key is None else -1
        topic = self.settings.named.scrubbed
        return Output(topic, scrubbed.key, scrubbed.value, scrubbed.headers, partition, record.timestamp)

    def _sealed(self, record: Record, refused: Refused, attempts: int = 1) -> Output:
        tenant = refused.tenant if refused.tenant and self.contracts.get(refused.tenant) else None
        why = entry(record, refused.reason, refused.stage, attempts, tenant)
        return sealed(record, why, self.settings.named.quarantine, self.keyring.quarantine_key())

    def _known_outputs(self) -> dict[tuple[str, Known], Output]:
        """Rows of what was learned; of a tenant whose keys were shredded since, it is forgotten."""
        rows = {}
        for tenant, known in list(self._unpublished):
            try:
                rows[tenant, known] = self._known_output(tenant, known)
            except KeyUnavailable:
                del self._unpublished[tenant, known]
                self.scrubber.known.discard(tenant, known)
        return rows

    def _known_output(self, tenant: str, known: Known) -> Output:
        digest = self.keyring.tenant(tenant).entity_digest(known.type, known.value)
        row = {"tenant": tenant, "type": known.type, "value": known.value}
        alias = self.scrubber.known.aliases(tenant).of(known.value)
        value = orjson.dumps(row if alias == known.value else {**row, "alias": alias})
        return Output(self.settings.named.known_entities, digest.encode(), value)


class _Basis(msgspec.Struct, frozen=True):
    """What one batch is scrubbed by from its first record to its last."""

    rules: InUse
    pseudonymisers: dict[str, Pseudonymiser]


class _Tally:
    """What a batch will have counted once it is committed."""

    def __init__(self) -> None:
        self.scrubbed = 0
        self.reasons: Counter[QuarantineReason] = Counter()
        self.findings: Counter[EntityType] = Counter()
        self.learned: Counter[EntityType] = Counter()

    def count(self, metrics: Metrics) -> None:
        metrics.outcomes.labels(STAGE, "scrubbed").inc(self.scrubbed)
        metrics.outcomes.labels(STAGE, "quarantined").inc(self.reasons.total())
        for reason, number in self.reasons.items():
            metrics.quarantined.labels(STAGE, reason).inc(number)
        for kind, number in self.findings.items():
            metrics.findings.labels(kind).inc(number)
        for kind, number in self.learned.items():
            metrics.learned.labels(kind).inc(number)


def bounds(settings: Settings) -> Bounds:
    """What a record may be, by the settings."""
    return Bounds(settings.limits.record_bytes, settings.limits.depth, settings.tenant_path)
