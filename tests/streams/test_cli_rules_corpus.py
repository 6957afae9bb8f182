"""`rmm-scrub rules corpus`: add, label, check."""

from pathlib import Path

import orjson
import pytest

from schemas.errors import UserError
from streams import team_corpus
from streams.cli import main

RULES = "{{name: m, version: '1', recognizers: [{{name: tag, supported_entity: COMPUTER_NAME, patterns: [{{name: p, regex: '{}', score: 1}}]}}]}}"


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Where the corpus will be."""
    return tmp_path / "team.ndjson"


def run(capfd: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """(exit code, stdout, stderr) of a command."""
    code = main(["rules", "corpus", *map(str, arguments)])
    return code, *capfd.readouterr()


def test_from_a_sample_to_a_check(corpus: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Added, labelled, checked; the file is what `rules eval` reads, for its owner alone."""
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(RULES.format("TAG-.{2}"))
    bad.write_text(RULES.format("TAG-x"))
    code, out, err = run(capfd, "add", "on TAG-17", "--corpus", corpus, "--rules", bad)
    assert (code, out) == (0, "sample 1: 9 characters, 0 findings\n")
    assert "the corpus holds this sample as it is" in err
    assert run(capfd, "label", 1, "3:9:COMPUTER_NAME", "--corpus", corpus)[0] == 0
    assert corpus.stat().st_mode & 0o777 == 0o600
    assert main(["rules", "eval", str(corpus)]) == 0
    capfd.readouterr()
    code, out, _ = run(capfd, "check", "--corpus", corpus, "--rules", bad)
    assert (code, "below the baseline" in out, "missed in sample 1" in out) == (1, True, True)
    code, out, _ = run(capfd, "check", "--corpus", corpus, "--rules", good, "--json")
    assert (code, orjson.loads(out)["passed"]) == (0, True)


def test_an_accepted_baseline_is_kept_beside_the_corpus(
    corpus: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Without values; what it accepts passes, and less does not."""
    rules = tmp_path / "mine.yaml"
    rules.write_text(RULES.format("TAG-1."))
    corpus.write_text(
        '{"id":1,"text":"TAG-17 TAG-23","spans":[{"start":0,"end":6,"type":"COMPUTER_NAME"},{"start":7,"end":13,"type":"COMPUTER_NAME"}]}\n'
    )
    assert run(capfd, "check", "--corpus", corpus, "--rules", rules, "--accept")[0] == 0
    assert "TAG" not in (tmp_path / "team.baseline.json").read_text()
    assert run(capfd, "check", "--corpus", corpus, "--rules", rules)[0] == 0
    rules.write_text(RULES.format("TAG-x"))
    assert run(capfd, "check", "--corpus", corpus, "--rules", rules)[0] == 1


def test_lines_keep_what_only_their_writer_knows(corpus: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """An unchanged line to the byte; of a changed one the other members."""
    first, second = b'{"id": 1,  "text":"a TAG-1"}', b'{"id":"x","text":"b TAG-2","source":"ticket 7"}'
    corpus.write_bytes(first + b"\n" + second + b"\n")
    assert run(capfd, "label", "x", "TAG-2:COMPUTER_NAME", "--corpus", corpus)[0] == 0
    lines = corpus.read_bytes().splitlines()
    assert lines[0] == first
    assert orjson.loads(lines[1])["source"] == "ticket 7"


def test_labels_are_removed_and_findings_accepted(
    corpus: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """For machines the whole line."""
    rules = tmp_path / "mine.yaml"
    rules.write_text(RULES.format("TAG-.{2}"))
    run(capfd, "add", "on TAG-17", "--corpus", corpus, "--json")
    out = run(capfd, "label", 1, "--accept", "--rules", rules, "--corpus", corpus, "--json")[1]
    assert [(each["start"], each["end"]) for each in orjson.loads(out)["spans"]] == [(3, 9)]
    out = run(capfd, "label", 1, "3:9:COMPUTER_NAME", "--remove", "--corpus", corpus, "--json")[1]
    assert orjson.loads(out)["spans"] == []


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("add", "secret-7", "--event"), 1, "not an event"),
        (("add", " "), 1, "the sample is empty"),
        (("add", "on TAG-1"), 1, "already, as 1"),
        (("label", "2", "0:2:PERSON"), 1, "has no sample 2"),
        (("label", "1", "0:99:PERSON"), 1, "lies outside the sample"),
        (("label", "1"), 2, "say what to label"),
    ],
)
def test_what_cannot_be_done_leaves_the_corpus_as_it_was(
    arguments: tuple[str, ...], code: int, says: str, corpus: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """And is said without the value."""
    corpus.write_text('{"id":1,"text":"on TAG-1"}\n')
    ended, _, err = run(capfd, *arguments, "--corpus", corpus)
    assert (ended, says in err, "secret-7" in err) == (code, True, False)
    assert corpus.read_text() == '{"id":1,"text":"on TAG-1"}\n'


def test_two_samples_with_one_id_are_refused(corpus: Path) -> None:
    """One of them would be lost."""
    corpus.write_text('{"id":1,"text":"a"}\n{"id":1,"text":"b"}\n')
    with pytest.raises(UserError, match="same id"):
        team_corpus.edit(corpus, lambda cases: cases)
    assert len(corpus.read_text().splitlines()) == 2


def test_a_change_that_fails_leaves_nothing_behind(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is replaced whole or not at all."""
    corpus.write_text('{"id":1,"text":"a"}\n')

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(UserError, match="cannot be written"):
        team_corpus.edit(corpus, lambda _: [])
    assert [path.name for path in corpus.parent.iterdir()] == ["team.ndjson"]
    assert corpus.read_text() == '{"id":1,"text":"a"}\n'
