"""What a working installation needs, checked: Kafka, topics, ACLs, keys, tenants, rules, packages, workers, machine.

Every check runs, whatever the others say, and none shows a key or a value. A check never raises: what it could not do
is a finding of its own.
"""

import fcntl
import os
import resource
import shutil
import socket
import stat
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

import msgspec
import orjson
from kafka import KafkaAdminClient
from kafka.admin import OffsetSpec
from kafka.errors import KafkaError
from kafka.structs import TopicPartition
from packaging.requirements import Requirement

from schemas.errors import UserError
from scrubbers import rules
from scrubbers.canaries import TENANT as CANARY
from scrubbers.compiled import CompiledRules
from scrubbers.examples import failures
from scrubbers.published import RuleSetRefused, compiled
from scrubbers.rootkey import ROOT_VARIABLE, root_path
from scrubbers.rules import RuleSet
from streams import audit, policy
from streams.config import Settings
from streams.grants import due, fold
from streams.keys import keyring_path, open_keyring
from streams.reader import read_topic, security
from streams.rollout import active_rules, refusals
from streams.rows import ContractRow, ContractStatus
from streams.rule_topic import read_rules
from streams.tables import Rows
from streams.topics import Kind, Provisioner, Step

CONNECT_SECONDS = 3.0
OLDEST_KAFKA = (3, 9)  # what schemas/asyncapi.yaml promises readers
_SKEW_SECONDS = 60.0  # a record from farther in the future has a wrong clock
_WARN_BYTES, _FAIL_BYTES = 1 << 30, 1 << 26
_MOST_WORKERS = 256


