"""Topics, their configuration and the ACLs on them as data; `plan` compares with a broker, `apply` mends."""

import time
from collections.abc import Iterator, Sequence
from enum import StrEnum

import msgspec
from kafka import KafkaAdminClient
from kafka.admin import (
    ACL,
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    ConfigResource,
    ConfigResourceType,
    ResourcePattern,
    ResourcePatternFilter,
    ResourceType,
)
from kafka.errors import KafkaError

from schemas.errors import UserError
from streams.audit import KEPT
from streams.config import Settings
from streams.reader import need_kafka, security

HOUR = 3_600_000  # milliseconds
DAY = 24 * HOUR
SETTLE_SECONDS = 15.0  # until a change is seen in the broker's own metadata

# An agent may send more than a record may have (1 MB): then it is quarantined, and the agent hears of it;
# a topic that refused it would lose it. Quarantine holds it sealed, so it takes more still.
_RAW_BYTES = 5_242_880
_SEALED_BYTES = 10_485_760

# A segment is deleted whole, when its youngest record is old enough: a value stands for retention.ms and segment.ms,
# which Kafka has a week for.
_SHORT = {"cleanup.policy": "delete", "retention.ms": str(DAY), "segment.ms": str(HOUR)}
_WEEK = {"cleanup.policy": "delete", "retention.ms": str(7 * DAY), "segment.ms": str(DAY)}
_KEPT = {"cleanup.policy": "delete", "retention.ms": str(30 * DAY), "segment.ms": str(DAY)}
_LONG = {"cleanup.policy": "delete", "retention.ms": str(KEPT.days * DAY)}
# A tombstone must have worked within two days: one until the segment is compacted, one for slow readers.
_COMPACT = {
    "cleanup.policy": "compact",
    "max.compaction.lag.ms": str(DAY),
    "delete.retention.ms": str(DAY),
    "segment.ms": str(DAY),
    "min.cleanable.dirty.ratio": "0.1",
}


class Topic(msgspec.Struct, frozen=True):
    """A topic as it shall be: `name` is the field of `Topics` that holds its name."""

    name: str
    configs: dict[str, str]
    readers: tuple[str, ...]
    writers: tuple[str, ...]


TOPICS = (
    Topic("raw", {**_SHORT, "max.message.bytes": str(_RAW_BYTES)}, ("scrubber",), ("agent", "scrubber")),
    # The contract's whole term is the customer's to set: a month is where dashboards look.
    Topic("scrubbed", {**_KEPT, "max.message.bytes": str(_RAW_BYTES)}, ("analytics", "scrubber"), ("scrubber",)),
    # A week to notice, mend and replay; sealed originals are personal data and go then.
    Topic(
        "quarantine",
        {**_WEEK, "max.message.bytes": str(_SEALED_BYTES)},
        ("security",),
        ("scrubber",),
    ),
    Topic("contact_changes", _WEEK, ("scrubber",), ("crm", "scrubber")),
    Topic("contact_state", _COMPACT, ("scrubber",), ("scrubber",)),
    Topic("revocations", _KEPT, ("portal",), ("scrubber",)),
    Topic("known_entities", _COMPACT, ("scrubber",), ("scrubber", "crm")),
    # A rule set is published whole, with its files: the shipped one is 0.15 MB.
    Topic("rules", {**_COMPACT, "max.message.bytes": str(_RAW_BYTES)}, ("scrubber", "security"), ("security",)),
    Topic("contracts", _COMPACT, ("scrubber",), ("crm", "scrubber")),
    # Sealed samples of a set in shadow are on it: personal data, kept as long as quarantine's.
    Topic("findings", _WEEK, ("security",), ("scrubber",)),
    # Workers read it, too: grants and limits are on it.
    Topic("audit", _LONG, ("security", "scrubber"), ("scrubber", "security")),
)


