"""Audit, grants and reversal on a real Kafka: on the record, or not at all."""

import threading
import urllib.error
import urllib.request
import uuid
from pathlib import Path

import msgspec
import orjson
import pytest

import schemas
from scrubbers import rules
from scrubbers.entities import EntityType, Known
from scrubbers.pseudonyms import Pseudonymiser
from streams.audit import Action, AuditFailed, AuditLog, Event, Flaw, Result, check
from streams.cli import main
from streams.config import Settings
from streams.identity import IdentityRefused
from streams.publisher import Message
from streams.reversal import Request, ReversalRefused, Reverser
from tests.conftest import Pipeline
from tests.tokens import Provider

pytestmark = pytest.mark.integration

EVENT = Event("alice", Action.REVERSE, tenant="acme", purpose="incident", detail={"turned": 1})


def audit(pipeline: Pipeline) -> AuditLog:
    """The pipeline's log."""
    return AuditLog(pipeline.settings, pipeline.keyring.audit_key())


def tampered(pipeline: Pipeline, *entries: bytes) -> list[Flaw]:
    """What is found wrong in a log of these records."""
    other = Pipeline(pipeline.settings.bootstrap, pipeline.folder / uuid.uuid4().hex)
    other.send("audit", [Message(each, b"alice") for each in entries])
    log = AuditLog(other.settings, pipeline.keyring.audit_key())
    return [each.flaw for each in check(log.records(), pipeline.keyring.audit_key())]


def test_writers_at_the_same_time_make_one_unbroken_chain(pipeline: Pipeline) -> None:
    """Five writers, four entries each: no number twice, none missing."""

    def write() -> None:
        log = audit(pipeline)
        for _ in range(4):
            log.append(EVENT)

    writers = [threading.Thread(target=write) for _ in range(5)]
    for each in writers:
        each.start()
    for each in writers:
        each.join()
    entries = audit(pipeline).records()
    violations = [each for read in pipeline.read("audit") for each in schemas.check("audit", orjson.loads(read.value))]

    assert violations == []
    assert [each.seq for each in entries] == list(range(1, 21))
    assert check(entries, pipeline.keyring.audit_key()) == []


def test_every_kind_of_tampering_is_seen(pipeline: Pipeline) -> None:
    """Removed, altered, doubled, forged; and the end cut off, against a head that was kept."""
    log, key = audit(pipeline), pipeline.keyring.audit_key()
    last = [log.append(EVENT) for _ in range(3)][-1]
    one, two, three = sorted((read.value for read in pipeline.read("audit")), key=lambda v: orjson.loads(v)["seq"])
    forged = orjson.dumps({**orjson.loads(three), "seq": 4, "previous": last.mac, "actor": "mallory"})

    assert check(log.records(), key, (3, last.mac)) == []
    assert check(log.records()[:2], key, (3, last.mac))[0].flaw is Flaw.NO_HEAD
    assert tampered(pipeline, one, three) == [Flaw.MISSING]
    assert tampered(pipeline, one, two.replace(b"incident", b"accident"), three) == [Flaw.ALTERED]
    assert tampered(pipeline, one, two, two, three) == [Flaw.DOUBLED]
    assert tampered(pipeline, one, two, three, forged) == [Flaw.ALTERED]


def test_no_broker_no_record(monkeypatch: pytest.MonkeyPatch) -> None:
    """Appending says so, and nothing else happens."""
    monkeypatch.setattr("streams.audit.CALL_SECONDS", 2.0)
    log = AuditLog(Settings(bootstrap="127.0.0.1:1", kafka={"socket.timeout.ms": "1000"}), bytes(32))
    with pytest.raises(AuditFailed):
        log.append(EVENT)


