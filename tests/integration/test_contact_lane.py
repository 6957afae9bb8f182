"""The contact lane on a real broker; PyJWT, which did not sign the tokens, verifies them."""

import time
from datetime import UTC, datetime, timedelta

import jwt
import orjson
import pytest

from streams.publisher import Message
from streams.quarantine import read_entry
from streams.revocations import jwks
from tests.conftest import Pipeline, header

pytestmark = pytest.mark.integration

NOW = datetime.now(UTC)


def change(
    kind: str, contact: str, number: int, *, tenant: str = "acme", at: datetime = NOW, **data: object
) -> Message:
    """A contact change as a CRM sends it."""
    body = {"tenant": tenant, "effective": at.isoformat(), **({"contact_id": contact} if contact else {}), **data}
    event = {"specversion": "1.0", "id": f"e-{number}", "source": "/crm", "type": f"rmm.{kind}", "data": body}
    return Message(orjson.dumps(event), f"{tenant}|{contact}".encode())


def claims(pipeline: Pipeline) -> list[tuple[str, str, dict]]:
    """(key, event, claims) of each token, verified by PyJWT; in the order of their contact."""
    [key] = jwks(pipeline.keyring.signing_keys())["keys"]
    public = jwt.PyJWK(key).key
    found = []
    for read in pipeline.read("revocations"):
        assert jwt.get_unverified_header(read.value)["typ"] == "secevent+jwt"
        token = jwt.decode(read.value, public, algorithms=["RS256"], audience=pipeline.settings.portal_audience)
        assert header(read, "ce_id") == token["jti"]
        assert header(read, "content-type") == "application/secevent+jwt"
        [event] = token["events"]
        found.append((read.key.decode(), event.rpartition("/")[2], token))
    return found


def test_each_change_gives_its_tokens_in_order(pipeline: Pipeline) -> None:
    """Left, role changed, updated: the events of the contract, per contact in order, sharing a txn."""
    pipeline.tenants("acme")
    with pipeline.workers(2):
        pipeline.send(
            "contact_changes",
            [
                change("contact.updated", "c1", 1, email="a@b.example"),
                change(
                    "contact.role-changed",
                    "c1",
                    2,
                    at=NOW + timedelta(milliseconds=1),
                    previous_role="technician",
                    new_role="viewer",
                ),
                change("contact.left", "c2", 3),
            ],
        )
        pipeline.until(pipeline.drained)

    found = claims(pipeline)
    assert [event for key, event, _ in found if key == "acme|c1"] == [
        "identifier-changed",
        "token-claims-change",
        "session-revoked",
    ]
    left = [(event, token) for key, event, token in found if key == "acme|c2"]
    assert [event for event, _ in left] == ["account-disabled", "session-revoked"]
    assert len({token["txn"] for _, token in left}) == 1
    assert "a@b.example" not in str(found)


def test_a_repeated_or_stale_change_gives_nothing(pipeline: Pipeline) -> None:
    """The same event twice, and an older role change, across two batches."""
    pipeline.tenants("acme")
    left = change("contact.left", "c1", 1)
    old = change("contact.role-changed", "c1", 2, at=NOW - timedelta(days=1), new_role="owner")
    with pipeline.workers():
        pipeline.send("contact_changes", [left])
        pipeline.until(pipeline.drained)
        pipeline.send("contact_changes", [left, old])
        pipeline.until(pipeline.drained)

    assert [event for _, event, _ in claims(pipeline)] == ["account-disabled", "session-revoked"]


def test_a_future_change_is_held_over_a_restart_and_then_takes_effect_once(pipeline: Pipeline) -> None:
    """Held by one worker, released by the next."""
    pipeline.tenants("acme")
    with pipeline.workers():
        pipeline.send("contact_changes", [change("contact.left", "c1", 1, at=datetime.now(UTC) + timedelta(seconds=8))])
        pipeline.until(pipeline.drained)
        assert pipeline.read("revocations") == []
    with pipeline.workers():
        pipeline.until(lambda: len(pipeline.read("revocations")) == 2, 40)

    assert [event for _, event, _ in claims(pipeline)] == ["account-disabled", "session-revoked"]


