"""The auditor: reads what the scrub lane wrote, and reports every identifier that is known now and still stands there.

A finding says where and of which type, never the value. Findings and offsets commit in one transaction, so each leak
is told once. The latest records are searched again when a tenant's names grow (`hindsight.py`).
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from zlib import crc32

import msgspec

from scrubbers import leaks
from scrubbers.compiled import CompiledRules
from scrubbers.contents import Part, Place
from scrubbers.entities import EntityType, Finding
from scrubbers.keyring import Keyring, KeyUnavailable
from scrubbers.leaks import Finder, How, Leak
from scrubbers.recognise import Recogniser
from scrubbers.records import QuarantineReason, Record
from scrubbers.rules import RuleSet
from streams.canary import TENANT, CanaryWatch
from streams.config import Settings
from streams.hindsight import Hindsight
from streams.lane import Answer
from streams.metrics import Metrics
from streams.tables import KnownTable
from streams.transactions import Output

log = logging.getLogger(__name__)
STAGE = "auditor"
KIND = ("kind", b"leak")  # other kinds of records are on the findings topic
LOOK_SECONDS = 0.2  # of one answer that go to records seen before: the lane shall not wait
LOOK_SHARE = 0.2  # of the time, at most, while names are learned all the time
_TENANTS = 200  # whose clean strings are remembered at once
_RULE_SETS = 4  # in use at once


class LeakFinding(msgspec.Struct, frozen=True, omit_defaults=True):
    """Value of a record on the findings topic (`schemas/finding.schema.json`)."""

    how: How
    topic: str
    partition: int
    offset: int
    timestamp: int
    found: str
    part: Part | None = None
    type: EntityType | None = None
    tenant: str | None = None
    header: str = ""
    pointer: str = ""
    inside: tuple[str, ...] = ()
    count: int = 1
    domain: str = ""
    rule_set: str = ""
    later: bool = False


class Knowledge(msgspec.Struct, frozen=True):
    """What the auditor goes by: known entities by tenant, with a version that changes when they do, and rule sets."""

    find: Callable[[str, str], Sequence[Finding]]
    version: Callable[[str], int]
    rules: Callable[[str], RuleSet]


def knowledge_of(known: KnownTable, keyring: Keyring, rules: Callable[[str], RuleSet]) -> Knowledge:
    """Names that were learned, and contacts by their forms; `rules` gives a tenant's rule set."""

    def find(tenant: str, text: str) -> Sequence[Finding]:
        found = known.known.find(tenant, text)
        try:
            digest = keyring.tenant(tenant).entity_digest
        except KeyUnavailable:
            return found
        return [*found, *known.people.find(tenant, text, digest)]

    def version(tenant: str) -> int:
        return known.known.version(tenant) + known.people.version_of(tenant)

    return Knowledge(find, version, rules)


