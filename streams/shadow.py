"""A candidate rule set on live traffic, beside the live one: findings are compared, and nothing else happens.

It works in a thread of its own on a share of what a batch had, after the batch is committed. When a batch was over
its time budget, or the thread is still at the last one, shadow goes without: it yields first.
"""

import logging
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import starmap
from zlib import crc32

import msgspec

from scrubbers.divergence import Difference, differences
from scrubbers.keyring import Keyring
from scrubbers.recognise import Recogniser
from scrubbers.records import Record, Refused
from scrubbers.scrub import Reading, Scrubber
from streams.config import Settings
from streams.metrics import Metrics
from streams.notices import Count, NoticeKind, Notices, Sample, ShadowCounts, sample_headers, sealed_sample

log = logging.getLogger(__name__)

JOB_SECONDS = 0.25  # of work on one batch; the records left over are skipped
FAILURES = 5  # after which a worker gives a candidate up; by then its expressions took two seconds in all
SAME_SECONDS = 60.0  # between two samples that differ alike
SAMPLES_A_MINUTE = 20


class Candidate(msgspec.Struct, frozen=True):
    """The set in shadow: its scrubber is used by the shadow's thread and by nobody else."""

    digest: str
    against: str  # the digest of the live set, or the identity of one that was never published
    live: Recogniser
    scrubber: Scrubber


class Shadow:
    """Compares on one worker. `offer`, `use` and `report` are called from the event loop."""

    def __init__(
        self, settings: Settings, keyring: Keyring, metrics: Metrics, notices: Notices, worker: str = ""
    ) -> None:
        self._share = settings.shadow_share
        self._budget = settings.limits.batch_seconds
        self._keyring = keyring
        self._metrics = metrics
        self._notices = notices
        self._worker = worker
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="shadow")
        self._job: Future[None] | None = None
        self._run: _Run | None = None
        self._reported: ShadowCounts | None = None

    def use(self, candidate: Candidate | None) -> None:
        """Compare with this set from now on; None: with none."""
        self._run = _Run(candidate) if candidate is not None else None

    @property
    def failed(self) -> str | None:
        """The digest of a candidate that failed too often and is not run any more."""
        run = self._run
        return run.candidate.digest if run is not None and run.failed >= FAILURES else None

    def offer(self, readings: Sequence[Reading], seconds: float) -> None:
        """What a committed batch read, and how long it took; returns at once."""
        run = self._run
        if run is None or run.failed >= FAILURES:
            return
        live = run.candidate.live  # a tenant's canary is not what the candidate is held against
        chosen = [each for each in readings if each.recogniser is live and sampled(each.record, self._share)]
        if not chosen:
            return
        if seconds > self._budget or (self._job is not None and not self._job.done()):
            self._skip(run, len(chosen))
            return
        self._job = self._thread.submit(self._compare, run, chosen)

    def report(self) -> None:
        """Publish what was counted, if anything was since the last time."""
        run = self._run
        if run is None:
            return
        counts = run.counts(self._worker)
        if self._reported is not None and msgspec.structs.replace(counts, time=self._reported.time) == self._reported:
            return
        self._reported = counts
        self._notices.say(NoticeKind.COUNTS, counts)

    def _compare(self, run: "_Run", readings: Sequence[Reading]) -> None:
        until = time.monotonic() + JOB_SECONDS
        for number, reading in enumerate(readings):
            if time.monotonic() > until or run.failed >= FAILURES or run is not self._run:
                self._skip(run, len(readings) - number)
                return
            try:
                found = _differences(run.candidate.scrubber, reading)
            except Exception as problem:  # noqa: BLE001 - a candidate may do what it likes: it is only counted
                run.failed += 1
                self._metrics.shadow_records.labels("failed").inc()
                log.warning("shadow: %s", type(problem).__name__)  # the type only: its text may quote the record
            else:
                self._count(run, reading, found)

    def _count(self, run: "_Run", reading: Reading, found: Sequence[Difference]) -> None:
        run.compared += 1
        self._metrics.shadow_records.labels("compared").inc()
        if not found:
            return
        here = Counter((each.kind.value, each.type.value, each.rule) for each in found)
        for (kind, entity, rule), number in here.items():
            self._metrics.shadow_differences.labels(kind, entity, rule).inc(number)
        run.differences.update(here)
        if run.wants_sample(here):
            self._keep(run, reading, found, counted(here))

    def _keep(self, run: "_Run", reading: Reading, found: Sequence[Difference], counts: Sequence[Count]) -> None:
        value = sealed_sample(Sample(reading.record, tuple(found)), self._keyring.quarantine_key())
        if value is not None:
            headers = sample_headers(reading.record, run.candidate.digest, run.candidate.against, counts)
            self._notices.send(NoticeKind.SAMPLE, value, tenant=reading.tenant, headers=headers)

    def _skip(self, run: "_Run", records: int) -> None:
        run.skipped += records
        self._metrics.shadow_records.labels("skipped").inc(records)


def sampled(record: Record, share: float) -> bool:
    """Whether a record is of the share, decided by where it stands: every reading of it decides alike."""
    return crc32(b"%d:%d" % (record.partition, record.offset)) < share * 2**32


def counted(differences: Counter[tuple[str, str, str]]) -> tuple[Count, ...]:
    """The counts by kind, type and rule, in order."""
    return tuple(starmap(Count, ((*what, number) for what, number in sorted(differences.items()))))


def _differences(candidate: Scrubber, reading: Reading) -> list[Difference]:
    try:
        other = candidate.read(reading.record)
    except Refused as refused:
        raise RuntimeError(refused.reason) from None  # the live set could read it
    return differences(reading, other, candidate.known)


class _Run:
    """What was counted since a candidate was taken up; written by the shadow's thread."""

    def __init__(self, candidate: Candidate) -> None:
        self.candidate = candidate
        self.name = uuid.uuid4().hex[:12]
        self.compared = self.skipped = self.failed = 0
        self.differences: Counter[tuple[str, str, str]] = Counter()
        self._sampled: dict[tuple[str, str, str], float] = {}
        self._recent: list[float] = []

    def wants_sample(self, found: Counter[tuple[str, str, str]]) -> bool:
        """Whether a difference of its sort was not sampled of late, and not too many were at all."""
        now = time.monotonic()
        self._recent = [each for each in self._recent if now - each < 60]
        if len(self._recent) >= SAMPLES_A_MINUTE:
            return False
        if all(now - self._sampled.get(what, -SAME_SECONDS) < SAME_SECONDS for what in found):
            return False
        self._sampled |= dict.fromkeys(found, now)
        self._recent.append(now)
        return True

    def counts(self, worker: str) -> ShadowCounts:
        """What was counted so far."""
        return ShadowCounts(
            worker,
            self.name,
            self.candidate.digest,
            self.candidate.against,
            self.compared,
            self.skipped,
            self.failed,
            counted(self.differences.copy()),
            datetime.now(UTC).isoformat(timespec="seconds"),
        )
