"""`rmm-scrub rules publish|promote|rollback|history|shadow`: rule sets on their way into running workers."""

import os
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from cryptography.exceptions import InvalidTag
from rich.table import Table

from schemas.errors import UserError
from scrubbers.published import PublishedRuleSet
from scrubbers.records import Record
from streams import corpora
from streams import rollout as rolling
from streams.audit import Action, AuditLog, Event
from streams.cli import console, recording, token
from streams.config import Settings, load
from streams.deployment import Deployment, Place, Stage
from streams.gate import Corpus
from streams.keys import open_keyring
from streams.notices import told, unsealed_sample
from streams.rollout import Author, NotPublished, Outcome, Rollout
from streams.rule_topic import read_rules

Json = Annotated[bool, typer.Option("--json", help="For machines.")]
KeyringFile = Annotated[Path | None, typer.Option("--keyring", help="Default: RMM_SCRUB_KEYRING.")]
Reason = Annotated[str, typer.Option(help="Why: it stands in the history and on the audit log.")]
AuthorName = Annotated[str | None, typer.Option("--author", help="Default: the token's employee, or you.")]
Force = Annotated[bool, typer.Option("--force", help="Though checks fail; what failed is recorded.")]
_WIDTH = 160  # of a table, also in a pipe
_FAILED = 1


def add_to(app: typer.Typer) -> None:
    """Add these verbs to the `rules` group."""
    app.command(epilog="Example: rmm-scrub rules publish --rules my-rules/ --reason 'asset tags' --shadow")(publish)
    app.command(epilog="Example: rmm-scrub rules promote --canary acme --reason 'shadow adds asset tags only'")(promote)
    app.command(epilog="Example: rmm-scrub rules rollback --reason 'shreds uptime messages'")(rollback)
    app.command(epilog="Example: rmm-scrub rules history --json")(history)
    app.command(epilog="Example: rmm-scrub rules shadow --samples 5")(shadow)


def publish(
    rule_file: Annotated[Path, typer.Option("--rules", help="A file or folder.")],
    reason: Reason,
    author: AuthorName = None,
    in_shadow: Annotated[bool, typer.Option("--shadow", help="Only compare it on live traffic.")] = False,
    canary: Annotated[list[str] | None, typer.Option(help="Live for this tenant only; repeatable.")] = None,
    corpus: Annotated[
        list[Path] | None, typer.Option(help="On which recall must not drop; default: RMM_SCRUB_CORPUS.")
    ] = None,
    force: Force = False,
    keyring: KeyringFile = None,
    as_json: Json = False,
) -> None:
    """Publish a rule set: workers take it within five seconds.

    Refused if a check fails: schema, expressions, its examples, recall by type on the corpus.
    """
    if in_shadow and canary:
        raise typer.BadParameter("a rule set goes into shadow or to a canary, not both")
    stage = Stage.SHADOW if in_shadow else Stage.CANARY if canary else Stage.ACTIVE
    candidate, labelled = rolling.candidate(rule_file), _labelled(corpus)
    rollout = _rollout(author, keyring)
    try:
        outcome = rollout.publish(candidate, Place(stage, tuple(canary or ())), reason, labelled, force=force)
    except NotPublished as refused:
        _refused(refused, as_json=as_json)
    _tell(outcome, as_json=as_json)


def promote(
    reason: Reason,
    canary: Annotated[list[str] | None, typer.Option(help="Live for this tenant; repeatable.")] = None,
    active: Annotated[bool, typer.Option("--active", help="From shadow to everybody, without a canary.")] = False,
    author: AuthorName = None,
    force: Force = False,
    keyring: KeyringFile = None,
    as_json: Json = False,
) -> None:
    """Take the candidate one stage on: from shadow to canary (--canary TENANT), from canary to everybody."""
    if active and canary:
        raise typer.BadParameter("a candidate goes to everybody or to a canary, not both")
    rollout = _rollout(author, keyring)
    try:
        outcome = rollout.promote(canary or [], reason, active=active, force=force)
    except NotPublished as refused:
        _refused(refused, as_json=as_json)
    _tell(outcome, as_json=as_json)


def rollback(
    reason: Reason,
    rule_set: Annotated[str | None, typer.Argument(metavar="[VERSION|DIGEST]", help="Make this one active.")] = None,
    author: AuthorName = None,
    keyring: KeyringFile = None,
    as_json: Json = False,
) -> None:
    """Undo the last change: the candidate goes, or if there is none the set that was active before comes back.

    Said twice it goes back once; to go further name a version.
    """
    _tell(_rollout(author, keyring).rollback(reason, rule_set), as_json=as_json)


def history(as_json: Json = False) -> None:
    """List every change: who, when, why, into which stage, what was forced, and which workers refused it."""
    settings = load()
    table = read_rules(settings)
    deployment = table.deployment
    refused = [msgspec.to_builtins(each) for each in rolling.refusals(settings)]
    steps = [msgspec.to_builtins(each) for each in deployment.steps] if deployment is not None else []
    for step in steps:
        step["refused_by"] = [each for each in refused if each["digest"] == step["digest"]]
    if as_json:
        now = {**_state(deployment), "on_topic": [_published(each) for each in table.published()], "steps": steps}
        console.print_json(now)
        return
    if deployment is None:
        console.out.print("nothing is published: workers use the rule set they were started with")
        return
    shown = Table("revision", "time", "change", "stage", "version", "digest", "who", "why", box=None)
    for step in steps:
        stage = " ".join([step["stage"], *step["tenants"]])
        row = (step["time"][:19], step["change"], stage, step["version"] or "workers' own", step["digest"][:12])
        shown.add_row(str(step["revision"]), *row, step["author"], step["reason"])
    console.out.print(shown, width=_WIDTH)
    for step in steps:
        for problem in step["forced"]:
            console.out.print(f"revision {step['revision']} forced though: {problem}", markup=False)
        for each in step["refused_by"]:
            where = f": {each['where']}" if each["where"] else ""
            told = f"revision {step['revision']} refused by worker {each['worker']}: {each['why']}{where}"
            console.out.print(told, markup=False)


