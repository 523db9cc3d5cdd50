"""A folder of logs has other things in it: what is plainly no log is passed over, and said."""

import json

import pytest
from click.testing import CliRunner

from spiritsafe.cli.main import commands
from spiritsafe.events.sources import open_source
from spiritsafe.events.sources.errors import FormatError, MissingColumnsError, PathError
from tests.events.source_rows import as_parquet, options, requests
from tests.journeys.small_log import rows, write

OTHERS = (
    "README.txt", "README", "readme.md", "LICENSE", "_SUCCESS", ".a.parquet.crc", "a.parquet.sha256", "SHA256SUMS",
    ".spiritsafe", "sub/NOTES.MD", ".git/config", "_temporary/0/part.parquet",
)  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    for name in OTHERS:
        path = tmp_path / "logs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("This is not a log, it is for people.\n")
    (tmp_path / "logs" / "a.parquet").write_bytes(as_parquet(requests(5)))
    return tmp_path / "logs"


def test_what_is_plainly_no_log_is_passed_over_and_named(folder):
    source = open_source(folder, options())
    assert [file.url for file in source.files] == [str(folder / "a.parquet")]
    assert {name.removeprefix(f"{folder}/") for name in source.passed_over} == set(OTHERS)
    assert {name.removeprefix(f"{folder}/") for name in open_source(folder / "*", options()).passed_over} >= {
        "README", "README.txt", "_SUCCESS", "sub/NOTES.MD",
    }  # fmt: skip
    query = options(sql="SELECT event_id, time, account_id FROM logs")
    assert open_source(folder, query).passed_over == source.passed_over


def test_a_file_that_is_named_itself_is_opened(folder):
    with pytest.raises((FormatError, MissingColumnsError)):
        open_source(folder / "README.txt", options())
    (folder / "README.md").write_bytes(as_parquet(requests(3)))
    source = open_source([folder / "README.md", folder], options())
    assert len(source.files) == 2
    assert str(folder / "README.md") not in source.passed_over


@pytest.mark.parametrize("name", ["notes.txt", "export.log", "README.jsonl", "data.bin", "map.toml"])
def test_anything_else_that_is_no_log_still_stops(folder, name):
    (folder / name).write_text("This is not a log.\n")
    with pytest.raises((FormatError, MissingColumnsError), match=name):
        open_source(folder, options())


def test_a_folder_with_nothing_else_says_what_it_passed_over(folder):
    (folder / "a.parquet").unlink()
    with pytest.raises(PathError, match=r"nothing to read at .* but 12 files that are no logs by their names"):
        open_source(folder, options())


def test_every_verb_says_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPIRITSAFE_HOME", str(tmp_path / "home"))
    (tmp_path / "logs").mkdir()
    log, _ = write(tmp_path, rows(requests=1_500))
    log.rename(tmp_path / "logs" / "requests.parquet")
    (tmp_path / "logs" / "README.txt").write_text("Exported on Monday.\n")
    for typed in (
        "scan logs --out found",
        "sketch logs --out s.parquet",
        "doctor logs",
        "prove inject logs --out limits --sizes 8 --stealth 0 --repeats 1",
    ):
        done = CliRunner().invoke(commands, typed.split())
        assert done.exit_code == 0, done.exception
        assert "1 file that is no log by its name: README.txt" in done.stdout, typed
    assert "README.txt" in json.loads((tmp_path / "found" / "run.json").read_text())["warnings"][-1]
    assert "README.txt" in (tmp_path / "found" / "report.html").read_text()
    assert json.loads(CliRunner().invoke(commands, ["doctor", "logs", "--json"]).stdout)["passed_over"] == [
        "logs/README.txt"
    ]
