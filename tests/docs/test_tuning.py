"""The tutorial does what it shows: its commands run in order, and print what stands below them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

TUTORIAL = Path(__file__).resolve().parents[2] / "docs" / "tuning.md"
ROOT = TUTORIAL.parents[1]
_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_COMMAND = re.compile(r"^\$ (?P<first>[^\n]*\n)(?P<rest>(?:(?!\$ )[^\n]*\n)*)", re.MULTILINE)
_PSEUDONYM = re.compile(r"\b(pc|dom|user)-[a-z2-7]{12}\b")
_SHIPPED = re.compile(r"\d+ (?:of \d+ examples|files\n)")  # grows with the shipped rules
_FOLD = "…\n"  # a line that stands for any number of lines


class Step(msgspec.Struct):
    """A command, what the tutorial shows, what came out, and the exit code."""

    command: str
    shown: str
    printed: str = ""
    code: int = 0

    @property
    def holds(self) -> bool:
        """Whether the output is the one shown, pseudonyms (of a throw-away key) and folded lines aside."""
        folded = ".*".join(re.escape(_lasting(part)) for part in self.shown.split(_FOLD))
        return re.fullmatch(folded, _lasting(self.printed), re.DOTALL) is not None


def _lasting(text: str) -> str:
    """A text without what is another with every key, and with every rule that ships."""
    return _SHIPPED.sub("some", _PSEUDONYM.sub(r"\1-", text))


def steps() -> list[Step]:
    """The commands of the tutorial, each with its here-document."""
    found = []
    for block in _BLOCK.findall(TUTORIAL.read_text()):
        for match in _COMMAND.finditer(block):
            first, rest = match["first"], match["rest"]
            document, end, shown = rest.rpartition("EOF\n") if "<<'EOF'" in first else ("", "", rest)
            found.append(Step(first + document + end, shown))
    return found


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> list[Step]:
    """Every command of the tutorial, run one after the other in a new folder."""
    folder, programs = tmp_path_factory.mktemp("tutorial"), tmp_path_factory.mktemp("bin")
    program = programs / "rmm-scrub"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m streams.cli "$@"\n')
    program.chmod(0o755)
    environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    environment = {name: value for name, value in environment.items() if not name.startswith("RMM_SCRUB_")}
    found = steps()
    for step in found:
        done = subprocess.run(
            ["bash", "-c", step.command],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        step.printed, step.code = done.stdout, done.returncode
    return found


@pytest.mark.timeout(400)
def test_every_command_prints_what_the_tutorial_shows(ran: list[Step]) -> None:
    """In order, in one folder."""
    assert len(ran) > 15
    assert [(step.command, step.shown, step.printed) for step in ran if not step.holds] == []


@pytest.mark.timeout(400)
def test_only_what_the_tutorial_says_fails_fails(ran: list[Step]) -> None:
    """The check before the rule, the slow rule, the example that does not hold."""
    assert [(step.command.split()[2:4], step.code) for step in ran if step.code] == [
        (["corpus", "check"], 1),
        (["lint", "--rules"], 1),
        (["test", "--rules"], 1),
    ]


@pytest.mark.timeout(400)
def test_the_tutorial_uses_every_verb_it_promises(ran: list[Step]) -> None:
    """Lint, test, explain, diff, eval, corpus."""
    verbs = {step.command.split()[2] for step in ran if step.command.startswith("rmm-scrub rules")}
    assert verbs == {"lint", "test", "explain", "diff", "eval", "corpus", "export"}
