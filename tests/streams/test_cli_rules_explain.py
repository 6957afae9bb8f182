"""`rmm-scrub rules explain`: for a person, for machines, and for what cannot be explained."""

import io
from pathlib import Path
from types import SimpleNamespace

import orjson
import pytest

from streams.cli import main

TEXT = "login on web-7.corp.example from 10.1.2.3, not 1.2.3.4.5"


def run(capfd: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """(exit code, stdout, stderr) of a command."""
    code = main(["rules", "explain", *map(str, arguments)])
    return code, *capfd.readouterr()


def test_a_person_reads_each_candidate_and_what_comes_out(capfd: pytest.CaptureFixture[str]) -> None:
    """Rule, expression, score, fate."""
    code, out, _ = run(capfd, TEXT)
    assert code == 0
    assert "33:41 IP_ADDRESS 10.1.2.3 0.70 by ipv4 (dotted quad): kept, becomes " in out
    assert "10.1.2.3" not in out.partition("becomes: ")[2]


def test_a_text_without_candidates_says_so(capfd: pytest.CaptureFixture[str]) -> None:
    """Nothing is an answer too."""
    assert "no rule matches anywhere in it" in run(capfd, "all is well")[1]


def test_machines_get_the_whole_explanation(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Of a file, which may be an event; with Presidio's decisions if asked."""
    path = tmp_path / "event.json"
    path.write_bytes(orjson.dumps({"tenant": "acme", "message": TEXT}) + b"\n")
    code, out, _ = run(capfd, path, "--event", "--json", "--engine", "reference")
    found = orjson.loads(out)
    assert code == 0
    assert [each["path"] for each in found["strings"] if each["spared"]] == ["/tenant"]
    assert ("ipv4", "/message") in [(each["rule"], each["path"]) for each in found["presidio"]]


def test_stdin_is_read(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """So that a value need not stand in the shell's history."""
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(TEXT.encode() + b"\n")))
    assert orjson.loads(run(capfd, "-", "--json")[1])["text"] == TEXT


def test_known_names_are_a_tenants(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Another tenant's are not found."""
    path = tmp_path / "known.ndjson"
    path.write_text('{"tenant":"acme","value":"utica"}\n{"tenant":"other","value":"ithaca"}\n')
    out = run(capfd, "utica and ithaca", "--known", path, "--tenant", "acme", "--json")[1]
    assert [each["value"] for each in orjson.loads(out)["strings"][0]["candidates"]] == ["utica"]


def test_the_tenants_own_pseudonyms_are_shown(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """With a keyring the same each time."""
    keyring = tmp_path / "keys.json"
    assert main(["keys", "init", "--tenant", "acme", "--keyring", str(keyring)]) == 0
    capfd.readouterr()
    once, again = (run(capfd, TEXT, "--keyring", keyring, "--tenant", "acme")[1] for _ in range(2))
    assert once == again
    code, _, err = run(capfd, TEXT, "--keyring", keyring)
    assert (code, "whose pseudonyms" in err) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("--event", "secret-7 is no JSON"), 1, "not an event"),
        (("--event", '{"a": "secret-7", "a": 1}'), 1, "twice"),
        (('{"data_base64": "c2VjcmV0LTf/"}',), 1, "base64"),
        (("secret-7", "--engine", "other"), 2, "compiled or reference"),
    ],
)
def test_what_cannot_be_explained_is_said_without_the_value(
    arguments: tuple[str, ...], code: int, says: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Exit 1, or 2 for wrong usage; no traceback."""
    ended, out, err = run(capfd, *arguments)
    assert (ended, out) == (code, "")
    assert says in err
    assert "secret-7" not in err
