"""The keyring: independent keys, atomic writes, refusal of what is unsafe."""

import base64
import os
import secrets
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest
from cryptography.hazmat.primitives import serialization

from schemas.errors import UserError
from scrubbers.entities import EntityType
from scrubbers.keyring import SIGNING_SETTLES, TOKENS_STAND, Keyring, KeyUnavailable
from scrubbers.rootkey import RootKey, root_path, wrapper_for


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


def test_keys_that_are_newer_than_meant_are_not_shredded(ring: Keyring) -> None:
    """Whoever decided it knew of older ones only."""
    ring.rotate("acme")
    with pytest.raises(UserError, match="newer keys"):
        ring.shred("acme", "k01")
    ring.shred("acme", "k02")
    assert ring.tenants() == ["borealis"]


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


def test_a_tenant_that_comes_back_gets_an_epoch_of_a_new_name(ring: Keyring, tmp_path: Path) -> None:
    """`acme/k02` never stands for two keys, before and after shredding."""
    ring.rotate("acme")
    before = ring.tenant("acme")
    ring.shred("acme")
    reopened(tmp_path).add_tenant("acme")
    after = reopened(tmp_path).tenant("acme")
    assert (before.domain, after.domain) == ("acme/k02", "acme/k03")
    assert before.key("x") != after.key("x")
    assert before.entity_digest(EntityType.PERSON, "jan") != after.entity_digest(EntityType.PERSON, "jan")


def test_shredding_leaves_no_wrapped_key_on_the_disk(ring: Keyring, tmp_path: Path) -> None:
    """Earlier versions of the file, held here by links, are overwritten; so is what a killed writer left."""
    path = tmp_path / "keys.json"
    left = tmp_path / ".keys.json.new"
    left.write_bytes(path.read_bytes())
    os.link(left, tmp_path / "of-the-killed")
    os.link(path, tmp_path / "before-rotation")
    ring.rotate("borealis")
    os.link(path, tmp_path / "before-shredding")
    ring.shred("acme")
    held = [(tmp_path / name).read_bytes() for name in ("of-the-killed", "before-rotation", "before-shredding")]
    assert set(b"".join(held)) == {0}
    assert not left.exists()


