"""A first flag is found by scanning again, and must never contradict the scan that it stands beside."""

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from spiritsafe import pipeline
from spiritsafe.cli.prove_score import score as score_command
from spiritsafe.events.model import ATTESTATIONS
from spiritsafe.files import write_parquet
from spiritsafe.proving.score_exchanges import first_flags
from spiritsafe.proving.score_rescan import scanner
from spiritsafe.proving.score_scan import ScanError
from tests.proving.own_log import DAY_US, START_US, write_log
from tests.proving.scored import HOUR_US, account, small_world, spy, write_scan, write_world
from tests.proving.scored import START_US as COMPOSED_US


@pytest.fixture(scope="module")
def scanned(tmp_path_factory):
    """A world with an attestations table, and a scan of it that read the accounts but not that table."""
    folder = tmp_path_factory.mktemp("rescan")
    world = folder / "world"
    requests, accounts = write_log(world, accounts=20)
    write_parquet(pa.Table.from_pylist([], schema=ATTESTATIONS.arrow()), world / "attestations.parquet", "x")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPIRITSAFE_HOME", str(folder / "home"))
        pipeline.find_campaigns(requests, accounts=accounts, out=folder / "found")
        yield world, folder / "found"


def altered(scan: Path, to: Path, **changes: Any) -> Path:
    """A copy of a scan whose `run.json` says something else."""
    shutil.copytree(scan, to)
    run = json.loads((to / "run.json").read_bytes())
    (to / "run.json").write_text(json.dumps(run | changes))
    return to


def flag_by(hours: dict[str, int], asked: list[int]) -> Any:
    def scan_until(until_us: int) -> set[str]:
        asked.append(until_us)
        return {name for name, hour in hours.items() if until_us >= COMPOSED_US + hour * HOUR_US}

    return scan_until


def test_the_first_flag_is_found_by_bisection_over_hours(tmp_path):
    sent: list[tuple[str, str | None, int]] = [("s", "c1", hour) for hour in range(100)]
    sent += [("t", "c2", hour) for hour in range(20, 60)] + [("u", "c3", 5)]
    world = write_world(tmp_path / "w", [spy("s"), spy("t", "c2"), spy("u", "c3"), account("d")], sent)
    asked: list[int] = []
    first, second, third = first_flags(world, flag_by({"s": 37, "t": 60, "d": 1}, asked))
    assert (first.campaign_id, first.exchanges, first.served_share) == ("c1", 100, 0.37)
    assert first.hours == pytest.approx(37, abs=1e-6)
    assert (second.served_share, round(second.hours or 0)) == (1.0, 40)
    assert (third.hours, third.served_share) == (None, None)
    assert len(asked) == len(set(asked)) <= 2 * 7 + 1


def test_a_flag_that_only_the_whole_log_raises_is_no_never(tmp_path):
    sent: list[tuple[str, str | None, int]] = [("s", "c1", 0), ("s", "c1", 9), ("d", None, 50)]
    world = write_world(tmp_path / "w", [spy("s"), account("d")], sent)
    (flag,) = first_flags(world, flag_by({"s": 51}, []))
    assert (round(flag.hours or 0), flag.served_share) == (51, 1.0)


@pytest.mark.parametrize("hour", [1, 2, 63, 64, 99, 100])
def test_no_boundary_is_missed(tmp_path, hour):
    sent: list[tuple[str, str | None, int]] = [("s", "c1", at) for at in range(100)]
    world = write_world(tmp_path / "w", [spy("s"), account("d")], sent)
    (flag,) = first_flags(world, flag_by({"s": hour}, []))
    assert flag.served_share == hour / 100


def test_the_real_scanner_sees_only_what_had_happened_by_then(scanned):
    world, found = scanned
    scan_until = scanner(world, found)
    assert scan_until(START_US + 2 * DAY_US) <= {f"acct-{number:012x}" for number in range(20)}
    assert not (world / "scan").exists()


