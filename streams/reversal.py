"""Authorised reversal: pseudonyms back into names and addresses, for one employee and purpose, on the record.

Whoever asks is identified by an OIDC token, needs a current grant for the tenant and purpose, and has so
many reversals an hour. Each request, a refused one too, is one record on the audit log: if it cannot be
written there is no answer.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from threading import Lock

import msgspec

from schemas.errors import UserError
from scrubbers.compiled import CompiledRules
from scrubbers.entities import Known
from scrubbers.keyring import Keyring, KeyUnavailable
from scrubbers.recognise import Engine
from scrubbers.reverse import Reversal, reverse
from scrubbers.rules import RuleSet
from streams import grants
from streams.audit import Action, AuditLog, Entry, Event, Result
from streams.config import Access
from streams.identity import Employee, Identity, IdentityRefused
from streams.revocations import is_opaque

UNIDENTIFIED = "unidentified"  # the actor of a request whose token proves nobody
LONGEST_TEXT = 1_000_000  # characters of a pasted report
_LONGEST_PURPOSE = 200
_TOLD = 100  # pseudonyms that an audit record lists; it always has their number


class Refusal(StrEnum):
    """Why a reversal is refused; the text goes to the caller and on the audit."""

    RATE = "more reversals this hour than one employee may make"
    NO_KEYS = "the tenant has no keys: never made, or shredded"
    NO_EPOCH = "the tenant has no key epoch of that name"
    TOO_LONG = "the text is too long"
    NO_PURPOSE = "no purpose is stated"


class ReversalRefused(UserError):
    """A reversal that may not be made; `reason` is a closed set's text, never a value."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"reversal refused: {reason}")
        self.reason = reason


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to reverse, whose it is, and what for; `epoch` as in `scrubbers.reverse.reverse`."""

    tenant: str
    purpose: str
    text: str
    epoch: str | None = None

    def __repr__(self) -> str:
        """Nothing of the text."""
        return "Request()"


class Answer(msgspec.Struct, frozen=True):
    """A reversal, and the number of its record on the audit log."""

    reversal: Reversal
    audit: int


class Reverser:
    """Answers requests for reversal, one at a time."""

    def __init__(
        self,
        access: Access,
        keyring: Keyring,
        audit: AuditLog,
        rules: Callable[[str], RuleSet],
        known: Callable[[str], Collection[Known]],
    ) -> None:
        """`rules` gives the rule set at work for a tenant, `known` its known entities."""
        self._access = access
        self._keyring = keyring
        self._audit = audit
        self._rules = rules
        self._known = known
        self._identity = Identity(access)
        self._compiled: tuple[str, Engine] | None = None
        self._turn = Lock()

    def reverse(self, token: str, request: Request) -> Answer:
        """The text with its pseudonyms turned back.

        Raises:
            IdentityRefused: the token proves no employee.
            ReversalRefused: this employee may not, and why.
            AuditFailed: the record could not be written, so nothing is answered.
        """
        with self._turn:
            employee = self._identified(token, request)
            if (reason := self._objection(employee, request)) is not None:
                raise self._refused(employee.id, request, reason)
            try:
                found = self._reversed(request)
            except KeyUnavailable:
                raise self._refused(employee.id, request, Refusal.NO_KEYS) from None
            except KeyError:
                raise self._refused(employee.id, request, Refusal.NO_EPOCH) from None
            entry = self._audit.append(_event(employee.id, request, Result.DONE, detail=_detail(found)))
            return Answer(found, entry.seq)

    def _identified(self, token: str, request: Request) -> Employee:
        try:
            return self._identity.identify(token)
        except IdentityRefused as refused:
            self._audit.append(_event(UNIDENTIFIED, request, Result.REFUSED, str(refused.rule)))
            raise

    def _objection(self, employee: Employee, request: Request) -> str | None:
        """Why this employee may not make this request, if so."""
        if not request.purpose.strip():
            return Refusal.NO_PURPOSE
        if len(request.text) > LONGEST_TEXT:
            return Refusal.TOO_LONG
        entries, now = self._audit.entries(), datetime.now(UTC)
        objection = grants.objection(
            grants.fold(entries), employee.id, request.tenant, request.purpose, now, self._access.review_days
        )
        if objection is not None:
            return str(objection)
        made = _within_an_hour(entries, employee.id, now)
        return Refusal.RATE if made >= self._access.reversals_per_hour else None

    def _reversed(self, request: Request) -> Reversal:
        keys = self._keyring.tenant(request.tenant)
        if request.epoch is not None and request.epoch not in keys.epochs:
            raise KeyError
        rules = self._rules(request.tenant)
        known, engine = self._known(request.tenant), self._engine(rules)
        return reverse(request.text, keys, known, engine, rules.operators, request.epoch)

    def _engine(self, rules: RuleSet) -> Engine:
        """Made when it is first needed, and of its own: the lane's has scratch space for one thread."""
        digest = rules.digest()
        if self._compiled is None or self._compiled[0] != digest:
            self._compiled = digest, CompiledRules(rules)
        return self._compiled[1]

    def _refused(self, actor: str, request: Request, reason: str) -> ReversalRefused:
        self._audit.append(_event(actor, request, Result.REFUSED, reason))
        return ReversalRefused(reason)


def _event(
    actor: str,
    request: Request,
    result: Result,
    reason: str = "",
    detail: dict[str, str | int | list[str]] | None = None,
) -> Event:
    tenant = request.tenant if is_opaque(request.tenant) else ""
    return Event(actor, Action.REVERSE, result, tenant, request.purpose[:_LONGEST_PURPOSE], reason, detail or {})


def _detail(found: Reversal) -> dict[str, str | int | list[str]]:
    """What was reversed, by pseudonym: what they stand for is not written down."""
    pseudonyms = sorted({each.pseudonym for each in found.turned})
    return {"turned": len(found.turned), "unknown": len(found.unknown), "pseudonyms": pseudonyms[:_TOLD]}


def _within_an_hour(entries: Sequence[Entry], actor: str, now: datetime) -> int:
    since = now - timedelta(hours=1)
    return sum(
        1
        for each in entries
        if each.actor == actor and each.action is Action.REVERSE and each.result is Result.DONE and each.at >= since
    )
