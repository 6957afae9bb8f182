"""The known entities of one tenant, read once from their topic: for commands that run beside the workers."""

from scrubbers.entities import Known
from streams.config import Settings
from streams.reader import read_topic
from streams.tables import KnownRow, Rows


def known_of(settings: Settings, tenant: str) -> list[Known]:
    """What is known of a tenant now.

    Raises:
        UserError: there is no such topic, or no Kafka.
    """
    rows: Rows[KnownRow] = Rows(KnownRow)
    for read in read_topic(settings, settings.named.known_entities):
        rows.apply(read.key or b"", read.value)
    return [Known(row.type, row.value, row.alias) for row in rows.values() if row.tenant == tenant and row.value]
