"""Worker processes: one Faust worker each, started, watched, restarted and stopped by a supervisor."""

import contextlib
import fcntl
import hashlib
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import IO, Any

import faust

from schemas.errors import UserError
from streams.config import Settings, load
from streams.system import end_with_parent, no_core_dumps

log = logging.getLogger(__name__)

STOP_SECONDS = 45.0  # a batch, its transaction and leaving the group; then the process is killed
RESTART_SECONDS = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0)  # between restarts that follow each other
STEADY_SECONDS = 60.0  # a process that lived this long starts the row anew
USER_ERROR = 78  # EX_CONFIG of sysexits.h: restarting would not help


class Supervisor:
    """Runs `processes` workers of one consumer group until told to stop."""

    def __init__(self, settings: Settings, processes: int) -> None:
        self.settings = settings
        self.processes = processes
        self._stopping = False
        self._children: dict[int, subprocess.Popen[bytes]] = {}
        self._failures: dict[int, int] = {}
        self._started: dict[int, float] = {}
        self._due: dict[int, float] = {}

    def run(self) -> int:
        """Start all, restart what dies, stop in order on SIGTERM or SIGINT; the exit code.

        Raises:
            UserError: a worker says that its settings are wrong.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        with contextlib.ExitStack() as locks:
            slots = [locks.enter_context(_slot(self.settings, taken)) for taken in range(self.processes)]
            try:
                for slot in slots:
                    self._start(slot)
                while not self._stopping:
                    self._watch()
                    time.sleep(0.1)
            finally:
                self._shut_down()
        return 0

    def _start(self, slot: int) -> None:
        command = [sys.executable, "-m", "streams.worker", str(slot)]
        self._children[slot] = subprocess.Popen(command, start_new_session=True)
        self._started[slot] = time.monotonic()
        self._due.pop(slot, None)

    def _watch(self) -> None:
        for slot, child in list(self._children.items()):
            code = child.poll()
            now = time.monotonic()
            if code is None:
                continue
            if code == USER_ERROR:
                raise UserError("a worker cannot start with these settings", "its own message stands above")
            if slot not in self._due:
                steady = now - self._started[slot] > STEADY_SECONDS
                self._failures[slot] = 1 if steady else self._failures.get(slot, 0) + 1
                wait = RESTART_SECONDS[min(self._failures[slot], len(RESTART_SECONDS)) - 1]
                log.warning("worker %d ended with code %d; restart in %.1f s", slot, code, wait)
                self._due[slot] = now + wait
            elif now >= self._due[slot]:
                self._start(slot)

    def _stop(self, *_: object) -> None:
        self._stopping = True

    def _shut_down(self) -> None:
        """In order: all are asked to finish their batch and leave; who does not is killed."""
        for child in self._children.values():
            if child.poll() is None:
                child.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        for slot, child in self._children.items():
            try:
                child.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                log.warning("worker %d did not stop in %.0f s: killed", slot, STOP_SECONDS)
                child.kill()
                child.wait()


@contextlib.contextmanager
def _slot(settings: Settings, wish: int) -> Iterator[int]:
    """The first free slot from `wish` on; a slot is this installation's, so that two supervisors differ."""
    settings.state_path.mkdir(parents=True, exist_ok=True)
    slot, file = _first_free(settings, wish)
    with file:
        yield slot


def _first_free(settings: Settings, wish: int) -> tuple[int, IO[str]]:
    for slot in range(wish, wish + 256):
        file = (settings.state_path / f"{settings.group}-worker-{slot}.lock").open("w")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            continue
        return slot, file
    raise UserError("no free worker slot: 256 workers of this group run here")


def identity(settings: Settings, slot: int) -> str:
    """What names a worker across restarts: the machine and state folder (as a digest) and its slot."""
    place = f"{socket.gethostname()}:{settings.state_path}".encode()
    return f"{hashlib.sha256(place).hexdigest()[:12]}-{slot}"


class _QuietWorker(faust.Worker):
    """A Faust worker whose SIGUSR1 does not write local variables, and with them records, to the log."""

    def _on_sigusr1(self) -> None:
        log.warning("SIGUSR1: stacks are not shown, they would hold records")


def run_worker(app: Any) -> None:
    """Run a Faust app in this process until it is told to stop."""
    level = os.environ.get("RMM_SCRUB_LOGLEVEL", "WARNING")
    _QuietWorker(app, loglevel=level, redirect_stdouts=False).execute_from_commandline()


def main(slot: int) -> None:
    """One worker process of a supervisor."""
    end_with_parent()
    no_core_dumps()
    from streams.app import assemble  # noqa: PLC0415 - the supervisor does without
    from streams.cli import console  # noqa: PLC0415
    from streams.keys import open_keyring  # noqa: PLC0415

    try:
        settings = load()
        app = assemble(settings, open_keyring(settings), slot=slot, identity=identity(settings, slot))
    except UserError as problem:
        console.error(str(problem), *problem.hints)
        raise SystemExit(USER_ERROR) from None
    run_worker(app)


if __name__ == "__main__":
    main(int(sys.argv[1]))
