"""From a scan to a paper that a stranger checks, by the command alone, on both databases; one process is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import Any

import pytest

from spiritsafe.playbooks.shelf import shipped
from tests.cases.screening.made_lists import written
from tests.evidence.servers import Authority, answering
from tests.journeys.fixed_keys import KEYS
from tests.journeys.test_cases import SPIRITSAFE, WHY, Desk
from tests.playbooks.made import GATEWAY
from tests.playbooks.receiver import receiver
from tests.postgresql import postgresql

GROUND = ("--set", "__ground__=Terms 4.2: accounts under false names")


@pytest.fixture(scope="module")
def cluster():
    with postgresql() as running:
        yield running


@pytest.fixture(scope="module")
def findings(tmp_path_factory):
    """A scan of the demo's traffic, small."""
    folder = tmp_path_factory.mktemp("demo")
    environment = os.environ | KEYS | {"SPIRITSAFE_HOME": str(folder / "scanning")}
    world = folder / "world"
    tables = [f"--{name}={world / name}.parquet" for name in ("accounts", "attestations")]
    for given in (
        ["prove", "--recipe", "demo", "--size", "300", "--out", world],
        ["scan", world / "requests.parquet", *tables, "--out", folder / "findings"],
    ):
        subprocess.run([SPIRITSAFE, *given], check=True, capture_output=True, env=environment)
    return folder / "findings"


@pytest.fixture(params=["sqlite", "postgresql"])
def desk(request, tmp_path):
    return Desk(tmp_path, "" if request.param == "sqlite" else request.getfixturevalue("cluster").new_database())


class Runs:
    """A run, through the command."""

    def __init__(self, desk: Desk, *given: object, who: str = "ada", code: int = 0) -> None:
        self.desk = desk
        said = desk.run("playbook", "run", *given, *WHY, "--json", "--as", who, *desk.passphrase, code=code)
        self.id = json.loads(said)["run_id"]

    def say(self, who: str, step: str, *more: object, code: int = 0) -> str:
        given = ("playbook", "approve", self.id[-8:], step, *WHY, *more, "--as", who, *self.desk.passphrase)
        return self.desk.run(*given, code=code)

    @property
    def now(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.desk.run("playbook", "status", self.id, "--json"))
        return found


def opened(desk: Desk, findings) -> None:
    assert "opened case 1" in desk.run("case", "open", findings)


def confirmed(desk: Desk) -> None:
    run = Runs(desk, "identify-campaign", "--case", 1)
    assert run.now["waits_for"][0]["name"] == "take it into review"
    run.say("ada", "take it into review")
    member = json.loads(desk.run("case", "members", 1, "--json").splitlines()[0])["account_id"]
    looked = desk.signed("ada", "rows", 1, member, "--limit", 2, *WHY).splitlines()
    assert {json.loads(line)["account_id"] for line in looked} == {member}
    run.say("ada", "read the evidence")
    run.say("ada", "ask what else it could be")
    assert "playbooks.variable" in run.say("ada", "judge", "--set", "__verdikt__=campaign", code=2)
    run.say("ada", "judge", "--set", "__verdict__=campaign")
    run.say("ada", "confirm it")
    assert "a second person must agree" in run.say("ada", "confirm it")
    run.say("bob", "confirm it")
    assert run.now["status"] == "succeeded"
    assert desk.shown()["case"]["state"] == "confirmed"


def judged_and_screened(desk: Desk) -> None:
    judge = ("--likelihood", "very likely", "--confidence", "moderate", "--basis", "E1=A2")
    said = ("--statement", "It is very likely that they act as one.")
    other = ("--alternative", "One customer: no contract names them.")
    desk.signed("ada", "assess", 1, "--claim", "accounts_act_as_one", *judge, *said, *other)
    lists = written(desk.folder / "lists")
    desk.run(
        "screen", "-", "--list", lists["sdn.csv"], "--case", 1, "--as", "ada", *desk.passphrase, stdin="Jane Doe\n"
    )


