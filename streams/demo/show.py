"""What a newcomer sees: pairs of before and after, revocations, quarantine, and the checks."""

import re
from collections import Counter
from collections.abc import Callable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from scrubbers.detect import Span
from streams.demo import proof
from streams.demo.events import Event
from streams.quarantine import read_entry
from streams.reader import Read
from streams.verification import Claims

COLOURS = {
    "COMPUTER_NAME": "bold cyan",
    "IP_ADDRESS": "bold green",
    "MAC_ADDRESS": "bold yellow",
    "DOMAIN_NAME": "bold blue",
    "USER_NAME": "bold magenta",
    "EMAIL_ADDRESS": "bold red",
}
_PSEUDONYM = re.compile(r"\b(?P<kind>pc|dom|user|mail|person)-[a-z2-7]{12}\b")
_KINDS = {"pc": "COMPUTER_NAME", "dom": "DOMAIN_NAME", "user": "USER_NAME", "mail": "EMAIL_ADDRESS"}
_SHOWN = 700  # characters of an event


def pairs(
    console: Console, events: Sequence[Event], scrubbed: Sequence[Read], spans: Callable[[str], Sequence[Span]]
) -> None:
    """One event of each kind, before and after, with what was found in colour."""
    outputs = {proof.sequence(read.headers): read for read in scrubbed}
    shown: set[str] = set()
    for event in events:
        read = outputs.get(proof.sequence(event.headers))
        if read is None or event.kind in shown or len(shown) == 4:
            continue
        shown.add(event.kind)
        before = event.value.decode("utf-8", "replace")
        console.rule(f"{event.kind}, tenant {event.tenant}", style="dim")
        console.print(Text("before ", style="dim") + _coloured(before, spans(before)))
        console.print(Text("after  ", style="dim") + _after((read.value or b"").decode("utf-8", "replace")))


def _coloured(text: str, spans: Sequence[Span]) -> Text:
    shown = Text(text[:_SHOWN])
    for span in spans:
        shown.stylize(COLOURS.get(span.type, "bold"), span.start, span.end)
    return shown


def _after(text: str) -> Text:
    shown = Text(text[:_SHOWN])
    for match in _PSEUDONYM.finditer(text[:_SHOWN]):
        shown.stylize(COLOURS.get(_KINDS.get(match["kind"], ""), "bold"), *match.span())
    return shown


def revocations(console: Console, tokens: Sequence[Claims]) -> None:
    """The Security Event Tokens, a line each."""
    table = Table("event", "tenant", "contact", "txn", title="portal.access.revocations", box=None)
    for claims in tokens:
        contact = getattr(claims.subject, "contact_id", "(everyone)")
        table.add_row(str(claims.event).rpartition("/")[2], claims.subject.tenant, contact, claims.txn[:12])
    console.print(table)


def quarantine(console: Console, sealed: Sequence[Read]) -> None:
    """Why records are in quarantine, and how many."""
    table = Table("reason", "stage", "records", title="quarantine", box=None)
    counted = Counter((entry.reason, entry.stage) for entry in (read_entry(read.headers) for read in sealed))
    for (reason, stage), count in sorted(counted.items()):
        table.add_row(reason, stage, str(count))
    console.print(table)


def checks(console: Console, found: Sequence[proof.Check]) -> None:
    """What was proved."""
    for check in found:
        sign = Text("✓ ", style="bold green") if check.holds else Text("✗ ", style="bold red")
        console.print(sign + Text(check.name) + Text(f"  ({check.figures})", style="dim"))
