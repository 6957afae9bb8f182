"""Rule sets: the shipped one holds, broken ones are refused with file and line."""

from pathlib import Path

import pytest

from scrubbers import rules
from scrubbers.compiled import CompiledRules
from scrubbers.examples import failures
from scrubbers.findings import RuleFailure
from scrubbers.selectors import Selectors

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
    ],
)
def test_a_broken_rule_set_is_refused_with_file_and_line(tmp_path, old, new, line, what) -> None:
    """What is wrong and where."""
    path = written(tmp_path, GOOD.replace(old, new))
    with pytest.raises(rules.RuleProblem) as caught:
        rules.load(path)
    assert f"{path}:{line}:" in str(caught.value)
    assert what in str(caught.value)


def test_an_example_that_does_not_hold_is_reported(tmp_path: Path) -> None:
    """With the rule's name."""
    broken = rules.load(written(tmp_path, GOOD.replace("ASSET-1", "ASSET-1234")))
    assert [name for name, _ in failures(broken)] == ["tag"]


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
