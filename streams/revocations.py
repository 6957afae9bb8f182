"""Security Event Tokens: what the Customer Portal hears (RFC 8417; OpenID SSF, CAEP and RISC 1.0).

One event per token, subjects of opaque ids only. In a complex subject an absent member is a
wildcard, so an event about a contact without its user would revoke the whole tenant: there is no way
to build one. Only a contract's end can address a tenant; the witness of it holds the evidence as well
that the end is meant for this tenant as a whole (docs/contacts.md, Subjects).
"""

import base64
import hashlib
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Protocol

import msgspec
import orjson
from joserfc import jws
from joserfc.jwk import RSAKey

from scrubbers.records import Headers
from streams.changes import Change, ChangeType

TYP = "secevent+jwt"
CONTENT_TYPE = "application/secevent+jwt"
ALGORITHM = "RS256"  # with KEY_BITS at least: the CAEP interoperability profile
KEY_BITS = 2048
_CAEP = "https://schemas.openid.net/secevent/caep/event-type/"
_RISC = "https://schemas.openid.net/secevent/risc/event-type/"
_OPAQUE = re.compile(r"[A-Za-z0-9._:-]{1,128}")


class EventType(StrEnum):
    """The events of our profile, by their exact URIs."""

    SESSION_REVOKED = _CAEP + "session-revoked"
    TOKEN_CLAIMS_CHANGE = _CAEP + "token-claims-change"
    ACCOUNT_DISABLED = _RISC + "account-disabled"
    ACCOUNT_ENABLED = _RISC + "account-enabled"
    ACCOUNT_PURGED = _RISC + "account-purged"
    IDENTIFIER_CHANGED = _RISC + "identifier-changed"


class Initiator(StrEnum):
    """Who brought the event about (CAEP `initiating_entity`)."""

    ADMIN = "admin"
    USER = "user"
    POLICY = "policy"
    SYSTEM = "system"


class SigningKey(Protocol):
    """A private key of the keyring."""

    @property
    def kid(self) -> str:
        """Its name in the JWKS."""

    @property
    def private_pem(self) -> bytes:
        """PKCS #8 or PKCS #1, PEM."""


def is_opaque(value: object) -> bool:
    """Whether a value is an id that says nothing about who it stands for."""
    return isinstance(value, str) and _OPAQUE.fullmatch(value) is not None


class ContactSubject(msgspec.Struct, frozen=True):
    """One contact of one tenant: both, always.

    Raises:
        ValueError: an id is missing or not opaque.
    """

    tenant: str
    contact_id: str

    def __post_init__(self) -> None:
        if not (is_opaque(self.tenant) and is_opaque(self.contact_id)):
            raise ValueError("a contact's subject needs an opaque tenant and an opaque contact id")

    def __repr__(self) -> str:
        """Not who: record keys are made of these ids."""
        return "ContactSubject()"


class Evidence(msgspec.Struct, frozen=True):
    """What stands beside a contract's end and must agree with it, from elsewhere than the change itself.

    `tenant` is whom the contracts table has a row for (empty: nobody), `contacts` how many contacts of
    it are known, `resumed` when its contract was resumed last.
    """

    tenant: str
    contacts: int
    resumed: datetime | None = None

    def __repr__(self) -> str:
        """Nothing of the tenant."""
        return "Evidence()"

    def objection(self, change: Change) -> str | None:
        """Why the change may not address the whole tenant; None if it may."""
        if not self.tenant or change.tenant != self.tenant:
            return "the contracts table does not know the tenant"
        if change.narrow:
            return "it did not come as the tenant's own event"
        if self.resumed is not None and change.effective < self.resumed:
            return "the contract was resumed later"
        if change.contacts is not None and self.contacts > most_contacts(change.contacts):
            return "more contacts are known than the sender expects"
        return None


