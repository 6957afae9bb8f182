"""Rules that never have the last word: all they find, another rule of their type finds too, with no lower score.

Judged on evidence, which is the rule set's own examples and samples: so a warning, never an error.
"""

from collections.abc import Iterable, Iterator

from scrubbers.entities import EntityType, Finding
from scrubbers.examples import unmarked
from scrubbers.problems import Check, Places, Problem, Reporter, Severity
from scrubbers.rules import RuleSet
from scrubbers.trace import Fate, Tracer


def duplicates(rules: RuleSet, places: Places) -> Iterator[Problem]:
    """Expressions that stand in the rule set twice for one entity type."""
    report = Reporter(places, Check.DUPLICATE, Severity.WARNING)
    seen: dict[tuple[EntityType, str], str] = {}
    for rule in rules.recognizers:
        for number, pattern in enumerate(rule.patterns):
            first = seen.setdefault((rule.supported_entity, pattern.regex), f"{rule.name}, {pattern.name}")
            if first != f"{rule.name}, {pattern.name}":
                yield report.rule(
                    rule.name,
                    ("patterns", number),
                    f"the expression of {pattern.name} is that of {first}",
                    "keep one of the two, with the higher score",
                )


def shadowed(rules: RuleSet, texts: Iterable[str], places: Places) -> Iterator[Problem]:
    """Rules of which another one takes everything, in all examples and in the sample texts.

    Raises:
        RuleFailure: an expression did not end in its time.
    """
    tracer = Tracer(rules)
    examples = [unmarked(example)[0] for rule in rules.recognizers for example in rule.examples]
    takers: dict[str, set[str]] = {}
    counts: dict[str, int] = {}
    for text in dict.fromkeys([*examples, *texts]):
        traced = tracer.recognised(text)
        valid = [each.finding for each in traced if each.fate is not Fate.INVALID]
        for own in valid:
            taking = {each.rule for each in valid if _takes(each, own)}
            takers[own.rule] = takers.get(own.rule, taking) & taking
            counts[own.rule] = counts.get(own.rule, 0) + 1
    report = Reporter(places, Check.SHADOWED, Severity.WARNING)
    order = [rule.name for rule in rules.recognizers]
    for name in order:
        others = [
            each
            for each in order
            if each in takers.get(name, ()) and not (name in takers[each] and order.index(each) > order.index(name))
        ]
        if others:
            yield report.rule(
                name,
                (),
                f"all that it finds ({counts[name]} in the examples and samples) {others[0]} finds too, "
                "with no lower score",
                "drop it, or add an example that only it finds",
            )


def _takes(other: Finding, own: Finding) -> bool:
    if other.rule == own.rule or other.type is not own.type or other.score < own.score:
        return False
    return other.start <= own.start and other.end >= own.end
