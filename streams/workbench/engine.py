"""Two processes beside the workbench's: one answers while a person types, one does what takes seconds.

So a slow expression or a large corpus keeps no page and no other person waiting. Nothing is kept in them but rule
sets, a throw-away key, and the corpus that was run last.
"""

import asyncio
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from typing import ParamSpec, TypeVar

from schemas.errors import UserError
from scrubbers.published import source_files
from scrubbers.rules import SHIPPED
from streams.system import no_core_dumps
from streams.workbench import trials

P = ParamSpec("P")
R = TypeVar("R")


class Engine:
    """Runs functions of `trials`; anything that goes wrong in one is raised here."""

    def __init__(self) -> None:
        self._swift = _pool()
        self._thorough = _pool()
        # The first sample shall not wait for imports, nor for a key to be made.
        self._swift.submit(trials.attempt, source_files(SHIPPED), trials.Sample(""))

    async def swift(self, function: Callable[P, R], *args: P.args, **options: P.kwargs) -> R:
        """Run what takes milliseconds.

        Raises:
            UserError: its process ended under it.
        """
        try:
            return await _run(self._swift, function, *args, **options)
        except BrokenProcessPool:
            self._swift = _pool()
            raise _ended() from None

    async def thorough(self, function: Callable[P, R], *args: P.args, **options: P.kwargs) -> R:
        """Run what takes seconds, one after the other.

        Raises:
            UserError: its process ended under it.
        """
        try:
            return await _run(self._thorough, function, *args, **options)
        except BrokenProcessPool:
            self._thorough = _pool()
            raise _ended() from None

    def wait_for(self, function: Callable[P, R], *args: P.args, **options: P.kwargs) -> R:
        """As `thorough`, for a thread that has nothing else to do.

        Raises:
            UserError: its process ended under it.
        """
        try:
            return self._thorough.submit(function, *args, **options).result()
        except BrokenProcessPool:
            self._thorough = _pool()
            raise _ended() from None

    def close(self) -> None:
        """End both processes, whatever they are at: Python would wait for it before it ends."""
        for pool in (self._swift, self._thorough):
            at_work = list((pool._processes or {}).values())  # noqa: SLF001 - public from Python 3.14 on
            pool.shutdown(wait=False, cancel_futures=True)
            for process in at_work:
                process.kill()


async def _run(pool: ProcessPoolExecutor, function: Callable[P, R], *args: P.args, **options: P.kwargs) -> R:
    return await asyncio.wrap_future(pool.submit(function, *args, **options))


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


def _ended() -> UserError:
    return UserError("the process that was at this ended; it has been started anew", "try again")
