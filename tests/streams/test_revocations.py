"""Security Event Tokens: what is signed, what cannot be built, what a reader refuses."""

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from streams.changes import Change, ChangeType
from streams.revocations import (
    ContactSubject,
    ContractEnd,
    EventType,
    Evidence,
    Initiator,
    Revocation,
    Signer,
    TenantSubject,
    account_disabled,
    account_enabled,
    account_purged,
    identifier_changed,
    jwks,
    rights_changed,
    session_revoked,
    tenant_sessions_revoked,
)
from streams.verification import WholeTenant, verify

ISSUER, AUDIENCE = "https://pipeline.example.com/", "https://portal.example.com/"
IAT = 1_767_225_600
VECTORS = Path(__file__).parents[2].parent / "shared" / "vectors"


def pem(key: Any) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def key(kid: str = "k1", bits: int = 2048) -> SimpleNamespace:
    return SimpleNamespace(kid=kid, private_pem=pem(rsa.generate_private_key(65537, bits)))


KEY, OTHER = key(), key("k2")
KEYS = jwks([OTHER, KEY])
SIGNER = Signer(KEY, ISSUER, AUDIENCE)


def change(kind: ChangeType = ChangeType.LEFT, contact_id: str = "c-1", event: str = "e-1") -> Change:
    return Change(kind, "/crm", event, "acme", contact_id, datetime(2026, 1, 1, tzinfo=UTC))


CONTACT = ContactSubject("acme", "c-1")
END = change(ChangeType.CONTRACT_ENDED, "", "k-1")
RESUMED = change(ChangeType.CONTRACT_RESUMED, "", "s-1")
EVIDENCE = Evidence("acme", 2)
EVERY = [
    account_disabled(change(), CONTACT),
    session_revoked(change(), CONTACT, Initiator.SYSTEM, "Left"),
    rights_changed(change(ChangeType.ROLE_CHANGED), CONTACT, ["viewer"], {"tickets:read", "devices:read"}),
    identifier_changed(change(ChangeType.UPDATED), CONTACT, ["email"]),
    tenant_sessions_revoked(ContractEnd(END, EVIDENCE), "Ended"),
    account_disabled(END, CONTACT),
    account_enabled(RESUMED, CONTACT),
    account_purged(END, CONTACT),
]


