"""The worker's app: wiring only."""

import logging
from typing import Any

from scrubbers.known import KnownEntities
from scrubbers.keyring import Keyring
from streams.config import Settings
from streams.contact_lane import ContactLane
from streams.host import ScrubApp, add_lane, new_app
from streams.metrics import Metrics
from streams.tables import KnownTable, Rows, Tables
from streams.telemetry import ContractRow, Telemetry
from streams.web import add_endpoints

log = logging.getLogger(__name__)

KEYRING_SECONDS = 1.0  # a rotation or a shredding reaches every worker within five seconds; look more often
LAG_SECONDS = 5.0


def assemble(settings: Settings, keyring: Keyring, *, slot: int, identity: str) -> ScrubApp:
    """The whole worker: scrub lane, contact lane, tables, timers, health and metrics."""
    app = new_app(settings, web_port=settings.web_port + slot)
    topics, metrics = settings.named, Metrics()
    known, contracts = KnownEntities(), Rows(ContractRow)
    known_table = KnownTable(known)
    telemetry = Telemetry(settings, keyring, known, contracts, metrics)
    contacts = ContactLane(settings, keyring, contracts, metrics)
    tables = app.followed = Tables(
        settings,
        {
            topics.known_entities: known_table.apply,
            topics.contracts: contracts.apply,
            topics.contact_state: contacts.states.apply,
            topics.rules: telemetry.published.apply,
        },
    )
    shared: dict[str, Any] = {"settings": settings, "identity": identity, "metrics": metrics}
    lanes = [
        add_lane(app, "scrub", telemetry.answer, source=topics.raw, quarantine=telemetry.refuse, **shared),
        add_lane(
            app,
            "contacts",
            contacts.answer,
            source=topics.contact_changes,
            quarantine=telemetry.refuse,
            on_assigned=tables.caught_up,
            on_committed=tables.reached,
            followed=frozenset({topics.contact_state, topics.contracts}),
            ticks=True,
            **shared,
        ),
    ]

    @app.timer(KEYRING_SECONDS, name="keyring")
    async def look_at_keyring() -> None:
        if keyring.reload_if_changed():
            telemetry.keys_changed()
            log.info("keyring: reloaded")

    @app.timer(LAG_SECONDS, name="lag")
    async def measure() -> None:
        for lane in lanes:
            metrics.lag.labels(lane.name).set(lane.lag())
            metrics.assigned.labels(lane.name).set(len(lane.assigned))
        metrics.table_rows.labels("known-entities").set(len(known_table))
        metrics.table_rows.labels("contracts").set(len(contracts))
        metrics.table_rows.labels("contacts").set(len(contacts.states))

    def checks() -> dict[str, bool]:
        return {"tables": tables.ready, **{lane.name: lane.ready for lane in lanes}}

    add_endpoints(app, metrics, checks)
    return app
