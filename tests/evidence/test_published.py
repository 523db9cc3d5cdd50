"""Static files are enough to follow a log: an outsider finds every entry, and nothing about anybody."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from spiritsafe.evidence.checkpoints import verify_checkpoint
from spiritsafe.evidence.ledger import Ledger
from spiritsafe.evidence.merkle import hash_leaf, prove_inclusion, root_of, verify_inclusion
from spiritsafe.evidence.notes import parse_note
from spiritsafe.evidence.published import PublishedError, publish
from spiritsafe.evidence.tiles import TILE_WIDTH, TileTree, tile_path, tiles_of, unpack_entries
from tests.evidence.ledgers import appeal, note, open_ledger


def followed(folder: Path, ledger: Ledger) -> list[bytes]:
    """Every entry, read and held to the signed state from static files alone."""
    state = verify_checkpoint(parse_note((folder / "checkpoint").read_bytes()), ledger.verifier_keys())
    widths = {(level, index): width for level, index, width in tiles_of(state.size)}
    tree = TileTree(lambda level, index: (folder / tile_path(level, index, widths[level, index])).read_bytes())
    assert root_of(state.size, tree.node) == state.root
    entries: list[bytes] = []
    for (level, index), width in sorted(widths.items()):
        if level == 0:
            entries += unpack_entries((folder / tile_path("entries", index, width)).read_bytes())
    assert len(entries) == state.size
    for index, entry in enumerate(entries):
        path = prove_inclusion(index, state.size, tree.node)
        verify_inclusion(hash_leaf(entry), index, state.size, path, state.root)
    return entries


def test_an_outsider_follows_the_log_from_static_files(tmp_path):
    ledger, folder = open_ledger(tmp_path), tmp_path / "public"
    for step in (1, 200, 55, 1, 400):
        ledger.append([note(f"remark {number}") for number in range(step)])
        assert publish(ledger, folder).size == len(followed(folder, ledger))
    assert followed(folder, ledger) == [entry.body for entry in ledger.entries()]


def test_only_what_is_new_is_written(tmp_path):
    ledger, folder = open_ledger(tmp_path), tmp_path / "public"
    ledger.append([note() for _ in range(TILE_WIDTH * 3)])
    assert publish(ledger, folder).files == 3 * 2 + 1 + 1
    assert publish(ledger, folder).files == 1
    ledger.append([note()])
    assert publish(ledger, folder).files == 2 + 1


def test_nothing_about_anybody_is_published(tmp_path):
    ledger, folder = open_ledger(tmp_path), tmp_path / "public"
    ledger.append([appeal("acct-secret-7", "my shop is Lingua Ltd"), note("between us")])
    publish(ledger, folder)
    found = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    found = re.sub(rb"[A-Za-z0-9+/]{40,}=*", b"", found)  # three letters may stand in a digest by chance
    for secret in (b"acct-secret-7", b"Lingua", b"between us", b"ada"):
        assert secret not in found


def test_a_ledger_that_was_put_back_is_not_published_over_its_own_past(tmp_path):
    ledger, folder = open_ledger(tmp_path), tmp_path / "public"
    ledger.append([note()])
    ledger.close()
    shutil.copytree(ledger.folder, tmp_path / "older")
    ledger.append([note()])
    publish(ledger, folder)
    before = (folder / "checkpoint").read_bytes()
    ledger.close()
    shutil.rmtree(ledger.folder)
    (tmp_path / "older").rename(ledger.folder)
    with pytest.raises(PublishedError, match="signed over 2 entries that this ledger of 1"):
        publish(open_ledger(tmp_path), folder)
    forked = open_ledger(tmp_path)
    forked.append([note("another past"), note()])
    with pytest.raises(PublishedError):
        publish(forked, folder)
    assert (folder / "checkpoint").read_bytes() == before
