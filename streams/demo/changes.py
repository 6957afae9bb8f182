"""Contact changes of the demo, and the tokens each must give."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import orjson

CONTRACT_TENANT = "foxtrot"  # whose contract ends in the demo; it sends no telemetry
_DISABLED, _REVOKED = "account-disabled", "session-revoked"
_CLAIMS, _IDENTIFIER = "token-claims-change", "identifier-changed"


class Sent(msgspec.Struct, frozen=True):
    """A change to publish: the tokens it must give, as (event, contact), or the reason it is refused for."""

    key: bytes
    value: bytes
    tokens: tuple[tuple[str, str], ...] = ()
    reason: str | None = None


def changes(now: datetime) -> tuple[list[Sent], list[Sent]]:
    """Nineteen changes, then the end of a contract, which must find the contacts of the others."""
    early, at = now - timedelta(days=30), now - timedelta(hours=1)
    soon = now + timedelta(seconds=8)
    first = _update("acme", "c-1", at, 1, email="anna.jansen@acme-group.example")
    role = _role("borealis", "c-2", at, 6, "viewer", None)
    sent = [
        _sent(first, _IDENTIFIER),
        _sent(_role("acme", "c-1", at + timedelta(minutes=1), 2, "technician", "viewer"), _CLAIMS),
        _sent(_role("acme", "c-1", at + timedelta(minutes=2), 3, "viewer", "technician"), _CLAIMS, _REVOKED),
        _sent(_left("acme", "c-1", at + timedelta(minutes=3), 4), _DISABLED, _REVOKED),
        _sent(_role("acme", "c-1", at + timedelta(minutes=4), 5, "owner", "viewer")),  # has left: nothing
        _sent(role, _CLAIMS, _REVOKED),
        _sent(role),  # the same event again
        _sent(_role("borealis", "c-2", early, 8, "owner", "viewer")),  # older than what is applied
        _sent(_update("borealis", "c-3", at, 9, email="b.bakker@borealis.example"), _IDENTIFIER),
        _sent(_update("borealis", "c-3", at + timedelta(minutes=1), 10, phone="+31 20 555 0134"), _IDENTIFIER),
        _sent(_left("cobalt", "c-4", at, 11), _DISABLED, _REVOKED),
        _sent(_role("cobalt", "c-5", at, 12, "admin", "viewer"), _CLAIMS),
        _sent(_left("cobalt", "c-5", now + timedelta(days=400), 13)),  # held until then
        _sent(_left("cobalt", "c-6", soon, 14), _DISABLED, _REVOKED),  # held for some seconds
        _sent(_update(CONTRACT_TENANT, "f-1", at, 15, email="f1@foxtrot.example"), _IDENTIFIER),
        _sent(_update(CONTRACT_TENANT, "f-2", at, 16, email="f2@foxtrot.example"), _IDENTIFIER),
        _refused(_change("role-changed", "acme", "c-7", at, 17), "schema_violation"),
        Sent(b"acme|c-8", b'{"specversion":"1.0","type":', reason="malformed_json"),
        _refused(_left("nobody", "c-9", at, 19), "unknown_tenant"),
    ]
    end = _change("contract.ended", CONTRACT_TENANT, "", at, 20)
    tokens = ((_REVOKED, ""), (_DISABLED, "f-1"), (_DISABLED, "f-2"))
    return sent, [Sent(f"{CONTRACT_TENANT}|".encode(), orjson.dumps(end), tokens)]


def _sent(change: dict[str, Any], *events: str) -> Sent:
    data = change["data"]
    key = f"{data['tenant']}|{data['contact_id']}".encode()
    return Sent(key, orjson.dumps(change), tuple((event, data["contact_id"]) for event in events))


def _refused(change: dict[str, Any], reason: str) -> Sent:
    return msgspec.structs.replace(_sent(change), reason=reason)


def _left(tenant: str, contact: str, at: datetime, number: int) -> dict[str, Any]:
    return _change("left", tenant, contact, at, number)


def _role(tenant: str, contact: str, at: datetime, number: int, new: str, previous: str | None) -> dict[str, Any]:
    change = _change("role-changed", tenant, contact, at, number)
    change["data"] |= {"previous_role": previous, "new_role": new}
    return change


def _update(tenant: str, contact: str, at: datetime, number: int, **values: str) -> dict[str, Any]:
    change = _change("updated", tenant, contact, at, number)
    change["data"] |= values
    return change


def _change(kind: str, tenant: str, contact: str, at: datetime, number: int) -> dict[str, Any]:
    prefix = "" if kind == "contract.ended" else "contact."
    data = {"tenant": tenant, "effective": at.astimezone(UTC).isoformat().replace("+00:00", "Z")}
    if contact:
        data["contact_id"] = contact
    return {
        "specversion": "1.0",
        "id": f"chg-{number}",
        "source": "/crm/demo",
        "type": f"rmm.{prefix}{kind}",
        "time": at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "data": data,
    }
