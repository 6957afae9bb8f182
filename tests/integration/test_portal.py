"""The portal example on a real broker: accounts end as the changes say, whatever is killed or away meanwhile."""

import importlib
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from urllib.error import HTTPError, URLError

import jwt
import orjson
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from streams import broker as embedded
from streams.cli import main
from streams.publisher import Message
from streams.revocations import jwks
from streams.system import end_with_parent
from tests.conftest import Pipeline
from tests.integration.test_contact_lane import change

pytestmark = pytest.mark.integration

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "portal-example"
EXTENSION = "urn:example:params:scim:schemas:extension:portal:2.0:User"


@contextmanager
def part(log: Path, *arguments: object) -> "Iterator[subprocess.Popen[bytes]]":
    """One part of the example as its own process."""
    command = [sys.executable, str(FOLDER / "portal.py"), *map(str, arguments)]
    with log.open("ab") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, preexec_fn=end_with_parent)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(20)


class Portal:
    """A SCIM service and what tells it about revocations."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self.folder = pipeline.folder
        self.log = self.folder / "portal.log"
        self.scim_port, self.push_port = embedded.free_ports(2)
        self.base = f"http://127.0.0.1:{self.scim_port}/scim/v2"
        (self.folder / "jwks.json").write_bytes(orjson.dumps(jwks(pipeline.keyring.signing_keys())))

    @contextmanager
    def scim(self) -> Iterator[None]:
        """The accounts."""
        with part(self.log, "scim", "--database", self.folder / "accounts.db", "--port", self.scim_port):
            self.pipeline.until(lambda: self.call("GET", "/Users") is not None, 20)
            yield

    def follower(self) -> "contextmanager[subprocess.Popen[bytes]]":
        """The reader of the topic."""
        settings = self.pipeline.settings
        return part(
            self.log,
            *("run", "--bootstrap", settings.bootstrap, "--topic", settings.named.revocations),
            *("--group", settings.group + "-portal", *self.common()),
        )

    def receiver(self) -> "contextmanager[subprocess.Popen[bytes]]":
        """The push endpoint."""
        return part(self.log, "receive", "--port", self.push_port, *self.common())

    def common(self) -> list[object]:
        """Where accounts, keys and memory are."""
        places = ["--jwks", self.folder / "jwks.json", "--seen", self.folder / "seen.db"]
        return ["--scim", self.base, *places]

    def call(self, method: str, path: str, body: object = None) -> dict | None:
        """SCIM's answer; None while it is away."""
        request = urllib.request.Request(self.base + path, orjson.dumps(body) if body else None, method=method)
        try:
            with urllib.request.urlopen(request) as answer:
                return orjson.loads(answer.read())
        except HTTPError as problem:
            return orjson.loads(problem.read())
        except URLError:
            return None

    def accounts(self, *contacts: str) -> None:
        """Accounts of contacts, `tenant/contact`."""
        for each in contacts:
            self.call("POST", "/Users", {"userName": each, "externalId": each})

    def account(self, contact: str) -> dict:
        """An account as it is now."""
        [found] = self.call("GET", f"/Users?filter=externalId%20eq%20%22{contact}%22")["Resources"]
        return found

    def active(self) -> dict[str, bool]:
        """Who may log in."""
        return {each["externalId"]: each["active"] for each in self.call("GET", "/Users")["Resources"]}


@pytest.fixture
def portal(pipeline: Pipeline) -> Portal:
    """A portal beside a pipeline."""
    return Portal(pipeline)


