"""Check a Security Event Token as a portal must: everything that is not known to be right is refused."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec
import orjson
from cryptography.exceptions import UnsupportedAlgorithm
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from schemas.errors import UserError
from streams.changes import ChangeType
from streams.revocations import ALGORITHM, KEY_BITS, TYP, ContactSubject, EventType, Initiator, is_opaque

_YEAR_10000 = 253_402_300_800  # seconds since the epoch: what a datetime can say


class Rule(StrEnum):
    """What a token must keep to."""

    FORM = "a token is a compact JWS"
    TYP = "the header's typ is secevent+jwt"
    ALGORITHM = "the header's alg is RS256"
    KEY = "the header's kid names an RSA key of 2048 bits or more in the key set"
    SIGNATURE = "the signature is the named key's"
    CLAIMS = "the claims are a JSON object with a jti and an iat in whole seconds"
    EXP = "there is no exp: an event does not expire"
    SUB = "there is no sub: the subject is sub_id"
    SUB_ID = "there is a sub_id at the top"
    ISSUER = "iss is the expected issuer"
    AUDIENCE = "aud holds the expected audience"
    EVENTS = "there is exactly one event"
    EVENT_TYPE = "the event is one of the profile"
    COMPLEX = "sub_id is a complex subject of user and tenant, and of nothing else"
    TENANT = "sub_id has a tenant, an opaque id"
    USER = "sub_id's user is an opaque id, as iss_sub of an issuer for the tenant or as opaque"
    WHOLE_TENANT = "only session-revoked by policy, for a contract's end, is without a user"
    BODY = "the event has the members of its type"
    TXN = "there is a txn"


class TokenRefused(UserError):
    """A token that breaks a rule; holds nothing of the token."""

    def __init__(self, rule: Rule) -> None:
        super().__init__(f"token refused: it does not hold that {rule}")
        self.rule = rule


class WholeTenant(msgspec.Struct, frozen=True):
    """Everyone of a tenant."""

    tenant: str


class Claims(msgspec.Struct, frozen=True):
    """What a verified token says; times are seconds since the epoch.

    `subject` has no contact for a whole tenant's event but is of another type, so that no reader
    takes one for the other. Replays are the reader's to refuse: by `iss` and `jti`.
    """

    iss: str
    iat: int
    jti: str
    txn: str
    event: EventType
    subject: ContactSubject | WholeTenant
    body: dict[str, Any]


def verify(token: bytes | str, keys: Mapping[str, Any], audience: str, issuer: str) -> Claims:
    """The claims of a token of our profile, signed by a key of `keys` (a JWK Set) for `audience`.

    Raises:
        TokenRefused: it breaks a rule, and which.
    """
    claims = _verified_payload(token.encode("utf-8", "replace") if isinstance(token, str) else token, keys)
    _check_claims(claims, audience, issuer)
    event, body = _event(claims.get("events"))
    subject = _subject(claims["sub_id"], event, body)
    _check_body(event, body)
    txn = claims.get("txn")
    _require(Rule.TXN, isinstance(txn, str) and txn)
    return Claims(claims["iss"], claims["iat"], claims["jti"], claims["txn"], event, subject, body)


def _require(rule: Rule, holds: object) -> None:
    if not holds:
        raise TokenRefused(rule)


def _verified_payload(token: bytes, keys: Mapping[str, Any]) -> dict[str, Any]:
    try:
        header = jws.extract_compact(token).headers()
    except (JoseError, ValueError):
        raise TokenRefused(Rule.FORM) from None
    _require(Rule.TYP, header.get("typ") == TYP)
    _require(Rule.ALGORITHM, header.get("alg") == ALGORITHM)
    key = _public_key(keys, header.get("kid"))
    try:
        payload = jws.deserialize_compact(token, key, algorithms=[ALGORITHM]).payload
    except (JoseError, ValueError):
        raise TokenRefused(Rule.SIGNATURE) from None
    try:
        claims = orjson.loads(payload)
    except orjson.JSONDecodeError:
        raise TokenRefused(Rule.CLAIMS) from None
    _require(Rule.CLAIMS, isinstance(claims, dict))
    found: dict[str, Any] = claims
    return found


def _public_key(keys: Mapping[str, Any], kid: object) -> RSAKey:
    """The one key of that name. A key set with two of a name says nothing."""
    named = keys.get("keys")
    found = (
        [each for each in named if isinstance(each, dict) and each.get("kid") == kid] if isinstance(named, list) else []
    )
    _require(Rule.KEY, isinstance(kid, str) and len(found) == 1 and found[0].get("kty") == "RSA")
    try:
        key = RSAKey.import_key({name: found[0][name] for name in ("kty", "n", "e")})
    except (JoseError, KeyError, TypeError, ValueError, UnsupportedAlgorithm):
        raise TokenRefused(Rule.KEY) from None
    _require(Rule.KEY, key.public_key.key_size >= KEY_BITS)
    return key


def _check_claims(claims: Mapping[str, Any], audience: str, issuer: str) -> None:
    _require(Rule.EXP, "exp" not in claims)
    _require(Rule.SUB, "sub" not in claims)
    _require(Rule.SUB_ID, "sub_id" in claims)
    iat, jti = claims.get("iat"), claims.get("jti")
    _require(Rule.CLAIMS, type(iat) is int and 0 <= iat < _YEAR_10000 and isinstance(jti, str) and jti)
    _require(Rule.ISSUER, claims.get("iss") == issuer)
    aud = claims.get("aud")
    _require(Rule.AUDIENCE, aud == audience or (isinstance(aud, list) and audience in aud))


def _event(events: object) -> tuple[EventType, dict[str, Any]]:
    if not isinstance(events, dict) or len(events) != 1:
        raise TokenRefused(Rule.EVENTS)
    (uri, body), *_ = events.items()
    _require(Rule.EVENT_TYPE, uri in tuple(EventType))
    if not isinstance(body, dict):
        raise TokenRefused(Rule.BODY)
    return EventType(uri), body


def _subject(sub_id: object, event: EventType, body: Mapping[str, Any]) -> ContactSubject | WholeTenant:
    """An absent member matches everyone and an unknown one would narrow: only the two we know, both."""
    if not isinstance(sub_id, dict) or sub_id.get("format") != "complex":
        raise TokenRefused(Rule.COMPLEX)
    _require(Rule.COMPLEX, set(sub_id) <= {"format", "user", "tenant"})
    tenant = _id(sub_id.get("tenant"), {"opaque": "id"})
    if tenant is None:
        raise TokenRefused(Rule.TENANT)
    if "user" not in sub_id:
        _require(Rule.WHOLE_TENANT, _is_contract_end(event, body))
        return WholeTenant(tenant)
    user = _id(sub_id["user"], {"opaque": "id", "iss_sub": "sub"})
    if user is None or not _is_of(sub_id["user"], tenant):
        raise TokenRefused(Rule.USER)
    return ContactSubject(tenant, user)


def _id(identifier: object, formats: Mapping[str, str]) -> str | None:
    """The opaque id in an RFC 9493 identifier of one of the formats (format → member)."""
    if not isinstance(identifier, dict) or not isinstance(form := identifier.get("format"), str):
        return None
    found = identifier.get(formats.get(form, ""))
    return found if isinstance(found, str) and is_opaque(found) else None


def _is_of(user: Mapping[str, Any], tenant: str) -> bool:
    """Whether a user's issuer, where one is named, names the same tenant: else two tenants would be meant."""
    return user["format"] != "iss_sub" or str(user.get("iss")).endswith(f"/tenants/{tenant}")


