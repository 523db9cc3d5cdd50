"""A proof holds for what it proves and for nothing else; ours, the naive way and the standard's vectors agree."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spiritsafe.evidence.merkle import (
    EMPTY_ROOT,
    ConsistencyError,
    InclusionError,
    hash_children,
    hash_leaf,
    prove_consistency,
    prove_inclusion,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from spiritsafe.evidence.tiles import TileTree

VECTORS = Path(__file__).parent.parent / "vectors" / "merkle"
SIZES = st.integers(1, 700)


def leaves(count: int) -> list[bytes]:
    return [hash_leaf(f"entry {number}".encode()) for number in range(count)]


def tree_of(count: int) -> TileTree:
    tree = TileTree(lambda _level, _index: b"")
    tree.grow(0, leaves(count))
    return tree


def naive_root(hashes: list[bytes]) -> bytes:
    """RFC 9162 section 2.1.1, word for word."""
    if not hashes:
        return hashlib.sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    k = 1
    while k * 2 < len(hashes):
        k *= 2
    return hash_children(naive_root(hashes[:k]), naive_root(hashes[k:]))


def naive_path(index: int, hashes: list[bytes]) -> list[bytes]:
    """RFC 9162 section 2.1.3.1, word for word."""
    if len(hashes) == 1:
        return []
    k = 1
    while k * 2 < len(hashes):
        k *= 2
    if index < k:
        return [*naive_path(index, hashes[:k]), naive_root(hashes[k:])]
    return [*naive_path(index - k, hashes[k:]), naive_root(hashes[:k])]


def naive_subproof(old: int, hashes: list[bytes], whole: bool) -> list[bytes]:
    """RFC 9162 section 2.1.4.1, word for word."""
    if old == len(hashes):
        return [] if whole else [naive_root(hashes)]
    k = 1
    while k * 2 < len(hashes):
        k *= 2
    if old <= k:
        return [*naive_subproof(old, hashes[:k], whole), naive_root(hashes[k:])]
    return [*naive_subproof(old - k, hashes[k:], False), naive_root(hashes[:k])]


def vectors(kind: str) -> list[Path]:
    return sorted((VECTORS / kind).rglob("*.json"))


def unpacked(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    for name, value in found.items():
        if name in {"root", "leafHash", "root1", "root2"}:
            found[name] = base64.b64decode(value or "")
    found["proof"] = [base64.b64decode(step) for step in found["proof"] or []]
    return found


@pytest.mark.parametrize("path", vectors("inclusion"), ids=lambda path: str(path.relative_to(VECTORS)))
def test_transparency_devs_inclusion_proofs(path):
    case = unpacked(path)
    arguments = (case["leafHash"], case["leafIdx"], case["treeSize"], case["proof"], case["root"])
    if case["wantErr"]:
        with pytest.raises(InclusionError):
            verify_inclusion(*arguments)
    else:
        verify_inclusion(*arguments)


@pytest.mark.parametrize("path", vectors("consistency"), ids=lambda path: str(path.relative_to(VECTORS)))
def test_transparency_devs_consistency_proofs(path):
    case = unpacked(path)
    arguments = (case["size1"], case["root1"], case["size2"], case["root2"], case["proof"])
    if case["wantErr"]:
        with pytest.raises(ConsistencyError):
            verify_consistency(*arguments)
    else:
        verify_consistency(*arguments)


def test_all_vectors_are_there():
    assert (len(vectors("inclusion")), len(vectors("consistency"))) == (98, 98)


def test_an_empty_log_has_the_root_of_nothing():
    assert root_of(0, tree_of(0).node) == EMPTY_ROOT == naive_root([])


@given(size=SIZES, data=st.data())
def test_proofs_are_those_of_the_naive_way_and_hold(size, data):
    index = data.draw(st.integers(0, size - 1))
    old = data.draw(st.integers(1, size))
    hashes, tree = leaves(size), tree_of(size)
    root = root_of(size, tree.node)
    assert root == naive_root(hashes)
    path = prove_inclusion(index, size, tree.node)
    assert path == naive_path(index, hashes)
    verify_inclusion(hashes[index], index, size, path, root)
    growth = prove_consistency(old, size, tree.node)
    assert growth == naive_subproof(old, hashes, True)
    verify_consistency(old, naive_root(hashes[:old]), size, root, growth)


@given(size=st.integers(2, 300), data=st.data())
def test_one_flipped_bit_anywhere_is_found(size, data):
    index = data.draw(st.integers(0, size - 1))
    tree = tree_of(size)
    root = root_of(size, tree.node)
    parts = [leaves(size)[index], root, *prove_inclusion(index, size, tree.node)]
    which = data.draw(st.integers(0, len(parts) - 1))
    bit = data.draw(st.integers(0, 255))
    parts[which] = (int.from_bytes(parts[which], "big") ^ 1 << bit).to_bytes(32, "big")
    with pytest.raises(InclusionError):
        verify_inclusion(parts[0], index, size, parts[2:], parts[1])


@given(size=st.integers(2, 300), data=st.data())
def test_rewritten_history_is_found(size, data):
    old = data.draw(st.integers(1, size - 1))
    changed = data.draw(st.integers(0, old - 1))
    other = TileTree(lambda _level, _index: b"")
    other.grow(0, [hash_leaf(b"rewritten") if i == changed else leaf for i, leaf in enumerate(leaves(size))])
    with pytest.raises(ConsistencyError):
        verify_consistency(
            old,
            naive_root(leaves(size)[:old]),
            size,
            root_of(size, other.node),
            prove_consistency(old, size, other.node),
        )


@given(steps=st.lists(st.integers(0, 600), max_size=6))
def test_a_tree_grown_in_steps_is_the_tree_grown_at_once(steps):
    kept: dict[tuple[int, int], bytes] = {}
    size = 0
    for step in steps:
        tree = TileTree(lambda level, index: kept.get((level, index), b""))
        kept.update(tree.grow(size, leaves(size + step)[size:]))
        size += step
    grown = TileTree(lambda level, index: kept.get((level, index), b""))
    assert root_of(size, grown.node) == naive_root(leaves(size))
