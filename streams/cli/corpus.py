"""`rmm-scrub rules corpus`: a team's own labelled corpus, against which its rules are held."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from schemas.errors import UserError
from scrubbers import corpus, rules
from scrubbers.compiled import CompiledRules
from scrubbers.detect import Detector, Span
from scrubbers.entities import EntityType
from scrubbers.evaluate import LabelledText
from scrubbers.event import DocumentError, parse
from scrubbers.findings import RuleFailure
from scrubbers.recognise import Recogniser
from streams import team_corpus
from streams.cli import console
from streams.cli.given import given

app = typer.Typer(help="A team's own labelled corpus: add samples, label them, check rules.", no_args_is_help=True)

CorpusFile = Annotated[Path, typer.Option("--corpus", help="NDJSON, as for rules eval.")]
RuleFile = Annotated[Path | None, typer.Option("--rules", help="A file or folder; default: the shipped set.")]
Json = Annotated[bool, typer.Option("--json", help="For machines.")]


@app.command(epilog="Example: rmm-scrub rules corpus add leak.txt --corpus team.ndjson")
def add(
    sample: Annotated[str, typer.Argument(metavar="TEXT|FILE|-", help="A text, a file with one, or '-': stdin.")],
    corpus_file: CorpusFile,
    event: Annotated[bool, typer.Option("--event", help="It is an event: JSON.")] = False,
    rule_file: RuleFile = None,
    as_json: Json = False,
) -> None:
    """Add a sample, and show what the rules find in it; the corpus holds it as it is given."""
    text = given(sample)
    if event:
        _event(text)
    spans = _detected(text, rules.load(rule_file))
    added: list[LabelledText] = []

    def change(cases: list[LabelledText]) -> list[LabelledText]:
        after, case = corpus.add(cases, text)
        added.append(case)
        return after

    team_corpus.edit(corpus_file, change)
    if as_json:
        console.print_json(msgspec.to_builtins({"id": added[0].id, "findings": spans}))
        return
    console.err.print(
        "the corpus holds this sample as it is: put made-up names in the place of real ones where the form "
        "is what counts, and keep the file as you keep telemetry"
    )
    _print(f"sample {added[0].id}: {len(text)} characters, {len(spans)} findings")
    for each in spans:
        _print(
            f"  {each.start}:{each.end}:{each.type} {each.value} by {each.rule}{' (passes)' if each.allowed else ''}"
        )


@app.command(epilog="Example: rmm-scrub rules corpus label 1 17:27:COMPUTER_NAME --corpus team.ndjson")
def label(
    name: Annotated[str, typer.Argument(metavar="ID", help="The sample's id.")],
    corpus_file: CorpusFile,
    specs: Annotated[
        list[str] | None, typer.Argument(metavar="START:END:TYPE…", help="Or VALUE:TYPE, wherever it stands.")
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Take these labels away.")] = False,
    accept: Annotated[bool, typer.Option("--accept", help="Add the current findings; the sample is complete.")] = False,
    rule_file: RuleFile = None,
    as_json: Json = False,
) -> None:
    """Say what must be found in a sample; offsets count characters from 0, END is the one behind.

    With --accept what the rules find now becomes labels too, and whatever is found beyond them is a false alarm.
    """
    if not specs and not accept:
        raise typer.BadParameter("say what to label, or --accept", param_hint="START:END:TYPE")
    rule_set = rules.load(rule_file) if accept else None
    done: list[LabelledText] = []

    def change(cases: list[LabelledText]) -> list[LabelledText]:
        case = corpus.pick(cases, name)
        labels = [each for spec in specs or () for each in corpus.labels_of(case.text, spec)]
        case = corpus.unlabelled(case, labels) if remove else corpus.labelled(case, labels)
        done.append(corpus.accepted(case, rule_set) if rule_set is not None else case)
        return corpus.replaced(cases, done[0])

    try:
        team_corpus.edit(corpus_file, change)
    except RuleFailure as problem:
        raise _unended(problem) from None
    case = done[0]
    if as_json:
        console.print_json(msgspec.to_builtins(case))
        return
    _print(f"sample {case.id}: {len(case.spans)} labels{', complete' if len(case.complete) == len(EntityType) else ''}")
    for each in case.spans:
        _print(f"  {each.start}:{each.end}:{each.type} {case.text[each.start : each.end]}")


@app.command(epilog="Example: rmm-scrub rules corpus check --corpus team.ndjson --rules my-rules/")
def check(
    corpus_file: CorpusFile,
    rule_file: RuleFile = None,
    accept: Annotated[bool, typer.Option("--accept", help="Take today's recall as the baseline.")] = False,
    as_json: Json = False,
) -> None:
    """Hold a rule set against the corpus: exit 1 if the recall of a type is below the accepted baseline's.

    Without a baseline all labels must be found. The baseline is a file beside the corpus (`team.baseline.json`).
    """
    before = team_corpus.read_baseline(corpus_file)
    try:
        verdict = corpus.check(team_corpus.read(corpus_file), rules.load(rule_file), before)
    except RuleFailure as problem:
        raise _unended(problem) from None
    if accept:
        team_corpus.write_baseline(corpus_file, verdict.now)
    if as_json:
        tree = msgspec.to_builtins(verdict, str_keys=True)
        console.print_json({"passed": verdict.passed, "accepted": accept, **tree})
    else:
        _show(verdict)
        if accept:
            _print(f"accepted as the baseline: {team_corpus.baseline_path(corpus_file)}")
    if not verdict.passed and not accept:
        raise typer.Exit(1)


def _show(verdict: corpus.Verdict) -> None:
    before = verdict.before.recall if verdict.before is not None else {}
    for kind, now in verdict.now.recall.items():
        wanted = before.get(kind, corpus.Recall(1, 1))
        tally = verdict.tallies[kind]
        says = "below the baseline" if kind in verdict.fallen else "holds"
        _print(
            f"{kind}: {now.found} of {now.labels} found, baseline {wanted.found / max(1, wanted.labels):.1%}: {says}; "
            f"{tally.wrong} false alarms"
        )
    fresh = {(each.id, each.type) for each in verdict.fresh}
    for miss in verdict.misses:
        known = "" if (str(miss.id), miss.type) in fresh else " (in the baseline too)"
        _print(f"  missed in sample {miss.id}, {miss.type}: {miss.context!r}{known}")
    if not verdict.now.recall:
        _print("the corpus has no labels: rmm-scrub rules corpus label")


def _event(text: str) -> None:
    try:
        parse(text)
    except DocumentError:
        raise UserError("not an event: not JSON") from None


def _detected(text: str, rule_set: rules.RuleSet) -> list[Span]:
    try:
        return Detector(Recogniser(rule_set, CompiledRules(rule_set))).text(text)
    except RuleFailure as problem:
        raise _unended(problem) from None


def _unended(problem: RuleFailure) -> UserError:
    return UserError(f"rule {problem} did not end in time", "rmm-scrub rules lint")


def _print(text: str) -> None:
    console.out.print(text, markup=False)
