"""Verify a Security Event Token (RFC 8417) of our profile, with PyJWT and nothing of the pipeline's.

Everything that is not known to be right is refused. In a complex subject an absent member means everyone, so a
token without a user is taken only for the one event that may address a whole tenant.
"""

import re
import time
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jwt
import orjson

CAEP = "https://schemas.openid.net/secevent/caep/event-type/"
RISC = "https://schemas.openid.net/secevent/risc/event-type/"
KNOWN = frozenset(
    {
        CAEP + "session-revoked",
        CAEP + "token-claims-change",
        RISC + "account-disabled",
        RISC + "account-enabled",
        RISC + "account-purged",
        RISC + "identifier-changed",
    }
)
_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
REFRESH_SECONDS = 60.0  # an unknown key makes us fetch the set again, but not more often than this
FETCH_SECONDS = 5.0


class Unknown(Exception):
    """The issuer's key set cannot be read now, or not yet again: the same token may be right later."""


class Refused(Exception):
    """A token that must not be acted on: `code` is RFC 8935's (section 2.4), the text holds nothing of it."""

    def __init__(self, code: str, why: str) -> None:
        super().__init__(why)
        self.code = code


@dataclass(frozen=True)
class Event:
    """What a token says. `contact` is empty for everyone of the tenant."""

    issuer: str
    jti: str
    type: str
    tenant: str
    contact: str
    body: dict[str, Any]

    @property
    def name(self) -> str:
        """The last part of the event's URI."""
        return self.type.rpartition("/")[2]


class Verifier:
    """Verifies tokens of one issuer for one audience; `jwks` is a URL or a file."""

    def __init__(self, jwks: str, issuer: str, audience: str) -> None:
        self._source = jwks
        self._issuer = issuer
        self._audience = audience
        self._keys: dict[str, Any] = {}
        self._fetched = -REFRESH_SECONDS

    def verify(self, token: bytes | str) -> Event:
        """The event of a token.

        Raises:
            Refused: it breaks a rule.
            Unknown: it cannot be told now.
        """
        text = token.decode("ascii", "replace") if isinstance(token, bytes) else token
        claims = self._claims(text)
        for forbidden in ("exp", "sub"):
            if forbidden in claims:
                raise Refused("invalid_request", f"a security event token has no {forbidden}")
        events = claims.get("events")
        if not isinstance(events, dict) or len(events) != 1:
            raise Refused("invalid_request", "exactly one event is expected")
        [(kind, body)] = events.items()
        if kind not in KNOWN or not isinstance(body, dict):
            raise Refused("invalid_request", "the event is not one of the profile")
        tenant, contact = _subject(claims.get("sub_id"), claims["iss"])
        if not contact and not _is_contract_end(kind, body):
            raise Refused("invalid_request", "only the end of a contract addresses a whole tenant")
        if kind == CAEP + "token-claims-change" and not _has_claims(body):
            raise Refused("invalid_request", "all roles and rights are expected")
        return Event(claims["iss"], claims["jti"], kind, tenant, contact, body)

    def _claims(self, token: str) -> dict[str, Any]:
        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError:
            raise Refused("invalid_request", "a token is a compact JWS") from None
        if header.get("typ") != "secevent+jwt" or header.get("alg") != "RS256":
            raise Refused("invalid_request", "typ secevent+jwt and alg RS256 are expected")
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                self._key(header.get("kid")),
                algorithms=["RS256"],
                audience=self._audience,
                issuer=self._issuer,
                # `iat` is the CRM's clock: an event from a clock that runs ahead has happened all the same.
                options={"require": ["iss", "iat", "jti", "aud"], "verify_sub": False, "verify_iat": False},
            )
        except jwt.InvalidIssuerError:
            raise Refused("invalid_issuer", "another issuer") from None
        except jwt.InvalidAudienceError:
            raise Refused("invalid_audience", "another audience") from None
        except jwt.InvalidSignatureError:
            raise Refused("invalid_key", "the signature is not the named key's") from None
        except jwt.PyJWTError:
            raise Refused("invalid_request", "the claims are not those of a security event token") from None
        if type(claims["iat"]) is not int or not isinstance(claims["jti"], str) or not claims["jti"]:
            raise Refused("invalid_request", "a jti and an iat in whole seconds are expected")
        return claims

    def _key(self, kid: object) -> Any:
        if kid not in self._keys:
            self._fetch()
        key = self._keys.get(str(kid))
        if key is None or getattr(key, "key_size", 0) < 2048:
            raise Refused("invalid_key", "the key is not in the issuer's key set, or too short")
        return key

    def _fetch(self) -> None:
        """Take up the key set anew, if that is not too soon.

        Raises:
            Unknown: it is, or the set cannot be read.
        """
        if time.monotonic() - self._fetched < REFRESH_SECONDS:
            raise Unknown("the key is not known, and the key set was read just now")
        try:
            read = jwt.PyJWKSet.from_dict(orjson.loads(self._read()))
        except (OSError, HTTPException, ValueError, jwt.PyJWTError):
            raise Unknown("the key set cannot be read") from None
        self._keys = {each.key_id: each.key for each in read.keys}
        self._fetched = time.monotonic()

    def _read(self) -> bytes:
        if urlsplit(self._source).scheme not in ("http", "https"):
            return Path(self._source).read_bytes()
        with urllib.request.urlopen(self._source, timeout=FETCH_SECONDS) as answer:  # noqa: S310 - http(s) only
            content: bytes = answer.read()
            return content


def _subject(subject: object, issuer: str) -> tuple[str, str]:
    """(tenant, contact) of a complex subject of exactly these; no contact: everyone."""
    members = dict(subject) if isinstance(subject, dict) else {}
    if members.pop("format", None) != "complex":
        raise Refused("invalid_request", "sub_id is a complex subject")
    everyone = "user" not in members
    tenant, user = members.pop("tenant", None), members.pop("user", None)
    if members or not isinstance(tenant, dict) or tenant.get("format") != "opaque" or not _is_id(tenant.get("id")):
        raise Refused("invalid_request", "sub_id has a tenant, a user, and nothing else")
    if everyone:
        return tenant["id"], ""
    expected = f"{issuer.rstrip('/')}/tenants/{tenant['id']}"
    if not isinstance(user, dict) or user.get("format") != "iss_sub" or user.get("iss") != expected:
        raise Refused("invalid_request", "the user is one of the tenant's")
    if not _is_id(user.get("sub")):
        raise Refused("invalid_request", "the user has an id")
    return tenant["id"], user["sub"]


def _is_contract_end(kind: str, body: dict[str, Any]) -> bool:
    ends = body.get("cause", "rmm.contract.ended") == "rmm.contract.ended"
    return kind == CAEP + "session-revoked" and body.get("initiating_entity") == "policy" and ends


def _has_claims(body: dict[str, Any]) -> bool:
    claims = body.get("claims")
    return isinstance(claims, dict) and all(isinstance(claims.get(each), list) for each in ("roles", "rights"))


def _is_id(value: object) -> bool:
    """No quote and no slash: ids become part of SCIM filters and of `externalId`."""
    return isinstance(value, str) and _ID.fullmatch(value) is not None
