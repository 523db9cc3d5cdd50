"""The policy: a TOML file that says which evidence is answered how, and that people can read.

Rules are gone through from the top; the first that fits decides. What a rule may ask for is bounded: one kind of
evidence is observed and no more, what another firm said alone is challenged at most, and nothing here can change
that (`guard.ceilings`). Checked whole when it is read, so that a typo is told and the policy in force stays. Comes from
a file; goes on to `guard.deciding`.
"""

from __future__ import annotations

import hashlib
import tomllib
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal

import msgspec
from msgspec import Meta

from spiritsafe.errors import InputError
from spiritsafe.guard.measures import MEASURES
from spiritsafe.guard.model import ANSWERS, Answer

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA: Final = "guard_policy/1"
LIMIT_BYTES: Final = 1 << 20

Share = Annotated[float, Meta(ge=0, le=1)]
Who = Literal["member", "newcomer", "anyone"]


class PolicyError(InputError):
    """A policy is no TOML, has an unknown word, or asks for more than a policy may."""

    code: ClassVar[str] = "guard.policy"


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One line of the policy: whom it is about, on which evidence, and the answer.

    `who`: accounts that a campaign's list names (`member`, from `probability` on), those that show a campaign's
    fingerprint and are new (`newcomer`), or both. `kinds`: so many kinds of evidence at least. `tactics`: only requests
    that show one of these. `free_per_hour`: exchanges of the whole campaign that pass in an hour, whichever of its
    accounts they come from, before the answer is given. `holds_hours`: how long the answer holds. `token_limit` goes
    with the measure `limit_tokens`.
    """

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    answer: Literal["allow", "observe", "throttle", "challenge", "degrade", "block"]
    who: Who = "anyone"
    probability: Share = 0.9
    kinds: Annotated[int, Meta(ge=1, le=6)] = 2
    models: tuple[str, ...] = ("*",)
    plans: tuple[str, ...] = ("*",)
    tactics: tuple[str, ...] = ()
    free_per_hour: Annotated[float, Meta(ge=0, le=1e9)] = 0.0
    holds_hours: Annotated[float, Meta(gt=0, le=24 * 90)] = 24.0
    measures: tuple[str, ...] = ()
    token_limit: Annotated[int, Meta(ge=0, le=1 << 30)] = 0

    @property
    def given(self) -> Answer:
        """The answer as a value."""
        return ANSWERS[self.answer]


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is answered to whom. `mode`: `shadow` decides and records and never acts; `enforce` acts, on campaigns that
    a person confirmed. `appeal_to`: where whoever is answered so can object. `passed_hours`: how long an account that
    passed a challenge is not challenged again. `established_days`: an account so old is established."""

    schema: Literal["guard_policy/1"]
    name: Annotated[str, Meta(min_length=1, max_length=60, pattern="^[^@\\s]+$")]
    version: Annotated[int, Meta(ge=1)]
    mode: Literal["shadow", "enforce"] = "shadow"
    appeal_to: Annotated[str, Meta(max_length=500)] = ""
    passed_hours: Annotated[float, Meta(gt=0, le=24 * 90)] = 168.0
    established_days: Annotated[float, Meta(ge=1, le=36_500)] = 180.0
    rules: tuple[Rule, ...] = msgspec.field(name="rule", default=())
    sha256: str = ""

    @property
    def full_name(self) -> str:
        """As decisions name it."""
        return f"{self.name}@{self.version}"

    def enforcing(self) -> Policy:
        """The same, acting."""
        return msgspec.structs.replace(self, mode="enforce")


def read_policy(path: Path) -> Policy:
    """Read and check a policy file.

    Raises
    ------
    PolicyError
        With what is wrong and where. No part of it is used.
    """
    try:
        size = path.stat().st_size
        text = path.read_bytes() if size <= LIMIT_BYTES else b""
    except OSError as error:
        raise PolicyError(f"cannot read the policy {path}: {error.strerror}", hint="name a TOML file") from error
    if size > LIMIT_BYTES:
        raise PolicyError(f"the policy {path} has {size:,} bytes", hint=f"{LIMIT_BYTES:,} at most")
    return parse_policy(text, where=str(path))


def parse_policy(text: bytes, *, where: str) -> Policy:
    """Check a policy's text; `where` stands in errors. Raises `PolicyError`."""
    try:
        told: dict[str, Any] = tomllib.loads(text.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise PolicyError(f"{where} is no TOML: {error}", hint="mend it; the policy in force stays") from error
    told.pop("sha256", None)
    try:
        policy = msgspec.convert(told, Policy)
    except msgspec.ValidationError as error:
        raise PolicyError(
            f"{where}: {error}", hint="see docs/reference/guard-policy.md for what may stand in it"
        ) from error
    policy = msgspec.structs.replace(policy, sha256=hashlib.sha256(text).hexdigest())
    for number, rule in enumerate(policy.rules, 1):
        wrong = _wrong_with(rule)
        if wrong:
            raise PolicyError(f"{where}: rule {number} ({rule.name}) {wrong[0]}", hint=wrong[1])
    twice = [rule.name for at, rule in enumerate(policy.rules) if rule.name in {r.name for r in policy.rules[:at]}]
    if twice:
        raise PolicyError(
            f"{where}: two rules are named {twice[0]}", hint="decisions name their rule: give each its own"
        )
    if policy.mode == "enforce" and not policy.appeal_to and any(r.given > Answer.OBSERVE for r in policy.rules):
        raise PolicyError(
            f"{where} enforces and does not say where to appeal",
            hint="set appeal_to: a link or an address that is read",
        )
    return policy


def _wrong_with(rule: Rule) -> tuple[str, str] | None:
    if rule.given > Answer.OBSERVE and rule.kinds < 2:
        return (
            f"would {rule.answer} on one kind of evidence",
            "one kind is observed and no more: set kinds to 2 or more, or the answer to observe",
        )
    if ("limit_tokens" in rule.measures) != (rule.token_limit > 0):
        return (
            "limits tokens without a token_limit, or has one and does not",
            'set both: "limit_tokens", token_limit = 1024',
        )
    unknown = [name for name in rule.measures if name not in MEASURES]
    if unknown:
        return f"has the measure {unknown[0]!r}", f"one of: {', '.join(MEASURES)}"
    kept = {"withhold_reasoning", "summarise_reasoning"} & set(rule.measures)
    if len(kept) > 1:
        return "withholds reasoning and gives its summary", "name one of the two"
    if "check_leaks" in rule.measures and not kept:
        return (
            "looks for leaks of reasoning that it does not withhold",
            'set "withhold_reasoning" or "summarise_reasoning" as well, or leave "check_leaks" out',
        )
    if (rule.given is Answer.DEGRADE) != bool(rule.measures):
        return (
            "degrades and names no measure" if not rule.measures else "names measures and does not degrade",
            f'answer = "degrade" with measures = [...], of {", ".join(MEASURES)}',
        )
    if not rule.models or not rule.plans:
        return "fits no model or no plan", 'leave the line out, or write ["*"]'
    return None
