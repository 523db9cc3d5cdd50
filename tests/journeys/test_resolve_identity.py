"""An abuse engineer must know who is behind a pseudonym; a colleague agrees; an auditor reads who looked.

Everything through the real command, as a person or a scheduler would type it.
"""

from __future__ import annotations

import base64
import json
import os
import pty
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from spiritsafe.cli.main import main
from spiritsafe.events.identity import PERSONAL

COMMAND = Path(sys.executable).with_name("spiritsafe")
PHRASES = {
    "ada": "ada likes analytical engines",
    "grace": "grace found a moth in it",
    "alan": "alan runs marathons too",
}


@dataclass
class Said:
    """What a command answered."""

    stdout: str
    stderr: str


class Desk:
    """A folder, a home and the passphrases of three persons."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.home = folder, folder / "home"
        for name, phrase in PHRASES.items():
            path = folder / f"{name}.txt"
            path.touch(mode=0o600)
            path.write_text(phrase + "\n")
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "SPIRITSAFE_HOME": str(self.home)}

    def run(self, *arguments: object, code: int = 0, give: str = "") -> Said:
        """The command as its entry point runs it, in this process: starting fifty would take a minute."""
        with CliRunner().isolation(input=give, env=self.environment) as (out, err, _):
            with pytest.raises(SystemExit) as left:
                main(["identity", *map(str, arguments)])
            said = Said(out.getvalue().decode(), err.getvalue().decode())
        assert left.value.code == code, said
        assert not any(phrase in said.stdout + said.stderr for phrase in PHRASES.values())
        return said

    def as_(self, name: str) -> tuple[str, ...]:
        return ("--as", name, "--passphrase-file", str(self.folder / f"{name}.txt"))

    def lines(self, *arguments: object) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.run(*arguments, "--json").stdout.splitlines()]


@pytest.fixture(scope="module", autouse=True)
def cheap_passphrases() -> Iterator[None]:
    """A third of a second a passphrase is meant for those who guess, not for tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("spiritsafe.keys.persons.SCRYPT_COST_LOG2", 12)
        yield


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    desk = Desk(tmp_path_factory.mktemp("desk"))
    desk.run("init")
    for name in ("ada", "grace"):
        desk.run("person", "add", name, "--passphrase-file", desk.folder / f"{name}.txt")
    return desk


def pseudonym(desk: Desk, identity: str, column: str = "account_id") -> str:
    asked = desk.run("pseudonym", "-", "--column", column, "--reason", "appeal 12", give=identity + "\n")
    return asked.stdout.strip()


def ask(desk: Desk, hidden: str) -> str:
    return desk.run(
        "resolve", hidden, *desk.as_("ada"), "--reason", "notify before suspension", "--case", "C-12"
    ).stdout.strip()


def test_init_can_be_run_again(desk):
    first = desk.lines("keys", "list")
    desk.run("init")
    assert desk.lines("keys", "list") == first
    assert {(key["purpose"], key["epoch"], key["state"]) for key in first} == {
        (purpose, 1, "current") for purpose in ("pseudonym", "sketch", "vault", "ledger", "exports")
    }


def test_two_persons_find_out_who_it_is(desk):
    hidden = pseudonym(desk, "acme-main")
    request_id = ask(desk, hidden)
    waiting = desk.run("requests").stdout
    assert all(word in waiting for word in (request_id, "open", "ada", hidden, "C-12", "notify before suspension"))
    shown = desk.run("approve", request_id, *desk.as_("grace")).stderr
    assert all(word in shown for word in (hidden, "C-12", "notify before suspension"))
    found = desk.run("resolve", "--request", request_id, *desk.as_("ada"))
    assert found.stdout == "acme-main\n"
    again = desk.run("resolve", "--request", request_id, *desk.as_("ada"), code=4)
    assert again.stdout == ""
    assert "events.looks.closed" in again.stderr
    assert request_id not in desk.run("requests").stdout
    assert request_id in desk.run("requests", "--all").stdout


