"""The worker's app: wiring only."""

import logging
import time
from pathlib import Path
from typing import Any

from schemas.errors import UserError
from scrubbers import rules
from scrubbers.compiled import CompiledRules
from scrubbers.keyring import Keyring
from scrubbers.known import KnownEntities
from scrubbers.recognise import Recogniser
from scrubbers.scrub import Bounds, Scrubber
from streams.auditor import STAGE, Auditor, Knowledge
from streams.canary import CanaryWatch
from streams.config import Settings
from streams.contact_lane import ContactLane
from streams.host import ScrubApp, add_lane, new_app
from streams.lane import Lane
from streams.metrics import Metrics
from streams.rows import ContractRow, RuleRow
from streams.tables import KnownTable, Rows, Tables
from streams.telemetry import Telemetry
from streams.web import add_endpoints

log = logging.getLogger(__name__)

KEYRING_SECONDS = 1.0  # a rotation or a shredding reaches every worker within five seconds; look more often
MEASURE_SECONDS = 5.0


def assemble(settings: Settings, keyring: Keyring, *, slot: int, identity: str) -> ScrubApp:
    """The whole worker: scrub lane, contact lane, tables, timers, health and metrics.

    Raises:
        UserError: a rule set or policy that cannot be used.
    """
    app = new_app(settings, web_port=settings.web_port + slot)
    topics, metrics = settings.named, Metrics()
    rule_set = rules.load(Path(settings.rules) if settings.rules else None)
    known = KnownTable(KnownEntities(rule_set.learning))
    contracts, published = Rows(ContractRow), Rows(RuleRow)
    limits = settings.limits
    scrubber = Scrubber(
        Recogniser(rule_set, CompiledRules(rule_set)),
        known.known,
        Bounds(limits.record_bytes, limits.depth, settings.tenant_path),
    )
    telemetry = Telemetry(settings, keyring, scrubber, contracts, metrics, rule_set.operators)
    contacts = ContactLane(settings, keyring, contracts, metrics)
    canaries = CanaryWatch(settings, keyring, contracts, known.known.values, lambda _: rule_set)
    knowledge = Knowledge(known.known.find, known.known.version, lambda _: rule_set)
    auditor = Auditor(settings, knowledge, canaries, metrics)
    tables = app.followed = Tables(
        settings,
        {
            topics.known_entities: known.apply,
            topics.contracts: contracts.apply,
            topics.contact_state: contacts.states.apply,
            topics.rules: published.apply,
        },
    )
    common: dict[str, Any] = {"settings": settings, "identity": identity, "metrics": metrics}
    common["quarantine"] = telemetry.refuse

    async def contacts_assigned() -> None:
        contacts.owns(contact_lane.assigned)
        await tables.caught_up()

    scrub_lane = add_lane(app, "scrub", telemetry.answer, source=topics.raw, **common)
    contact_lane = add_lane(
        app,
        "contacts",
        contacts.answer,
        source=topics.contact_changes,
        on_assigned=contacts_assigned,
        on_committed=tables.reached,
        followed=frozenset({topics.contact_state, topics.contracts}),
        ticks=True,
        **common,
    )
    lanes = [scrub_lane, contact_lane]
    if settings.audit_share > 0:
        lanes.append(_add_auditor(app, auditor, canaries, tables, common))
    shown: dict[str, KnownTable | Rows[Any]] = {
        "known-entities": known,
        "contracts": contracts,
        "rules": published,
        "contacts": contacts.states,
    }

    @app.timer(KEYRING_SECONDS)
    async def look_at_keyring() -> None:
        try:
            changed = keyring.reload_if_changed()
        except UserError as problem:  # gone or damaged: the keys in memory stay until it is mended
            log.error("%s", problem)  # noqa: TRY400 - the message says it all
            return
        if changed:
            telemetry.keys_changed()
            contacts.keys_changed()
            canaries.keys_changed()
            log.info("keyring: reloaded")

    @app.timer(MEASURE_SECONDS)
    async def measure() -> None:
        for lane in lanes:
            metrics.lag.labels(lane.name).set(lane.lag())
            metrics.assigned.labels(lane.name).set(len(lane.assigned))
        metrics.canary_seen.set(canaries.age(time.time()))
        for name, rows in shown.items():
            metrics.table_rows.labels(name).set(len(rows))
            metrics.undecodable.labels(name).set(rows.undecodable)

    def checks() -> dict[str, bool]:
        return {"tables": tables.ready, **{lane.name: lane.ready for lane in lanes}}

    add_endpoints(app, metrics, checks)
    return app


def _add_auditor(
    app: ScrubApp, auditor: Auditor, canaries: CanaryWatch, tables: Tables, common: dict[str, Any]
) -> Lane:
    async def assigned() -> None:
        canaries.owns(lane.assigned)
        await tables.caught_up()

    settings = auditor.settings
    lane = add_lane(
        app,
        STAGE,
        auditor.answer,
        source=settings.named.scrubbed,
        on_assigned=assigned,
        ticks=True,
        first_seconds=settings.audit_hindsight,
        **{**common, "quarantine": auditor.refuse},
    )
    return lane
