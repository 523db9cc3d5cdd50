"""The tag that every file of ours carries: which table it is, and of which version.

Read before anything else of a file is trusted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spiritsafe.errors import InputError
from spiritsafe.files.destinations import SCHEMA_KEY

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa


class SchemaError(InputError):
    """A file carries no schema tag, another name or an unknown major version."""

    code = "files.schema"


def tagged(schema: pa.Schema, tag: str, extra: dict[str, str] | None = None) -> pa.Schema:
    """`schema` with `spiritsafe.schema=tag` and further metadata."""
    metadata = {SCHEMA_KEY: tag.encode()}
    metadata |= {key.encode(): value.encode() for key, value in (extra or {}).items()}
    return schema.with_metadata({**(schema.metadata or {}), **metadata})


def write_parquet(table: pa.Table, path: Path, tag: str, extra: dict[str, str] | None = None) -> None:
    """Write one tagged Parquet file (zstd)."""
    import pyarrow.parquet as pq

    pq.write_table(table.replace_schema_metadata(tagged(table.schema, tag, extra).metadata), path, compression="zstd")


def check_tag(metadata: dict[bytes, bytes] | None, name: str, major: int, *, where: str) -> None:
    """Refuse a file whose tag is of another table or of a major version that we do not know.

    Raises
    ------
    SchemaError
        With what the file says and what was wanted.
    """
    tag = (metadata or {}).get(SCHEMA_KEY, b"").decode("utf-8", "replace")
    found_name, _, version = tag.partition("/")
    if found_name != name or version.partition(".")[0] != str(major):
        raise SchemaError(
            f"{where} says it is {tag or 'nothing we wrote'!r}; wanted {name}/{major}.x",
            hint=f"give a {name} file written by this version, or update spiritsafe",
        )