def papered(desk: Desk, wronged: str) -> None:
    """A draft, a second person, the paper, and what a stranger makes of it."""
    dossier = ("dossier", 1, "--leaves", "--marking", "amber", "--legal-basis", "as counsel says")
    draft = json.loads(desk.run(*dossier, "--out", "draft", "--json", "--as", "ada", *desk.passphrase))
    assert draft["draft"]
    desk.run("dossier", 1, "--leaves", "--read", *WHY, "--as", "bob", *desk.passphrase)
    authority = Authority(desk.folder / "tsa")
    with answering(authority.answer) as address:
        stamped = ("--authority", address, "--roots", authority.folder / "root.pem")
        paper = json.loads(desk.run(*dossier, *stamped, "--out", "paper", "--json", "--as", "ada", *desk.passphrase))
    assert (paper["draft"], paper["content_sha256"]) == (False, draft["content_sha256"])
    folder = desk.folder / "paper"
    header = json.loads((folder / "dossier.json").read_bytes())["header"]
    (stamp,) = json.loads((folder / "bundle.json").read_bytes())["timestamps"]
    assert (header["timestamps"], stamp["size"]) == ([address], header["entries"])
    assert (folder / "dossier.pdf").read_bytes().startswith(b"%PDF")
    assert wronged not in (folder / "dossier.html").read_text("utf-8")
    key = desk.run("evidence", "keys").strip()
    verify = [sys.executable, "verify_evidence.py", "bundle.json", "--key", key]
    checked = subprocess.run(verify, cwd=folder, capture_output=True, text=True, check=True)
    assert "verified:" in checked.stdout
    assert "evidence." in desk.run("evidence", "verify", folder / "bundle.json", "--key", "x+00000000+AA==", code=2)


def test_from_a_finding_to_a_dossier(desk, findings):
    opened(desk, findings)
    confirmed(desk)

    run = Runs(desk, "throttle", "--case", 1, *GROUND)
    asked = run.now["waits_for"][0]
    count = asked["accounts"]
    assert (asked["name"], asked["verified"]) == ("one in ten: throttle", 0)
    assert 0 < count <= 1 + desk.shown()["case"]["members"] // 10
    assert "playbooks.refused" in run.say("ada", "one in ten: throttle", "--most-accounts", count - 1, code=4)
    run.say("ada", "one in ten: throttle")
    run.say("bob", "one in ten: throttle", "--most-accounts", count)
    run.say("bob", "see that it is in force (one in ten)")
    outbox = desk.folder / "home" / "outbox"
    orders = [json.loads(path.read_bytes()) for path in outbox.glob("order-*.json")]
    letters = [json.loads(path.read_bytes()) for path in outbox.glob("notice-*.json")]
    assert sorted(orders[0]["accounts"]) == sorted(one["account"] for one in letters)
    assert all("appeals@provider.example" in one["text"] for one in letters)

    wronged = orders[0]["accounts"][0]
    (desk.folder / "letter.txt").write_text("We are a school.")
    made = json.loads(desk.run("case", "appeal", "make", 1, wronged, "--statement", "letter.txt", "--json"))
    assert f"halted: 1 of {count} accounts object" in desk.run("playbook", "resume")
    assert "playbooks.over" in run.say("ada", "half: throttle", code=2)
    desk.signed("cyd", "appeal", "take", made["appeal_id"])
    desk.signed("cyd", "appeal", "decide", made["appeal_id"], "granted", *WHY)
    desk.signed("ada", "undone", 1, *WHY)
    said = desk.run("playbook", "rollback", run.id, *WHY, "--as", "ada", *desk.passphrase)
    assert count == 1 or f"undoing throttle of {count - 1} accounts is ordered" in said
    assert desk.run("playbook", "list").count("rolled back") == 1

    judged_and_screened(desk)
    papered(desk, wronged)
    desk.run("evidence", "verify")
    before = desk.shown()
    desk.run("case", "rebuild")
    assert desk.shown() == before


