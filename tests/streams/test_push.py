"""What the pusher commits: never an offset behind a token that nobody has taken."""

import asyncio
from types import SimpleNamespace

import pytest
from confluent_kafka import TopicPartition

from schemas.errors import UserError
from streams.config import Settings
from streams.push import Pusher, Refusals, group_of


class Consumer:
    """One partition, read up to offset 8; notes what is committed."""

    def __init__(self, error: object = None) -> None:
        self.committed: list[int] = []

    def incremental_unassign(self, places: list[TopicPartition]) -> None:
        pass

    def position(self, places: list[TopicPartition]) -> list[TopicPartition]:
        return [TopicPartition(place.topic, place.partition, 8) for place in places]

    def commit(self, offsets: list[TopicPartition], asynchronous: bool) -> None:
        self.committed += [each.offset for each in offsets]

    def incremental_assign(self, places: list[TopicPartition]) -> None:
        pass


@pytest.fixture
def pusher() -> Pusher:
    """A pusher with one partition."""
    made = Pusher(Settings(), SimpleNamespace(), SimpleNamespace(), "g")
    made._assigned(Consumer(), [TopicPartition("t", 0)])
    return made


def test_a_record_polled_just_before_its_partition_goes_away_is_left_to_the_next_owner(pusher: Pusher) -> None:
    """It was not handed on yet, but the position is behind it."""
    consumer = Consumer()

    async def run() -> None:
        pusher._loop = asyncio.get_running_loop()
        await asyncio.to_thread(pusher._revoked, consumer, [TopicPartition("t", 0)])

    asyncio.run(run())
    assert consumer.committed == []


def test_an_idle_partition_is_committed_to_its_position(pusher: Pusher) -> None:
    """Over a transaction's marker, once, so that nothing seems to wait."""
    consumer = Consumer()
    for _ in range(2):
        pusher._pass_markers(consumer)
        pusher._commit(consumer, pusher._shares)
    assert consumer.committed == [8]


def test_a_partition_with_waiting_tokens_is_not(pusher: Pusher) -> None:
    """They are before the position."""
    consumer = Consumer()
    pusher._shares[0].waiting.append(SimpleNamespace())
    pusher._pass_markers(consumer)
    pusher._commit(consumer, pusher._shares)
    assert consumer.committed == []


def test_each_receiver_has_a_group_of_its_own() -> None:
    """Under the prefix by which ACLs let a portal read; the same each time."""
    one, other = (group_of(Settings(), f"https://{host}.example.com/events") for host in ("a", "b"))
    assert one != other
    assert one.startswith("portal-rmm-scrub-push-")
    assert one == group_of(Settings(), "https://a.example.com/events")


def test_a_file_of_refused_tokens_that_cannot_be_written_is_said_at_once(tmp_path) -> None:
    """Before anything is sent."""
    (tmp_path / "file").touch()
    with pytest.raises(UserError):
        Refusals(tmp_path / "file" / "refused.ndjson")