def test_accounts_follow_the_changes(portal: Portal) -> None:
    """A contact who left, one with another role, one with another e-mail, and one of another tenant."""
    pipeline = portal.pipeline
    pipeline.tenants("acme", "borealis")
    with portal.scim(), portal.follower(), pipeline.workers():
        portal.accounts("acme/c1", "acme/c2", "acme/c3", "borealis/c1")
        changes = [
            change("contact.left", "c1", 1),
            change("contact.role-changed", "c2", 2, new_role="viewer"),
            change("contact.updated", "c3", 3, email="new@acme.example"),
        ]
        pipeline.send("contact_changes", changes)
        pipeline.until(lambda: not portal.account("acme/c1")["active"])
        pipeline.until(lambda: portal.account("acme/c3").get(EXTENSION, {}).get("identifiersToVerify") == ["email"])
        pipeline.until(lambda: portal.account("acme/c2").get("roles") == [{"value": "viewer"}])

        assert portal.active() == {"acme/c1": False, "acme/c2": True, "acme/c3": True, "borealis/c1": True}
        assert portal.account("acme/c1")[EXTENSION]["sessionsValidAfter"] > 0
        assert "sessionsValidAfter" not in portal.account("borealis/c1").get(EXTENSION, {})


def test_nothing_is_lost_or_undone_when_the_portal_is_killed_and_accounts_are_away(portal: Portal) -> None:
    """Two kills while twenty-four contacts leave; then SCIM is gone for a while."""
    pipeline = portal.pipeline
    pipeline.tenants("acme")
    contacts = [f"c{number}" for number in range(24)]
    with pipeline.workers():
        with portal.scim():
            portal.accounts(*(f"acme/{each}" for each in contacts))
            for round_ in range(2):
                with portal.follower() as process:
                    sent = [change("contact.left", each, number) for number, each in enumerate(contacts)]
                    pipeline.send("contact_changes", sent[round_ * 8 : round_ * 8 + 8])
                    first = f"acme/c{round_ * 8}"
                    pipeline.until(lambda first=first: not portal.active()[first], 60)
                    os.kill(process.pid, signal.SIGKILL)
        with portal.follower():
            pipeline.send("contact_changes", sent[16:])
            pipeline.until(lambda: "cannot be changed now" in portal.log.read_text(), 60)
            with portal.scim():
                pipeline.until(lambda: not any(portal.active().values()), 60)
                again = portal.active()

    assert len(again) == 24


def test_push_delivers_the_same_and_waits_for_a_receiver_that_is_away(
    portal: Portal, monkeypatch, capsysbinary
) -> None:
    """RFC 8935: 202 is delivered; a second push finds nothing to do; a foreign token is refused and told."""
    pipeline = portal.pipeline
    for name, value in pipeline.environment().items():
        monkeypatch.setenv(name, value)
    pipeline.tenants("acme")
    to = ["contacts", "push", "--to", f"http://127.0.0.1:{portal.push_port}/events", "--once", "--json"]
    with ExitStack() as stack:
        stack.enter_context(portal.scim())
        portal.accounts("acme/c1", "acme/c2")
        with pipeline.workers():
            sent = [change("contact.left", "c1", 1), change("contact.left", "c2", 2)]
            pipeline.send("contact_changes", sent)
            pipeline.until(lambda: len(pipeline.read("revocations")) == 4)
        late = subprocess.Popen([sys.executable, "-m", "streams.cli", *to], env=pipeline.environment(), stdout=-1)
        time.sleep(2.0)
        stack.enter_context(portal.receiver())
        told = orjson.loads(late.communicate(timeout=60)[0])
        assert main(to) == 0
        again = orjson.loads(capsysbinary.readouterr().out)
        pipeline.send("revocations", [Message(b"no.such.token", b"acme|c3")])
        assert main(to) == 1
        refused = orjson.loads(capsysbinary.readouterr().out)["refused"]
        active = portal.active()

    assert (told["delivered"], told["refused"], told["retries"] > 0) == (4, {}, True)
    assert again["delivered"] == 0
    assert refused == {"invalid_request": 1}
    assert active == {"acme/c1": False, "acme/c2": False}


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The example's modules, which are no package."""
    monkeypatch.syspath_prepend(str(FOLDER))
    return SimpleNamespace(tokens=importlib.import_module("tokens"))


