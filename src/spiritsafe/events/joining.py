"""Do the tables beside a log name accounts as the log does? Made so where that can be, said aloud where it cannot.

An allow-list that joins with nothing protects nobody, and nothing else would show it. So a side table's names
become pseudonyms of the log's own key, never of another and never twice; and a table that names no account of
the log is reported. Comes from `events.tables` and what files say of themselves; goes on to `events.beside`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

import pyarrow.compute as pc

from spiritsafe.events.identity import (
    ISSUED,
    ForeignPseudonymsError,
    PseudonymKeyError,
    key_named,
    open_pseudonymiser,
)
from spiritsafe.events.pseudonyms import Naming, looks_made, naming_of
from spiritsafe.keys import open_keys

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence, Set

    import pyarrow as pa

    from spiritsafe.events.beside import Beside
    from spiritsafe.settings import Settings

_WHAT_IT_COST: Final = {
    "accounts": "so no account fact was known",
    "account_events": "so no account event was known",
    "attestations": "so nobody is protected by it",
    "known": "so no label is shown",
}
_WHOM: Final = {"account_id": "an account", "subject": "an account or organisation"}


class Namer(Protocol):
    """Brings the names in a batch to the form of a log's; `events.identity.Pseudonymiser` is one."""

    def batch(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The batch with names that join with the log's."""
        ...


def agreed(found: Iterable[tuple[str, Naming]]) -> Naming:
    """The one form of names in several files.

    Raises
    ------
    ForeignPseudonymsError
        They differ: names as given, pseudonyms of two keys or of two epochs join with nothing.
    """
    first: tuple[str, Naming] | None = None
    for where, naming in found:
        first = first or (where, naming)
        if naming != first[1]:
            raise ForeignPseudonymsError(
                f"{first[0]} holds {first[1]}, and {where} {naming}: the same account would be two",
                hint="sketch the logs again under one key, or read the files apart",
            )
    return Naming() if first is None else first[1]


def refuse_foreign(log: Naming, settings: Settings) -> None:
    """Refuse to give out as pseudonyms of this home what is pseudonymous under a key that it does not hold."""
    if not log.pseudonymised:
        return
    try:
        key_named(open_keys(settings.key_provider, settings.open_home() / "keys", command=settings.key_command), log)
    except PseudonymKeyError as error:
        raise ForeignPseudonymsError(
            f"the input is pseudonymous already: it holds {log}, which is not in this home",
            hint="read it without --pseudonymise (SPIRITSAFE_PSEUDONYMISE=false): no name in it is as given",
        ) from error


def names_like(log: Naming, settings: Settings) -> Namer | None:
    """What brings side tables' names to those of a log; None where they are as given on both sides."""
    if not log.pseudonymised:
        return None
    try:
        return open_pseudonymiser(settings, like=log)
    except PseudonymKeyError as error:
        return _AlreadyAlike(log, error)


@dataclass(frozen=True, slots=True)
class _AlreadyAlike:
    """Without the log's key only a table that is pseudonymous under that key already can be read."""

    log: Naming
    otherwise: PseudonymKeyError

    def batch(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        claimed = naming_of(batch.schema.metadata)
        if claimed.pseudonymised:
            agreed([("the log", self.log), ("the table beside it", claimed)])
            return batch
        # A CSV has no metadata: then the names themselves must look so. Whether the key was the same, joining shows.
        for name in ISSUED:
            if name in batch.schema.names:
                texts = [text for text in pc.unique(batch.column(name)).to_pylist() if text is not None]
                if all(text.startswith(f"p{self.log.epoch}_") and looks_made(text) for text in texts):
                    return batch
        raise self.otherwise


def unmatched(beside: Beside, accounts: Set[str], organizations: Set[str]) -> tuple[str, ...]:
    """A sentence for every side table of which no row belongs to this log."""
    sides: Sequence[tuple[str, pa.Table | None, str, Set[str]]] = (
        ("accounts", beside.accounts, "account_id", accounts),
        ("account_events", beside.account_events, "account_id", accounts),
        ("attestations", beside.attestations, "subject", accounts | organizations),
        ("known", beside.labels, "account_id", accounts),
    )
    return tuple(
        f"None of the {table.num_rows:,} rows of --{name.replace('_', '-')} names {_WHOM[column]} of this log, "
        f"{_WHAT_IT_COST[name]}. Are the names as given in one and pseudonyms in the other, or of two keys? "
        "What joins with what: docs/how-to/sketch-and-share.md"
        for name, table, column, known in sides
        if table is not None and table.num_rows and known.isdisjoint(table[column].to_pylist())
    )
