"""Sketches instead of a log: where they lie, and what a rewritten one says of itself."""

import io

import fsspec
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from spiritsafe.events.pseudonyms import Naming, naming_of
from spiritsafe.pipeline import find_campaigns, write_sketch_file
from spiritsafe.settings import load_settings
from spiritsafe.sketch.given import Made
from spiritsafe.sketch.patterns import TextTactic
from tests.journeys.small_log import rows, write


@pytest.fixture(scope="module")
def sketches(tmp_path_factory):
    folder = tmp_path_factory.mktemp("given")
    log, _ = write(folder, rows(requests=800))
    settings = load_settings({"home": folder / "home", "pseudonymise": True, "workers": 1})
    write_sketch_file(log, out=folder / "sketches.parquet", settings=settings)
    return folder / "sketches.parquet"


@pytest.fixture
def store(monkeypatch):
    """Of fsspec's memory every reader gets the same handle; a store gives each its own, as Arrow's threads need."""
    shared = MemoryFileSystem._open

    def own(self, path, mode="rb", **options):
        return io.BytesIO(self.store[path].getvalue()) if mode == "rb" else shared(self, path, mode, **options)

    monkeypatch.setattr(MemoryFileSystem, "_open", own)
    return fsspec.filesystem("memory")


def test_sketches_in_an_object_store_are_read_like_those_on_disk(sketches, tmp_path, store):
    store.pipe("/day/sketches.parquet", sketches.read_bytes())
    settings = load_settings({"home": sketches.parent / "home", "workers": 1})
    found = [
        find_campaigns(where, out=tmp_path / name, settings=settings).run
        for name, where in (("store", "memory://day/sketches.parquet"), ("disk", sketches))
    ]
    assert found[0].coverage == found[1].coverage
    assert found[0].pseudonym_key_id == found[1].pseudonym_key_id != ""
    names = [pq.read_table(tmp_path / name / "accounts.parquet") for name in ("store", "disk")]
    assert names[0].equals(names[1])


def test_the_form_of_names_survives_the_way_through_a_file():
    for naming in (Naming(), Naming(pseudonymised=True, key_id="k1", epoch=3)):
        assert naming_of({k.encode(): v.encode() for k, v in naming.metadata().items()}) == naming
    damaged = naming_of({b"spiritsafe.pseudonymised": b"true", b"spiritsafe.key_epoch": b"first"})
    assert damaged == Naming(pseudonymised=True)


def test_a_file_written_again_names_only_the_tactics_that_it_still_has():
    made = Made({"spiritsafe.sketch.tactics": "grading@1,theirs@2"}, Naming())
    kept = made.metadata((TextTactic("grading", "9", ()), TextTactic("other", "1", ())))
    assert kept == {"spiritsafe.sketch.tactics": "grading@1"}
