"""What can be wrong with a file, as against a row: these stop the command before anything is written.

A broken row is a `Rejected` and the rest goes on; a file of the wrong kind, with the wrong columns or cut off
in the middle raises one of these, with the step that mends it.
Comes from every reader of `events.sources`; goes on to `cli.main`, which prints it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from spiritsafe.errors import EnvironmentFault, InputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

DOCTOR_HINT: Final = "run `spiritsafe doctor LOGS --write-map map.toml`, correct it, and read with --map map.toml"


class PathError(InputError):
    """A path, glob or URL leads to no file."""

    code = "events.not_found"


class NoFileError(InputError):
    """A path is a pipe, a device or a socket: it cannot be read twice, or from the middle."""

    code = "events.no_file"


class FileNameError(InputError):
    """A file to read has a name that is no UTF-8: not every library could open it."""

    code = "events.file_name"


class NoRowsError(InputError):
    """Everything given is empty."""

    code = "events.no_input"


class FormatError(InputError):
    """The bytes are of no kind that we read."""

    code = "events.unknown_format"


class FormatNameError(UsageError):
    """`--format` names a format that does not exist."""

    code = "events.format_name"


class TruncatedError(InputError):
    """A file ends in the middle: an upload that broke off, a writer that is still busy."""

    code = "events.truncated"


class BrokenFileError(InputError):
    """A file cannot be decoded, and not merely at its end."""

    code = "events.broken_file"


class MissingColumnsError(InputError):
    """Columns without which a row means nothing are not in the file at all."""

    code = "events.missing_columns"


class NoHeaderError(InputError):
    """The first line of a table is a row: nothing says what its columns are."""

    code = "events.no_header"


class ColumnTypeError(InputError):
    """A column of a contract name holds something that cannot be read as its type."""

    code = "events.column_type"


class NaiveTimeError(InputError):
    """Times carry no offset, and nobody said which zone they are in."""

    code = "events.naive_time"


class MixedInputError(InputError):
    """Files that cannot be read in one go were given together."""

    code = "events.mixed_input"


class QueryError(InputError):
    """The `--sql` query fails or gives columns that are not the contract's."""

    code = "events.sql"


class TimezoneError(UsageError):
    """`--timezone` names no zone."""

    code = "events.timezone"


class StorageError(EnvironmentFault):
    """A disk or object store does not let us read, or its client library is not installed."""

    code = "events.storage"


def naive_time(where: str, name: str) -> NaiveTimeError:
    """The error for a file, or a query's result, whose times do not say in which zone they are."""
    return NaiveTimeError(
        f"{where}: {name} has no offset from UTC",
        hint="say in which zone the log was written: --timezone UTC, or --timezone America/New_York",
    )


def missing_columns(
    where: str, missing: Iterable[str], present: Iterable[str], *, what: str = "column", quote: bool = True
) -> MissingColumnsError:
    """The error for a file that lacks required columns; names what is missing and what is there.

    A name that reads like a value is masked like one. Without `quote` it only counts what is there: the header of
    a table without one is its first row, with names and prompts, and the keys of a JSON object may be anybody's text.
    """
    have = sorted(present)
    shown = ", ".join(map(_as_name, have[:20])) + (f", ... ({len(have)} in all)" if len(have) > 20 else "")
    held = f"it has: {shown or 'none'}" if quote else f"it has {len(have)} others"
    return MissingColumnsError(f"{where} has no {what} {' or '.join(missing)}; {held}", hint=DOCTOR_HINT)


def _as_name(name: str) -> str:
    from spiritsafe.events.masking import example
    from spiritsafe.events.sources.header import is_cell

    return example(name, None) if is_cell(name) or len(name.split()) > 3 or len(name) > 80 else name
