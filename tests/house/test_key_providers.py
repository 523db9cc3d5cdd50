"""Keys from variables and from a key service behave as keys from files do."""

from __future__ import annotations

import base64
import os
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spiritsafe.errors import SpiritsafeError
from spiritsafe.keys import CommandKeys, EnvironmentKeys, FileKeys, Key, ensure_key, open_keys
from spiritsafe.keys.model import (
    KeyCommandFault,
    KeyDestroyedFault,
    KeyFileError,
    KeyMissingFault,
    KeyPurposeError,
    KeyReadOnlyError,
)

SECRET = bytes(range(32))
TEXT = base64.b64encode(SECRET).decode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "keys"


def result(action: Callable[[], Any]) -> Any:
    """What `action` answers, or the error that we raise on purpose; any other error fails the test."""
    try:
        return action()
    except SpiritsafeError as error:
        return error


# -- environment ---------------------------------------------------------------------------------------------


def test_the_environment_gives_epochs_by_number():
    other = base64.b64encode(bytes(32)).decode()
    keys = EnvironmentKeys({"SPIRITSAFE_KEY_VAULT": TEXT, "SPIRITSAFE_KEY_VAULT_12": other + "\n", "PATH": "x"})
    assert keys.key("vault", 1).secret == SECRET
    assert (keys.key("vault").epoch, keys.key("vault").secret) == (12, bytes(32))
    assert [info.epoch for info in keys.epochs("vault")] == [1, 12]
    with pytest.raises(KeyMissingFault) as caught:
        keys.key("sketch")
    assert "SPIRITSAFE_KEY_SKETCH" in caught.value.hint


def test_what_the_secret_store_gave_only_it_can_change():
    keys = EnvironmentKeys({"SPIRITSAFE_KEY_VAULT": TEXT})
    with pytest.raises(KeyReadOnlyError) as caught:
        keys.rotate("vault")
    assert "SPIRITSAFE_KEY_VAULT_2" in caught.value.hint
    with pytest.raises(KeyReadOnlyError):
        keys.destroy("vault", 1)
    assert ensure_key(keys, "vault").secret == SECRET


def test_one_epoch_given_twice_is_refused():
    with pytest.raises(KeyFileError, match="epoch 1"):
        EnvironmentKeys({"SPIRITSAFE_KEY_VAULT": TEXT, "SPIRITSAFE_KEY_VAULT_1": TEXT}).key("vault")


@given(st.text(max_size=60) | st.binary(max_size=48).map(lambda data: base64.b64encode(data).decode()))
@example("")
@example(TEXT[:-1])
@example(TEXT[:20] + "\n" + TEXT[20:])
@example(TEXT.replace("+", "-").replace("/", "_") + "é")
def test_any_text_in_a_variable_is_a_key_or_an_error_that_does_not_repeat_it(text):
    found = result(lambda: EnvironmentKeys({"SPIRITSAFE_KEY_VAULT": text}).key("vault"))
    if isinstance(found, Key):
        assert base64.b64encode(found.secret).decode() == text.strip()
    else:
        assert isinstance(found, KeyFileError)
        assert len(text) < 6 or text not in str(found) + found.hint


@given(st.text(max_size=30))
@example("SPIRITSAFE_KEY_PROVIDER")
@example("SPIRITSAFE_KEY_VAULT_0")
@example("SPIRITSAFE_KEY_VAULT_01")
def test_other_variables_are_no_keys(name):
    assert EnvironmentKeys({name: "not a key"}).epochs("vault") == ()


# -- a command -----------------------------------------------------------------------------------------------

KMS = """
import os, sys
from pathlib import Path
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

here = Path(__file__).parent
(here / "asked").open("a").write(" ".join(sys.argv[1:]) + "\\n")
master = AESGCM((here / "master").read_bytes())
verb, bound = sys.argv[-3], "|".join(sys.argv[-2:]).encode()
given = sys.stdin.buffer.read()
if verb == "wrap":
    nonce = os.urandom(12)
    sys.stdout.buffer.write(nonce + master.encrypt(nonce, given, bound))
else:
    sys.stdout.buffer.write(master.decrypt(given[:12], given[12:], bound))
"""


