"""Reading Security Event Tokens: everything that is not known to be right is refused."""

import base64
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jwt
import msgspec
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from streams.changes import Change, ChangeType
from streams.revocations import ContactSubject, EventType, Initiator, Signer, jwks, session_revoked
from streams.verification import Rule, TokenRefused, WholeTenant, verify

ISSUER, AUDIENCE = "https://pipeline.example.com/", "https://portal.example.com/"
IAT = 1_767_225_600
VECTORS = Path(__file__).parents[2].parent / "shared" / "vectors"


def key(kid: str = "k1") -> SimpleNamespace:
    private = rsa.generate_private_key(65537, 2048)
    return SimpleNamespace(
        kid=kid, private_pem=private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )


KEY = key()
KEYS = jwks([key("k2"), KEY])
SIGNER = Signer(KEY, ISSUER, AUDIENCE)
CONTACT = ContactSubject("acme", "c-1")
LEFT = Change(ChangeType.LEFT, "/crm", "e-1", "acme", "c-1", datetime(2026, 1, 1, tzinfo=UTC))
RIGHT = session_revoked(LEFT, CONTACT, Initiator.SYSTEM, "Left")


def signed(claims: Any, header: dict[str, Any] | None = None, by: SimpleNamespace = KEY) -> str:
    """A token signed by the other library, whatever it says."""
    full = {"typ": "secevent+jwt", "alg": "RS256", "kid": by.kid} | (header or {})
    return jwt.api_jws.encode(orjson.dumps(claims), by.private_pem, algorithm=full["alg"], headers=full)


def good(**changed: Any) -> dict[str, Any]:
    """Claims of a right token, with some changed; `...` takes one away."""
    claims = SIGNER.claims(RIGHT, IAT) | changed
    return {name: value for name, value in claims.items() if value is not ...}


def refused(token: bytes | str, **expected: Any) -> Rule:
    with pytest.raises(TokenRefused) as caught:
        verify(
            token,
            expected.get("keys", KEYS),
            expected.get("audience", AUDIENCE),
            expected.get("issuer", ISSUER),
        )
    return caught.value.rule


COMPLEX = good()["sub_id"]
USER, TENANT = COMPLEX["user"], COMPLEX["tenant"]
REVOKED, CLAIMS_CHANGE = str(EventType.SESSION_REVOKED), str(EventType.TOKEN_CLAIMS_CHANGE)
BODY = RIGHT.body


