"""The auditor's answers: what is told, when, and what an aborted transaction does to it."""

import time

import msgspec
import orjson
import pytest

import schemas
from scrubbers import people, rules
from scrubbers.canaries import HOUR, TENANT, canary, events
from scrubbers.entities import EntityType, Known
from scrubbers.keyring import Keyring
from scrubbers.known import KnownEntities
from scrubbers.persons import PersonName
from scrubbers.records import QuarantineReason, Record
from streams.auditor import Auditor, knowledge_of
from streams.canary import CanaryWatch
from streams.config import Settings
from streams.metrics import Metrics
from streams.rows import ContractRow
from streams.tables import KnownTable, Rows

RULES = rules.load()


class Bench:
    """An auditor with what it needs around it."""

    def __init__(self, **settings: object) -> None:
        self.settings = Settings(**settings)
        self.known = KnownEntities(RULES.learning)
        self.ring = Keyring.throwaway()
        self.contracts = Rows(ContractRow)
        self.metrics = Metrics()
        self.table, self.rules = KnownTable(self.known), RULES
        knowledge = knowledge_of(self.table, self.ring, lambda _: self.rules)
        self.canaries = CanaryWatch(self.settings, self.ring, self.contracts, self.known.values, lambda _: self.rules)
        self.auditor = Auditor(self.settings, knowledge, self.canaries, self.metrics)

    def canary_tenant(self) -> None:
        """A contract and keys for the canaries, and the partition that publishes."""
        self.ring.add_tenant(TENANT)
        self.contracts.apply(TENANT.encode(), orjson.dumps({"tenant": TENANT, "status": "active"}))
        self.canaries.owns({0})

    def leaks(self) -> float:
        """What the metric counts."""
        return sum(
            sample.value
            for metric in self.metrics.leaks.collect()
            for sample in metric.samples
            if sample.name.endswith("_total")
        )


def scrubbed(offset: int, value: bytes, tenant: str = "acme") -> Record:
    """A scrubbed record."""
    headers = [("tenant", tenant.encode()), ("scrub-domain", f"{tenant}/k01".encode()), ("scrub-ruleset", b"r@1")]
    return Record("rmm.telemetry.scrubbed", 0, offset, 1_700_000_000_000, None, value, headers)


def name(value: str) -> Known:
    """A computer's name."""
    return Known(EntityType.COMPUTER_NAME, value)


class TestAnswer:
    def test_a_finding_keeps_to_its_schema(self):
        """And its key is the tenant."""
        bench = Bench()
        bench.known.add("acme", name("turnstone-44"))

        [output] = bench.auditor.answer([scrubbed(3, b'{"m":"turnstone-44"}')]).outputs

        found = orjson.loads(output.value)
        assert schemas.check("finding", found) == []
        assert (output.topic, output.key, found["offset"], found["rule_set"]) == (
            "rmm.scrub.findings",
            b"acme",
            3,
            "r@1",
        )

    def test_only_what_is_committed_is_counted(self):
        """An aborted transaction is answered again, and counts once."""
        bench = Bench()
        bench.known.add("acme", name("turnstone-44"))
        batch = [scrubbed(3, b'{"m":"turnstone-44"}')]

        bench.auditor.answer(batch)
        assert bench.leaks() == 0
        bench.auditor.answer(batch).on_committed()

        assert bench.leaks() == 1

    def test_a_name_learned_later_is_told_until_it_is_committed_and_then_no_more(self):
        """Found in what was kept; not lost with an abort, not told twice."""
        bench = Bench()
        bench.auditor.answer([scrubbed(3, b'{"m":"turnstone-44"}')]).on_committed()
        bench.known.add("acme", name("turnstone-44"))

        aborted = bench.auditor.answer([])
        again = bench.auditor.answer([])
        again.on_committed()

        assert list(aborted.outputs) == list(again.outputs)
        assert [orjson.loads(each.value)["later"] for each in again.outputs] == [True]
        assert list(bench.auditor.answer([]).outputs) == []
        assert bench.leaks() == 1

    def test_a_contact_learned_later_is_told_in_whatever_form_it_was_written(self):
        """By digest alone: also one that left and is suppressed."""
        bench = Bench()
        bench.ring.add_tenant("acme")
        bench.auditor.answer([scrubbed(3, b'{"m":"ask mevr. Van Dijk-Bakker"}')]).on_committed()
        forms = people.forms(PersonName(full="Sanne van Dijk-Bakker"), bench.ring.tenant("acme").entity_digest)
        for form in forms.values():
            bench.table.people.add("acme", form)

        found = [orjson.loads(each.value) for each in bench.auditor.answer([]).outputs]

        assert [(each["type"], each["later"]) for each in found] == [("PERSON", True)]

    def test_what_was_told_when_it_passed_is_not_told_again(self):
        """Another name is learned: the first one's leak is known."""
        bench = Bench()
        bench.known.add("acme", name("turnstone-44"))
        bench.auditor.answer([scrubbed(3, b'{"m":"turnstone-44 dunlin-7"}')]).on_committed()
        bench.known.add("acme", name("dunlin-9"))

        assert list(bench.auditor.answer([]).outputs) == []

    def test_other_tenants_names_are_no_leak(self):
        """A name is one only where it is known."""
        bench = Bench()
        bench.known.add("acme", name("turnstone-44"))

        assert list(bench.auditor.answer([scrubbed(3, b'{"m":"turnstone-44"}', "borealis")]).outputs) == []

    def test_a_share_is_searched(self):
        """About a third of the offsets, always the same ones, and each canary record."""
        bench = Bench(audit_share=0.33)
        bench.known.add("acme", name("turnstone-44"))
        batch = [scrubbed(offset, b'{"m":"turnstone-44"}') for offset in range(1_000)]

        first, second = bench.auditor.answer(batch).outputs, bench.auditor.answer(batch).outputs

        assert 250 < len(first) < 410
        assert len(first) == len(second)

    def test_a_record_that_cannot_be_searched_is_told(self):
        """It is pseudonymised already: nothing of it is sealed, nothing can be replayed."""
        output = Bench().auditor.refuse(scrubbed(3, b"x"), QuarantineReason.RULE_FAILURE, "auditor", 3)

        found = orjson.loads(output.value)
        assert schemas.check("finding", found) == []
        assert (found["how"], found["offset"]) == ("unsearched", 3)


