"""`rmm-scrub rules lint`: errors and warnings, for people and machines."""

from pathlib import Path

import orjson
import pytest

from streams.cli import main

SLOW = "{name: m, version: '1', recognizers: [{name: r, supported_entity: PERSON, patterns: [{name: p, regex: '%s', score: 1}]}]}"


def run(capfd: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """(exit code, stdout, stderr) of a command."""
    code = main(["rules", "lint", *map(str, arguments)])
    return code, *capfd.readouterr()


def test_a_catastrophic_rule_is_refused_with_the_mend(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Errors on stderr, warnings on stdout, exit 1."""
    path = tmp_path / "slow.yaml"
    path.write_text(SLOW % "(?:a|aa)+$")
    code, out, err = run(capfd, "--rules", path)
    assert code == 1
    assert f"{path}:1: error: r: the expression of p backtracks without bound" in err
    assert "rmm-scrub: hint: write repeats that cannot share" in err
    assert f"{path}:1: warning: r: has no examples" in out
    assert out.endswith("slow.yaml: 1 errors, 1 warnings\n")


def test_machines_get_every_problem(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Also of a rule set that cannot be loaded; warnings alone are no failure."""
    path = tmp_path / "mine.yaml"
    path.write_text(SLOW % "abc")
    code, out, _ = run(capfd, "--rules", path, "--json")
    found = orjson.loads(out)
    assert (code, found["rule_set"], [each["check"] for each in found["problems"]]) == (0, "m@1", ["examples"])
    path.write_text(SLOW % "(abc")
    code, out, _ = run(capfd, "--rules", path, "--json")
    found = orjson.loads(out)
    assert (code, found["rule_set"], [each["check"] for each in found["problems"]]) == (1, None, ["format"])


def test_samples_are_ndjson(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A line that is not is named by its place, never quoted."""
    path = tmp_path / "samples.ndjson"
    path.write_text('{"a": 1}\nsecret-7\n')
    code, _, err = run(capfd, "--samples", path)
    assert (code, f"{path} line 2: not JSON" in err, "secret-7" in err) == (1, True, False)
