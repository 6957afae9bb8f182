"""The keyring: independent keys, atomic writes, refusal of what is unsafe."""

import base64
import secrets
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from schemas.errors import UserError
from scrubbers.entities import EntityType
from scrubbers.keyring import Keyring, KeyUnavailable, RootKey, root_path, wrapper_for


@pytest.fixture
def ring(tmp_path: Path) -> Keyring:
    """A keyring with two tenants, its root key beside it."""
    path = tmp_path / "keys.json"
    made = Keyring.create(path, RootKey.create_file(root_path(path)))
    made.add_tenant("acme")
    made.add_tenant("borealis")
    return made


def reopened(tmp_path: Path) -> Keyring:
    """The same file, opened by somebody else."""
    path = tmp_path / "keys.json"
    return Keyring.open(path, wrapper_for(path, {}))


def test_keys_are_the_same_when_opened_again(ring: Keyring, tmp_path: Path) -> None:
    """In another process, say."""
    again = reopened(tmp_path)
    assert again.tenant("acme").key("x") == ring.tenant("acme").key("x")
    assert again.quarantine_key() == ring.quarantine_key()
    assert again.signing_key().private_pem == ring.signing_key().private_pem


def test_tenants_and_uses_and_epochs_share_no_key(ring: Keyring) -> None:
    """Every combination differs."""
    ring.rotate("acme")
    acme, borealis = ring.tenant("acme"), ring.tenant("borealis")
    keys = {acme.key("a"), acme.key("b"), acme.key("a", epoch="k01"), borealis.key("a"), ring.quarantine_key()}
    assert len(keys) == 5


def test_rotation_opens_an_epoch_and_keeps_digests(ring: Keyring) -> None:
    """Known entities keep their keys in topics, pseudonyms change."""
    before = ring.tenant("acme")
    assert ring.rotate("acme") == "k02"
    after = ring.tenant("acme")
    assert (before.domain, after.domain) == ("acme/k01", "acme/k02")
    digest = after.entity_digest(EntityType.COMPUTER_NAME, "utica")
    assert digest == before.entity_digest(EntityType.COMPUTER_NAME, "utica")
    assert digest != after.entity_digest(EntityType.DOMAIN_NAME, "utica")


def test_shredded_keys_are_gone_for_everyone(ring: Keyring, tmp_path: Path) -> None:
    """Another process notices by a stat."""
    other = reopened(tmp_path)
    ring.shred("acme")
    assert other.reload_if_changed()
    assert not other.reload_if_changed()
    with pytest.raises(KeyUnavailable):
        other.tenant("acme")
    assert other.tenants() == ["borealis"]


def test_a_readable_root_key_is_refused(ring: Keyring, tmp_path: Path) -> None:
    """Mode 0644: the mend is said."""
    root = root_path(tmp_path / "keys.json")
    root.chmod(0o644)
    with pytest.raises(UserError, match="others may read it"):
        reopened(tmp_path)


def test_another_root_key_is_refused(ring: Keyring, tmp_path: Path) -> None:
    """From the environment; nothing of a key in the text."""
    environ = {"RMM_SCRUB_ROOT_KEY": base64.b64encode(secrets.token_bytes(32)).decode()}
    path = tmp_path / "keys.json"
    with pytest.raises(UserError, match="another root key"):
        Keyring.open(path, wrapper_for(path, environ))


def test_a_wrapped_key_cannot_be_moved_to_another_tenant(ring: Keyring, tmp_path: Path) -> None:
    """Its context binds it to its place."""
    path = tmp_path / "keys.json"
    text = path.read_text()
    path.write_text(text.replace('"acme"', '"x"').replace('"borealis"', '"acme"').replace('"x"', '"borealis"'))
    with pytest.raises(UserError, match="altered"):
        reopened(tmp_path).tenant("acme")


def test_writers_at_the_same_time_lose_nothing(ring: Keyring, tmp_path: Path) -> None:
    """Sixteen tenants added by eight threads, each with the file opened for itself."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: reopened(tmp_path).add_tenant(f"t{number}"), range(16)))
    assert len(reopened(tmp_path).tenants()) == 18


def test_a_crash_in_the_middle_of_a_write_leaves_the_old_file(ring: Keyring, tmp_path: Path, monkeypatch) -> None:
    """The rename never happened: nothing changed, and no temporary file is left."""

    def crash(*_: object) -> None:
        raise OSError("power cut")

    monkeypatch.setattr(Path, "replace", crash)
    with pytest.raises(OSError, match="power cut"):
        ring.add_tenant("cobalt")
    assert reopened(tmp_path).tenants() == ["acme", "borealis"]
    assert not list(tmp_path.glob("*.new"))


def test_no_key_in_any_repr(ring: Keyring) -> None:
    """Nor in an f-string."""
    shown = f"{ring} {ring.tenant('acme')!r} {ring.signing_key()!r}"
    assert "PRIVATE" not in shown
    assert ring.tenant("acme").key("x").hex() not in shown


def test_files_are_for_their_owner_only(ring: Keyring, tmp_path: Path) -> None:
    """Keyring and root key: mode 0600."""
    modes = {(tmp_path / name).stat().st_mode & 0o777 for name in ("keys.json", "keys.json.root")}
    assert modes == {0o600}
