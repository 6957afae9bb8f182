"""The two processes: what goes wrong in one is raised, and a process that ends is started anew."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from schemas.errors import UserError
from scrubbers.published import RuleSetRefused, Unusable
from scrubbers.rulefiles import Flaw, RuleProblem, SourceFile
from streams.workbench import trials
from streams.workbench.engine import Engine

# Nine times as much with every line.
EXPANDING = "recognizers:\n  - &a0 [x]\n" + "".join(
    f"  - &a{number} [{', '.join([f'*a{number - 1}'] * 9)}]\n" for number in range(1, 20)
)


def pid() -> int:
    """Which process it is."""
    return os.getpid()


def end() -> None:
    """What a machine without memory does."""
    os.kill(os.getpid(), signal.SIGKILL)


def refuse() -> None:
    """A rule set that cannot be used."""
    raise RuleSetRefused(Unusable.EXPRESSION, "till")


def break_rules() -> None:
    """A rule set with two flaws."""
    raise RuleProblem([Flaw("a.yaml", 1, "one"), Flaw("b.yaml", 2, "two")], "a hint")


def test_errors_come_back_whole(engine: Engine) -> None:
    """With all that they carry."""
    with pytest.raises(RuleSetRefused) as refused:
        engine.wait_for(refuse)
    assert (refused.value.why, refused.value.where) == (Unusable.EXPRESSION, "till")
    with pytest.raises(RuleProblem) as broken:
        engine.wait_for(break_rules)
    assert [str(flaw) for flaw in broken.value.flaws] == ["a.yaml:1: one", "b.yaml:2: two"]
    assert (str(broken.value), broken.value.hints) == ("a.yaml:1: one", ("b.yaml:2: two", "a hint"))


def test_a_process_that_ends_is_started_anew() -> None:
    """Who waited for it hears so; the next is served."""
    own = Engine()
    try:
        for run in (own.swift, own.thorough):
            before = asyncio.run(run(pid))
            with pytest.raises(UserError, match="has been started anew"):
                asyncio.run(run(end))
            assert asyncio.run(run(pid)) not in (before, os.getpid())
    finally:
        own.close()


def test_what_takes_too_long_is_ended_whatever_it_is_at() -> None:
    """A draft whose YAML stands for more than a machine can hold keeps nobody else waiting for ever."""
    own = Engine(swift=1, thorough=1)
    try:
        for run in (own.swift, own.thorough):
            with pytest.raises(UserError, match="after 1 seconds"):
                asyncio.run(run(trials.attempt, (SourceFile("ours.yaml", EXPANDING),), trials.Sample("")))
            assert asyncio.run(run(pid))
    finally:
        own.close()


def test_of_several_that_waited_for_a_process_one_starts_another() -> None:
    """And nobody's work is in a process that was replaced."""

    async def waiting(own: Engine) -> None:
        ends = await asyncio.gather(own.swift(end), own.swift(pid), own.swift(pid), return_exceptions=True)
        assert [type(each) for each in ends] == [UserError] * 3
        assert await own.swift(pid) == await own.swift(pid)

    own = Engine()
    try:
        asyncio.run(waiting(own))
    finally:
        own.close()


def test_closing_ends_what_is_under_way() -> None:
    """Whoever ends the workbench waits for no lint."""

    async def closed_at_work() -> None:
        own = Engine()
        await own.thorough(pid)  # its process is there
        slow = asyncio.ensure_future(own.thorough(time.sleep, 600))
        await asyncio.sleep(0.5)
        own.close()
        with pytest.raises((UserError, asyncio.CancelledError)):
            await slow

    asyncio.run(closed_at_work())


def test_the_processes_end_with_a_workbench_that_is_killed() -> None:
    """Nobody is left to end them."""
    code = "from tests.streams.workbench.test_engine import pids; pids()"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as bench:
        assert bench.stdout is not None
        started = [int(each) for each in bench.stdout.readline().split()]
        bench.kill()
    assert len(set(started)) == 2
    deadline = time.monotonic() + 10
    while any(map(is_alive, started)):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_alive(number: int) -> bool:
    """Whether there is such a process, and not only what is left of one."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def pids() -> None:
    """An engine in a process of its own; says which processes it has."""
    own = Engine()
    print(own.wait_for(pid), asyncio.run(own.swift(pid)), flush=True)
    time.sleep(60)
