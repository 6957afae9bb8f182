"""Who runs a command, and the record of what they did with keys, rules and sealed records."""

import getpass
import os
from pathlib import Path

from scrubbers.keyring import Keyring
from streams.audit import Action, AuditFailed, AuditLog, Detail, Entry, Event
from streams.cli import console, token
from streams.config import Settings
from streams.identity import Identity
from streams.reader import reachable


def actor(settings: Settings, token_file: Path | None = None) -> str:
    """The employee whom a token proves, if one is given; else the account on this machine, as `os:NAME`.

    Raises:
        IdentityRefused: a token is given and proves nobody.
    """
    if token_file is not None or token.VARIABLE in os.environ:
        return Identity(settings.access).identify(token.read(token_file)).id
    return f"os:{getpass.getuser()}"


def record(
    settings: Settings, ring: Keyring, action: Action, tenant: str = "", detail: Detail | None = None, purpose: str = ""
) -> Entry:
    """Put an action of this command's caller on the audit log.

    Raises:
        AuditFailed: it could not be written.
        IdentityRefused: a token is given and proves nobody.
    """
    event = Event(actor(settings), action, tenant=tenant, purpose=purpose, detail=detail or {})
    return AuditLog(settings, ring.audit_key()).append(event)


def record_if_reachable(
    settings: Settings, ring: Keyring, who: str, action: Action, tenant: str = "", detail: Detail | None = None
) -> None:
    """The same for what must not wait for Kafka: making, rotating and destroying keys; `who` as of `actor`.

    Without a broker, or where the log cannot be written, that is said on stderr.
    """
    why = f"no Kafka answers at {settings.bootstrap}"
    if reachable(settings):
        try:
            AuditLog(settings, ring.audit_key()).append(Event(who, action, tenant=tenant, detail=detail or {}))
        except AuditFailed as problem:
            why = str(problem)
        else:
            return
    console.err.print(f"done, but not on the audit log: {why}", markup=False)
