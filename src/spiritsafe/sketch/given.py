"""Sketches that are given instead of a log: may they be read together, and how were they made?

Numbers of two keys, seeds or versions look alike and mean nothing to each other, and so do pseudonyms of two
keys. Every file says in its metadata how it was made; here all of them must say the same. Comes from
`events.sources`; goes on to `sketch.intake`, and to whoever writes the rows again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from spiritsafe.errors import InputError
from spiritsafe.events.joining import agreed
from spiritsafe.events.pseudonyms import Naming, naming_of
from spiritsafe.events.sources.parquet import parquet_file
from spiritsafe.files import check_tag
from spiritsafe.sketch.model import sketches_schema

if TYPE_CHECKING:
    import pyarrow as pa

    from spiritsafe.events.sources import Source
    from spiritsafe.sketch.patterns import TextTactic
    from spiritsafe.sketch.table import SketchTask

_PREFIX: Final = "spiritsafe.sketch."
_MUST_AGREE: Final = ("hash", "seed", "permutations", "phrase", "normaliser", "key_id", "tactics")


class SketchesDifferError(InputError):
    """Sketch files were made with other keys or parameters, so their numbers cannot be compared."""

    code: ClassVar[str] = "sketch.parameters"


@dataclass(frozen=True, slots=True)
class Made:
    """How sketches were made: the parameters of their numbers, by metadata key, and the form of their names."""

    numbers: dict[str, str]
    names: Naming

    @property
    def key_id(self) -> str:
        """The public name of the sketch key."""
        return self.numbers.get(f"{_PREFIX}key_id", "")

    def metadata(self, tactics: tuple[TextTactic, ...]) -> dict[str, str]:
        """What a file of these rows, with the scores of `tactics`, says of itself."""
        kept = {tactic.name for tactic in tactics}
        held = self.numbers.get(f"{_PREFIX}tactics", "").split(",")
        told = ",".join(one for one in held if one.partition("@")[0] in kept)
        return {**self.numbers, f"{_PREFIX}tactics": told, **self.names.metadata()}


def made_by(task: SketchTask) -> Made:
    """How this task makes sketches of a log."""
    return Made(task.parameters.metadata(), task.pseudonymiser.naming if task.pseudonymiser else Naming())


def names_in(source: Source) -> Naming:
    """The form of the names in a source: as sketches say, and as given in a log."""
    return look_at(source).names if source.format == "sketches" else Naming()


def look_at(source: Source, tactics: tuple[TextTactic, ...] = ()) -> Made:
    """How the sketches of a source were made, all of them alike.

    Parameters
    ----------
    source
        Of format `sketches`.
    tactics
        Whose scores every file must hold.

    Raises
    ------
    SketchesDifferError
        The parameters differ, or a file lacks a column.
    ForeignPseudonymsError
        The names differ in form: as given and pseudonyms, or pseudonyms of two keys or epochs.
    """
    schemas = {}
    for url in dict.fromkeys(shard.url for shard in source.shards):
        with parquet_file(url, source.options) as parquet:
            schemas[url] = parquet.schema_arrow
    numbers: dict[str, str] = {}
    for url, schema in schemas.items():
        _check(url, schema, numbers, tactics)
    return Made(numbers, agreed((url, naming_of(schema.metadata)) for url, schema in schemas.items()))


def _check(url: str, schema: pa.Schema, numbers: dict[str, str], tactics: tuple[TextTactic, ...]) -> None:
    """Hold a file against `numbers`, what the files before it said."""
    metadata = schema.metadata or {}
    check_tag(metadata, "sketches", 1, where=url)
    for name in _MUST_AGREE:
        value = metadata.get(f"{_PREFIX}{name}".encode(), b"").decode("utf-8", "replace")
        if numbers.setdefault(f"{_PREFIX}{name}", value) != value:
            raise SketchesDifferError(
                f"{url} was sketched with another {name}: {value!r}, others {numbers[f'{_PREFIX}{name}']!r}",
                hint="sketch all logs with one key, one seed and one version, or scan them apart",
            )
    missing = [c.name for c in sketches_schema(tactics).columns if c.name not in schema.names]
    if missing:
        raise SketchesDifferError(f"{url} lacks {', '.join(missing)}", hint="sketch the log again with this version")
