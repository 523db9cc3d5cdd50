"""Where table expressions run: DuckDB inside this process, or Apache Spark.

Every other room writes Ibis expressions and does not know which engine runs them. The engines differ
silently in places (see `docs/explanation/engines.md`); the helpers at the end of this module are the portable
forms, held equal by the parity tests: never `hash()`, `approx_*`, `delta` or a regex in an expression, never an
unsigned column, and seconds only through `epoch_s`.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol

from spiritsafe.errors import EnvironmentFault, UsageError
from spiritsafe.files import SCHEMA_KEY, SpaceError, scratch_folder, write_parquet

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import ibis.expr.types as ir
    import pyarrow as pa
    from pyspark.sql import DataFrame

EngineName = Literal["duckdb", "spark"]


class EngineNameError(UsageError):
    """The engine asked for does not exist."""

    code = "engine.name"


class SparkMissingError(EnvironmentFault):
    """PySpark or a Java 17 runtime is not installed."""

    code = "engine.spark"


class EngineMemoryError(EnvironmentFault):
    """DuckDB needs more memory than it may use, and cannot put the rest on disk."""

    code = "engine.memory"


class EngineDiskError(EnvironmentFault):
    """DuckDB could not read or write one of its files."""

    code = "engine.disk"


class EngineOptions(Protocol):
    """The part of `settings.Settings` that an engine reads."""

    @property
    def memory_limit_bytes(self) -> int: ...
    @property
    def workers(self) -> int: ...
    @property
    def spark_master(self) -> str: ...


class Engine:
    """Runs Ibis expressions and keeps intermediate tables as Parquet in a work folder.

    Intermediate results go to files on both engines, so that memory stays bounded and a table that is used
    twice is computed once.
    """

    name: ClassVar[EngineName]

    def __init__(self, backend: object, work: Path) -> None:
        self._backend = backend
        self._work = work
        self._numbers = itertools.count()

    def read(self, *paths: Path | str) -> ir.Table:
        """The rows of these Parquet files (or folders of them) as one table."""
        files: list[str] = []
        for path in map(Path, paths):
            files += sorted(map(str, path.glob("*.parquet"))) if path.is_dir() else [str(path)]
        return self._read(files)

    def _read(self, files: list[str]) -> ir.Table:
        raise NotImplementedError

    def table(self, rows: pa.Table, name: str) -> ir.Table:
        """An Arrow table as an engine table."""
        import pyarrow.parquet as pq

        path = self._work / f"{next(self._numbers):03d}-{name}.parquet"
        pq.write_table(rows, path)
        return self.read(path)

    def keep(self, expression: ir.Table, name: str) -> ir.Table:
        """Compute `expression` now, keep its rows on disk and return a table that reads them."""
        path = self._work / f"{next(self._numbers):03d}-{name}"
        self._write(expression, path)
        return self.read(path)

    def keep_all(self, expressions: Iterable[ir.Table], name: str) -> ir.Table:
        """As `keep`, of several expressions one after the other: the rows of all, in the memory of one."""
        paths = []
        for expression in expressions:
            paths.append(self._work / f"{next(self._numbers):03d}-{name}")
            self._write(expression, paths[-1])
        return self.read(*paths)

    def _write(self, expression: ir.Table, path: Path) -> None:
        raise NotImplementedError

    def write(self, expression: ir.Table, path: Path, tag: str, metadata: dict[str, str] | None = None) -> None:
        """Compute `expression` into one Parquet file that carries the schema tag and further metadata."""
        raise NotImplementedError

    def arrow(self, expression: ir.Table) -> pa.Table:
        """Compute `expression` into memory. For results whose size is bounded by accounts, not by requests."""
        raise NotImplementedError


class DuckDBEngine(Engine):
    """The embedded default: DuckDB with a memory limit, spilling to the work folder."""

    name = "duckdb"

    def __init__(self, work: Path, options: EngineOptions) -> None:
        import ibis

        backend = ibis.duckdb.connect(
            memory_limit=memory_limit(options.memory_limit_bytes),
            threads=max(options.workers, 1),
            temp_directory=str(work / "spill"),
            preserve_insertion_order=False,
        )
        backend.raw_sql("SET TimeZone = 'UTC'")
        super().__init__(backend, work)

    def _read(self, files: list[str]) -> ir.Table:
        with duckdb_faults():
            return self._backend.read_parquet(files)  # type: ignore[attr-defined]

    def arrow(self, expression: ir.Table) -> pa.Table:
        with duckdb_faults():
            return _as_stated(self._backend.to_pyarrow(expression), expression)  # type: ignore[attr-defined]

    def _write(self, expression: ir.Table, path: Path) -> None:
        path.mkdir()
        self._copy(expression, path / "part-0.parquet", "FORMAT parquet, COMPRESSION lz4_raw")

    def _copy(self, expression: ir.Table, path: Path, options: str) -> None:
        """Write with the types that Ibis states: DuckDB's own sum of integers is 128 bits wide, in Parquet a float."""
        schema = expression.schema()
        columns = ", ".join(
            f"CAST({_name(name)} AS {'BIGINT' if kind.is_int64() else 'INTEGER'}) AS {_name(name)}"
            if kind.is_int64() or kind.is_int32()
            else _name(name)
            for name, kind in schema.items()
        )
        query = f"SELECT {columns} FROM ({self._backend.compile(expression)})"  # type: ignore[attr-defined]  # noqa: S608
        with duckdb_faults():
            self._backend.raw_sql(f"COPY ({query}) TO {_quoted(str(path))} ({options})")  # type: ignore[attr-defined]

    def write(self, expression: ir.Table, path: Path, tag: str, metadata: dict[str, str] | None = None) -> None:
        pairs = {SCHEMA_KEY.decode(): tag, **(metadata or {})}
        quoted = ", ".join(f"{_quoted(name)}: {_quoted(value)}" for name, value in pairs.items())
        self._copy(
            expression, path, f"FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 65536, KV_METADATA {{{quoted}}}"
        )


