"""`rmm-scrub rules explain`: why a text or an event is scrubbed as it is."""

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from schemas.errors import UserError
from scrubbers import rules
from scrubbers.explain import Candidate, ExplainedString, Explainer, Explanation, told
from scrubbers.keyring import KeyUnavailable
from scrubbers.pseudonyms import Pseudonymiser
from scrubbers.trace import Fate, Source
from streams import inventory
from streams.cli import console
from streams.cli.given import given
from streams.config import load
from streams.keys import open_keyring

EPILOG = "Example: rmm-scrub rules explain 'connection from web-7.corp.example (10.1.2.3)'"
_SHOWN = 60  # characters of a string that hold no candidate


def explain(
    text: Annotated[str, typer.Argument(metavar="TEXT|FILE|-", help="A text, a file with one, or '-': stdin.")],
    event: Annotated[bool, typer.Option("--event", help="It is an event: JSON, the tenant's id spared.")] = False,
    rule_file: Annotated[Path | None, typer.Option("--rules", help="Default: the shipped rule set.")] = None,
    known: Annotated[Path | None, typer.Option(help="Known names: one a line, or NDJSON.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Whose pseudonyms and known names; with --keyring.")] = None,
    keyring: Annotated[Path | None, typer.Option(help="Default: a throw-away key.")] = None,
    engine: Annotated[str, typer.Option(help="'reference' also asks Presidio's own engine: seconds.")] = "compiled",
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Show every candidate of every rule: its scores, why it was kept, merged or dropped, what it becomes."""
    if engine not in ("compiled", "reference"):
        raise typer.BadParameter("compiled or reference", param_hint="--engine")
    rule_set = rules.load(rule_file)
    rows = inventory.knowns(inventory.read(known)) if known else ()
    names = [each for owner, each in rows if tenant is None or owner in (None, tenant)]
    explainer = Explainer(rule_set, names, _pseudonymiser(rule_set, tenant, keyring))
    explained = told(explainer, given(text), event=event)
    presidio = _presidio(rule_set, explained) if engine == "reference" else None
    if as_json:
        tree = {**msgspec.to_builtins(explained), "scrubbed": explained.scrubbed}
        console.print_json(tree if presidio is None else {**tree, "presidio": presidio})
        return
    _show(explained)
    for each in presidio or ():
        console.out.print(
            f"Presidio: {each['start']}:{each['end']} {each['type']} {each['score']:.2f} by {each['rule']} "
            f"({each['pattern']}) in {each['path'] or 'the text'}",
            markup=False,
        )


def _pseudonymiser(rule_set: rules.RuleSet, tenant: str | None, keyring: Path | None) -> Pseudonymiser | None:
    if keyring is None:
        return None
    if tenant is None:
        raise UserError("--keyring needs --tenant: whose pseudonyms?")
    try:
        return Pseudonymiser(open_keyring(load(), keyring).tenant(tenant), rule_set.operators)
    except KeyUnavailable:
        raise UserError("this tenant has no keys", "rmm-scrub keys init --tenant T") from None


def _presidio(rule_set: rules.RuleSet, explained: Explanation) -> list[dict[str, Any]]:
    """Presidio's decision process for each value: its recognisers' results, before thresholds and overlaps."""
    from scrubbers.reference import ReferenceEngine  # noqa: PLC0415 - takes seconds to import

    engine = ReferenceEngine(rule_set)
    values = [each for each in explained.strings if not each.is_key and not each.spared]
    return [{"path": string.path, **result} for string in values for result in engine.explain(string.text)]


def _show(explained: Explanation) -> None:
    for string in explained.strings:
        if string.candidates or string.field or string.spared or not string.path:
            console.out.print(_heading(string), markup=False)
        if not string.candidates and not string.spared and not string.path:
            console.out.print("  no rule matches anywhere in it")
        for each in string.candidates:
            console.out.print(f"  {_line(each)}", markup=False)
    if explained.learned:
        taught = ", ".join(f"{each.value} ({each.type})" for each in explained.learned)
        console.out.print(f"learned from it: {taught}", markup=False)
    console.out.print(f"becomes: {explained.scrubbed}", markup=False)


def _heading(string: ExplainedString) -> str:
    where = string.path or "text"
    if string.spared:
        return f"{where}: the tenant's id, left alone"
    if string.is_key:
        where = f"{where} (key)"
    text = string.text if string.candidates or len(string.text) <= _SHOWN else string.text[:_SHOWN] + "…"
    field = f" [field rule {string.field}: {string.selector}]" if string.field else ""
    return f"{where}: {text}{field}"


def _line(each: Candidate) -> str:
    score = f"{each.score:.2f}" if each.score == each.base else f"{each.base:.2f}→{each.score:.2f}"
    because = f", context word {each.context}" if each.context else ""
    source = {Source.FIELD: f"field {each.pattern}", Source.KNOWN: "a known name"}.get(each.source, each.pattern)
    return f"{each.start}:{each.end} {each.type} {each.value} {score} by {each.rule} ({source}){because}: {_fate(each)}"


def _fate(each: Candidate) -> str:
    by = (
        "" if each.by is None else f"{each.by.start}:{each.by.end} {each.by.type} {each.by.score:.2f} by {each.by.rule}"
    )
    match each.fate:
        case Fate.KEPT if each.becomes == each.value:
            return "kept, and stays as it is"
        case Fate.KEPT:
            return f"kept, becomes {each.becomes}"
        case Fate.ALLOWED:
            return f"passes, by allow rule {each.allowed_by}"
        case Fate.INVALID:
            return f"dropped, validator {each.validator} said no"
        case Fate.NOT_IN_KEYS:
            return "dropped, the rule does not look in keys"
        case Fate.BELOW_THRESHOLD:
            return f"dropped, below the threshold {each.threshold:.2f}"
        case Fate.DUPLICATE:
            return f"dropped, a duplicate of {by}"
        case Fate.MERGED:
            return f"merged into {by}"
        case Fate.OVERLAPPED:
            return f"dropped, overlapped by {by}"


def _rival(each: Candidate) -> str:
    by = each.by
    return "" if by is None else f"{by.start}:{by.end} {by.type} {by.score:.2f} by {by.rule}"
