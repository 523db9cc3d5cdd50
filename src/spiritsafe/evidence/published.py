"""The log as static files that any web server can hand out, for outsiders who watch it.

Only what is committed to is in them: no value that can be withheld, nothing about a person. They are made
from the ledger and can be made again; the checkpoint is written last, so that whoever reads it finds the tiles.
Comes from `evidence.ledger`; goes on to whoever follows the log.
Source: c2sp.org/tlog-tiles (layout), c2sp.org/tlog-checkpoint.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from spiritsafe.errors import VerificationError
from spiritsafe.evidence.checkpoints import parse_checkpoint, verify_checkpoint
from spiritsafe.evidence.merkle import HASH_BYTES, root_of
from spiritsafe.evidence.notes import parse_note
from spiritsafe.evidence.store import size_in, tree_in
from spiritsafe.evidence.tiles import TILE_WIDTH, pack_entries, tile_path, tiles_of
from spiritsafe.files import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from spiritsafe.evidence.ledger import Ledger


class PublishedError(VerificationError):
    """What was published before is not a state of this ledger."""

    code = "evidence.published"


@dataclass(frozen=True, slots=True)
class Published:
    """How many entries outsiders can see now, and how many files were written for it."""

    size: int
    files: int


def publish(ledger: Ledger, folder: Path) -> Published:
    """Sign the ledger's state and write what outsiders need of it into `folder`.

    Raises
    ------
    PublishedError
        The checkpoint in `folder` is not of this ledger's past: one of the two was put back or is another's.
    """
    before = _published_size(ledger, folder)
    note = ledger.checkpoint()
    size = parse_checkpoint(note).size
    count = 0
    for level, index, width in tiles_of(size, since=before):
        with ledger.reading() as connection:
            (hashes,) = connection.execute(
                "SELECT hashes FROM tiles WHERE level = ? AND position = ?", (level, index)
            ).fetchone()
            _write(folder / tile_path(level, index, width), bytes(hashes)[: width * HASH_BYTES])
            count += 1
            if level == 0:
                rows = connection.execute(
                    "SELECT entry FROM entries WHERE position >= ? ORDER BY position LIMIT ?",
                    (index * TILE_WIDTH, width),
                )
                _write(folder / tile_path("entries", index, width), pack_entries([bytes(body) for (body,) in rows]))
                count += 1
    _write(folder / "checkpoint", str(note).encode())
    return Published(size, count + 1)


def _published_size(ledger: Ledger, folder: Path) -> int:
    """How many entries the folder shows already; held to this ledger."""
    path = folder / "checkpoint"
    if not path.exists():
        return 0
    state = verify_checkpoint(parse_note(path.read_bytes()), ledger.verifier_keys())
    with ledger.reading() as connection:
        size = size_in(connection)
        if state.size <= size and state.root == root_of(state.size, tree_in(connection).node):
            return state.size
    raise PublishedError(
        f"{path} is signed over {state.size} entries that this ledger of {size} does not begin with",
        hint="the ledger was put back to an older copy, or the folder is another's: publish nothing, and find out",
    )


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, data)
