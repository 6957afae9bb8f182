"""Rule sets by what a user calls them: `shipped`, or a file or folder."""

from pathlib import Path

from scrubbers import rules

SHIPPED = "shipped"


def rule_set(name: str) -> rules.RuleSet:
    """The rule set of that name.

    Raises:
        RuleProblem: there is none, or it cannot be used.
    """
    return rules.load(None if name == SHIPPED else Path(name))
