"""Tiles lie where the specification says, as wide as it says, and hold what it says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spiritsafe.evidence.merkle import hash_leaf, root_of
from spiritsafe.evidence.tiles import TileTree, pack_entries, split_hashes, tile_path, tiles_of, unpack_entries


def test_seventy_thousand_entries_make_the_tiles_of_the_specification():
    widths: dict[int, list[int]] = {}
    for level, _, width in tiles_of(70_000):
        widths.setdefault(level, []).append(width)
    assert widths == {0: [256] * 273 + [112], 1: [256, 17], 2: [1]}


def test_256_entries_make_a_full_tile_and_a_partial_one_above():
    assert list(tiles_of(256)) == [(0, 0, 256), (1, 0, 1)]


@pytest.mark.parametrize(
    ("index", "path"),
    [(0, "tile/0/000"), (999, "tile/0/999"), (1000, "tile/0/x001/000"), (1234067, "tile/0/x001/x234/067")],
)
def test_an_index_becomes_a_path(index, path):
    assert tile_path(0, index) == path


@given(before=st.integers(0, 70_000), more=st.integers(0, 70_000))
def test_what_is_new_since_then_is_what_was_not_there(before, more):
    after = before + more
    assert set(tiles_of(after, since=before)) == set(tiles_of(after)) - set(tiles_of(before))


def test_tiles_that_grew_have_the_widths_that_are_listed():
    tree, kept = TileTree(lambda _level, _index: b""), {}
    for size in range(0, 66_000, 500):
        kept.update(tree.grow(size, [hash_leaf(str(number).encode()) for number in range(size, size + 500)]))
    assert {(*place, len(hashes) // 32) for place, hashes in kept.items()} == set(tiles_of(66_000))
    third = TileTree(lambda _level, _index: b"")
    third.grow(0, [hash_leaf(str(number).encode()) for number in range(512, 768)])
    assert split_hashes(kept[1, 0])[2] == root_of(256, third.node)


@given(entries=st.lists(st.binary(max_size=300), max_size=20))
def test_a_bundle_gives_back_its_entries(entries):
    assert unpack_entries(pack_entries(entries)) == entries


@given(entries=st.lists(st.binary(min_size=1, max_size=50), min_size=1, max_size=5), data=st.data())
def test_a_bundle_cut_inside_an_entry_is_refused(entries, data):
    whole = pack_entries(entries)
    last = len(pack_entries(entries[-1:]))
    cut = data.draw(st.integers(1, last - 1))
    with pytest.raises(ValueError, match="cut short"):
        unpack_entries(whole[:-cut])
