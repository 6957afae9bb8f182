"""`rmm-scrub rules diff`: two rule sets, on files."""

from pathlib import Path

import orjson
import pytest

from streams.cli import main

RULES = """name: mine
version: "{version}"
recognizers:
  - {{name: tag, supported_entity: COMPUTER_NAME, patterns: [{{name: tag, regex: '{regex}', score: 0.9}}]}}
"""


def run(capfd: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """(exit code, stdout, stderr) of a command."""
    code = main(["rules", "diff", *map(str, arguments)])
    return code, *capfd.readouterr()


@pytest.fixture
def sets(tmp_path: Path) -> tuple[Path, Path]:
    """Two rule sets, of which the second finds less."""
    paths = tmp_path / "a.yaml", tmp_path / "b.yaml"
    paths[0].write_text(RULES.format(version=1, regex=r"TAG-\w+"))
    paths[1].write_text(RULES.format(version=2, regex=r"TAG-\d+"))
    return paths


def test_a_person_reads_what_changes(
    sets: tuple[Path, Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Rules, findings with samples, measures; on labelled texts, cases and bare events alike."""
    path = tmp_path / "all.ndjson"
    label = {"start": 0, "end": 5, "type": "COMPUTER_NAME"}
    lines = [
        {"id": "x", "text": "TAG-A is down", "spans": [label]},
        {"id": 2, "event": {"m": "at TAG-B"}},
        {"m": "at TAG-7"},
    ]
    path.write_bytes(b"\n".join(map(orjson.dumps, lines)))
    code, out, _ = run(capfd, *sets, "--on", path)
    assert code == 0
    assert "~ recognizers tag changed: patterns" in out
    assert "findings change in 2 of 3 texts" in out
    assert "- 2 removed: COMPUTER_NAME by tag" in out
    assert "all x: «TAG-A» is down" in out
    assert "COMPUTER_NAME: 1 labels, recall 100.0% → 0.0%" in out


def test_machines_get_the_comparison(sets: tuple[Path, Path], capfd: pytest.CaptureFixture[str]) -> None:
    """The shipped rules have a name of their own."""
    code, out, _ = run(capfd, "shipped", sets[1], "--json")
    found = orjson.loads(out)
    assert (code, found["after"]) == (0, "mine@2")
    assert {"recognizers", "fields", "allow", "thresholds", "operators"} <= {
        each["part"] for each in found["differences"]
    }


def test_a_rule_set_that_is_not_there_is_said(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """With its path."""
    code, _, err = run(capfd, "shipped", tmp_path / "nowhere.yaml")
    assert (code, "no such rule set" in err) == (1, True)
