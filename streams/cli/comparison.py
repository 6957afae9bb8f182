"""`rmm-scrub rules diff`: what changes from one rule set to another."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.progress import Progress

from schemas.errors import UserError
from scrubbers.compare import Comparison, Count, Difference, Finding, Kind, Sample, compare
from scrubbers.evaluate import LabelledText, Tally
from scrubbers.findings import RuleFailure
from streams import corpora, rule_sources
from streams.cli import console
from streams.config import load
from streams.reader import read_last

EPILOG = "Example: rmm-scrub rules diff shipped my-rules/ --on team.ndjson"
_SIGNS = {Kind.ADDED: "+", Kind.REMOVED: "-", Kind.CHANGED: "~"}


def diff(
    a: Annotated[str, typer.Argument(help="A file or folder, or 'shipped': before.")],
    b: Annotated[str, typer.Argument(help="The same: after.")],
    on: Annotated[list[Path] | None, typer.Option("--on", help="NDJSON: labelled texts, cases or events.")] = None,
    on_topic: Annotated[bool, typer.Option("--on-topic", help="On the last events of the raw topic.")] = False,
    last: Annotated[int, typer.Option(min=1, max=100_000, help="How many of them.")] = 1_000,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Compare two rule sets: what differs in them, and what they find on texts or on real traffic.

    Without --on and --on-topic the rules, thresholds, operators and allow rules; with them also the findings by type
    and rule, with samples, and recall, precision and leak rate where the texts are labelled.
    """
    before, after = rule_sources.rule_set(a), rule_sources.rule_set(b)
    cases = {**corpora.cases(on or ()), **(_of_topic(last) if on_topic else {})}
    with Progress(console=console.err, transient=True, disable=not console.err.is_terminal) as progress:
        task = progress.add_task("texts", total=sum(map(len, cases.values())))
        try:
            found = compare(before, after, cases, lambda: progress.advance(task))
        except RuleFailure as problem:
            raise UserError(f"rule {problem} did not end in time", "rmm-scrub rules lint") from None
    if as_json:
        console.print_json(msgspec.to_builtins(found, str_keys=True))
    else:
        _show(found)


def _of_topic(count: int) -> dict[str, Sequence[LabelledText]]:
    """The newest events of the raw topic; who may not read it hears so from Kafka."""
    settings = load()
    topic = settings.named.raw
    found = []
    for read in read_last(settings, topic, count):
        try:
            found.append(LabelledText(f"{read.partition}:{read.offset}", (read.value or b"").decode()))
        except UnicodeDecodeError:
            continue  # quarantined by any rule set
    return {topic: found}


def _show(found: Comparison) -> None:
    _print(f"{found.before} → {found.after}")
    for difference in found.differences:
        _print(f"  {_difference(difference)}")
    if not found.differences:
        _print("  the rules are the same")
    if not found.texts:
        return
    _print(f"findings change in {found.changed_texts} of {found.texts} texts")
    for count in found.counts:
        _print(f"  {_count(count)}")
        for sample in count.samples:
            _print(f"      {_sample(sample)}")
    for kind, (old, new) in found.measures.items():
        _print(f"{kind}: {_measure(old, new)}")


def _difference(each: Difference) -> str:
    what = f": {', '.join(each.what)}" if each.what else ""
    return f"{_SIGNS[each.kind]} {each.part} {each.name} {each.kind}{what}"


def _count(count: Count) -> str:
    what = f" ({', '.join(count.what)})" if count.what else ""
    return f"{_SIGNS[count.kind]} {count.number} {count.kind}{what}: {count.type} by {count.rule}"


def _sample(sample: Sample) -> str:
    change = sample.change
    was = f" was {_finding(change.before)}" if change.kind is Kind.CHANGED and change.before is not None else ""
    return f"{sample.source} {sample.id}: {sample.left}«{sample.value}»{sample.right}{was}".replace("\n", "⏎")


def _finding(each: Finding) -> str:
    passes = ", passes" if each.allowed else ""
    return f"{each.start}:{each.end} {each.type} by {each.rule}, {each.operator}{passes}"


def _measure(old: Tally, new: Tally) -> str:
    return (
        f"{new.labels} labels, recall {_change(old.recall, new.recall)}, "
        f"precision {_change(old.precision, new.precision)}, leak rate {_change(old.leak_rate, new.leak_rate)}"
    )


def _change(old: float | None, new: float | None) -> str:
    return f"{_percent(old)} → {_percent(new)}"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _print(text: str) -> None:
    console.out.print(text, markup=False)
