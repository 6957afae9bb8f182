"""The workbench's web server: one page, its API, and the door in front of both."""

import asyncio
import contextlib
import signal
from collections.abc import Callable
from pathlib import Path

from aiohttp import web

from schemas.errors import UserError
from scrubbers.entities import EntityType
from streams.workbench import guard
from streams.workbench.api import answer, errors_told
from streams.workbench.context import Workbench
from streams.workbench.corpus_api import add_corpus
from streams.workbench.counters import add_counters
from streams.workbench.rollout_api import add_rollout
from streams.workbench.rules_api import add_rules
from streams.workbench.samples_api import add_samples

PAGE = Path(__file__).parent / "page"
_LARGEST_BODY = 16_000_000  # bytes: two drafts and a sample


def application(bench: Workbench, sign_in: guard.SignIn, origin: str) -> web.Application:
    """The application: page, API and door."""
    served = web.Application(middlewares=[errors_told], client_max_size=_LARGEST_BODY)
    guard.install(served, sign_in, origin)

    async def page(_: web.Request) -> web.FileResponse:
        return web.FileResponse(PAGE / "index.html")

    async def state(request: web.Request) -> web.Response:
        who = guard.person(request)
        told = {
            "person": {"id": who.id, "name": who.name, "may_change": who.may_change},
            "csrf": guard.csrf(request),
            "shared": bench.shared,
            "types": list(EntityType),
            "disk": str(bench.sets.folder) if bench.sets.folder is not None else "",
            "corpus": bench.corpus.name if bench.corpus is not None else "",
        }
        return answer(told)

    served.router.add_get("/", page)
    served.router.add_get("/api/state", state)
    for add in (add_rules, add_corpus, add_rollout, add_samples, add_counters):
        add(served, bench)
    served.router.add_static("/static", PAGE)
    return served


def serve(served: web.Application, host: str, port: int, ready: Callable[[], None]) -> None:
    """Serve until SIGTERM or Ctrl-C; `ready` is called once the port is bound.

    Raises:
        UserError: it cannot be bound.
    """
    asyncio.run(_serve(served, host, port, ready))


async def _serve(served: web.Application, host: str, port: int, ready: Callable[[], None]) -> None:
    runner = guard.runner(served)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as problem:
        await runner.cleanup()
        raise UserError(f"{host}:{port} cannot be bound: {problem.strerror}", "take another: --port") from None
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    ready()
    with contextlib.suppress(asyncio.CancelledError):
        await stopping.wait()
    await runner.cleanup()
