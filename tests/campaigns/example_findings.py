"""One made-up run with three campaigns, one of 5,000 accounts, and twelve groups that are not accused.

Everything is drawn from a fixed seed; nothing stands for a real account, firm or place.
"""

import functools
import math
import random
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from spiritsafe.campaigns.model import (
    Alternative,
    Axis,
    AxisStatus,
    Coverage,
    Evidence,
    Exposure,
    Group,
    InputFile,
    Member,
    MissingColumn,
    Run,
    Significance,
    Technique,
    Verdict,
)
from spiritsafe.campaigns.partners import Link, Ties

START = datetime(2026, 4, 20, tzinfo=UTC)
DAYS = 47
S, C, N = AxisStatus.SUPPORTED, AxisStatus.CONTRADICTED, AxisStatus.NOT_OBSERVABLE
KINDS = ("content", "work", "timing", "infrastructure", "identity", "lifecycle")
EXTRACT = Technique(id="AML.T0024.002", name="Extract AI Model")
PROXIES = Technique(id="AML.T0008.005", name="AI Service Proxies")
ACCOUNTS = Technique(id="AML.T0021", name="Establish Accounts")
ACTIONS = (
    "Watch: record these accounts' exchanges in full for seven days, and change nothing that they notice.",
    "Halve the rate limits of the core accounts (reversible at once).",
    "Ask the core accounts for a verified organisation; wait ten days for an answer.",
    "Suspend new sign-ups that carry the same payment fingerprint, with review of each.",
    "Suspend core accounts after two persons have agreed, with notice of the grounds and of the appeal.",
)


