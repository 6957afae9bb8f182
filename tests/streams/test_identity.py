"""An employee is who a right token says; every wrong token is refused, and for the right reason."""

import base64
import socket
import threading
import time
from pathlib import Path

import jwt
import msgspec
import orjson
import pytest
from cryptography.hazmat.primitives import serialization

from streams.config import Access
from streams.identity import Identity, IdentityRefused, Rule
from tests.tokens import Provider


@pytest.fixture
def provider(tmp_path: Path) -> Provider:
    """A provider whose key set is a file."""
    return Provider(tmp_path)


def rule_of(identity: Identity, token: str) -> Rule:
    """The rule by which a token is refused."""
    with pytest.raises(IdentityRefused) as refused:
        identity.identify(token)
    return refused.value.rule


def test_a_right_token_is_an_employee_with_roles(provider: Provider) -> None:
    """Id and roles are the token's."""
    employee = Identity(provider.access).identify(provider.token("alice", roles=("a", "b")))
    assert (employee.id, employee.roles) == ("alice", {"a", "b"})


@pytest.mark.parametrize(
    ("claims", "rule"),
    [
        ({"iss": "https://id.other.example/"}, Rule.ISSUER),
        ({"iss": None}, Rule.ISSUER),
        ({"aud": "portal"}, Rule.AUDIENCE),
        ({"aud": ["portal", "other"]}, Rule.AUDIENCE),
        ({"aud": None}, Rule.AUDIENCE),
        ({"exp": int(time.time()) - 3_600}, Rule.EXPIRED),
        ({"exp": None}, Rule.EXPIRED),
        ({"nbf": int(time.time()) + 3_600}, Rule.NOT_YET),
        ({"iat": int(time.time()) + 3_600}, Rule.NOT_YET),
        ({"sub": None}, Rule.SUBJECT),
        ({"sub": "two words"}, Rule.SUBJECT),
        ({"sub": "x" * 200}, Rule.SUBJECT),
    ],
)
def test_wrong_claims_are_refused(provider: Provider, claims: dict[str, object], rule: Rule) -> None:
    """Each for its own reason."""
    assert rule_of(Identity(provider.access), provider.token(**claims)) is rule


def test_an_audience_among_several_is_ours(provider: Provider) -> None:
    """`aud` may be a list."""
    assert Identity(provider.access).identify(provider.token(aud=["portal", "rmm-scrub"])).id == "alice"


def test_another_keys_signature_is_refused(provider: Provider, tmp_path: Path) -> None:
    """Forged under the same key id."""
    (tmp_path / "forger").mkdir()
    forged = Provider(tmp_path / "forger").token()
    assert rule_of(Identity(provider.access), forged) is Rule.SIGNATURE


def test_an_altered_token_is_refused(provider: Provider) -> None:
    """The claims of another under the signature of one."""
    header, _, signature = provider.token("alice").split(".")
    _, payload, _ = provider.token("mallory").split(".")
    assert rule_of(Identity(provider.access), f"{header}.{payload}.{signature}") is Rule.SIGNATURE


def test_a_token_without_signature_is_refused(provider: Provider) -> None:
    """`alg: none`."""
    header = base64.urlsafe_b64encode(orjson.dumps({"alg": "none", "kid": "k1"})).rstrip(b"=").decode()
    _, payload, _ = provider.token().split(".")
    assert rule_of(Identity(provider.access), f"{header}.{payload}.") is Rule.SIGNATURE


def test_the_public_key_is_no_shared_secret(provider: Provider, monkeypatch) -> None:
    """HS256 under the public key's PEM, which verifiers that trust `alg` take."""
    pem = provider.key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    monkeypatch.setattr(jwt.algorithms.HMACAlgorithm, "prepare_key", lambda _, key: key)
    claims = jwt.decode(provider.token(), options={"verify_signature": False})
    forged = jwt.encode(claims, pem, algorithm="HS256", headers={"kid": "k1"})
    assert rule_of(Identity(provider.access), forged) is Rule.SIGNATURE


def test_a_new_key_of_the_issuer_is_taken_up(provider: Provider, tmp_path: Path, monkeypatch) -> None:
    """An unknown key id makes us read the key set again, but not at once again."""
    identity = Identity(provider.access)
    identity.identify(provider.token())
    newer = Provider(tmp_path, kid="k2")
    refused = rule_of(identity, newer.token())
    monkeypatch.setattr("streams.identity.REFRESH_SECONDS", 0.0)

    assert refused is Rule.SIGNATURE
    assert identity.identify(newer.token("bob")).id == "bob"


