"""Guards for tests: small rosters, short policies, requests that show what they are to show."""

from pathlib import Path
from typing import Any

from spiritsafe.guard import Guard, Request
from spiritsafe.guard.policy import parse_policy
from spiritsafe.roster import Kind, Role, Roster, write_roster
from spiritsafe.signals import text_tactics
from spiritsafe.sketch.parameters import SketchParameters
from spiritsafe.sketch.single import PromptSketcher
from tests.roster.rosters import NAMES, NOW_S, campaign, contents

NOW_US = NOW_S * 1_000_000
PARAMETERS = SketchParameters(key=b"sketch key for tests", key_id="k1", tactics=text_tactics())
SKETCHER = PromptSketcher(PARAMETERS)
TEMPLATE = (
    "You grade answers of a student. Read the question and the answer below with care and give a score from 1 to 10:"
)
ITEM = "The whale surfaced twice near the harbour at dawn, and nobody wrote it down."
OTHER = "Please summarise the minutes of our meeting on gardening, rabbits and the broken fence for me, thank you."
PHRASES = SKETCHER.sketch(TEMPLATE).phrases
BOTH = Kind.CONTENT | Kind.TIMING
ADDRESS = "192.0.2.1"

RULES = """
[[rule]]
name = "members"
who = "member"
probability = 0.9
answer = "block"
[[rule]]
name = "newcomers"
who = "newcomer"
answer = "challenge"
[[rule]]
name = "signs"
kinds = 1
answer = "observe"
"""


def policy(rules: str = RULES, *, mode: str = "enforce", version: int = 1, **more: object):
    head = f'schema = "guard_policy/1"\nname = "test"\nversion = {version}\nmode = "{mode}"\nappeal_to = "here"\n'
    head += "".join(f"{name} = {value}\n" for name, value in more.items())
    return parse_policy((head + rules).encode(), where="test.toml")


def told(**more):
    """One campaign with a template and an address, two accounts of it, one that is old and one that is not."""
    given = {
        "campaigns": (campaign(),),
        "accounts": {
            "core": (0, 0.99, BOTH, Role.CORE, False),
            "relay": (0, 0.99, BOTH, Role.RELAY, False),
            "maybe": (0, 0.5, BOTH, Role.UNCERTAIN, False),
            "one kind": (0, 0.99, Kind.CONTENT, Role.CORE, False),
            "old": (-1, 0.0, 0, Role.NONE, True),
            "young": (-1, 0.0, 0, Role.NONE, False),
        },
        "templates": ((0, 3, PHRASES),),
        "values": (("client_ip", ADDRESS, 0, Kind.INFRASTRUCTURE), ("ja4", "t13d", 0, Kind.INFRASTRUCTURE)),
        "sketch": PARAMETERS.metadata(),
    }
    return contents(**{**given, **more})


def roster_of(folder: Path, made=None, *, name: str = "roster.bin") -> Roster:
    path = folder / name
    write_roster(told() if made is None else made, path)
    return Roster(path)


def guard_of(folder: Path, made=None, given=None) -> Guard:
    roster = roster_of(folder, made)
    return Guard(roster, policy() if given is None else given, names=NAMES, parameters=PARAMETERS)


def request(
    account: str = "core", *, template: bool = False, address: bool = False, after_s: float = 0, **more: Any
) -> Request:
    given: dict[str, Any] = {
        "account_id": account,
        "time_us": NOW_US + round(after_s * 1_000_000),
        "prompt": f"{TEMPLATE} {ITEM}" if template else OTHER,
        "client_ip": ADDRESS if address else "198.51.100.7",
        "model": "m-1",
        "plan": "pro",
    }
    return Request(**{**given, **more})
