"""What the handlers of one workbench share."""

from pathlib import Path

import msgspec

from schemas.errors import UserError
from scrubbers.keyring import Keyring
from streams.audit import AuditLog
from streams.config import Settings
from streams.keys import open_keyring
from streams.reader import need_kafka, reachable
from streams.workbench.engine import Engine
from streams.workbench.sets import Sets


class Workbench(msgspec.Struct, frozen=True):
    """`workers`: their base URLs, if given. `shared`: its users are employees whom OIDC proves, not who started it."""

    settings: Settings
    sets: Sets
    engine: Engine
    corpus: Path | None = None
    keyring: Path | None = None
    workers: tuple[str, ...] = ()
    shared: bool = False

    def ring(self) -> Keyring:
        """The keyring, which every change of rules and every opened sample needs.

        Raises:
            UserError: there is none, or it cannot be opened.
        """
        return open_keyring(self.settings, self.keyring)

    def audit(self) -> AuditLog:
        """The audit log.

        Raises:
            UserError: there is no keyring, or no Kafka.
        """
        need_kafka(self.settings)
        return AuditLog(self.settings, self.ring().audit_key())

    def kafka(self) -> bool:
        """Whether Kafka answers: a client would try for half a minute to find out."""
        return reachable(self.settings)

    def need_corpus(self) -> Path:
        """The team's corpus.

        Raises:
            UserError: the workbench was started without one.
        """
        if self.corpus is None:
            raise UserError("there is no corpus", "start the workbench with --corpus team.ndjson")
        return self.corpus