def test_every_wrong_token_of_the_vectors_is_refused(example, pipeline: Pipeline, tmp_path, shared) -> None:
    """Signed by the right key, each breaks a rule of its own; so does a right one under other keys."""
    key = pipeline.keyring.signing_key()
    (tmp_path / "jwks.json").write_bytes(orjson.dumps(jwks([key])))
    issuer, audience = "https://pipeline.example.com/", "https://portal.example.com/"
    verifier = example.tokens.Verifier(str(tmp_path / "jwks.json"), issuer, audience)
    private = load_pem_private_key(key.private_pem, None)
    cases = orjson.loads((shared / "vectors" / "set_invalid_examples.json").read_bytes())["cases"]
    tokens = {
        case["id"]: jwt.encode(
            case["claims"], private, "RS256", headers={"typ": "secevent+jwt", "kid": key.kid, **case.get("header", {})}
        )
        for case in cases
        if "claims" in case
    }
    taken = [name for name, token in tokens.items() if not refuses(example, verifier, token)]

    assert len(tokens) == 8
    assert taken == []


def refuses(example, verifier, token: str) -> bool:
    """Whether a token is refused."""
    try:
        verifier.verify(token)
    except example.tokens.Refused:
        return True
    return False


def test_a_token_that_is_right_is_taken_from_a_clock_that_runs_ahead(example, pipeline: Pipeline, tmp_path) -> None:
    """And not for a whole tenant unless a contract ended, nor without the rights that it claims to change."""
    key = pipeline.keyring.signing_key()
    (tmp_path / "jwks.json").write_bytes(orjson.dumps(jwks([key])))
    issuer, audience = "https://pipeline.example.com/", "https://portal.example.com/"
    verifier = example.tokens.Verifier(str(tmp_path / "jwks.json"), issuer, audience)
    private = load_pem_private_key(key.private_pem, None)
    tenant = {"format": "opaque", "id": "acme"}
    user = {"format": "iss_sub", "iss": f"{issuer}tenants/acme", "sub": "c1"}

    def token(event: str, body: dict, **subject: dict) -> str:
        claims = {"iss": issuer, "aud": audience, "jti": "x", "iat": int(time.time()) + 300, "events": {event: body}}
        sub_id = {"format": "complex", "tenant": tenant, **subject}
        return jwt.encode(
            {**claims, "sub_id": sub_id}, private, "RS256", headers={"typ": "secevent+jwt", "kid": key.kid}
        )

    revoked, changed = example.tokens.CAEP + "session-revoked", example.tokens.CAEP + "token-claims-change"
    policy = {"initiating_entity": "policy"}
    assert verifier.verify(token(revoked, {}, user=user)).contact == "c1"
    end = {**policy, "cause": "rmm.contract.ended"}
    assert refuses(example, verifier, token(revoked, end, user={"absent": True}))
    assert refuses(example, verifier, token(revoked, end, user=None))
    assert refuses(
        example, verifier, token(revoked, end, tenant={"format": "opaque", "id": 'acme" or externalId sw "'})
    )
    assert refuses(example, verifier, token(revoked, end, user={**user, "sub": 'c1" or externalId sw "'}))
    assert verifier.verify(token(revoked, {**policy, "cause": "rmm.contract.ended"})).contact == ""
    assert refuses(example, verifier, token(revoked, {**policy, "cause": "rmm.contact.left"}))
    assert refuses(example, verifier, token(changed, {}, user=user))


def test_a_key_set_that_cannot_be_read_refuses_nothing(example, tmp_path) -> None:
    """Later the same token may be right."""
    verifier = example.tokens.Verifier(str(tmp_path / "nowhere.json"), "i", "a")
    token = jwt.encode({}, "x" * 64, "HS256", headers={"typ": "secevent+jwt", "kid": "k"})
    header, _, rest = token.partition(".")
    right = jwt.utils.base64url_encode(b'{"typ":"secevent+jwt","alg":"RS256","kid":"k"}').decode()
    with pytest.raises(example.tokens.Unknown):
        verifier.verify(f"{right}.{rest}")
    assert header != right