class Kind(StrEnum):
    """What a step does."""

    CREATE = "create"
    PARTITIONS = "partitions"
    CONFIG = "config"
    ACL = "acl"
    NOTICE = "notice"


class Step(msgspec.Struct, frozen=True):
    """One difference between the broker and the plan; `now` is empty where there is nothing yet."""

    kind: Kind
    resource: str
    what: str
    now: str
    wanted: str


class _Grant(msgspec.Struct, frozen=True, order=True):
    principal: str
    operation: str
    kind: str
    name: str
    prefixed: bool = False

    def __str__(self) -> str:
        return f"{self.principal} may {self.operation} {self.kind} {self.name}{'*' if self.prefixed else ''}"


class Provisioner:
    """A broker's topics and ACLs, compared with what they shall be, and mended (kafka-python's admin client)."""

    def __init__(self, settings: Settings) -> None:
        """Connect.

        Raises:
            UserError: no broker answers.
        """
        self.settings = settings
        need_kafka(settings)
        try:
            self._admin = KafkaAdminClient(bootstrap_servers=settings.bootstrap, **security(settings))
        except KafkaError as problem:
            raise UserError(
                f"no Kafka answers at {settings.bootstrap} ({type(problem).__name__})",
                "set RMM_SCRUB_BOOTSTRAP, or start one: rmm-scrub kafka start",
            ) from None

    def close(self) -> None:
        """Close the connection."""
        self._admin.close()

    def plan(self, *, acls: bool = False) -> list[Step]:
        """What has to change; empty when all is as it shall be."""
        names = {topic.name: getattr(self.settings.named, topic.name) for topic in TOPICS}
        described = self._admin.describe_topics(list(names.values()))
        found = {each["name"]: len(each["partitions"]) for each in described if not each["error_code"]}
        configs = self._configs([name for name in names.values() if name in found])
        steps: list[Step] = []
        for topic in TOPICS:
            name = names[topic.name]
            if name in found:
                steps += self._differences(topic, name, found[name], configs[name])
            else:
                wanted = f"{self.settings.partitions} partitions, {_text(topic.configs)}"
                steps.append(Step(Kind.CREATE, name, "topic", "", wanted))
        return steps + (self._missing_acls() if acls else [])

    def apply(self, steps: Sequence[Step], *, acls: bool = False) -> None:
        """Carry out a plan, then look again.

        Raises:
            UserError: something is still not as it shall be, and what.
        """
        by_name = {getattr(self.settings.named, topic.name): topic for topic in TOPICS}
        created = [step.resource for step in steps if step.kind is Kind.CREATE]
        if created:
            self._create({name: by_name[name] for name in created})
        grown = {step.resource: int(step.wanted) for step in steps if step.kind is Kind.PARTITIONS}
        if grown:
            self._admin.create_partitions(grown)
        for name in dict.fromkeys(step.resource for step in steps if step.kind is Kind.CONFIG):
            changed = {step.what: step.wanted for step in steps if step.kind is Kind.CONFIG and step.resource == name}
            self._admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, configs=changed)])
        if any(step.kind is Kind.ACL for step in steps):
            self._admin.create_acls([_acl(grant) for grant in self._wanted_grants()])
        if left := self._left(acls=acls):
            raise UserError(
                f"{left[0].resource}: {left[0].what} is not as planned after applying",
                *[f"{step.resource}: {step.what}" for step in left[1:]],
            )

    def _left(self, *, acls: bool) -> list[Step]:
        """What is still not as planned; a broker shows a change a moment after it took it."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            left = [step for step in self.plan(acls=acls) if step.kind is not Kind.NOTICE]
            if not left or time.monotonic() > deadline:
                return left
            time.sleep(0.1)

    def _create(self, topics: dict[str, Topic]) -> None:
        self._admin.create_topics(
            {
                name: {
                    "num_partitions": self.settings.partitions,
                    "replication_factor": self.settings.replication,
                    "configs": topic.configs,
                }
                for name, topic in topics.items()
            },
            wait_for_metadata=True,
        )

    def _configs(self, names: Sequence[str]) -> dict[str, dict[str, str]]:
        if not names:
            return {}
        resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
        answer = self._admin.describe_configs(resources, config_filter="all")["topic"]
        return {name: {key: str(each["value"]) for key, each in answer[name].items()} for name in names}

    def _differences(self, topic: Topic, name: str, partitions: int, configs: dict[str, str]) -> Iterator[Step]:
        wanted = self.settings.partitions
        if partitions < wanted:
            yield Step(Kind.PARTITIONS, name, "partitions", str(partitions), str(wanted))
        elif partitions > wanted:
            yield Step(Kind.NOTICE, name, "more partitions than planned", str(partitions), str(wanted))
        for key, value in topic.configs.items():
            if configs.get(key) != value:
                yield Step(Kind.CONFIG, name, key, configs.get(key, ""), value)

    def _missing_acls(self) -> list[Step]:
        everything = ACLFilter(
            principal=None,
            host=None,
            operation=ACLOperation.ANY,
            permission_type=ACLPermissionType.ANY,
            resource_pattern=ResourcePatternFilter(ResourceType.ANY, None, ACLResourcePatternType.ANY),
        )
        try:
            found, error = self._admin.describe_acls(everything)
        except KafkaError as problem:
            raise UserError(f"this broker shows no ACLs ({type(problem).__name__})", "has it an authorizer?") from None
        if getattr(error, "errno", 0):
            raise UserError("this broker has no authorizer", "leave out --acls, or set authorizer.class.name on it")
        there = {_key(acl) for acl in found}
        return [
            Step(Kind.ACL, grant.name, str(grant), "", "allow")
            for grant in self._wanted_grants()
            if _key(_acl(grant)) not in there
        ]

    def _wanted_grants(self) -> Iterator[_Grant]:
        """Least privilege: who reads and writes which topic, and the groups and transactions of the workers."""
        for topic in TOPICS:
            name = getattr(self.settings.named, topic.name)
            yield from (_Grant(reader, "READ", "TOPIC", name) for reader in topic.readers)
            yield from (_Grant(writer, "WRITE", "TOPIC", name) for writer in topic.writers)
        group = self.settings.group
        yield _Grant("scrubber", "READ", "GROUP", group, prefixed=True)
        yield _Grant("scrubber", "WRITE", "TRANSACTIONAL_ID", group, prefixed=True)
        yield _Grant("scrubber", "DESCRIBE", "TRANSACTIONAL_ID", group, prefixed=True)
        for log in ("rules", "audit"):  # who publishes rule sets writes both
            yield _Grant("security", "WRITE", "TRANSACTIONAL_ID", f"{group}-{log}")
            yield _Grant("security", "DESCRIBE", "TRANSACTIONAL_ID", f"{group}-{log}")
        for reader in ("analytics", "portal", "security"):
            yield _Grant(reader, "READ", "GROUP", f"{reader}-", prefixed=True)


def _acl(grant: _Grant) -> ACL:
    pattern = ACLResourcePatternType.PREFIXED if grant.prefixed else ACLResourcePatternType.LITERAL
    return ACL(
        principal=f"User:{grant.principal}",
        host="*",
        operation=ACLOperation[grant.operation],
        permission_type=ACLPermissionType.ALLOW,
        resource_pattern=ResourcePattern(ResourceType[grant.kind], grant.name, pattern),
    )


def _key(acl: ACL) -> tuple[str, ...]:
    pattern = acl.resource_pattern
    return (
        acl.principal,
        acl.operation.name,
        acl.permission_type.name,
        pattern.resource_type.name,
        pattern.resource_name,
        pattern.pattern_type.name,
    )


def _text(configs: dict[str, str]) -> str:
    return ", ".join(f"{key}={value}" for key, value in configs.items())
