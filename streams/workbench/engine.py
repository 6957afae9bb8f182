"""Two processes beside the workbench's: one answers while a person types, one does what takes seconds.

So a slow expression or a large corpus keeps no page waiting; and no draft, however it is made, keeps another person
waiting for ever: what takes too long is ended. Nothing is kept in them but rule sets, a throw-away key, and the corpus
that was run last.
"""

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context, parent_process
from typing import ParamSpec, TypeVar

from schemas.errors import UserError
from scrubbers.published import source_files
from scrubbers.rules import SHIPPED
from streams.system import no_core_dumps
from streams.workbench import trials

P = ParamSpec("P")
R = TypeVar("R")

SWIFT_SECONDS = 30.0  # the longest sample takes a few
THOROUGH_SECONDS = 180.0  # lint takes seconds, a corpus of tens of thousands of texts a minute


class Engine:
    """Runs functions of `trials`; anything that goes wrong in one is raised here."""

    def __init__(self, swift: float = SWIFT_SECONDS, thorough: float = THOROUGH_SECONDS) -> None:
        """`swift`, `thorough`: seconds after which a process ends that is still at the same thing."""
        self._swift = _Helper(swift)
        self._thorough = _Helper(thorough)
        # The first sample shall not wait for imports, nor for a key to be made.
        self._swift.begin(trials.attempt, source_files(SHIPPED), trials.Sample(""))

    async def swift(self, function: Callable[P, R], *args: P.args, **options: P.kwargs) -> R:
        """Run what takes milliseconds.

        Raises:
            UserError: its process ended under it.
        """
        with self._swift.watched():
            return await asyncio.wrap_future(self._swift.begin(function, *args, **options))

    async def thorough(self, function: Callable[P, R], *args: P.args, **options: P.kwargs) -> R:
        """Run what takes seconds, one after the other.

        Raises:
            UserError: its process ended under it.
        """
        with self._thorough.watched():
            return await asyncio.wrap_future(self._thorough.begin(function, *args, **options))

    def wait_for(self, function: Callable[P, R], *args: P.args, **options: P.kwargs) -> R:
        """As `thorough`, for a thread that has nothing else to do.

        Raises:
            UserError: its process ended under it.
        """
        with self._thorough.watched():
            return self._thorough.begin(function, *args, **options).result()

    def close(self) -> None:
        """End both processes, whatever they are at: Python would wait for it before it ends."""
        self._swift.close()
        self._thorough.close()


class _Helper:
    """One process, in the place of which comes another when it ends."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._pool = _pool()

    def begin(self, function: Callable[P, R], *args: P.args, **options: P.kwargs) -> Future[R]:
        return self._pool.submit(_in_time, self._seconds, partial(function, *args, **options))

    @contextmanager
    def watched(self) -> Iterator[None]:
        pool = self._pool
        try:
            yield
        except BrokenProcessPool:
            if self._pool is pool:  # others waited for it, too: the first to hear of its end starts another
                self._pool = _pool()
            raise UserError(
                f"the process that was at this ended, or was ended after {self._seconds:g} seconds; "
                "it has been started anew",
                "try again",
            ) from None

    def close(self) -> None:
        at_work = list((self._pool._processes or {}).values())  # noqa: SLF001 - public from Python 3.14 on
        self._pool.shutdown(wait=False, cancel_futures=True)
        for process in at_work:
            process.kill()


def _in_time(seconds: float, work: Callable[[], R]) -> R:
    """Run it; the kernel ends this process if it takes longer, whatever it is at."""
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        return work()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _pool() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=_settle)


def _settle() -> None:
    """Ctrl-C is for the workbench, which ends its processes; no core dump holds what was pasted."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    no_core_dumps()
    # Not the kernel's signal at a parent's death: that comes when the thread ends that happened to start the process.
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)