@contextlib.contextmanager
def duckdb_faults() -> Iterator[None]:
    """What DuckDB says of memory and disks, as errors of ours; everything else goes on as it is."""
    import duckdb

    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise EngineMemoryError(
            f"DuckDB ran out of memory: {_first_line(error)}",
            hint="raise memory_limit_bytes, lower --workers, or free space where temp_dir is",
        ) from error
    except duckdb.IOException as error:
        if "No space left" in str(error) or "quota exceeded" in str(error):
            raise SpaceError(
                "no space left on the disk that DuckDB was writing to",
                hint="free some space, or point --out and SPIRITSAFE_TEMP_DIR at another disk",
            ) from error
        raise EngineDiskError(
            f"DuckDB could not read or write: {_first_line(error)}", hint="check the disk, and its permissions"
        ) from error


def _as_stated(rows: pa.Table, expression: ir.Table) -> pa.Table:
    """The rows with the types that Ibis states, all of which may be null and of which timestamps have a zone."""
    import pyarrow as pa

    kinds = expression.schema().to_pyarrow()
    utc = pa.timestamp("us", tz="UTC")
    return rows.cast(pa.schema([(f.name, utc if pa.types.is_timestamp(f.type) else f.type) for f in kinds]))


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:300]


def memory_limit(size_bytes: int) -> str:
    """A limit as DuckDB writes it; with less than 256 MiB it cannot work."""
    return f"{max(size_bytes // 2**20, 256)}MiB"


def _name(column: str) -> str:
    """An SQL identifier."""
    return '"' + column.replace('"', '""') + '"'


