"""`rmm-scrub contacts`: through the command line's own entry."""

from datetime import UTC, datetime
from types import SimpleNamespace

import msgspec
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from streams.changes import Change, ChangeType
from streams.cli import main
from streams.revocations import ContactSubject, Signer, account_disabled, jwks
from streams.states import ContactState, ContractState, Phase, Status

ISSUER, AUDIENCE = "https://pipeline.example.com/", "https://portal.example.com/"
RISC = "https://schemas.openid.net/secevent/risc/event-type/"
CAEP = "https://schemas.openid.net/secevent/caep/event-type/"


@pytest.fixture
def change_file(tmp_path):
    """Writes a change and returns its file's name."""

    def write(kind: str, effective: str = "2026-01-01T00:00:00Z", **data):
        path = tmp_path / "change.json"
        data = {"tenant": "acme", "contact_id": "c-1", "effective": effective} | data
        path.write_bytes(
            orjson.dumps({"specversion": "1.0", "source": "/crm", "id": "e-1", "type": kind, "data": data})
        )
        return str(path)

    return write


@pytest.fixture
def state_file(tmp_path):
    """Writes states and returns their file's name."""

    def write(*states: ContactState | ContractState):
        path = tmp_path / "state.json"
        path.write_bytes(msgspec.json.encode(states[0] if len(states) == 1 else states))
        return str(path)

    return write


@pytest.fixture(scope="module")
def signing_key():
    """A key as the keyring gives it."""
    private = rsa.generate_private_key(65537, 2048)
    return SimpleNamespace(
        kid="k1", private_pem=private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )


@pytest.fixture
def token(signing_key):
    """A token for a contact who left."""
    left = Change(ChangeType.LEFT, "/crm", "e-1", "acme", "c-1", datetime(2026, 1, 1, tzinfo=UTC))
    revocation = account_disabled(left, ContactSubject("acme", "c-1"))
    return Signer(signing_key, ISSUER, AUDIENCE).token(revocation, 1_767_225_600).value.decode()


@pytest.fixture
def key_file(tmp_path, signing_key):
    """The published key set."""
    path = tmp_path / "jwks.json"
    path.write_bytes(orjson.dumps(jwks([signing_key])))
    return str(path)


