"""The contact lane without a broker: what it refuses, and its work on keys."""

from types import SimpleNamespace

import msgspec
import orjson
import pytest
from kafka.partitioner.default import murmur2

import schemas
from scrubbers.entities import EntityType
from scrubbers.keyring import Keyring, KeyUnavailable
from scrubbers.known import KnownEntities
from scrubbers.records import Record
from scrubbers.rootkey import RootKey
from streams import contact_entities
from streams.audit import Action, AuditFailed
from streams.changes import ChangeType, Names
from streams.config import Settings
from streams.contact_lane import ContactLane
from streams.metrics import Metrics
from streams.quarantine import PREFIX
from streams.rows import ContractRow
from streams.states import ContactState, ContractState, KeyWork, Phase, Status
from streams.tables import KnownTable, Rows
from streams.transactions import Output
from tests.streams.world import contract_end, document

ROLE, LEFT, UPDATED = ChangeType.ROLE_CHANGED, ChangeType.LEFT, ChangeType.UPDATED
ENDED, RESUMED, WITHDRAWN = ChangeType.CONTRACT_ENDED, ChangeType.CONTRACT_RESUMED, ChangeType.WITHDRAWN
VALID = {
    LEFT: {},
    ROLE: {"new_role": "viewer", "previous_role": "admin"},
    UPDATED: {"email": "jo@example.org", "phone": "+31 20 1", "names": {"family": "Berg"}},
    ENDED: {"contacts": 3},
    RESUMED: {},
    WITHDRAWN: {"source": "/crm", "id": "e-0"},
}
SECRET = "Mrs. Secret <7f>"


@pytest.fixture
def rig(tmp_path):
    """A lane that has every partition, its keyring on disk, and acme's contract."""
    ring = Keyring.create(tmp_path / "keys.json", RootKey.create_file(tmp_path / "root"))
    ring.add_tenant("acme")
    contracts: Rows[ContractRow] = Rows(ContractRow)
    contracts.apply(b"acme", b'{"tenant":"acme","status":"active"}')
    told: list[str] = []
    lane = ContactLane(Settings(), ring, contracts, Metrics(), KnownTable(KnownEntities()), lambda: told.append("keys"))
    lane.owns(set(range(12)))
    return SimpleNamespace(lane=lane, ring=ring, told=told, path=tmp_path / "keys.json")


def partition_of(key: bytes) -> int:
    return murmur2(key) % 2**31 % 12


def record(value: bytes, key: bytes | None = b"acme|c-1", at: bytes = b"acme|c-1") -> Record:
    """A record in the partition that the key `at` belongs to."""
    return Record("rmm.contacts.changes", partition_of(at), 0, 1_767_225_600_000, key, value, ())


def broken(kind: ChangeType, **changed) -> bytes:
    """A valid change of a kind with members of its data changed; `...` takes one away."""
    full = document(kind, **VALID[kind])
    full["data"] |= changed
    full["data"] = {name: value for name, value in full["data"].items() if value is not ...}
    return orjson.dumps(full)


def headers(output) -> dict[str, str]:
    return {name.removeprefix(PREFIX): value.decode() for name, value in output.headers}


COMMON = [
    (kind, name, value)
    for kind in VALID
    for name, value in [("tenant", ...), ("tenant", SECRET), ("tenant", 7), ("effective", SECRET), ("effective", 7)]
]
OF_CONTACTS = [
    (kind, "contact_id", value) for kind in (LEFT, ROLE, UPDATED) for value in (..., SECRET, "", "c" * 129, 7, None)
]
UNDATED = [(kind, "effective", ...) for kind in VALID if kind is not WITHDRAWN]
OWN = [
    (ROLE, "new_role", ...),
    (ROLE, "new_role", SECRET),
    (ROLE, "new_role", None),
    (ROLE, "previous_role", SECRET),
    (ROLE, "previous_role", 7),
    (UPDATED, "email", SECRET),
    (UPDATED, "email", f"{'a' * 320}@b"),
    (UPDATED, "email", 7),
    (UPDATED, "previous_email", SECRET),
    (UPDATED, "phone", "no number"),
    (UPDATED, "phone", "1" * 65),
    (UPDATED, "phone", 7),
    (UPDATED, "previous_phone", "no number"),
    (UPDATED, "names", SECRET),
    (ENDED, "contacts", -1),
    (ENDED, "contacts", 1.5),
    (ENDED, "contacts", SECRET),
    (ENDED, "contacts", None),
    (WITHDRAWN, "contact_id", SECRET),
    (WITHDRAWN, "source", ...),
    (WITHDRAWN, "source", SECRET),
    (WITHDRAWN, "source", 7),
    (WITHDRAWN, "id", ...),
    (WITHDRAWN, "id", ""),
    (WITHDRAWN, "id", "e" * 257),
    (WITHDRAWN, "id", 7),
]


