"""Reading contact changes: what comes out, and how the rest is refused."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import orjson
import pytest

from scrubbers.records import QuarantineReason
from streams.changes import ChangeInvalid, ChangeType, parse_change

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def document(kind: ChangeType, **data: Any) -> dict[str, Any]:
    full = {"tenant": "acme", "contact_id": "c-1", "effective": "2026-03-01T13:00:00+01:00"} | data
    return {"specversion": "1.0", "source": "/crm", "id": "e-1", "type": kind, "data": full}


class TestParse:
    def test_reads_a_change(self):
        """Times in UTC, whatever their offset."""
        found = parse_change(
            orjson.dumps(document(ChangeType.ROLE_CHANGED, new_role="viewer") | {"time": "2026-02-28T00:00:00Z"})
        )
        assert (found.tenant, found.contact_id, found.new_role) == ("acme", "c-1", "viewer")
        assert found.effective == NOON
        assert found.effective.utcoffset() == timedelta(0)
        assert found.time == datetime(2026, 2, 28, tzinfo=UTC)
        assert found.key == "acme|c-1"

    def test_contract_has_no_contact(self):
        """A contact id in a contract's end is not taken up: the change is the tenant's."""
        assert parse_change(orjson.dumps(document(ChangeType.CONTRACT_ENDED))).key == "acme|"

    @pytest.mark.parametrize(
        ("value", "reason", "pointer"),
        [
            (b"\xff{}", QuarantineReason.NOT_UTF8, ""),
            (b"{", QuarantineReason.MALFORMED_JSON, ""),
            (b"", QuarantineReason.MALFORMED_JSON, ""),
            (b"3", QuarantineReason.SCHEMA_VIOLATION, ""),
            (
                orjson.dumps(document(ChangeType.LEFT, contact_id="jo@b")),
                QuarantineReason.SCHEMA_VIOLATION,
                "/data/contact_id",
            ),
        ],
    )
    def test_refuses_with_reason_and_pointer(self, value, reason, pointer):
        """What quarantine and the sender need."""
        with pytest.raises(ChangeInvalid) as caught:
            parse_change(value)
        assert (caught.value.reason, caught.value.pointer) == (reason, pointer)
        assert "jo@b" not in repr(caught.value)

    def test_keeps_nothing_that_nobody_reads(self):
        """A leaving that carries a name does not hold it."""
        found = parse_change(orjson.dumps(document(ChangeType.LEFT, names={"full": "Jo Berg"}, email="jo@example.org")))
        assert b"Jo Berg" not in msgspec.json.encode(found)
        assert b"example.org" not in msgspec.json.encode(found)
