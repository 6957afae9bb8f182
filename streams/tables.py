"""Tables that every worker holds whole: known entities, contracts, contacts, rule sets.

Each is the content of a compacted topic. They are services of the Faust app, started where Faust
starts its own tables, but read by a `read_committed` librdkafka consumer: Faust's GlobalTable cannot
take a changelog by another name (its assignor looks for `<app>-<table>-changelog`), its recovery
never ends behind a transaction marker, and it would show aborted writes (docs/design.md, The lane).
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from typing import Any, Generic, TypeVar

import msgspec
from confluent_kafka import OFFSET_BEGINNING, Consumer, IsolationLevel, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec
from mode import Service

from schemas.errors import UNDECODABLE
from scrubbers.entities import EntityType, Known
from scrubbers.known import KnownEntities, worth_knowing
from scrubbers.people import Form, People
from scrubbers.rules import Learning
from streams.config import Settings

log = logging.getLogger(__name__)

FOLLOW_SECONDS = 0.2  # how long the follower waits for news; stopping waits no longer
GATHER_SECONDS = 0.005
READ_AT_ONCE = 10_000
READMITTED_AT_ONCE = 2_000  # names; a few milliseconds of the event loop

Apply = Callable[[bytes, bytes | None], None]
S = TypeVar("S", bound=msgspec.Struct)


class Rows(Generic[S]):
    """Decoded rows of a compacted topic by key; a row that does not decode is counted and left out."""

    def __init__(self, row: type[S]) -> None:
        self._decoder = msgspec.json.Decoder(row)
        self._rows: dict[str, S] = {}
        self.undecodable = 0

    def apply(self, key: bytes, value: bytes | None) -> None:
        """Take over one record of the topic; a null value is a tombstone."""
        name = key.decode("utf-8", "replace")
        if value is None:
            self._rows.pop(name, None)
            return
        try:
            self._rows[name] = self._decoder.decode(value)
        except UNDECODABLE:
            self.undecodable += 1

    def get(self, key: str) -> S | None:
        """The row, or None."""
        return self._rows.get(key)

    def values(self) -> Iterator[S]:
        """All rows, as they are at this moment."""
        return iter(list(self._rows.values()))

    def __len__(self) -> int:
        return len(self._rows)


class KnownRow(msgspec.Struct, frozen=True, omit_defaults=True):
    """Value of a record on the known-entities topic.

    A contact's name or phone number has `words` and `first` as well (`scrubbers.people.Form`); without a value it
    is a suppression entry.
    """

    tenant: str
    type: EntityType
    value: str = ""
    alias: str = ""
    words: int = 0
    first: str = ""
    contact: bool = False


class KnownTable:
    """The known-entities topic, applied to `KnownEntities`; keys are keyed digests.

    A tombstone has no more than its key, so the name under each is kept: the string that `KnownEntities` holds,
    under a digest of the key, which takes half the memory of the key's hexadecimal digits.
    """

    def __init__(self, known: KnownEntities, people: People | None = None) -> None:
        self.known = known
        self.people = people if people is not None else People()
        self._decoder = msgspec.json.Decoder(KnownRow)
        self._names: dict[tuple[str, EntityType], dict[bytes, str]] = {}
        self._contacts: dict[str, dict[str, KnownRow]] = {}
        self.undecodable = 0

    def apply(self, key: bytes, value: bytes | None) -> None:
        """Learn an entity, or forget the one under this key when the value is null."""
        short = blake2b(key, digest_size=15).digest()
        if value is None:
            self._forget(short, key)
            return
        try:
            row = self._decoder.decode(value)
        except UNDECODABLE:
            self.undecodable += 1
            return
        if row.contact:
            form = Form(row.type, key.decode("ascii", "replace"), row.alias, row.words, row.first)
            self.people.add(row.tenant, form)
            # An inventory may have named the person under the same key; that row is no more.
            named = self._names.get((row.tenant, row.type), {}).pop(short, None)
            if named is not None:
                self.known.discard(row.tenant, Known(row.type, named))
            self._contacts.setdefault(row.tenant, {})[form.digest] = row
            return
        self._names.setdefault((row.tenant, row.type), {})[short] = row.value
        self.known.restore(row.tenant, Known(row.type, row.value, row.alias))

    def of(self, tenant: str) -> list[Known]:
        """Everything that is known of a tenant, also what is not hunted in text."""
        aliases = self.known.aliases(tenant)
        return [
            Known(kind, value, "" if (alias := aliases.of(value)) == value else alias)
            for (owner, kind), names in list(self._names.items())
            if owner == tenant
            for value in list(names.values())
        ] + [Known(row.type, row.value, row.alias) for row in list(self.contacts(tenant).values()) if row.value]

    def contacts(self, tenant: str) -> Mapping[str, KnownRow]:
        """What is known of the tenant's contacts, current and erased, by digest."""
        return self._contacts.get(tenant, {})

    async def adopt(self, learning: Learning, policies: Mapping[str, Learning]) -> None:
        """Learn by other policies, and hold what is in the table against them, as a worker that starts does."""
        known = self.known
        tenants = {owner for owner, _ in self._names}
        concerned = {each for each in tenants if known.policy(each) != policies.get(each, learning)}
        known.adopt(learning, policies)
        for (tenant, kind), names in list(self._names.items()):
            if tenant not in concerned:
                continue
            for number, short in enumerate(list(names)):
                if number % READMITTED_AT_ONCE == 0:
                    await asyncio.sleep(0)
                if (value := names.get(short)) is not None:  # else it was forgotten while others had their turn
                    self._hold(tenant, Known(kind, value))

    def _hold(self, tenant: str, known: Known) -> None:
        if worth_knowing(known, self.known.policy(tenant)):
            alias = self.known.aliases(tenant).of(known.value)
            self.known.restore(tenant, known if alias == known.value else Known(known.type, known.value, alias))
        else:
            self.known.discard(tenant, known)

    def _forget(self, short: bytes, key: bytes) -> None:
        digest = key.decode("ascii", "replace")
        for tenant, rows in self._contacts.items():
            if rows.pop(digest, None) is not None:
                self.people.discard(tenant, digest)
        for (tenant, kind), names in self._names.items():
            if (name := names.pop(short, None)) is not None:
                self.known.discard(tenant, Known(kind, name))

    def __len__(self) -> int:
        return sum(map(len, self._names.values()))


