"""Options that every verb which reads a log has, and what they become."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from spiritsafe.events.sources import ReadOptions

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
        click.option("--timezone", metavar="ZONE", help="Zone of times without an offset, e.g. Europe/Paris."),
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


def read_options(
    *,
    map_path: str | Path | None,
    sql: str | None,
    timezone: str | None,
    format_: str | None,
    storage: tuple[str, ...],
    keep_raw: bool = True,
) -> ReadOptions:
    """The options of a command line as `ReadOptions`."""
    from spiritsafe.errors import UsageError
    from spiritsafe.events.mapping import load_mapping
    from spiritsafe.events.sources import ReadOptions

    if map_path is not None and sql is not None:
        raise UsageError("--map and --sql exclude each other", hint="do the mapping in the query, or drop --sql")
    pairs = dict(one.partition("=")[::2] for one in storage)
    if "" in pairs.values():
        raise UsageError("--storage wants KEY=VALUE", hint="e.g. --storage endpoint_url=https://minio.example")
    return ReadOptions(
        mapping=None if map_path is None else load_mapping(map_path),
        sql=sql,
        timezone=timezone,
        format=format_,
        storage_options=pairs,
        keep_raw=keep_raw,
    )