def test_a_program_reads_the_same_as_json(desk):
    hidden = pseudonym(desk, "globex")
    arguments = ("resolve", hidden, *desk.as_("ada"), "--reason", "notify", "--case", "C-13")
    (asked,) = desk.lines(*arguments)
    assert (asked["state"], asked["pseudonym"], asked["by"]) == ("open", hidden, "ada")
    (approved,) = desk.lines("approve", asked["request_id"], *desk.as_("grace"))
    assert (approved["state"], approved["approved_by"]) == ("approved", "grace")
    (found,) = desk.lines("resolve", "--request", asked["request_id"], *desk.as_("ada"))
    assert found == {"pseudonym": hidden, "column": "account_id", "identity": "globex"}


def test_one_person_alone_gets_nowhere_and_it_shows(desk):
    request_id = ask(desk, pseudonym(desk, "initech"))
    refused = desk.run("approve", request_id, *desk.as_("ada"), code=4)
    assert "events.looks.two_persons" in refused.stderr
    assert "events.looks.not_approved" in desk.run("resolve", "--request", request_id, *desk.as_("ada"), code=4).stderr
    tried = [look for look in desk.lines("log") if look["action"] == "refused" and look.get("request_id") == request_id]
    assert [look["detail"] for look in tried] == [
        "approved: events.looks.two_persons",
        "resolved: events.looks.not_approved",
    ]


def test_a_wrong_passphrase_is_refused_and_filed(desk):
    request_id = ask(desk, pseudonym(desk, "initech"))
    wrong = ("--as", "grace", "--passphrase-file", desk.folder / "ada.txt")
    assert "keys.persons.passphrase" in desk.run("approve", request_id, *wrong, code=4).stderr
    last = desk.lines("log")[-1]
    assert (last["action"], last["person"], last["detail"]) == ("refused", "grace", "wrong passphrase")


def test_a_passphrase_is_asked_for_without_echo(desk):
    """Only a terminal shows whether a passphrase is echoed, so this test has one."""
    request_id = ask(desk, pseudonym(desk, "hooli"))
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [COMMAND, "identity", "approve", request_id, "--as", "grace"],
        stdin=theirs, stdout=theirs, stderr=theirs, env=desk.environment, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    said = b""
    while b"Passphrase of grace" not in said:
        said += os.read(ours, 4096)
    time.sleep(0.2)
    os.write(ours, PHRASES["grace"].encode() + b"\n")
    while True:
        try:
            more = os.read(ours, 4096)
        except OSError:  # the terminal is gone when its last user is
            break
        if not more:
            break
        said += more
    os.close(ours)
    assert process.wait(timeout=30) == 0
    assert f"approved {request_id}".encode() in said
    assert PHRASES["grace"].encode() not in said


def test_a_passphrase_comes_through_a_descriptor(desk):
    request_id = ask(desk, pseudonym(desk, "hooli"))
    typed = f'exec "{COMMAND}" identity approve {request_id} --as grace --passphrase-file /dev/fd/3 3< grace.txt'
    done = subprocess.run(
        ["/bin/sh", "-c", typed], cwd=desk.folder, env=desk.environment, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_passphrase_file_that_others_may_read_is_refused(desk):
    loose = desk.folder / "loose.txt"
    loose.write_text(PHRASES["grace"])
    loose.chmod(0o644)
    refused = desk.run("approve", "000", "--as", "grace", "--passphrase-file", loose, code=2)
    assert "events.looks.request" in refused.stderr
    request_id = ask(desk, pseudonym(desk, "hooli"))
    refused = desk.run("approve", request_id, "--as", "grace", "--passphrase-file", loose, code=3)
    assert "chmod 600" in refused.stderr


def test_an_identity_that_steers_terminals_is_shown_harmless(desk):
    hidden = pseudonym(desk, "\x1b[2J\x07evil", "end_user_id")
    request_id = ask(desk, hidden)
    desk.run("approve", request_id, *desk.as_("grace"))
    found = desk.run("resolve", "--request", request_id, *desk.as_("ada"))
    assert found.stdout == "\\x1b[2J\\x07evil\n"


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (("resolve", "acme", "--reason", "r", "--case", "c"), 3, "events.identity.pseudonym"),
        (("resolve", "p1_" + "0" * 32, "--reason", "r", "--case", "c"), 3, "events.vault.unknown"),
        (("resolve", "p1_" + "0" * 32), 2, "cli.identity.resolve"),
        (("resolve",), 2, "cli.identity.resolve"),
        (("resolve", "p1_" + "0" * 32, "--request", "1"), 2, "cli.identity.resolve"),
        (("resolve", "--request", "0123"), 2, "events.looks.request"),
        (("forget", "--reason", "r"), 2, "cli.identity.forget"),
        (("forget", "--reason", "r", "--column", "account_id"), 2, "cli.identity.forget"),
    ],
)
def test_a_mistake_is_told_with_its_code(desk, arguments, code, error):
    assert error in desk.run(*arguments, *desk.as_("ada"), code=code).stderr


