"""What a rule set must stand before it is published: lint, its own examples, and the team's regression corpus."""

from collections.abc import Iterator, Sequence

from scrubbers.compiled import CompiledRules
from scrubbers.entities import EntityType
from scrubbers.evaluate import LabelledText, Tally, evaluate
from scrubbers.examples import failures
from scrubbers.findings import RuleFailure
from scrubbers.lint import errors
from scrubbers.published import RuleSetRefused, compiled
from scrubbers.recognise import Recogniser
from scrubbers.rules import RuleSet

Corpus = dict[str, Sequence[LabelledText]]


def shortcomings(candidate: RuleSet, active: RuleSet, corpus: Corpus) -> list[str]:
    """Every reason not to publish, a line each; none if it may be.

    Raises:
        RuleSetRefused: it cannot be used at all, which no force can change.
    """
    engine = compiled(candidate)
    return [*_lint(candidate), *_examples(candidate), *_recall(candidate, engine, active, corpus)]


def _lint(candidate: RuleSet) -> Iterator[str]:
    yield from (f"{each.rule}: {each.what}" for each in errors(candidate))


def _examples(candidate: RuleSet) -> Iterator[str]:
    try:
        yield from (f"{each.rule}: {each.what}" for each in failures(candidate))
    except RuleFailure as problem:
        yield f"{problem}: an expression did not end in its time on an example"


def _recall(candidate: RuleSet, engine: CompiledRules, active: RuleSet, corpus: Corpus) -> Iterator[str]:
    """Types of which the candidate finds fewer labels than the active set."""
    if not corpus:
        return
    try:
        now = _tallies(Recogniser(candidate, engine), corpus)
    except RuleFailure as problem:
        yield f"{problem}: an expression did not end in its time on the corpus"
        return
    try:
        before = _tallies(Recogniser(active, compiled(active)), corpus)
    except (RuleFailure, RuleSetRefused):
        return  # what is at work cannot do it at all
    for kind, tally in before.items():
        found = now.get(kind, Tally()).found
        if found < tally.found:
            yield f"{kind}: finds {found} of {tally.labels} in the corpus, {active.identity} finds {tally.found}"


def _tallies(recogniser: Recogniser, corpus: Corpus) -> dict[EntityType, Tally]:
    return evaluate(corpus, recogniser, _unchanged, known=False).tallies()


def _unchanged(_: EntityType, surface: str) -> str:
    """Recall does not ask what a finding becomes."""
    return surface
