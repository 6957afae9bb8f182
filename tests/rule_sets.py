"""Rule sets for tests: each version finds its own kind of asset tag, so that an output shows which one made it."""

from pathlib import Path

import msgspec

from scrubbers import rules
from scrubbers.entities import EntityType
from scrubbers.published import PublishedRuleSet, pack
from scrubbers.rules import Learning, Pattern, Recogniser, RuleSet

TAGS = {"1": "ASSET", "2": "TAG", "3": "LABEL", "4": "PLATE"}
TEXT = " ".join(f"{tag}-0042" for tag in TAGS.values())  # in which every version finds one
EVIL = r"(?:a|aa)+b(?!cd)"
EVIL_TEXT = "a" * 80 + "bcd"


def tags(version: str, expression: str = "", *examples: str, name: str = "mine") -> RuleSet:
    """A small rule set that finds the tags of its version."""
    found = Pattern("tag", expression or rf"{TAGS[version]}-\d{{4}}", 0.9)
    rule = Recogniser(f"tag-{version}", EntityType.COMPUTER_NAME, (found,), examples=examples)
    return RuleSet(name, version, (rule,), learning=Learning(never=frozenset({"rooster"})))


def written(folder: Path, rule_set: RuleSet) -> Path:
    """A rule set as a file."""
    [rule] = rule_set.recognizers
    examples = "".join(f"\n      - '{each}'" for each in rule.examples)
    path = folder / f"{rule_set.name}-{rule_set.version}.yaml"
    path.write_text(
        f"name: {rule_set.name}\nversion: '{rule_set.version}'\nlearning: {{never: [rooster]}}\nrecognizers:\n"
        f"  - name: {rule.name}\n    supported_entity: COMPUTER_NAME\n"
        f"    patterns:\n      - {{name: tag, regex: '{rule.patterns[0].regex}', score: 0.9}}\n"
        f"    examples:{examples or ' []'}\n"
    )
    return path


def shipped_with_tags(version: str) -> RuleSet:
    """The shipped rule set and the tags of a version."""
    shipped = rules.load()
    return msgspec.structs.replace(
        shipped, name="mine", version=version, recognizers=(*shipped.recognizers, *tags(version).recognizers)
    )


def published(rule_set: RuleSet, time: str = "2026-01-01T00:00:00Z") -> PublishedRuleSet:
    """A rule set as it stands on the topic."""
    return pack(rule_set, (), "alice", "a test", time)
