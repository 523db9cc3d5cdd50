"""A key is there for its owner only, stays apart from other keys, ages in one direction and dies for good."""

from __future__ import annotations

import base64
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spiritsafe.errors import SpiritsafeError
from spiritsafe.keys import PURPOSES, FileKeys, Key, derive, ensure_key
from spiritsafe.keys.model import (
    KeyAccessFault,
    KeyDestroyedFault,
    KeyFileError,
    KeyMissingFault,
    KeyPurposeError,
    key_id_of,
)

SECRET = bytes(range(32))
TEXT = base64.b64encode(SECRET).decode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "keys"


@pytest.fixture
def keys(folder: Path) -> FileKeys:
    return FileKeys(folder)


def result(action: Callable[[], Any]) -> Any:
    """What `action` answers, or the error that we raise on purpose; any other error fails the test."""
    try:
        return action()
    except SpiritsafeError as error:
        return error


# -- one key -------------------------------------------------------------------------------------------------


def test_hkdf_is_the_standards():
    """RFC 5869's own inputs cannot be used (our label is fixed), so an independent HMAC does the same steps."""
    import hashlib
    import hmac

    extracted = hmac.digest(bytes(32), SECRET, "sha256")
    block = hmac.new(extracted, b"spiritsafe v1 a label\x01", hashlib.sha256).digest()
    assert derive(SECRET, "a label") == block


@given(st.binary(min_size=32, max_size=32), st.text(max_size=20), st.text(max_size=20))
def test_each_use_has_a_key_of_its_own(secret, one, other):
    assert (derive(secret, one) == derive(secret, other)) == (one == other)


def test_a_key_shows_its_name_and_never_its_secret(keys):
    key = keys.rotate("vault")
    assert key.key_id in repr(key)
    for shown in (repr(key), str(key), f"{key}", repr([key])):
        assert key.secret.hex() not in shown
        assert repr(key.secret)[2:-1] not in shown


def test_a_name_belongs_to_one_secret_and_one_purpose():
    names = {key_id_of(secret, purpose) for purpose in PURPOSES for secret in (SECRET, bytes(32))}
    assert len(names) == 2 * len(PURPOSES)


def test_keys_are_equal_by_their_secret():
    one = Key("k1", 1, SECRET, "vault")
    assert one == Key("k1", 1, bytes(range(32)), "vault")
    assert one != Key("k1", 1, bytes(32), "vault")
    assert one != "k1"
    assert len({one, Key("k1", 1, SECRET, "vault")}) == 1


# -- files ---------------------------------------------------------------------------------------------------


def test_a_key_file_is_its_owners_alone_whatever_the_umask(keys, folder):
    before = os.umask(0)
    try:
        keys.rotate("pseudonym")
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in [folder, *folder.rglob("*")]}
    assert modes == {"keys": 0o700, "pseudonym": 0o700, "1.key": 0o600}


def test_a_key_is_the_same_every_time(keys, folder):
    made = keys.rotate("sketch")
    assert keys.key("sketch") == FileKeys(folder).key("sketch") == made
    assert len(made.secret) == 32
    assert made.created_us is not None


def test_epochs_only_grow_and_so_do_their_times(keys, monkeypatch):
    first = keys.rotate("vault")
    monkeypatch.setattr("time.time_ns", lambda: 0)  # a clock that was set back
    second = keys.rotate("vault")
    assert (first.epoch, second.epoch) == (1, 2)
    assert second.created_us > first.created_us
    assert keys.key("vault") == second
    assert keys.key("vault", 1) == first
    keys.destroy("vault", 2)
    assert keys.rotate("vault").epoch == 3


def test_purposes_share_nothing(keys):
    secrets = {ensure_key(keys, purpose).secret for purpose in PURPOSES}
    assert len(secrets) == len(PURPOSES)


@pytest.mark.parametrize("purpose", ["", "vualt", "../vault", "PSEUDONYM", "vault/../sketch"])
def test_a_purpose_that_does_not_exist_is_refused(keys, folder, purpose):
    for action in (keys.key, keys.epochs, keys.rotate):
        with pytest.raises(KeyPurposeError) as caught:
            action(purpose)
        assert "pseudonym" in caught.value.hint
    assert not folder.exists()


def test_a_missing_key_is_told_with_the_command_that_makes_it(keys):
    with pytest.raises(KeyMissingFault) as caught:
        keys.key("vault")
    assert "identity init" in caught.value.hint
    keys.rotate("vault")
    with pytest.raises(KeyMissingFault, match="epoch 7"):
        keys.key("vault", 7)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666, 0o620])
def test_a_key_that_others_may_touch_is_refused(keys, folder, mode):
    keys.rotate("vault")
    (folder / "vault" / "1.key").chmod(mode)
    with pytest.raises(KeyAccessFault, match="open to other users") as caught:
        keys.key("vault")
    assert "chmod 600" in caught.value.hint


@pytest.mark.parametrize("which", [".", "vault"])
def test_a_folder_that_others_may_enter_is_refused(keys, folder, which):
    keys.rotate("vault")
    (folder / which).chmod(0o755)
    for action in (keys.key, keys.rotate, keys.epochs):
        with pytest.raises(KeyAccessFault, match="open to other users"):
            action("vault")


def test_a_link_in_place_of_a_key_is_refused(keys, folder, tmp_path):
    keys.rotate("vault")
    path = folder / "vault" / "1.key"
    path.rename(tmp_path / "moved")
    path.symlink_to(tmp_path / "moved")
    with pytest.raises(KeyAccessFault, match=r"1\.key"):
        keys.key("vault")


