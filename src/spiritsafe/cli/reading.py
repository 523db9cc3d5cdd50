"""Options that every verb which reads a log has, and what they become."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

from spiritsafe.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from spiritsafe.events.sources import ReadOptions
    from spiritsafe.settings import Settings

    Command = TypeVar("Command", bound=Callable[..., Any])

FORMATS = ("parquet", "jsonl", "csv", "otlp", "litellm", "chat", "glasswally")


def reading_options(command: Command) -> Command:
    """Add --map, --sql, --timezone, --format and --storage to a command."""
    for option in (
        click.option(
            "--storage",
            multiple=True,
            metavar="KEY=VALUE",
            help="Object store option, e.g. endpoint_url=https://minio.example. Repeatable.",
        ),
        click.option("--format", "format_", type=click.Choice(FORMATS), help="Skip looking at the bytes."),
        click.option(
            "--timezone",
            metavar="ZONE",
            help="Zone of times without an offset, e.g. Europe/Paris; beats the setting of that name.",
        ),
        click.option(
            "--sql",
            metavar="QUERY",
            help="Read through a query over the view `logs`, in the contract's columns.",
        ),
        click.option(
            "--map",
            "map_path",
            type=click.Path(exists=True, dir_okay=False),
            help="How the table's columns become ours; `spiritsafe doctor LOGS --write-map` proposes one.",
        ),
    ):
        command = option(command)
    return command


class MapAndQueryError(UsageError):
    """--map and --sql were given together; both say how the table's columns become ours."""

    code = "cli.map_and_sql"


class StorageOptionError(UsageError):
    """--storage was given something that is not KEY=VALUE."""

    code = "cli.storage"


def read_options(
    settings: Settings,
    *,
    map_path: str | Path | None,
    sql: str | None,
    format_: str | None,
    storage: tuple[str, ...],
    keep_raw: bool = True,
) -> ReadOptions:
    """The options of a command line as `ReadOptions`.

    `settings` were loaded with the command's --timezone, so that the flag beats the environment beats the file.
    """
    from spiritsafe.events.mapping import load_mapping
    from spiritsafe.events.sources import ReadOptions

    if map_path is not None and sql is not None:
        raise MapAndQueryError("--map and --sql exclude each other", hint="do the mapping in the query, or drop --sql")
    pairs = dict(one.partition("=")[::2] for one in storage)
    if "" in pairs.values():
        raise StorageOptionError("--storage wants KEY=VALUE", hint="e.g. --storage endpoint_url=https://minio.example")
    return ReadOptions.under(
        settings,
        mapping=None if map_path is None else load_mapping(map_path),
        sql=sql,
        format=format_,
        storage_options=pairs,
        keep_raw=keep_raw,
    )
