"""Servers and browsers on one event loop, which runs while a test asks something."""

import asyncio
from collections.abc import Coroutine
from http.cookies import SimpleCookie
from typing import Any, NamedTuple

import aiohttp
import orjson
from aiohttp import web
from multidict import CIMultiDictProxy
from yarl import URL

from streams.broker import free_ports
from streams.workbench import guard

CHANGES: web.AppKey[list[str]] = web.AppKey("changes", list)


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: CIMultiDictProxy[str]
    text: str
    cookies: SimpleCookie

    @property
    def json(self) -> Any:
        """The body."""
        return orjson.loads(self.text)

    @property
    def cookie(self) -> Any:
        """The one cookie that it sets."""
        (only,) = self.cookies.values()
        return only


class Browser:
    """Keeps cookies, follows no redirect by itself."""

    def __init__(self, world: "World", base: str) -> None:
        self._world = world
        self.base = base
        self.session = world.run(_session())

    def ask(self, method: str, place: str, **options: Any) -> Answer:
        """A request to a path or URL."""

        async def asked() -> Answer:
            url = URL(
                place if "://" in place else self.base + place, encoded=True
            )  # as it is: attackers do not tidy up
            async with self.session.request(method, url, allow_redirects=False, **options) as response:
                return Answer(response.status, response.headers, await response.text(), response.cookies)

        return self._world.run(asked())

    def get(self, place: str, **headers: str) -> Answer:
        """A GET; `Sec_Fetch_Site` is the header `Sec-Fetch-Site`."""
        return self.ask("GET", place, headers=_named(headers))

    def post(self, place: str, body: Any = None, **headers: str) -> Answer:
        """A POST of JSON, if there is a body."""
        content = {} if body is None else {"data": orjson.dumps(body)}
        kind = {} if body is None else {"Content-Type": "application/json"}
        return self.ask("POST", place, headers=kind | _named(headers), **content)


class World:
    """What runs during one test."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self._servers: list[web.AppRunner] = []
        self._browsers: list[Browser] = []

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run until it is done."""
        return self._runner.run(work)

    def serve(self, app: web.Application, port: int) -> None:
        """Answer at a port of 127.0.0.1."""
        server = guard.runner(app)
        self._servers.append(server)
        self.run(server.setup())
        self.run(web.TCPSite(server, "127.0.0.1", port).start())

    def browser(self, base: str) -> Browser:
        """A browser without cookies, at a site."""
        self._browsers.append(Browser(self, base))
        return self._browsers[-1]

    def close(self) -> None:
        """End it all."""
        for browser in self._browsers:
            self.run(browser.session.close())
        for server in self._servers:
            self.run(server.cleanup())
        self._runner.close()


def free_origin() -> tuple[str, int]:
    """An origin on this machine, and its port."""
    port = free_ports(1)[0]
    return f"http://127.0.0.1:{port}", port


def workbench(sign_in: guard.SignIn, origin: str) -> web.Application:
    """A workbench behind its door: a page that says who is there, and an API that changes something."""
    app = web.Application()
    guard.install(app, sign_in, origin)
    app[CHANGES] = []
    app.add_routes(
        [
            web.get("/", _who),
            web.get("/static/app.js", _script),
            web.get("/api/changes", _changes),
            web.post("/api/changes", _change),
            web.get("/api/broken", _broken),
            web.get("/broken", _broken),
            web.get("/api/stream", _stream),
            web.get("/{name}/named", _who),
        ]
    )
    return app


async def _who(request: web.Request) -> web.Response:
    who = guard.person(request)
    told = {"id": who.id, "name": who.name, "may_change": who.may_change, "csrf": guard.csrf(request)}
    return web.Response(body=orjson.dumps(told), content_type="application/json")


async def _script(_: web.Request) -> web.Response:
    return web.Response(text="", content_type="text/javascript")


async def _changes(request: web.Request) -> web.Response:
    return web.Response(body=orjson.dumps(request.app[CHANGES]), content_type="application/json")


async def _change(request: web.Request) -> web.Response:
    request.app[CHANGES].append((await request.read()).decode())
    return web.Response(status=204)


async def _broken(request: web.Request) -> web.Response:
    raise RuntimeError(request.query["text"])


async def _stream(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"begun ")
    raise RuntimeError(request.query["text"])


async def _session() -> aiohttp.ClientSession:
    # `unsafe`: also for addresses, as browsers do.
    return aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))


def _named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}
