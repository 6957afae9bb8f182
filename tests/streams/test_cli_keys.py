"""`rmm-scrub keys`: through the command line's own entry."""

import base64
from pathlib import Path

import orjson
import pytest

from scrubbers.keyring import Keyring, KeyUnavailable
from scrubbers.rootkey import wrapper_for
from streams.cli import main


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No keyring of the developer's own."""
    monkeypatch.delenv("RMM_SCRUB_KEYRING", raising=False)
    monkeypatch.delenv("RMM_SCRUB_ROOT_KEY", raising=False)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a keyring may be made, in a folder that is not there yet."""
    return tmp_path / "new" / "keys.json"


@pytest.fixture
def made(path: Path, capfd) -> Path:
    """A keyring with two tenants."""
    assert main(["keys", "init", "--keyring", str(path), "--tenant", "acme", "--tenant", "borealis"]) == 0
    capfd.readouterr()
    return path


def opened(path: Path) -> Keyring:
    """The keyring as a worker opens it."""
    return Keyring.open(path, wrapper_for(path, {}))


class TestInit:
    def test_makes_keyring_and_root_key_for_their_owner_only(self, made: Path) -> None:
        """Mode 0600, usable at once."""
        assert {each.stat().st_mode & 0o777 for each in (made, made.with_name("keys.json.root"))} == {0o600}
        assert opened(made).tenants() == ["acme", "borealis"]

    def test_adds_tenants_to_a_keyring_and_leaves_the_others_keys(self, made: Path, capfd) -> None:
        """The second `init` of a tenant changes nothing."""
        before = opened(made).tenant("acme").key("x")
        arguments = ["keys", "init", "--keyring", str(made), "--tenant", "acme", "--tenant", "cobalt", "--json"]
        assert main(arguments) == 0
        assert orjson.loads(capfd.readouterr().out)["tenants"] == ["acme", "borealis", "cobalt"]
        assert opened(made).tenant("acme").key("x") == before

    def test_takes_the_root_key_from_the_environment(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Then no root key file is made."""
        monkeypatch.setenv("RMM_SCRUB_ROOT_KEY", base64.b64encode(bytes(range(32))).decode())
        assert main(["keys", "init", "--keyring", str(path), "--tenant", "acme"]) == 0
        assert not path.with_name("keys.json.root").exists()

    def test_takes_the_place_from_the_environment(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """RMM_SCRUB_KEYRING."""
        monkeypatch.setenv("RMM_SCRUB_KEYRING", str(path))
        assert main(["keys", "init"]) == 0
        assert opened(path).tenants() == []

    @pytest.mark.parametrize("name", ["", "acme/k01", "Acme Corp", "a" * 129])
    def test_refuses_a_name_that_no_contract_can_have(self, path: Path, name: str, capfd) -> None:
        """Before anything is written."""
        assert main(["keys", "init", "--keyring", str(path), "--tenant", name]) == 1
        assert "a tenant's name" in capfd.readouterr().err
        assert not path.parent.exists()

    def test_says_that_a_folder_cannot_be_made(self, tmp_path: Path, capfd) -> None:
        """A file is in the way."""
        (tmp_path / "file").touch()
        assert main(["keys", "init", "--keyring", str(tmp_path / "file" / "keys.json")]) == 1
        assert capfd.readouterr().err.startswith("rmm-scrub: error: ")

    def test_wants_a_place(self, capfd) -> None:
        """And says how to name one."""
        assert main(["keys", "init"]) == 1
        assert "RMM_SCRUB_KEYRING" in capfd.readouterr().err


class TestList:
    def test_shows_epochs_and_never_a_key(self, made: Path, capfd) -> None:
        """For machines."""
        opened(made).rotate("acme")
        assert main(["keys", "list", "--keyring", str(made), "--json"]) == 0
        rows = orjson.loads(capfd.readouterr().out)
        assert [(row["tenant"], row["epoch"]) for row in rows] == [
            ("acme", "k01"),
            ("acme", "k02"),
            ("borealis", "k01"),
        ]
        assert {key for row in rows for key in row} == {"tenant", "epoch", "created"}

    def test_shows_a_table_to_people(self, made: Path, capfd) -> None:
        """One row an epoch."""
        assert main(["keys", "list", "--keyring", str(made)]) == 0
        assert capfd.readouterr().out.count("k01") == 2

    def test_says_that_there_is_no_keyring(self, path: Path, capfd) -> None:
        """And how to make it."""
        assert main(["keys", "list", "--keyring", str(path)]) == 1
        assert "keys init" in capfd.readouterr().err


class TestRotate:
    def test_opens_an_epoch(self, made: Path, capfd) -> None:
        """Which the next reader of the file uses."""
        assert main(["keys", "rotate", "acme", "--keyring", str(made), "--json"]) == 0
        assert orjson.loads(capfd.readouterr().out) == {"tenant": "acme", "epoch": "k02"}
        assert opened(made).tenant("acme").domain == "acme/k02"

    def test_refuses_a_tenant_without_keys(self, made: Path, capfd) -> None:
        """Exit 1, with a hint."""
        assert main(["keys", "rotate", "cobalt", "--keyring", str(made)]) == 1
        assert "keys list" in capfd.readouterr().err

    def test_wants_a_tenant(self, capfd) -> None:
        """Wrong usage: exit 2."""
        assert main(["keys", "rotate"]) == 2
        assert "error" in capfd.readouterr().err


class TestShred:
    def test_asks_for_yes(self, made: Path, capfd) -> None:
        """And destroys nothing without it."""
        assert main(["keys", "shred", "acme", "--keyring", str(made)]) == 1
        assert "--yes" in capfd.readouterr().err
        assert opened(made).tenants() == ["acme", "borealis"]

    def test_destroys_one_tenants_keys(self, made: Path, capfd) -> None:
        """The others keep theirs."""
        assert main(["keys", "shred", "acme", "--yes", "--keyring", str(made), "--json"]) == 0
        assert orjson.loads(capfd.readouterr().out) == {"tenant": "acme", "shredded": True}
        assert opened(made).tenants() == ["borealis"]
        with pytest.raises(KeyUnavailable):
            opened(made).tenant("acme")


@pytest.mark.parametrize("arguments", [["rotate", "acme"], ["rotate-signing"], ["shred", "acme", "--yes"]])
def test_whoever_says_who_they_are_and_is_not_changes_nothing(
    made: Path, arguments: list[str], monkeypatch: pytest.MonkeyPatch, capfd
) -> None:
    """A token that proves nobody: refused before the keys change, which would be on no record."""
    before = made.read_bytes()
    monkeypatch.setenv("RMM_SCRUB_TOKEN", "a.b.c")
    monkeypatch.setattr("streams.cli.recording.reachable", lambda _: True)

    assert main(["keys", *arguments, "--keyring", str(made)]) == 1
    assert "not identified" in capfd.readouterr().err
    assert made.read_bytes() == before


@pytest.mark.parametrize("verb", ["init", "list", "rotate", "shred"])
def test_every_verb_has_an_example(verb: str, capfd) -> None:
    """In its --help."""
    assert main(["keys", verb, "--help"]) == 0
    assert f"rmm-scrub keys {verb}" in capfd.readouterr().out
