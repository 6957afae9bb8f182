"""`scrub`, `detect` and `rules` on the command line, without Kafka."""

import io
import sys

import orjson
import pytest

from streams.cli import main


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch) -> None:
    """Nothing of this machine's."""
    monkeypatch.delenv("RMM_SCRUB_KEYRING", raising=False)


def run(capsysbinary, monkeypatch, arguments: list[str], stdin: bytes = b"") -> tuple[int, bytes, str]:
    """Exit code, stdout, stderr."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
    code = main(arguments)
    out, err = capsysbinary.readouterr()
    return code, out, err.decode()


LINES = [orjson.dumps({"n": n, "hostname": f"HOST-{n % 7}", "m": f"host-{(n + 1) % 7} down"}) for n in range(2_500)]


@pytest.fixture
def keyring(tmp_path, monkeypatch, capsysbinary) -> str:
    """A keyring with the tenant acme."""
    path = str(tmp_path / "keys.json")
    assert main(["keys", "init", "--keyring", path, "--tenant", "acme"]) == 0
    capsysbinary.readouterr()
    return path


def test_scrub_is_in_order_and_the_same_for_any_number_of_jobs(tmp_path, capsysbinary, monkeypatch, keyring) -> None:
    """Names that a later line teaches count on the first one too."""
    file = tmp_path / "events.ndjson"
    file.write_bytes(b"\n".join(LINES))
    arguments = ["scrub", str(file), "--tenant", "acme", "--keyring", keyring]
    _, one, _ = run(capsysbinary, monkeypatch, arguments)
    _, two, _ = run(capsysbinary, monkeypatch, [*arguments, "--jobs", "2"])

    assert one == two
    assert [orjson.loads(line)["n"] for line in one.splitlines()] == list(range(2_500))
    assert b"host-" not in one.lower()


def test_scrub_of_a_stream_gives_the_pseudonyms_of_the_keyring(capsysbinary, monkeypatch, keyring) -> None:
    """Text lines; the summary goes to stderr."""
    line = b"UTICA logged on as \\\\UTICA\\c$ from 10.20.1.2\n"
    arguments = ["scrub", "--tenant", "acme", "--text", "--keyring", keyring]
    code, out, err = run(capsysbinary, monkeypatch, arguments, line)
    assert (code, out) == run(capsysbinary, monkeypatch, arguments, line)[:2]
    assert b"UTICA" not in out
    assert "1 lines, 3 findings" in err


def test_a_bad_line_is_named_and_left_out_and_exit_is_one(capsysbinary, monkeypatch) -> None:
    """By number and reason, without its value; without a keyring a throw-away key is said."""
    code, out, err = run(capsysbinary, monkeypatch, ["scrub", "--tenant", "acme"], b'{"a":1}\n{"secret":\n{"a":2}\n')
    assert code == 1
    assert out == b'{"a":1}\n{"a":2}\n'
    assert "stdin line 2: malformed_json" in err
    assert "secret" not in err
    assert "throw-away key" in err


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_detect_reports_findings_with_offsets(capsysbinary, monkeypatch, tmp_path, engine: str) -> None:
    """Into the text, into a JSON text, and into the value at a JSON Pointer."""
    known = tmp_path / "known.txt"
    known.write_text("kestrel\n")
    cases = [
        {"id": "t", "text": "é kestrel 10.0.0.1"},
        {"id": "j", "text": '{"hostname":"heron-1","m":"\\u00e9 HERON-1"}'},
        {"id": "e", "event": {"a/b": [{"hostname": "heron-1"}]}},
        {"id": "k", "text": "ibis", "known": ["Ibis"]},
        {"id": "p", "text": "see https://update.microsoft.com/x"},
    ]
    stdin = b"\n".join(orjson.dumps(case) for case in cases)
    code, out, _ = run(capsysbinary, monkeypatch, ["detect", "--known", str(known), "--engine", engine], stdin)
    spans = {case["id"]: case["spans"] for case in map(orjson.loads, out.splitlines())}

    assert code == 0
    assert [(s["start"], s["end"], s["value"], s["type"]) for s in spans["t"]] == [
        (2, 9, "kestrel", "COMPUTER_NAME"),
        (10, 18, "10.0.0.1", "IP_ADDRESS"),
    ]
    assert [cases[1]["text"][s["start"] : s["end"]] for s in spans["j"]] == ["heron-1", "HERON-1"]
    assert [(s["path"], s["value"]) for s in spans["e"]] == [("/a~1b/0/hostname", "heron-1")]
    assert [s["rule"] for s in spans["k"]] == ["known-entity"]
    assert [s.get("allowed") for s in spans["p"]] == [True]


def test_detect_names_a_line_that_is_no_case(capsysbinary, monkeypatch) -> None:
    """And goes on with the others."""
    code, out, err = run(capsysbinary, monkeypatch, ["detect"], b'{"id":1}\n{"id":2,"text":"x"}\n[]\nnope\n')
    assert code == 1
    assert [orjson.loads(line)["id"] for line in out.splitlines()] == [2]
    assert err.count("not a case") == 3


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["scrub", "nowhere.ndjson", "--tenant", "a"], 1, "nowhere.ndjson: No such file"),
        (["scrub"], 2, "Missing option"),
        (["frobnicate"], 2, "No such command"),
        (["rules", "test", "--rules", "nowhere.yaml"], 1, "nowhere.yaml: no such rule set"),
        (["keys", "list"], 1, "no keyring is named"),
        (["keys", "shred", "acme"], 1, "cannot be undone"),
    ],
)
def test_errors_are_one_line_with_the_right_exit_code(capsysbinary, monkeypatch, arguments, code, said) -> None:
    """Never a traceback."""
    found, _, err = run(capsysbinary, monkeypatch, arguments)
    assert found == code
    assert said in err
    assert "Traceback" not in err