class Auditor:
    """Answers batches of the scrubbed topic. Used from one thread at a time."""

    def __init__(self, settings: Settings, knowledge: Knowledge, canaries: CanaryWatch, metrics: Metrics) -> None:
        self.settings = settings
        self.metrics = metrics
        self._knowledge = knowledge
        self._canaries = canaries
        self._hindsight = Hindsight(settings.audit_hindsight, knowledge.version)
        self._known_of: dict[str, tuple[int, Callable[[str], Sequence[Finding]]]] = {}
        self._recognisers: dict[int, tuple[RuleSet, Recogniser]] = {}
        self._walk: Iterator[object] | None = None
        self._next_look = 0.0
        self._spent = 0.0
        # Found in records that were committed before: kept until they are told for certain.
        self._untold: dict[Output, EntityType] = {}

    def answer(self, records: Sequence[Record]) -> Answer:
        """Search a batch, then for a moment what was seen before; without records too (a tick)."""
        outputs: list[Output] = []
        searched: list[tuple[Record, str, int, list[Leak]]] = []
        for record in records:
            tenant = leaks.tenant_of(record)
            if not self._wanted(record, tenant):
                continue
            version = self._knowledge.version(tenant or "")
            found = leaks.search(record, self._finder(tenant), self.settings.tenant_path)
            outputs += [self._output(_finding(record, tenant, each)) for each in found]
            searched.append((record, tenant or "", version, found))
        self._look_back()
        untold = list(self._untold)
        outputs += untold
        outputs += self._canaries.due(time.time())

        def committed() -> None:
            for output in untold:
                self.metrics.leaks.labels(self._untold.pop(output), How.KNOWN).inc()
            for record, tenant, version, found in searched:
                self._count(record, tenant, found)
                self._hindsight.keep(record, tenant, version, set(found))
            self.metrics.outcomes.labels(STAGE, "skipped").inc(len(records) - len(searched))
            self._canaries.published()

        return Answer(outputs, committed)

    def refuse(self, record: Record, reason: QuarantineReason, stage: str, attempts: int) -> Output:  # noqa: ARG002
        """For a record that makes the auditor fail: it is scrubbed already, so it is told, not sealed."""
        self.metrics.leaks.labels("", How.UNSEARCHED).inc()
        return self._output(_finding(record, leaks.tenant_of(record), None))

    def _wanted(self, record: Record, tenant: str | None) -> bool:
        """Whether the record is in the share, which offsets decide; the canaries' records always are."""
        share = self.settings.audit_share
        if share >= 1.0 or tenant == TENANT:
            return True
        return crc32(b"%d %d" % (record.partition, record.offset)) < share * 2**32

    def _finder(self, tenant: str | None) -> Finder:
        canary = self._canaries.finder(tenant, time.time())
        if tenant is None:
            return canary
        rule_set, recogniser = self._rules(tenant)
        kept = frozenset(kind for kind, operator in rule_set.operators.items() if operator == "keep")
        form = leaks.form_finder(recogniser, kept)
        if tenant == TENANT:  # its names are known too, and a leak of one is told as a canary's
            return leaks.together(canary, form)
        known = leaks.known_finder(self._known(tenant), recogniser, kept)
        return leaks.together(canary, known, form)

    def _known(self, tenant: str) -> Callable[[str], Sequence[Finding]]:
        """Known entities in a text; what held none is not searched again until something is learned."""
        version = self._knowledge.version(tenant)
        known = self._known_of.get(tenant)
        if known is None or known[0] != version:
            if len(self._known_of) >= _TENANTS:
                self._known_of.clear()
            find = partial(self._knowledge.find, tenant)
            known = self._known_of[tenant] = (version, leaks.remembering(find))
        return known[1]

    def _rules(self, tenant: str) -> tuple[RuleSet, Recogniser]:
        """The tenant's rule set, compiled for this thread: the scrub lane's own must not be used by two."""
        rule_set = self._knowledge.rules(tenant)
        known = self._recognisers.get(id(rule_set))
        if known is None:
            if len(self._recognisers) >= _RULE_SETS:
                self._recognisers.clear()
            known = self._recognisers[id(rule_set)] = (rule_set, Recogniser(rule_set, CompiledRules(rule_set)))
        return known

    def _look_back(self) -> None:
        """Go on with the walk over earlier records, or begin one if names were learned."""
        started = time.monotonic()
        if self._walk is None:
            if started < self._next_look or not self._hindsight.grown():
                return
            self._walk, self._spent = self._searching(), 0.0
        while time.monotonic() - started < LOOK_SECONDS:
            if next(self._walk, None) is None:
                self._walk = None
                break
        now = time.monotonic()
        self._spent += now - started
        if self._walk is None:
            self._next_look = now + self._spent / LOOK_SHARE

    def _searching(self) -> Iterator[object]:
        for kept in self._hindsight.walk():
            found = leaks.search(kept.record, self._finder(kept.tenant), self.settings.tenant_path)
            for each in found:
                if each not in kept.told and each.how is How.KNOWN:
                    kept.told.add(each)
                    self._untold[self._output(_finding(kept.record, kept.tenant, each, later=True))] = each.type
            yield kept

    def _count(self, record: Record, tenant: str, found: Sequence[Leak]) -> None:
        for each in found:
            if each.how is How.CANARY:
                self.metrics.canary_leaks.inc()
            else:
                self.metrics.leaks.labels(each.type, each.how).inc()
        self.metrics.outcomes.labels(STAGE, "leak" if found else "clean").inc()
        if tenant == TENANT and not found:
            self._canaries.seen(record.timestamp / 1000)

    def _output(self, finding: LeakFinding) -> Output:
        key = finding.tenant.encode() if finding.tenant is not None else None
        return Output(self.settings.named.findings, key, msgspec.json.encode(finding), (KIND,))


def _finding(record: Record, tenant: str | None, leak: Leak | None, *, later: bool = False) -> LeakFinding:
    """What is told of a leak; None for a record that could not be searched."""
    headers = {name: value.decode("utf-8", "replace") for name, value in record.headers if value}
    place = Place(Part.VALUE) if leak is None else leak.place
    return LeakFinding(
        How.UNSEARCHED if leak is None else leak.how,
        record.topic,
        record.partition,
        record.offset,
        record.timestamp,
        datetime.now(UTC).isoformat(timespec="seconds"),
        None if leak is None else place.part,
        None if leak is None else leak.type,
        tenant,
        place.header,
        place.pointer,
        place.inside,
        1 if leak is None else leak.count,
        headers.get("scrub-domain", ""),
        headers.get("scrub-ruleset", ""),
        later,
    )
