"""The tutorial does what it shows: its commands run in order, in one shell, and print what stands below them."""

import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from streams import broker
from tests.conftest import Pipeline

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

TUTORIAL = Path(__file__).resolve().parents[2] / "docs" / "rules.md"
ROOT = TUTORIAL.parents[1]
_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_COMMAND = re.compile(r"^\$ (?P<first>[^\n]*\n)(?P<rest>(?:(?!\$ )[^\n]*\n)*)", re.MULTILINE)
_PSEUDONYM = re.compile(r"\b(pc|dom|user)-[a-z2-7]{12}\b")
_SHIPPED = re.compile(r"\d+ (?:of \d+ examples|files\n)")  # grows with the shipped rules
_PADDING = re.compile(r" +$", re.MULTILINE)  # of tables, which no editor keeps
_FOLD = "…\n"  # a line that stands for any number of lines


class Step(msgspec.Struct):
    """A command, what the tutorial shows, what came out, and the exit code."""

    command: str
    shown: str
    printed: str = ""
    code: int | None = None  # of one that was not reached, or did not end

    @property
    def holds(self) -> bool:
        """Whether the output is the one shown, pseudonyms (of a throw-away key) and folded lines aside."""
        folded = ".*".join(re.escape(_lasting(part)) for part in self.shown.split(_FOLD))
        return re.fullmatch(folded, _lasting(self.printed), re.DOTALL) is not None


def _lasting(text: str) -> str:
    """A text without what is another with every key, and with every rule that ships."""
    return _PADDING.sub("", _SHIPPED.sub("some", _PSEUDONYM.sub(r"\1-", text)))


def steps() -> list[Step]:
    """The commands of the tutorial, each with its here-document."""
    found = []
    for block in _BLOCK.findall(TUTORIAL.read_text()):
        for match in _COMMAND.finditer(block):
            first, rest = match["first"], match["rest"]
            document, end, shown = rest.rpartition("EOF\n") if "<<'EOF'" in first else ("", "", rest)
            found.append(Step(first + document + end, shown))
    return found


def environment(kafka: broker.Broker, folder: Path) -> dict[str, str]:
    """A reader's, but for what keeps tests apart on their Kafka, which `kafka start` finds."""
    program = folder / "rmm-scrub"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m streams.cli "$@"\n')
    program.chmod(0o755)
    own = Pipeline.names() | {"partitions": "4", "state_dir": str(folder), "kafka": kafka.bootstrap}
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("RMM_SCRUB_")},
        **{f"RMM_SCRUB_{name.upper()}": str(value) for name, value in own.items()},
        "PATH": f"{folder}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    }


@pytest.fixture(scope="module")
def ran(kafka: broker.Broker, tmp_path_factory: pytest.TempPathFactory) -> list[Step]:
    """Every command of the tutorial, run one after the other in a new folder."""
    found = steps()
    script = "".join(f"{step.command.rstrip()}\nprintf '\\0%d\\0' $?\n" for step in found)
    shell = subprocess.Popen(
        ["bash", "-c", script],
        cwd=tmp_path_factory.mktemp("tutorial"),
        env=environment(kafka, tmp_path_factory.mktemp("bin")),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        printed, _ = shell.communicate(timeout=300)
    except subprocess.TimeoutExpired:
        os.killpg(shell.pid, signal.SIGKILL)
        printed, _ = shell.communicate()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(shell.pid, signal.SIGKILL)
    parts = printed.split("\0")
    for step, text, code in zip(found, parts[::2], parts[1::2], strict=False):
        step.printed, step.code = text, int(code)
    return found


def test_every_command_prints_what_the_tutorial_shows(ran: list[Step]) -> None:
    """In order, in one folder."""
    assert len(ran) > 35
    assert [(step.command, step.shown, step.printed) for step in ran if not step.holds] == []


def test_only_what_the_tutorial_says_fails_fails(ran: list[Step]) -> None:
    """The check before the rule, the slow rule, the example that does not hold; the leak in shadow, the lost tills."""
    assert [(step.command.split()[2:4], step.code) for step in ran if step.code != 0] == [
        (["corpus", "check"], 1),
        (["lint", "--rules"], 1),
        (["test", "--rules"], 1),
        (["--identifiers", "machines.txt"], 1),
        (["publish", "--rules"], 1),
    ]


def test_the_tutorial_uses_every_verb_it_promises(ran: list[Step]) -> None:
    """Those of the rules' whole life."""
    verbs = {verb for step in ran for verb in re.findall(r"rmm-scrub rules (\w+)", step.command)}
    checks = {"lint", "test", "explain", "diff", "eval", "corpus", "export"}
    assert verbs == checks | {"publish", "shadow", "promote", "rollback", "history"}