@pytest.mark.parametrize("token", ["", "x", "a.b", "a.b.c.d", "é.b.c", "." * 2, "a" * 20_000])
def test_what_is_no_token_is_refused(provider: Provider, token: str) -> None:
    """Without a traceback."""
    assert rule_of(Identity(provider.access), token) in (Rule.FORM, Rule.SIGNATURE)


def test_nobody_is_identified_where_nothing_is_configured(provider: Provider) -> None:
    """Closed by default."""
    assert rule_of(Identity(Access()), provider.token()) is Rule.CONFIGURED


def test_a_refusal_holds_nothing_of_the_token(provider: Provider) -> None:
    """Neither text nor hints."""
    with pytest.raises(IdentityRefused) as refused:
        Identity(provider.access).identify(provider.token("mallory", aud="x"))
    assert "mallory" not in f"{refused.value!r} {refused.value} {refused.value.hints}"


def test_plain_http_from_elsewhere_is_no_source_of_keys(provider: Provider) -> None:
    """Anybody could answer."""
    access = msgspec.structs.replace(provider.access, jwks="http://id.provider.example/jwks")
    assert rule_of(Identity(access), provider.token()) is Rule.KEY_SET


@pytest.mark.parametrize("typ", ["at+jwt", "application/at+jwt", "JWT", "jwt"])
def test_identity_and_access_tokens_are_taken(provider: Provider, typ: str) -> None:
    """RFC 9068 section 4, and what most providers write."""
    assert Identity(provider.access).identify(provider.token(typ=typ)).id == "alice"


@pytest.mark.parametrize("typ", ["logout+jwt", "secevent+jwt", "dpop+jwt"])
def test_the_issuers_other_tokens_identify_nobody(provider: Provider, typ: str) -> None:
    """Rightly signed, for our audience, and of an employee, but made for something else."""
    assert rule_of(Identity(provider.access), provider.token(typ=typ)) is Rule.TYPE


def test_keys_of_an_unknown_kind_do_not_lock_everybody_out(provider: Provider) -> None:
    """A new curve, a new kind, a broken entry: the issuer's other keys still count."""
    held = orjson.loads(provider.jwks.read_bytes())["keys"]
    new = {"kty": "EC", "crv": "P-999", "x": "AAAA", "y": "AAAA", "kid": "e"}
    provider.jwks.write_bytes(orjson.dumps({"keys": [new, {"kty": "NEW", "kid": "n"}, {"kid": "k"}, *held]}))
    assert Identity(provider.access).identify(provider.token()).id == "alice"


@pytest.mark.parametrize("content", [b"", b"[]", b"5", b'{"keys":5}', b'{"keys":[null]}', b'{"keys":[]}', b"{}"])
def test_what_is_no_key_set_identifies_nobody(provider: Provider, content: bytes) -> None:
    """Without a traceback."""
    provider.jwks.write_bytes(content)
    assert rule_of(Identity(provider.access), provider.token()) is Rule.KEY_SET


@pytest.mark.parametrize("url", ["http://localhost:port/jwks", "https://id provider/jwks", "https://[::1", "https://"])
def test_what_is_no_address_of_a_key_set_identifies_nobody(provider: Provider, url: str) -> None:
    """A wrong setting is told as such."""
    assert rule_of(Identity(msgspec.structs.replace(provider.access, jwks=url)), provider.token()) is Rule.KEY_SET


def test_a_key_set_may_be_at_an_address(provider: Provider) -> None:
    """Over plain http from this machine only."""
    body = provider.jwks.read_bytes()
    answer = b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=lambda: server.accept()[0].sendall(answer), daemon=True).start()
        access = msgspec.structs.replace(provider.access, jwks=f"http://127.0.0.1:{server.getsockname()[1]}/jwks")
        assert Identity(access).identify(provider.token()).id == "alice"


def test_a_server_that_does_not_speak_http_identifies_nobody(provider: Provider) -> None:
    """Nor is it an error that ends a command in a traceback."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=lambda: server.accept()[0].sendall(b"SSH-2.0-x\r\n"), daemon=True).start()
        access = msgspec.structs.replace(provider.access, jwks=f"http://127.0.0.1:{server.getsockname()[1]}/")
        assert rule_of(Identity(access), provider.token()) is Rule.KEY_SET
