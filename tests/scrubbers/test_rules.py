"""Rule sets: the shipped one holds, broken ones are refused with file and line."""

from pathlib import Path

import pytest

import schemas
from scrubbers import rules
from scrubbers.compiled import CompiledRules
from scrubbers.examples import failures
from scrubbers.findings import RuleFailure
from scrubbers.selectors import Selectors
from scrubbers.validators import VALIDATORS
from streams.cli import main

GOOD = """name: mine
version: "1"
recognizers:
  - name: tag
    supported_entity: COMPUTER_NAME
    patterns:
      - {name: asset, regex: 'ASSET-\\d{4}', score: 0.9}
    examples: ["see «ASSET-0001»", "ASSET-1"]
"""


def written(tmp_path: Path, text: str) -> Path:
    """A rule file."""
    path = tmp_path / "rules.yaml"
    path.write_text(text)
    return path


def test_every_example_of_the_shipped_rules_holds() -> None:
    """And each recogniser has examples."""
    shipped = rules.load()
    assert list(failures(shipped)) == []
    assert [rule.name for rule in shipped.recognizers if not rule.examples] == []


def test_a_rule_set_of_ones_own_finds_what_it_says(tmp_path: Path) -> None:
    """One file is a rule set."""
    mine = rules.load(written(tmp_path, GOOD))
    [finding] = CompiledRules(mine).find("on ASSET-0042")
    assert (mine.identity, finding.rule, finding.start, finding.end) == ("mine@1", "tag", 3, 13)
    assert list(failures(mine)) == []


@pytest.mark.parametrize(
    ("old", "new", "line", "what"),
    [
        ("regex: 'ASSET", "regex: '(ASSET", 7, "not a regular expression"),
        ("score: 0.9", "score: 9", 7, "a number of at most 1"),
        ("COMPUTER_NAME", "COMPUTER", 5, "one of"),
        ("    examples", "    exampels", 8, "not a known member"),
        ("«ASSET-0001»", "«ASSET-0001", 8, "every « needs its »"),
        ('version: "1"', "version: [", 4, "not valid YAML"),
        ('version: "1"', 'version: "1"\nname: other', 3, "name: is written twice"),
        ('version: "1"', "version: 1", 2, "in quotes"),
        ("    supported_entity", "    validator: nobody\n    supported_entity", 5, "one of"),
        (GOOD, "", 1, "expected an object"),
        (GOOD, "- a list", 1, "expected an object"),
        (GOOD, "name: !!python/object/apply:os.getcwd []", 1, "not valid YAML"),
    ],
)
def test_a_broken_rule_set_is_refused_with_file_and_line(tmp_path, old, new, line, what) -> None:
    """What is wrong and where."""
    path = written(tmp_path, GOOD.replace(old, new))
    with pytest.raises(rules.RuleProblem) as caught:
        rules.load(path)
    assert f"{path}:{line}:" in str(caught.value)
    assert what in str(caught.value)


def test_all_problems_are_named_at_once(tmp_path: Path) -> None:
    """In the order of their lines, with where to read on."""
    path = written(tmp_path, GOOD.replace("name: mine", "name: My Rules").replace("score: 0.9", "score: high"))
    with pytest.raises(rules.RuleProblem) as caught:
        rules.load(path)
    told = [str(caught.value), *caught.value.hints]
    assert [each.split(": ")[0] for each in told[:2]] == [f"{path}:1", f"{path}:7"]
    assert told[-1] == "docs/rules.md describes the format"


def test_two_rules_do_not_share_a_name(tmp_path: Path) -> None:
    """Findings name their rule; also across the files of a folder."""
    (tmp_path / "a.yaml").write_text(GOOD)
    (tmp_path / "b.yaml").write_text("fields:\n  - {type: IP_ADDRESS, paths: [ip], name: tag}\n")
    with pytest.raises(rules.RuleProblem, match=r"b\.yaml:2: fields\.0\.name: another rule has this name"):
        rules.load(tmp_path)