class Level(StrEnum):
    """How well something is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


class Line(msgspec.Struct, frozen=True):
    """One thing that was checked: how it is, and what to do about it."""

    level: Level
    check: str
    finding: str
    todo: str = ""


Check = Callable[[Settings], Iterator[Line]]


def examine(settings: Settings) -> Iterator[Line]:
    """Every line, as the checks come to it."""
    reachable = _connects(settings.bootstrap)
    for name, check, needs_kafka in CHECKS:
        if needs_kafka and reachable is None:
            yield Line(Level.WARN, name, "not checked: no Kafka answers")
            continue
        yield from _guarded(name, check, settings)


def _guarded(name: str, check: Check, settings: Settings) -> Iterator[Line]:
    try:
        yield from check(settings)
    except UserError as problem:
        yield Line(Level.FAIL, name, str(problem), "; ".join(problem.hints))
    except KafkaError as problem:
        yield Line(Level.FAIL, name, f"Kafka: {type(problem).__name__}", "is this client allowed to? see `kafka`")
    except Exception as problem:  # noqa: BLE001 - the doctor goes on; the text could quote a value
        yield Line(Level.FAIL, name, f"could not be checked ({type(problem).__name__})")


def _packages(_: Settings) -> Iterator[Line]:
    try:
        wanted = [Requirement(each) for each in requires("rmm-scrub") or ()]
    except PackageNotFoundError:
        yield Line(Level.WARN, "packages", "rmm-scrub is not installed as a package", "make setup")
        return
    wrong = []
    for each in wanted:
        if each.marker is not None and not each.marker.evaluate():
            continue
        try:
            found = version(each.name)
        except PackageNotFoundError:
            wrong.append(f"{each.name} is missing")
            continue
        if not each.specifier.contains(found, prereleases=True):
            wrong.append(f"{each.name} {found} is not {each.specifier}")
    for problem in wrong:
        yield Line(Level.FAIL, "packages", problem, "make setup, or pip install -r requirements.lock")
    if not wrong:
        yield Line(Level.OK, "packages", f"rmm-scrub {version('rmm-scrub')}, {len(wanted)} packages as required")


def _rules(settings: Settings) -> Iterator[Line]:
    rule_set = rules.load(Path(settings.rules) if settings.rules else None)
    everywhere = CompiledRules(rule_set).everywhere
    failed = list(failures(rule_set))
    for each in failed:
        yield Line(Level.FAIL, "rules", f"{each.rule}: {each.what}", "rmm-scrub rules test")
    if everywhere:
        names = ", ".join(everywhere)
        yield Line(Level.WARN, "rules", f"tried on every text, which costs: {names}", "rmm-scrub rules lint")
    if not rule_set.recognizers and not rule_set.fields:
        yield Line(Level.FAIL, "rules", f"{rule_set.identity} finds nothing", "name another set: RMM_SCRUB_RULES")
    elif not failed:
        count = sum(len(rule.examples) for rule in rule_set.recognizers)
        yield Line(Level.OK, "rules", f"{rule_set.identity}: {count} examples hold")


def _published(settings: Settings) -> Iterator[Line]:
    """Whether the rule set that workers take from the topic can be used, and whether a worker refused one."""
    table = read_rules(settings)
    deployment = table.deployment
    if deployment is None:
        yield Line(Level.OK, "published", "no rule set is published: workers use their own")
        return
    if deployment.active:
        yield _usable(active_rules(settings))
    for refusal in refusals(settings):
        if (refusal.stage, refusal.digest) in deployment.stages():
            told = f"{refusal.worker} refused the set {refusal.digest[:12]} ({refusal.stage})"
            yield Line(Level.FAIL, "published", told, "rmm-scrub rules history says why; rules rollback undoes it")


def _usable(rule_set: RuleSet) -> Line:
    try:
        compiled(rule_set)
    except RuleSetRefused as refused:
        told = f"{rule_set.identity} is active and cannot be used: {refused}"
        return Line(Level.FAIL, "published", told, "rmm-scrub rules rollback")
    return Line(Level.OK, "published", f"{rule_set.identity} is active")


def _access(settings: Settings) -> Iterator[Line]:
    """The audit chain is whole, and no grant waits for its review."""
    if not settings.access.issuer:
        yield Line(Level.OK, "access", "nobody can reverse a pseudonym: no issuer is configured")
    key = open_keyring(settings).audit_key()
    log = audit.AuditLog(settings, key)
    records = log.records()
    problems = len(audit.check(records, key)) + log.unreadable
    if problems:
        told = f"the audit log was altered, in {problems} places"
        yield Line(Level.FAIL, "access", told, "rmm-scrub audit verify names them")
    else:
        yield Line(Level.OK, "access", f"the audit log is whole: {len(records)} entries")
    waiting = due(fold(log.entries()), datetime.now(UTC), settings.access.review_days)
    if waiting:
        told = f"{len(waiting)} grants are due for review, and lapse without"
        yield Line(Level.WARN, "access", told, "rmm-scrub grants review")


def _policy(settings: Settings) -> Iterator[Line]:
    found = policy.load(Path(settings.policy) if settings.policy else None)
    yield Line(Level.OK, "policy", f"{len(found.default.roles)} roles, {len(found.tenants)} tenants with their own")


def _keyring(settings: Settings) -> Iterator[Line]:
    path = keyring_path(settings)
    ring = open_keyring(settings)
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        yield Line(Level.WARN, "keyring", f"others may read {path} (its keys are wrapped)", f"chmod 600 {path}")
    if ROOT_VARIABLE not in os.environ and root_path(path).parent == path.parent:
        yield Line(
            Level.WARN,
            "keyring",
            "the root key lies beside the keyring: who copies the folder has both",
            f"keep it elsewhere and give it as {ROOT_VARIABLE}",
        )
    ring.signing_keys()
    yield Line(Level.OK, "keyring", f"{path} opens: {len(ring.tenants())} tenants")


def _kafka(settings: Settings) -> Iterator[Line]:
    found = _connects(settings.bootstrap)
    if found is None:
        yield Line(
            Level.FAIL,
            "kafka",
            f"no Kafka answers at {settings.bootstrap}",
            "set RMM_SCRUB_BOOTSTRAP, or start one: rmm-scrub kafka start",
        )
        return
    admin = KafkaAdminClient(bootstrap_servers=settings.bootstrap, **security(settings))
    try:
        brokers = admin.describe_cluster()["brokers"]
        release = tuple(admin.get_broker_version_data(brokers[0]["broker_id"]).broker_version[:2])
    finally:
        admin.close()
    text = f"{settings.bootstrap}: Kafka {'.'.join(map(str, release))} or later, brokers: {len(brokers)}"
    if release < OLDEST_KAFKA:
        oldest = ".".join(map(str, OLDEST_KAFKA))
        yield Line(Level.FAIL, "kafka", text, f"{oldest} is the oldest that is supported")
    elif len(brokers) < settings.replication:
        yield Line(Level.FAIL, "kafka", text, f"the setting replication is {settings.replication}")
    else:
        yield Line(Level.OK, "kafka", text)


def _topics(settings: Settings) -> Iterator[Line]:
    provisioner = Provisioner(settings)
    try:
        steps = provisioner.plan()
    finally:
        provisioner.close()
    for step in steps:
        yield _topic_line(step)
    if not any(step.kind is not Kind.NOTICE for step in steps):
        yield Line(Level.OK, "topics", "all there, configured as planned")


def _topic_line(step: Step) -> Line:
    if step.kind is Kind.CREATE:
        return Line(Level.FAIL, "topics", f"{step.resource} is missing", "rmm-scrub topics apply")
    if step.kind is Kind.NOTICE:
        return Line(Level.WARN, "topics", f"{step.resource}: {step.what} ({step.now}, {step.wanted})")
    told = f"{step.resource}: {step.what} is {step.now or 'not set'}, planned {step.wanted}"
    return Line(Level.WARN, "topics", told, "rmm-scrub topics plan shows it, topics apply mends it")


def _acls(settings: Settings) -> Iterator[Line]:
    provisioner = Provisioner(settings)
    try:
        steps = [step for step in provisioner.plan(acls=True) if step.kind is Kind.ACL]
    except UserError as problem:
        told = f"{problem}: everybody who reaches the broker may read raw events"
        yield Line(Level.WARN, "acls", told, "; ".join(problem.hints))
        return
    finally:
        provisioner.close()
    if steps:
        told = f"{len(steps)} are missing, such as: {steps[0].what}"
        yield Line(Level.WARN, "acls", told, "rmm-scrub topics plan --acls shows them, topics apply --acls adds them")
    else:
        yield Line(Level.OK, "acls", "all there")


def _clock(settings: Settings) -> Iterator[Line]:
    """Whether the newest raw record is from the future: then this clock or an agent's is wrong."""
    admin = KafkaAdminClient(bootstrap_servers=settings.bootstrap, **security(settings))
    try:
        places = [TopicPartition(settings.named.raw, partition) for partition in range(settings.partitions)]
        found = admin.list_partition_offsets(dict.fromkeys(places, OffsetSpec.MAX_TIMESTAMP))
    finally:
        admin.close()
    newest = max((each.timestamp for each in found.values()), default=-1) / 1000
    ahead = newest - time.time()
    if ahead > _SKEW_SECONDS:
        told = f"the newest raw record is from {ahead:.0f} s in the future"
        yield Line(Level.WARN, "clock", told, "this machine's clock or an agent's is wrong: use NTP")
    else:
        yield Line(Level.OK, "clock", "no raw record is from the future")