@pytest.mark.parametrize(
    ("column", "hint"),
    [
        ("acount_id", "did you mean 'account_id'?"),
        ("Account_ID", "did you mean 'account_id'?"),
        ("prompt", "account_id, api_key_id, client_ip"),
        ("", "account_id, api_key_id, client_ip"),
    ],
)
def test_a_column_without_pseudonyms_is_refused_and_nothing_is_filed(desk, column, hint):
    pseudonym(desk, "acme-main")
    (desk.folder / "ids.txt").write_text("acme-main\n")
    before = desk.lines("log")
    values = desk.folder / "ids.txt"
    for refused in (
        desk.run("pseudonym", values, "--column", column, "--reason", "appeal 12", code=2),
        desk.run("forget", "--values", values, "--column", column, *desk.as_("ada"), "--reason", "r", code=2),
    ):
        assert "cli.identity.column" in refused.stderr
        assert hint in refused.stderr
        assert refused.stdout == ""
    assert desk.lines("log") == before


def test_every_column_that_pseudonymisation_treats_may_be_asked_about(desk):
    for column in sorted(PERSONAL):
        assert pseudonym(desk, "acme-main", column).startswith("p")


def test_a_stranger_is_told_how_to_become_a_person(desk):
    refused = desk.run("resolve", "p1_" + "0" * 32, *desk.as_("alan"), "--reason", "r", "--case", "c", code=2)
    assert "identity person add alan" in refused.stderr


def test_the_third_person_needs_one_who_vouches(tmp_path):
    desk = Desk(tmp_path)
    for name in ("ada", "grace"):
        desk.run("person", "add", name, "--passphrase-file", desk.folder / f"{name}.txt")
    alone = desk.run("person", "add", "alan", "--passphrase-file", desk.folder / "alan.txt", code=4)
    assert "--sponsor" in alone.stderr
    assert not (desk.home / "persons" / "alan.json").exists()
    own = desk.folder / "stick" / "alan.json"
    own.parent.mkdir()
    desk.run(
        "person", "add", "alan", "--passphrase-file", desk.folder / "alan.txt", "--person-file", own,
        "--sponsor", "ada", "--sponsor-passphrase-file", desk.folder / "ada.txt",
    )  # fmt: skip
    assert own.stat().st_mode & 0o777 == 0o600
    hidden = pseudonym(desk, "acme-main")
    away = ("--as", "alan", "--passphrase-file", desk.folder / "alan.txt", "--person-file", own)
    request_id = desk.run("resolve", hidden, *away, "--reason", "r", "--case", "c").stdout.strip()
    desk.run("decline", request_id, *desk.as_("grace"), "--reason", "no notice is due")
    assert "events.looks.closed" in desk.run("approve", request_id, *desk.as_("grace"), code=4).stderr
    desk.run("person", "retire", "alan", *desk.as_("ada"), "--reason", "left the company")
    assert [(one["name"], one["state"], one["sponsor"]) for one in desk.lines("person", "list")] == [
        ("ada", "active", None),
        ("grace", "active", None),
        ("alan", "retired", "ada"),
    ]


def test_a_forgotten_customer_stays_forgotten(desk):
    hidden = [pseudonym(desk, name) for name in ("umbrella", "vandelay")]
    desk.run("forget", hidden[0], *desk.as_("grace"), "--reason", "erasure request 88")
    (desk.folder / "ids.txt").write_text("vandelay\nnobody-we-know\n")
    (told,) = desk.lines(
        "forget",
        "--values",
        desk.folder / "ids.txt",
        "--column",
        "account_id",
        *desk.as_("grace"),
        "--reason",
        "erasure request 89",
    )
    assert told == {"forgotten": [hidden[1]]}
    for one in hidden:
        refused = desk.run("resolve", one, *desk.as_("ada"), "--reason", "r", "--case", "c", code=3)
        assert "events.vault.forgotten" in refused.stderr
    assert pseudonym(desk, "umbrella") == hidden[0]
    desk.run("resolve", hidden[0], *desk.as_("ada"), "--reason", "r", "--case", "c", code=3)