class TestExplain:
    def test_leaving(self, change_file, capfdbinary):
        """The tokens in their order, for machines."""
        assert main(["contacts", "explain", change_file("rmm.contact.left"), "--json"]) == 0
        told = orjson.loads(capfdbinary.readouterr().out)
        assert told["verdict"] == "applied"
        assert [each["event"] for each in told["revocations"]] == [
            RISC + "account-disabled",
            CAEP + "session-revoked",
        ]
        assert told["revocations"][0]["subject"] == {"tenant": "acme", "contact_id": "c-1"}

    def test_for_people(self, change_file, capfd):
        """What, for whom, why."""
        name = change_file("rmm.contact.role-changed", previous_role="admin", new_role="viewer")
        assert main(["contacts", "explain", name]) == 0
        told = capfd.readouterr().out
        assert "1. CAEP token-claims-change for c-1 of acme" in told
        assert "rights from now on: devices:read, reports:read, tickets:read" in told
        assert "2. CAEP session-revoked for c-1 of acme" in told

    def test_state_decides(self, change_file, state_file, capfdbinary):
        """After a leaving, nothing is given."""
        name = change_file("rmm.contact.role-changed", previous_role="viewer", new_role="admin")
        state = state_file(ContactState("acme", "c-1", Status.LEFT))
        assert main(["contacts", "explain", name, "--state", state, "--json"]) == 0
        told = orjson.loads(capfdbinary.readouterr().out)
        assert (told["verdict"], told["revocations"]) == ("barred", [])

    def test_contract_with_all_its_contacts(self, change_file, state_file, capfd):
        """A list of states is the tenant's; another tenant's contact is left alone."""
        states = state_file(*(ContactState(t, c) for t, c in [("acme", "c-2"), ("acme", "c-1"), ("other", "c-3")]))
        assert main(["contacts", "explain", change_file("rmm.contract.ended"), "--state", states]) == 0
        told = capfd.readouterr().out
        assert "1. CAEP session-revoked for everyone of acme" in told
        assert "3. RISC account-disabled for c-2 of acme" in told
        assert "c-3" not in told

    def test_future_change_tells_what_it_will_do(self, change_file, capfdbinary):
        """Held now, and then."""
        name = change_file("rmm.contact.left", effective="9000-01-01T00:00:00Z")
        assert main(["contacts", "explain", name, "--json"]) == 0
        told = orjson.loads(capfdbinary.readouterr().out)
        assert (told["verdict"], told["revocations"]) == ("held", [])
        assert told["then"]["at"] == "9000-01-01T00:00:00Z"
        assert len(told["then"]["revocations"]) == 2

    def test_own_policy(self, change_file, tmp_path, capfdbinary):
        """A policy file instead of the shipped one."""
        policy = tmp_path / "policy.yaml"
        policy.write_text("version: 1\ndefault: {roles: {boss: [all:do]}}\n", encoding="utf-8")
        name = change_file("rmm.contact.role-changed", previous_role="boss", new_role="boss")
        assert main(["contacts", "explain", name, "--policy", str(policy), "--json"]) == 0
        told = orjson.loads(capfdbinary.readouterr().out)
        assert [each["members"]["claims"]["rights"] for each in told["revocations"]] == [["all:do"]]

    def test_rule_that_counted(self, change_file, tmp_path, capfd):
        """Where it stands and what it says; and where the rights stand."""
        policy = tmp_path / "policy.yaml"
        policy.write_text(
            "version: 1\ndefault:\n  roles: {boss: [all:do]}\n  changes: [{from: '*', to: boss, then: revoke-all}]\n",
            encoding="utf-8",
        )
        name = change_file("rmm.contact.role-changed", previous_role="boss", new_role="boss")
        assert main(["contacts", "explain", name, "--policy", str(policy)]) == 0
        told = capfd.readouterr().out
        assert "rights: /default/roles/boss" in told
        assert "rule: /default/changes/0: from * to boss then revoke-all" in told
        assert "rights from now on: none" in told

    def test_no_rule(self, change_file, capfdbinary):
        """For machines: null, and where the rights stand."""
        name = change_file("rmm.contact.role-changed", previous_role="viewer", new_role="admin")
        assert main(["contacts", "explain", name, "--json"]) == 0
        told = orjson.loads(capfdbinary.readouterr().out)
        assert (told["rule"], told["rights_from"]) == (None, "/default/roles/admin")

    def test_withdrawal_of_a_held_change(self, change_file, state_file, capfdbinary):
        """What it takes out is in the state."""
        held = Change(ChangeType.LEFT, "/crm", "e-0", "acme", "c-1", datetime(9000, 1, 1, tzinfo=UTC))
        state = state_file(ContactState("acme", "c-1", held=(held,)))
        name = change_file("rmm.contact.change-withdrawn", source="/crm", id="e-0")
        assert main(["contacts", "explain", name, "--state", state, "--json"]) == 0
        told = orjson.loads(capfdbinary.readouterr().out)
        assert (told["verdict"], told["why"]) == ("applied", "the held change is withdrawn before its time")

    def test_resumption_with_all_its_contacts(self, change_file, state_file, capfd):
        """The contract's own state among them."""
        end = Change(ChangeType.CONTRACT_ENDED, "/crm", "k-1", "acme", "", datetime(2025, 1, 1, tzinfo=UTC))
        states = state_file(
            ContractState("acme", Phase.ENDED, last=end.order, end=end),
            ContactState("acme", "c-1", Status.SUSPENDED, role="viewer", rights=("devices:read",)),
            ContactState("acme", "c-2", Status.LEFT),
        )
        assert main(["contacts", "explain", change_file("rmm.contract.resumed"), "--state", states]) == 0
        told = capfd.readouterr().out
        assert "1. RISC account-enabled for c-1 of acme" in told
        assert "rights from now on: devices:read" in told
        assert "c-2" not in told

    def test_end_says_how_long_it_can_be_undone(self, change_file, capfd):
        """By the policy."""
        assert main(["contacts", "explain", change_file("rmm.contract.ended")]) == 0
        assert "30 days later contacts are erased and keys shredded, unless it is resumed" in capfd.readouterr().out

    def test_invalid_change_says_where(self, change_file, capfd):
        """Exit 1, the JSON Pointer, no value; nothing on stdout."""
        assert main(["contacts", "explain", change_file("rmm.contact.left", contact_id="jo@example.org")]) == 1
        told = capfd.readouterr()
        assert told.out == ""
        assert "/data/contact_id: expected an opaque id" in told.err
        assert "jo@example.org" not in told.err

    @pytest.mark.parametrize("content", [b"{", b"[3]", b'{"tenant":"a b","contact_id":"c"}', b"\xff"])
    def test_broken_state_is_named(self, change_file, tmp_path, content, capfd):
        """The file, not what is in it."""
        path = tmp_path / "state.json"
        path.write_bytes(content)
        assert main(["contacts", "explain", change_file("rmm.contact.left"), "--state", str(path)]) == 1
        assert "state.json" in capfd.readouterr().err

    def test_missing_file(self, capfd):
        """Exit 1 with the system's reason."""
        assert main(["contacts", "explain", "no-such.json"]) == 1
        assert "no-such.json: No such file" in capfd.readouterr().err


class TestVerifySet:
    def test_right_token(self, token, key_file, capfd):
        """Given as it is."""
        assert main(["contacts", "verify-set", token, "--jwks", key_file, "-a", AUDIENCE, "-i", ISSUER]) == 0
        assert "valid: RISC account-disabled for c-1 of acme" in capfd.readouterr().out

    def test_token_in_a_file(self, token, key_file, tmp_path, capfdbinary):
        """With a line feed behind it."""
        path = tmp_path / "token.jws"
        path.write_text(token + "\n", encoding="ascii")
        arguments = [
            "contacts",
            "verify-set",
            str(path),
            "--jwks",
            key_file,
            "-a",
            AUDIENCE,
            "-i",
            ISSUER,
            "--json",
        ]
        assert main(arguments) == 0
        told = orjson.loads(capfdbinary.readouterr().out)
        assert told["valid"] is True
        assert told["claims"]["event"] == RISC + "account-disabled"

    def test_refused_token(self, token, key_file, capfd):
        """Exit 1 and the rule."""
        assert main(["contacts", "verify-set", token, "--jwks", key_file, "-a", "https://x/", "-i", ISSUER]) == 1
        assert "aud holds the expected audience" in capfd.readouterr().err

    @pytest.mark.parametrize("content", [b"{", b"[]", b'{"keys": 3}'])
    def test_broken_key_set(self, token, tmp_path, content, capfd):
        """Exit 1, named."""
        path = tmp_path / "jwks.json"
        path.write_bytes(content)
        assert main(["contacts", "verify-set", token, "--jwks", str(path), "-a", AUDIENCE, "-i", ISSUER]) == 1
        assert "jwks.json" in capfd.readouterr().err
