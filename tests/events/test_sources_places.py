"""Links, pipes and odd names: a log is read once and whole, or it is said what was not read."""

import os

import pytest
from click.testing import CliRunner

from spiritsafe.cli.main import commands
from spiritsafe.events.sources import open_source
from spiritsafe.events.sources.errors import FileNameError, NoFileError, PathError
from spiritsafe.events.sources.storage import passed_over
from tests.events.source_rows import as_parquet, options, requests

LOG = as_parquet(requests(5))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "a.parquet").write_bytes(LOG)
    return tmp_path / "logs"


@pytest.fixture
def archive(tmp_path):
    (tmp_path / "archive" / "2026").mkdir(parents=True)
    (tmp_path / "archive" / "2026" / "b.parquet").write_bytes(LOG)
    return tmp_path / "archive"


def read(*paths) -> list[str]:
    return [file.url for file in open_source(list(paths), options()).files]


def test_a_linked_folder_is_walked(folder, archive):
    (folder / "old").symlink_to(archive)
    assert read(folder) == [f"{folder}/a.parquet", f"{folder}/old/2026/b.parquet"]
    assert read(folder / "*") == read(folder)


def test_links_that_lead_round_are_walked_once(folder, archive):
    (folder / "old").symlink_to(archive)
    (folder / "self").symlink_to(".")
    (archive / "2026" / "back").symlink_to(folder)
    (archive / "again").symlink_to("2026")
    assert read(folder) == [f"{folder}/a.parquet", f"{folder}/old/2026/b.parquet"]
    assert open_source(folder, options()).passed_over == ()


def test_a_hidden_link_does_not_keep_us_from_a_folder(folder):
    (folder / "2026").mkdir()
    (folder / "2026" / "b.parquet").write_bytes(LOG)
    (folder / ".current").symlink_to("2026")
    assert read(folder) == [f"{folder}/2026/b.parquet", f"{folder}/a.parquet"]
    assert open_source(folder, options()).passed_over == ()


def test_what_leads_nowhere_is_named(folder):
    (folder / "gone.parquet").symlink_to("elsewhere.parquet")
    os.mkfifo(folder / "pipe")
    (folder / "README.md").write_text("For people.\n")
    for path in (folder, folder / "*"):
        source = open_source(path, options())
        assert [file.url for file in source.files] == [f"{folder}/a.parquet"]
        assert passed_over(source.passed_over) == (
            "1 file that is no log by its name: README.md; 1 link that leads nowhere: gone.parquet; "
            "1 pipe or device: pipe"
        )


def test_a_link_that_leads_nowhere_is_not_found(folder):
    gone, circle = folder / "gone.parquet", folder / "circle.parquet"
    gone.symlink_to("elsewhere.parquet")
    circle.symlink_to("circle.parquet")
    for link in (gone, circle):
        with pytest.raises(PathError, match=r"is a link to .*, and nothing is there"):
            read(link, folder)
    with pytest.raises(PathError, match=r"nothing to read at .*/g\* but 1 link that leads nowhere: gone.parquet"):
        read(folder / "g*")
    done = CliRunner().invoke(commands, ["scan", str(gone), "--out", str(folder.parent / "found")])
    assert getattr(done.exception, "code", "") == "events.not_found"
    assert getattr(done.exception, "exit_code", 0) == 3


def test_a_pipe_is_refused_with_a_way_out(folder):
    os.mkfifo(folder / "pipe")
    for paths in ([folder / "pipe"], [folder / "a.parquet", folder / "pipe"], ["/dev/null"]):
        with pytest.raises(NoFileError, match="is a pipe or a device") as caught:
            read(*paths)
        assert "to a file first" in caught.value.hint
        assert caught.value.exit_code == 3


def test_one_file_under_many_names_is_read_once(folder, monkeypatch):
    monkeypatch.chdir(folder)
    (folder / "link.parquet").symlink_to("a.parquet")
    (folder / "hard.parquet").hardlink_to("a.parquet")
    spellings = ["../logs/a.parquet", "a.parquet", f"{folder}/a.parquet", f"file://{folder}/a.parquet", "link.parquet"]
    assert read(*spellings, "hard.parquet", folder) == ["../logs/a.parquet"]
    assert read("link.parquet", "a.parquet") == ["link.parquet"]


def test_what_is_named_itself_was_not_passed_over(folder, monkeypatch):
    monkeypatch.chdir(folder)
    (folder / "README.md").write_bytes(LOG)
    source = open_source([folder, "./README.md"], options())
    assert len(source.files) == 2
    assert source.passed_over == ()


def test_a_name_that_is_no_utf8_is_refused_by_its_bytes(folder):
    odd = folder / os.fsdecode(b"b\xff.parquet")
    odd.write_bytes(LOG)
    for paths in ([odd], [folder], [folder / "b*"]):
        with pytest.raises(FileNameError, match=r"/b\\xff\.parquet' is no name in UTF-8") as caught:
            read(*paths)
        assert "rename" in caught.value.hint
    (folder / "plain").symlink_to(odd)
    assert read(folder / "plain") == [f"{folder}/plain"]


def test_an_odd_name_that_is_passed_over_can_be_told(folder):
    (folder / os.fsdecode(b".b\xff.crc")).touch()
    assert passed_over(open_source(folder, options()).passed_over).endswith(r": .b\xff.crc")