def test_an_old_vault_key_is_replaced_and_destroyed(desk):
    hidden = pseudonym(desk, "acme-main")
    old = next(key for key in desk.lines("keys", "list") if key["purpose"] == "vault")
    destroy = ("keys", "destroy", "vault", 1, "--reason", "rotated", *desk.as_("ada"), "--confirm")
    assert "still need this key" in desk.run(*destroy, old["key_id"], code=2).stderr
    (made,) = desk.lines("keys", "rotate", "vault")
    assert (made["epoch"], made["rewrapped"] > 0) == (2, True)
    assert "cli.identity.key" in desk.run(*destroy, made["key_id"], code=2).stderr
    desk.run(*destroy, old["key_id"])
    states = {key["epoch"]: key["state"] for key in desk.lines("keys", "list") if key["purpose"] == "vault"}
    assert states == {1: "destroyed", 2: "current"}
    request_id = ask(desk, hidden)
    desk.run("approve", request_id, *desk.as_("grace"))
    assert desk.run("resolve", "--request", request_id, *desk.as_("ada")).stdout == "acme-main\n"


def test_pseudonyms_of_another_epoch_say_so(tmp_path):
    desk = Desk(tmp_path)
    first = pseudonym(desk, "acme-main")
    desk.run("keys", "rotate", "pseudonym")
    second = pseudonym(desk, "acme-main")
    assert (first[:3], second[:3]) == ("p1_", "p2_")
    for name in ("ada", "grace"):
        desk.run("person", "add", name, "--passphrase-file", desk.folder / f"{name}.txt")
    for hidden in (first, second):
        request_id = ask(desk, hidden)
        desk.run("approve", request_id, *desk.as_("grace"))
        assert desk.run("resolve", "--request", request_id, *desk.as_("ada")).stdout == "acme-main\n"


def test_keys_may_come_from_the_environment(tmp_path):
    desk = Desk(tmp_path)
    desk.environment["SPIRITSAFE_KEY_PROVIDER"] = "environment"
    for purpose in ("PSEUDONYM", "VAULT"):
        desk.environment[f"SPIRITSAFE_KEY_{purpose}"] = base64.b64encode(os.urandom(32)).decode()
    told = desk.run("init").stderr
    assert "SPIRITSAFE_KEY_SKETCH" in told
    assert pseudonym(desk, "acme-main").startswith("p1_")
    assert not (desk.home / "keys").exists()
    assert "keys.read_only" in desk.run("keys", "rotate", "vault", code=2).stderr


def test_an_auditor_sees_who_looked_and_that_nobody_changed_it(desk):
    (sound,) = desk.lines("log", "--verify")
    assert sound["looks"] == len(desk.lines("log"))
    desk.run("log", "--verify", "--head", sound["head"])
    pseudonym(desk, "acme-main")
    told = desk.run("log", "--verify", "--head", sound["head"]).stdout
    assert "the log holds" in told
    assert "events.looks.broken" in desk.run("log", "--head", "0" * 64, code=4).stderr
    readable = desk.run("log").stdout
    assert all(word in readable for word in ("requested", "approved", "resolved", "refused", "forgotten", "erasure"))


def test_the_home_is_private_to_the_last_file(desk):
    loose = [path for path in desk.home.rglob("*") if path.stat().st_mode & 0o077]
    assert loose == []


def test_nothing_is_asked_on_the_command_line_that_should_not_be_there():
    """Other users of a machine see command lines: no option takes a passphrase or an identity."""
    from click import Command, Group, Option

    from spiritsafe.cli.identity import identity

    waiting: list[Command] = [identity]
    options: set[str] = set()
    while waiting:
        command = waiting.pop()
        options |= {name for option in command.params if isinstance(option, Option) for name in option.opts}
        waiting += list(command.commands.values()) if isinstance(command, Group) else []
    assert {name for name in options if "pass" in name} == {"--passphrase-file", "--sponsor-passphrase-file"}
