"""The contracts: documents are well-formed, and say where a document breaks them without its values."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import schemas
from schemas import Violation
from scrubbers.entities import EntityType
from scrubbers.records import QuarantineReason
from streams.config import Topics

ASYNCAPI = yaml.safe_load((schemas.FOLDER / "asyncapi.yaml").read_text(encoding="utf-8"))


def change(**data: Any) -> dict[str, Any]:
    """A valid change of role, with members of `data` changed; `...` takes one away."""
    full = {
        "tenant": "acme",
        "contact_id": "c-1",
        "effective": "2026-01-01T00:00:00Z",
        "previous_role": "viewer",
        "new_role": "admin",
    } | data
    return {
        "specversion": "1.0",
        "id": "e-1",
        "source": "/crm",
        "type": "rmm.contact.role-changed",
        "time": "2026-01-01T00:00:00Z",
        "data": {name: value for name, value in full.items() if value is not ...},
    }


def updated(**data: Any) -> dict[str, Any]:
    return change(**data) | {"type": "rmm.contact.updated"}


class TestSchemas:
    @pytest.mark.parametrize("name", schemas.names())
    def test_is_a_2020_12_schema(self, name):
        """Each document is valid JSON Schema and bears its own name."""
        schema = orjson.loads((schemas.FOLDER / f"{name}.schema.json").read_bytes())

        schemas.validator(name).check_schema(schema)

        assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
        assert schema["$id"] == f"urn:rmm-scrub:schema:{name}"

    def test_validators_are_kept(self):
        """A schema is read once."""
        assert schemas.validator("contract") is schemas.validator("contract")

    def test_unknown_schema_is_an_error(self):
        """A name without a schema does not validate anything silently."""
        with pytest.raises(FileNotFoundError):
            schemas.validator("no-such")

    def test_quarantine_reasons_are_those_of_the_code(self):
        """The headers' enumeration and the enum are one list."""
        properties = schemas.validator("quarantine-headers").schema["properties"]
        assert properties["__rmm-scrub.errors.reason"]["enum"] == list(QuarantineReason)

    def test_entity_types_are_those_of_the_code(self):
        """The known-entity schema and the vocabulary are one list."""
        assert schemas.validator("known-entity").schema["properties"]["type"]["enum"] == list(EntityType)


