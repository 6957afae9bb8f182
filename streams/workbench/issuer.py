"""The issuer of a shared workbench: where it is asked, and what for (OpenID Connect Discovery 1.0, RFC 6749)."""

import asyncio
import time
from typing import Any, TypeVar
from urllib.parse import quote_plus

import aiohttp
import msgspec

from streams.config import Access
from streams.identity import Identity
from streams.workbench.origin import is_private

CALL_SECONDS = 10.0  # a person waits for it
KNOWN_SECONDS = 3_600.0  # issuers change where they are asked seldom, and keep what was there before for a while
_LARGEST = 200_000  # bytes of an answer; metadata of large issuers take about 5,000

A = TypeVar("A", bound=msgspec.Struct)


class IssuerFailed(Exception):
    """The issuer did not answer as the standard says; holds nothing of its answer."""


class Metadata(msgspec.Struct, frozen=True):
    """What we need of an issuer's metadata (Discovery, section 3; RFC 9207, section 3)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    authorization_response_iss_parameter_supported: bool = False


class _Tokens(msgspec.Struct, frozen=True):
    id_token: str


class Issuer:
    """One issuer, of which we are a client."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._known: tuple[Metadata, Identity] | None = None
        self._until = 0.0

    async def metadata(self) -> Metadata:
        """Where it is asked.

        Raises:
            IssuerFailed: it does not say so, or says it for another, or would be asked where others can listen.
        """
        return (await self._discovered())[0]

    async def claims(self, code: str, verifier: str, redirect_uri: str) -> tuple[Identity, dict[str, Any]]:
        """What the ID token for a code says, verified but for its nonce, and who verified it.

        Raises:
            IssuerFailed: it gives no ID token.
            IdentityRefused: the ID token is not right.
        """
        metadata, identity = await self._discovered()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        access, headers = self._access, {}
        if access.client_secret:
            # Both are form-encoded first (RFC 6749, section 2.3.1).
            both = quote_plus(access.client_id), quote_plus(access.client_secret)
            headers["Authorization"] = aiohttp.encode_basic_auth(*both)
        else:
            form["client_id"] = access.client_id
        tokens = await _ask("token endpoint", _Tokens, "POST", metadata.token_endpoint, data=form, headers=headers)
        return identity, await asyncio.to_thread(identity.claims, tokens.id_token)

    async def _discovered(self) -> tuple[Metadata, Identity]:
        if self._known is None or time.monotonic() >= self._until:
            metadata = await self._discover()
            access = msgspec.structs.replace(
                self._access, audience=self._access.client_id, jwks=self._access.jwks or metadata.jwks_uri
            )
            self._known, self._until = (metadata, Identity(access)), time.monotonic() + KNOWN_SECONDS
        return self._known

    async def _discover(self) -> Metadata:
        url = f"{self._access.issuer.rstrip('/')}/.well-known/openid-configuration"
        metadata = await _ask("metadata", Metadata, "GET", url)
        if metadata.issuer != self._access.issuer:
            raise IssuerFailed("its metadata are another issuer's")
        if not all(map(is_private, (metadata.authorization_endpoint, metadata.token_endpoint, metadata.jwks_uri))):
            raise IssuerFailed("its metadata lead to plain http")
        return metadata


async def _ask(what: str, answer: type[A], method: str, url: str, **options: Any) -> A:
    """A JSON answer; no redirect is followed, since it would take code and secret elsewhere."""
    try:
        async with (
            aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=CALL_SECONDS), cookie_jar=aiohttp.DummyCookieJar()
            ) as session,
            session.request(method, url, allow_redirects=False, **options) as response,
        ):
            if response.status != 200:
                raise IssuerFailed(f"its {what} answers {response.status}")
            body = await _body(response)
        return msgspec.json.decode(body, type=answer)
    except (aiohttp.ClientError, OSError, TimeoutError, msgspec.DecodeError, UnicodeError) as problem:
        # The type only: the text may hold the answer.
        raise IssuerFailed(f"its {what} cannot be read ({type(problem).__name__})") from None


async def _body(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > _LARGEST:
            raise IssuerFailed("its answer is too long")
    return bytes(body)
