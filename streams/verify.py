"""Prove that listed identifiers are not in the scrubbed topic: every retained record is searched once for all of them.

Partitions are shared out to processes. What is found is told by place and by the identifier's line, never by value.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context

import msgspec

from scrubbers import leaks
from scrubbers.addresses import parse_ip, parse_mac
from scrubbers.contents import Content, Place
from scrubbers.entities import EntityType, Known
from scrubbers.identifiers import Identifiers
from scrubbers.keyring import Keyring, KeyUnavailable
from scrubbers.leaks import Finder, Hit, How
from scrubbers.pseudonyms import Pseudonymiser
from scrubbers.records import Record
from streams.config import Settings
from streams.inventory import Row
from streams.scan import Start, partitions_of, scan

MOST_TOLD = 10_000  # places; all are counted


class Sought(msgspec.Struct, frozen=True):
    """An identifier to look for: `line` is its own in its file, 0 for a known entity; no tenant means all."""

    line: int
    known: Known
    tenant: str | None = None

    def __repr__(self) -> str:
        """Which line, never what it says."""
        return f"Sought({self.line})"


class Found(msgspec.Struct, frozen=True, order=True):
    """A listed identifier in a scrubbed record."""

    line: int
    type: EntityType
    how: How
    partition: int
    offset: int
    tenant: str
    part: str
    header: str
    pointer: str
    inside: tuple[str, ...]
    count: int


class Verified(msgspec.Struct):
    """What was read and found. `ambiguous`: listed addresses that another listed address's pseudonym may be."""

    records: int = 0
    total: int = 0
    ambiguous: int = 0
    by_type: dict[str, int] = msgspec.field(default_factory=dict)
    found: list[Found] = msgspec.field(default_factory=list)

    def add(self, other: "Verified") -> None:
        """Take over what another process found."""
        self.records += other.records
        self.total += other.total
        self.ambiguous += other.ambiguous
        self.by_type = dict(Counter(self.by_type) + Counter(other.by_type))
        self.found = sorted([*self.found, *other.found])[:MOST_TOLD]


class Job(msgspec.Struct, frozen=True):
    """Everything a process needs: no client and no key is handed over, each opens its own."""

    settings: Settings
    sought: tuple[Sought, ...]
    start: Start = Start()
    tenant: str | None = None


def sought_in(rows: Sequence[Row], tenant: str | None) -> list[Sought]:
    """What to look for by the rows of a file; a row that says no type is what its form says."""
    return [Sought(row.line, Known(_kind(row), row.value), row.tenant or tenant) for row in rows]


def unsearchable(sought: Sequence[Sought]) -> list[int]:
    """The lines in which there is nothing that could be looked for."""
    return [each.line for each in sought if not Identifiers().add(each.line, each.known)]


def verify(job: Job, processes: int, keyring: Keyring | None, advance: Callable[[int], object] = int) -> Verified:
    """Search the scrubbed topic; `advance` hears how many more records are done.

    Raises:
        UserError: no Kafka answers, or there is no such topic.
    """
    partitions = partitions_of(job.settings, job.settings.named.scrubbed)
    whole = Verified()
    if processes == 1:
        for part in searched(job, partitions, keyring):
            whole.add(part)
            advance(part.records)
        return whole
    # Spawned: a librdkafka client does not survive a fork.
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn"), initializer=_adopt, initargs=(job,)) as pool:
        waiting = [pool.submit(_partition, partition) for partition in partitions]
        for done in as_completed(waiting):
            whole.add(done.result())
            advance(done.result().records)
    return whole


def searched(job: Job, partitions: Sequence[int], keyring: Keyring | None) -> Iterator[Verified]:
    """What each batch of records gave."""
    finders = _Finders(job, keyring)
    for records in scan(job.settings, job.settings.named.scrubbed, list(partitions), job.start):
        part = Verified()
        for record in records:
            _search(record, job, finders, part)
        part.ambiguous, finders.ambiguous = finders.ambiguous, 0
        yield part