def test_a_rescan_reads_the_tables_that_the_scan_read_and_no_others(scanned, monkeypatch):
    world, found = scanned
    given: list[dict[str, Any]] = []

    def watch(requests: Path, *, out: Path, **options: Any) -> None:
        given.append({"requests": requests, **options})
        shutil.copytree(found, out)

    monkeypatch.setattr(pipeline, "find_campaigns", watch)
    scanner(world, found)(START_US + DAY_US)
    (options,) = given
    assert options["settings"].seed == json.loads((found / "run.json").read_bytes())["seed"]
    tables = {name: path for name, path in options.items() if isinstance(path, Path)}
    assert tables == {"requests": world / "requests.parquet", "accounts": world / "accounts.parquet"}


def test_a_rescan_looks_for_whom_and_as_often_as_the_scan_did(scanned, tmp_path, monkeypatch):
    world, found = scanned
    settings = json.loads((found / "run.json").read_bytes())["settings"]
    own = altered(found, tmp_path / "own", settings=settings | {"looks": 7, "actors": "organization"})
    given: list[Any] = []

    def watch(*_: Any, out: Path, settings: Any, **__: Any) -> None:
        given.append(settings)
        shutil.copytree(found, out)

    monkeypatch.setattr(pipeline, "find_campaigns", watch)
    scanner(world, own)(START_US + DAY_US)
    assert [(one.looks, one.actors) for one in given] == [(7, "organization")]


def test_at_the_end_of_the_log_the_scan_itself_is_the_answer(scanned, tmp_path, monkeypatch):
    world, found = scanned
    own = shutil.copytree(found, tmp_path / "own")
    members = pq.read_schema(found / "members.parquet")
    row = dict.fromkeys(members.names) | {"account_id": "acct-000000000003"}
    pq.write_table(pa.Table.from_pylist([row], schema=members), own / "members.parquet")
    monkeypatch.setattr(pipeline, "find_campaigns", None)
    assert scanner(world, own)(START_US + 100 * DAY_US) == {"acct-000000000003"}


def test_a_scan_that_cannot_be_repeated_is_refused(scanned, tmp_path):
    world, found = scanned
    stranger = shutil.copytree(found, tmp_path / "stranger")
    (stranger / "run.json").unlink()
    broken = altered(found, tmp_path / "broken")
    (broken / "run.json").write_text("{}")
    for scan, said in (
        (stranger, r"no run\.json"),
        (broken, "cannot be read"),
        (altered(found, tmp_path / "older", spiritsafe_version="0.0.1"), r"of spiritsafe 0\.0\.1"),
        (altered(found, tmp_path / "hidden", pseudonymised=True), "pseudonyms"),
    ):
        with pytest.raises(ScanError, match=said) as caught:
            scanner(world, scan)
        assert caught.value.hint


def test_a_scan_of_other_files_or_of_a_part_is_refused(scanned, tmp_path):
    world, found = scanned
    for name in ("requests", "accounts"):
        other = shutil.copytree(world, tmp_path / name)
        shutil.copy(world / "attestations.parquet", other / f"{name}.parquet")
        with pytest.raises(ScanError, match=f"read other {name} than"):
            scanner(other, found)
    with pytest.raises(ScanError, match="read other requests"):
        scanner(world, altered(found, tmp_path / "nothing", inputs=[]))
    bare = shutil.copytree(world, tmp_path / "bare")
    (bare / "accounts.parquet").unlink()
    with pytest.raises(ScanError, match="read other accounts"):
        scanner(bare, found)
    part = tmp_path / "part"
    pipeline.find_campaigns(world / "requests.parquet", out=part, until_us=START_US + 3 * DAY_US)
    with pytest.raises(ScanError, match=r"of the world's [\d,]+ requests, up to") as caught:
        scanner(world, part)
    assert "--until" in caught.value.hint


def test_the_command_refuses_before_it_scores(tmp_path):
    world, scan = small_world(tmp_path / "w"), write_scan(tmp_path / "s", [])
    failed = CliRunner().invoke(score_command, [str(world), str(scan), "--first-flag", "--quiet"])
    assert isinstance(failed.exception, ScanError)
