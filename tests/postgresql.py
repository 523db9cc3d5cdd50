"""A real PostgreSQL for tests: its own cluster in a temporary folder, on a Unix socket, gone when they end."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterator


def _bin() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    assert found, "there is no PostgreSQL: apt-get install -y --no-install-recommends postgresql"
    return found[-1].parent


def _owner() -> str | None:
    """The user who runs the server: it refuses to run as root."""
    if os.geteuid() != 0:
        return None
    return pwd.getpwnam("postgres").pw_name


class Cluster:
    """A running server. `new_database` makes an empty database and answers its URL."""

    def __init__(self, socket: Path, run: list[str], owner: str | None) -> None:
        self._socket, self._run, self._owner, self._count = socket, run, owner, 0

    def new_database(self) -> str:
        self._count += 1
        name = f"cases{self._count}"
        command = [self._run[0].replace("pg_ctl", "createdb"), "-h", str(self._socket), "-U", "cases", name]
        subprocess.run(command, check=True, capture_output=True, user=self._owner)
        return f"postgresql://cases@/{name}?host={quote(str(self._socket), safe='')}"


@contextlib.contextmanager
def postgresql() -> Iterator[Cluster]:
    """Start a server; stop it by its process when done."""
    owner, folder = _owner(), Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))
    control = [str(_bin() / "pg_ctl"), "-D", str(folder / "data")]
    try:
        if owner is not None:
            shutil.chown(folder, owner)
        make = [str(_bin() / "initdb"), "-D", str(folder / "data"), "-U", "cases", "-A", "trust", "-N", "-E", "UTF8"]
        subprocess.run([*make, "--no-locale"], check=True, capture_output=True, user=owner)
        options = f"-c listen_addresses='' -k {folder} -c fsync=off"
        start = [*control, "-w", "-l", str(folder / "log"), "-o", options, "start"]
        subprocess.run(start, check=True, capture_output=True, user=owner)
        yield Cluster(folder, control, owner)
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], check=False, capture_output=True, user=owner)
        shutil.rmtree(folder, ignore_errors=True)
