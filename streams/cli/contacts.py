"""`contacts explain`: what a contact change would do. `contacts verify-set`: is this token right?"""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import msgspec
import orjson
import typer
from rich.table import Table

from schemas.errors import UserError
from streams import erasure
from streams import policy as policies
from streams.audit import Action
from streams.changes import Change, ChangeType, parse_change
from streams.cli import console
from streams.cli.push import push
from streams.cli.recording import record
from streams.config import load
from streams.contact_table import ContactTable
from streams.keys import open_keyring
from streams.lifecycle import Lifecycle
from streams.policy import Policy
from streams.revocations import Revocation, is_opaque, jwks
from streams.rows import ContractRow, ContractStatus
from streams.states import ContactState, ContractState, Outcome, Phase, State, Verdict
from streams.tables import Rows
from streams.verification import Claims, WholeTenant, verify

app = typer.Typer(name="contacts", help="Contact changes and the revocations they cause.", no_args_is_help=True)
app.command(epilog="Example: rmm-scrub contacts push --to https://portal.example.com/events")(push)

_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")


@app.command(epilog="Example: rmm-scrub contacts explain left.json --state contacts.json")
def explain(
    change: Annotated[Path, typer.Argument(metavar="CHANGE.json", help="A contact change, a CloudEvent in JSON.")],
    state: Annotated[
        Path | None,
        typer.Option(help="What is held of the contact, or a list with all of its tenant. None: nothing is known."),
    ] = None,
    policy: Annotated[Path | None, typer.Option(help="A contact policy; the shipped one by default.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Show what a contact change would emit and why. Nothing is emitted."""
    document = parse_change(_read(change))
    explained = _explained(document, _states(state, document), policies.load(policy), datetime.now(UTC))
    if as_json:
        console.print_json(explained)
        return
    _show(explained)


@app.command(
    "verify-set",
    epilog="Example: rmm-scrub contacts verify-set token.jws --jwks jwks.json -a AUDIENCE -i ISSUER",
)
def verify_set(
    token: Annotated[str, typer.Argument(metavar="TOKEN|FILE", help="A compact JWS, or a file that holds one.")],
    jwks: Annotated[Path, typer.Option(help="The issuer's JWK Set, a file.")],
    audience: Annotated[str, typer.Option("--audience", "-a", help="The expected `aud`.")],
    issuer: Annotated[str, typer.Option("--issuer", "-i", help="The expected `iss`.")],
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Check a Security Event Token: signature, claims, subject, event. Exit 1 if it is refused."""
    text = token if _COMPACT.fullmatch(token) else _read(Path(token)).strip()
    claims = verify(text, _key_set(jwks), audience, issuer)
    if as_json:
        console.print_json({"valid": True, "claims": msgspec.to_builtins(claims)})
        return
    issued = datetime.fromtimestamp(claims.iat, UTC)
    console.out.print(f"valid: {_short(claims.event)} for {_whom(claims)}", markup=False)
    for line in (f"jti {claims.jti}", f"txn {claims.txn}", f"iat {issued:%Y-%m-%dT%H:%M:%SZ}"):
        console.out.print(f"  {line}", markup=False)


@app.command("jwks", epilog="Example: rmm-scrub contacts jwks > jwks.json")
def key_set(
    keyring: Annotated[Path | None, typer.Option("--keyring", help="Default: RMM_SCRUB_KEYRING.")] = None,
) -> None:
    """Print the key set that verifies revocations; a worker serves it at /.well-known/jwks.json."""
    console.print_json(jwks(open_keyring(load(), keyring).signing_keys()))


@app.command("erasure-report", epilog="Example: rmm-scrub contacts erasure-report acme c-4711")
def erasure_report(
    tenant: Annotated[str, typer.Argument(help="Whose contact.")],
    contact_id: Annotated[str, typer.Argument(help="The contact's id.")],
    keyring: Annotated[Path | None, typer.Option("--keyring", help="Default: RMM_SCRUB_KEYRING.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Show what was held of a contact and when it went, without the data. Exit 1 if it has not gone."""
    settings = load()
    found = erasure.report(settings, tenant, contact_id)
    record(settings, open_keyring(settings, keyring), Action.ERASURE_REPORT, tenant, {"contact": contact_id})
    if as_json:
        console.print_json(msgspec.to_builtins(found))
    else:
        _show_erasure(found)
    if not found.erased:
        raise typer.Exit(1)


def _show_erasure(found: erasure.Report) -> None:
    standing = f"left on {found.effective}, erased here at {found.erased_at}" if found.erased else "not erased"
    console.out.print(f"{found.contact_id} of {found.tenant}: {standing} ({found.evidence})", markup=False)
    table = Table("topic", "held", "older records", "gone by", box=None)
    for each in found.places:
        table.add_row(each.topic, each.held, str(each.records), each.gone_by)
    console.out.print(table)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as problem:
        raise UserError(f"{path}: {problem.strerror}") from None


def _states(path: Path | None, change: Change) -> list[State]:
    """What is held of the change's tenant, from a file with one state or a list of them."""
    if path is None:
        return []
    try:
        found = orjson.loads(_read(path))
        states = [_state(each) for each in (found if isinstance(found, list) else [found])]
    except (orjson.JSONDecodeError, msgspec.ValidationError):  # whose text may quote the file
        raise UserError(f"{path}: a contact state or a list of them is expected, as JSON") from None
    if not all(is_opaque(each.tenant) for each in states) or not all(
        is_opaque(each.contact_id) for each in states if isinstance(each, ContactState)
    ):
        raise UserError(f"{path}: tenant and contact_id are expected to be opaque ids")
    return [each for each in states if each.tenant == change.tenant]


def _state(document: Any) -> State:
    """A contact's state, or without a contact id the contract's."""
    if isinstance(document, dict) and document.get("contact_id"):
        return msgspec.convert(document, ContactState)
    return msgspec.convert(document, ContractState)


def _key_set(path: Path) -> dict[str, Any]:
    try:
        keys = orjson.loads(_read(path))
    except orjson.JSONDecodeError:
        raise UserError(f"{path}: not valid JSON") from None
    if not isinstance(keys, dict) or not isinstance(keys.get("keys"), list):
        raise UserError(f"{path}: a JWK Set is expected: an object with a list of keys")
    return keys


def _explained(change: Change, states: list[State], policy: Policy, now: datetime) -> dict[str, Any]:
    """The decision now; for a change that is held, what it does when its time comes as well."""
    outcome = _outcome(change, states, policy, now)
    explained: dict[str, Any] = {"change": change.type, **_told(outcome), **_from_policy(change, outcome, policy)}
    if outcome.held:
        then = _outcome(change, states, policy, change.effective)
        told = {"at": _text(change.effective), **_told(then), **_from_policy(change, then, policy)}
        explained["then"] = told
    if change.type is ChangeType.CONTRACT_ENDED and outcome.verdict in (Verdict.APPLIED, Verdict.HELD):
        explained["grace_days"] = policy.grace(change.tenant) / timedelta(days=1)
    return explained


def _outcome(change: Change, states: list[State], policy: Policy, now: datetime) -> Outcome:
    """As the contact lane decides it, with the contracts table saying what the contract's state says."""
    held, rows = ContactTable(), Rows(ContractRow)
    for each in states:
        held.apply(each.key.encode(), msgspec.json.encode(each))
    contract = held.contract(change.tenant)
    active = contract is None or contract.phase is Phase.ACTIVE
    row = ContractRow(change.tenant, ContractStatus.ACTIVE if active else ContractStatus.ENDED)
    rows.apply(change.tenant.encode(), msgspec.json.encode(row))
    return Lifecycle(held, rows, policy, lambda _: True, now).apply(change)


def _told(outcome: Outcome) -> dict[str, Any]:
    return {
        "verdict": outcome.verdict,
        "why": outcome.note,
        "revocations": [_revocation(each) for each in outcome.revocations],
    }


def _from_policy(change: Change, outcome: Outcome, policy: Policy) -> dict[str, Any]:
    """For a change of role: where its rights stand in the policy, and which rule counted."""
    if change.new_role is None or outcome.verdict is not Verdict.APPLIED:
        return {}
    rule = None
    if outcome.rule is not None:
        rule = {"pointer": outcome.rule.pointer, **msgspec.to_builtins(outcome.rule.rule)}
    return {"rights_from": policy.grant(change.tenant, change.new_role), "rule": rule}


def _text(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _revocation(revocation: Revocation) -> dict[str, Any]:
    subject = {"tenant": revocation.subject.tenant}
    if revocation.contact_id:
        subject["contact_id"] = revocation.contact_id
    return {
        "event": revocation.event,
        "subject": subject,
        "jti": revocation.jti,
        "txn": revocation.txn,
        "members": revocation.body,
    }


def _show(explained: dict[str, Any]) -> None:
    console.out.print(f"{explained['change']}: {explained['verdict']}, {explained['why']}", markup=False)
    told = explained
    if (then := explained.get("then")) is not None:
        console.out.print(f"at {then['at']}: {then['verdict']}, {then['why']}", markup=False)
        told = then
    if "rule" in told:
        console.out.print(f"  rights: {told['rights_from'] or 'none, the policy does not name the role'}", markup=False)
        console.out.print(f"  rule: {_rule(told['rule'])}", markup=False)
    if (days := explained.get("grace_days")) is not None:
        console.out.print(
            f"  {days:g} days later contacts are erased and keys shredded, unless it is resumed", markup=False
        )
    for number, each in enumerate(told["revocations"], 1):
        whom = each["subject"].get("contact_id", "everyone")
        console.out.print(
            f"  {number}. {_short(each['event'])} for {whom} of {each['subject']['tenant']}", markup=False
        )
        for line in _details(each["members"]):
            console.out.print(f"     {line}", markup=False)
    if not told["revocations"]:
        console.out.print("  no revocation")


def _rule(rule: dict[str, str] | None) -> str:
    if rule is None:
        return "none speaks of this change of role: rights alone decide"
    return f"{rule['pointer']}: from {rule['from']} to {rule['to']} then {rule['then']}"


def _details(members: dict[str, Any]) -> list[str]:
    lines = []
    if claims := members.get("claims"):
        lines.append(f"rights from now on: {', '.join(claims['rights']) or 'none'}")
    if reason := members.get("reason_admin"):
        lines.append(f"reason: {reason['en']}")
    if changed := members.get("changed"):
        lines.append(f"changed: {', '.join(changed)}")
    return lines


def _short(uri: str) -> str:
    """`CAEP session-revoked` for its URI."""
    *_, family, _, name = uri.split("/")
    return f"{family.upper()} {name}"


def _whom(claims: Claims) -> str:
    if isinstance(claims.subject, WholeTenant):
        return f"everyone of {claims.subject.tenant}"
    return f"{claims.subject.contact_id} of {claims.subject.tenant}"