class TestContactChange:
    @pytest.mark.parametrize(
        "document",
        [
            change(),
            change(previous_role=None),
            change(previous_role=...),
            change(shoe_size=44),
            change() | {"type": "rmm.contact.left"},
            change(contact_id=...) | {"type": "rmm.contract.ended"},
            change(contact_id=..., contacts=0) | {"type": "rmm.contract.ended"},
            change(contact_id=...) | {"type": "rmm.contract.resumed"},
            change(source="/crm", id="e-0") | {"type": "rmm.contact.change-withdrawn"},
            change(source="/crm", id="e-0", contact_id=..., effective=...) | {"type": "rmm.contact.change-withdrawn"},
            updated(email="jo@example.org"),
            updated(phone=None),
            updated(names={"given": "Jo", "particle": "van der", "family": "Berg"}),
            change() | {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
        ],
    )
    def test_keeps_to_the_schema(self, document):
        """What senders may send."""
        assert schemas.check("contact-change", document) == []

    @pytest.mark.parametrize(
        ("document", "pointer"),
        [
            (change(tenant=...), "/data/tenant"),
            (change(tenant="acme|x"), "/data/tenant"),
            (change(tenant="acme\n"), "/data/tenant"),
            (change(tenant=7), "/data/tenant"),
            (change(contact_id=...), "/data/contact_id"),
            (change(contact_id="jo@example.org"), "/data/contact_id"),
            (change(contact_id=""), "/data/contact_id"),
            (change(contact_id="c" * 129), "/data/contact_id"),
            (change(effective=...), "/data/effective"),
            (change(effective="2026-01-01"), "/data/effective"),
            (change(effective="2026-01-01T00:00:00"), "/data/effective"),
            (change(effective="2026-02-30T00:00:00Z"), "/data/effective"),
            (change(effective="0001-01-01T00:00:00+23:59"), "/data/effective"),
            (change(effective=1767225600), "/data/effective"),
            (change(new_role=...), "/data/new_role"),
            (change(new_role="the boss"), "/data/new_role"),
            (change(previous_role=3), "/data/previous_role"),
            (change(contact_id=...) | {"type": "rmm.contact.left"}, "/data/contact_id"),
            (updated(), "/data"),
            (updated(email="jo"), "/data/email"),
            (updated(phone="none"), "/data/phone"),
            (updated(names="Jo Berg"), "/data/names"),
            (updated(names={"family": ""}), "/data/names/family"),
            (updated(email="jo@example.org", previous_email=1), "/data/previous_email"),
            (change(effective=...) | {"type": "rmm.contract.resumed"}, "/data/effective"),
            (change(contacts="many") | {"type": "rmm.contract.ended"}, "/data/contacts"),
            (change(source="/crm") | {"type": "rmm.contact.change-withdrawn"}, "/data/id"),
            (change(source="a b", id="e-0") | {"type": "rmm.contact.change-withdrawn"}, "/data/source"),
            (change() | {"type": "rmm.contact.joined"}, "/type"),
            (change() | {"specversion": "0.3"}, "/specversion"),
            (change() | {"id": ""}, "/id"),
            (change() | {"source": "a b"}, "/source"),
            (change() | {"time": "yesterday"}, "/time"),
            (change() | {"datacontenttype": "text/xml"}, "/datacontenttype"),
            (change() | {"data": []}, "/data"),
            ([], ""),
        ],
    )
    def test_says_where_it_is_broken(self, document, pointer):
        """One kind of violation each, found at its own JSON Pointer and nowhere else."""
        assert {each.pointer for each in schemas.check("contact-change", document)} == {pointer}

    def test_every_missing_attribute_is_named(self):
        """An empty object misses all that is required."""
        found = schemas.check("contact-change", {})
        assert [each.pointer for each in found] == ["/data", "/id", "/source", "/specversion", "/type"]
        assert {each.message for each in found} == {"is required"}

    @given(
        member=st.sampled_from(["tenant", "contact_id", "effective", "new_role", "previous_role"]),
        value=st.recursive(
            st.none() | st.integers() | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
            max_leaves=5,
        ),
    )
    def test_no_violation_holds_a_value(self, member, value):
        """Property: whatever stands in a member's place, nothing of it is in a violation."""
        marked = {"secret-7f": value} if isinstance(value, dict) else f"secret-7f {value!r}"
        found = schemas.check("contact-change", change(**{member: marked}))
        assert {each.pointer for each in found} == {f"/data/{member}"}
        assert "secret-7f" not in repr(found)

    @given(
        st.dictionaries(
            st.sampled_from(["names", "email", "phone", "secret-7f"]),
            st.dictionaries(st.sampled_from(["given", "secret-7f"]), st.integers() | st.just("x")),
        )
    )
    def test_no_pointer_holds_a_name_of_the_senders_choosing(self, data):
        """Property: members that the schema does not name never come up in a pointer."""
        found = schemas.check("contact-change", updated(**data))
        assert "secret-7f" not in repr(found)


class TestOthers:
    def test_ended_contract_needs_its_date(self):
        """Grace periods are counted from it."""
        assert schemas.check("contract", {"tenant": "acme", "status": "active"}) == []
        assert schemas.check("contract", {"tenant": "acme", "status": "ended"}) == [Violation("/ended", "is required")]

    def test_known_entity(self):
        """A row as the workers write it, and one of an unknown type."""
        row = {"tenant": "acme", "type": "COMPUTER_NAME", "value": "utica"}
        assert schemas.check("known-entity", row) == []
        assert [each.pointer for each in schemas.check("known-entity", row | {"type": "SHOE"})] == ["/type"]

    def test_unknown_policy_member_is_pointed_at(self):
        """A typing error in a policy is no silent default."""
        found = schemas.check("contact-policy", {"version": 1, "default": {"roles": {}}, "tenant": {}})
        assert found == [Violation("/tenant", "is not a known member")]


class TestInstant:
    @pytest.mark.parametrize(
        "text",
        [
            "2026-01-01T00:00:00Z",
            "2026-01-01t00:00:00z",
            "2026-01-01T02:00:00+02:00",
            "2025-12-31T19:00:00.000-05:00",
        ],
    )
    def test_is_the_same_moment_in_utc(self, text):
        """Offsets are spellings of one instant."""
        assert schemas.instant(text) == datetime(2026, 1, 1, tzinfo=UTC)

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "2026-01-01 00:00:00Z",
            "2026-01-01T00:00:60Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:00:00Z\n",
        ],
    )
    def test_refuses_other_forms(self, text):
        """ISO 8601 beyond RFC 3339, leap seconds, trailing bytes."""
        with pytest.raises(ValueError, match="RFC 3339"):
            schemas.instant(text)


class TestAsyncApi:
    def test_has_every_topic_of_the_settings(self):
        """The document and the defaults are one list of topics."""
        addresses = {channel["address"] for channel in ASYNCAPI["channels"].values()}
        defaults = Topics()
        assert addresses == {getattr(defaults, name) for name in Topics.__struct_fields__}

    def test_every_reference_leads_somewhere(self):
        """Local references into the document, others to a schema of this folder."""
        references = list(_references(ASYNCAPI))
        assert references
        assert [each for each in references if not _leads_somewhere(each)] == []

    def test_speaks_asyncapi_3_with_kafka_bindings_0_5(self):
        """Version numbers of the specifications."""
        assert ASYNCAPI["asyncapi"] == "3.0.0"
        assert {each["bindings"]["kafka"]["bindingVersion"] for each in ASYNCAPI["channels"].values()} == {"0.5.0"}

    def test_schema_files_travel_with_the_package(self):
        """They stand beside the loader."""
        assert Path(schemas.__file__).parent == schemas.FOLDER


def _references(node: Any) -> Any:
    if isinstance(node, dict):
        yield from ([node["$ref"]] if "$ref" in node else [])
        for value in node.values():
            yield from _references(value)
    if isinstance(node, list):
        for value in node:
            yield from _references(value)


def _leads_somewhere(reference: str) -> bool:
    if reference.startswith("./"):
        return (schemas.FOLDER / reference).is_file()
    node = ASYNCAPI
    for step in reference.removeprefix("#/").split("/"):
        node = node.get(step, {})
    return bool(node)
