"""`rmm-scrub detect`: NDJSON cases in, findings out; nothing is replaced."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import msgspec
import orjson
import typer

from scrubbers import rules
from scrubbers.detect import Detector, case_spans
from scrubbers.event import DocumentError
from scrubbers.findings import RuleFailure
from scrubbers.recognise import Engine, Recogniser
from streams import inventory
from streams.cli import console
from streams.lines import STDIN, lines

EPILOG = """Example: echo '{"id":1,"text":"disk full on \\\\\\\\FS01\\\\c$"}' | rmm-scrub detect"""


class EngineName(StrEnum):
    """Which engine finds."""

    COMPILED = "compiled"
    REFERENCE = "reference"


def detect(
    files: Annotated[list[Path] | None, typer.Argument(help="NDJSON files; '-' or none: stdin.")] = None,
    rule_file: Annotated[Path | None, typer.Option("--rules", help="Default: the shipped rule set.")] = None,
    known: Annotated[Path | None, typer.Option(help="Known names: one a line, or NDJSON.")] = None,
    engine: Annotated[EngineName, typer.Option(help="compiled, or Presidio's own.")] = EngineName.COMPILED,
) -> None:
    """Report findings for cases `{"id","text"}` or `{"id","event"}`, as NDJSON on stdout."""
    rule_set = rules.load(rule_file)
    names = [each for _, each in inventory.knowns(inventory.read(known))] if known else []
    detector = Detector(Recogniser(rule_set, _engine(engine, rule_set)), names)
    failed = 0
    for source, number, line in lines(files or [STDIN]):
        try:
            case = orjson.loads(line)
            spans = case_spans(case, detector)
        except (orjson.JSONDecodeError, DocumentError, RuleFailure) as problem:
            failed += 1
            what = "a rule did not end in time" if isinstance(problem, RuleFailure) else "not a case"
            console.error(f"{source} line {number}: {what}")
            continue
        console.print_json({"id": case.get("id"), "spans": [_plain(span) for span in spans]})
    if failed:
        raise typer.Exit(1)


def _engine(name: EngineName, rule_set: rules.RuleSet) -> Engine:
    if name is EngineName.REFERENCE:
        from scrubbers.reference import ReferenceEngine  # noqa: PLC0415 - takes seconds to import

        return ReferenceEngine(rule_set)
    from scrubbers.compiled import CompiledRules  # noqa: PLC0415 - only one of the two is needed

    return CompiledRules(rule_set)


def _plain(span: Any) -> dict[str, Any]:
    plain = msgspec.structs.asdict(span)
    if not plain["allowed"]:
        del plain["allowed"]
    return plain
