"""From a scan to a decision, an appeal and what it undoes, through the command alone, on both databases."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cases.screening.made_lists import written
from tests.journeys import small_log
from tests.postgresql import postgresql

SPIRITSAFE = Path(sys.executable).with_name("spiritsafe")
WHY = ("--reason", "as the evidence says")


@pytest.fixture(scope="module")
def cluster():
    with postgresql() as running:
        yield running


def scanned(folder: Path, prefix: str = "acct") -> Path:
    log, accounts = small_log.write(folder, prefix=prefix)
    command: list[Path | str] = [SPIRITSAFE, "scan", log, "--accounts", accounts, "--out", folder / "findings"]
    home = {"SPIRITSAFE_HOME": str(folder.parent / "scanning")}  # one for all, so a phrase has one fingerprint
    subprocess.run(command, check=True, capture_output=True, env=os.environ | home)
    return folder / "findings"


@pytest.fixture(scope="module")
def findings(tmp_path_factory):
    """A real scan of a real log."""
    return scanned(tmp_path_factory.mktemp("log"))


@pytest.fixture(scope="module")
def later_findings(tmp_path_factory):
    """The same operator with other accounts at other addresses: only the wording is left."""
    return scanned(tmp_path_factory.mktemp("later"), "later")


class Desk:
    """A terminal of the desk: a home, three persons, and the command."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.environment = {
            **os.environ, "SPIRITSAFE_HOME": str(folder / "home"), "SPIRITSAFE_CASES_URL": url,
            "SPIRITSAFE_APPEAL_TO": "appeals@provider.example", "SPIRITSAFE_LEDGER_ORIGIN": "provider.example/ledger",
        }  # fmt: skip
        passphrase = folder / "passphrase"
        passphrase.write_text("four unrelated words here\n")
        passphrase.chmod(0o600)
        self.passphrase = ("--passphrase-file", passphrase)
        for name in ("ada", "bob"):
            self.run("identity", "person", "add", name, *self.passphrase)
        sponsor = ("--sponsor", "ada", "--sponsor-passphrase-file", passphrase)
        self.run("identity", "person", "add", "cyd", *self.passphrase, *sponsor)

    def run(self, *given: object, code: int = 0, stdin: str = "") -> str:
        done = subprocess.run(
            [SPIRITSAFE, *map(str, given)], env=self.environment, cwd=self.folder, input=stdin, capture_output=True,
            text=True, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stderr
        return done.stdout if code == 0 else done.stderr

    def signed(self, name: str, *given: object, code: int = 0) -> str:
        return self.run("case", *given, "--as", name, *self.passphrase, code=code)

    def shown(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.run("case", "show", "1", "--json"))
        return found


@pytest.fixture(params=["sqlite", "postgresql"])
def desk(request, tmp_path):
    return Desk(tmp_path, "" if request.param == "sqlite" else request.getfixturevalue("cluster").new_database())


def test_from_a_scan_to_an_appeal_that_is_granted_and_a_ledger_that_proves_it(desk, findings):
    said = desk.run("case", "open", findings)
    assert "opened case 1, 20 accounts" in said
    assert "already in case 1" in desk.run("case", "open", findings)
    assert "20 accounts" in desk.run("case", "list")
    assert "what else it could be" in desk.run("case", "show", "1")

    seen = str(desk.shown()["case"]["as_of"])
    desk.signed("ada", "move", 1, "in_review", "--as-of", seen, *WHY)
    assert "cases.changed" in desk.signed("bob", "move", 1, "dismissed", "--as-of", seen, *WHY, code=2)
    assert "cases.move" in desk.signed("ada", "act", 1, "suspend", "--ground", "Terms 4.2", *WHY, code=2)
    assert "a second person" in desk.signed("ada", "move", 1, "confirmed", *WHY)
    assert "cases.second_person" in desk.signed("ada", "move", 1, "confirmed", *WHY, code=4)
    assert "in_review → confirmed" in desk.signed("bob", "move", 1, "confirmed", *WHY)

    members = [line.split()[0] for line in desk.run("case", "members", 1).splitlines()]
    wronged, vouched = members[:2]
    until = ("--until", "2099-01-01", "--owner", "Dr Lee", *WHY)
    desk.signed("ada", "attest", "give", vouched, "--kind", "academic", *until)
    said = desk.signed("ada", "act", 1, "suspend", "--ground", "Terms 4.2", *WHY)
    assert "suspend, 19 accounts" in said
    assert f"spared {vouched}: attested as academic by Dr Lee" in said
    letter = desk.signed("ada", "notice", 1, wronged)
    assert "Terms 4.2" in letter
    assert "appeals@provider.example" in letter

    (desk.folder / "letter.txt").write_text("We are a school.")
    made = json.loads(desk.run("case", "appeal", "make", 1, wronged, "--statement", "letter.txt", "--json"))
    assert wronged in desk.run("case", "appeal", "list")
    assert "cases.second_person" in desk.signed("bob", "appeal", "take", made["appeal_id"], *(), code=4)
    desk.signed("cyd", "appeal", "take", made["appeal_id"])
    said = desk.signed("cyd", "appeal", "decide", made["appeal_id"], "granted", *WHY)
    assert "granted; the case is upheld" in said
    assert desk.run("case", "appeal", "clock") == ""
    assert wronged in desk.run("case", "retractions")
    assert "undone for 1 accounts" in desk.signed("ada", "undone", 1, *WHY)
    desk.signed("ada", "move", 1, "closed", *WHY)
    assert json.loads(desk.run("case", "list", "--account", wronged, "--json"))["state"] == "closed"

    lists = written(desk.folder / "lists")
    screened = ("screen", "-", "--list", lists["sdn.csv"], "--list", lists["sdn_advanced.xml"])
    said = desk.run(*screened, "--case", 1, "--as", "ada", *desk.passphrase, stdin="Mohamed Karimov\nJane Doe\n")
    assert said.count("may be") == 2
    assert "forms of one name" in said
    assert "Jane" not in said

    desk.run("case", "attest", "export", "attestations.parquet")
    assert vouched in desk.run("case", "attest", "list")
    assert desk.run("case", "rebuild") == ""
    desk.run("evidence", "verify")
    desk.run("evidence", "checkpoint")
    key = desk.run("evidence", "keys").strip()
    case_id = desk.shown()["case"]["case_id"]
    ids = [json.loads(line)["id"] for line in desk.run("evidence", "list", "--case", case_id, "--json").splitlines()]
    desk.run("evidence", "prove", *ids, "--out", "case.json")
    proved = desk.run("evidence", "verify", "case.json", "--key", key)
    assert proved.count("entry ") == len(ids) == len(desk.shown()["history"])


def test_a_person_joins_what_a_scan_could_not(desk, findings, later_findings):
    desk.run("case", "open", findings)
    assert "see also" in desk.run("case", "open", later_findings)
    first, second = (json.loads(line) for line in sorted(desk.run("case", "list", "--json").splitlines()))
    assert {first["number"], second["number"]} == {1, 2}
    assert desk.signed("ada", "join", "2", "1", *WHY) == "case 2: joined to case 1\n"
    joined = desk.shown()["case"]
    assert (joined["members"], joined["unconfirmed"]) == (first["members"] + second["members"],) * 2
    assert "go on with case 1" in desk.signed("ada", "move", "2", "in_review", *WHY, code=2)
    assert "joined to case 1: go on there" in desk.run("case", "show", "2")
    assert desk.run("evidence", "verify")
    desk.run("case", "rebuild")
    assert desk.shown()["case"] == joined


def test_what_is_wrong_is_told_with_its_code_and_nothing_is_filed(desk, findings, tmp_path):
    broken = tmp_path / "broken"
    broken.mkdir()
    for path in findings.iterdir():
        if path.is_file():
            (broken / path.name).write_bytes(path.read_bytes())
    (broken / "campaigns.json").write_bytes((broken / "campaigns.json").read_bytes()[:-100])
    assert "cases.scan" in desk.run("case", "open", broken, code=3)
    assert "cases.log" in desk.run("case", "open", findings, "--log", findings / "members.parquet", code=3)
    assert "cases.unknown" in desk.run("case", "show", "7", code=2)
    assert "cli.case.time" in desk.signed(
        "ada", "attest", "give", "p1_x", "--kind", "academic", "--owner", "x", *WHY, "--until", "tomorrow", code=2
    )
    assert "passphrase" in desk.run("case", "move", "1", "in_review", *WHY, "--as", "ada", "--passphrase-file",
                                    "nothing", code=3)  # fmt: skip
    (tmp_path / "cut.xml").write_text("<Sanctions><DistinctParties>")
    assert "cases.screening.list" in desk.run("screen", "-", "--list", tmp_path / "cut.xml", stdin="x", code=3)
    lists = written(desk.folder / "lists")
    assert "cases.screening.parties" in desk.run("screen", "-", "--list", lists["sdn.csv"], stdin="\n", code=3)
    assert "cases.screening.threshold" in desk.run(
        "screen", "-", "--list", lists["sdn.csv"], "--threshold", 7, stdin="x", code=2
    )
    assert "--case and --as" in desk.run("screen", "-", "--list", lists["sdn.csv"], "--case", 1, stdin="x", code=2)
    assert desk.run("evidence", "list") == ""
    assert "no cases yet" not in desk.run("case", "list")
