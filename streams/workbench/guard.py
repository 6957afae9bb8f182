"""The workbench's door: who may come in, and that no other web page can use it (docs/workbench.md).

Every check is made before a handler runs, and what is not known to be open is closed.
"""

import logging
import traceback
from http import HTTPStatus
from typing import Literal, Protocol

from aiohttp import web
from aiohttp.typedefs import Handler

from streams.workbench.answers import HEADERS, Refused, error, page, see
from streams.workbench.origin import Origin
from streams.workbench.sessions import Person, Session, Sessions
from streams.workbench.tickets import same

log = logging.getLogger(__name__)

SIGN_OUT, SIGNED_OUT = "/sign-out", "/signed-out"
CSRF_HEADER = "X-CSRF-Token"
_SAFE = ("GET", "HEAD", "OPTIONS")  # change nothing (RFC 9110, section 9.2.1); any other method must prove itself
_LAST_ANSWERS = 1.0  # seconds for them when the workbench ends; a person waits at the terminal
_SESSION = web.RequestKey("session", Session)


class SignIn(Protocol):
    """A way to show who one is."""

    @property
    def same_site(self) -> Literal["Strict", "Lax"]:
        """How the session's cookie behaves towards other sites."""
        ...

    @property
    def idle_seconds(self) -> float:
        """How long a session lasts in which nothing is done."""
        ...

    def expects(self, request: web.Request) -> bool:
        """Whether this request is part of signing in, be there a session or not."""
        ...

    async def arrive(self, request: web.Request) -> Person | web.Response:
        """Whom a request proves that is expected, or loads a page without a session; or where to go and do so.

        Raises:
            Refused: nobody, and no way to.
        """
        ...


def install(app: web.Application, sign_in: SignIn, origin: str) -> None:
    """Put the door before every handler of `app`; it is at `origin`, as browsers see it.

    Raises:
        UserError: no workbench may be at `origin`.
    """
    door = _Door(sign_in, Origin.parse(origin))
    app.middlewares.insert(0, _in_our_words)
    app.middlewares.insert(1, door.admit)
    app.on_response_prepare.append(_add_headers)
    app.router.add_post(SIGN_OUT, door.sign_out)
    app.router.add_get(SIGNED_OUT, _signed_out)


def runner(app: web.Application) -> web.AppRunner:
    """Serves `app` without aiohttp's own log: it would hold one-time tokens, and requests that cannot be read."""
    quiet = logging.getLogger(f"{__name__}.http")
    quiet.disabled = True
    return web.AppRunner(app, access_log=None, logger=quiet, shutdown_timeout=_LAST_ANSWERS)


def person(request: web.Request) -> Person:
    """Who sends a request that was let in."""
    return request[_SESSION].person


def csrf(request: web.Request) -> str:
    """What scripts of our pages must send as `X-CSRF-Token` with whatever changes something."""
    return request[_SESSION].csrf