def _search(record: Record, job: Job, finders: "_Finders", part: Verified) -> None:
    tenant = leaks.tenant_of(record)
    if job.tenant is not None and tenant not in (job.tenant, None):
        return
    part.records += 1
    for leak in leaks.search(record, finders.of(tenant, record), job.settings.tenant_path):
        part.total += leak.count
        part.by_type[leak.type] = part.by_type.get(leak.type, 0) + leak.count
        if len(part.found) < MOST_TOLD:
            part.found.append(_found(record, tenant, leak.place, leak))


def _found(record: Record, tenant: str | None, place: Place, leak: leaks.Leak) -> Found:
    return Found(
        leak.number,
        leak.type,
        leak.how,
        record.partition,
        record.offset,
        tenant or "",
        place.part,
        place.header,
        place.pointer,
        place.inside,
        leak.count,
    )


class _Finders:
    """By tenant: its own identifiers and everybody's. A record that names no tenant is held against all."""

    def __init__(self, job: Job, keyring: Keyring | None) -> None:
        self._keyring = keyring
        self._everybodys, self._all = Identifiers(), Identifiers()
        self._own: dict[str, Identifiers] = {}
        for each in job.sought:
            self._all.add(each.line, each.known)
            if each.tenant is None:
                self._everybodys.add(each.line, each.known)
            else:
                self._own.setdefault(each.tenant, Identifiers()).add(each.line, each.known)
        self._finders: dict[str | None, Finder] = {None: leaks.listed_finder(self._all)}
        self._general = leaks.listed_finder(self._everybodys)
        self._pseudonymisers: dict[str, Pseudonymiser | None] = {}
        self.ambiguous = 0

    def of(self, tenant: str | None, record: Record) -> Finder:
        finder = self._finders.get(tenant)
        if finder is None:
            own = self._own.get(tenant or "")
            finder = self._general
            if own is not None:
                finder = leaks.together(leaks.listed_finder(own), self._general)
            self._finders[tenant] = finder
        pseudonymiser = self._pseudonymiser(record) if self._keyring is not None else None
        return finder if pseudonymiser is None else self._told_apart(finder, tenant, pseudonymiser)

    def _told_apart(self, finder: Finder, tenant: str | None, pseudonymiser: Pseudonymiser) -> Finder:
        """Without addresses that are the pseudonym of another listed address: the keys say so."""

        def told(content: Content) -> Iterator[Hit]:
            for hit in finder(content):
                if hit.type is EntityType.IP_ADDRESS:
                    before = pseudonymiser.reverse_ip(content.text[hit.start : hit.end])
                    written = parse_ip(before) if before is not None else None
                    if written is not None and self._lists(tenant, written.packed):
                        self.ambiguous += 1
                        continue
                yield hit

        return told

    def _lists(self, tenant: str | None, packed: bytes) -> bool:
        own = self._own.get(tenant or "")
        return self._everybodys.has_address(packed) or (own is not None and own.has_address(packed))

    def _pseudonymiser(self, record: Record) -> Pseudonymiser | None:
        domain = next((value.decode() for name, value in record.headers if name == "scrub-domain" and value), "")
        if domain not in self._pseudonymisers:
            tenant, _, epoch = domain.rpartition("/")
            assert self._keyring is not None
            try:
                keys = self._keyring.tenant(tenant)
                found = Pseudonymiser(keys, epoch=epoch) if epoch in keys.epochs else None
            except KeyUnavailable:
                found = None
            self._pseudonymisers[domain] = found
        return self._pseudonymisers[domain]


def _kind(row: Row) -> EntityType:
    value = row.value.strip()
    if row.type is not EntityType.COMPUTER_NAME:
        return row.type
    if parse_ip(value.strip("[]")) is not None:
        return EntityType.IP_ADDRESS
    if parse_mac(value) is not None and not value.isalpha():
        return EntityType.MAC_ADDRESS
    if "@" in value:
        return EntityType.EMAIL_ADDRESS
    return row.type


_adopted: list[tuple[Job, Keyring | None]] = []  # of a pool's process


def _adopt(job: Job) -> None:
    from streams.keys import open_keyring  # noqa: PLC0415 - each process opens its own

    _adopted[:] = [(job, open_keyring(job.settings) if job.settings.keyring else None)]


def _partition(partition: int) -> Verified:
    job, keyring = _adopted[0]
    whole = Verified()
    for part in searched(job, [partition], keyring):
        whole.add(part)
    return whole