class TestVerify:
    def test_accepts_what_the_rules_below_are_broken_in(self):
        """So that each refusal is for the one thing that was changed."""
        assert verify(signed(good()), KEYS, AUDIENCE, ISSUER).subject == CONTACT

    @pytest.mark.parametrize(
        ("rule", "changed"),
        [
            (Rule.EXP, {"exp": IAT + 60}),
            (Rule.SUB, {"sub": "c-1"}),
            (Rule.SUB_ID, {"sub_id": ...}),
            (Rule.CLAIMS, {"iat": ...}),
            (Rule.CLAIMS, {"iat": str(IAT)}),
            (Rule.CLAIMS, {"iat": True}),
            (Rule.CLAIMS, {"iat": 10**15}),
            (Rule.CLAIMS, {"jti": ...}),
            (Rule.CLAIMS, {"jti": ""}),
            (Rule.ISSUER, {"iss": "https://elsewhere.example.com/"}),
            (Rule.ISSUER, {"iss": ...}),
            (Rule.AUDIENCE, {"aud": "https://elsewhere.example.com/"}),
            (Rule.AUDIENCE, {"aud": []}),
            (Rule.AUDIENCE, {"aud": ...}),
            (Rule.EVENTS, {"events": ...}),
            (Rule.EVENTS, {"events": {}}),
            (Rule.EVENTS, {"events": {REVOKED: BODY, str(EventType.ACCOUNT_DISABLED): {}}}),
            (Rule.EVENT_TYPE, {"events": {"urn:ietf:params:scim:event:prov:deactivate": {}}}),
            (Rule.EVENT_TYPE, {"events": {REVOKED.upper(): BODY}}),
            (Rule.COMPLEX, {"sub_id": USER}),
            (Rule.COMPLEX, {"sub_id": []}),
            (Rule.COMPLEX, {"sub_id": COMPLEX | {"group": TENANT}}),
            (Rule.TENANT, {"sub_id": {"format": "complex", "user": USER}}),
            (Rule.TENANT, {"sub_id": COMPLEX | {"tenant": None}}),
            (Rule.TENANT, {"sub_id": COMPLEX | {"tenant": {"format": "opaque", "id": "a b"}}}),
            (Rule.USER, {"sub_id": COMPLEX | {"user": None}}),
            (Rule.USER, {"sub_id": COMPLEX | {"user": {}}}),
            (Rule.USER, {"sub_id": COMPLEX | {"user": {"format": "email", "email": "a@example.com"}}}),
            (Rule.USER, {"sub_id": COMPLEX | {"user": {"format": "iss_sub", "sub": "c-1"}}}),
            (Rule.USER, {"sub_id": COMPLEX | {"user": USER | {"sub": "a@example.com"}}}),
            (Rule.USER, {"sub_id": COMPLEX | {"user": USER | {"iss": f"{ISSUER}tenants/borealis"}}}),
            (Rule.USER, {"sub_id": COMPLEX | {"user": USER | {"iss": f"{ISSUER}tenants/not-acme"}}}),
            (Rule.USER, {"sub_id": COMPLEX | {"user": USER | {"iss": 7}}}),
            (Rule.WHOLE_TENANT, {"sub_id": {"format": "complex", "tenant": TENANT}}),
            (Rule.BODY, {"events": {REVOKED: []}}),
            (Rule.BODY, {"events": {REVOKED: BODY | {"subject": USER}}}),
            (Rule.BODY, {"events": {REVOKED: BODY | {"reason_admin": {}}}}),
            (Rule.BODY, {"events": {REVOKED: BODY | {"reason_admin": {"en": ""}}}}),
            (Rule.BODY, {"events": {REVOKED: BODY | {"reason_admin": "Left"}}}),
            (Rule.BODY, {"events": {REVOKED: BODY | {"event_timestamp": "now"}}}),
            (Rule.BODY, {"events": {REVOKED: BODY | {"initiating_entity": {}}}}),
            (Rule.BODY, {"events": {CLAIMS_CHANGE: {"claims": {}}}}),
            (Rule.TXN, {"txn": ...}),
        ],
    )
    def test_refuses_each_broken_rule(self, rule, changed):
        """One thing changed in a right token, one rule broken."""
        assert refused(signed(good(**changed))) is rule

    @pytest.mark.parametrize(
        "body",
        [
            BODY,
            BODY | {"initiating_entity": "policy"},
            BODY | {"cause": "rmm.contract.ended"},
            {"reason_admin": {"en": "Contact left"}},
        ],
    )
    def test_whole_tenant_needs_both_signs_of_a_contracts_end(self, body):
        """Policy as the initiator, and no other cause."""
        claims = good(sub_id={"format": "complex", "tenant": TENANT}, events={REVOKED: body})
        assert refused(signed(claims)) is Rule.WHOLE_TENANT

    @pytest.mark.parametrize("typ", ["JWT", "SECEVENT+JWT", "application/secevent+jwt", None])
    def test_refuses_another_type(self, typ):
        """Explicit typing."""
        assert refused(signed(good(), {"typ": typ})) is Rule.TYP

    def test_refuses_no_signature(self):
        """alg none."""
        parts = [{"typ": "secevent+jwt", "alg": "none", "kid": "k1"}, good()]
        token = b".".join(base64.urlsafe_b64encode(orjson.dumps(each)).rstrip(b"=") for each in parts) + b"."
        assert refused(token) is Rule.ALGORITHM

    def test_refuses_another_algorithm_of_the_same_key(self):
        """RS512 with the right key is not the profile's."""
        assert refused(signed(good(), {"alg": "RS512"})) is Rule.ALGORITHM

    def test_refuses_a_key_that_is_not_in_the_set(self):
        """By its name, and by its signature when it takes another's name."""
        assert refused(signed(good(), by=key("k3"))) is Rule.KEY
        assert refused(signed(good(), by=key("k1"))) is Rule.SIGNATURE

    def test_refuses_an_altered_token(self):
        """One claim replaced under the old signature."""
        header, _, signature = signed(good()).split(".")
        payload = base64.urlsafe_b64encode(orjson.dumps(good(jti="x"))).rstrip(b"=").decode()
        assert refused(f"{header}.{payload}.{signature}") is Rule.SIGNATURE

    @pytest.mark.parametrize("keys", [{}, {"keys": None}, {"keys": [None]}, {"keys": [{"kid": "k1", "kty": "RSA"}]}])
    def test_refuses_all_without_usable_keys(self, keys):
        """A broken key set verifies nothing."""
        assert refused(signed(good()), keys=keys) is Rule.KEY

    def test_refuses_a_key_set_with_two_keys_of_a_name(self):
        """It does not say which."""
        assert refused(signed(good()), keys={"keys": KEYS["keys"] * 2}) is Rule.KEY

    def test_refuses_an_elliptic_key_of_that_name(self):
        """The profile is RS256."""
        public = ec.generate_private_key(ec.SECP256R1()).public_key()
        found = orjson.loads(jwt.algorithms.ECAlgorithm.to_jwk(public))
        assert refused(signed(good()), keys={"keys": [found | {"kid": "k1"}]}) is Rule.KEY

    def test_refuses_critical_extensions_it_does_not_know(self):
        """RFC 7515, section 4.1.11."""
        assert refused(signed(good(), {"crit": ["x"], "x": 1})) in {Rule.FORM, Rule.SIGNATURE}

    @pytest.mark.parametrize("claims", [[], "x", 3, None])
    def test_refuses_claims_that_are_no_object(self, claims):
        """A signed list is no token."""
        assert refused(signed(claims)) is Rule.CLAIMS

    def test_accepts_an_audience_among_others(self):
        """RFC 8417 lets `aud` be a list."""
        assert verify(signed(good(aud=["x", AUDIENCE])), KEYS, AUDIENCE, ISSUER).subject == CONTACT

    def test_accepts_an_opaque_user(self):
        """Beside iss_sub."""
        claims = good(sub_id=COMPLEX | {"user": {"format": "opaque", "id": "c-1"}})
        assert verify(signed(claims), KEYS, AUDIENCE, ISSUER).subject == CONTACT

    @given(st.binary() | st.text() | st.from_regex(r"[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*", fullmatch=True))
    def test_any_other_bytes_are_refused(self, token):
        """Property: never another exception."""
        assert refused(token) in set(Rule)

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers(-(2**31), 2**31) | st.sampled_from(["complex", "opaque", "acme"]),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.sampled_from(["format", "user", "tenant", "id", "sub", "iss"]), inner, max_size=4)
            ),
            max_leaves=12,
        )
    )
    def test_any_subject_is_refused_or_has_a_tenant(self, sub_id):
        """Property: no shape of a subject gets through with a member missing, nor breaks the reader."""
        with pytest.raises(TokenRefused):
            verify(
                signed(good(sub_id=sub_id, events={REVOKED: {"reason_admin": {"en": "x"}}})),
                KEYS,
                AUDIENCE,
                ISSUER,
            )

    def test_refusal_holds_nothing_of_the_token(self):
        """The rule alone."""
        with pytest.raises(TokenRefused) as caught:
            verify(signed(good(sub="secret-7f")), KEYS, AUDIENCE, ISSUER)
        assert "secret-7f" not in str(caught.value) + repr(caught.value)