def test_a_reader_that_meets_an_overwritten_version_reads_the_new_one(
    ring: Keyring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It opened the old file, and read it after the writer was done."""
    path, other = tmp_path / "keys.json", reopened(tmp_path)
    ring.rotate("acme")
    read_bytes = Path.read_bytes

    def late(opened: Path) -> bytes:
        monkeypatch.setattr(Path, "read_bytes", read_bytes)
        ring.rotate("acme")
        return b"\0" * opened.stat().st_size

    monkeypatch.setattr(Path, "read_bytes", late)
    assert other.reload_if_changed()
    assert other.tenant("acme").domain == Keyring.open(path, wrapper_for(path, {})).tenant("acme").domain == "acme/k03"


def test_a_change_while_the_file_is_being_read_is_seen_the_next_time(
    ring: Keyring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shredded after the bytes were read: the opener must not take the new stamp for the old bytes."""
    read_bytes = Path.read_bytes

    def before_the_shredding(opened: Path) -> bytes:
        monkeypatch.setattr(Path, "read_bytes", read_bytes)
        old = read_bytes(opened)
        ring.shred("acme")
        return old

    monkeypatch.setattr(Path, "read_bytes", before_the_shredding)
    other = reopened(tmp_path)
    assert other.tenants() == ["acme", "borealis"]
    assert other.reload_if_changed()
    assert other.tenants() == ["borealis"]


def test_a_reload_that_failed_is_tried_again(ring: Keyring, tmp_path: Path) -> None:
    """The file was away for a moment."""
    path, other = tmp_path / "keys.json", reopened(tmp_path)
    path.rename(tmp_path / "away")
    with pytest.raises(UserError, match="No such file"):
        other.reload_if_changed()
    with pytest.raises(UserError, match="No such file"):
        other.reload_if_changed()


def test_a_key_in_memory_only_is_gone_with_the_keyring() -> None:
    """Throwaway keyrings share nothing, and have nothing to reload."""
    one, other = Keyring.throwaway(), Keyring.throwaway()
    one.add_tenant("acme")
    other.add_tenant("acme")
    assert one.tenant("acme").key("x") != other.tenant("acme").key("x")
    assert not one.reload_if_changed()


@pytest.mark.parametrize("wrapped", ["", "AQ==", "not base64", "é", "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA="])
def test_an_altered_keyring_is_an_error_to_mend(ring: Keyring, tmp_path: Path, wrapped: str) -> None:
    """Whatever stands where a wrapped key should."""
    path = tmp_path / "keys.json"
    path.write_bytes(orjson.dumps({**orjson.loads(path.read_bytes()), "quarantine": wrapped}))
    with pytest.raises(UserError, match="altered"):
        reopened(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"version": 1}', b"\0" * 20, b'{"\xff":1}'])
def test_what_is_no_keyring_is_refused(tmp_path: Path, content: bytes) -> None:
    """By its path, and with nothing of what it holds."""
    path = tmp_path / "keys.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"keys\.json: not a keyring"):
        Keyring.open(path, RootKey(secrets.token_bytes(32)))


def test_another_format_is_refused(ring: Keyring, tmp_path: Path) -> None:
    """A newer version wrote it."""
    path = tmp_path / "keys.json"
    path.write_bytes(orjson.dumps({**orjson.loads(path.read_bytes()), "version": 2}))
    with pytest.raises(UserError, match="format 2"):
        reopened(tmp_path)


def test_a_root_key_is_never_overwritten(ring: Keyring, tmp_path: Path) -> None:
    """With it all keys would be lost."""
    root = root_path(tmp_path / "keys.json")
    before = root.read_bytes()
    with pytest.raises(UserError, match="File exists"):
        RootKey.create_file(root)
    assert root.read_bytes() == before


def test_a_keyring_is_never_overwritten(ring: Keyring, tmp_path: Path) -> None:
    """Nor is its lock in the way of the next one."""
    path = tmp_path / "keys.json"
    with pytest.raises(UserError, match="exists already"):
        Keyring.create(path, RootKey(secrets.token_bytes(32)))
    assert reopened(tmp_path).tenants() == ["acme", "borealis"]


@pytest.mark.parametrize("change", ["rotate", "shred"])
def test_a_tenant_without_keys_can_be_neither_rotated_nor_shredded(ring: Keyring, change: str) -> None:
    """The error names no tenant."""
    with pytest.raises(UserError, match="this tenant has no keys") as caught:
        getattr(ring, change)("cobalt")
    assert "cobalt" not in str(caught.value)


def test_the_signing_key_can_sign(ring: Keyring) -> None:
    """RSA with 2048 bits, PKCS #8, with a name."""
    signing = ring.signing_key()
    private = serialization.load_pem_private_key(signing.private_pem, None)
    assert private.key_size == 2048
    assert signing.private_pem.startswith(b"-----BEGIN PRIVATE KEY-----")
    assert len(signing.kid) == 16


def test_no_key_stands_bare_in_the_file(ring: Keyring, tmp_path: Path) -> None:
    """Neither raw, nor hexadecimal, nor base64."""
    text = (tmp_path / "keys.json").read_bytes()
    key = ring.quarantine_key()
    forms = (key, key.hex().encode(), base64.b64encode(key), b"PRIVATE KEY")
    assert [form in text for form in forms] == [False] * 4


def test_a_killed_writer_leaves_a_keyring_that_opens(ring: Keyring, tmp_path: Path) -> None:
    """Killed between the temporary file and the rename; the next writer takes its lock and goes on."""
    program = (
        "import os, pathlib, signal, sys\n"
        "from scrubbers.keyring import Keyring\n"
        "from scrubbers.rootkey import wrapper_for\n"
        "pathlib.Path.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "path = pathlib.Path(sys.argv[1])\n"
        "Keyring.open(path, wrapper_for(path, {})).rotate('acme')\n"
    )
    killed = subprocess.run([sys.executable, "-c", program, tmp_path / "keys.json"], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert (tmp_path / ".keys.json.new").exists()
    assert reopened(tmp_path).tenant("acme").domain == "acme/k01"
    assert reopened(tmp_path).rotate("acme") == "k02"
    assert not (tmp_path / ".keys.json.new").exists()


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
    assert not list(tmp_path.glob(".*.new"))


def test_no_key_in_any_repr(ring: Keyring) -> None:
    """Nor in an f-string."""
    shown = f"{ring} {ring.tenant('acme')!r} {ring.signing_key()!r}"
    assert "PRIVATE" not in shown
    assert ring.tenant("acme").key("x").hex() not in shown


def test_files_are_for_their_owner_only(ring: Keyring, tmp_path: Path) -> None:
    """Keyring and root key: mode 0600."""
    modes = {(tmp_path / name).stat().st_mode & 0o777 for name in ("keys.json", "keys.json.root")}
    assert modes == {0o600}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_change_by_root_leaves_the_file_to_the_workers_account(ring: Keyring, tmp_path: Path) -> None:
    """`sudo rmm-scrub keys shred`: workers that cannot read the keyring any more would keep the shredded keys."""
    path = tmp_path / "keys.json"
    os.chown(path, 65534, 65533)
    ring.shred("acme")
    status = path.stat()
    assert (status.st_uid, status.st_gid, status.st_mode & 0o777) == (65534, 65533, 0o600)


def aged(ring: Keyring, kid: str, age: timedelta) -> None:
    """Make a signing key older."""
    [found] = [each for each in ring._file.signing if each.kid == kid]
    found.created = (datetime.now(UTC) - age).isoformat(timespec="seconds")


def test_a_new_signing_key_is_published_before_it_signs() -> None:
    """Portals that keep the key set for minutes know it by then."""
    ring = Keyring.throwaway()
    old = ring.signing_kid()
    new = ring.rotate_signing()
    before = (ring.signing_key().kid, [each.kid for each in ring.signing_keys()])
    aged(ring, new, SIGNING_SETTLES)

    assert before == (old, [old, new])
    assert ring.signing_key().kid == new


def test_an_old_signing_key_stays_until_its_tokens_are_gone() -> None:
    """Which were signed until the next key had settled."""
    ring = Keyring.throwaway()
    first = ring.signing_kid()
    second = ring.rotate_signing()
    aged(ring, second, TOKENS_STAND)
    third = ring.rotate_signing()
    kept = [each.kid for each in ring.signing_keys()]
    aged(ring, second, TOKENS_STAND + SIGNING_SETTLES)
    fourth = ring.rotate_signing()

    assert kept == [first, second, third]
    assert [each.kid for each in ring.signing_keys()] == [second, third, fourth]