def test_a_pipe_in_place_of_a_key_does_not_hang(keys, folder):
    keys.rotate("vault")
    path = folder / "vault" / "2.key"
    os.mkfifo(path, 0o600)
    with pytest.raises(KeyAccessFault, match="not a plain file"):
        keys.key("vault")


def test_another_keys_file_in_its_place_is_refused(keys, folder):
    keys.rotate("vault")
    keys.rotate("sketch")
    (folder / "sketch" / "1.key").replace(folder / "vault" / "1.key")
    with pytest.raises(KeyFileError, match="for sketch"):
        keys.key("vault")


def test_a_secret_that_is_not_the_one_it_was_is_refused(keys, folder):
    keys.rotate("vault")
    path = folder / "vault" / "1.key"
    held = msgspec.json.decode(path.read_bytes())
    path.write_bytes(msgspec.json.encode({**held, "sealed": base64.b64encode(bytes(32)).decode()}))
    with pytest.raises(KeyFileError, match=held["key_id"]):
        keys.key("vault")


def test_what_is_no_key_file_is_not_counted(keys, folder):
    keys.rotate("vault")
    for name in (".1.key.tmp", "01.key", "0.key", "1.key~", "key", "9999999.key"):
        (folder / "vault" / name).write_bytes(b"?")
    assert [info.epoch for info in keys.epochs("vault")] == [1]


@given(st.binary(max_size=300), st.integers(0, 400), st.booleans())
@example(b"", 0, True)
@example(b"[" * 70_000, 0, False)
@example(b"{}", 0, False)
def test_any_bytes_in_a_key_file_are_the_key_or_a_clear_error(tmp_path_factory, noise, at, keep):
    folder = tmp_path_factory.mktemp("fuzz") / "keys"
    keys = FileKeys(folder)
    made = keys.rotate("vault")
    path = folder / "vault" / "1.key"
    data = path.read_bytes()
    path.write_bytes(data[:at] + noise + data[at + len(noise) :] if keep else noise)
    found = result(lambda: keys.key("vault"))
    assert found == made if isinstance(found, Key) else isinstance(found, KeyFileError)
    assert made.secret.hex() not in str(found)


def test_a_key_file_whose_id_has_a_letter_of_another_alphabet_is_broken(keys, folder):
    path = folder / "vault" / "1.key"
    made = keys.rotate("vault")
    path.write_bytes(path.read_bytes().replace(made.key_id.encode(), ("é" + made.key_id[1:]).encode()))
    with pytest.raises(KeyFileError):
        keys.key("vault")


def test_a_crash_while_writing_leaves_no_half_key(keys, folder, monkeypatch):
    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.link", crash)
    with pytest.raises(KeyboardInterrupt):
        keys.rotate("vault")
    assert list((folder / "vault").iterdir()) == []


def test_two_processes_that_begin_together_have_one_key(folder):
    """Else each would write pseudonyms that the other's cannot be compared with."""
    found: list[Key] = []
    gate = threading.Barrier(8)

    def begin() -> None:
        gate.wait()
        found.append(ensure_key(FileKeys(folder), "pseudonym"))

    threads = [threading.Thread(target=begin) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len({key.key_id for key in found}) == 1


# -- destruction ---------------------------------------------------------------------------------------------


def test_a_destroyed_key_is_gone_from_the_disk_and_leaves_a_tombstone(keys, folder):
    key = keys.rotate("vault")
    grave = keys.destroy("vault", 1)
    assert (grave.key_id, grave.epoch) == (key.key_id, 1)
    assert grave.destroyed_us >= grave.created_us
    left = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert base64.b64encode(key.secret) not in left
    assert [path.name for path in (folder / "vault").iterdir()] == ["1.destroyed"]
    with pytest.raises(KeyDestroyedFault, match="epoch 1"):
        keys.key("vault")
    assert keys.destroy("vault", 1) == grave


def test_the_bytes_are_overwritten_before_the_name_is_removed(keys, folder):
    key = keys.rotate("vault")
    with (folder / "vault" / "1.key").open("rb") as held:  # keeps the bytes reachable after the unlink
        keys.destroy("vault", 1)
        assert base64.b64encode(key.secret) not in held.read()


def test_a_crash_between_tombstone_and_wiping_still_ends_the_key(keys, folder, monkeypatch):
    key = keys.rotate("vault")
    with monkeypatch.context() as crashing:
        crashing.setattr("spiritsafe.keys.store.wipe", lambda path: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            keys.destroy("vault", 1)
    assert (folder / "vault" / "1.key").exists()
    with pytest.raises(KeyDestroyedFault):
        keys.key("vault")
    assert not (folder / "vault" / "1.key").exists()
    assert keys.epochs("vault")[0].key_id == key.key_id


def test_ensuring_a_key_never_brings_a_destroyed_one_back(keys):
    keys.rotate("vault")
    keys.destroy("vault", 1)
    with pytest.raises(KeyDestroyedFault) as caught:
        ensure_key(keys, "vault")
    assert "keys rotate vault" in caught.value.hint


def test_only_what_exists_can_be_destroyed(keys):
    with pytest.raises(KeyMissingFault, match="epoch 4"):
        keys.destroy("vault", 4)


def test_no_secret_reaches_a_traceback(folder):
    """Not even through the locals that a debugger or a crash reporter prints."""
    script = (
        "import sys; from pathlib import Path; from spiritsafe.keys import FileKeys\n"
        "key = FileKeys(Path(sys.argv[1])).rotate('vault'); print(key.secret.hex())\n"
        "raise RuntimeError(f'{key} {key!r}')"
    )
    done = subprocess.run([sys.executable, "-c", script, folder], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout.strip() not in done.stderr
    assert "Key(key_id=" in done.stderr