class Tables(Service):
    """Follows compacted topics from their beginning and applies every committed record.

    Starting takes until the tables hold what the topics held at that moment.
    """

    def __init__(self, settings: Settings, tables: Mapping[str, Apply], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.settings = settings
        self.tables = dict(tables)
        self._positions: dict[tuple[str, int], int] = {}
        self._advanced = asyncio.Event()
        self._finished = asyncio.Event()
        self.ready = False
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tables")
        self._consumer: Consumer | None = None
        self._admin = AdminClient(settings.client(), logger=log)

    async def on_start(self) -> None:
        """Read all tables to their present end."""
        ends = await self._in_thread(self._open)
        while not self.should_stop and self._behind(ends):
            await self._read()
        self.ready = True
        log.info("tables: holding %d topics", len(self.tables))

    async def on_stop(self) -> None:
        """Let the follower end its read and close the consumer."""
        await self._finished.wait()

    @Service.task
    async def _follow(self) -> None:
        try:
            while not self.should_stop:
                await self._read()
        finally:
            await self._in_thread(self._close)
            self._thread.shutdown(wait=False)
            self._finished.set()
            self._advanced.set()

    async def caught_up(self) -> None:
        """Wait until the tables hold what was committed to their topics when this was called."""
        await self.reached(await self._in_thread(self._ends))

    async def reached(self, offsets: Mapping[tuple[str, int], int]) -> None:
        """Wait until the given records (topic, partition → offset behind the last) are applied."""
        while not self.should_stop and self._behind(offsets):
            self._advanced.clear()
            await self._advanced.wait()

    def _behind(self, ends: Mapping[tuple[str, int], int]) -> bool:
        return any(self._positions.get(place, 0) < end for place, end in ends.items() if place[0] in self.tables)

    async def _read(self) -> None:
        messages, positions = await self._in_thread(self._poll)
        for message in messages:
            self.tables[message.topic()](message.key() or b"", message.value())
        self._positions.update(positions)
        self._advanced.set()

    def _open(self) -> dict[tuple[str, int], int]:
        self._consumer = Consumer(
            self.settings.client(
                group_id=f"{self.settings.group}-tables",  # librdkafka wants one; nothing is committed to it
                isolation_level="read_committed",
                enable_auto_commit=False,
                enable_auto_offset_store=False,
                enable_partition_eof=False,
                fetch_wait_max_ms=20,
            ),
            logger=log,
        )
        places = list(self._places())
        self._consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for topic, partition in places])
        return self._ends()

    def _places(self) -> Iterable[tuple[str, int]]:
        assert self._consumer is not None
        for topic in self.tables:
            found = self._consumer.list_topics(topic, timeout=30).topics[topic]
            if found.error is not None:
                raise KafkaException(found.error)
            yield from ((topic, partition) for partition in found.partitions)

    def _ends(self) -> dict[tuple[str, int], int]:
        """Behind the last record that is settled (the last stable offset) of each partition.

        Not the high watermark: a killed worker's open transaction would hold a start back for a minute.
        """
        assert self._consumer is not None
        wanted = {place: OffsetSpec.latest() for place in self._consumer.assignment()}
        answers = self._admin.list_offsets(wanted, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=30)
        return {(place.topic, place.partition): answer.result().offset for place, answer in answers.items()}

    def _poll(self) -> tuple[list[Message], dict[tuple[str, int], int]]:
        """News, and the positions behind them, which also move over transaction markers."""
        assert self._consumer is not None
        first = self._consumer.poll(FOLLOW_SECONDS)
        messages = [] if first is None else [first, *self._consumer.consume(READ_AT_ONCE - 1, GATHER_SECONDS)]
        for message in messages:
            if message.error() is not None and message.error().fatal():
                raise KafkaException(message.error())
        places = self._consumer.position(self._consumer.assignment())
        positions = {(each.topic, each.partition): each.offset for each in places if each.offset >= 0}
        return [message for message in messages if message.error() is None], positions

    def _close(self) -> None:
        assert self._consumer is not None
        self._consumer.close()

    async def _in_thread(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)
