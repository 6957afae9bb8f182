"""`rmm-scrub scrub`: NDJSON or text lines in, the same lines scrubbed out; without Kafka."""

import sys
from collections import Counter
from pathlib import Path
from typing import Annotated

import orjson
import typer

from schemas.errors import UserError
from streams.cli import console
from streams.offline import Job, scrub_files, scrub_stream

EPILOG = "Example: rmm-scrub scrub --tenant acme --keyring keys.json < events.ndjson > out.ndjson"


def scrub(
    tenant: Annotated[str, typer.Option(help="Whose pseudonyms to use.")],
    files: Annotated[list[Path] | None, typer.Argument(help="NDJSON files; '-' or none: stdin.")] = None,
    rules: Annotated[Path | None, typer.Option(help="A rule set; default: the shipped one.")] = None,
    keyring: Annotated[Path | None, typer.Option(help="Default: RMM_SCRUB_KEYRING, else a throw-away key.")] = None,
    known: Annotated[Path | None, typer.Option(help="Known names: one a line, or NDJSON.")] = None,
    jobs: Annotated[int, typer.Option(min=1, max=64, help="Processes, for files.")] = 1,
    text: Annotated[bool, typer.Option("--text", help="Lines are text, not JSON.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The summary as JSON.")] = False,
) -> None:
    """Scrub lines, in order, to stdout; a summary, and what could not be scrubbed, go to stderr."""
    names = [path for path in files or [] if str(path) != "-"]
    if len(names) != len(files or []) and names:
        raise UserError("'-' cannot be mixed with files")
    job = Job(tenant, rules=rules, keyring=keyring, known=known, text=text)
    if job.throwaway:
        console.err.print("no keyring: using a throw-away key, so these pseudonyms join with nothing else")
    results = scrub_files(job, names, jobs) if names else scrub_stream(job, sys.stdin.buffer)
    lines, findings, refused = 0, Counter[str](), Counter[str]()
    for line in results:
        lines += 1
        if line.output is not None:
            sys.stdout.buffer.write(line.output + b"\n")
            findings.update(line.findings)
            continue
        refused[line.reason] += 1
        console.error(f"{line.source} line {line.number}: {line.reason}; the line is left out")
    sys.stdout.buffer.flush()
    summary = {"lines": lines, "refused": dict(refused), "findings": dict(findings)}
    if as_json:
        sys.stderr.write(orjson.dumps(summary, option=orjson.OPT_NON_STR_KEYS).decode() + "\n")
    else:
        console.err.print(
            f"{lines} lines, {sum(findings.values())} findings {dict(findings)}, {refused.total()} left out"
        )
    if refused:
        raise typer.Exit(1)
