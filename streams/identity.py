"""Who is calling: an employee, proven by an OIDC bearer token (OpenID Connect Core 3.1.3.7, RFC 7519, RFC 9068).

The key set is a file, for use without a network, or a URL. Everything that is not known to be right is refused.
"""

import re
import time
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from enum import StrEnum
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import orjson
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, KeySet

from schemas.errors import UserError
from streams.config import Access

ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA", "Ed25519"]  # signatures only: with a MAC the verifier could sign
LEEWAY_SECONDS = 60
FETCH_SECONDS = 5.0
REFRESH_SECONDS = 60.0  # an unknown key makes us look again, but not more often than this
_LONGEST = 16_384
_TYPES = frozenset({"jwt", "at+jwt", "application/at+jwt"})
_ID = re.compile(r"[A-Za-z0-9._@:|+-]{1,128}")


class Rule(StrEnum):
    """What a token must keep to."""

    CONFIGURED = "issuer, audience and key set are configured (RMM_SCRUB_ACCESS_ISSUER, _AUDIENCE, _JWKS)"
    FORM = "a token is a signed JWT"
    SIGNATURE = "a key of the issuer's key set has signed it, by an algorithm that is allowed"
    TYPE = "typ, if it is there, is that of an identity or access token"
    KEY_SET = "the issuer's key set can be read"
    ISSUER = "iss is the configured issuer"
    AUDIENCE = "aud holds our audience"
    EXPIRED = "exp is there and has not passed"
    NOT_YET = "nbf and iat have come"
    SUBJECT = "sub is an employee's id"


class IdentityRefused(UserError):
    """A token that proves nobody; holds nothing of the token."""

    def __init__(self, rule: Rule) -> None:
        super().__init__(f"not identified: it does not hold that {rule}", "get a new token from your identity provider")
        self.rule = rule


class Employee(msgspec.Struct, frozen=True):
    """Who is calling, and in which roles."""

    id: str
    roles: frozenset[str]


class Identity:
    """Verifies tokens of one issuer for one audience."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._keys: KeySet | None = None
        self._fetched = 0.0

    def identify(self, token: str) -> Employee:
        """The employee whom a token proves.

        Raises:
            IdentityRefused: none, and which rule it breaks.
        """
        return self.employee(self.claims(token))

    def employee(self, claims: Mapping[str, Any]) -> Employee:
        """Whom claims that were verified are about."""
        return Employee(claims["sub"], _roles(claims.get(self._access.roles_claim)))

    def claims(self, token: str) -> dict[str, Any]:
        """What a token says that proves an employee.

        Raises:
            IdentityRefused: it proves none, and which rule it breaks.
        """
        access = self._access
        _require(Rule.CONFIGURED, access.issuer and access.audience and access.jwks)
        claims = self._verified(token.strip())
        _require(Rule.ISSUER, claims.get("iss") == access.issuer)
        audience = claims.get("aud")
        _require(
            Rule.AUDIENCE,
            audience == access.audience or (isinstance(audience, list) and access.audience in audience),
        )
        now = time.time()
        _require(Rule.EXPIRED, _is_time(claims.get("exp")) and claims["exp"] > now - LEEWAY_SECONDS)
        for name in ("nbf", "iat"):
            _require(
                Rule.NOT_YET, name not in claims or (_is_time(claims[name]) and claims[name] <= now + LEEWAY_SECONDS)
            )
        subject = claims.get("sub")
        _require(Rule.SUBJECT, isinstance(subject, str) and _ID.fullmatch(subject))
        return claims

    def _verified(self, token: str) -> dict[str, Any]:
        _require(Rule.FORM, 0 < len(token) <= _LONGEST and token.isascii() and token.count(".") == 2)
        keys = self._key_set(fresh=False)
        for attempt in (1, 2):
            try:
                decoded = jwt.decode(token, keys, algorithms=ALGORITHMS)
            except (JoseError, ValueError, TypeError, KeyError, RecursionError):
                # The issuer may have begun to use a new key since the set was read.
                fresh = self._key_set(fresh=True)
                if attempt == 2 or fresh is keys:
                    raise IdentityRefused(Rule.SIGNATURE) from None
                keys = fresh
            else:
                # A logout token or a security event has the same issuer, and may have our audience (RFC 8725, 3.11).
                _require(Rule.TYPE, str(decoded.header.get("typ", "JWT")).lower() in _TYPES)
                claims: dict[str, Any] = decoded.claims
                return claims
        raise IdentityRefused(Rule.SIGNATURE)

    def _key_set(self, *, fresh: bool) -> KeySet:
        recent = time.monotonic() - self._fetched < REFRESH_SECONDS
        if self._keys is not None and (not fresh or recent):
            return self._keys
        try:
            self._keys = _understood(orjson.loads(_read(self._access.jwks)))
        except (OSError, HTTPException, ValueError, TypeError, KeyError):
            if self._keys is None:
                raise IdentityRefused(Rule.KEY_SET) from None
        self._fetched = time.monotonic()
        return self._keys


def _require(rule: Rule, holds: object) -> None:
    if not holds:
        raise IdentityRefused(rule)


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _roles(value: object) -> frozenset[str]:
    if isinstance(value, str):
        return frozenset(value.split())
    return frozenset(each for each in value if isinstance(each, str)) if isinstance(value, list) else frozenset()


def _understood(content: dict[str, list[dict[str, Any]]]) -> KeySet:
    """The keys of a set; those that we do not understand are left out (RFC 7517 section 5)."""
    keys = []
    for each in content["keys"]:
        with suppress(JoseError, ValueError, TypeError, KeyError):
            keys.append(JWKRegistry.import_key(each))
    if not keys:
        raise ValueError("no key of the set is understood")
    return KeySet(keys)


def _read(source: str) -> bytes:
    """A key set from a file, or over https (http from this machine only)."""
    parts = urlsplit(source)
    if parts.scheme not in ("http", "https"):
        return Path(source).read_bytes()
    if parts.scheme == "http" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
        raise ValueError("a key set over plain http can be anybody's")
    with urllib.request.urlopen(source, timeout=FETCH_SECONDS) as answer:  # noqa: S310 - the scheme is checked
        content: bytes = answer.read(1_000_000)
        return content