@pytest.fixture
def kms(tmp_path: Path) -> tuple[str, ...]:
    """A key service of one file: a real program with a master key that we never see."""
    (tmp_path / "kms.py").write_text(KMS)
    (tmp_path / "master").write_bytes(os.urandom(32))
    return (sys.executable, str(tmp_path / "kms.py"), "--key", "alias/$(touch x); spirit safe")


def test_a_wrapped_key_comes_back_and_never_stands_in_the_file(kms, folder, tmp_path):
    made = CommandKeys(folder, kms).rotate("vault")
    keys = CommandKeys(folder, kms)
    assert keys.key("vault") == made
    assert keys.key("vault") == made
    held = msgspec.json.decode((folder / "vault" / "1.key").read_bytes())
    assert made.secret not in base64.b64decode(held["sealed"])
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked == [f"--key {kms[3]} {verb} vault 1" for verb in ("wrap", "unwrap")]
    assert not (tmp_path / "x").exists()


def test_a_wrapped_key_can_be_destroyed(kms, folder):
    keys = CommandKeys(folder, kms)
    keys.rotate("vault")
    keys.key("vault")
    keys.destroy("vault", 1)
    with pytest.raises(KeyDestroyedFault):
        keys.key("vault")


def test_another_master_key_opens_nothing_and_the_command_says_why(kms, folder, tmp_path):
    CommandKeys(folder, kms).rotate("vault")
    (tmp_path / "master").write_bytes(os.urandom(32))
    with pytest.raises(KeyCommandFault, match="left with 1") as caught:
        CommandKeys(folder, kms).key("vault")
    assert "InvalidTag" in caught.value.hint


def test_a_command_that_answers_wrongly_is_found_out(kms, folder):
    CommandKeys(folder, kms).rotate("vault")
    liar = (sys.executable, "-c", "print('x' * 31)")
    with pytest.raises(KeyFileError, match="is not the key"):
        CommandKeys(folder, liar).key("vault")


@pytest.mark.parametrize("answer", ["pass", "print('x' * 99_999)", "raise SystemExit(3)"])
def test_a_command_that_gives_nothing_sensible_makes_no_key(folder, answer):
    with pytest.raises(KeyCommandFault, match="bytes of output"):
        CommandKeys(folder, (sys.executable, "-c", answer)).rotate("vault")
    assert not list(folder.rglob("*.key"))


def test_a_command_that_hangs_is_given_up(folder):
    slow = (sys.executable, "-c", "import time; time.sleep(60)")
    with pytest.raises(KeyCommandFault, match=r"0\.2 s"):
        CommandKeys(folder, slow, timeout_s=0.2).rotate("vault")


def test_a_command_that_is_not_there_is_told(folder):
    with pytest.raises(KeyCommandFault, match="cannot run"):
        CommandKeys(folder, ("no-such-program-anywhere",)).rotate("vault")
    with pytest.raises(KeyCommandFault, match="no command"):
        CommandKeys(folder, ())


def test_the_providers_do_not_take_each_others_files(kms, folder):
    FileKeys(folder).rotate("vault")
    with pytest.raises(KeyFileError, match="provider `file`"):
        CommandKeys(folder, kms).key("vault")


def test_a_copy_for_a_worker_holds_no_unwrapped_key(kms, folder):
    keys = CommandKeys(folder, kms)
    made = keys.rotate("vault")
    keys.key("vault")
    copied = pickle.dumps(keys)
    assert made.secret not in copied
    assert pickle.loads(copied).key("vault") == made


@pytest.mark.parametrize(
    ("kind", "expected"), [("file", FileKeys), ("environment", EnvironmentKeys), ("command", CommandKeys)]
)
def test_the_settings_choose_the_provider(kind, expected, folder):
    assert type(open_keys(kind, folder, command=("kms",))) is expected


def test_an_unknown_provider_is_refused(folder):
    with pytest.raises(KeyPurposeError, match="'vault9'"):
        open_keys("vault9", folder)
