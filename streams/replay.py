"""Publish quarantined records again, each once.

A replay and the marker that says so are written in one transaction: a replay that is interrupted can
be called again, and no record is published twice.
"""

from confluent_kafka import Producer

from streams.config import Settings
from streams.quarantine import Entry, original, read_entry
from streams.reader import Read, read_topic

REPLAYED_HEADER = "__rmm-scrub.replayed"
_TOGETHER = 500  # records a transaction; with the largest records about 500 MB, with common ones 1 MB


def entries(settings: Settings) -> list[tuple[Read, Entry]]:
    """Quarantined records that were not replayed yet, with what their headers say."""
    records, marked = [], set()
    for read in read_topic(settings, settings.named.quarantine):
        place = next((value.decode() for name, value in read.headers if name == REPLAYED_HEADER), None)
        if place is None:
            records.append((read, read_entry(read.headers)))
        else:
            marked.add(place)
    return [(read, entry) for read, entry in records if place_of(read) not in marked]


def place_of(read: Read) -> str:
    """`PARTITION:OFFSET`, which names a quarantined record."""
    return f"{read.partition}:{read.offset}"


def replay(settings: Settings, key: bytes, reason: str | None) -> int:
    """Publish what waits in quarantine (only with `reason`, if given) to where it came from; how many.

    Raises:
        cryptography.exceptions.InvalidTag: `key` is not the quarantine key they were sealed with.
    """
    waiting = [(read, entry) for read, entry in entries(settings) if reason in (None, entry.reason)]
    producer = Producer(
        settings.client(
            transactional_id=f"{settings.group}-replay",  # two replays at once: the older one is fenced
            partitioner="murmur2_random",
            message_max_bytes=10_485_760,
        )
    )
    producer.init_transactions()
    for start in range(0, len(waiting), _TOGETHER):
        producer.begin_transaction()
        for read, entry in waiting[start : start + _TOGETHER]:
            _publish(producer, settings, read, entry, key)
        producer.commit_transaction()
    return len(waiting)


def _publish(producer: Producer, settings: Settings, read: Read, entry: Entry, key: bytes) -> None:
    record = original(read.value or b"", key)
    producer.produce(entry.topic, record.value, record.key, headers=list(record.headers), timestamp=record.timestamp)
    marker = [(REPLAYED_HEADER, place_of(read).encode())]
    producer.produce(settings.named.quarantine, None, None, partition=read.partition, headers=marker)