class Office:
    """A pipeline with an identity provider, a tenant with names, and a desk that reverses."""

    def __init__(self, pipeline: Pipeline, folder: Path, **access: object) -> None:
        self.provider = Provider(folder)
        pipeline.settings = msgspec.structs.replace(pipeline.settings, access=self.provider.access)
        self.pipeline = pipeline
        pipeline.tenants("acme", "borealis")
        rule_set = rules.load()
        self.log = audit(pipeline)
        self.reverser = Reverser(
            msgspec.structs.replace(self.provider.access, **access),
            pipeline.keyring,
            self.log,
            lambda _: rule_set,
            lambda _: [Known(EntityType.COMPUTER_NAME, "utica")],
        )
        acme = Pseudonymiser(pipeline.keyring.tenant("acme"))
        self.text = f"disk full on {acme.replace(EntityType.COMPUTER_NAME, 'utica')}"

    def ask(self, token: str, tenant: str = "acme", purpose: str = "incident") -> str:
        """The reversed text."""
        return self.reverser.reverse(token, Request(tenant, purpose, self.text)).reversal.text

    def refusal(self, token: str, tenant: str = "acme", purpose: str = "incident") -> tuple[str, str]:
        """Who was refused and why, as the log has it."""
        with pytest.raises((ReversalRefused, IdentityRefused)):
            self.ask(token, tenant, purpose)
        last = self.log.entries()[-1]
        assert (last.action, last.result) == (Action.REVERSE, Result.REFUSED)
        return last.actor, last.reason