def _tenants(settings: Settings) -> Iterator[Line]:
    contracts: Rows[ContractRow] = Rows(ContractRow)
    for read in read_topic(settings, settings.named.contracts):
        contracts.apply(read.key or b"", read.value)
    with_keys = set(open_keyring(settings).tenants())
    active = {row.tenant for row in contracts.values() if row.status is ContractStatus.ACTIVE}
    ended = {row.tenant for row in contracts.values() if row.status is ContractStatus.ENDED}
    for tenant in sorted(active - with_keys):
        todo = f"rmm-scrub keys init --tenant {tenant}"
        yield Line(Level.FAIL, "tenants", f"{tenant} has a contract and no keys: its events are quarantined", todo)
    for tenant in sorted(with_keys & ended):
        told = f"{tenant}'s contract has ended and it has keys: its pseudonyms can still be turned back"
        yield Line(Level.WARN, "tenants", told, f"after the grace period: rmm-scrub keys shred {tenant} --yes")
    for tenant in sorted(with_keys - active - ended):
        told = f"{tenant} has keys and no contract: its events are quarantined"
        yield Line(Level.WARN, "tenants", told, f"its CRM publishes it, or: rmm-scrub contracts add {tenant}")
    if contracts.undecodable:
        yield Line(Level.WARN, "tenants", f"{contracts.undecodable} rows of the contracts topic break their schema")
    yield Line(Level.OK, "tenants", f"{len(active & with_keys)} have a contract and keys")
    yield _canaries(settings, CANARY in active & with_keys)