def most_contacts(expected: int) -> int:
    """How many contacts may be known where the sender expects so many: a tenth more, at least one, joined since."""
    return expected + max(1, expected // 10)


class ContractEnd(msgspec.Struct, frozen=True):
    """The witness that a contract has ended, with its evidence: the only thing a tenant's subject is made of.

    Raises:
        ValueError: the change is not a contract's end, its tenant id is not opaque, or the evidence
            speaks against it.
        TypeError: there is no evidence.
    """

    change: Change
    evidence: Evidence

    def __post_init__(self) -> None:
        if not isinstance(self.change, Change) or self.change.type is not ChangeType.CONTRACT_ENDED:
            raise ValueError("only the end of a contract addresses a whole tenant")
        if not is_opaque(self.change.tenant):
            raise ValueError("a tenant's subject needs an opaque tenant")
        if not isinstance(self.evidence, Evidence):
            raise TypeError("only an end with evidence addresses a whole tenant")
        if objection := self.evidence.objection(self.change):
            raise ValueError(f"this end does not address a whole tenant: {objection}")


class TenantSubject(msgspec.Struct, frozen=True):
    """Everyone of a tenant whose contract has ended.

    Raises:
        TypeError: there is no witness.
    """

    end: ContractEnd

    def __post_init__(self) -> None:
        if not isinstance(self.end, ContractEnd):
            raise TypeError("a tenant's subject needs the end of its contract")

    @property
    def tenant(self) -> str:
        """The tenant whose contract has ended."""
        return self.end.change.tenant


Subject = ContactSubject | TenantSubject


class Revocation(msgspec.Struct, frozen=True):
    """An event to tell the portal, not yet signed. Made by the functions below.

    Raises:
        TypeError: the subject is no subject.
        ValueError: the subject is of another tenant or contact than the change, the event may not
            address a whole tenant, or the change may not cause the event.
    """

    event: EventType
    subject: Subject
    cause: Change
    body: dict[str, Any]

    def __post_init__(self) -> None:
        match self.subject:
            case TenantSubject(end=end):
                fits = end.change == self.cause and self.event is EventType.SESSION_REVOKED
            case ContactSubject(tenant=tenant, contact_id=contact_id):
                fits = tenant == self.cause.tenant and self.cause.contact_id in ("", contact_id)
            case _:
                raise TypeError("a revocation needs a subject")
        if not fits:
            raise ValueError("the subject of a revocation must be what its change is about")
        if self.event is EventType.ACCOUNT_ENABLED and self.cause.type is not ChangeType.CONTRACT_RESUMED:
            raise ValueError("only a resumed contract enables an account")

    def __repr__(self) -> str:
        """What, never about whom."""
        return f"Revocation({self.event.rpartition('/')[2]})"

    @property
    def contact_id(self) -> str:
        """The contact; empty for everyone of the tenant."""
        return self.subject.contact_id if isinstance(self.subject, ContactSubject) else ""

    @property
    def key(self) -> str:
        """Key of the record on the revocations topic: `tenant|contact_id`, `tenant|` for all."""
        return f"{self.subject.tenant}|{self.contact_id}"

    @property
    def jti(self) -> str:
        """The token's id: the same whenever the same change causes the same event (SHA-256, base64url)."""
        cause = self.cause
        return _digest("jti", cause.source, cause.id, self.event, self.subject.tenant, self.contact_id)

    @property
    def txn(self) -> str:
        """What all tokens of one change share."""
        return _digest("txn", self.cause.source, self.cause.id)


def account_disabled(change: Change, subject: ContactSubject) -> Revocation:
    """RISC account-disabled. Without `reason`: its two values (hijacking, bulk-account) do not fit."""
    return Revocation(EventType.ACCOUNT_DISABLED, subject, change, _common(change))


def account_enabled(change: Change, subject: ContactSubject) -> Revocation:
    """RISC account-enabled: the contract was resumed, which undoes its account-disabled."""
    return Revocation(EventType.ACCOUNT_ENABLED, subject, change, _common(change))


def account_purged(change: Change, subject: ContactSubject) -> Revocation:
    """RISC account-purged: the contact's data is gone here, and shall go there."""
    return Revocation(EventType.ACCOUNT_PURGED, subject, change, _common(change))


def session_revoked(change: Change, subject: ContactSubject, initiator: Initiator, reason: str) -> Revocation:
    """CAEP session-revoked for one contact; `reason` is for the portal's administrators, in English."""
    return Revocation(EventType.SESSION_REVOKED, subject, change, _revoked(change, initiator, reason))


def tenant_sessions_revoked(end: ContractEnd, reason: str) -> Revocation:
    """CAEP session-revoked for everyone of a tenant whose contract has ended."""
    body = _revoked(end.change, Initiator.POLICY, reason)
    return Revocation(EventType.SESSION_REVOKED, TenantSubject(end), end.change, body)


def rights_changed(
    change: Change,
    subject: ContactSubject,
    roles: Iterable[str],
    rights: Iterable[str],
    initiator: Initiator = Initiator.ADMIN,
) -> Revocation:
    """CAEP token-claims-change with all rights that the contact has from now on."""
    claims = {"roles": sorted(roles), "rights": sorted(rights)}
    body = _common(change) | {"initiating_entity": initiator, "claims": claims}
    return Revocation(EventType.TOKEN_CLAIMS_CHANGE, subject, change, body)


def identifier_changed(change: Change, subject: ContactSubject, changed: Sequence[str]) -> Revocation:
    """RISC identifier-changed, without the values: `changed` says which (`email`, `phone`)."""
    return Revocation(EventType.IDENTIFIER_CHANGED, subject, change, _common(change) | {"changed": list(changed)})


def _common(change: Change) -> dict[str, Any]:
    """Ours beside the event's own members: receivers ignore what they do not know (SSF 1.0)."""
    return {"event_timestamp": int(change.effective.timestamp()), "cause": change.type}


def _revoked(change: Change, initiator: Initiator, reason: str) -> dict[str, Any]:
    return _common(change) | {"initiating_entity": initiator, "reason_admin": {"en": reason}}


def _digest(*parts: str) -> str:
    # A JSON array keeps the parts apart: no two lists of parts give one text.
    digest = hashlib.sha256(orjson.dumps(["rmm-scrub v1", *parts])).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


class Token(msgspec.Struct, frozen=True):
    """A signed token as a record of the revocations topic (CloudEvents binary mode)."""

    key: bytes
    value: bytes
    headers: Headers

    def __repr__(self) -> str:
        """Nothing of it: the key holds ids."""
        return "Token()"


class Signer:
    """Signs revocations for one issuer and one audience."""

    def __init__(self, key: SigningKey, issuer: str, audience: str) -> None:
        """Take up a key.

        Raises:
            ValueError: it is no RSA key of 2048 bits or more.
        """
        self.kid = key.kid
        self.issuer = issuer
        self.audience = audience
        self._key = _rsa(key)

    def claims(self, revocation: Revocation, iat: int) -> dict[str, Any]:
        """The token's claims; `iat` in seconds since the epoch. No `sub` and no `exp` (SSF 1.0)."""
        return {
            "iss": self.issuer,
            "iat": iat,
            "jti": revocation.jti,
            "aud": self.audience,
            "txn": revocation.txn,
            "sub_id": self._subject(revocation.subject),
            "events": {str(revocation.event): revocation.body},
        }

    def token(self, revocation: Revocation, iat: int) -> Token:
        """The signed token and its record. Equal arguments give equal bytes (RSASSA-PKCS1-v1_5)."""
        header = {"typ": TYP, "alg": ALGORITHM, "kid": self.kid}
        payload = orjson.dumps(self.claims(revocation, iat))
        value = jws.serialize_compact(header, payload, self._key, algorithms=[ALGORITHM])
        headers = {
            "content-type": CONTENT_TYPE,
            "ce_specversion": "1.0",
            "ce_id": revocation.jti,
            "ce_source": self.issuer,
            "ce_type": str(revocation.event),
            "ce_time": datetime.fromtimestamp(iat, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        return Token(
            revocation.key.encode(),
            value.encode(),
            tuple((name, text.encode()) for name, text in headers.items()),
        )

    def _subject(self, subject: Subject) -> dict[str, Any]:
        """RFC 9493 identifiers in an SSF complex subject; the user's issuer names the tenant as well."""
        tenant = {"format": "opaque", "id": subject.tenant}
        if isinstance(subject, TenantSubject):
            return {"format": "complex", "tenant": tenant}
        user = {
            "format": "iss_sub",
            "iss": f"{self.issuer.rstrip('/')}/tenants/{subject.tenant}",
            "sub": subject.contact_id,
        }
        return {"format": "complex", "user": user, "tenant": tenant}


def jwks(keys: Iterable[SigningKey]) -> dict[str, list[dict[str, Any]]]:
    """The public halves of signing keys as a JWK Set (RFC 7517).

    Raises:
        ValueError: one is no RSA key of 2048 bits or more.
    """
    return {"keys": [_rsa(key).as_dict(private=False, kid=key.kid, use="sig", alg=ALGORITHM) for key in keys]}


def _rsa(key: SigningKey) -> RSAKey:
    imported = RSAKey.import_key(key.private_pem)
    if imported.private_key is None or imported.private_key.key_size < KEY_BITS:
        raise ValueError(f"signing needs a private RSA key of {KEY_BITS} bits or more")
    return imported