def test_the_files_of_a_folder_are_one_rule_set(tmp_path: Path) -> None:
    """Read in the order of their names."""
    (tmp_path / "a.yaml").write_text(GOOD)
    (tmp_path / "b.yaml").write_text("fields:\n  - {name: ip, type: IP_ADDRESS, paths: [ip]}\n")
    both = rules.load(tmp_path)
    assert ([rule.name for rule in both.recognizers], [field.name for field in both.fields]) == (["tag"], ["ip"])


@pytest.mark.parametrize("missing", ["name", "version"])
def test_a_rule_set_has_a_name_and_a_version(tmp_path: Path, missing: str) -> None:
    """Outputs carry both."""
    lines = [line for line in GOOD.splitlines() if not line.startswith(missing)]
    with pytest.raises(rules.RuleProblem, match=f"has no {missing}"):
        rules.load(written(tmp_path, "\n".join(lines)))


def test_a_rule_set_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """With its path."""
    with pytest.raises(rules.RuleProblem, match="no such rule set"):
        rules.load(tmp_path / "nowhere.yaml")


def test_the_schema_names_the_validators_there_are() -> None:
    """No more and no fewer."""
    named = schemas.validator("rule-set").schema["$defs"]["recognizer"]["properties"]["validator"]["enum"]
    assert set(named) == set(VALIDATORS)


def test_lint_and_test_say_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 0 for the shipped rules; 1, with file and line or the rule's name, for others."""
    assert (main(["rules", "lint"]), main(["rules", "test"])) == (0, 0)
    assert main(["rules", "lint", "--rules", str(written(tmp_path, GOOD.replace("0.9", "9")))]) == 1
    assert "rules.yaml:7:" in capsys.readouterr().err
    assert main(["rules", "test", "--rules", str(written(tmp_path, GOOD.replace("ASSET-1", "ASSET-1234")))]) == 1
    assert "tag: example 2" in capsys.readouterr().err


def test_an_example_that_does_not_hold_is_reported(tmp_path: Path) -> None:
    """With the rule's name."""
    broken = rules.load(written(tmp_path, GOOD.replace("ASSET-1", "ASSET-1234")))
    assert [each.rule for each in failures(broken)] == ["tag"]


def test_the_digest_changes_with_any_rule(tmp_path: Path) -> None:
    """And not with comments."""
    one = rules.load(written(tmp_path, GOOD)).digest()
    assert one == rules.load(written(tmp_path, "# hello\n" + GOOD)).digest()
    assert one != rules.load(written(tmp_path, GOOD.replace("0.9", "0.8"))).digest()


def test_catastrophic_backtracking_is_cut_off(tmp_path: Path) -> None:
    """A RuleFailure that names the rule and not the text."""
    slow = rules.load(written(tmp_path, GOOD.replace("ASSET-\\d{4}", "(?:a|aa)+$").replace("examples", "examples")))
    with pytest.raises(RuleFailure) as caught:
        CompiledRules(slow).find("a" * 60 + "! secret")
    assert str(caught.value) == "tag"


def test_selectors_match_by_path_without_case() -> None:
    """`**` any depth, `*` one name, array items by the array's name, the first rule first."""
    fields = [
        rules.FieldRule("exact", "COMPUTER_NAME", ("host",)),
        rules.FieldRule("last", "IP_ADDRESS", ("**.ip",)),
        rules.FieldRule("pair", "USER_NAME", ("**.user.name", "a.*.c")),
    ]
    match = Selectors(fields).match
    names = [
        getattr(match(path), "name", None)
        for path in [
            ("host",),
            ("x", "host"),
            ("x", "y", "IP"),
            ("ip", "*"),
            ("q", "User", "Name"),
            ("a", "b", "c"),
            ("a", "c"),
        ]
    ]
    assert names == ["exact", None, "last", "last", "pair", "pair", None]