def _canaries(settings: Settings, ready: bool) -> Line:
    if settings.audit_share <= 0:
        return Line(Level.WARN, "canaries", "the auditor is off (audit_share is 0)", "set RMM_SCRUB_AUDIT_SHARE")
    if settings.canary_seconds <= 0:
        return Line(Level.WARN, "canaries", "off (canary_seconds is 0)", "set RMM_SCRUB_CANARY_SECONDS")
    if not ready:
        todo = f"rmm-scrub keys init --tenant {CANARY} && rmm-scrub contracts add {CANARY}"
        return Line(Level.WARN, "canaries", f"none are published: the tenant {CANARY} needs keys and a contract", todo)
    return Line(Level.OK, "canaries", f"published every {settings.canary_seconds:.0f} s")


def _workers(settings: Settings) -> Iterator[Line]:
    slots = list(_slots_in_use(settings))
    if not slots:
        yield Line(Level.WARN, "workers", "none runs on this machine", "rmm-scrub worker")
        return
    for slot in slots:
        url = f"http://{settings.web_host}:{settings.web_port + slot}/health"
        ready, missing = _health(url)
        if ready:
            yield Line(Level.OK, "workers", f"{url}: ready")
        elif missing is None:
            yield Line(Level.FAIL, "workers", f"{url}: does not answer", "look at its log, and at web_host, web_port")
        else:
            yield Line(Level.FAIL, "workers", f"{url}: not ready ({', '.join(missing)})", "wait, or look at its log")


def _slots_in_use(settings: Settings) -> Iterator[int]:
    """Worker slots whose lock a process holds (`streams/worker.py`)."""
    for slot in range(_MOST_WORKERS):
        path = settings.state_path / f"{settings.group}-worker-{slot}.lock"
        if not path.exists():
            continue
        with path.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                yield slot


def _health(url: str) -> tuple[bool, Sequence[str] | None]:
    """Whether a worker is ready; which of its checks fail, or None if it gives no answer."""
    try:
        with urllib.request.urlopen(url, timeout=CONNECT_SECONDS) as answer:  # noqa: S310 - http, from the settings
            return bool(orjson.loads(answer.read())["ready"]), ()
    except urllib.error.HTTPError as problem:
        try:
            found = orjson.loads(problem.read())["checks"]
        except (orjson.JSONDecodeError, KeyError, OSError):
            return False, None
        return False, [name for name, holds in found.items() if not holds]
    except (OSError, orjson.JSONDecodeError, KeyError):
        return False, None


def _machine(settings: Settings) -> Iterator[Line]:
    if any(resource.getrlimit(resource.RLIMIT_CORE)):
        yield Line(Level.WARN, "machine", "core dumps are on: one would hold keys and names", "ulimit -c 0")
    else:
        yield Line(Level.OK, "machine", "no core dumps")
    folder = next(path for path in (settings.state_path, *settings.state_path.parents) if path.exists())
    free = shutil.disk_usage(folder).free
    level = Level.FAIL if free < _FAIL_BYTES else Level.WARN if free < _WARN_BYTES else Level.OK
    yield Line(level, "machine", f"{free / (1 << 30):.1f} GiB free at {folder}", "make room" if level != "ok" else "")


def _connects(bootstrap: str) -> str | None:
    """The first bootstrap server that takes a connection, or None."""
    for server in bootstrap.split(","):
        host, _, port = server.strip().rpartition(":")
        try:
            with socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS):
                return server
        except (OSError, ValueError, OverflowError):
            continue
    return None


# Name, check, whether it needs Kafka.
CHECKS: tuple[tuple[str, Check, bool], ...] = (
    ("packages", _packages, False),
    ("rules", _rules, False),
    ("policy", _policy, False),
    ("keyring", _keyring, False),
    ("machine", _machine, False),
    ("kafka", _kafka, False),
    ("topics", _topics, True),
    ("acls", _acls, True),
    ("clock", _clock, True),
    ("tenants", _tenants, True),
    ("published", _published, True),
    ("access", _access, True),
    ("workers", _workers, False),
)
