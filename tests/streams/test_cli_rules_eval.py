"""`rmm-scrub rules eval`: a table, JSON, an HTML report, and clear errors."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from streams.cli import main

TEXT = "Invalid user oracle7 from 10.1.2.3 on web-7.corp.example"
LABELS = [
    {"start": 26, "end": 34, "type": "IP_ADDRESS", "q": "gold"},
    {"start": 48, "end": 56, "type": "COMPUTER_NAME", "q": "derived"},
]


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """One labelled text."""
    path = tmp_path / "mine.ndjson"
    path.write_bytes(orjson.dumps({"id": 7, "text": TEXT, "spans": LABELS, "complete": ["IP_ADDRESS"]}) + b"\n")
    return path


@pytest.fixture
def negatives(tmp_path: Path) -> Path:
    """One look-alike."""
    path = tmp_path / "looks.ndjson"
    looks = {"id": 8, "text": "version 1.2.3.4", "lookalikes": [{"start": 8, "end": 15}], "complete": ["IP_ADDRESS"]}
    path.write_bytes(orjson.dumps(looks))
    return path


def run(capfd: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """(exit code, stdout, stderr) of a command."""
    code = main(["rules", "eval", *map(str, arguments)])
    return code, *capfd.readouterr()


def test_json_has_figures_by_type_and_source(corpus: Path, negatives: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Recall, precision, interval, leaks, and the misses with their context."""
    code, out, _ = run(capfd, corpus, "--negatives", negatives, "--json")
    found: dict[str, Any] = orjson.loads(out)
    assert code == 0
    assert found["cold"]["types"]["IP_ADDRESS"]["recall"] == 1.0
    assert found["cold"]["types"]["IP_ADDRESS"]["leak_rate"] == 0.0
    assert found["cold"]["sources"]["mine"]["IP_ADDRESS"]["precision"] == 1.0
    assert found["lookalikes"] == {"all": 1, "touched": 0, "rate": 0.0}
    assert [each["type"] for each in found["misses"]] in ([], ["COMPUTER_NAME"])


def test_engines_are_compared_on_request(corpus: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Equal, and a ratio of one run."""
    _, out, _ = run(capfd, corpus, "--engines", "--json")
    engines = orjson.loads(out)["engines"]
    assert (engines["texts"], engines["equal"]) == (1, 1)
    assert engines["ratio"] > 0


def test_a_person_reads_a_table_and_a_report(corpus: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Types are not cut off, also in a pipe."""
    code, out, _ = run(capfd, corpus, "--html", tmp_path / "report.html")
    assert code == 0
    assert "COMPUTER_NAME" in out
    assert (tmp_path / "report.html").read_text().startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"secret-7", "line 1: not JSON"),
        (b'{"id": 1}', "line 1: not a labelled text"),
        (
            b'{"id": 1, "text": "secret-7", "spans": [{"start": 0, "end": 8, "type": "secret-7"}]}',
            "not a labelled text",
        ),
        (b'{"id": 1, "text": "secret-7", "spans": [{"start": 0, "end": 9, "type": "PERSON"}]}', "outside its text"),
    ],
)
def test_a_line_that_is_no_labelled_text_is_named_by_its_place(
    line: bytes, says: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Never by its value."""
    path = tmp_path / "bad.ndjson"
    path.write_bytes(line)
    code, _, err = run(capfd, path)
    assert code == 1
    assert says in err
    assert "secret-7" not in err


def test_lint_names_the_rules_that_the_prefilter_cannot_take(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """They are right, and cost on every text."""
    path = tmp_path / "mine.yaml"
    path.write_text(
        "{name: mine, version: '1', recognizers: [{name: twice, supported_entity: PERSON, "
        "patterns: [{name: p, regex: '(a)\\1', score: 0.9}]}, {name: once, supported_entity: PERSON, deny_list: [b]}]}"
    )
    assert main(["rules", "lint", "--rules", str(path), "--json"]) == 0
    assert orjson.loads(capfd.readouterr().out)["tried_on_every_text"] == ["twice"]
