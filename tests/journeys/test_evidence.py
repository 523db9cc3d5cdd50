"""From a record to a stranger who believes it, through the command alone; and what happens to whoever tampers."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.evidence.servers import Authority, answering

ROOT = Path(__file__).resolve().parent.parent.parent
SPIRITSAFE = Path(sys.executable).with_name("spiritsafe")
CASE = "0190b0f6-0000-7000-8000-000000000001"


class Home:
    """A person's terminal: a home, a passphrase in a file, and the command."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        passphrase = folder / "ada.txt"
        passphrase.write_text("ada likes analytical engines\n")
        passphrase.chmod(0o600)
        self.signed = ("--as", "ada", "--passphrase-file", str(passphrase))

    def run(self, *arguments: object, given: str = "", code: int = 0) -> str:
        environment = {
            **os.environ,
            "SPIRITSAFE_HOME": str(self.folder / "home"),
            "SPIRITSAFE_LEDGER_ORIGIN": "provider.example/ledger",
        }
        done = subprocess.run(
            [SPIRITSAFE, *map(str, arguments)], input=given, cwd=self.folder, env=environment,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stderr
        return done.stdout if code == 0 else done.stderr


@pytest.fixture
def home(tmp_path):
    made = Home(tmp_path / "desk")
    made.run("identity", "person", "add", "ada", "--passphrase-file", made.signed[-1])
    return made


def line(record: str, case: str | None = None, **fields: object) -> str:
    return json.dumps({"record": record, "fields": fields} | ({"case": case} if case else {})) + "\n"


def test_a_record_is_filed_proved_and_believed_by_a_stranger(home):
    given = line("note/1", text="seen") + line(
        "appeal/1", CASE, appeal="A-1", state="made", reason="letter",
        account={"subject": "acct-7", "value": "acct-7"}, statement={"subject": "acct-7", "value": "a shop"},
    )  # fmt: skip
    home.run("evidence", "append", "-", *home.signed, given=given)
    key = home.run("evidence", "keys").strip()
    assert key.startswith("provider.example/ledger+")
    home.run("evidence", "checkpoint", "--publish", "public")
    home.run("evidence", "prove", 0, 1, "--withhold", "statement", "--out", "case.json")
    said = [json.loads(one) for one in home.run("evidence", "verify", "case.json", "--key", key, "--json").splitlines()]
    assert said[0]["shown"]["text"] == "seen"
    assert said[1]["signer"][0] == "ada"
    assert said[1]["withheld"] == ["statement"]
    (home.folder / "verify_evidence.py").write_text(home.run("evidence", "verifier"))
    alone = subprocess.run(
        [sys.executable, "-I", "-S", "verify_evidence.py", "case.json", "--key", key],
        cwd=home.folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (alone.returncode, alone.stdout.splitlines()[-1]) == (0, "verified: 2 entries")
    assert "evidence.verifier_key" in home.run("evidence", "verify", "case.json", "--key", "no key", code=2)
    forged = (home.folder / "case.json").read_text().replace("A-1", "A-2")
    (home.folder / "forged.json").write_text(forged)
    assert "evidence.inclusion" in home.run("evidence", "verify", "forged.json", "--key", key, code=4)


def test_a_state_is_stamped_and_the_bundle_says_when(home, tmp_path):
    authority = Authority(tmp_path / "tsa")
    home.run("evidence", "append", "-", given=line("note/1", text="seen"))
    roots = tmp_path / "tsa" / "root.pem"
    with answering(authority.answer) as address:
        home.run("evidence", "checkpoint", "--authority", address, "--roots", roots)
    home.run("evidence", "prove", 0, "--out", "case.json")
    key = home.run("evidence", "keys").strip()
    said = home.run("evidence", "verify", "case.json", "--key", key, "--roots", roots)
    assert said.splitlines()[-1].endswith(f"Z: {address}")
    other = Authority(tmp_path / "other").folder / "root.pem"
    assert "evidence.timestamp" in home.run("evidence", "verify", "case.json", "--key", key, "--roots", other, code=4)


def test_two_homes_witness_each_other_by_file(home, tmp_path):
    other = Home(tmp_path / "hub")
    home.run("evidence", "append", "-", given=line("note/1", text="seen"))
    note = home.run("evidence", "checkpoint")
    (other.folder / "request.txt").write_text(f"old 0\n\n{note}")
    key = home.run("evidence", "keys").strip()
    lines = other.run("evidence", "cosign", "request.txt", "--name", "hub.example/w1", "--log", key)
    assert lines.startswith("\N{EM DASH} hub.example/w1 ")
    said = other.run("evidence", "cosign", "request.txt", "--name", "hub.example/w1", "--log", key, code=4)
    assert "refused with 409" in said


def test_an_erased_person_is_gone_and_a_hold_keeps_them(home):
    given = line(
        "appeal/1", CASE, appeal="A-1", state="made", reason="letter",
        account={"subject": "acct-7", "value": "acct-7"},
    )  # fmt: skip
    home.run("evidence", "append", "-", *home.signed, given=given)
    placed = home.run("evidence", "hold", "place", "--case", CASE, "--until", "2099-01-01", "--owner", "counsel",
                      "--reason", "trial", *home.signed).strip()  # fmt: skip
    erase = ("evidence", "erase", "--case", CASE, "--subject", "acct-7", "--basis", "request", *home.signed)
    assert "evidence.held" in home.run(*erase, code=4)
    home.run("evidence", "hold", "release", placed, "--owner", "counsel", "--reason", "settled", *home.signed)
    home.run(*erase)
    assert "evidence.nobody" in home.run(*erase, code=2)
    home.run("evidence", "checkpoint")
    home.run("evidence", "prove", 0, "--out", "case.json")
    assert "acct-7" not in (home.folder / "case.json").read_text()
    assert home.run("evidence", "verify") == "4 entries and 1 signed states are in order\n"


def test_tampering_is_told_with_its_code(home):
    home.run("evidence", "append", "-", given="".join(line("note/1", text=str(number)) for number in range(5)))
    home.run("evidence", "checkpoint")
    assert home.run("evidence", "verify") == "5 entries and 1 signed states are in order\n"
    connection = sqlite3.connect(home.folder / "home" / "ledger" / "ledger.db")
    connection.execute("DROP TRIGGER entries_last")
    connection.execute("DELETE FROM entries WHERE position = 3")
    connection.commit()
    connection.close()
    assert "evidence.tampered" in home.run("evidence", "verify", code=4)


@pytest.mark.parametrize(
    ("given", "code", "said"),
    [
        ("not json\n", 3, "line 1 is no record"),
        (line("nothing/1"), 2, "is nothing that is filed"),
        (line("note/1"), 2, "lacks text"),
        (line("appeal/1", CASE, appeal="A", state="made", reason="r", account="acct-7"), 2, "says whose it is"),
        (line("note/1", text="fine") + line("note/1", text=2**60), 2, "cannot be put into a record"),
    ],
)
def test_a_broken_record_is_refused_and_nothing_is_filed(home, given, code, said):
    assert said in home.run("evidence", "append", "-", given=given, code=code)
    assert home.run("evidence", "list") == ""


def test_help_teaches_and_json_is_one_object_a_line(home):
    assert "prove 0 --out case.json" in home.run("evidence", "--help")
    kinds = [json.loads(one) for one in home.run("evidence", "types", "--json").splitlines()]
    assert {"record", "what", "fields"} <= kinds[0].keys()


def test_a_file_is_kept_with_its_digest_and_taken_out_again(home, tmp_path):
    (tmp_path / "plan.txt").write_text("the plan\n")
    what = ("--title", "the plan", "--source", "model security", "--media-type", "text/plain")
    kept = home.run("evidence", "keep", tmp_path / "plan.txt", *what, *home.signed).strip()
    digest = hashlib.sha256(b"the plan\n").hexdigest()
    (filed,) = [json.loads(one) for one in home.run("evidence", "list", "--json").splitlines()]
    assert filed["id"] == kept
    home.run("evidence", "take", digest, "--out", tmp_path / "again.txt")
    assert (tmp_path / "again.txt").read_text() == "the plan\n"
    assert home.run("evidence", "take", digest, "--out", "-") == "the plan\n"
    assert "evidence.exhibits.unknown" in home.run("evidence", "take", "0" * 64, "--out", "-", code=2)
