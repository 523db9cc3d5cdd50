"""Read the settings: flags, environment, one file.

Comes from the command line, `SPIRITSAFE_*` and `spiritsafe.toml`; goes on to the commands.
"""

from __future__ import annotations

import difflib
import os
import re
import shlex
import stat
import tomllib
import zoneinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_args, get_origin, get_type_hints

import msgspec

from spiritsafe.settings.model import (
    PREFIX,
    SettingError,
    Settings,
    SettingsFileError,
    check_home,
    default_home,
    describe,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

FILE_NAME: Final = "spiritsafe.toml"

_MAX_FILE_BYTES: Final = 1 << 20
_SIZE: Final = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,9})?) ?([KMGT]i?B|B)?", re.IGNORECASE)
_POWERS: Final = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}


def load_settings(
    flags: Mapping[str, object] | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Settings:
    """The settings in force: flags, then environment, then the one file.

    Parameters
    ----------
    flags
        Field name -> value; None means that the flag was not given.
    environment
        In place of the process's own.
    folder
        In place of the current folder, for `spiritsafe.toml`.

    Raises
    ------
    SettingError
        A name that does not exist or a value that does not fit, with where it stands.
    SettingsFileError
        The file is broken, or others could have written it.
    HomeFault
        The home is there and open to other users.
    """
    environment = os.environ if environment is None else environment
    given = {k: (v, f"--{k.replace('_', '-')}") for k, v in (flags or {}).items() if v is not None}
    from_environment = _from_environment(environment)
    here = (Path.cwd() if folder is None else folder) / FILE_NAME
    from_file: dict[str, tuple[object, str]] = {}
    if here.is_file():
        from_file = _from_file(here, refused=_guarded(), why="may come with somebody else's project")
    else:
        value, where = (from_environment | given).get("home", (None, ""))
        home = default_home() if value is None else _converted("home", value, where)
        if (home / FILE_NAME).is_file():
            check_home(home)
            from_file = _from_file(home / FILE_NAME, refused=("home",), why="is already in the home")
    chosen = {}
    for layer in (from_file, from_environment, given):  # a mistake is told even where a later layer wins
        for name, (value, where) in layer.items():
            chosen[name] = _converted(name, value, where)
    settings = Settings(**chosen)
    if settings.home.exists():
        check_home(settings.home)
    return settings


def _names() -> tuple[str, ...]:
    return Settings.__struct_fields__


def _guarded() -> tuple[str, ...]:
    """What a file in the current folder may not say."""
    return tuple(setting.name for setting in describe() if setting.guarded)


def _nearest(name: str, cutoff: float = 0.5) -> str:
    return next(iter(difflib.get_close_matches(name.lower(), _names(), n=1, cutoff=cutoff)), "")


def _unknown(name: str, where: str) -> SettingError:
    near = _nearest(name)
    return SettingError(
        f"{where}: there is no setting {name!r}",
        hint=f"did you mean {near}?" if near else f"settings are: {', '.join(_names())}",
    )


def _from_environment(environment: Mapping[str, str]) -> dict[str, tuple[object, str]]:
    """Variables of ours, by field. One that looks like a misspelt setting is refused rather than ignored."""
    found: dict[str, tuple[object, str]] = {}
    for variable, text in environment.items():
        if not variable.startswith(PREFIX):
            continue
        name = variable.removeprefix(PREFIX).lower()
        if name in _names() and variable.isupper():
            found[name] = (text, variable)
        elif _nearest(name, 0.8):
            near = PREFIX + _nearest(name, 0.8).upper()
            raise SettingError(f"{variable} is no setting", hint=f"did you mean {near}?")
    return found


def _from_file(path: Path, *, refused: tuple[str, ...], why: str) -> dict[str, tuple[object, str]]:
    try:
        found = path.stat()
        data = path.read_bytes() if found.st_size <= _MAX_FILE_BYTES else None
    except OSError as error:
        raise SettingsFileError(f"cannot read {path}: {error.strerror}", hint="check its mode and owner") from error
    if data is None:
        raise SettingsFileError(f"{path} is larger than 1 MiB", hint="that is no settings file: move it away")
    if found.st_uid not in {os.geteuid(), 0} or found.st_mode & stat.S_IWOTH:
        raise SettingsFileError(
            f"{path} could have been written by another user",
            hint=f"look at it, then make it yours: `chown $USER {path}; chmod go-w {path}`",
        )
    table = parse_settings_file(data, where=str(path))
    for name in table:
        if name in refused:
            raise SettingError(
                f"{path}: {name} cannot be set in this file, which {why}",
                hint=f"set {PREFIX}{name.upper()} instead",
            )
    return {name: (value, f"{path}: {name}") for name, value in table.items()}


def parse_settings_file(data: bytes, *, where: str) -> dict[str, object]:
    """The fields that a `spiritsafe.toml` sets, unconverted; raises `SettingsFileError`, `SettingError`."""
    try:
        table = tomllib.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise SettingsFileError(f"{where} is not UTF-8", hint="save it as UTF-8 text") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsFileError(f"{where} is not TOML: {error}", hint="see docs/reference/settings.md") from error
    except (RecursionError, ValueError) as error:
        raise SettingsFileError(f"{where} is not sane TOML: {error}", hint="settings are flat") from error
    for name in table:
        if name not in _names():
            raise _unknown(name, where)
    return table


def _converted(name: str, value: object, where: str) -> Any:
    """`value` as the field's type; text from the environment is read leniently, TOML and flags strictly."""
    hints = get_type_hints(Settings, include_extras=True)
    if name not in hints:
        raise _unknown(name, where)
    from_text = where == PREFIX + name.upper()
    try:
        is_list = get_origin(get_args(hints[name])[0]) is tuple
        value = _prepared(name, value, from_text=from_text, is_list=is_list)
        result = msgspec.convert(value, hints[name], strict=not from_text, dec_hook=_folder)
    except (msgspec.ValidationError, ValueError, OverflowError) as error:
        setting = next(s for s in describe() if s.name == name)
        raise SettingError(f"{where}: {str(error)[:200]}", hint=f"{name} is {setting.kind}: {setting.text}") from error
    if name == "timezone" and result is not None:
        _check_timezone(result, where)
    return result


def _prepared(name: str, value: object, *, from_text: bool, is_list: bool) -> object:
    if name.endswith("_bytes") and isinstance(value, str):
        return parse_size(value)
    if is_list and isinstance(value, str) and from_text:
        return shlex.split(value)
    if isinstance(value, tuple):
        return list(value)
    return value


def parse_size(text: str) -> int:
    """Bytes from `2147483648`, `512MiB`, `3 GiB`, `1.5GB` (GB is 10^9, GiB is 2^30); raises `ValueError`."""
    match = _SIZE.fullmatch(text.strip())
    if not match:
        raise ValueError(f"{text[:40]!r} is no size such as 512MiB")
    unit = (match[2] or "B").upper().removesuffix("B")
    base = 1024 if unit.endswith("I") else 1000
    return int(float(match[1]) * base ** _POWERS[unit.removesuffix("I")]) if unit or "." in match[1] else int(match[1])


def _folder(kind: type, value: object) -> object:
    if kind is not Path or not isinstance(value, str | Path) or not str(value).strip() or "\0" in str(value):
        raise ValueError("expected the path of a folder")
    try:
        return Path(value).expanduser().absolute()
    except RuntimeError as error:
        raise ValueError(str(error)) from error


def _check_timezone(name: str, where: str) -> None:
    try:
        zoneinfo.ZoneInfo(name)
    except (OSError, ValueError, zoneinfo.ZoneInfoNotFoundError) as error:
        raise SettingError(
            f"{where}: {name!r} is no known time zone", hint="use an IANA name such as UTC or Europe/Paris"
        ) from error
