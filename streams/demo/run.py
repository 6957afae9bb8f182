"""The demo from start to proof: Kafka, topics, keys, workers, events, changes, and what came of them."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import orjson

from schemas.errors import UserError
from scrubbers import rules
from scrubbers.compiled import CompiledRules
from scrubbers.detect import Detector, Span
from scrubbers.keyring import Keyring
from scrubbers.known import KnownEntities
from scrubbers.recognise import Recogniser
from scrubbers.records import Record, Refused
from scrubbers.rootkey import RootKey, root_path
from scrubbers.scrub import Reading, Scrubber
from streams import broker, inventory
from streams.config import Settings
from streams.demo import changes as demo_changes
from streams.demo import estate as demo_estate
from streams.demo import nasty, proof
from streams.demo.events import Event, from_files, generate
from streams.demo.portal import Portal, expected_accounts
from streams.groups import Group
from streams.inventory import Row
from streams.publisher import Message, publish
from streams.quarantine import read_entry
from streams.reader import Read, read_topic
from streams.revocations import jwks
from streams.rows import ContractStatus
from streams.system import end_with_parent
from streams.tables import KnownRow, Rows
from streams.topics import Provisioner
from streams.verification import Claims, verify

WORKERS = 2
WAIT_SECONDS = 150.0  # for the pipeline to finish; the whole demo stays under three minutes
OWN_TENANT = "acme"
Say = Callable[[str], None]


class Result(msgspec.Struct, frozen=True):
    """What the demo shows: inputs, outputs, tokens and checks."""

    inputs: Sequence[Event]
    scrubbed: Sequence[Read]
    sealed: Sequence[Read]
    tokens: Sequence[Claims]
    checks: Sequence[proof.Check]
    seconds: float
    spans: Callable[[str], Sequence[Span]]


def run(folder: Path, own: Sequence[Path], say: Say) -> Result:
    """Run everything in `folder`; `own` are the user's event files instead of generated events."""
    with broker.start(folder / "kafka") as kafka:
        say(f"Kafka answers at {kafka.bootstrap}")
        demo = _Demo(folder, kafka.bootstrap, own)
        demo.prepare(say)
        with demo.workers(), demo.portal.running(list(expected_accounts(demo.every_change))):
            seconds = demo.stream(say)
            say("waiting for the portal's accounts")
            obeyed = demo.portal.obeyed(demo.every_change)
            say("reading every topic back")
            return demo.result(seconds, obeyed)


