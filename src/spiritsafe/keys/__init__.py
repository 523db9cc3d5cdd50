"""Which secret keys are there, of what age, and how does each stay apart from the others?

In: `SPIRITSAFE_HOME/keys`, environment variables, or a command that talks to a key management service.
Out: a `Key` for a purpose (what it is for) and an epoch (1, 2, 3, ...: which of its generations).
Every use of a key goes through HKDF with a label of its own, so that one purpose never reveals another.
Secrets are never settings, never logged, never on a command line and never part of a `repr`.
Read next: `keys.model`, then `keys.store`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spiritsafe.keys.command import CommandKeys
    from spiritsafe.keys.environment import EnvironmentKeys
    from spiritsafe.keys.model import PURPOSES, Key, KeyInfo, KeyProvider, derive, ensure_key
    from spiritsafe.keys.providers import open_keys
    from spiritsafe.keys.store import FileKeys

_HOMES = {
    "CommandKeys": "command",
    "EnvironmentKeys": "environment",
    "FileKeys": "store",
    "Key": "model",
    "KeyInfo": "model",
    "KeyProvider": "model",
    "PURPOSES": "model",
    "derive": "model",
    "ensure_key": "model",
    "open_keys": "providers",
}
__all__ = [
    "PURPOSES",
    "CommandKeys",
    "EnvironmentKeys",
    "FileKeys",
    "Key",
    "KeyInfo",
    "KeyProvider",
    "derive",
    "ensure_key",
    "open_keys",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
