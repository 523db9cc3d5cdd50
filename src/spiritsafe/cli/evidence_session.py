"""What the `evidence` commands share: the ledger of the home, and records as JSON.

Comes from `cli.evidence`; goes on to `evidence`.
"""

from __future__ import annotations

import datetime
import functools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import click
import msgspec

from spiritsafe.cli.identity_session import Session, guide
from spiritsafe.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from spiritsafe.evidence.ledger import Ledger
    from spiritsafe.evidence.records import Record
    from spiritsafe.keys.persons import Signer


class RecordLineError(InputError):
    """A line that should be a record is no JSON object with `record` and `fields`."""

    code = "cli.evidence.record"


class EvidenceFileError(InputError):
    """A file that was to be read (records, a bundle, a request, certificates) cannot be."""

    code = "cli.evidence.file"


class EvidenceSession(Session):
    """One command's view of the home and its ledger."""

    @functools.cached_property
    def ledger(self) -> Ledger:
        from spiritsafe.evidence.ledger import Ledger

        home = self.settings.open_home()
        return Ledger(home / "ledger", self.keys, origin=self.settings.ledger_origin or None)

    def close(self) -> None:
        """Give ledger and vault back."""
        if "ledger" in self.__dict__:
            self.ledger.close()
        super().close()


class Seal:
    """Who is to cosign and time-stamp the ledger's state, as the options say."""

    def __init__(self, witnesses: tuple[tuple[str, str], ...], authority: str | None, roots: Path | None) -> None:
        if (authority is None) != (roots is None):
            raise click.UsageError("--authority and --roots go together")
        self._witnesses, self._authority, self._roots = witnesses, authority, roots

    def put_on(self, ledger: Ledger) -> None:
        """Ask each of them, for the state as it is now."""
        from spiritsafe.evidence.notes import parse_verifier_key
        from spiritsafe.evidence.timestamps import stamp
        from spiritsafe.evidence.witness import ask_witness

        for url, key in [(url, parse_verifier_key(key)) for url, key in self._witnesses]:
            at_s = ask_witness(ledger, url, key)
            guide(f"{key.name} cosigned at {datetime.datetime.fromtimestamp(at_s, datetime.UTC):%Y-%m-%d %H:%M:%S}Z")
        if self._authority is not None and self._roots is not None:
            moment = stamp(ledger, self._authority, roots=read_file(self._roots))
            guide(f"{self._authority} stamped it at {moment:%Y-%m-%d %H:%M:%S}Z")


def sealing(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of a command that signs the ledger's state: it is given `seal`."""

    @click.option("--witness", "witnesses", nargs=2, multiple=True, metavar="URL KEY", help="Have this witness cosign.")
    @click.option("--authority", metavar="URL", help="Have this time-stamp authority (RFC 3161) stamp it.")
    @click.option("--roots", type=click.Path(path_type=Path), help="The authority's root certificates, PEM.")
    @functools.wraps(command)
    def run(
        *given: Any, witnesses: tuple[tuple[str, str], ...], authority: str | None, roots: Path | None, **more: Any
    ) -> Any:
        return command(*given, seal=Seal(witnesses, authority, roots), **more)

    return run


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    """A record as it is given: `{"record": "note/1", "fields": {...}, "case": "..."}`."""

    record: str
    fields: dict[str, Any]
    case: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] | None = None


def read_records(data: bytes, signer: Signer | None) -> list[Record]:
    """Records from JSON lines, done by `signer`, or by a program; raises `RecordLineError`."""
    found = []
    for number, line in enumerate(data.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            given = msgspec.json.decode(line, type=_Line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise RecordLineError(
                f"line {number} is no record: {error}",
                hint='one JSON object a line: {"record": "note/1", "fields": {"text": "..."}}; nothing was filed',
            ) from error
        found.append(_record(given, signer))
    return found


def _record(given: _Line, signer: Signer | None) -> Record:
    from spiritsafe import __version__
    from spiritsafe.evidence.record_types import type_of
    from spiritsafe.evidence.records import Personal, Record

    specs = {spec.name: spec for spec in type_of(given.record).fields}
    fields: dict[str, Any] = {"by": "person" if signer else "program", "name": f"spiritsafe {__version__}"}
    fields |= {"name": signer.name} if signer else {}
    for name, value in given.fields.items():
        spec = specs.get(name)
        if spec is not None and spec.visibility == "personal":
            items = [
                Personal(str(one["subject"]), one["value"])
                if isinstance(one, dict) and one.keys() == {"subject", "value"}
                else one
                for one in (value if spec.many and isinstance(value, list) else [value])
            ]
            fields[name] = tuple(items) if spec.many else items[0]
        else:
            fields[name] = tuple(value) if spec is not None and spec.many and isinstance(value, list) else value
    return Record(given.record, fields, case_id=given.case, signer=signer)


def read_file(path: Path) -> bytes:
    """The bytes of a file or of standard input; raises `EvidenceFileError`."""
    try:
        with click.open_file(str(path), "rb") as stream:
            data: bytes = stream.read()
            return data
    except OSError as error:
        raise EvidenceFileError(f"cannot read {path}: {error.strerror}", hint="see the path and its mode") from error