class TestRefused:
    @pytest.mark.parametrize("kind", VALID)
    def test_what_is_broken_below_is_valid(self, rig, kind):
        """So that each refusal is for the one thing that was changed."""
        outputs = rig.lane.answer([record(broken(kind))]).outputs
        assert rig.lane.settings.named.quarantine not in {each.topic for each in outputs}

    @pytest.mark.parametrize(("kind", "member", "value"), COMMON + OF_CONTACTS + UNDATED + OWN)
    def test_each_violation_is_quarantined_with_its_pointer(self, rig, caplog, kind, member, value):
        """In a header and in the log; the value in neither, and nothing else comes out."""
        (output,) = rig.lane.answer([record(broken(kind, **{member: value}))]).outputs
        told = headers(output)
        assert (output.topic, told["reason"]) == ("rmm.telemetry.quarantine", "schema_violation")
        assert told["pointer"] == f"/data/{member}"
        assert f"/data/{member}" in caplog.text
        assert "ecret" not in caplog.text + str(told)
        assert schemas.check("quarantine-headers", {PREFIX + name: text for name, text in told.items()}) == []

    @pytest.mark.parametrize("part", ["full", "title", "given", "initials", "particle", "family"])
    @pytest.mark.parametrize("value", ["", 7, None, "x" * 257])
    def test_each_part_of_a_name(self, rig, part, value):
        """Down to the member."""
        (output,) = rig.lane.answer([record(broken(UPDATED, names={part: value}))]).outputs
        assert headers(output)["pointer"] == f"/data/names/{part}"

    def test_update_of_nothing(self, rig):
        """At least one of names, e-mail and phone."""
        (output,) = rig.lane.answer([record(broken(UPDATED, names=..., email=..., phone=...))]).outputs
        assert headers(output)["pointer"] == "/data"

    @pytest.mark.parametrize(
        ("member", "value"),
        [
            ("specversion", "0.3"),
            ("id", ""),
            ("id", "e" * 257),
            ("source", SECRET),
            ("type", "rmm.contact.joined"),
            ("time", SECRET),
            ("datacontenttype", "text/xml"),
            ("data", []),
        ],
    )
    def test_each_attribute_of_the_envelope(self, rig, member, value):
        """CloudEvents' own."""
        (output,) = rig.lane.answer([record(orjson.dumps(document(LEFT) | {member: value}))]).outputs
        assert headers(output)["pointer"] == f"/{member}"

    @pytest.mark.parametrize(
        ("value", "reason"),
        [
            (b"\xff", "not_utf8"),
            (b"{", "malformed_json"),
            (None, "malformed_json"),
            (b" " * 1_000_001, "too_large"),
            (orjson.dumps(document(LEFT, tenant="nobody")), "unknown_tenant"),
        ],
    )
    def test_other_reasons_have_no_pointer(self, rig, value, reason):
        """There is no document to point into, or nothing wrong in it."""
        (output,) = rig.lane.answer([record(value)]).outputs
        assert (headers(output)["reason"], "pointer" in headers(output)) == (reason, False)


@pytest.mark.parametrize(("kind", "home"), [(LEFT, b"acme|c-1"), (ENDED, b"acme|")])
@pytest.mark.parametrize("key", [None, b"acme", b"acme|c-2"])
def test_a_change_in_another_partition_than_its_contacts_is_sent_on_as_it_came(rig, kind, home, key):
    """One worker alone writes a state: there it is applied, and goes no further."""
    came = record(broken(kind), key, at=b"acme|c-7")
    (sent,) = rig.lane.answer([came]).outputs
    assert sent == Output(came.topic, key, came.value, (), partition_of(home), came.timestamp)
    there = msgspec.structs.replace(came, partition=sent.partition)
    assert {each.topic for each in rig.lane.answer([there]).outputs} >= {"rmm.contacts.state"}


