"""The worker's app: wiring only."""

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from schemas.errors import UserError
from scrubbers import rules
from scrubbers.keyring import Keyring
from scrubbers.known import KnownEntities
from scrubbers.published import RuleSetRefused
from scrubbers.rules import RuleSet
from scrubbers.scrub import Scrubber
from streams.audit import Action, AuditLog, Detail, Event
from streams.auditor import STAGE, Auditor, knowledge_of
from streams.canary import CanaryWatch
from streams.config import Settings
from streams.contact_lane import ContactLane
from streams.contact_table import ContactTable
from streams.host import ScrubApp, add_lane, new_app
from streams.lane import Lane
from streams.live_rules import LOOK_SECONDS, InUse, LiveRules, Running, running
from streams.metrics import Metrics
from streams.notices import Notices
from streams.reversal import Reverser
from streams.rows import ContractRow
from streams.rule_topic import RuleTable
from streams.shadow import Shadow
from streams.tables import KnownTable, Rows, Tables
from streams.telemetry import Telemetry, bounds
from streams.web import add_endpoints
from streams.web_reverse import LONGEST_BODY, add_reversal

log = logging.getLogger(__name__)

KEYRING_SECONDS = 1.0  # a rotation or a shredding reaches every worker within five seconds; look more often
MEASURE_SECONDS = 5.0
REPORT_SECONDS = 10.0  # between two reports of what shadow has counted; nothing waits for them


def assemble(settings: Settings, keyring: Keyring, *, slot: int, identity: str) -> ScrubApp:
    """The whole worker: scrub lane, contact lane, tables, timers, health and metrics.

    Raises:
        UserError: a rule set or policy that cannot be used.
    """
    app = new_app(settings, web_port=settings.web_port + slot, longest_body=LONGEST_BODY)
    topics, metrics = settings.named, Metrics()
    rule_set = rules.load(Path(settings.rules) if settings.rules else None)
    known = KnownTable(KnownEntities(rule_set.learning))
    contracts, published = Rows(ContractRow), RuleTable()
    own = _own(rule_set)
    scrubber = Scrubber(own.recogniser, known.known, bounds(settings), known.people)
    notices = Notices(settings, metrics)
    shadow = Shadow(settings, keyring, metrics, notices, identity)
    telemetry = Telemetry(settings, keyring, scrubber, contracts, metrics, InUse(own), shadow.offer)
    live = LiveRules(
        published,
        own,
        use=telemetry.use,
        learn=known.adopt,
        holding=telemetry.holding,
        shadow=shadow,
        known=known.known,
        bounds=scrubber.bounds,
        metrics=metrics,
        notices=notices,
        worker=identity,
    )
    audit = AuditLog(settings, keyring.audit_key())

    def record(action: Action, tenant: str, detail: Detail) -> None:
        audit.append(Event(f"worker:{identity}", action, tenant=tenant, detail=detail))

    contacts = ContactLane(settings, keyring, contracts, metrics, known, telemetry.keys_changed, record)
    canaries = CanaryWatch(settings, keyring, contracts, known.known.values, telemetry.rules_of)
    auditor = Auditor(settings, knowledge_of(known, keyring, telemetry.rules_of), canaries, metrics)
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

    async def scrub_assigned() -> None:
        await tables.caught_up()
        await live.settle()

    async def contacts_assigned() -> None:
        contacts.owns(contact_lane.assigned)
        await tables.caught_up()

    scrub_lane = add_lane(app, "scrub", telemetry.answer, source=topics.raw, on_assigned=scrub_assigned, **common)
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
    shown: dict[str, KnownTable | ContactTable | RuleTable | Rows[Any]] = {
        "known-entities": known,
        "contracts": contracts,
        "rules": published,
        "contacts": contacts.states,
    }

    _follow_keyring(app, keyring, (telemetry.keys_changed, contacts.keys_changed, canaries.keys_changed))
    _follow_rules(app, tables, live, shadow)

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
        return {"tables": tables.ready, "rules": live.settled, **{lane.name: lane.ready for lane in lanes}}

    add_endpoints(app, metrics, checks, keyring, live.detail)
    add_reversal(
        app,
        Reverser(
            settings.access,
            keyring,
            AuditLog(settings, keyring.audit_key()),
            telemetry.rules_of,
            known.of,
        ),
    )
    return app


def _own(rule_set: RuleSet) -> Running:
    """The set that the worker's settings name, or the shipped one."""
    try:
        return running(rule_set)
    except RuleSetRefused as refused:
        raise UserError(f"{rule_set.identity} cannot be used: {refused}", "rmm-scrub rules lint") from None


def _follow_keyring(app: ScrubApp, keyring: Keyring, concerned: Sequence[Callable[[], None]]) -> None:
    @app.timer(KEYRING_SECONDS)
    async def look_at_keyring() -> None:
        try:
            changed = keyring.reload_if_changed()
        except UserError as problem:  # gone or damaged: the keys in memory stay until it is mended
            log.error("%s", problem)  # noqa: TRY400 - the message says it all
            return
        if changed:
            for keys_changed in concerned:
                keys_changed()
            log.info("keyring: reloaded")


def _follow_rules(app: ScrubApp, tables: Tables, live: LiveRules, shadow: Shadow) -> None:
    @app.timer(LOOK_SECONDS)
    async def look_at_rules() -> None:
        if tables.ready:
            await live.look()

    @app.timer(REPORT_SECONDS)
    async def report_shadow() -> None:
        shadow.report()


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
