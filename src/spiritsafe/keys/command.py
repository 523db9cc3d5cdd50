"""Keys that only a command can unwrap: envelope encryption, for a key management service.

Comes from `SPIRITSAFE_HOME/keys` and the operator's command; goes on to whoever uses a key.
"""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Final

from spiritsafe.keys.model import KeyCommandFault, KeyInfo
from spiritsafe.keys.store import FileKeys, KeyFile

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

COMMAND_TIMEOUT_S: Final = 30.0
_MAX_WRAPPED_BYTES: Final = 32 * 1024


class CommandKeys(FileKeys):
    """Envelope encryption: the files hold data keys that only a command (a KMS client, say) can unwrap.

    `command` is run without a shell as `command... wrap|unwrap PURPOSE EPOCH`; it reads the key, or the
    wrapped key, on standard input and writes the other on standard output. Its standard error is shown when
    it fails; its output never is. An unwrapped key stays in memory until the process ends.
    """

    _wrapped = True

    def __init__(self, folder: Path, command: Sequence[str], *, timeout_s: float = COMMAND_TIMEOUT_S) -> None:
        super().__init__(folder)
        if not command:
            raise KeyCommandFault(
                "the key provider `command` has no command",
                hint='set key_command, e.g. key_command = ["kms-envelope", "--key", "alias/spiritsafe"]',
            )
        self._command = tuple(command)
        self._timeout_s = timeout_s
        self._unwrapped: dict[tuple[str, int], bytes] = {}

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_unwrapped": {}}  # a worker asks the command itself

    def _seal(self, secret: bytes, purpose: str, epoch: int) -> bytes:
        return self._run("wrap", purpose, epoch, secret)

    def _open(self, held: KeyFile) -> bytes:
        place = (held.purpose, held.epoch)
        if place not in self._unwrapped:
            self._unwrapped[place] = self._run("unwrap", *place, held.sealed)
        return self._unwrapped[place]

    def destroy(self, purpose: str, epoch: int) -> KeyInfo:
        """Wipe the wrapped key and leave a tombstone; forget the unwrapped one."""
        self._unwrapped.pop((purpose, epoch), None)
        return super().destroy(purpose, epoch)

    def _run(self, verb: str, purpose: str, epoch: int, given: bytes) -> bytes:
        arguments = [*self._command, verb, purpose, str(epoch)]
        try:
            done = subprocess.run(  # noqa: S603 - the operator's own command, no shell
                arguments, input=given, capture_output=True, timeout=self._timeout_s, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise KeyCommandFault(
                f"{self._command[0]} {verb} did not answer in {self._timeout_s:g} s",
                hint="check the way to the key service, then run this again",
            ) from error
        except OSError as error:
            raise KeyCommandFault(
                f"cannot run {self._command[0]}: {error.strerror}",
                hint="key_command must name a program that is installed and executable",
            ) from error
        if done.returncode != 0 or not done.stdout or len(done.stdout) > _MAX_WRAPPED_BYTES:
            said = done.stderr.decode("utf-8", "replace").strip()[-500:]
            raise KeyCommandFault(
                f"{self._command[0]} {verb} {purpose} {epoch} left with {done.returncode} "
                f"and {len(done.stdout)} bytes of output",
                hint=f"it said: {said}" if said else "it said nothing on standard error",
            )
        return done.stdout