def with_keys_to(work: KeyWork, lane: ContactLane, phase: Phase, epoch: str = "") -> None:
    """The lane holds a committed contract that wants something of the keyring."""
    resumed = contract_end() if phase is Phase.ACTIVE else None
    state = ContractState("acme", phase, end=contract_end(), resumed=resumed, keys=work, term=1, epoch=epoch)
    lane.contracts.apply(b"acme", b'{"tenant":"acme","status":"ended"}')
    lane.states.apply(b"acme|", msgspec.json.encode(state))


def states(lane: ContactLane) -> list[ContractState]:
    """What a tick writes of the contract."""
    outputs = [each for each in lane.answer([]).outputs if each.topic == "rmm.contacts.state"]
    return [msgspec.json.decode(each.value, type=ContractState) for each in outputs]


class TestKeys:
    def test_are_shredded_and_it_is_told(self, rig):
        """On disk, and in this worker at once."""
        with_keys_to(KeyWork.SHRED, rig.lane, Phase.ERASED, "k01")
        (state,) = states(rig.lane)
        assert (state.keys, rig.ring.tenants(), rig.told) == (KeyWork.NONE, [], ["keys"])

    def test_are_shredded_after_it_is_committed_which(self, rig):
        """A worker that lost the tenant unawares cannot commit, and so shreds nothing that came later."""
        with_keys_to(KeyWork.SHRED, rig.lane, Phase.ERASED)
        (state,) = states(rig.lane)
        assert (state.keys, state.epoch, rig.ring.tenants()) == (KeyWork.SHRED, "k01", ["acme"])

    def test_that_were_made_since_are_not_shredded(self, rig):
        """First it is committed that they are meant as well."""
        rig.ring.rotate("acme")
        with_keys_to(KeyWork.SHRED, rig.lane, Phase.ERASED, "k01")
        (state,) = states(rig.lane)
        assert (state.epoch, rig.ring.tenants()) == ("k02", ["acme"])

    def test_shredded_before_a_crash_are_not_missed(self, rig):
        """The state still wants it: nothing happens but that the state follows."""
        rig.ring.shred("acme")
        with_keys_to(KeyWork.SHRED, rig.lane, Phase.ERASED)
        (state,) = states(rig.lane)
        assert state.keys is KeyWork.NONE

    def test_added_before_a_crash_stay_as_they_are(self, rig):
        """The same epoch, whatever is repeated."""
        with_keys_to(KeyWork.ADD, rig.lane, Phase.ACTIVE)
        (state,) = states(rig.lane)
        assert (state.keys, [name for name, _ in rig.ring.epochs("acme")]) == (KeyWork.NONE, ["k01"])

    def test_are_shredded_on_the_record_or_not_at_all(self, rig):
        """No record, no shredding; it is tried again."""
        asked, down = [], True

        def record(action, tenant, detail):
            asked.append((action, tenant, detail["epoch"]))
            if down:
                raise AuditFailed("no Kafka")

        rig.lane._on_record = record
        with_keys_to(KeyWork.SHRED, rig.lane, Phase.ERASED, "k01")
        assert (states(rig.lane), rig.ring.tenants()) == ([], ["acme"])
        down, rig.lane._keys_after = False, 0.0
        (state,) = states(rig.lane)
        assert (state.keys, rig.ring.tenants()) == (KeyWork.NONE, [])
        assert asked == 2 * [(Action.KEYS_SHRED, "acme", "k01")]

    def test_are_not_touched_by_a_worker_that_has_not_the_tenants_partition(self, rig):
        """Its owner does it."""
        with_keys_to(KeyWork.SHRED, rig.lane, Phase.ERASED)
        rig.lane.owns(set())
        assert (states(rig.lane), rig.ring.tenants()) == ([], ["acme"])

    def test_that_cannot_be_written_are_tried_again(self, rig, caplog, monkeypatch):
        """Logged without value, counted, and done once it works."""
        monkeypatch.setattr("streams.contact_lane.KEY_RETRY_SECONDS", 0.0)
        with_keys_to(KeyWork.SHRED, rig.lane, Phase.ERASED, "k01")
        in_the_way = rig.path.with_name(f".{rig.path.name}.new")
        in_the_way.mkdir()
        assert states(rig.lane) == []
        in_the_way.rmdir()
        (state,) = states(rig.lane)
        assert state.keys is KeyWork.NONE
        assert 'rmm_scrub_key_failures_total{action="shred"} 1.0' in rig.lane.metrics.text().decode()
        assert "acme" not in caplog.text
        with pytest.raises(KeyUnavailable):
            rig.ring.tenant("acme")


