"""`rmm-scrub reverse`: pseudonyms back into names and addresses, for an authorised employee."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from schemas.errors import UserError
from streams.audit import AuditLog
from streams.cli import console, token
from streams.config import load
from streams.keys import open_keyring
from streams.known_names import known_of
from streams.reversal import Answer, Request, Reverser
from streams.rollout import active_rules

EPILOG = "Example: rmm-scrub reverse report.txt --tenant acme --purpose 'incident 4711' --token-file token.jwt"


def reverse(
    source: Annotated[str, typer.Argument(metavar="TEXT|FILE", help="A text, a file, or '-' for stdin.")],
    tenant: Annotated[str, typer.Option(help="Whose pseudonyms these are.")],
    purpose: Annotated[str, typer.Option(help="What for: the purpose of your grant.")],
    epoch: Annotated[str | None, typer.Option(help="Key epoch of the pseudonyms; default: that of the names.")] = None,
    token_file: token.File = None,
    keyring: Annotated[Path | None, typer.Option("--keyring", help="Default: RMM_SCRUB_KEYRING.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Turn pseudonyms back into names and addresses. Needs a grant, and is on the audit log."""
    settings = load()
    ring = open_keyring(settings, keyring)
    rule_set = active_rules(settings)
    reverser = Reverser(
        settings.access,
        ring,
        AuditLog(settings, ring.audit_key()),
        lambda _: rule_set,
        lambda owner: known_of(settings, owner),
    )
    request = Request(tenant, console.utf8(purpose, "the purpose"), _text(source), epoch)
    answer = reverser.reverse(token.read(token_file), request)
    _show(answer, as_json=as_json)


def _text(source: str) -> str:
    try:
        if source == "-":
            return sys.stdin.buffer.read().decode()
        if os.path.isfile(source):  # noqa: PTH113 - Path.is_file raises for a text longer than a name may be
            return Path(source).read_text(encoding="utf-8")
        return console.utf8(source, "the text to reverse")
    except UnicodeDecodeError:
        raise UserError("the text to reverse is not UTF-8") from None
    except OSError as problem:
        raise UserError(f"the text to reverse cannot be read: {problem.strerror}") from None


def _show(answer: Answer, *, as_json: bool) -> None:
    found = answer.reversal
    if as_json:
        turned = [
            {"pseudonym": each.pseudonym, "value": each.value, "type": each.type, "epoch": each.epoch}
            for each in found.turned
        ]
        console.print_json({"text": found.text, "turned": turned, "unknown": found.unknown, "audit": answer.audit})
        return
    console.out.print(found.text, markup=False, end="" if found.text.endswith("\n") else "\n")
    table = Table("pseudonym", "stands for", "type", "epoch", box=None)
    for each in {each.pseudonym: each for each in found.turned}.values():
        table.add_row(each.pseudonym, each.value, each.type, each.epoch)
    console.err.print(table)
    for unknown in found.unknown:
        console.err.print(f"{unknown}: no known name has this pseudonym", markup=False)
    console.err.print(f"on the audit log as number {answer.audit}")
