"""Where a consumer group stands: who reads what, and how far (kafka-python's admin client)."""

from kafka import KafkaAdminClient
from kafka.admin import OffsetSpec
from kafka.errors import CoordinatorNotAvailableError, NotCoordinatorError
from kafka.structs import TopicPartition

from streams.config import Settings
from streams.reader import security


class Group:
    """One consumer group and the topic it reads."""

    def __init__(self, settings: Settings, lane: str, topic: str, *, own: bool = False) -> None:
        """The group of a lane of these settings; `own`: `lane` is the whole name of a group that is not ours."""
        self._admin = KafkaAdminClient(bootstrap_servers=settings.bootstrap, **security(settings))
        self._name = lane if own else f"{settings.group}-{lane}"
        self._topic = topic
        self._partitions = settings.partitions

    def close(self) -> None:
        """Close the connection."""
        self._admin.close()

    def readers(self) -> dict[int, str]:
        """Partition → the member (its instance id) that it is assigned to; empty before there is a group."""
        try:
            members = self._admin.describe_groups([self._name])[self._name]["members"]
        except (CoordinatorNotAvailableError, NotCoordinatorError):
            return {}
        return {
            partition: member["group_instance_id"] or member["member_id"]
            for member in members
            for part in (member["member_assignment"] or {}).get("assigned_partitions", ())
            if part["topic"] == self._topic
            for partition in part["partitions"]
        }

    def lag(self) -> int:
        """Records behind the committed offsets of all partitions."""
        places = [TopicPartition(self._topic, partition) for partition in range(self._partitions)]
        ends = self._admin.list_partition_offsets(dict.fromkeys(places, OffsetSpec.LATEST))
        committed = self._admin.list_group_offsets(self._name).get(self._name, {})
        done = {place: max(0, found.offset) for place, found in committed.items()}
        return sum(end.offset - done.get(place, 0) for place, end in ends.items())
