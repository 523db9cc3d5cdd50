"""What the operator chose is what is in force, and a mistake is told where it stands."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spiritsafe.errors import SpiritsafeError
from spiritsafe.settings import (
    HomeFault,
    SettingError,
    Settings,
    SettingsFileError,
    describe,
    help_of,
    load_settings,
    parse_size,
    settings_table,
)
from spiritsafe.settings.load import parse_settings_file
from tests.house.repository import DOCS


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture
def here(tmp_path: Path) -> Path:
    folder = tmp_path / "here"
    folder.mkdir()
    return folder


def write(folder: Path, text: str) -> Path:
    path = folder / "spiritsafe.toml"
    path.write_text(text)
    return path


def loaded(here: Path, home: Path, flags: Any = None, **environment: str) -> Settings:
    return load_settings(flags, environment={"SPIRITSAFE_HOME": str(home), **environment}, folder=here)


def test_flag_beats_environment_beats_file_beats_default(here, home):
    assert loaded(here, home).seed == 1
    write(here, "seed = 2\n")
    assert loaded(here, home).seed == 2
    assert loaded(here, home, SPIRITSAFE_SEED="3").seed == 3
    assert loaded(here, home, {"seed": 4}, SPIRITSAFE_SEED="3").seed == 4


def test_a_flag_that_was_not_given_beats_nothing(here, home):
    assert loaded(here, home, {"seed": None}, SPIRITSAFE_SEED="3").seed == 3


def test_the_file_in_the_current_folder_stands_alone(here, home):
    write(home, 'timezone = "UTC"\nseed = 5\n')
    assert (loaded(here, home).timezone, loaded(here, home).seed) == ("UTC", 5)
    write(here, "seed = 6\n")
    assert (loaded(here, home).timezone, loaded(here, home).seed) == (None, 6)


@pytest.mark.parametrize(
    ("variable", "text", "field", "value"),
    [
        ("SPIRITSAFE_MEMORY_LIMIT_BYTES", "2GiB", "memory_limit_bytes", 2 << 30),
        ("SPIRITSAFE_MEMORY_LIMIT_BYTES", "3000000000", "memory_limit_bytes", 3_000_000_000),
        ("SPIRITSAFE_PSEUDONYMISE", "true", "pseudonymise", True),
        ("SPIRITSAFE_PSEUDONYMISE", "0", "pseudonymise", False),
        ("SPIRITSAFE_TIMEZONE", "Europe/Paris", "timezone", "Europe/Paris"),
        ("SPIRITSAFE_VAULT_COLUMNS", "account_id api_key_id", "vault_columns", ("account_id", "api_key_id")),
        ("SPIRITSAFE_TWO_PERSONS", "confirmed closed", "two_persons", ("confirmed", "closed")),
        ("SPIRITSAFE_TWO_PERSONS", "", "two_persons", ()),
        ("SPIRITSAFE_KEY_COMMAND", "kms --key 'alias/a b'", "key_command", ("kms", "--key", "alias/a b")),
        ("SPIRITSAFE_RESOLVE_HOURS", "1.5", "resolve_hours", 1.5),
        ("SPIRITSAFE_TEMP_DIR", "/var/tmp", "temp_dir", Path("/var/tmp")),
    ],
)
def test_the_environment_is_read_as_a_shell_writes_it(here, home, variable, text, field, value):
    assert getattr(loaded(here, home, **{variable: text}), field) == value


def test_a_file_is_read_by_type(here, home):
    write(here, 'memory_limit_bytes = "512MiB"\npseudonymise = true\nvault_columns = ["end_user_id"]\nworkers = 3\n')
    settings = loaded(here, home)
    assert (settings.memory_limit_bytes, settings.pseudonymise, settings.workers) == (512 << 20, True, 3)
    assert settings.vault_columns == ("end_user_id",)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("memory_limit = 5\n", "memory_limit_bytes"),
        ("pseudonymize = true\n", "pseudonymise"),
        ("[engine]\nname = 'spark'\n", "one of `duckdb`, `spark`"),
        ('engine = "sqlite"\n', "one of `duckdb`, `spark`"),
        ('seed = "7"\n', "integer"),
        ("workers = 0\n", "read and sketch"),
        ('timezone = "Mars/Olympus"\n', "IANA"),
        ('home = ""\n', "folder"),
        ('memory_limit_bytes = "lots"\n', "3GiB"),
        ("key_epoch_days = 1.5\n", "integer"),
        ('vault_columns = ["prompt"]\n', "vault"),
    ],
)
def test_a_mistake_names_its_place_and_the_way_out(here, home, text, hint):
    path = write(here, text)
    with pytest.raises(SettingError) as caught:
        loaded(here, home)
    assert str(path) in str(caught.value)
    assert hint in caught.value.hint


@pytest.mark.parametrize("flags", [{"sede": 1}, {"memory_limit_bytes": "2 parsecs"}, {"seed": "1"}])
def test_a_wrong_flag_is_told_as_a_flag(here, home, flags):
    with pytest.raises(SettingError, match=r"^--"):
        loaded(here, home, flags)


@pytest.mark.parametrize("variable", ["SPIRITSAFE_ENGIN", "SPIRITSAFE_MEMORY_LIMIT", "SPIRITSAFE_PSEUDONYMIZE"])
def test_a_misspelt_variable_is_refused_and_not_ignored(here, home, variable):
    with pytest.raises(SettingError, match=variable) as caught:
        loaded(here, home, **{variable: "1"})
    assert "did you mean SPIRITSAFE_" in caught.value.hint


@pytest.mark.parametrize(
    "variable",
    ["SPIRITSAFE_KEY_VAULT", "SPIRITSAFE_KEY_PSEUDONYM_2", "SPIRITSAFE_KEY_EXPORTS", "SPIRITSAFE_SHARED_DATA", "PATH"],
)
def test_variables_that_are_no_settings_are_left_alone(here, home, variable):
    assert loaded(here, home, **{variable: "anything"}) == loaded(here, home)


# -- the home ------------------------------------------------------------------------------------------------


def test_the_home_is_made_private_when_it_is_first_needed(here, tmp_path):
    settings = loaded(here, tmp_path / "new" / "home")
    assert not settings.home.exists()
    before = os.umask(0)
    try:
        assert settings.open_home().stat().st_mode & 0o777 == 0o700
    finally:
        os.umask(before)


@pytest.mark.parametrize("mode", [0o750, 0o705, 0o777, 0o1777])
def test_a_home_that_others_may_enter_is_refused(here, home, mode):
    home.chmod(mode)
    with pytest.raises(HomeFault, match="open to other users") as caught:
        loaded(here, home)
    assert "chmod 700" in caught.value.hint


def test_a_home_that_is_a_file_is_refused(here, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(HomeFault, match="not a folder"):
        loaded(here, tmp_path / "file")
    with pytest.raises(HomeFault, match="cannot make"):
        loaded(here, tmp_path / "file" / "below").open_home()


def test_without_a_word_the_home_is_in_the_users_home(here, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load_settings(environment={}, folder=here).home == tmp_path / ".spiritsafe"


def test_the_home_cannot_move_itself(here, home):
    write(home, 'home = "/elsewhere"\n')
    with pytest.raises(SettingError, match="cannot be set in this file"):
        loaded(here, home)


# -- files that one should not obey --------------------------------------------------------------------------


def test_a_file_that_came_with_a_folder_cannot_name_a_program_to_run(here, home):
    write(here, 'key_provider = "command"\nkey_command = ["./evil"]\n')
    with pytest.raises(SettingError, match="key_command") as caught:
        loaded(here, home)
    assert "SPIRITSAFE_KEY_COMMAND" in caught.value.hint
    (here / "spiritsafe.toml").unlink()
    write(home, 'key_provider = "command"\nkey_command = ["kms"]\n')
    assert loaded(here, home).key_command == ("kms",)


@pytest.mark.parametrize(
    "line",
    [
        'guard_account_header = "x-account"',
        'guard_fingerprint_header = "x-ja4"',
        "guard_hops = 2",
        'guard_keys = "/etc/spiritsafe/keys.json"',
        'guard_redis = "redis://elsewhere.example:6379/0"',
    ],
)
def test_a_file_that_came_with_a_folder_cannot_say_whom_the_guard_believes(here, home, line):
    write(here, line + "\n")
    with pytest.raises(SettingError, match=line.split()[0]):
        loaded(here, home)
    (here / "spiritsafe.toml").unlink()
    write(home, line + "\n")
    name, _, value = line.partition(" = ")
    assert str(getattr(loaded(here, home), name)) == value.strip('"')


def test_a_file_that_everybody_may_write_is_refused(here, home):
    write(here, "seed = 2\n").chmod(0o666)
    with pytest.raises(SettingsFileError, match="another user"):
        loaded(here, home)


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xfe",
        b"seed = ",
        b"seed = 1\nseed = 2",
        b"a = " + b"[" * 20_000,
        b"\0",
        b"seed = 1_",
        b"x = " + b"9" * 9999,
    ],
)
def test_a_broken_file_is_told_and_not_guessed_at(here, home, data):
    (here / "spiritsafe.toml").write_bytes(data)
    with pytest.raises((SettingsFileError, SettingError)) as caught:
        loaded(here, home)
    assert "spiritsafe.toml" in str(caught.value)
    assert caught.value.hint


def test_a_giant_file_is_no_settings_file(here, home):
    (here / "spiritsafe.toml").write_bytes(b"#" * (1 << 21))
    with pytest.raises(SettingsFileError, match="1 MiB"):
        loaded(here, home)


NAMES = set(Settings.__struct_fields__)


def result(action: Callable[[], Any]) -> Any:
    """What `action` answers, or the error that we raise on purpose; any other error fails the test."""
    try:
        return action()
    except SpiritsafeError as error:
        return error


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")))
@example(b"[[seed]]")
@example(b"seed.a.b = 1")
@example(b'"" = 1')
def test_any_bytes_are_settings_or_a_clear_error(data):
    table = result(lambda: parse_settings_file(data, where="it"))
    assert str(table).startswith("it") if isinstance(table, SpiritsafeError) else table.keys() <= NAMES


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
nested = st.lists(scalars, max_size=3) | st.dictionaries(st.text(), scalars, max_size=2)
values = scalars | nested


@given(st.sampled_from(Settings.__struct_fields__), values)
@example("timezone", "../../etc/passwd")
@example("timezone", "")
@example("home", "~nobody-of-that-name/x")
@example("temp_dir", "a\0b")
@example("memory_limit_bytes", "9" * 400 + "TiB")
@example("seed", 1 << 70)
def test_any_flag_value_is_a_setting_or_a_clear_error(name, value):
    flags = {"home": "/nowhere/at/all", name: value}
    settings = result(lambda: load_settings(flags, environment={"HOME": "/nowhere"}, folder=Path("/nowhere")))
    assert settings.hint if isinstance(settings, SpiritsafeError) else isinstance(settings, Settings)


@given(st.sampled_from([s.variable for s in describe()]), st.text(st.characters(exclude_characters="\0"), max_size=30))
@example("SPIRITSAFE_KEY_COMMAND", "'unclosed")
def test_any_environment_text_is_a_setting_or_a_clear_error(variable, text):
    environment = {"SPIRITSAFE_HOME": "/nowhere/at/all", variable: text}
    settings = result(lambda: load_settings(environment=environment, folder=Path("/nowhere")))
    assert settings.hint if isinstance(settings, SpiritsafeError) else isinstance(settings, Settings)


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("0", 0),
        ("17", 17),
        ("512MiB", 512 << 20),
        ("3 GiB", 3 << 30),
        ("1.5GB", 1_500_000_000),
        ("2kb", 2000),
        ("7B", 7),
    ],
)
def test_a_size_is_read_with_its_unit(text, size_bytes):
    assert parse_size(text) == size_bytes


@given(st.integers(0, 10**15))
def test_a_size_in_bytes_is_itself(size_bytes):
    assert parse_size(str(size_bytes)) == size_bytes
    assert parse_size(f"{size_bytes}B") == size_bytes


@pytest.mark.parametrize("text", ["", "-1", "1e9", "GiB", "1 G iB", "1.GiB", "0x10", "1_000", "٣GiB"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(ValueError, match="no size"):
        parse_size(text)


# -- told to people ------------------------------------------------------------------------------------------


def test_every_setting_says_what_it_means_and_numbers_say_their_unit():
    for setting in describe():
        assert len(setting.text) > 20, setting.name
        assert setting.text.endswith("."), setting.name
        assert setting.default, setting.name
        assert setting.kind not in {"integer", "number"} or setting.unit or setting.name == "seed", setting.name
        assert setting.text in help_of(setting.name)


def test_the_page_of_settings_tells_the_settings():
    page = (DOCS / "reference" / "settings.md").read_text(encoding="utf-8")
    assert settings_table() in page, "write the table again: `from spiritsafe.settings import settings_table`"


def test_what_a_run_reports_names_no_place_of_the_machine(here, home):
    public = loaded(here, home, SPIRITSAFE_TEMP_DIR=str(here), SPIRITSAFE_KEY_COMMAND="kms").public()
    assert not {"home", "temp_dir", "key_command"} & set(public)
    assert str(home) not in msgspec.json.encode(public).decode()
    assert public["seed"] == 1


def test_settings_cannot_be_changed_afterwards(here, home):
    with pytest.raises(AttributeError):
        loaded(here, home).seed = 9  # type: ignore[misc]
