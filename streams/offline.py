"""Scrub lines without Kafka, for the command line: a stream as it comes, or files in parallel.

Files are read twice: first for the names they teach, then to scrub, so that a name counts on every line
whatever the order and however many processes work. A stream is read once, in batches.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import BinaryIO, TypeVar

import msgspec

from schemas.errors import UserError
from scrubbers import rules
from scrubbers.compiled import CompiledRules
from scrubbers.entities import Known
from scrubbers.keyring import Keyring, KeyUnavailable
from scrubbers.known import KnownEntities
from scrubbers.pseudonyms import Pseudonymiser
from scrubbers.recognise import Recogniser
from scrubbers.records import Record, Refused
from scrubbers.scrub import Bounds, Scrubber
from streams import inventory
from streams.config import load
from streams.keys import open_keyring
from streams.lines import Line as Raw
from streams.lines import lines, numbered

LINES_TOGETHER = 1_000  # a batch: its lines teach each other, and a process is not started for less
Batch = Sequence[Raw]
T = TypeVar("T")
_NO_LIMIT = 1 << 40  # a line of a file is as long as it is; Kafka's limits do not apply


class Line(msgspec.Struct, frozen=True):
    """An input line scrubbed, or the reason why it could not be."""

    source: str
    number: int
    output: bytes | None
    findings: dict[str, int] = {}
    reason: str = ""


class Job:
    """What to scrub with; made once a process."""

    def __init__(
        self,
        tenant: str,
        *,
        rules: Path | None = None,
        keyring: Path | None = None,
        known: Path | None = None,
        text: bool = False,
    ) -> None:
        """Open keyring and rules.

        Raises:
            UserError: one of them cannot be used, or the keyring has no keys for the tenant.
        """
        self.tenant = tenant
        self.rules = rules
        self.text = text
        settings = load()
        self.throwaway = keyring is None and not settings.keyring
        ring = Keyring.throwaway() if self.throwaway else open_keyring(settings, keyring)
        if self.throwaway:
            ring.add_tenant(tenant)
        self.known = [each for _, each in inventory.knowns(inventory.read(known))] if known else []
        try:
            self.keys = ring.tenant(tenant)
        except KeyUnavailable:
            raise UserError("this tenant has no keys", "rmm-scrub keys init --tenant T") from None
        self.worker  # noqa: B018 - a bad rule set is said before the first line

    @cached_property
    def worker(self) -> "_Worker":
        """The scrubber; made anew in each process, since compiled rules cannot travel."""
        return _Worker(self)

    def teach(self, known: Iterable[Known]) -> None:
        """Names that every process shall know from now on."""
        self.known = [*self.known, *known]
        self.worker.learn(known)

    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in self.__dict__.items() if name != "worker"}


class _Worker:
    def __init__(self, job: Job) -> None:
        rule_set = rules.load(job.rules)
        self.known = KnownEntities(rule_set.learning)
        self.job = job
        self.scrubber = Scrubber(
            Recogniser(rule_set, CompiledRules(rule_set)), self.known, Bounds(record_bytes=_NO_LIMIT)
        )
        self.pseudonymiser = Pseudonymiser(job.keys, rule_set.operators, aliases=self.known.aliases(job.tenant))
        self.learn(job.known)

    def learn(self, known: Iterable[Known]) -> None:
        # The longest first: then a cut name takes a long one's pseudonym only where a single one begins so.
        for each in sorted(known, key=lambda one: (-len(one.value), one.value, one.type)):
            self.known.add(self.job.tenant, each)

    def taught(self, lines: Batch) -> set[Known]:
        found: set[Known] = set()
        for line in lines:
            try:
                found.update(self.scrubber.read(self._record(line)).learned)
            except Refused:
                continue  # said when it is scrubbed
        return found

    def scrub(self, lines: Batch) -> list[Line]:
        return [self._scrub(line) for line in lines]

    def _scrub(self, line: Raw) -> Line:
        source, number, _ = line
        try:
            scrubbed = self.scrubber.write(self.scrubber.read(self._record(line)), self.pseudonymiser)
        except Refused as refused:
            return Line(source, number, None, reason=refused.reason)
        return Line(source, number, scrubbed.value, {str(kind): count for kind, count in scrubbed.findings.items()})

    def _record(self, line: Raw) -> Record:
        media_type = b"text/plain" if self.job.text else b"application/json"
        headers = [("tenant", self.job.tenant.encode()), ("content-type", media_type)]
        return Record("", 0, line[1], 0, None, line[2], headers)


def scrub_stream(job: Job, stream: BinaryIO) -> Iterator[Line]:
    """Scrub a stream in order as it comes; a name counts from the batch on that teaches it."""
    for batch in _batches(numbered("stdin", stream)):
        job.worker.learn(job.worker.taught(batch))
        yield from job.worker.scrub(batch)


def scrub_files(job: Job, paths: Sequence[Path], processes: int) -> Iterator[Line]:
    """Scrub files in order; the result is the same for any number of processes.

    Raises:
        UserError: a file cannot be read.
    """
    if processes == 1:
        for batch in _batches(lines(paths)):
            job.worker.learn(job.worker.taught(batch))
        for batch in _batches(lines(paths)):
            yield from job.worker.scrub(batch)
        return
    with ProcessPoolExecutor(min(processes, os.cpu_count() or 1), initializer=_adopt, initargs=(job,)) as pool:
        taught: set[Known] = set().union(*_mapped(pool, _taught, _batches(lines(paths))))
    job.teach(taught)
    with ProcessPoolExecutor(processes, initializer=_adopt, initargs=(job,)) as pool:
        for done in _mapped(pool, _scrubbed, _batches(lines(paths))):
            yield from done


_adopted: list[Job] = []  # of a pool's process


def _adopt(job: Job) -> None:
    _adopted[:] = [job]


def _taught(lines: Batch) -> set[Known]:
    return _adopted[0].worker.taught(lines)


def _scrubbed(lines: Batch) -> list[Line]:
    return _adopted[0].worker.scrub(lines)


def _mapped(pool: Executor, function: Callable[[Batch], T], batches: Iterator[Batch]) -> Iterator[T]:
    """Like `map`, in order, with only a few batches under way: files may be larger than memory."""
    waiting = [pool.submit(function, batch) for batch in islice(batches, 8)]
    while waiting:
        yield waiting.pop(0).result()
        waiting += [pool.submit(function, batch) for batch in islice(batches, 1)]


def _batches(lines: Iterator[Raw]) -> Iterator[list[Raw]]:
    while batch := list(islice(lines, LINES_TOGETHER)):
        yield batch