def test_a_command_that_is_killed_while_it_calls_is_taken_up(desk, findings):
    """The receiver has the order and the process is gone before it learns: one effect, and the run goes on."""
    opened(desk, findings)
    confirmed(desk)
    with receiver(desk.folder) as gate:
        desk.environment |= {
            "SSL_CERT_FILE": str(desk.folder / "ca.pem"), "SPIRITSAFE_PLAYBOOK_HOSTS": f"localhost:{gate.port}",
            "SPIRITSAFE_PLAYBOOK_APPROVALS": "1",
        }  # fmt: skip
        document = json.loads(next(one.playbook.body for one in shipped() if one.name == "block"))
        document["id"] = "playbook--7d0e5a52-6f0c-4b9e-8f6d-1f2f3b1f9a77"
        for body in document["workflow"].values():
            if any(command["type"] == "spiritsafe-case-act" for command in body.get("commands", ())):
                body["agent"] = GATEWAY
        address = {"url": [f"https://localhost:{gate.port}/gateway.api"]}
        document["agent_definitions"][GATEWAY] = {"type": "http-api", "name": "gateway", "address": address}
        (desk.folder / "mine.json").write_text(json.dumps(document))
        assert "playbooks.signature" in desk.run(
            "playbook", "run", "./mine.json", "--case", 1, *GROUND, *WHY, "--as", "ada", *desk.passphrase, code=4
        )
        desk.run("playbook", "sign", "mine.json", "--out", "signed.json", "--as", "ada", *desk.passphrase)
        run = Runs(desk, "./signed.json", "--case", 1, *GROUND)

        gate.delay_s = 30
        given = ["playbook", "approve", run.id, "one in ten: block", *WHY, "--as", "ada", *map(str, desk.passphrase)]
        process = subprocess.Popen([SPIRITSAFE, *given], env=desk.environment, cwd=desk.folder)
        until = time.monotonic() + 30
        while not gate.requests and time.monotonic() < until:
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert len(gate.requests) == 1
        assert desk.shown()["case"]["state"] == "confirmed"  # nobody here knows yet
        gate.delay_s = 0
        said = desk.run("playbook", "resume")
        assert "one in ten: block" in said
        assert len({one["headers"]["Idempotency-Key"] for one in gate.requests}) == 1
        assert len({one["body"] for one in gate.requests}) == 1
        assert desk.shown()["case"]["state"] == "acted_on"
    assert not list((desk.folder / "home" / "runs").glob("order-*"))


def test_what_is_wrong_is_told_with_its_code_and_nothing_is_filed(desk, findings):
    opened(desk, findings)
    before = desk.run("evidence", "list")
    refused = {
        "playbooks.missing": ("playbook", "run", "nothing-like-it", "--case", 1),
        "cases.unknown": ("playbook", "run", "throttle", "--case", 77),
        "playbooks.variable": ("playbook", "run", "throttle", "--case", 1),
        "playbooks.command": ("playbook", "run", "throttle", *GROUND, "--set", "__case__=1"),
    }
    for code, given in refused.items():
        assert code in desk.run(*given, *WHY, "--as", "ada", *desk.passphrase, code=2)
    assert "playbooks.unknown" in desk.run("playbook", "status", "00000000", code=2)
    assert "--as is for one run" in desk.run("playbook", "resume", "--as", "ada", *desk.passphrase, code=2)
    assert "cases.unknown" in desk.run("dossier", 9, "--out", "d", "--as", "ada", *desk.passphrase, code=2)
    assert "give --out" in desk.run("dossier", 1, "--as", "ada", *desk.passphrase, code=2)
    taken = desk.folder / "taken"
    taken.mkdir()
    (taken / "mine.txt").write_text("mine")
    assert "files." in desk.run("dossier", 1, "--out", "taken", "--as", "ada", *desk.passphrase, code=2)
    assert (taken / "mine.txt").read_text() == "mine"
    assert desk.run("evidence", "list") == before