class _Door:
    def __init__(self, sign_in: SignIn, origin: Origin) -> None:
        self._sign_in = sign_in
        self._origin = origin
        self._sessions = Sessions(idle=sign_in.idle_seconds)
        self._cookie = origin.cookie("session")

    @web.middleware
    async def admit(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let a request in, or raise `Refused`, or begin a session."""
        self._require_our_host(request)
        self._require_our_page(request)
        if self._sign_in.expects(request):
            return await self._arrive(request)
        if _is_open(request):
            return await handler(request)
        session = self._sessions.find(self._id(request), acting=_is_act(request))
        if session is None:
            if _is_page(request):
                return await self._arrive(request)
            raise Refused(HTTPStatus.UNAUTHORIZED, "sign in first")
        if request.method not in _SAFE:
            _require_csrf(request, session)
            _require_json(request)
        request[_SESSION] = session
        return await handler(request)

    async def sign_out(self, request: web.Request) -> web.Response:
        """End the session of a request that was let in."""
        self._sessions.end(self._id(request))
        response = see(SIGNED_OUT)
        self._set_cookie(response, "", max_age=0)
        return response

    async def _arrive(self, request: web.Request) -> web.Response:
        arrived = await self._sign_in.arrive(request)
        if not isinstance(arrived, Person):
            return arrived
        self._sessions.end(self._id(request))  # a new person, a new id: nobody can have known it before
        response = see("/")  # without what signed in, which would stay in the address bar and the history
        self._set_cookie(response, self._sessions.begin(arrived))
        return response

    def _require_our_host(self, request: web.Request) -> None:
        """DNS rebinding: a page of another name whose address has become ours."""
        hosts = request.headers.getall("Host", [])
        if len(hosts) != 1 or hosts[0].lower() not in self._origin.hosts:
            raise Refused(HTTPStatus.MISDIRECTED_REQUEST, "the workbench is not at this address")

    def _require_our_page(self, request: web.Request) -> None:
        """Nothing but our own pages uses us; others may lead to us (Fetch, section 3.1; Fetch Metadata)."""
        ours = f"{self._origin.scheme}://{request.headers['Host'].lower()}"
        site = request.headers.get("Sec-Fetch-Site", "same-origin")
        # `none`: the address bar, a bookmark. Neither sends anything but a safe method.
        trusted = site == "same-origin" or (request.method in _SAFE and (site == "none" or _is_visit(request)))
        if request.headers.get("Origin", ours) != ours or not trusted:
            raise Refused(HTTPStatus.FORBIDDEN, "only the workbench's own pages may ask this")

    def _id(self, request: web.Request) -> str:
        return request.cookies.get(self._cookie, "")

    def _set_cookie(self, response: web.Response, value: str, max_age: int | None = None) -> None:
        response.set_cookie(
            self._cookie,
            value,
            max_age=max_age,
            path="/",
            httponly=True,
            secure=self._origin.secure,
            samesite=self._sign_in.same_site,
        )


@web.middleware
async def _in_our_words(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Say what went wrong in words of our own: an exception's could quote the request."""
    try:
        return await handler(request)
    except Refused as refused:
        if refused.status != HTTPStatus.UNAUTHORIZED:  # that one is everyday: a session has ended
            log.warning("workbench: refused (%d): %s", refused.status, refused.told)
        return _error(request, refused.told, refused.status)
    except web.HTTPException as problem:
        if problem.status < HTTPStatus.BAD_REQUEST:
            raise
        known = HTTPStatus(problem.status)
        response = _error(request, known.description or known.phrase, known)
        if "Allow" in problem.headers:
            response.headers["Allow"] = problem.headers["Allow"]
        return response
    except Exception as problem:  # noqa: BLE001 - whatever it is, its text stays here
        place = traceback.extract_tb(problem.__traceback__)[-1]
        log.error("workbench: %s at %s:%s", type(problem).__name__, place.filename, place.lineno)  # noqa: TRY400
        if request.writer.output_size:
            raise ConnectionError("an answer had begun") from None
        return _error(request, "the workbench failed; its log says where", HTTPStatus.INTERNAL_SERVER_ERROR)


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """On every answer, also on those to what was refused, and on streams."""
    response.headers.update(HEADERS)
    # `no-cache`: kept, but asked for again; anything else could hold a raw value.
    response.headers["Cache-Control"] = "no-cache" if _is_static(request) else "no-store"


async def _signed_out(_: web.Request) -> web.Response:
    return page("You are signed out.", title="Signed out")


def _require_csrf(request: web.Request, session: Session) -> None:
    if not same(request.headers.get(CSRF_HEADER, ""), session.csrf):
        raise Refused(HTTPStatus.FORBIDDEN, "the page is out of date: load it again")


def _require_json(request: web.Request) -> None:
    """A form of another page can send text, but not JSON."""
    if _is_api(request) and request.body_exists and request.content_type != "application/json":
        raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "the body must be application/json")


def _error(request: web.Request, told: str, status: int) -> web.Response:
    return error(told, status) if _is_api(request) else page(told, status=status)


def _path(request: web.Request) -> str:
    """The pattern of the route that answers, since a path has more than one spelling; the path if none does."""
    resource = request.match_info.route.resource
    return request.path if resource is None else resource.canonical


def _is_api(request: web.Request) -> bool:
    return _path(request).startswith("/api/")


def _is_static(request: web.Request) -> bool:
    return f"{_path(request)}/".startswith("/static/")


def _is_open(request: web.Request) -> bool:
    """Whether anybody may have it: it holds nothing of anybody's."""
    return request.method in _SAFE and (_is_static(request) or _path(request) == SIGNED_OUT)


def _is_visit(request: web.Request) -> bool:
    """Whether a browser's window goes there; browsers that do not say so are believed."""
    visit = ("navigate", "document")
    told = (request.headers.get("Sec-Fetch-Mode", visit[0]), request.headers.get("Sec-Fetch-Dest", visit[1]))
    return request.method == "GET" and told == visit


def _is_page(request: web.Request) -> bool:
    return _is_visit(request) and not _is_api(request)


def _is_act(request: web.Request) -> bool:
    """Whether a person did this: counters that a page asks for by itself keep no session alive."""
    return request.method not in _SAFE or _is_page(request)
