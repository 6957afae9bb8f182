"""A receiver of pushed tokens for tests (RFC 8935): answers as it is told and remembers what it took."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from aiohttp import web

Answer = Callable[[bytes, int], web.Response]  # token, number of the call from 1 on


def taken(token: bytes, call: int) -> web.Response:
    """Every token is taken."""
    return web.Response(status=202)


def refusal(code: str) -> web.Response:
    """A refusal as in RFC 8935, section 2.3."""
    return web.json_response({"err": code, "description": "no"}, status=400)


class Receiver:
    """What it was sent, in order, and what it took."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.calls: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.taken: list[bytes] = []
        self.port = 0

    @property
    def url(self) -> str:
        """Where to push to."""
        return f"http://127.0.0.1:{self.port}/events"

    async def _receive(self, request: web.Request) -> web.Response:
        token = await request.read()
        self.calls.append(token)
        self.headers.append(dict(request.headers))
        response = self.answer(token, len(self.calls))
        if response.status == 202:
            self.taken.append(token)
        return response

    async def start(self) -> web.AppRunner:
        """Listen; the runner ends it."""
        app = web.Application()
        app.add_routes([web.post("/events", self._receive)])
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", self.port)
        await site.start()
        self.port = runner.addresses[0][1]
        return runner


@contextmanager
def serving(answer: Answer = taken) -> Iterator[Receiver]:
    """A receiver in a thread of its own, so that commands can be called as they are."""
    receiver, loop = Receiver(answer), asyncio.new_event_loop()
    runner = loop.run_until_complete(receiver.start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield receiver
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
