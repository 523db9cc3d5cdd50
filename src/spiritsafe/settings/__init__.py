"""What did the operator choose, and where did he say so?

In: flags, environment variables `SPIRITSAFE_<FIELD>`, and one `spiritsafe.toml` (the one in the current
folder, else the one in the home); the first that speaks wins. Out: one frozen `Settings`.
No field is a secret: secrets are `keys`. Read next: `settings.model`, then `settings.load`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spiritsafe.settings.load import load_settings, parse_size
    from spiritsafe.settings.model import (
        HomeFault,
        Setting,
        SettingError,
        Settings,
        SettingsFileError,
        describe,
        help_of,
        settings_table,
    )

_HOMES = {
    "HomeFault": "model",
    "Setting": "model",
    "SettingError": "model",
    "Settings": "model",
    "SettingsFileError": "model",
    "describe": "model",
    "help_of": "model",
    "load_settings": "load",
    "parse_size": "load",
    "settings_table": "model",
}
__all__ = [
    "HomeFault",
    "Setting",
    "SettingError",
    "Settings",
    "SettingsFileError",
    "describe",
    "help_of",
    "load_settings",
    "parse_size",
    "settings_table",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
