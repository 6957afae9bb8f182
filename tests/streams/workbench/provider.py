"""An OpenID provider for tests: signs in whoever comes, and checks what it is asked as a real one does."""

import base64
import hashlib
import secrets
from typing import Any
from urllib.parse import unquote_plus, urlencode

import orjson
from aiohttp import web

from streams.config import Access
from tests import tokens

CLIENT = "workbench"


class OpenIdProvider:
    """At `issuer`. `metadata`, `claims` and `answer` override what it would say; None leaves it out."""

    def __init__(self, keys: tokens.Provider, issuer: str, redirect_uri: str) -> None:
        self.keys = keys
        self.issuer = issuer
        self.redirect_uri = redirect_uri
        self.secret = ""
        self.metadata: dict[str, Any] = {}
        self.claims: dict[str, Any] = {"name": "Alice Example"}
        self.answer: dict[str, str | None] = {}
        self.id_token: str | None = None
        self.token_status = 200
        self.token_body: bytes | None = None
        self.roles: tuple[str, ...] = ("rmm-scrub-rules",)
        self.calls: list[str] = []
        self._codes: dict[str, dict[str, str]] = {}

    def access(self, **others: str) -> Access:
        """Settings of a client of this issuer; its key set is found by its metadata."""
        return Access(issuer=self.issuer, client_id=CLIENT, client_secret=self.secret, **others)

    def app(self) -> web.Application:
        """What it serves."""
        app = web.Application()
        app.add_routes(
            [
                web.get("/.well-known/openid-configuration", self._discovery),
                web.get("/authorize", self._authorize),
                web.post("/token", self._token),
                web.get("/jwks", self._jwks),
            ]
        )
        return app

    async def _discovery(self, _: web.Request) -> web.Response:
        self.calls.append("metadata")
        own = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize?realm=1",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
        }
        return _json(own | self.metadata)

    async def _jwks(self, _: web.Request) -> web.Response:
        return web.Response(body=self.keys.jwks.read_bytes(), content_type="application/jwk-set+json")

    async def _authorize(self, request: web.Request) -> web.Response:
        asked = dict(request.query)
        assert (asked["realm"], asked["response_type"], asked["scope"]) == ("1", "code", "openid profile")
        assert (asked["client_id"], asked["redirect_uri"]) == (CLIENT, self.redirect_uri)
        assert asked["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe()
        self._codes[code] = asked
        answer = {"code": code, "state": asked["state"], "iss": self.issuer} | self.answer
        told = urlencode({name: value for name, value in answer.items() if value is not None})
        return web.Response(status=302, headers={"Location": f"{asked['redirect_uri']}?{told}"})

    async def _token(self, request: web.Request) -> web.Response:
        self.calls.append("token")
        form = dict(await request.post())
        asked = self._codes.pop(str(form.get("code")), None)
        if asked is None or not self._is_client(request, form) or not _is_proven(asked, form):
            return _json({"error": "invalid_grant"}, 400)
        if self.token_body is not None:
            return web.Response(status=self.token_status, body=self.token_body, headers={"Location": "/token"})
        claims = {"iss": self.issuer, "aud": CLIENT, "nonce": asked["nonce"]} | self.claims
        token = self.id_token or self.keys.token("alice", roles=self.roles, **claims)
        return _json({"access_token": "x", "token_type": "Bearer", "id_token": token}, self.token_status)

    def _is_client(self, request: web.Request, form: dict[str, Any]) -> bool:
        if not self.secret:
            return form.get("client_id") == CLIENT and "Authorization" not in request.headers
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        both = base64.b64decode(given).decode().split(":")
        return scheme == "Basic" and [unquote_plus(each) for each in both] == [CLIENT, self.secret]


def _is_proven(asked: dict[str, str], form: dict[str, Any]) -> bool:
    digest = hashlib.sha256(str(form.get("code_verifier")).encode()).digest()
    challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    return (
        form.get("grant_type") == "authorization_code"
        and form.get("redirect_uri") == asked["redirect_uri"]
        and challenge == asked["code_challenge"]
    )


def _json(body: dict[str, Any], status: int = 200) -> web.Response:
    kept = {name: value for name, value in body.items() if value is not None}
    return web.Response(body=orjson.dumps(kept), status=status, content_type="application/json")