class TestTokens:
    @pytest.mark.parametrize("revocation", EVERY, ids=repr)
    def test_another_library_verifies_it(self, revocation):
        """PyJWT, by the published key set: header, signature, audience, issuer, claims."""
        token = SIGNER.token(revocation, IAT).value.decode()
        published = jwt.PyJWKSet.from_dict(KEYS)[jwt.get_unverified_header(token)["kid"]]
        claims = jwt.decode(token, published.key, algorithms=["RS256"], audience=AUDIENCE, issuer=ISSUER)
        assert jwt.get_unverified_header(token) == {"typ": "secevent+jwt", "alg": "RS256", "kid": "k1"}
        assert set(claims) == {"iss", "iat", "jti", "aud", "txn", "sub_id", "events"}
        assert list(claims["events"]) == [revocation.event]

    @pytest.mark.parametrize("revocation", EVERY, ids=repr)
    def test_own_reader_verifies_it(self, revocation):
        """Subject and event come out as they went in."""
        claims = verify(SIGNER.token(revocation, IAT).value, KEYS, AUDIENCE, ISSUER)
        assert (claims.jti, claims.txn, claims.event, claims.iat) == (
            revocation.jti,
            revocation.txn,
            revocation.event,
            IAT,
        )
        assert claims.subject == (CONTACT if revocation.contact_id else WholeTenant("acme"))

    def test_contact_subject_has_user_and_tenant(self):
        """As SSF's complex subject; the user's issuer is the tenant's own."""
        assert SIGNER.claims(EVERY[0], IAT)["sub_id"] == {
            "format": "complex",
            "user": {"format": "iss_sub", "iss": "https://pipeline.example.com/tenants/acme", "sub": "c-1"},
            "tenant": {"format": "opaque", "id": "acme"},
        }

    def test_tenant_subject_has_no_user(self):
        """Everyone of the tenant."""
        assert SIGNER.claims(EVERY[4], IAT)["sub_id"] == {
            "format": "complex",
            "tenant": {"format": "opaque", "id": "acme"},
        }

    def test_session_revoked_members(self):
        """CAEP's: seconds, who, and a reason by language."""
        assert EVERY[1].body == {
            "event_timestamp": 1767225600,
            "cause": "rmm.contact.left",
            "initiating_entity": "system",
            "reason_admin": {"en": "Left"},
        }

    def test_claims_change_holds_all_rights_sorted(self):
        """The full new set."""
        assert EVERY[2].body["claims"] == {"roles": ["viewer"], "rights": ["devices:read", "tickets:read"]}

    def test_record_is_a_binary_mode_cloudevent(self):
        """Key and headers as in the contract."""
        token = SIGNER.token(EVERY[1], IAT)
        assert token.key == b"acme|c-1"
        assert dict(token.headers) == {
            "content-type": b"application/secevent+jwt",
            "ce_specversion": b"1.0",
            "ce_id": EVERY[1].jti.encode(),
            "ce_source": b"https://pipeline.example.com/",
            "ce_type": b"https://schemas.openid.net/secevent/caep/event-type/session-revoked",
            "ce_time": b"2026-01-01T00:00:00Z",
        }

    def test_tenants_record_has_the_tenants_key(self):
        """With nothing behind the bar."""
        assert SIGNER.token(EVERY[4], IAT).key == b"acme|"

    def test_equal_arguments_give_equal_bytes(self):
        """A retry writes the same token."""
        assert SIGNER.token(EVERY[0], IAT) == SIGNER.token(EVERY[0], IAT)

    def test_ids_depend_on_event_contact_and_change(self):
        """`jti` is each token's own, `txn` the change's."""
        again = account_disabled(change(), CONTACT)
        another = account_disabled(change(event="e-2"), CONTACT)
        assert again.jti == EVERY[0].jti
        assert len({each.jti for each in [*EVERY, another]}) == len(EVERY) + 1
        assert another.txn != again.txn == EVERY[1].txn

    def test_ids_are_pinned(self):
        """They hold across versions: a token repeated after an upgrade is the same token."""
        assert EVERY[0].jti == "7gJd_ckRXyS3EpDZvrhhBWJ-VWAiKaiMoguRWvwOVWI"
        assert EVERY[0].txn == "v8U54XBaCnSk4m2irM1cWE0wO0VVCkxBXGfhZ1o29gs"

    def test_small_key_is_refused(self):
        """2048 bits at least."""
        with (
            pytest.warns(UserWarning, match="2048"),
            pytest.raises(ValueError, match="2048 bits or more"),
        ):
            Signer(key(bits=1024), ISSUER, AUDIENCE)

    def test_jwks_holds_public_halves_only(self):
        """Each with its name, use and algorithm."""
        assert [set(each) for each in KEYS["keys"]] == [{"kty", "n", "e", "kid", "use", "alg"}] * 2
        assert [each["kid"] for each in KEYS["keys"]] == ["k2", "k1"]


