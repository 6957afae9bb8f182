"""Sign in to a shared workbench: OpenID Connect's authorization code flow (Core 3.1), as RFC 9700 wants it.

PKCE (RFC 7636), `state` and `nonce` bind code and ID token to the browser that asked, `iss` to the issuer that was
asked (RFC 9207). Tokens are read and forgotten: no handler sees one.
"""

import base64
import hashlib
import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Literal, NoReturn
from urllib.parse import urlencode

import msgspec
from aiohttp import web

from schemas.errors import UserError
from streams.config import Access
from streams.identity import IdentityRefused
from streams.workbench.answers import Refused, see
from streams.workbench.issuer import Issuer, IssuerFailed, Metadata
from streams.workbench.origin import Origin, is_private
from streams.workbench.sessions import IDLE_SECONDS, Person
from streams.workbench.tickets import Tickets, same, secret

log = logging.getLogger(__name__)

CALLBACK = "/sign-in/callback"
FLOW_SECONDS = 600  # long enough to find a second factor
_MOST_FLOWS = 1_000  # anybody can begin one: they must not fill the memory
_LONGEST_NAME = 100


class _Flow(msgspec.Struct, frozen=True):
    """A sign-in that has begun: what its end must show."""

    state: str
    nonce: str
    verifier: str


class OidcSignIn:
    """Employees of one issuer; the role `access.rules_role` may change things."""

    # The visit that ends a sign-in begins at the issuer: a strict cookie would be missing from the page it leads to.
    same_site: Literal["Lax"] = "Lax"
    idle_seconds = IDLE_SECONDS

    def __init__(self, access: Access, origin: str) -> None:
        """Register `CALLBACK` at `origin` with the issuer as the redirect URI.

        Raises:
            UserError: settings are missing, or not safe.
        """
        if not access.issuer or not access.client_id:
            raise UserError(
                "a shared workbench needs an issuer and a client id",
                "set RMM_SCRUB_ACCESS_ISSUER and RMM_SCRUB_ACCESS_CLIENT_ID",
            )
        if not is_private(access.issuer):
            raise UserError("access.issuer is not a URL with https", "see docs/workbench.md")
        self._access = access
        self._origin = Origin.parse(origin)
        self._redirect_uri = f"{self._origin}{CALLBACK}"
        self._cookie = self._origin.cookie("sign-in")
        self._issuer = Issuer(access)
        self._flows: Tickets[_Flow] = Tickets(FLOW_SECONDS, _MOST_FLOWS)

    def expects(self, request: web.Request) -> bool:
        """The way back from the issuer."""
        return request.method == "GET" and request.path == CALLBACK

    async def arrive(self, request: web.Request) -> Person | web.Response:
        """Send a browser to the issuer; when it is back, who is in front of it.

        Raises:
            Refused: nobody that can be let in, or the issuer does not answer.
        """
        try:
            return await (self._end(request) if self.expects(request) else self._begin())
        except IssuerFailed as problem:
            log.warning("workbench: no sign-in: the identity provider failed: %s", problem)
            raise Refused(HTTPStatus.BAD_GATEWAY, "The identity provider did not answer as it should.") from None
        except IdentityRefused as refused:
            log.warning("workbench: no sign-in: it does not hold that %s", refused.rule)
            _refuse("The identity provider's token is not right.")

    async def _begin(self) -> web.Response:
        flow = _Flow(secret(), secret(), secret())
        metadata = await self._issuer.metadata()
        asked = {
            "response_type": "code",
            "client_id": self._access.client_id,
            "redirect_uri": self._redirect_uri,
            "scope": "openid profile",
            "state": flow.state,
            "nonce": flow.nonce,
            "code_challenge": _challenge(flow.verifier),
            "code_challenge_method": "S256",
        }
        endpoint = metadata.authorization_endpoint  # may have parameters of its own (RFC 6749, section 3.1)
        response = see(f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(asked)}")
        response.set_cookie(
            self._cookie,
            self._flows.issue(flow),
            max_age=FLOW_SECONDS,
            path="/",
            httponly=True,
            secure=self._origin.secure,
            samesite=self.same_site,
        )
        return response

    async def _end(self, request: web.Request) -> Person:
        flow = self._flows.redeem(request.cookies.get(self._cookie, ""))
        given = _single(request)
        if flow is None or not same(given.get("state", ""), flow.state):
            _refuse("This sign-in was not begun in this browser, or it was used, or took longer than ten minutes.")
        self._require_our_issuer(given, await self._issuer.metadata())
        if "error" in given or not given.get("code"):
            _refuse("The identity provider did not sign you in.")
        identity, claims = await self._issuer.claims(given["code"], flow.verifier, self._redirect_uri)
        if not same(str(claims.get("nonce", "")), flow.nonce):
            _refuse("The identity provider's token is not for this sign-in.")
        if claims.get("azp", self._access.client_id) != self._access.client_id:
            _refuse("The identity provider's token is for another application.")
        employee = identity.employee(claims)
        return Person(employee.id, _name(claims, employee.id), self._access.rules_role in employee.roles)

    def _require_our_issuer(self, given: Mapping[str, str], metadata: Metadata) -> None:
        """Mix-up: another issuer's answer under our issuer's state (RFC 9207)."""
        missing = "iss" not in given and metadata.authorization_response_iss_parameter_supported
        if missing or given.get("iss", metadata.issuer) != metadata.issuer:
            _refuse("The answer is another identity provider's.")


def _single(request: web.Request) -> dict[str, str]:
    """The parameters of an answer; one that is there twice is refused (RFC 6749, section 3.1)."""
    if len(request.query) != len(set(request.query)):
        _refuse("The identity provider's answer is not clear.")
    return dict(request.query)


def _challenge(verifier: str) -> str:
    """RFC 7636, section 4.2."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _name(claims: Mapping[str, Any], otherwise: str) -> str:
    """How a person is called on the page: what the issuer says, if it can be shown."""
    name = claims.get("name")
    return name if isinstance(name, str) and 0 < len(name) <= _LONGEST_NAME and name.isprintable() else otherwise


def _refuse(told: str) -> NoReturn:
    raise Refused(HTTPStatus.FORBIDDEN, told)