def shadow(
    samples: Annotated[int, typer.Option(min=0, help="Open so many sealed samples; needs the keyring.")] = 0,
    keyring: KeyringFile = None,
    as_json: Json = False,
) -> None:
    """Show what the candidate in shadow finds otherwise than the active rule set, on live traffic."""
    settings = load()
    deployment = read_rules(settings).deployment
    if deployment is None or not deployment.shadow:
        raise UserError("no rule set is in shadow", "rmm-scrub rules publish --rules F --reason R --shadow")
    told = msgspec.to_builtins(rolling.shadow_summary(settings, deployment.shadow))
    opened = _opened(settings, deployment.shadow, samples, keyring) if samples else []
    if as_json:
        console.print_json({**told, "samples": opened} if samples else told)
        return
    console.out.print(f"{told['compared']} events compared, {told['skipped']} skipped, {told['failed']} failed")
    shown = Table("difference", "type", "rule", "findings", box=None)
    for each in told["differences"]:
        shown.add_row(each["kind"], each["type"], each["rule"], str(each["count"]))
    console.out.print(shown, width=_WIDTH)
    for each in opened:
        console.print_json(each)


def _rollout(author: str | None, keyring: Path | None) -> Rollout:
    settings = load()
    who = _author(settings, author)
    return Rollout(settings, AuditLog(settings, open_keyring(settings, keyring).audit_key()), who)


def _author(settings: Settings, given: str | None) -> Author:
    """Who acts: the employee whom the token proves if there is one, else the account on this machine."""
    who = recording.actor(settings)
    if token.VARIABLE in os.environ and given not in (None, who):
        raise UserError(f"the token is another's than --author says: {who}")
    if given is not None and not (given.isprintable() and 0 < len(given) <= 128):
        raise UserError("an author is named in 1 to 128 characters")
    return Author(who, given or who)


def _labelled(given: list[Path] | None) -> Corpus:
    """The team's corpus; that there is none is said, for then nobody hears of lost recall."""
    own = load().corpus
    if not given and not own:
        console.err.print("no corpus is given or set (RMM_SCRUB_CORPUS): recall is not checked")
    return corpora.read(given or ([Path(own)] if own else []))


def _refused(refused: NotPublished, *, as_json: bool) -> None:
    if as_json:
        console.print_json({"changed": False, "shortcomings": refused.shortcomings})
    for each in refused.shortcomings:
        console.error(each)
    console.error(str(refused), *refused.hints)
    raise typer.Exit(_FAILED)


def _tell(outcome: Outcome, *, as_json: bool) -> None:
    deployment = outcome.deployment
    if as_json:
        state = {"changed": outcome.changed, "forced": outcome.forced, **_state(deployment)}
        console.print_json(state)
        return
    last = deployment.steps[-1]
    what = f"{deployment.name}@{last.version}" if last.version else "the workers' own rule set"
    place = " ".join([last.stage, *last.tenants])
    said = f"revision {last.revision}: {what} is {place}"
    console.out.print(said if outcome.changed else f"nothing to do; {said}", markup=False)
    for each in outcome.forced:
        console.err.print(f"forced though: {each}", markup=False)


def _state(deployment: Deployment | None) -> dict[str, Any]:
    now = deployment or Deployment("")
    canary = msgspec.to_builtins(now.canary)
    return {
        "name": now.name,
        "revision": now.revision,
        "active": now.active,
        "shadow": now.shadow,
        "canary": canary,
    }


def _published(each: PublishedRuleSet) -> dict[str, Any]:
    names = ("version", "digest", "author", "reason", "time", "forced")
    return {name: getattr(each, name) for name in names}


def _opened(settings: Settings, digest: str, wanted: int, keyring: Path | None) -> list[dict[str, Any]]:
    """Samples in the clear; that they were opened is on the audit log before."""
    ring = open_keyring(settings, keyring)
    reads = rolling.shadow_samples(settings, digest)[:wanted]
    who = _author(settings, None)
    detail: dict[str, str | int | list[str]] = {"what": "shadow samples", "digest": digest, "opened": len(reads)}
    AuditLog(settings, ring.audit_key()).append(Event(who.actor, Action.QUARANTINE_SHOW, detail=detail))
    try:
        samples = [(read, unsealed_sample(read.value or b"", ring.quarantine_key())) for read in reads]
    except InvalidTag:
        raise UserError("the samples were sealed with another key", "is this the workers' keyring?") from None
    return [
        {
            "place": ":".join(told(read, name) for name in ("topic", "partition", "offset")),
            "value": _text(sample.record),
            "differences": [msgspec.to_builtins(each) for each in sample.differences],
        }
        for read, sample in samples
    ]


def _text(record: Record) -> str:
    return (record.value or b"").decode("utf-8", "replace")