class _Demo:
    def __init__(self, folder: Path, bootstrap: str, own: Sequence[Path]) -> None:
        self.settings = Settings(
            bootstrap=bootstrap,
            topic_prefix=f"demo{int(time.time())}.",
            group=f"demo{int(time.time())}",
            partitions=6,
            keyring=str(folder / "keyring.json"),
            state_dir=str(folder / "state"),
            web_port=broker.free_run(WORKERS),
        )
        self.folder = folder
        self.estate = demo_estate.build()
        self.generated = not own
        events = from_files(own, OWN_TENANT) if own else generate(self.estate)
        self.inputs = [*events, *nasty.records(self.estate[0], len(events))] if not own else events
        if not self.inputs:
            raise UserError("there is no event in these files")
        self.changes, self.end = demo_changes.changes(datetime.now(UTC))
        self.every_change = [*self.changes, *self.end]
        self.portal = Portal(folder, self.settings)
        rule_set = rules.load()
        self.recogniser = Recogniser(rule_set, CompiledRules(rule_set))
        self.events = Group(self.settings, "scrub", self.settings.named.raw)
        self.contacts = Group(self.settings, "contacts", self.settings.named.contact_changes)

    def prepare(self, say: Say) -> None:
        """Topics, keys, contracts, and the provider's inventory."""
        provisioner = Provisioner(self.settings)
        provisioner.apply(provisioner.plan())
        provisioner.close()
        path = Path(self.settings.keyring)
        self.keyring = Keyring.create(path, RootKey.create_file(root_path(path)))
        for tenant in (*demo_estate.TENANTS, nasty.ENDED_TENANT, demo_changes.CONTRACT_TENANT):
            self.keyring.add_tenant(tenant)
        active = (*demo_estate.TENANTS, nasty.KEYLESS_TENANT, demo_changes.CONTRACT_TENANT)
        contracts = dict.fromkeys(active, ContractStatus.ACTIVE) | {nasty.ENDED_TENANT: ContractStatus.ENDED}
        self._publish(
            self.settings.named.contracts,
            [
                Message(orjson.dumps({"tenant": name, "status": status}), name.encode())
                for name, status in contracts.items()
            ],
        )
        rows = self._inventory()
        self._publish(self.settings.named.known_entities, list(inventory.messages(rows, None, self.keyring)))
        say(f"topics made, {len(contracts)} contracts, an inventory of {len(rows)} names")

    @contextmanager
    def workers(self) -> Iterator[None]:
        """The real `rmm-scrub worker`, told by its environment."""
        names = ("bootstrap", "topic_prefix", "group", "partitions", "keyring", "state_dir", "web_port")
        environment = {f"RMM_SCRUB_{name.upper()}": str(getattr(self.settings, name)) for name in names}
        with (self.folder / "worker.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "streams.cli", "worker", "--processes", str(WORKERS)],
                env={**os.environ, **environment},
                stdout=log,
                stderr=log,
                preexec_fn=end_with_parent,  # noqa: PLW1509 - one call into the kernel
            )
        try:
            self._until(self._shared_out, "the workers did not come up", process)
            yield
        finally:
            process.terminate()
            process.wait(60)

    def stream(self, say: Say) -> float:
        """Publish events and changes; the seconds from the first event to the last output."""
        say(f"publishing {len(self.inputs)} events and {len(self.changes) + len(self.end)} contact changes")
        self.owners = self.events.readers()
        started = time.monotonic()
        self._publish(self.settings.named.raw, [Message(each.value, each.key, each.headers) for each in self.inputs])
        self._publish(self.settings.named.contact_changes, [Message(each.value, each.key) for each in self.changes])
        self._until(lambda: self.events.lag() == 0, "not every event was scrubbed")
        seconds = time.monotonic() - started
        say("waiting for a change that takes effect in some seconds")
        wanted = sum(len(each.tokens) for each in self.changes)
        self._until(lambda: len(self._read("revocations")) >= wanted, "not every revocation came out")
        self._publish(self.settings.named.contact_changes, [Message(each.value, each.key) for each in self.end])
        # The other worker's contacts follow the end a moment later.
        wanted += sum(len(each.tokens) for each in self.end)
        self._until(lambda: len(self._read("revocations")) >= wanted, "the contract's end was not taken up")
        return seconds

    def result(self, seconds: float, obeyed: proof.Check) -> Result:
        """Read every topic back and check."""
        raw = {(read.partition, read.offset): read for read in self._read("raw")}
        scrubbed, quarantine = self._read("scrubbed"), self._read("quarantine")
        sealed = [read for read in quarantine if _origin(read) == self.settings.named.raw]
        other = [read for read in quarantine if read not in sealed]
        origins = {place: proof.sequence(read.headers) or 0 for place, read in raw.items()}
        workers = {origins[place]: self.owners[place[0]] for place in raw}
        tenants = {
            number: event.tenant for event in self.inputs if (number := proof.sequence(event.headers)) is not None
        }
        identifiers = self._identifiers()
        keys = jwks(self.keyring.signing_keys())
        revocations = self._read("revocations")
        tokens = [
            verify(read.value or b"", keys, self.settings.portal_audience, self.settings.issuer) for read in revocations
        ]
        checks = [
            proof.nothing_lost(self.inputs, scrubbed, origins, sealed),
            proof.nothing_leaked(
                [*scrubbed, *quarantine, *revocations, *self._read("findings"), *self._read("audit")],
                identifiers,
                tenants,
            ),
            proof.same_pseudonyms(self.inputs, scrubbed, workers, identifiers),
            proof.order_kept(self.inputs, scrubbed),
        ]
        if self.generated:
            checks.append(proof.reasons(self.inputs, origins, sealed))
            checks.append(proof.survivors(self.inputs, scrubbed))
        expected = [token for change in self.every_change for token in change.tokens]
        checks.append(proof.tokens(expected, tokens))
        checks.append(obeyed)
        checks.append(
            proof.Check(
                "invalid contact changes are in quarantine", len(other) == self._refused(), f"{len(other)} records"
            )
        )
        return Result(self.inputs, scrubbed, quarantine, tokens, checks, seconds, Detector(self.recogniser).text)

    def _inventory(self) -> list[Row]:
        """Of the estate what is listed; for the user's own events what their own fields name."""
        if self.generated:
            return [Row(name, tenant=tenant) for tenant, name in demo_estate.inventory(self.estate)]
        found = {(reading.tenant, known) for reading in self._readings() for known in reading.learned}
        return [Row(known.value, known.type, tenant) for tenant, known in sorted(found, key=str)]

    def _identifiers(self) -> Mapping[str, set[str]]:
        """What must not be found: the estate's truth, and all that was known at the end, by tenant."""
        found = (
            {tenant: set(forms) for tenant, forms in demo_estate.identifiers(self.estate).items()}
            if self.generated
            else {}
        )
        rows: Rows[KnownRow] = Rows(KnownRow)
        for read in self._read("known_entities"):
            rows.apply(read.key or b"", read.value)
        for row in (row for row in rows.values() if row.value):  # a suppression entry has none
            found.setdefault(row.tenant, set()).add(row.value)
        return found

    def _readings(self) -> Iterator[Reading]:
        scrubber = Scrubber(self.recogniser, KnownEntities())
        for event in self.inputs:
            try:
                yield scrubber.read(Record("", 0, 0, 0, event.key, event.value, event.headers))
            except Refused:
                continue

    def _shared_out(self) -> bool:
        """Whether both groups have given out all partitions, over both workers."""
        shares = [group.readers() for group in (self.events, self.contacts)]
        return all(len(share) == self.settings.partitions and len(set(share.values())) == WORKERS for share in shares)

    def _refused(self) -> int:
        return sum(1 for change in self.changes if change.reason)

    def _read(self, topic: str) -> list[Read]:
        return list(read_topic(self.settings, getattr(self.settings.named, topic)))

    def _publish(self, topic: str, messages: Sequence[Message]) -> None:
        delivery = publish(messages, topic, self.settings)
        if delivery.failures:
            raise UserError(f"{len(delivery.failures)} records could not be published ({delivery.failures[0].problem})")

    def _until(self, holds: Callable[[], bool], problem: str, process: "subprocess.Popen[bytes] | None" = None) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while not holds():
            if time.monotonic() > deadline or (process is not None and process.poll() is not None):
                raise UserError(f"demo: {problem}", f"see {self.folder / 'worker.log'}")
            time.sleep(0.5)


def _origin(read: Read) -> str:
    return read_entry(read.headers).topic