def test_a_contracts_end_revokes_everyone_and_stops_telemetry(pipeline: Pipeline) -> None:
    """One token for the tenant, one for each known contact; telemetry is quarantined from then on."""
    pipeline.tenants("acme")
    with pipeline.workers():
        pipeline.send(
            "contact_changes", [change("contact.updated", name, n, phone="1") for n, name in enumerate(("c1", "c2"))]
        )
        pipeline.until(pipeline.drained)
        pipeline.send("contact_changes", [change("contract.ended", "", 9, at=NOW + timedelta(milliseconds=5))])
        pipeline.until(pipeline.drained)
        pipeline.send("raw", [Message(b'{"hostname":"x-1"}', None, [("tenant", b"acme")])])
        pipeline.until(pipeline.drained)

    found = [(key, event) for key, event, _ in claims(pipeline) if event != "identifier-changed"]
    assert sorted(found) == [
        ("acme|", "session-revoked"),
        ("acme|c1", "account-disabled"),
        ("acme|c2", "account-disabled"),
    ]
    assert [read_entry(read.headers).reason for read in pipeline.read("quarantine")] == ["contract_ended"]


def test_a_change_is_taken_up_by_its_contacts_worker_whichever_partition_it_came_to(pipeline: Pipeline) -> None:
    """Sent without a key to two workers, some to be held: each leaving is told once."""
    pipeline.tenants("acme")
    names = [f"c{number}" for number in range(16)]
    soon = datetime.now(UTC) + timedelta(seconds=25)
    sent = [change("contact.left", name, n, at=soon if n % 2 else NOW) for n, name in enumerate(names)]
    with pipeline.workers(2):
        pipeline.send("contact_changes", [Message(each.value, None) for each in sent])
        # Not by lag: what was sent on has a transaction's marker behind it.
        pipeline.until(lambda: len(pipeline.read("revocations")) >= 32, 60)
        time.sleep(2.0)

    told = [(key, event) for key, event, _ in claims(pipeline)]
    assert sorted(told) == sorted(
        (f"acme|{name}", event) for name in names for event in ("account-disabled", "session-revoked")
    )
    moved = {read.partition for read in pipeline.read("contact_changes") if read.key is None}
    assert len(moved) > 1


def test_the_key_set_is_served_and_a_new_key_joins_it_before_it_signs(pipeline: Pipeline) -> None:
    """Under /.well-known/jwks.json; the old key stays and verifies what it signed."""
    pipeline.tenants("acme")
    url = f"http://127.0.0.1:{pipeline.settings.web_port}/.well-known/jwks.json"
    with pipeline.workers():
        first = jwt.PyJWKClient(url, cache_jwk_set=False)
        old = {key.key_id for key in first.get_signing_keys()}
        new = pipeline.keyring.rotate_signing()
        pipeline.until(lambda: {key.key_id for key in first.get_signing_keys()} == {*old, new})
        pipeline.send("contact_changes", [change("contact.left", "c1", 1)])
        pipeline.until(lambda: len(pipeline.read("revocations")) == 2)
        for read in pipeline.read("revocations"):
            key = first.get_signing_key_from_jwt(read.value.decode())
            assert key.key_id in old
            jwt.decode(read.value, key.key, algorithms=["RS256"], audience=pipeline.settings.portal_audience)


def test_an_invalid_change_is_quarantined_with_a_pointer_in_the_log_and_no_value(pipeline: Pipeline) -> None:
    """What is wrong is named by JSON Pointer; what it says stays sealed."""
    pipeline.tenants("acme")
    with pipeline.workers():
        bad = change("contact.role-changed", "c1", 1, new_role="Mrs. Secret <secret@x.example>")
        pipeline.send("contact_changes", [bad, change("contact.left", "c2", 2)])
        pipeline.until(pipeline.drained)

    [sealed] = pipeline.read("quarantine")
    assert read_entry(sealed.headers).reason == "schema_violation"
    assert "/data/new_role" in pipeline.log.read_text()
    assert "ecret" not in pipeline.log.read_text()
    assert len(claims(pipeline)) == 2
