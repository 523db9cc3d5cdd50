"""Does the ledger still hold what it signed? Every entry hashed again, every state signed once more looked at.

Comes from `evidence.ledger`. An outsider can do the same with what `evidence.published` writes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from spiritsafe.errors import VerificationError
from spiritsafe.evidence.checkpoints import verify_checkpoint
from spiritsafe.evidence.merkle import hash_leaf, root_of
from spiritsafe.evidence.store import size_in
from spiritsafe.evidence.tiles import TileTree, tiles_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from spiritsafe.evidence.ledger import Ledger

_BATCH: Final = 10_000


class LedgerTamperedError(VerificationError):
    """The ledger does not hold what it signed: entries or tree were changed, lost or rolled back."""

    code = "evidence.tampered"


@dataclass(frozen=True, slots=True)
class Audited:
    """What was found in order: entries, signed states, and the size of the newest of them."""

    entries: int
    checkpoints: int
    newest_size: int


def audit_ledger(ledger: Ledger, *, progress: Callable[[int, int], None] | None = None) -> Audited:
    """Hash every entry again and hold the tree, and every signed state, to it.

    `progress` is told entries done and entries in all.

    Raises
    ------
    LedgerTamperedError
        An entry is missing or was changed, the tree is another, or a signed state is not one of this log.
    SignatureError
        A state is signed by none of this log's keys.
    """
    tree = TileTree(lambda _level, _index: b"")
    kept: dict[tuple[int, int], bytes] = {}
    with ledger.reading() as connection:
        size = size_in(connection)
        done = 0
        while done < size:
            rows = connection.execute(
                "SELECT position, entry FROM entries WHERE position >= ? ORDER BY position LIMIT ?", (done, _BATCH)
            ).fetchall()
            if [position for position, _ in rows] != list(range(done, done + len(rows))) or not rows:
                raise _tampered(f"entry {done} or one soon after it is missing")
            kept.update(tree.grow(done, [hash_leaf(bytes(body)) for _, body in rows]))
            done += len(rows)
            if progress is not None:
                progress(done, size)
        extra = connection.execute("SELECT count(*) FROM entries WHERE position >= ?", (size,)).fetchone()[0]
        if extra:
            raise _tampered(f"{extra} entries stand beyond the log's {size}")
        _check_tiles(connection, kept, size)
    notes, whole = ledger.checkpoints(), TileTree(lambda level, index: kept.get((level, index), b""))
    newest = 0
    for note in notes:
        state = verify_checkpoint(note, ledger.verifier_keys())
        newest = max(newest, state.size)
        if state.size > size:
            raise _tampered(f"{state.size} entries were signed, and {size} are there: it was rolled back")
        if state.root != root_of(state.size, whole.node):
            raise _tampered(f"the entries are not those that were signed when there were {state.size}")
    return Audited(size, len(notes), newest)


def _check_tiles(connection: sqlite3.Connection, kept: dict[tuple[int, int], bytes], size: int) -> None:
    """Hold the tree that is kept to the tree over the entries as they are."""
    there = {
        (int(level), int(position)): bytes(hashes)
        for level, position, hashes in connection.execute("SELECT level, position, hashes FROM tiles")
    }
    if there != kept or {(*place, len(hashes) // 32) for place, hashes in there.items()} != set(tiles_of(size)):
        wrong = sorted(place for place in there.keys() | kept.keys() if there.get(place) != kept.get(place))
        raise _tampered(f"the tree is not that of the entries (tile {wrong[0] if wrong else '?'})")


def _tampered(what: str) -> LedgerTamperedError:
    return LedgerTamperedError(
        f"the ledger was tampered with or damaged: {what}",
        hint="stop writing to it, keep it for whoever investigates, and compare with a backup and with what "
        "witnesses and partners hold",
    )
