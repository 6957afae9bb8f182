"""Lint: each kind of problem, with its place and how to mend it."""

import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from scrubbers.lint import lint, refused
from scrubbers.problems import Check, Problem, Severity

HEAD = 'name: mine\nversion: "1"\n'
TAG = r"""recognizers:
  - name: tag
    supported_entity: COMPUTER_NAME
    patterns:
      - {name: asset, regex: 'ASSET-\d{4}', score: 0.9}
    examples: ["see «ASSET-0001»", "ASSET-1"]
"""
Lint = Callable[..., list[Problem]]


@pytest.fixture
def linted(tmp_path: Path) -> Lint:
    """Lint of a rule set that is written here."""

    def run(body: str, samples: Sequence[Any] = ()) -> list[Problem]:
        path = tmp_path / "mine.yaml"
        path.write_text(HEAD + textwrap.dedent(body))
        return lint(path, samples)

    return run


def seen(problems: Sequence[Problem]) -> list[tuple[str, str, str, int]]:
    """(severity, check, rule, line) of each."""
    return [(each.severity.value, each.check.value, each.rule, each.line) for each in problems]


def test_the_shipped_rules_have_no_problem() -> None:
    """Not even a warning."""
    assert lint() == []


def test_a_good_rule_set_has_none(linted: Lint) -> None:
    """A recogniser with both kinds of example is enough."""
    assert linted(TAG) == []


def test_a_bad_expression_is_an_error_with_its_line(linted: Lint) -> None:
    """And says how to mend it."""
    [problem] = linted(TAG.replace("'ASSET", "'(ASSET"))
    assert seen([problem]) == [("error", "format", "", 7)]
    assert "not a regular expression" in problem.what
    assert "mend the expression" in problem.mend


def test_a_catastrophic_expression_is_refused(linted: Lint) -> None:
    """In recognisers and in allow rules; nothing is matched with it then."""
    problems = linted(
        TAG.replace(r"ASSET-\d{4}", "(a+)+$")
        + "allow:\n  - {name: some, types: [COMPUTER_NAME], patterns: ['(?:x|xx)+']}\n"
    )
    assert seen(problems) == [("error", "slow", "tag", 7), ("error", "slow", "some", 10)]
    assert refused(problems)


def test_a_rule_whose_scores_are_too_low_is_an_error(linted: Lint) -> None:
    """It can find nothing, and somebody relies on it."""
    assert seen(linted(TAG.replace("0.9", "0.3"))) == [("error", "unreachable", "tag", 4)]


def test_a_context_word_that_lifts_it_over_makes_it_good(linted: Lint) -> None:
    """But not over a higher threshold."""
    lifted = TAG.replace("0.9", "0.3") + "    context: [asset]\n"
    assert linted(lifted) == []
    assert seen(linted(lifted + "thresholds: {COMPUTER_NAME: 0.8}")) == [("error", "unreachable", "tag", 4)]


def test_one_low_pattern_of_several_is_a_warning(linted: Lint) -> None:
    """At its own line."""
    more = TAG.replace("    examples", "      - name: low\n        regex: LOW\\d\n        score: 0.1\n    examples")
    assert seen(linted(more)) == [("warning", "unreachable", "tag", 10)]


def test_a_rule_of_which_another_takes_everything_is_shadowed(linted: Lint) -> None:
    """The narrow one, not the wide one."""
    wide = (
        TAG
        + r"""
  - name: wide
    supported_entity: COMPUTER_NAME
    patterns: [{name: wide, regex: '[A-Z]{5}-\d+', score: 0.9}]
    examples: ["see «ROUTE-7»"]
"""
    )
    [problem] = linted(wide)
    assert seen([problem]) == [("warning", "shadowed", "tag", 4)]
    assert "wide finds too" in problem.what


def test_samples_can_show_what_only_one_rule_finds(linted: Lint) -> None:
    """Then it is not shadowed."""
    both = (
        TAG.replace(r"ASSET-\d{4}", r"ASSET-\d{4}|DESK\d")
        + r"""
  - name: wide
    supported_entity: COMPUTER_NAME
    patterns: [{name: wide, regex: '[A-Z]{5}-\d+', score: 0.9}]
    examples: ["see «ROUTE-7»"]
"""
    )
    assert seen(linted(both)) == [("warning", "shadowed", "tag", 4)]
    assert linted(both, [{"m": "on DESK7"}]) == []


def test_two_rules_of_which_each_takes_the_other_lose_only_the_later(linted: Lint) -> None:
    """And their common expression is told."""
    twin = TAG + TAG.removeprefix("recognizers:\n").replace("name: tag", "name: twin")
    assert seen(linted(twin)) == [("warning", "shadowed", "twin", 9), ("warning", "duplicate", "twin", 12)]