class TestCanaries:
    def test_are_published_by_the_worker_with_partition_0(self):
        """When they are due, and again only when that was committed and the time has passed."""
        bench = Bench()
        bench.canary_tenant()

        first = bench.auditor.answer([])
        first.on_committed()

        assert {output.topic for output in first.outputs} == {"rmm.telemetry.raw"}
        assert list(bench.auditor.answer([]).outputs) == []
        bench.canaries.owns({1})
        assert bench.canaries.due(1e12) == []

    @pytest.mark.parametrize("settings", [{"canary_seconds": 0.0}, {"audit_share": 0.0}])
    def test_can_be_turned_off(self, settings):
        """Nothing is published, nothing is missed."""
        bench = Bench(**settings)
        bench.canary_tenant()

        assert bench.canaries.due(1e9) == []
        assert bench.canaries.age(1e9) == 0

    def test_need_a_contract_and_keys(self):
        """Without, they would fill the quarantine."""
        bench = Bench()
        bench.canaries.owns({0})

        assert bench.canaries.due(1e9) == []

    def test_of_this_hour_and_the_last_are_looked_for(self, monkeypatch):
        """One that was published just before the hour is found just after it; all of it for its own tenant."""
        bench = Bench()
        bench.canary_tenant()
        hour = 500_000
        monkeypatch.setattr("streams.auditor.time.time", lambda: float(hour * HOUR + 5))
        made = canary(bench.ring.canary_key(), hour - 1)
        records = [scrubbed(n, each.value, TENANT) for n, each in enumerate(events(made))]
        other = scrubbed(9, orjson.dumps({"m": made.computer, "ip": made.ipv4}))

        answer = bench.auditor.answer([*records, other])

        found = [orjson.loads(each.value) for each in answer.outputs if each.topic == "rmm.scrub.findings"]
        assert {each["how"] for each in found if each["tenant"] == TENANT} == {"canary"}
        assert {each["type"] for each in found if each["tenant"] == TENANT} >= {"IP_ADDRESS", "MAC_ADDRESS"}
        assert [each["type"] for each in found if each["tenant"] == "acme"] == ["COMPUTER_NAME"]

    def test_what_a_newly_published_rule_set_keeps_is_no_alarm(self):
        """The canaries go by the rule set of the moment, not by the one of the last full hour."""
        bench = Bench()
        bench.canary_tenant()
        made = canary(bench.ring.canary_key(), int(time.time()) // HOUR)
        record = scrubbed(3, orjson.dumps({"ip": made.ipv4}), TENANT)
        alarmed = [each.topic for each in bench.auditor.answer([record]).outputs]
        bench.rules = msgspec.structs.replace(RULES, operators={**RULES.operators, EntityType.IP_ADDRESS: "keep"})

        answer = bench.auditor.answer([record])

        assert "rmm.scrub.findings" in alarmed
        assert [each for each in answer.outputs if each.topic == "rmm.scrub.findings"] == []

    def test_are_forgotten_when_their_hour_is_past(self):
        """Their names were learned like any other: tombstones keep the table from growing for ever."""
        bench = Bench()
        bench.canary_tenant()
        now = 500_000.0 * HOUR
        key = bench.ring.canary_key()
        old, current = canary(key, 500_000 - 2), canary(key, 500_000)
        bench.known.add(TENANT, name(old.computer))
        bench.known.add(TENANT, name(f"{current.computer}.{current.domain}"))

        outputs = [each for each in bench.canaries.due(now) if each.topic == "rmm.scrub.known-entities"]

        digest = bench.ring.tenant(TENANT).entity_digest(EntityType.COMPUTER_NAME, old.computer)
        assert [(each.key, each.value) for each in outputs] == [(digest.encode(), None)]

    def test_age_counts_from_the_last_that_came_out_scrubbed(self):
        """Silence is noticed."""
        bench = Bench()
        bench.canary_tenant()

        began = bench.canaries.age(1_000.0)
        bench.canaries.seen(1_200.0)

        assert (began, bench.canaries.age(1_500.0)) == (0.0, 300.0)
