"""Keys from environment variables, for containers and schedulers that hand secrets out that way.

Comes from `SPIRITSAFE_KEY_*`; goes on to whoever uses a key.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
import re
from typing import TYPE_CHECKING, Final

from spiritsafe.keys.model import (
    SECRET_BYTES,
    Key,
    KeyFileError,
    KeyInfo,
    KeyReadOnlyError,
    checked_purpose,
    key_id_of,
    no_key,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

_VARIABLE: Final = re.compile(r"SPIRITSAFE_KEY_([A-Z]+)(?:_([1-9][0-9]{0,5}))?")


class EnvironmentKeys:
    """Keys from `SPIRITSAFE_KEY_<PURPOSE>[_<EPOCH>]`: 32 bytes in base64; without an epoch it is 1.

    For containers and schedulers that hand out secrets as variables. The highest epoch that is set is the
    newest. What a secret store gives, only the secret store can rotate or destroy.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = environment

    def key(self, purpose: str, epoch: int | None = None) -> Key:
        """The key of an epoch, or the newest."""
        found = self._find(purpose)
        if not found or (epoch is not None and epoch not in found):
            name = _variable(purpose, epoch or 1)
            raise no_key(purpose, epoch, (), f"set {name} to `head -c {SECRET_BYTES} /dev/urandom | base64`")
        return found[max(found) if epoch is None else epoch]

    def epochs(self, purpose: str) -> tuple[KeyInfo, ...]:
        """Every epoch that is set, oldest first."""
        found = self._find(purpose)
        return tuple(KeyInfo(purpose, epoch, found[epoch].key_id) for epoch in sorted(found))

    def rotate(self, purpose: str, *, after: int | None = None) -> Key:
        """Refused, with the variable to set; with `after`, answers a newer key when there is one."""
        found = self._find(purpose)
        if after is not None and found and max(found) != after:
            return found[max(found)]
        name = _variable(purpose, max(found, default=0) + 1)
        raise KeyReadOnlyError(
            "keys from the environment cannot be made here",
            hint=f"put `head -c {SECRET_BYTES} /dev/urandom | base64` into your secret store as {name}",
        )

    def destroy(self, purpose: str, epoch: int) -> KeyInfo:
        """Refused, with the variable to delete."""
        self.key(purpose, epoch)
        raise KeyReadOnlyError(
            "keys from the environment cannot be destroyed here",
            hint=f"delete {_variable(purpose, epoch)} from your secret store and its backups",
        )

    def _find(self, purpose: str) -> dict[int, Key]:
        environment = os.environ if self._environment is None else self._environment
        found: dict[int, Key] = {}
        for name in sorted(environment):
            match = _VARIABLE.fullmatch(name)
            if not match or match[1] != checked_purpose(purpose).upper():
                continue
            epoch = int(match[2] or 1)
            if epoch in found:
                raise KeyFileError(f"{name} and {_variable(purpose, epoch)} both give epoch {epoch}", hint="unset one")
            secret = _secret_from_text(environment[name], name)
            found[epoch] = Key(key_id_of(secret, purpose), epoch, secret, purpose)
        return found


def _variable(purpose: str, epoch: int) -> str:
    return f"SPIRITSAFE_KEY_{purpose.upper()}" + (f"_{epoch}" if epoch > 1 else "")


def _secret_from_text(text: str, name: str) -> bytes:
    """32 bytes from base64 text. The error names the variable and never its value."""
    with contextlib.suppress(binascii.Error, ValueError):
        secret = base64.b64decode(text.strip().encode("ascii"), validate=True)
        if len(secret) == SECRET_BYTES:
            return secret
    raise KeyFileError(
        f"{name} is not {SECRET_BYTES} bytes in base64",
        hint=f"make one with `head -c {SECRET_BYTES} /dev/urandom | base64`",
    )