@pytest.mark.parametrize(
    "allow",
    [
        "{name: all, types: [COMPUTER_NAME], patterns: ['.*']}",
        "{name: all, types: [IP_ADDRESS], networks: [0.0.0.0/0]}",
        "{name: all, types: [IP_ADDRESS], networks: ['::/0']}",
        "{name: all, types: [IP_ADDRESS], networks: [0.0.0.0/1, 128.0.0.0/1]}",
    ],
)
def test_an_allow_rule_that_lets_everything_through_is_an_error(allow: str, linted: Lint) -> None:
    """Whichever way it says so."""
    assert seen(linted(f"{TAG}allow:\n  - {allow}")) == [("error", "allows-all", "all", 10)]


def test_an_allow_rule_that_lets_some_through_is_not(linted: Lint) -> None:
    """By pattern, network, domain."""
    assert (
        linted(f"""{TAG}allow:
  - {{name: some, types: [COMPUTER_NAME], patterns: ['web.*'], domains: [vendor.example]}}
  - {{name: lab, types: [IP_ADDRESS], networks: [10.0.0.0/8]}}
""")
        == []
    )


def test_an_operator_that_does_not_fit_is_an_error(linted: Lint) -> None:
    """At its line."""
    assert seen(linted(f"{TAG}operators:\n  IP_ADDRESS: generalise\n  PERSON: ipcrypt-pfx\n")) == [
        ("error", "operator", "", 11)
    ]


def test_a_selector_behind_another_is_never_asked(linted: Lint) -> None:
    """The first that matches counts."""
    fields = """fields:
  - {name: any, type: COMPUTER_NAME, paths: ["**.name"]}
  - name: host
    type: DOMAIN_NAME
    paths:
      - "**.host.name"
      - "**.host.domain"
"""
    [problem] = linted(fields)
    assert seen([problem]) == [("warning", "unreachable", "host", 8)]
    assert "**.name of any (COMPUTER_NAME)" in problem.what


def test_selectors_that_match_nothing_in_the_samples_are_told(linted: Lint) -> None:
    """Also paths in documents in strings count; without samples nothing is said."""
    fields = """fields:
  - name: host
    type: COMPUTER_NAME
    paths: ["host.name", "**.deep.name", "nowhere.*"]
"""
    samples = [{"host": {"name": "x"}}, {"m": '{"a":{"deep":{"name":"y"}}}'}]
    assert linted(fields) == []
    [problem] = linted(fields, samples)
    assert (problem.check, "nowhere.*" in problem.what) == (Check.UNMATCHED, True)


@pytest.mark.parametrize("examples", ["", '    examples: ["ASSET-1"]\n'])
def test_a_rule_without_an_example_of_what_it_finds_is_a_warning(examples: str, linted: Lint) -> None:
    """Nobody can tell what it is for."""
    without = TAG.replace('    examples: ["see «ASSET-0001»", "ASSET-1"]\n', examples)
    assert seen(linted(without)) == [("warning", "examples", "tag", 4)]


def test_an_expression_that_the_prefilter_cannot_take_is_a_warning(linted: Lint) -> None:
    """It is right, and costs on every text."""
    back = TAG.replace(r"ASSET-\d{4}", r"(A)SSET-\d{4}(?:\1)?")
    assert seen(linted(back)) == [("warning", "everywhere", "tag", 4)]


def test_the_problems_of_a_folder_name_their_files(tmp_path: Path) -> None:
    """A setting's is that of the last file that has it."""
    (tmp_path / "a.yaml").write_text(HEAD + TAG)
    (tmp_path / "b.yaml").write_text("operators: {PERSON: generalise}\n")
    [problem] = lint(tmp_path)
    assert (Path(problem.file).name, problem.line, problem.severity) == ("b.yaml", 1, Severity.ERROR)


def test_a_rule_set_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    """As are a folder without rules and a set without a name."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "nameless.yaml").write_text(TAG)
    found = [lint(tmp_path / name) for name in ("nowhere.yaml", "empty", "nameless.yaml")]
    assert [problems[0].what for problems in found] == [
        "no such rule set",
        "no rule files (*.yaml) in this folder",
        "the rule set has no name",
    ]


def test_samples_that_never_reach_the_rules_are_passed_over(linted: Lint) -> None:
    """Too deep: quarantined, whatever the rules."""
    deep: Any = "TAG"
    for _ in range(80):
        deep = {"a": deep}
    assert linted(TAG, [deep, {"data_base64": "/w=="}]) == []
