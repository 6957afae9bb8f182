"""The scrub agent: what it does with a batch beyond scrubbing each record."""

import gc
import weakref

import orjson
import pytest

from scrubbers import rules
from scrubbers.compiled import CompiledRules
from scrubbers.keyring import Keyring
from scrubbers.known import KnownEntities
from scrubbers.pseudonyms import Pseudonymiser
from scrubbers.recognise import Recogniser
from scrubbers.records import Record
from scrubbers.scrub import Scrubber
from streams.config import Settings
from streams.metrics import Metrics
from streams.quarantine import read_entry
from streams.rows import ContractRow
from streams.tables import Rows
from streams.telemetry import Telemetry


@pytest.fixture
def telemetry() -> Telemetry:
    """An agent for one tenant."""
    ring = Keyring.throwaway()
    ring.add_tenant("acme")
    contracts = Rows(ContractRow)
    contracts.apply(b"acme", b'{"tenant":"acme","status":"active"}')
    rule_set = rules.load()
    scrubber = Scrubber(Recogniser(rule_set, CompiledRules(rule_set)), KnownEntities(rule_set.learning))
    return Telemetry(Settings(), ring, scrubber, contracts, Metrics())


def naming(name: str, tenant: bytes = b"acme") -> Record:
    """An event that teaches a name."""
    return Record("raw", 0, 0, 0, None, orjson.dumps({"hostname": name}), [("tenant", tenant)])


def test_a_name_with_anothers_pseudonym_goes_to_quarantine_and_is_counted(telemetry: Telemetry, monkeypatch) -> None:
    """Every time it is taught; the other name and its events go on."""
    monkeypatch.setattr(Pseudonymiser, "number", lambda *_: 7)
    answers = [telemetry.answer([naming(name)]) for name in ("till-1", "till-2", "till-2", "till-1")]
    topics = [answer.outputs[0].topic for answer in answers]
    entry = read_entry(answers[1].outputs[0].headers)

    assert topics == [f"rmm.telemetry.{name}" for name in ("scrubbed", "quarantine", "quarantine", "scrubbed")]
    assert (entry.reason, entry.stage) == ("rule_failure", "collision")
    assert b"rmm_scrub_pseudonym_collisions_total 2.0" in telemetry.metrics.text()


def test_a_learned_alias_travels_with_its_name(telemetry: Telemetry) -> None:
    """So that every worker and a restart know it."""
    first = telemetry.answer([naming("accounting-workstation-07")])
    first.on_committed()
    second = telemetry.answer([naming("ACCOUNTING-WORK")])
    rows = [orjson.loads(each.value or b"") for each in (first.outputs[1], second.outputs[1])]

    assert [row.get("alias") for row in rows] == [None, "accounting-workstation-07"]
    assert first.outputs[0].value == second.outputs[0].value


def test_a_name_that_was_learned_before_its_tenants_keys_were_shredded_holds_up_nobody(telemetry: Telemetry) -> None:
    """The batch that taught it was not committed: other tenants' batches go on, and the name is forgotten."""
    telemetry.keyring.add_tenant("borealis")
    telemetry.contracts.apply(b"borealis", b'{"tenant":"borealis","status":"active"}')
    telemetry.answer([naming("till-1")])
    telemetry.keyring.shred("acme")
    telemetry.keys_changed()
    outputs = telemetry.answer([naming("shop-1", b"borealis")]).outputs

    assert [each.topic.rpartition(".")[2] for each in outputs] == ["scrubbed", "known-entities"]
    assert list(telemetry.scrubber.known.values("acme")) == []


def test_an_idle_worker_keeps_no_keys_that_were_shredded(telemetry: Telemetry, monkeypatch) -> None:
    """No other batch needs to come."""
    made = []
    init = Pseudonymiser.__init__
    monkeypatch.setattr(
        Pseudonymiser, "__init__", lambda self, *a, **k: (init(self, *a, **k), made.append(weakref.ref(self)))[0]
    )
    telemetry.answer([naming("till-1")])
    telemetry.keyring.shred("acme")
    telemetry.keys_changed()
    gc.collect()

    assert [each() for each in made] == [None]
