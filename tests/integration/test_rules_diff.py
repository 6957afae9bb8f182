"""`rules diff --on-topic`: two rule sets on the newest real traffic."""

from pathlib import Path

import orjson
import pytest

from streams.cli import main
from streams.publisher import Message
from streams.reader import read_last
from tests.conftest import Pipeline

pytestmark = pytest.mark.integration

RULES = """name: mine
version: "1"
recognizers:
  - {name: tag, supported_entity: COMPUTER_NAME, patterns: [{name: tag, regex: 'TAG-[0-9]', score: 0.9}]}
"""


def test_the_newest_events_are_compared(
    pipeline: Pipeline,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """So many as asked for, over all partitions; what is not UTF-8 is passed over."""
    path = tmp_path / "mine.yaml"
    path.write_text(RULES)
    pipeline.send("raw", [Message(orjson.dumps({"m": f"old TAG-{number}"})) for number in range(6)])
    pipeline.send("raw", [Message(b"new TAG-7"), Message(b"new TAG-8"), Message(b"\xff")])
    for name, value in pipeline.environment().items():
        monkeypatch.setenv(name, value)

    code = main(["rules", "diff", "shipped", str(path), "--on-topic", "--last", "3", "--json"])

    found = orjson.loads(capfd.readouterr().out)
    assert (code, found["texts"]) == (0, 2)
    [added] = [each for each in found["counts"] if each["rule"] == "tag"]
    assert (added["kind"], added["number"]) == ("added", 2)
    assert len(read_last(pipeline.settings, pipeline.settings.named.raw, 100)) == 9
