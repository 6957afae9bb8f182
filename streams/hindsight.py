"""The latest scrubbed records, kept to be searched again: a name may be learned after the record that holds it.

Bounded by age and by bytes. The records are pseudonymised already; they stay in this process's memory.
"""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator

import msgspec

from scrubbers.leaks import Leak
from scrubbers.records import Record

MOST_BYTES = 64 * 1024 * 1024  # of one worker: about 50,000 Windows events
_OVERHEAD = 600  # bytes of Python objects a record


class Kept(msgspec.Struct):
    """A record, the tenant's version of known names that it was searched with, and what was told of it."""

    record: Record
    tenant: str
    version: int
    told: set[Leak]
    since: float
    size: int


class Hindsight:
    """Records in the order they were read, and a walk over those that the names learned since concern."""

    def __init__(self, seconds: float, version: Callable[[str], int], most_bytes: int = MOST_BYTES) -> None:
        self._seconds = seconds
        self._version = version
        self._most = most_bytes
        self._kept: deque[Kept] = deque()
        self._tenants: Counter[str] = Counter()
        self._looked: dict[str, int] = {}
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, record: Record, tenant: str, version: int, told: set[Leak]) -> None:
        """Keep a record that was searched; the oldest ones go when there are too many."""
        if self._seconds <= 0:
            return
        size = _OVERHEAD + len(record.value or b"") + len(record.key or b"")
        size += sum(len(name) + len(value or b"") for name, value in record.headers)
        self._kept.append(Kept(record, tenant, version, told, time.monotonic(), size))
        self._tenants[tenant] += 1
        self.bytes += size
        while self.bytes > self._most:
            self._drop()

    def grown(self) -> bool:
        """Whether a tenant's known names have changed since the last walk began."""
        self._drop_old()
        return any(self._looked.get(tenant) != self._version(tenant) for tenant in self._tenants)

    def walk(self) -> Iterator[Kept]:
        """The kept records that were searched with other names than are known now; each is then up to date."""
        self._looked = {tenant: self._version(tenant) for tenant in self._tenants}
        for kept in list(self._kept):
            version = self._version(kept.tenant)
            if kept.version != version:
                kept.version = version
                yield kept

    def _drop_old(self) -> None:
        until = time.monotonic() - self._seconds
        while self._kept and self._kept[0].since < until:
            self._drop()

    def _drop(self) -> None:
        kept = self._kept.popleft()
        self.bytes -= kept.size
        self._tenants[kept.tenant] -= 1
        if not self._tenants[kept.tenant]:
            del self._tenants[kept.tenant]
