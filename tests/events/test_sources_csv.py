"""CSV as spreadsheets and exports write it: without a header, with a column too many, with lines of their own."""

from pathlib import Path

import pytest

from spiritsafe.events.doctor import examine
from spiritsafe.events.sources.errors import ColumnTypeError, FormatError, NoHeaderError
from tests.events.source_rows import options, read_all


@pytest.mark.parametrize(
    "first",
    [
        "2026-03-02T06:00:00Z,acct-9,e0,my SECRETPROMPT text",
        "e0,02/Mar/2026:06:00:00 +0000,acct-9,my SECRETPROMPT text",
        "e0,1772431200123,acct-9,my SECRETPROMPT text",
        "e0,198.51.100.7,acct-9,my SECRETPROMPT text",
        "e0,2001:db8::1,acct-9,my SECRETPROMPT text",
        "9f3c2f6e-5b1a-4a50-9d6e-0c6f1d2e3a4b,acct-9,my SECRETPROMPT text",
    ],
)
def test_a_csv_without_a_header_says_so_and_tells_no_cell(tmp_path: Path, first: str):
    (tmp_path / "log").write_text(f"{first}\n" * 50)
    for more in ({}, {"sql": "SELECT * FROM logs"}):
        with pytest.raises(NoHeaderError, match="the first line looks like a row, not a header") as caught:
            read_all(tmp_path / "log", **more)
        assert "event_id,time,account_id" in caught.value.hint
        assert "SECRET" not in f"{caught.value} {caught.value.hint}"
    with pytest.raises(NoHeaderError):
        examine([tmp_path / "log"], options=options())


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize("how", ["fast", "slow"])
def test_empty_columns_without_a_name_at_the_end_are_left_out(tmp_path: Path, ends: str, how: str):
    lines = ["event_id,time,account_id,,"] + [f'e{n},2026-04-01T12:00:00Z,a,,""' for n in range(9_000)]
    if how == "slow":
        lines[5] = 'e4,2026-04-01T12:00:00Z,"a"b,,'
        lines[7] = "e6,2026-04-01T12:00:00Z,a"
    lines[8_990] = "e8989,2026-04-01T12:00:00Z,a,,late"
    (tmp_path / "log").write_bytes(ends.join(lines).encode())
    table, rejected, source = read_all(tmp_path / "log")
    assert table.column_names == ["event_id", "time", "account_id"]
    assert table.num_rows == 9_000 - len(rejected)
    assert source.columns == ("event_id", "time", "account_id")
    assert (rejected[-1].position, rejected[-1].code) == (8_990, "events.csv_columns")
    assert rejected[-1].reason == "a value in column 5, which has no name"
    assert [one.code for one in rejected[:-1]] == (["events.csv_quote"] if how == "slow" else [])


def test_columns_without_a_name_that_hold_values_are_named_by_their_place(tmp_path: Path):
    (tmp_path / "log").write_text("event_id,time,account_id,,\n" + "e,2026-04-01T12:00:00Z,a,1,2\n" * 30)
    with pytest.raises(ColumnTypeError, match="columns 4 and 5 have no name"):
        read_all(tmp_path / "log")
    told = examine([tmp_path / "log"], options=options()).findings.problem
    assert told == f"{tmp_path}/log: columns 4 and 5 have no name"
    (tmp_path / "log").write_text(",event_id,time,account_id\n0,e,2026-04-01T12:00:00Z,a\n")
    assert read_all(tmp_path / "log")[0].num_rows == 1  # the index of a data frame


def test_lines_that_end_with_carriage_returns_alone_are_named(tmp_path: Path):
    for head in ("event_id,time,account_id", '"event_id","time","account_id"'):
        (tmp_path / "log").write_bytes((f"{head}\r" + "e,2026-04-01T12:00:00Z,a\r" * 40).encode())
        with pytest.raises(FormatError, match="lines end with carriage returns alone"):
            read_all(tmp_path / "log")
    (tmp_path / "log").write_bytes(b'event_id,time,account_id,"odd\rname"\ne,2026-04-01T12:00:00Z,a,\n')
    assert read_all(tmp_path / "log")[0].num_rows == 1


@pytest.mark.parametrize("first", ["sep=;\n", "sep=;\r\n", '"sep=;"\n', "SEP=;\n", "\ufeffsep=;\r\n", "sep=^\n"])
def test_the_first_line_that_excel_writes_for_itself_is_honoured(tmp_path: Path, first: str):
    mark = "^" if "^" in first else ";"
    rows = ["event_id;time;account_id;prompt", "e0;2026-04-01T12:00:00Z;a;one, two, three", "e1;noon;a;x"]
    (tmp_path / "log").write_text(first + "\n".join(rows).replace(";", mark), encoding="utf-8")
    table, rejected, _ = read_all(tmp_path / "log")
    assert table["prompt"].to_pylist() == ["one, two, three"]
    assert [one.position for one in rejected] == [3]
