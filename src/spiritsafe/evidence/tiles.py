"""A growing tree as tiles of 256 hashes, and where each tile lies as a static file.

A tile of level `l` holds what hashes are over 256**l leaves each; the eight levels of the tree between two
levels of tiles are hashed again when they are wanted, 255 hashes at most. So a tree of a million entries is
4,000 tiles, an inclusion proof reads three or four of them, and an append changes the last of each level.
Comes from leaf hashes; goes on to `evidence.store` (which keeps tiles), `evidence.published` (which writes
them out) and `evidence.merkle` (which asks for nodes).
Source: c2sp.org/tlog-tiles, sections Merkle Tree, Partial Tiles and Log entries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from spiritsafe.evidence.merkle import HASH_BYTES, hash_children

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

TILE_WIDTH: Final = 256
TILE_LEVELS: Final = 8
MAX_ENTRY_BYTES: Final = 0xFFFF
"""Entries in a bundle carry a length of two bytes."""


class TileTree:
    """The tree's hashes, read tile by tile.

    `read` gives the hashes of tile `(level, index)`, as many as there are now, and is asked once for each.
    """

    def __init__(self, read: Callable[[int, int], bytes]) -> None:
        self._read = read
        self._held: dict[tuple[int, int], bytes] = {}

    def node(self, level: int, index: int) -> bytes:
        """The hash over the `2**level` leaves from `index * 2**level` on (a `merkle.NodeReader`)."""
        tile_level, height = divmod(level, TILE_LEVELS)
        first = index << height  # of the tile level's hashes
        tile, place = divmod(first, TILE_WIDTH)
        hashes = self._tile(tile_level, tile)
        found = split_hashes(hashes[place * HASH_BYTES : (place + (1 << height)) * HASH_BYTES])
        if len(found) != 1 << height:
            raise IndexError(f"the tree has no complete node {index} at level {level}")
        return _fold(found)

    def grow(self, size: int, leaves: Sequence[bytes]) -> dict[tuple[int, int], bytes]:
        """Add `leaves` (their hashes) to a tree of `size` leaves; the tiles that changed, whole."""
        changed: dict[tuple[int, int], bytes] = {}
        level, fresh = 0, list(leaves)
        while fresh:
            have = size >> (TILE_LEVELS * level)
            tile, place = divmod(have, TILE_WIDTH)
            hashes = bytearray(self._tile(level, tile) if place else b"")
            above: list[bytes] = []
            for one in fresh:
                hashes += one
                if len(hashes) == TILE_WIDTH * HASH_BYTES:
                    changed[level, tile] = bytes(hashes)
                    above.append(_fold(split_hashes(bytes(hashes))))
                    tile, hashes = tile + 1, bytearray()
            if hashes:
                changed[level, tile] = bytes(hashes)
            level, fresh = level + 1, above
        self._held.update(changed)
        return changed

    def _tile(self, level: int, index: int) -> bytes:
        if (level, index) not in self._held:
            self._held[level, index] = self._read(level, index)
        return self._held[level, index]


def split_hashes(joined: bytes) -> list[bytes]:
    """The hashes of a tile one by one."""
    return [joined[at : at + HASH_BYTES] for at in range(0, len(joined), HASH_BYTES)]


def tile_path(level: int | str, index: int, width: int = TILE_WIDTH) -> str:
    """Where a tile lies under the log's prefix; level `"entries"` is a bundle of entries.

    Examples
    --------
    >>> tile_path(0, 1234067)
    'tile/0/x001/x234/067'
    >>> tile_path("entries", 273, 112)
    'tile/entries/273.p/112'
    """
    groups = [f"{index % 1000:03d}"]
    while index := index // 1000:
        groups.append(f"x{index % 1000:03d}")
    path = f"tile/{level}/" + "/".join(reversed(groups))
    return path if width == TILE_WIDTH else f"{path}.p/{width}"


def tiles_of(size: int, *, since: int = 0) -> Iterator[tuple[int, int, int]]:
    """`(level, index, width)` of every tile of a tree of `size` leaves that one of `since` had not, lowest first."""
    level = 0
    while size >> (TILE_LEVELS * level):
        have, had = size >> (TILE_LEVELS * level), since >> (TILE_LEVELS * level)
        for index in range(had // TILE_WIDTH, -(-have // TILE_WIDTH)):
            width = min(TILE_WIDTH, have - index * TILE_WIDTH)
            if index * TILE_WIDTH + width > had:
                yield level, index, width
        level += 1


def pack_entries(entries: Sequence[bytes]) -> bytes:
    """A bundle: each entry after its length, two bytes, the larger first."""
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def unpack_entries(bundle: bytes) -> list[bytes]:
    """The entries of a bundle; raises `ValueError` where it is cut short."""
    entries, at = [], 0
    while at < len(bundle):
        length = int.from_bytes(bundle[at : at + 2], "big")
        entry = bundle[at + 2 : at + 2 + length]
        if len(bundle) < at + 2 or len(entry) != length:
            raise ValueError("the bundle of entries is cut short")
        entries.append(entry)
        at += 2 + length
    return entries


def _fold(hashes: list[bytes]) -> bytes:
    while len(hashes) > 1:
        hashes = [hash_children(hashes[i], hashes[i + 1]) for i in range(0, len(hashes), 2)]
    return hashes[0]
