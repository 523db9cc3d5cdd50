"""Sketches instead of logs: the same findings, the same protection, and nothing that was to stay at home."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest

from spiritsafe.events.beside import SIDES
from tests.journeys.small_log import CUSTOMER, RING, rows, write

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
RAW = (b"acct-0", b"198.51.100.", b"10.1.1.")


@pytest.fixture(scope="module")
def homes(tmp_path_factory):
    return {name: tmp_path_factory.mktemp("homes") / name for name in ("ours", "theirs")}


@pytest.fixture(scope="module")
def run(homes):
    def call(*arguments, home="ours", expect=0, **environment):
        done = subprocess.run(
            [sys.executable, "-m", "spiritsafe.cli.main", *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "SPIRITSAFE_HOME": str(homes[home]), **environment},
        )
        assert done.returncode == expect, done.stderr
        return done

    return call


@pytest.fixture(scope="module")
def day(run, tmp_path_factory):
    """A log in which the ring is a red team that is allowed to do what it does, and every table beside it."""
    folder = tmp_path_factory.mktemp("day")
    write(folder)
    told: dict[str, list[dict[str, object]]] = {
        "account_events": [{"account_id": one, "time": BEGIN, "kind": "created"} for one in RING],
        "attestations": [
            {
                "subject": one,
                "kind": "approved_red_team",
                "owner": "kim",
                "reason": "contract 7",
                "not_before": BEGIN,
                "expires_at": BEGIN + timedelta(days=365),
            }
            for one in RING
        ],
        "known": [{"account_id": one, "label": "seen before"} for one in (*RING, *CUSTOMER)],
    }
    for name, made in told.items():
        pq.write_table(pa.Table.from_pylist(made, SIDES[name].arrow([*made[0]])), folder / f"{name}.parquet")
    run("sketch", folder / "requests.parquet", "--out", folder / "hidden.parquet")
    run("sketch", folder / "requests.parquet", "--out", folder / "plain.parquet", "--keep-ids")
    return folder


def sides(folder, *names):
    chosen = names or ("accounts", "account_events", "attestations", "known")
    return [part for n in chosen for part in (f"--{n.replace('_', '-')}", folder / f"{n}.parquet")]


def results(out):
    """Every file of a result in a form that can be compared: without what names the input and the settings."""
    found = {}
    for path in out.iterdir():
        if path.suffix == ".parquet":
            table = pq.read_table(path)
            found[path.name] = (str(table.schema), sorted(map(repr, table.to_pylist())))
        elif path.name == "run.json":
            told = json.loads(path.read_text())
            log = [one for one in told["inputs"] if one["path"].endswith(("requests.parquet", "hidden.parquet"))]
            digests = [one["sha256"] for one in told.pop("inputs") if one not in log]
            told["settings"].pop("pseudonymise")
            found[path.name] = (told, digests)
        elif path.name != "report.html":
            found[path.name] = path.read_bytes()
    return found


def verdicts(out):
    groups = pq.read_table(out / "groups.parquet").to_pylist()
    return sorted((one["verdict"], one["accounts"]) for one in groups)


def red_team_is_safe(out):
    """Found, and not accused. (Which phrases stand for a prompt depends on the key: one of the ring may be missed.)"""
    found = verdicts(out)
    return "campaign" not in dict(found) and max(n for verdict, n in found if verdict == "open_coordination") > 15


def metadata(path):
    return {k: v for k, v in pq.read_schema(path).metadata.items() if k.startswith(b"spiritsafe.")}


# --- the same findings ------------------------------------------------------------------------------------


def test_a_pseudonymous_sketch_and_raw_tables_give_every_file_that_the_log_gives(run, day, tmp_path):
    """Above all the allow-list: a red team that is attested is not accused for having been sketched."""
    run("scan", day / "requests.parquet", *sides(day), "--out", tmp_path / "log", "--pseudonymise")
    run("scan", day / "hidden.parquet", *sides(day), "--out", tmp_path / "sketch")
    from_log, from_sketch = results(tmp_path / "log"), results(tmp_path / "sketch")
    assert from_log.keys() == from_sketch.keys()
    for name, wanted in from_log.items():
        assert from_sketch[name] == wanted, name
    run("scan", day / "requests.parquet", *sides(day), "--out", tmp_path / "raw")
    assert verdicts(tmp_path / "raw") == verdicts(tmp_path / "sketch")
    assert red_team_is_safe(tmp_path / "sketch")
    for path in (tmp_path / "sketch").iterdir():
        assert [raw for raw in RAW if raw in path.read_bytes()] == [], path.name


def test_a_rotated_key_does_not_part_old_sketches_from_their_tables(run, day, homes, tmp_path):
    run("sketch", day / "requests.parquet", "--out", tmp_path / "old.parquet", home="theirs")
    run("identity", "keys", "rotate", "pseudonym", home="theirs")
    run("scan", tmp_path / "old.parquet", *sides(day), "--out", tmp_path / "out", home="theirs")
    assert red_team_is_safe(tmp_path / "out")
    run("sketch", day / "requests.parquet", "--out", tmp_path / "new.parquet", home="theirs")
    done = run(
        "scan", tmp_path / "old.parquet", tmp_path / "new.parquet", "--out", tmp_path / "x", home="theirs", expect=3
    )
    assert "events.identity.foreign" in done.stderr


def test_whoever_lacks_the_key_is_told_so_and_gets_by_with_tables_made_for_the_sketch(run, day, tmp_path):
    arguments = ("scan", day / "hidden.parquet", "--out", tmp_path / "out")
    run(*arguments, home="theirs")
    done = run(*arguments, *sides(day), home="theirs", expect=3)
    assert "[events.identity.key]" in done.stderr
    assert "identity pseudonymise" in done.stderr
    for name in SIDES:
        made = ("identity", "pseudonymise", day / f"{name}.parquet", "--kind", name.replace("_", "-"))
        run(*made, "--like", day / "hidden.parquet", "--out", tmp_path / f"{name}.parquet")
    run(*arguments, *sides(tmp_path), home="theirs")
    told = verdicts(tmp_path / "out")
    run("scan", day / "hidden.parquet", *sides(day), "--out", tmp_path / "ours")
    assert told == verdicts(tmp_path / "ours")
    (tmp_path / "csv").mkdir()
    for name in SIDES:  # a CSV does not say that its names are pseudonyms: they show it
        pcsv.write_csv(pq.read_table(tmp_path / f"{name}.parquet"), tmp_path / "csv" / f"{name}.parquet")
    run(*arguments, *sides(tmp_path / "csv"), home="theirs")
    assert told == verdicts(tmp_path / "out")
    for path in tmp_path.glob("*.parquet"):
        assert [raw for raw in RAW if raw in path.read_bytes()] == [], path.name


def test_a_table_for_a_sketch_holds_the_contracts_columns_in_an_order_that_says_nothing(run, day, tmp_path):
    accounts = pq.read_table(day / "accounts.parquet")
    pq.write_table(accounts.append_column("phone", pa.array(["555-0100"] * accounts.num_rows)), tmp_path / "more")
    made = ("identity", "pseudonymise", tmp_path / "more", "--kind", "accounts", "--out", tmp_path / "out.parquet")
    assert "1 columns beyond the contract's left out" in run(*made).stdout
    table = pq.read_table(tmp_path / "out.parquet")
    assert table.column_names == accounts.column_names
    assert table["account_id"].to_pylist() == sorted(table["account_id"].to_pylist())
    assert metadata(tmp_path / "out.parquet")[b"spiritsafe.pseudonymised"] == b"true"
    done = run(*made, "--like", day / "plain.parquet", expect=2)
    assert "cli.identity.like" in done.stderr


def test_a_table_that_names_nobody_of_the_log_is_reported(run, day, tmp_path):
    strange = pq.read_table(day / "attestations.parquet")
    strange = strange.set_column(0, "subject", pc.binary_join_element_wise(strange["subject"], "-x", ""))
    pq.write_table(strange, tmp_path / "attestations.parquet")
    run("identity", "pseudonymise", day / "known.parquet", "--kind", "known", "--out", tmp_path / "known.parquet")
    log = (day / "requests.parquet", *sides(day, "accounts"), *sides(tmp_path, "attestations", "known"))
    done = run("scan", *log, "--out", tmp_path / "out")
    warnings = json.loads((tmp_path / "out" / "run.json").read_text())["warnings"]
    told = [one for one in warnings if "rows of --" in one]
    assert len(told) == 2
    assert "None of the 20 rows of --attestations names an account or organisation of this log" in told[0]
    assert all(one in done.stdout for one in told)
    done = run("scan", *log, "--out", tmp_path / "out", "--json")
    assert all(one in done.stderr for one in told)
    assert all(json.loads(line)["verdict"] for line in done.stdout.splitlines())


# --- what a sketch says of its names ----------------------------------------------------------------------


def test_sketching_a_raw_sketch_hides_its_names_and_scanning_it_hides_them_when_asked(run, day, tmp_path):
    run("sketch", day / "plain.parquet", "--out", tmp_path / "hidden.parquet")
    again, direct = pq.read_table(tmp_path / "hidden.parquet"), pq.read_table(day / "hidden.parquet")
    assert again.equals(direct)
    assert metadata(tmp_path / "hidden.parquet") == metadata(day / "hidden.parquet")
    run("scan", day / "plain.parquet", *sides(day), "--out", tmp_path / "out", "--pseudonymise")
    assert red_team_is_safe(tmp_path / "out")
    for path in (tmp_path / "hidden.parquet", *(tmp_path / "out").iterdir()):
        assert [raw for raw in RAW if raw in path.read_bytes()] == [], path.name
    assert json.loads((tmp_path / "out" / "run.json").read_text())["pseudonymised"]


def test_keeping_ids_of_a_pseudonymous_sketch_keeps_pseudonyms_and_says_so(run, day, tmp_path):
    run("sketch", day / "hidden.parquet", "--out", tmp_path / "kept.parquet", "--keep-ids")
    assert metadata(tmp_path / "kept.parquet") == metadata(day / "hidden.parquet")
    assert pq.read_table(tmp_path / "kept.parquet").equals(pq.read_table(day / "hidden.parquet"))


def test_somebody_elses_sketch_stays_somebody_elses(run, day, tmp_path):
    run("sketch", day / "hidden.parquet", "--out", tmp_path / "theirs.parquet", home="theirs", SPIRITSAFE_SEED="7")
    assert metadata(tmp_path / "theirs.parquet") == metadata(day / "hidden.parquet")
    asked = ("scan", day / "hidden.parquet", "--out", tmp_path / "out", "--pseudonymise")
    assert "events.identity.foreign" in run(*asked, home="theirs", expect=3).stderr
    run(*asked)


@pytest.mark.parametrize(
    ("flags", "home", "environment", "code"),
    [
        (["--keep-ids"], "ours", {}, "events.identity.foreign"),
        ([], "ours", {"SPIRITSAFE_SEED": "7"}, "sketch.parameters"),
        ([], "theirs", {}, "sketch.parameters"),
    ],
    ids=["names as given", "another seed", "another home"],
)
def test_sketches_that_do_not_fit_together_are_refused(run, tmp_path, day, flags, home, environment, code):
    run("sketch", day / "requests.parquet", "--out", tmp_path / "other.parquet", *flags, home=home, **environment)
    for order in (
        [tmp_path / "other.parquet", day / "hidden.parquet"],
        [day / "hidden.parquet", tmp_path / "other.parquet"],
    ):
        for verb in ("scan", "sketch"):
            assert f"[{code}]" in run(verb, *order, "--out", tmp_path / f"no-{verb}", expect=3).stderr


@pytest.mark.parametrize(
    ("key", "value", "code"),
    [
        (b"spiritsafe.key_id", b"k0", "events.identity.foreign"),
        (b"spiritsafe.key_epoch", b"9", "events.identity.foreign"),
        (b"spiritsafe.sketch.permutations", b"64", "sketch.parameters"),
        (b"spiritsafe.sketch.hash", b"md5", "sketch.parameters"),
        (b"spiritsafe.sketch.tactics", b"other@1", "sketch.parameters"),
        (b"spiritsafe.sketch.phrase", b"3w", "sketch.parameters"),
    ],
)
def test_every_word_of_how_a_sketch_was_made_must_agree(run, tmp_path, day, key, value, code):
    table = pq.read_table(day / "hidden.parquet")
    pq.write_table(table.replace_schema_metadata({**table.schema.metadata, key: value}), tmp_path / "other.parquet")
    done = run("scan", day / "hidden.parquet", tmp_path / "other.parquet", "--out", tmp_path / "out", expect=3)
    assert f"[{code}]" in done.stderr


# --- what is refused --------------------------------------------------------------------------------------


def test_no_prompt_or_name_is_in_a_sketchs_quarantine_or_on_the_screen(run, tmp_path):
    """A prompt in the column of times, a name in that of numbers."""
    lines = [{**row, "time": row["time"].isoformat()} for row in rows(requests=300)]
    lines[7]["time"] = "My patient Jane Doe has"
    lines[8]["output_tokens"] = "jane.doe@example.com"
    lines[9] = lines[6]
    log = tmp_path / "log.jsonl"
    log.write_text("\n".join(map(json.dumps, lines)) + "\n{Jane\n")
    done = run("sketch", log, "--out", tmp_path / "s.parquet", "--json")
    hidden = run("scan", log, "--out", tmp_path / "out", "--pseudonymise")
    kept = [tmp_path / "s.parquet", tmp_path / "s.parquet.quarantine.parquet", *(tmp_path / "out").iterdir()]
    for text in (done.stdout, done.stderr, hidden.stdout, hidden.stderr, *(path.read_bytes() for path in kept)):
        assert not any(name in (text if isinstance(text, str) else text.decode("latin1")) for name in ("Jane", "jane"))
    reasons = pq.read_table(tmp_path / "s.parquet.quarantine.parquet")["reason"].to_pylist()
    assert "time is a text of 23 characters, not an ISO 8601 time" in reasons
    assert len(reasons) == 4


def test_a_row_beside_a_pseudonymous_sketch_is_refused_without_its_names(run, day, tmp_path):
    (tmp_path / "accounts.csv").write_text("account_id,verified\nacct-000,perhaps Jane Doe\nacct-001,true\n")
    run("scan", day / "hidden.parquet", "--accounts", tmp_path / "accounts.csv", "--out", tmp_path / "out")
    (refused,) = pq.read_table(tmp_path / "out" / "quarantine.parquet").to_pylist()
    assert (refused["position"], refused["code"], refused["raw"]) == (1, "events.type", None)
    assert "Jane" not in refused["reason"]


@pytest.mark.parametrize("form", ["log", "sketches"])
def test_a_repeated_event_is_refused_with_its_file_and_its_place_in_it(run, tmp_path, form):
    """Delivered at least once: the second file begins with the end of the first."""
    made = rows(requests=1_200)
    for name, part in (("a", made[:700]), ("b", [{**made[0], "event_id": ""}, *made[500:]])):
        (tmp_path / name).mkdir()
        write(tmp_path / name, part)
    logs = [tmp_path / "a" / "requests.parquet", tmp_path / "b" / "requests.parquet"]
    first = 1
    if form == "sketches":
        for log in logs:
            run("sketch", log, "--out", log.with_name("sketches.parquet"), "--keep-ids")
        logs = [log.with_name("sketches.parquet") for log in logs]
        ids = pq.read_table(logs[1])["event_id"].to_pylist()
        wanted = {ids.index(row["event_id"]) for row in made[500:700]}
    else:
        wanted = set(range(first, first + 200))
    run("scan", *logs, "--out", tmp_path / "out")
    refused = pq.read_table(tmp_path / "out" / "quarantine.parquet").to_pylist()
    repeated = [row for row in refused if row["code"] == "events.repeated_id"]
    assert {row["source"] for row in repeated} == {str(logs[1])}
    assert {row["position"] for row in repeated} == wanted
    assert len(repeated) == 200
    assert repeated[0]["reason"].startswith("event_id e-")
    told = json.loads((tmp_path / "out" / "run.json").read_text())["coverage"]
    assert (told["rows_kept"], told["quarantine_reasons"]["events.repeated_id"]) == (1_200, 200)


def test_when_nothing_is_left_the_error_says_what_became_of_the_rows(run, day, tmp_path):
    log = tmp_path / "log.csv"
    log.write_text("event_id,time,account_id\n" + "e,noon,a\n" * 30 + ",2026-03-01T00:00:00Z,a\n" * 5)
    for verb in ("scan", "sketch"):
        done = run(verb, log, "--out", tmp_path / verb, expect=3)
        assert "no usable rows: 35 rows were refused (30 events.time, 5 events.missing_value)" in done.stderr
    done = run("scan", day / "requests.parquet", "--until", "2020-01-01", "--out", tmp_path / "o", expect=3)
    assert "no rows before 2020-01-01" in done.stderr
    assert "all 9,000 that can be used are from 2026-03-01" in done.stderr
    assert "later --until" in done.stderr


def test_a_log_without_rows_is_called_so(run, tmp_path):
    header, spans = tmp_path / "log.csv", tmp_path / "spans.jsonl"
    header.write_text("event_id,time,account_id\n")
    tool = {"name": "run", "startTimeUnixNano": "1775044800000000000", "traceId": "ab" * 16, "spanId": "cd" * 8}
    spans.write_text(json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [tool]}]}]}) + "\n")
    for verb in ("scan", "sketch"):
        for log, what, way in (
            ([header], "the log has no rows", "spiritsafe doctor"),
            ([spans], "no span or log record is an exchange with a model", "sources.md says which are"),
            ([header, "--sql", "SELECT * FROM logs"], "the query gives no rows", "WHERE"),
        ):
            done = run(verb, *log, "--out", tmp_path / verb, expect=3)
            assert f"error [sketch.empty] {what}" in done.stderr
            assert way in done.stderr
            assert "code means" not in done.stderr


# --- files ------------------------------------------------------------------------------------------------


def test_a_sketch_with_ids_is_as_private_as_the_umask_says(run, day, tmp_path):
    old = os.umask(0o077)
    try:
        run("sketch", day / "requests.parquet", "--out", tmp_path / "s.parquet", "--keep-ids")
    finally:
        os.umask(old)
    assert (tmp_path / "s.parquet").stat().st_mode & 0o777 == 0o600


def test_the_run_names_every_file_of_a_table_that_is_a_folder(run, day, tmp_path):
    accounts = pq.read_table(day / "accounts.parquet")
    (tmp_path / "accounts").mkdir()
    for number in range(2):
        pq.write_table(accounts.slice(number * 400, 400), tmp_path / "accounts" / f"{number}.parquet")
    (tmp_path / "known.csv").write_bytes(b"")
    beside = ("--accounts", tmp_path / "accounts", "--known", tmp_path / "known.csv")
    run("scan", day / "requests.parquet", *beside, "--out", tmp_path / "out")
    inputs = json.loads((tmp_path / "out" / "run.json").read_text())["inputs"]
    assert [one["path"].rpartition("/")[2] for one in inputs] == [
        "requests.parquet",
        "0.parquet",
        "1.parquet",
        "known.csv",
    ]
    assert [one["table"] for one in inputs] == ["", "accounts", "accounts", "labels"]
    assert all(len(one["sha256"]) == 64 for one in inputs)
    assert [one["size_bytes"] for one in inputs[1:]] == [
        *((tmp_path / "accounts" / f"{number}.parquet").stat().st_size for number in range(2)), 0,
    ]  # fmt: skip
