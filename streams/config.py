"""One typed settings model: a YAML file (`RMM_SCRUB_CONFIG`), then `RMM_SCRUB_*` variables over it."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
import yaml

from schemas.errors import UserError


class Topics(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Topic names (`docs/contracts.md`); each is `RMM_SCRUB_TOPIC_<FIELD>`, all take `prefix`."""

    raw: str = "rmm.telemetry.raw"
    scrubbed: str = "rmm.telemetry.scrubbed"
    quarantine: str = "rmm.telemetry.quarantine"
    contact_changes: str = "rmm.contacts.changes"
    contact_state: str = "rmm.contacts.state"
    revocations: str = "portal.access.revocations"
    known_entities: str = "rmm.scrub.known-entities"
    rules: str = "rmm.scrub.rules"
    contracts: str = "rmm.contracts"
    findings: str = "rmm.scrub.findings"
    audit: str = "rmm.access.audit"

    def prefixed(self, prefix: str) -> "Topics":
        """The same topics under a prefix: environments and tests that share a broker."""
        return Topics(**{name: prefix + getattr(self, name) for name in self.__struct_fields__})


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one record and one batch may cost."""

    record_bytes: int = 1_000_000  # Kafka's own default for one message
    depth: int = 64  # deeper JSON is nobody's telemetry, and recursion is bounded by it
    batch_records: int = 2_000
    batch_seconds: float = 0.5  # a batch that takes longer is followed by a smaller one
    attempts: int = 3  # of a batch as a whole, before it is split


class Access(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who employees are (OpenID Connect), and what a grant may be; each is `RMM_SCRUB_ACCESS_<FIELD>`."""

    issuer: str = ""
    audience: str = ""
    jwks: str = ""  # the issuer's key set: a file, or a URL
    roles_claim: str = "roles"
    granter_role: str = "rmm-scrub-granter"
    rules_role: str = "rmm-scrub-rules"  # may change rules in a shared workbench
    client_id: str = ""  # as which a shared workbench is registered with the issuer
    client_secret: str = ""  # empty: it is a public client
    review_days: int = 90  # a grant that nobody reviewed for so long lapses
    longest_days: int = 365
    reversals_per_hour: int = 60  # of one employee

    def __repr__(self) -> str:
        shown = (f"{name}={getattr(self, name)!r}" for name in self.__struct_fields__ if name != "client_secret")
        return f"Access({', '.join(shown)})"


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything a worker can be told."""

    bootstrap: str = "localhost:9092"
    kafka: dict[str, str] = {}  # librdkafka properties for security: sasl.*, ssl.*, security.protocol
    topics: Topics = Topics()
    topic_prefix: str = ""
    group: str = "rmm-scrub"
    partitions: int = 12
    replication: int = 1
    tenant_path: str = "tenant"
    keyring: str = ""
    rules: str = ""  # a rule-set file; empty: the shipped one
    corpus: str = ""  # the team's labelled texts, on which a rule set must not find less to be published
    policy: str = ""  # a contact-policy file; empty: the shipped one
    state_dir: str = ""  # locks and sockets, no data; empty: a folder per user
    web_host: str = "127.0.0.1"
    web_port: int = 6066  # of the first worker process, the next one takes the next port
    shadow_share: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.1  # of live events that a set in shadow reads, too
    audit_share: Annotated[float, msgspec.Meta(ge=0, le=1)] = 1.0  # of scrubbed events that the auditor reads; 0: off
    audit_hindsight: Annotated[float, msgspec.Meta(ge=0)] = 600.0  # seconds within which a name learned later is found
    canary_seconds: Annotated[float, msgspec.Meta(ge=0)] = 300.0  # between two canaries; 0: off
    issuer: str = "https://rmm-scrub.invalid/"  # `iss` of Security Event Tokens
    portal_audience: str = "https://portal.invalid/"  # their `aud`
    limits: Limits = Limits()
    access: Access = Access()

    @property
    def named(self) -> Topics:
        """Topic names as they are on the broker."""
        return self.topics.prefixed(self.topic_prefix) if self.topic_prefix else self.topics

    @property
    def state_path(self) -> Path:
        """The folder for locks and run-time files."""
        if self.state_dir:
            return Path(self.state_dir)
        base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
        return Path(base) / "rmm-scrub"

    def client(self, **properties: Any) -> dict[str, Any]:
        """librdkafka properties: where and how to connect, and `properties` (`_` stands for `.`)."""
        own = {name.replace("_", "."): value for name, value in properties.items()}
        return {"bootstrap.servers": self.bootstrap, **self.kafka, **own}


def load(environ: Mapping[str, str] = os.environ) -> Settings:
    """Settings from the file named by `RMM_SCRUB_CONFIG`, if any, and `RMM_SCRUB_*`.

    Raises:
        UserError: a setting that is unknown or of the wrong type, and where it stands.
    """
    path = environ.get("RMM_SCRUB_CONFIG")
    tree = _file(Path(path)) if path else {}
    _overlay(tree, environ)
    try:
        return msgspec.convert(tree, Settings, strict=False)
    except msgspec.ValidationError as problem:
        raise UserError(f"settings: {problem}", "see docs/running.md for every setting") from None


def _file(path: Path) -> dict[str, Any]:
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise UserError(f"settings file {path}: {problem.strerror}") from None
    except yaml.YAMLError as problem:
        mark = getattr(problem, "problem_mark", None)
        where = f" line {mark.line + 1}" if mark else ""
        raise UserError(f"settings file {path}{where}: not valid YAML") from None
    if not isinstance(tree or {}, dict):
        raise UserError(f"settings file {path}: a mapping is expected at the top")
    return tree or {}


def _overlay(tree: dict[str, Any], environ: Mapping[str, str]) -> None:
    """`RMM_SCRUB_GROUP` sets `group`; `RMM_SCRUB_TOPIC_RAW` sets `topics.raw`; so do `…_LIMIT_…` and `…_ACCESS_…`."""
    nested = {"TOPIC_": ("topics", Topics), "LIMIT_": ("limits", Limits), "ACCESS_": ("access", Access)}
    for name, value in environ.items():
        if not name.startswith("RMM_SCRUB_"):
            continue
        field = name.removeprefix("RMM_SCRUB_")
        if field == "KAFKA":  # names the Kafka of demo and tests (broker.py); the setting stands in the file only
            continue
        if field.lower() in Settings.__struct_fields__:
            tree[field.lower()] = value
            continue
        for prefix, (section, struct) in nested.items():
            inner = field.removeprefix(prefix).lower()
            if field.startswith(prefix) and inner in struct.__struct_fields__:
                tree.setdefault(section, {})[inner] = value