def _vectors(name: str) -> Any:
    path = VECTORS / name
    return orjson.loads(path.read_bytes()) if path.is_file() else None


EXAMPLES, INVALID = _vectors("set_examples.json"), _vectors("set_invalid_examples.json")
BY_JTI = {each["jti"]: each for group in (EXAMPLES or {}).get("examples", {}).values() for each in group}
BROKEN = {
    "exp-present": Rule.EXP,
    "sub-present": Rule.SUB,
    "sub-id-missing": Rule.SUB_ID,
    "two-events": Rule.EVENTS,
    "typ-wrong": Rule.TYP,
    "contact-left-without-user": Rule.WHOLE_TENANT,
    "no-tenant": Rule.TENANT,
    "claims-missing": Rule.BODY,
    "scim-old-urn": Rule.EVENT_TYPE,
}


@pytest.mark.skipif(EXAMPLES is None or INVALID is None, reason="../shared/vectors is not here")
class TestSharedVectors:
    @pytest.mark.parametrize("jti", ["j1", "j2", "j4", "j6", "j7", "j8"])
    def test_accepts_the_right_ones(self, jti):
        """RISC and CAEP examples, the contract's end for the whole tenant among them."""
        claims = verify(signed(BY_JTI[jti], EXAMPLES["jose_header"]), KEYS, AUDIENCE, ISSUER)
        assert claims.subject == (WholeTenant("t-42") if jti == "j6" else ContactSubject("t-42", "contact-8f3a"))

    @pytest.mark.parametrize("jti", ["j3", "j5"])
    def test_scim_events_are_another_profile(self, jti):
        """Right by RFC 9967, but nothing that our topic carries."""
        assert refused(signed(BY_JTI[jti])) is Rule.EVENT_TYPE

    @pytest.mark.parametrize("case", (INVALID or {}).get("cases", []), ids=lambda case: case["id"])
    def test_refuses_the_wrong_ones(self, case):
        """Each for the rule that it breaks."""
        claims = BY_JTI["j2"] | case["claims"] if case["id"] == "scim-old-urn" else case.get("claims", BY_JTI["j2"])
        assert refused(signed(claims, case.get("jose_header"))) is BROKEN[case["id"]]


def test_claims_are_plain_data():
    """What the command prints."""
    claims = verify(SIGNER.token(RIGHT, IAT).value, KEYS, AUDIENCE, ISSUER)
    assert msgspec.to_builtins(claims)["subject"] == {"tenant": "acme", "contact_id": "c-1"}
