"""`rmm-scrub rules eval`: precision and recall of a rule set on labelled text."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.progress import Progress
from rich.table import Table

from schemas.errors import UserError
from scrubbers import rules
from scrubbers.compiled import CompiledRules
from scrubbers.evaluate import LabelledText, Mistake, Result, Tally, evaluate, interval, share
from scrubbers.findings import RuleFailure
from scrubbers.keyring import Keyring
from scrubbers.pseudonyms import Pseudonymiser
from scrubbers.recognise import Recogniser
from scrubbers.report import html
from streams import corpora
from streams.cli import console

EPILOG = "Example: rmm-scrub rules eval corpus/*.ndjson --negatives lookalikes.ndjson --html report.html"
_TENANT = "evaluation"
_WIDTH = 120  # of a table, also in a pipe
_LISTED = 20  # misses and false alarms on a terminal; --json and --html have all

Corpus = dict[str, Sequence[LabelledText]]


class Engines(msgspec.Struct, frozen=True):
    """Both engines on the same texts, in one run; microseconds a text."""

    texts: int
    equal: int
    compiled_us: float
    reference_us: float
    ratio: float


def evaluate_rules(
    files: Annotated[list[Path], typer.Argument(help="Labelled NDJSON.")],
    negatives: Annotated[list[Path] | None, typer.Option(help="NDJSON with look-alikes, nothing to find.")] = None,
    rule_file: Annotated[Path | None, typer.Option("--rules", help="Default: the shipped rule set.")] = None,
    engines: Annotated[bool, typer.Option("--engines", help="Also compare and time both engines: minutes.")] = False,
    report: Annotated[Path | None, typer.Option("--html", help="Write a report with coloured spans.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Precision, recall and F2 by type and source, leaks, look-alikes touched, and every mistake.

    Each text alone with nothing known (cold), then with the names labelled in its file known.
    """
    rule_set = rules.load(rule_file)
    corpus = corpora.read([*files, *(negatives or ())])
    cold, known = _runs(corpus, rule_set)
    both = _engines(corpus, rule_set) if engines else None
    if report is not None:
        _write(report, html(rule_set.identity, cold))
    if as_json:
        console.print_json(msgspec.to_builtins(_document(rule_set.identity, cold, known, both)))
    else:
        _show(cold, known, both)


def _runs(corpus: Corpus, rule_set: rules.RuleSet) -> tuple[Result, Result]:
    ring = Keyring.throwaway()
    ring.add_tenant(_TENANT)
    replace = Pseudonymiser(ring.tenant(_TENANT), rule_set.operators).replace
    recogniser = Recogniser(rule_set, CompiledRules(rule_set))
    with Progress(console=console.err, transient=True, disable=not console.err.is_terminal) as progress:
        task = progress.add_task("texts", total=2 * sum(map(len, corpus.values())))
        try:
            cold, known = (
                evaluate(corpus, recogniser, replace, known=knowing, done=lambda: progress.advance(task))
                for knowing in (False, True)
            )
        except RuleFailure as problem:
            raise UserError(f"rule {problem} did not end in time", "rmm-scrub rules lint") from None
    return cold, known


def _engines(corpus: Corpus, rule_set: rules.RuleSet) -> Engines:
    from scrubbers.reference import ReferenceEngine  # noqa: PLC0415 - takes seconds to import

    compiled, reference = CompiledRules(rule_set), ReferenceEngine(rule_set)
    texts = [case.text for cases in corpus.values() for case in cases]
    # Validators remember names: neither engine shall pay for what the other then gets for nothing.
    for text in texts:
        compiled.find(text)
    started = time.perf_counter()
    fast = [compiled.find(text) for text in texts]
    between = time.perf_counter()
    slow = [reference.find(text) for text in texts]
    ended = time.perf_counter()
    equal = sum(one == other for one, other in zip(fast, slow, strict=True))
    scale = 1e6 / max(1, len(texts))
    return Engines(
        len(texts),
        equal,
        (between - started) * scale,
        (ended - between) * scale,
        (ended - between) / max(between - started, 1e-9),
    )


def _document(identity: str, cold: Result, known: Result, both: Engines | None) -> dict[str, Any]:
    touched, lookalikes = cold.lookalikes()
    return {
        "rule_set": identity,
        "texts": sum(map(len, cold.outcomes.values())),
        "cold": _measures(cold),
        "known": _measures(known),
        "lookalikes": {"all": lookalikes, "touched": touched, "rate": share(touched, lookalikes)},
        "engines": both,
        "misses": list(cold.misses()),
        "misses_known": list(known.misses()),
        "false_alarms": list(cold.false_alarms()),
    }


def _measures(result: Result) -> dict[str, Any]:
    return {
        "types": {kind: _measure(tally) for kind, tally in result.tallies().items()},
        "sources": {
            source: {kind: _measure(tally) for kind, tally in result.tallies(source).items()}
            for source in result.outcomes
        },
    }


def _measure(tally: Tally) -> dict[str, Any]:
    return {
        **msgspec.structs.asdict(tally),
        "recall": tally.recall,
        "recall_interval": interval(tally.found, tally.labels),
        "recall_gold": share(tally.gold_found, tally.gold),
        "precision": tally.precision,
        "precision_interval": interval(tally.right, tally.right + tally.wrong),
        "f2": tally.f2,
        "leak_rate": tally.leak_rate,
    }


def _show(cold: Result, known: Result, both: Engines | None) -> None:
    if not console.out.is_terminal:
        console.out.width = _WIDTH  # else 80: types would be cut off
    console.out.print(_table("nothing known, each text alone", cold), width=_WIDTH)
    console.out.print(_table("the names labelled in each file known", known), width=_WIDTH)
    touched, lookalikes = cold.lookalikes()
    if lookalikes:
        console.out.print(f"look-alikes touched: {touched} of {lookalikes} ({touched / lookalikes:.2%})")
    if both is not None:
        console.out.print(
            f"engines agree on {both.equal} of {both.texts} texts; compiled {both.compiled_us:.0f} µs a text, "
            f"Presidio {both.reference_us:.0f} µs: {both.ratio:.1f} times faster"
        )
    _list("missed", list(cold.misses()))
    _list("false alarms", list(cold.false_alarms()))


def _table(title: str, result: Result) -> Table:
    table = Table("type", "source", "labels", "recall", "95 %", "gold", "precision", "F2", "leaked", title=title)
    for kind, total in result.tallies().items():
        table.add_row(kind, "all", *_row(total), style="bold")
        for source in result.outcomes:
            tally = result.tallies(source).get(kind)
            if tally is not None and (tally.labels or tally.wrong):
                table.add_row("", source, *_row(tally))
    return table


def _row(tally: Tally) -> list[str]:
    measure = _measure(tally)
    low, high = measure["recall_interval"]
    return [
        str(tally.labels),
        _percent(measure["recall"]),
        f"{low:.1%}-{high:.1%}" if tally.labels else "",
        _percent(measure["recall_gold"]),
        _percent(measure["precision"]),
        _percent(measure["f2"]),
        _percent(measure["leak_rate"]),
    ]


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"


def _list(title: str, mistakes: list[Mistake]) -> None:
    if not mistakes:
        return
    console.out.print(f"{title}: {len(mistakes)}, of which the first {min(_LISTED, len(mistakes))}:", markup=False)
    for each in mistakes[:_LISTED]:
        rule = f" by {each.rule}" if each.rule else ""
        console.out.print(f"  {each.source} {each.id} {each.type}{rule}: {each.context!r}", markup=False)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as problem:
        raise UserError(f"{path}: {problem.strerror}") from None
