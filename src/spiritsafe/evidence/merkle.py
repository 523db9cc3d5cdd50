"""What the hashes of a Merkle tree prove: that an entry is in a log, and that a log only grew.

A tree is seen through a `NodeReader`: the hash of any *perfect* subtree, `2**level` leaves wide, that is
complete. So roots and proofs of any size up to the tree's come from a few hashes, and this module keeps none.
Comes from bytes; goes on to `evidence.tiles`, which holds a tree's hashes, and to everybody who verifies.
Source: RFC 9162 sections 2.1.1 (hashes), 2.1.3 (inclusion) and 2.1.4 (consistency).
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Final, TypeAlias

from spiritsafe.errors import VerificationError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

HASH_BYTES: Final = 32
EMPTY_ROOT: Final = hashlib.sha256(b"").digest()
NodeReader: TypeAlias = "Callable[[int, int], bytes]"
"""`(level, index)` to the hash over the leaves from `index * 2**level` to `(index + 1) * 2**level`, exclusive."""


class InclusionError(VerificationError):
    """An entry is not shown to be in the log at the place that is claimed."""

    code = "evidence.inclusion"


class ConsistencyError(VerificationError):
    """A later state of a log is not shown to have grown out of an earlier one."""

    code = "evidence.consistency"


def hash_leaf(entry: bytes) -> bytes:
    """The hash of one entry: SHA-256 of 0x00 and the entry."""
    return hashlib.sha256(b"\x00" + entry).digest()


def hash_children(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node: SHA-256 of 0x01 and its children's hashes."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_of(size: int, node: NodeReader) -> bytes:
    """The root of the tree of the first `size` leaves."""
    return range_hash(0, size, node) if size else EMPTY_ROOT


def range_hash(start: int, stop: int, node: NodeReader) -> bytes:
    """The hash over leaves `start` to `stop`, where `start` is a multiple of a power of two that is no smaller.

    Such ranges are what proofs are made of: each is perfect, or a perfect left part and such a range on the right.
    """
    width = stop - start
    level = width.bit_length() - 1
    whole = node(level, start >> level)
    if width == 1 << level:
        return whole
    return hash_children(whole, range_hash(start + (1 << level), stop, node))


def prove_inclusion(index: int, size: int, node: NodeReader) -> list[bytes]:
    """The hashes from the leaf's sibling up to the root's child (`PATH` of RFC 9162 section 2.1.3.1)."""
    if not 0 <= index < size:
        raise IndexError(f"leaf {index} is not in a tree of {size}")
    path: list[bytes] = []
    start, stop = 0, size
    while stop - start > 1:
        middle = start + _split(stop - start)
        if index < middle:
            path.append(range_hash(middle, stop, node))
            stop = middle
        else:
            path.append(range_hash(start, middle, node))
            start = middle
    return path[::-1]


def prove_consistency(old: int, new: int, node: NodeReader) -> list[bytes]:
    """The hashes that lead from the tree of `old` leaves to that of `new` (`PROOF`, RFC 9162 section 2.1.4.1)."""
    if not 0 < old <= new:
        raise IndexError(f"a tree of {new} leaves did not grow out of one of {old}")
    path: list[bytes] = []
    start, stop, known = 0, new, True
    while old != stop:
        middle = start + _split(stop - start)
        if old <= middle:
            path.append(range_hash(middle, stop, node))
            stop = middle
        else:
            path.append(range_hash(start, middle, node))
            start, known = middle, False
    if not known:
        path.append(range_hash(start, stop, node))
    return path[::-1]


def verify_inclusion(leaf_hash: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Hold that the leaf is at `index` of the tree with `size` leaves and this `root` (RFC 9162 section 2.1.3.2).

    Raises
    ------
    InclusionError
        It does not hold: another entry, another place, another tree, or a proof too long or too short.
    """
    if not 0 <= index < size or len(leaf_hash) != HASH_BYTES:
        raise InclusionError(f"entry {index} cannot be in a log of {size}", hint="the proof is of another log or time")
    place, last, found = index, size - 1, leaf_hash
    for step in proof:
        if last == 0:
            raise InclusionError("the inclusion proof is too long", hint="it was altered, or is of another entry")
        if place & 1 or place == last:
            found = hash_children(step, found)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            found = hash_children(found, step)
        place, last = place >> 1, last >> 1
    if last or not hmac.compare_digest(found, root):
        raise InclusionError(
            f"entry {index} is not shown to be in the log of {size} entries with this root",
            hint="the entry, the proof or the checkpoint was altered, or they do not belong together",
        )


def verify_consistency(old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Hold that the log of `new` entries begins with the log of `old` (RFC 9162 section 2.1.4.2).

    From an empty log everything grows: that is no proof, and refused, as transparency-dev's verifier does.

    Raises
    ------
    ConsistencyError
        It does not hold: history was rewritten, or the proof does not belong to these two.
    """
    if not 0 < old <= new:
        raise ConsistencyError(f"a log of {new} entries cannot be held against one of {old}", hint="see both sizes")
    if old == new:
        if proof or not hmac.compare_digest(old_root, new_root):
            raise _rewritten(old, new)
        return
    steps = list(proof)
    if old & (old - 1) == 0:
        steps.insert(0, old_root)
    if not steps:
        raise _rewritten(old, new)
    place, last = old - 1, new - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    before = after = steps[0]
    for step in steps[1:]:
        if last == 0:
            raise _rewritten(old, new)
        if place & 1 or place == last:
            before, after = hash_children(step, before), hash_children(step, after)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            after = hash_children(after, step)
        place, last = place >> 1, last >> 1
    if last or not hmac.compare_digest(before, old_root) or not hmac.compare_digest(after, new_root):
        raise _rewritten(old, new)


def _split(width: int) -> int:
    """The largest power of two smaller than `width`."""
    return 1 << ((width - 1).bit_length() - 1)


def _rewritten(old: int, new: int) -> ConsistencyError:
    return ConsistencyError(
        f"the log of {new} entries is not shown to begin with the log of {old}",
        hint="keep both checkpoints and the proof: if all three are genuine, the log's history was rewritten",
    )
