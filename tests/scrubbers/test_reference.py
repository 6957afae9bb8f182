"""The reference engine: Presidio over the same rules."""

import pytest

from scrubbers import rules
from scrubbers.entities import EntityType
from scrubbers.findings import RuleFailure
from scrubbers.reference import ReferenceEngine
from scrubbers.rules import Pattern, Recogniser, RuleSet

SHIPPED = ReferenceEngine(rules.load())


def test_it_finds_by_the_shipped_rules() -> None:
    """Type, span, score and rule."""
    [finding] = SHIPPED.find("login from 10.20.30.40 refused")
    assert (finding.start, finding.end, finding.type, finding.score, finding.rule) == (
        11,
        22,
        EntityType.IP_ADDRESS,
        0.7,
        "ipv4",
    )


def test_an_empty_text_has_no_findings() -> None:
    """Presidio itself would complain of it."""
    assert SHIPPED.find("") == []


def test_keys_are_searched_with_fewer_rules() -> None:
    """A public host is one in a value only."""
    text = "web01.customer.example.com"
    assert [each.rule for each in SHIPPED.find(text)] == ["public-host"]
    assert SHIPPED.find(text, keys=True) == []


def test_explain_names_the_candidates_and_their_expressions() -> None:
    """Also those that do not stand in the end."""
    text = "DOWN: i-0123456789abcdef0$"
    explained = SHIPPED.explain(text)
    assert [(each["rule"], each["pattern"], each["score"]) for each in explained] == [
        ("cloud-resource-name", "EC2 instance", 0.9)
    ]
    assert [each.start for each in SHIPPED.find(text)] == [each["start"] for each in explained]


def test_an_expression_that_does_not_end_is_a_failure() -> None:
    """Presidio would skip the rule with a warning: the text would leak."""
    rule = Recogniser("endless", EntityType.COMPUTER_NAME, (Pattern("p", r"(?:a|aa)+b(?!c)", 0.9),))
    with pytest.raises(RuleFailure, match=r"^endless$"):
        ReferenceEngine(RuleSet("mine", "1", (rule,))).find("a" * 80 + "bc")


def test_it_logs_no_text(caplog: pytest.LogCaptureFixture) -> None:
    """Neither findings nor decisions."""
    caplog.set_level("DEBUG")
    SHIPPED.find("login from 10.20.30.40 by \\\\SECRET01\\share")
    assert "10.20.30.40" not in caplog.text
    assert "SECRET01" not in caplog.text