class TestSubjects:
    @pytest.mark.parametrize(
        ("tenant", "contact"),
        [
            ("acme", ""),
            ("", "c-1"),
            ("acme", None),
            (None, "c-1"),
            ("acme", "jo@example.org"),
            ("a|b", "c-1"),
            ("acme", "c-1\n"),
        ],
    )
    def test_contact_needs_both_ids_opaque(self, tenant, contact):
        """A missing one would match everyone."""
        with pytest.raises(ValueError, match="opaque tenant and an opaque contact id"):
            ContactSubject(tenant, contact)

    @pytest.mark.parametrize("kind", [ChangeType.LEFT, ChangeType.ROLE_CHANGED, ChangeType.UPDATED])
    def test_no_contact_change_bears_witness(self, kind):
        """Only a contract's end addresses a tenant."""
        with pytest.raises(ValueError, match="only the end of a contract"):
            ContractEnd(change(kind), EVIDENCE)

    @pytest.mark.parametrize(
        ("changed", "evidence", "why"),
        [
            ({}, Evidence("", 2), "does not know the tenant"),
            ({}, Evidence("other", 2), "does not know the tenant"),
            ({"narrow": True}, EVIDENCE, "did not come as the tenant's own event"),
            ({}, Evidence("acme", 2, datetime(2026, 1, 2, tzinfo=UTC)), "was resumed later"),
            ({"contacts": 10}, Evidence("acme", 12), "more contacts are known"),
            ({"contacts": 0}, Evidence("acme", 2), "more contacts are known"),
        ],
    )
    def test_an_end_needs_evidence_that_agrees(self, changed, evidence, why):
        """The second guard: an end alone, however valid, addresses nobody but its contacts."""
        with pytest.raises(ValueError, match=why):
            ContractEnd(msgspec.structs.replace(END, **changed), evidence)

    @pytest.mark.parametrize(("expected", "known"), [(None, 10**6), (0, 1), (10, 11), (100, 110), (100, 3)])
    def test_evidence_may_be_off_by_a_tenth(self, expected, known):
        """Contacts that joined since the sender counted; without a count nothing is compared."""
        assert ContractEnd(msgspec.structs.replace(END, contacts=expected), Evidence("acme", known))

    @pytest.mark.parametrize("evidence", [None, {"tenant": "acme", "contacts": 2}, RESUMED])
    def test_nothing_else_is_evidence(self, evidence):
        """At run time too."""
        with pytest.raises(TypeError, match="with evidence"):
            ContractEnd(END, evidence)

    @pytest.mark.parametrize("cause", [change(), END, change(ChangeType.ROLE_CHANGED)])
    def test_only_a_resumption_enables_an_account(self, cause):
        """No other change can give an account back."""
        with pytest.raises(ValueError, match="only a resumed contract"):
            account_enabled(cause, CONTACT)

    @pytest.mark.parametrize("witness", [None, "acme", END, CONTACT])
    def test_tenant_needs_a_witness(self, witness):
        """At run time too, for callers without a type checker."""
        with pytest.raises(TypeError, match="needs the end of its contract"):
            TenantSubject(witness)

    @pytest.mark.parametrize("event", [each for each in EventType if each is not EventType.SESSION_REVOKED])
    def test_only_session_revoked_addresses_a_tenant(self, event):
        """Accounts are named one by one."""
        with pytest.raises(ValueError, match="must be what its change is about"):
            Revocation(event, TenantSubject(ContractEnd(END, EVIDENCE)), END, {})

    def test_witness_of_another_change_does_not_count(self):
        """A leaving with a contract's end at hand stays a leaving."""
        with pytest.raises(ValueError, match="must be what its change is about"):
            Revocation(EventType.SESSION_REVOKED, TenantSubject(ContractEnd(END, EVIDENCE)), change(), {})

    @pytest.mark.parametrize("subject", [ContactSubject("acme", "c-2"), ContactSubject("other", "c-1")])
    def test_subject_is_the_changes_own(self, subject):
        """Neither another contact nor another tenant."""
        with pytest.raises(ValueError, match="must be what its change is about"):
            account_disabled(change(), subject)

    @pytest.mark.parametrize("subject", [None, {"tenant": "acme"}, WholeTenant("acme")])
    def test_nothing_else_is_a_subject(self, subject):
        """A look-alike is no subject."""
        with pytest.raises(TypeError, match="needs a subject"):
            account_disabled(change(), subject)

    def test_repr_names_nobody(self):
        """It may end up in a log."""
        told = repr((EVERY, CONTACT, TenantSubject(ContractEnd(END, EVIDENCE)), SIGNER.token(EVERY[0], IAT)))
        assert not any(each in told for each in ("acme", "c-1", "e-1"))