@pytest.fixture
def office(pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Office:
    """An office whose commands find it by their environment."""
    made = Office(pipeline, tmp_path)
    for name, value in made.pipeline.environment().items():
        monkeypatch.setenv(name, value)
    return made


def as_(monkeypatch: pytest.MonkeyPatch, token: str) -> None:
    """Call as the holder of a token."""
    monkeypatch.setenv("RMM_SCRUB_TOKEN", token)


def test_reversal_needs_a_current_grant_and_is_on_the_record(office: Office, monkeypatch, capsysbinary) -> None:
    """Granted by one employee, used by another, listed and verified by anyone with the keyring."""
    as_(monkeypatch, office.provider.granter())
    assert main(["grants", "add", "alice", "--tenant", "acme", "--purpose", "incident", "--days", "30"]) == 0
    office.pipeline.send(
        "known_entities",
        [Message(b'{"tenant":"acme","type":"COMPUTER_NAME","value":"utica"}', b"k1")],
    )
    capsysbinary.readouterr()
    as_(monkeypatch, office.provider.token("alice"))
    assert main(["reverse", office.text, "--tenant", "acme", "--purpose", "incident", "--json"]) == 0
    answer = orjson.loads(capsysbinary.readouterr().out)
    assert main(["audit", "list", "--action", "reverse", "--json"]) == 0
    record = orjson.loads(capsysbinary.readouterr().out)
    assert main(["grants", "list", "--json"]) == 0
    [grant] = orjson.loads(capsysbinary.readouterr().out)
    assert main(["audit", "verify", "--json"]) == 0
    verified = orjson.loads(capsysbinary.readouterr().out)

    assert answer["text"] == "disk full on utica"
    assert (record["actor"], record["seq"], record["detail"]["turned"]) == ("alice", answer["audit"], 1)
    assert b"utica" not in orjson.dumps(record)
    assert (grant["employee"], grant["granted_by"], grant["standing"]) == ("alice", "grace", "current")
    assert verified["problems"] == []


def test_whoever_may_not_is_refused_and_on_the_record(office: Office, tmp_path: Path, monkeypatch) -> None:
    """No grant, another tenant's, another purpose's, revoked; forged, expired and other audiences' tokens."""
    as_(monkeypatch, office.provider.granter())
    place = ["--tenant", "borealis", "--purpose", "incident"]
    assert main(["grants", "add", "bob", *place]) == 0
    assert main(["grants", "add", "carol", "--tenant", "acme", "--purpose", "incident"]) == 0
    assert main(["grants", "revoke", "carol", "--tenant", "acme", "--purpose", "incident"]) == 0
    (tmp_path / "forger").mkdir()
    forger = Provider(tmp_path / "forger")
    token = office.provider.token

    assert office.refusal(token("alice")) == ("alice", "no grant for this tenant and purpose")
    assert office.refusal(token("bob")) == ("bob", "the grant is for another tenant")
    assert office.refusal(token("bob"), "borealis", "curiosity") == ("bob", "the grant is for another purpose")
    assert office.refusal(token("carol")) == ("carol", "the grant was revoked")
    assert office.refusal(forger.token("bob"))[0] == "unidentified"
    assert office.refusal(token("bob", exp=1))[0] == "unidentified"
    assert office.refusal(token("bob", aud="portal"))[0] == "unidentified"
    assert check(office.log.records(), office.pipeline.keyring.audit_key()) == []


def test_granters_see_what_is_due_and_confirm_it(office: Office, monkeypatch, capsysbinary) -> None:
    """Due when it lapses within two weeks."""
    as_(monkeypatch, office.provider.granter())
    place = ["--tenant", "acme", "--purpose", "incident"]
    assert main(["grants", "add", "alice", *place]) == 0
    capsysbinary.readouterr()
    assert main(["grants", "review", "--json"]) == 0
    not_due = orjson.loads(capsysbinary.readouterr().out)
    monkeypatch.setenv("RMM_SCRUB_ACCESS_REVIEW_DAYS", "10")
    assert main(["grants", "review", "--json"]) == 0
    due = orjson.loads(capsysbinary.readouterr().out)
    assert main(["grants", "review", "alice", *place]) == 0

    assert (not_due, [each["employee"] for each in due]) == ([], ["alice"])
    assert [each.action for each in office.log.entries()] == [Action.GRANT_ADD, Action.GRANT_REVIEW]


def test_a_grant_that_nobody_reviewed_is_no_grant(pipeline: Pipeline, tmp_path: Path) -> None:
    """Here it lapses at once."""
    office = Office(pipeline, tmp_path, review_days=0)
    detail: dict[str, str | int | list[str]] = {"employee": "alice", "expires": "2999-01-01T00:00:00+00:00"}
    office.log.append(Event("grace", Action.GRANT_ADD, tenant="acme", purpose="incident", detail=detail))

    assert office.refusal(office.provider.token("alice")) == (
        "alice",
        "the grant was not reviewed in time and has lapsed",
    )


def test_an_employee_has_so_many_reversals_an_hour(pipeline: Pipeline, tmp_path: Path) -> None:
    """Counted on the log, so over all services."""
    office = Office(pipeline, tmp_path, reversals_per_hour=2)
    detail: dict[str, str | int | list[str]] = {"employee": "alice", "expires": "2999-01-01T00:00:00+00:00"}
    office.log.append(Event("grace", Action.GRANT_ADD, tenant="acme", purpose="incident", detail=detail))
    token = office.provider.token("alice")

    assert [office.ask(token), office.ask(token)] == ["disk full on utica"] * 2
    assert office.refusal(token) == ("alice", "more reversals this hour than one employee may make")


def test_a_shredded_tenant_is_turned_back_by_nobody(pipeline: Pipeline, tmp_path: Path) -> None:
    """A grant does not help."""
    office = Office(pipeline, tmp_path)
    detail: dict[str, str | int | list[str]] = {"employee": "alice", "expires": "2999-01-01T00:00:00+00:00"}
    office.log.append(Event("grace", Action.GRANT_ADD, tenant="acme", purpose="incident", detail=detail))
    pipeline.keyring.shred("acme")

    assert office.refusal(office.provider.token("alice"))[1] == "the tenant has no keys: never made, or shredded"


def test_no_record_no_answer(office: Office, monkeypatch) -> None:
    """The record of the answer fails: nothing is handed over."""
    detail: dict[str, str | int | list[str]] = {"employee": "alice", "expires": "2999-01-01T00:00:00+00:00"}
    office.log.append(Event("grace", Action.GRANT_ADD, tenant="acme", purpose="incident", detail=detail))

    def broken(_: Event) -> None:
        raise AuditFailed("the disk is full")

    monkeypatch.setattr(office.log, "append", broken)
    with pytest.raises(AuditFailed):
        office.ask(office.provider.token("alice"))


def test_a_grant_that_was_forged_on_the_topic_opens_nothing(office: Office) -> None:
    """Whoever may write to the topic, but has not the keyring: refused, and seen by the check."""
    entry = office.log.append(Event("grace", Action.GRANT_REVIEW, tenant="acme", purpose="incident"))
    detail: dict[str, str | int | list[str]] = {"employee": "mallory", "expires": "2999-01-01T00:00:00+00:00"}
    forged = msgspec.structs.replace(entry, seq=2, previous=entry.mac, action=Action.GRANT_ADD, detail=detail)
    office.pipeline.send("audit", [Message(msgspec.json.encode(forged), b"grace")])

    assert office.refusal(office.provider.token("mallory")) == ("mallory", "no grant for this tenant and purpose")
    assert Flaw.ALTERED in {each.flaw for each in check(office.log.records(), office.pipeline.keyring.audit_key())}


def test_granters_cannot_grant_to_themselves_on_the_command_line(office: Office, monkeypatch, capsys) -> None:
    """One line, exit 1, and an entry."""
    as_(monkeypatch, office.provider.granter())

    assert main(["grants", "add", "grace", "--tenant", "acme", "--purpose", "incident"]) == 1
    assert "nobody grants to or reviews themselves" in capsys.readouterr().err
    assert office.log.entries()[-1].result is Result.REFUSED


def post(pipeline: Pipeline, body: bytes, token: str | None) -> tuple[int, dict[str, object]]:
    """Status and answer of `POST /v1/reverse`."""
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    url = f"http://127.0.0.1:{pipeline.settings.web_port}/v1/reverse"
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers)) as answer:
            return answer.status, orjson.loads(answer.read())
    except urllib.error.HTTPError as problem:
        return problem.code, orjson.loads(problem.read())


