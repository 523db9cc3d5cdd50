"""Which provider do the settings name?

Comes from `settings.key_provider` and `settings.key_command`; goes on to whoever uses a key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spiritsafe.keys.command import CommandKeys
from spiritsafe.keys.environment import EnvironmentKeys
from spiritsafe.keys.model import KeyPurposeError
from spiritsafe.keys.store import FileKeys

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from spiritsafe.keys.model import KeyProvider


def open_keys(
    kind: str, folder: Path, *, command: Sequence[str] = (), environment: Mapping[str, str] | None = None
) -> KeyProvider:
    """The provider that the settings `key_provider` and `key_command` name; `folder` is `home/keys`."""
    if kind == "environment":
        return EnvironmentKeys(environment)
    if kind == "command":
        return CommandKeys(folder, command)
    if kind == "file":
        return FileKeys(folder)
    raise KeyPurposeError(f"{kind!r} is no key provider", hint="set key_provider to file, environment or command")