def _quoted(text: str) -> str:
    """An SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


class SparkEngine(Engine):
    """An existing or local Apache Spark, through the same expressions."""

    name = "spark"

    def __init__(self, work: Path, options: EngineOptions) -> None:
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
        try:
            import ibis
            from pyspark.sql import SparkSession
        except ImportError as error:
            raise SparkMissingError("the Spark engine needs PySpark", hint="pip install 'spiritsafe[spark]'") from error
        try:
            builder = SparkSession.builder.master(options.spark_master)
            if options.spark_master.startswith("local"):
                builder = builder.config("spark.sql.shuffle.partitions", str(2 * options.workers))
            session = (
                builder.appName("spiritsafe")
                .config("spark.sql.session.timeZone", "UTC")
                .config("spark.ui.enabled", "false")
                .config("spark.ui.showConsoleProgress", "false")
                .config("spark.sql.warehouse.dir", str(work / "warehouse"))
                .getOrCreate()
            )
        except Exception as error:
            raise SparkMissingError(
                f"Spark at {options.spark_master!r} did not start: {error}",
                hint="install a Java 17 runtime (apt-get install openjdk-17-jre-headless) and set JAVA_HOME to it",
            ) from error
        super().__init__(ibis.pyspark.connect(session), work)

    def _read(self, files: list[str]) -> ir.Table:
        frame = self._backend._session.read.parquet(*files)  # type: ignore[attr-defined]
        view = f"spiritsafe_{next(self._numbers)}_{os.getpid()}"
        frame.createOrReplaceTempView(view)
        return self._backend.table(view)  # type: ignore[attr-defined]

    def arrow(self, expression: ir.Table) -> pa.Table:
        # Not through Ibis: it goes by pandas, where an integer beside a null is a float and a hash loses its last bits.
        return _as_stated(self._frame(expression).toArrow(), expression)

    def _frame(self, expression: ir.Table) -> DataFrame:
        return self._backend._session.sql(self._backend.compile(expression))  # type: ignore[attr-defined]

    def _write(self, expression: ir.Table, path: Path) -> None:
        frame = self._frame(expression)
        wide = {name: "bigint" for name, kind in expression.schema().items() if kind.is_int64()}
        for name, kind in wide.items():
            frame = frame.withColumn(name, frame[name].cast(kind))  # row numbers are 32 bits wide on Spark
        frame.write.parquet(str(path))

    def write(self, expression: ir.Table, path: Path, tag: str, metadata: dict[str, str] | None = None) -> None:
        write_parquet(self.arrow(expression), path, tag, metadata)


@contextlib.contextmanager
def open_engine(name: str, options: EngineOptions, *, scratch: Path | None = None) -> Iterator[Engine]:
    """Open an engine with a work folder that is gone when the block ends.

    Parameters
    ----------
    name
        `duckdb` or `spark`.
    options
        Memory limit (bytes), threads and Spark master, usually the `Settings`.
    scratch
        Where the work folder goes; the system's temporary folder by default.

    Raises
    ------
    EngineNameError
        There is no engine of that name.
    SparkMissingError
        Spark was asked for and cannot start.
    """
    kinds: dict[str, type[DuckDBEngine] | type[SparkEngine]] = {"duckdb": DuckDBEngine, "spark": SparkEngine}
    if name not in kinds:
        raise EngineNameError(f"there is no engine {name!r}", hint=f"choose one of: {', '.join(kinds)}")
    with scratch_folder(scratch) as work:
        yield kinds[name](work, options)


def epoch_s(time: ir.Value) -> ir.IntegerValue:
    """Whole seconds since 1970 of a timestamp column, rounded down, equal on both engines.

    `epoch_seconds` alone gives fractions on DuckDB and integers on Spark. Rounding the fractions down is exact until
    the year 2242, from when a double no longer tells microseconds apart; `truncate("s")` would be exact for ever and
    took DuckDB 0.4 s of processor a million times, three times as long.
    """
    fractions = time.epoch_seconds().cast("float64")  # type: ignore[attr-defined]
    return fractions.floor().cast("int64")  # type: ignore[no-any-return]


def columns_present(table: ir.Table, names: Sequence[str]) -> list[str]:
    """Those of `names` that the table has."""
    have = set(table.columns)
    return [name for name in names if name in have]