def test_an_end_that_addresses_no_whole_tenant_is_counted_and_logged(rig, caplog):
    """For whoever watches: something does not fit."""
    rig.lane.answer([record(orjson.dumps(document(ENDED)), b"acme|c-1", at=b"acme|")])
    assert "rmm_scrub_tenant_revocations_withheld_total 1.0" in rig.lane.metrics.text().decode()
    assert "did not come as the tenant's own event" in caplog.text
    assert "acme" not in caplog.text


def test_quiet_partitions_get_a_tombstone_now_and_then(rig, monkeypatch):
    """So that Kafka closes their segments and what was erased is compacted away; each worker sees to its own."""
    rig.lane.owns({2, 5})
    assert rig.lane.answer([]).outputs == []
    monkeypatch.setattr("streams.contact_lane.time.monotonic", lambda: 1e12)
    sent = rig.lane.answer([]).outputs
    topics = ("rmm.contacts.state", "rmm.scrub.known-entities")
    assert [(each.topic, each.partition, each.value) for each in sent] == [(t, p, None) for t in topics for p in (2, 5)]
    for each in sent:  # nothing comes of reading it
        rig.lane.states.apply(each.key, each.value)
        rig.lane.known.apply(each.key, each.value)
    assert rig.lane.answer([]).outputs == []


BERG = {"given": "Jan", "particle": "van den", "family": "Berg"}


def known_rows(outputs) -> dict[str, dict | None]:
    """What is written to the known-entities topic, by key; later records win."""
    sent = [each for each in outputs if each.topic == "rmm.scrub.known-entities"]
    return {each.key.decode(): orjson.loads(each.value) if each.value else None for each in sent}


@pytest.mark.parametrize("together", [True, False])
def test_a_name_is_suppressed_also_when_it_came_and_went_with_one_batch(rig, together):
    """Two names and a leaving, as after a day without a worker: what telemetry says tomorrow is scrubbed."""
    steps = [
        (UPDATED, {"names": BERG, "email": "j@acme.nl"}),
        (UPDATED, {"names": BERG | {"family": "Wit"}}),
        (LEFT, {}),
    ]
    changes = [
        record(orjson.dumps(document(kind, f"e-{n}", days=n - 9, **data))) for n, (kind, data) in enumerate(steps)
    ]
    rows: dict[str, dict | None] = {}
    for batch in [changes] if together else [[each] for each in changes]:
        outputs = rig.lane.answer(batch).outputs
        rows |= known_rows(outputs)
        for each in outputs:
            if each.topic == "rmm.contacts.state":
                rig.lane.states.apply(each.key, each.value)
    for key, row in rows.items():
        rig.lane.known.apply(key.encode(), orjson.dumps(row) if row else None)
    assert [row for row in rows.values() if row and "value" in row] == []
    digest = rig.ring.tenant("acme").entity_digest
    for text in ("J. v.d. Berg", "Wit, Jan van den", "j@acme.nl"):
        assert len(rig.lane.known.people.find("acme", text, digest)) == 1
    assert rig.lane.known.of("acme") == []


def test_an_inventory_that_names_a_contact_who_leaves_no_longer_does(rig):
    """Under the forms that the contact's own rows have as well, and those that are written in another way."""
    digest = rig.ring.tenant("acme").entity_digest
    for name in ("jan van den berg", "jan berg"):
        row = {"tenant": "acme", "type": "PERSON", "value": name}
        rig.lane.known.apply(digest(EntityType.PERSON, name).encode(), orjson.dumps(row))
    states = ContactState("acme", "c-1", names=Names(**BERG)), ContactState("acme", "c-1", Status.LEFT)
    for key, value in contact_entities.records(states, rig.ring.tenant("acme")):
        rig.lane.known.apply(key.encode(), value)
    assert rig.lane.known.of("acme") == []
    assert rig.lane.known.known.find("acme", "Jan van den Berg, Jan Berg") == []