def iso(hours: float) -> str:
    return (START + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")


def alternatives(*fits: str) -> tuple[Alternative, ...]:
    rows = [
        ("One company with many keys", "Do the accounts belong to one verified organisation?",
         "No account has a verified organisation; 3 self-made names cover 14 accounts."),
        ("A popular application", "Does one system prompt explain the shared wording?",
         "The shared template is in the user message; system prompts differ."),
        ("An evaluation harness", "Are the items a public benchmark, run in order?",
         "Items do not repeat between accounts; a harness repeats them."),
        ("A shared network", "Does one carrier-grade gateway explain the addresses?",
         "Addresses come from 412 networks."),
        ("A reseller", "Do end users differ inside an account?", "The column end_user_id is missing."),
    ]  # fmt: skip
    outcome = {"A reseller": "not_checkable"}
    return tuple(
        Alternative(name=n, question=q, finding=f, outcome="fits" if n in fits else outcome.get(n, "does_not_fit"))
        for n, q, f in rows
    )


def axes(
    statuses: tuple[AxisStatus, ...],
    reasons: tuple[str, ...],
    evidence: tuple[tuple[Evidence, ...], ...] = ((), (), ()),
) -> tuple[Axis, Axis, Axis]:
    names = ("coordination", "extraction", "concealment")
    one, two, three = (
        Axis(name=n, status=s, reason=r, evidence=tuple(e), missing_columns=("end_user_id",) if s is N else ())
        for n, s, r, e in zip(names, statuses, reasons, evidence, strict=True)
    )
    return one, two, three


def members(seed: int, size: int, shape: dict[str, tuple[float, float]], prefix: str) -> tuple[Member, ...]:
    rng = random.Random(seed)
    made = []
    for index in range(size):
        bits = {k: round(max(0.0, rng.gauss(m, m / 5)), 2) if rng.random() < held else 0.0
                for k, (held, m) in shape.items()}  # fmt: skip
        total = sum(bits.values())
        probability = round(1 / (1 + 2 ** -((total - 12) / 2.2)), 4)
        why = [f"{k} evidence worth {bits[k]:.0f} bits" for k in KINDS if bits.get(k, 0) > 0]
        made.append(
            Member(
                account_id=f"{prefix}_{rng.getrandbits(48):012x}",
                probability=probability,
                role="uncertain" if probability < 0.6 else ("relay" if index % 9 == 4 else "core"),
                first_seen=iso(rng.uniform(48, 300)),
                exchanges=rng.randint(200, 2300),
                why=tuple(why),
                **{f"bits_{k}": bits.get(k, 0.0) for k in KINDS},
            )
        )
    return tuple(made)


def hours(seed: int, first: int, last: int, level: float, pivot: int | None = None) -> tuple[tuple[int, int], ...]:
    rng = random.Random(seed)
    rows = []
    for hour in range(first, last):
        rise = min(1.0, (hour - first + 1) / 96)
        wave = 1 + 0.12 * math.sin(hour / 24 * 2 * math.pi)
        push = 2.4 if pivot and pivot <= hour < pivot + 72 else 1.0
        rows.append((hour, int(level * rise * wave * push * rng.uniform(0.8, 1.2))))
    return tuple(rows)


def big_evidence() -> tuple[tuple[Evidence, ...], ...]:
    return (
        (
            Evidence(kind="content", bits=13.2, accounts=4812, rarity="4,812 of 61,240 accounts, 9 outside this group",
                     statement="4,812 accounts open with the same rare sentence about “grading the following "
                     "solution against the rubric”, in 38 % of their requests.",
                     innocent_explanation="A published recipe or a template that went viral would spread beyond the "
                     "group; only 9 accounts outside use it.",
                     event_ids=tuple(f"ev-{n:07d}" for n in range(60))),
            Evidence(kind="timing", bits=5.1, accounts=3504, rarity="fewer than 1 in 3,000 random sets",
                     statement="When one account meets its rate limit, another one of the group starts within "
                     "40 seconds, 11,208 times.",
                     innocent_explanation="A load balancer of one company hands over too; it would stand under one "
                     "verified organisation."),
            Evidence(kind="lifecycle", bits=3.4, accounts=2490, rarity="31 such successions elsewhere",
                     statement="After each of 212 suspensions a new account took up the same list of items within "
                     "two days.",
                     innocent_explanation="A customer wrongly suspended may sign up again, but starts its own work "
                     "anew."),
        ),
        (
            Evidence(kind="coverage", accounts=4900, rarity="top 0.2 % of groups of this size",
                     statement="The group asked 2.1 million different items and repeated 0.4 % of them.",
                     innocent_explanation="A licensed synthetic-data customer would do the same; no attestation "
                     "covers these accounts."),
            Evidence(kind="reasoning_elicitation", accounts=4630,
                     statement="62 % of requests ask for the full reasoning before the answer.",
                     innocent_explanation="Teachers and evaluators ask so as well."),
        ),
        (
            Evidence(kind="many_names", accounts=4986, rarity="median 1 for groups under one verified customer",
                     statement="One operator's work stands under 4,986 names that share no organisation.",
                     innocent_explanation="Privacy-minded people avoid giving an organisation."),
            Evidence(kind="under_limits", accounts=3900,
                     statement="3,900 accounts keep to 92–97 % of their rate limit for weeks.",
                     innocent_explanation="A well-built client paces itself."),
        ),
    )  # fmt: skip


@functools.cache
def big_campaign() -> Group:
    who = members(1, 5000, {"content": (0.97, 11), "timing": (0.7, 4.2), "infrastructure": (0.35, 6),
                            "identity": (0.12, 9), "lifecycle": (0.5, 3.4)}, "acct")  # fmt: skip
    return Group(
        campaign_id="c-8f21d0a94b7e63c1",
        verdict=Verdict.CAMPAIGN,
        failed_axis="",
        headline="5,000 accounts share one template, split 2.1 million items without repeats and take over from one "
        "another at rate limits",
        axes=axes((S, S, S), (
            "Three independent kinds agree: content, timing and lifecycle; 3,204 accounts carry at least two.",
            "Graded reasoning over items that sweep eleven subjects, with almost no repeats and no day or night.",
            "4,986 unrelated names, replacement after suspension, and pace kept just under limits.",
        ), big_evidence()),
        significance=Significance(method="Permutation of accounts within day and volume, 10,000 draws.",
                                  null="groups of the same size among accounts with the same volume and days.",
                                  p_value=1e-4, q_value=3e-4,
                                  statement="None of 10,000 random groups agreed so often."),
        members=who,
        alternatives=alternatives(),
        exposure=Exposure(exchanges=5_760_000, exchanges_share=0.118, input_tokens=1_900_000_000,
                          output_tokens=6_300_000_000, models=("m-large-2", "m-reason-1"),
                          capabilities=("step-by-step reasoning", "rubric grading", "code repair"),
                          first_seen=iso(50), last_seen=iso(1100)),
        archetype="E, low and slow: each account unremarkable, only the whole shows",
        techniques=(ACCOUNTS, PROXIES, EXTRACT),
        actions=ACTIONS,
        would_change_our_mind=(
            "A verified contract under which these accounts work for one customer.",
            "Proof that the shared sentence comes from a public tool that all of them use.",
            "End-user ids that show thousands of unrelated people behind the accounts.",
        ),
        predecessor_ids=("c-77aa10ce0031b2f4",),
        hourly=hours(1, 50, 1100, 5200, pivot=620),
    )  # fmt: skip


@functools.cache
def small_campaign() -> Group:
    return Group(
        campaign_id="c-1b7709c3d2e8aa50",
        verdict=Verdict.CAMPAIGN,
        failed_axis="",
        headline="48 accounts force long reasoning in the user's language from two payment cards",
        axes=axes((S, S, S), ("Content and identity agree.", "Reasoning is demanded in 91 % of requests.",
                              "48 names over two means of payment, all signed up within 36 hours."),
                  ((Evidence(kind="identity", bits=14.8, accounts=48, rarity="2 of 58,310 cards",
                             statement="All 48 accounts were paid from two cards.",
                             innocent_explanation="A family or a small firm shares a card, but not among 48 names."),),
                   (Evidence(kind="reasoning_elicitation", accounts=47,
                             statement="91 % of requests forbid a short answer."),),
                   (Evidence(kind="signup_burst", accounts=48, statement="48 sign-ups within 36 hours."),))),
        significance=Significance(method="No test", null="", p_value=None, q_value=None,
                                  statement="No valid test was made: the group was found by the same evidence that "
                                  "a test would count."),
        members=members(2, 48, {"content": (0.9, 9), "identity": (1.0, 14.8), "lifecycle": (0.8, 4)}, "u"),
        alternatives=alternatives(),
        exposure=Exposure(exchanges=131_000, exchanges_share=0.0027, input_tokens=None, output_tokens=None,
                          models=("m-reason-1",), capabilities=("multilingual reasoning",),
                          first_seen=iso(700), last_seen=iso(980)),
        archetype="F, reasoning-trace coercion",
        techniques=(EXTRACT,),
        actions=ACTIONS[:3],
        would_change_our_mind=("A purchase order that names the 48 accounts.",),
        hourly=hours(2, 700, 980, 470),
    )  # fmt: skip


@functools.cache
def relay_campaign() -> Group:
    return Group(
        campaign_id="c-42cc91f0be7735da",
        verdict=Verdict.CAMPAIGN,
        failed_axis="",
        headline="310 relay accounts carry one data set among unrelated traffic",
        axes=axes((S, S, S), ("Content and infrastructure agree.", "A data set of 90,000 items is dealt out.",
                              "Mixed with unrelated customers' traffic behind shared egress."),
                  ((Evidence(kind="infrastructure", bits=8.8, accounts=298, rarity="312 of 61,240 accounts",
                             statement="298 accounts leave through the same 14 hosting addresses.",
                             innocent_explanation="A public VPN looks alike; its users do not share work."),
                    Evidence(kind="content", bits=7.4, accounts=240, statement="Items of one data set, none twice.",
                             innocent_explanation="Two researchers may run the same public data set.")), (), ())),
        significance=Significance(method="Permutation of accounts within day and volume, 10,000 draws.",
                                  null="groups of the same size.", p_value=0.0021, q_value=0.0063,
                                  statement="21 of 10,000 random groups agreed as often."),
        members=members(3, 310, {"content": (0.75, 7.4), "timing": (0.4, 3), "infrastructure": (0.95, 8.8)}, "r"),
        alternatives=alternatives("A reseller"),
        exposure=Exposure(exchanges=402_000, exchanges_share=0.0082, input_tokens=88_000_000,
                          output_tokens=310_000_000, models=("m-large-2", "m-small-1", "m-code-3"),
                          capabilities=("agentic coding",), first_seen=iso(24), last_seen=iso(1120)),
        archetype="D, hydra reseller",
        techniques=(PROXIES, EXTRACT),
        actions=ACTIONS[:4],
        would_change_our_mind=("End-user ids that show who is behind each exchange.",),
        hourly=hours(3, 24, 1120, 380),
    )  # fmt: skip


NOT_ACCUSED = (
    (Verdict.OPEN_COORDINATION, 940, (S, S, C), "940 keys of one verified company run one pipeline",
     "All accounts stand under one verified organisation.", "One company with many keys"),
    (Verdict.OPEN_COORDINATION, 410, (S, S, C), "An evaluation harness runs one benchmark over 410 keys",
     "Self-declared, with an approved research attestation.", "An evaluation harness"),
    (Verdict.OPEN_COORDINATION, 122, (S, C, C), "122 agents of one customer hand conversations over",
     "One verified fleet.", "One company with many keys"),
    (Verdict.COORDINATED_UNKNOWN, 260, (S, C, N), "A class of 260 does the same homework on one network",
     "Conversations, edits and repeats: people at work, not data collection.", "A shared network"),
    (Verdict.COORDINATED_UNKNOWN, 1830, (S, C, N), "1,830 users of one popular application share its prompt",
     "Requests follow the sun and vary; nothing sweeps.", "A popular application"),
    (Verdict.COORDINATED_UNKNOWN, 64, (S, C, S), "64 accounts behind one VPN ask about one news story",
     "Short conversations about one event.", ""),
    (Verdict.COORDINATED_UNKNOWN, 38, (S, N, C), "38 developers took one published recipe",
     "Output columns are missing.", ""),
    (Verdict.COORDINATED_UNKNOWN, 21, (S, C, C), "21 accounts share one card and one office", "Ordinary chat.", ""),
    (Verdict.COORDINATED_UNKNOWN, 17, (S, C, N), "17 accounts share a template gone viral", "Ordinary chat.", ""),
    (Verdict.INSUFFICIENT_DATA, 12, (S, N, N), "12 accounts start and stop together", "No prompts in the log.", ""),
    (Verdict.INSUFFICIENT_DATA, 9, (S, N, N), "9 accounts use one rare client", "No prompts in the log.", ""),
    (Verdict.INSUFFICIENT_DATA, 8, (S, N, N), "8 accounts follow one another", "No prompts in the log.", ""),
)  # fmt: skip


def not_accused() -> list[Group]:
    made = []
    for index, (verdict, size, statuses, headline, reason, fits) in enumerate(NOT_ACCUSED):
        names = ("coordination", "extraction", "concealment")
        failed = next(n for n, s in zip(reversed(names), reversed(statuses), strict=True) if s is not S)
        reasons = tuple(
            reason if n == failed else {S: "Shared rare wording and hours.", C: "Nothing of the kind was seen.",
                                        N: "The columns were missing."}[s]
            for n, s in zip(names, statuses, strict=True)
        )  # fmt: skip
        made.append(
            Group(
                campaign_id=f"g-{index:04d}a1b2c3d4e5f6",
                verdict=verdict,
                failed_axis=failed,
                headline=headline,
                axes=axes(statuses, reasons),
                significance=Significance(method="", null="", p_value=None, q_value=None, statement="No test made."),
                members=members(100 + index, size, {"content": (0.9, 8)}, f"n{index}"),
                alternatives=alternatives(fits) if fits else alternatives(),
                exposure=Exposure(exchanges=size * 310, exchanges_share=0.001, input_tokens=None, output_tokens=None,
                                  models=("m-small-1",), capabilities=(), first_seen=iso(3), last_seen=iso(1000)),
                archetype="",
                techniques=(),
                actions=("Raise it with the account manager.",) if verdict is Verdict.OPEN_COORDINATION else (),
                would_change_our_mind=(),
            )
        )  # fmt: skip
    return made


def example_run(**changes: Any) -> Run:
    columns = {
        "prompt": 1.0,
        "time": 1.0,
        "account_id": 1.0,
        "model": 1.0,
        "client_ip": 0.982,
        "status": 0.999,
        "user_agent": 0.731,
        "ja4": 0.41,
        "organization_id": 0.12,
        "output_tokens": 1.0,
        "input_tokens": 1.0,
        "temperature": 0.66,
        "max_tokens": 0.58,
        "country": 0.97,
        "conversation_id": 0.34,
        "stream": 1.0,
    }
    values: dict[str, Any] = {
        "schema": "run/1.0",
        "spiritsafe_version": "0.1.0",
        "inputs": tuple(
            InputFile(path=f"logs/requests-2026-0{m}.parquet", sha256=f"{m:064x}", size_bytes=3_871_220_144 + m)
            for m in (4, 5)
        ),
        "settings": {"minimum_group_size": 8, "phrase_share": 0.02, "links": {"minimum_bits": 6.0}},
        "seed": 7,
        "clock_first": iso(0),
        "clock_last": iso(DAYS * 24 - 0.001),
        "coverage": Coverage(rows_read=48_812_311, rows_kept=48_811_902, rows_quarantined=409,
                             quarantine_reasons={"events.time": 301, "events.text": 96, "events.duplicate": 12},
                             accounts=61_240, column_shares=columns),
        "missing": (
            MissingColumn(column="end_user_id", axis="identity",
                          cost="inside a reseller, innocent end users cannot be told from a distiller"),
            MissingColumn(column="payment_fingerprint", axis="identity",
                          cost="a shared means of payment cannot be seen"),
            MissingColumn(column="logprobs", axis="extraction", cost="log-probability harvesting cannot be seen"),
        ),
        "engine": "duckdb 1.4",
        "pseudonymised": True,
        "key_id": "sketch-2026-04",
        "pseudonym_key_id": "pseudonym-2026-04",
        "warnings": (),
        "detection_limit": "In this traffic a campaign of 40 accounts at stealth 1 is found in 9 of 10 plantings, at "
        "one false group in 100 scans.",
        "versions": {"python": "3.11.2", "ibis": "12.0.0", "re2": "1.1"},
    }  # fmt: skip
    return Run(**(values | changes))


def example_groups() -> list[Group]:
    return [small_campaign(), *not_accused(), big_campaign(), relay_campaign()]


def all_ties(links: Sequence[Link]) -> Ties:
    """Ties of a group of which every linked pair is given, counted one by one."""
    real = {(min(a, b), max(a, b), kind) for a, b, kind, bits in links if a != b and 0 < bits < math.inf}
    pairs = {(a, b) for a, b, _ in real}
    partners = Counter(account for pair in pairs for account in pair)
    return Ties(len(partners), links, partners, len(pairs), Counter(kind for *_, kind in real))


def example_ties(groups: list[Group]) -> dict[str, Ties]:
    return {campaign_id: all_ties(links) for campaign_id, links in example_links(groups).items()}


def example_links(groups: list[Group]) -> dict[str, list[Link]]:
    """Links among the members of the two smaller campaigns and a sample of the large one."""
    rng = random.Random(9)
    links: dict[str, list[Link]] = {}
    for group in groups:
        if group.verdict is not Verdict.CAMPAIGN:
            continue
        pool = [m for m in group.members if m.role != "uncertain"][:400]
        made = links.setdefault(group.campaign_id, [])
        for kind in KINDS:
            holders = [m.account_id for m in pool if getattr(m, f"bits_{kind}") > 0]
            for index, one in enumerate(holders):
                for other in holders[index + 1 : index + 6]:
                    if rng.random() < 0.5:
                        made.append((one, other, kind, rng.uniform(3, 14)))
    return links