def _is_contract_end(event: EventType, body: Mapping[str, Any]) -> bool:
    """What a whole tenant's event shows: we say `policy` of a contract's end and of nothing else."""
    return (
        event is EventType.SESSION_REVOKED
        and body.get("initiating_entity") == Initiator.POLICY
        and body.get("cause", ChangeType.CONTRACT_ENDED) == ChangeType.CONTRACT_ENDED
    )


def _check_body(event: EventType, body: Mapping[str, Any]) -> None:
    """CAEP's and RISC's required members, and the types of the optional ones we use."""
    _require(Rule.BODY, "subject" not in body)  # SSF 1.0: the subject is sub_id
    timestamp = body.get("event_timestamp", 0)
    _require(Rule.BODY, type(timestamp) is int)
    _require(Rule.BODY, body.get("initiating_entity", Initiator.SYSTEM) in tuple(Initiator))
    if event is EventType.SESSION_REVOKED:
        _require(Rule.BODY, _is_told(body.get("reason_admin")))
    if event is EventType.TOKEN_CLAIMS_CHANGE:
        _require(Rule.BODY, isinstance(body.get("claims"), dict) and body["claims"])


def _is_told(reason: object) -> bool:
    """A non-empty object of texts by language (BCP 47)."""
    return isinstance(reason, dict) and bool(reason) and all(isinstance(text, str) and text for text in reason.values())