def test_the_same_over_http(office: Office, monkeypatch) -> None:
    """A worker answers whoever may, and refuses the others in its status."""
    as_(monkeypatch, office.provider.granter())
    assert main(["grants", "add", "alice", "--tenant", "acme", "--purpose", "incident"]) == 0
    pipeline, token = office.pipeline, office.provider.token
    pipeline.send("known_entities", [Message(b'{"tenant":"acme","type":"COMPUTER_NAME","value":"utica"}', b"k1")])
    wanted = {"tenant": "acme", "purpose": "incident", "text": office.text}
    body = orjson.dumps(wanted)
    with pipeline.workers():
        status, answer = post(pipeline, body, token("alice"))
        long = post(pipeline, orjson.dumps({**wanted, "text": "\u00e9" * 900_000}), token("alice"))
        refused = [
            post(pipeline, body, None),
            post(pipeline, body, token("alice", aud="portal")),
            post(pipeline, body, token("bob")),
            post(pipeline, b'{"tenant":1}', token("alice")),
            post(pipeline, b'{"tenant":"\xff"}', token("alice")),
            post(pipeline, orjson.dumps({**wanted, "epoch": "k09"}), token("alice")),
            post(pipeline, orjson.dumps({**wanted, "text": "x" * 1_000_001}), token("alice")),
        ]

    assert (status, answer["text"]) == (200, "disk full on utica")
    assert (long[0], len(str(long[1]["text"]))) == (200, 900_000)
    assert [code for code, _ in refused] == [401, 401, 403, 400, 400, 404, 413]
    assert [each.result for each in office.log.entries()[1:]] == [Result.DONE] * 2 + [Result.REFUSED] * 4
    assert "utica" not in office.pipeline.log.read_text()
