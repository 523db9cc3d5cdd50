"""Three questions about a group, kept apart: coordination, extraction, concealment.

Each is supported, contradicted or not observable. Missing columns never count as support. What members say
about their country or language is not read here, nor anywhere in this room. Comes from `campaigns.facts`;
goes on to `campaigns.verdicts`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from spiritsafe.campaigns.conduct_text import conduct_evidence, replaced_statement
from spiritsafe.campaigns.model import Axis, AxisStatus, Evidence, EvidenceKind
from spiritsafe.campaigns.shown import LEVEL
from spiritsafe.signals.tactics import installed_tactics

if TYPE_CHECKING:
    from spiritsafe.campaigns.facts import Activity, GroupFacts, Log, Names, SharedValue
    from spiritsafe.links.dealing import Dealing

KIND_SHARE: Final = 0.5
"""A kind of evidence supports coordination when at least half of the members have it."""

REPLACED_P: Final = 0.001
"""Who gives one name that nobody verified hides if bans are followed by new accounts: asked of every company and every
reseller's clients of a log, so that one in a hundred by chance is too often."""

TACTIC_SHARE: Final = 0.2
TACTIC_LIFT: Final = 2.0
"""A tactic supports extraction from 20 % of a group's exchanges on, at twice the rest of the log's share."""

SWEEP_EXCHANGES: Final = 100
SWEEP_DISTINCT_SHARE: Final = 0.9
"""A sweep: the group together asks hundreds of things and hardly anything twice."""

_KIND_COLUMNS: Final = {
    EvidenceKind.CONTENT: ("prompt",),
    EvidenceKind.WORK: ("conversation_id", "prompt"),
    EvidenceKind.TIMING: ("time",),
    EvidenceKind.INFRASTRUCTURE: ("client_ip", "ja4", "http2_fingerprint", "user_agent"),
    EvidenceKind.IDENTITY: ("payment_fingerprint", "email_pattern", "organization_id"),
    EvidenceKind.LIFECYCLE: ("created_at",),
}
_NAMES: Final = ("organization_verified", "organization_id")
_TYING: Final = (EvidenceKind.CONTENT, EvidenceKind.WORK, EvidenceKind.INFRASTRUCTURE, EvidenceKind.IDENTITY)
_THING_WORDS: Final = {
    "phrase": "use the same habitual phrase",
    "client_ip": "called from the same address",
    "ja4": "use the same TLS client build",
    "http2_fingerprint": "use the same HTTP/2 client build",
    "user_agent": "send the same user agent",
    "system_prompt_hash": "send the same system prompt",
    "tool_schema_hash": "offer the model the same tools",
    "assistant_prefill_hash": "begin the answer with the same words",
    "prefix_block": "begin their input with the same text",
    "conversation_id": "carry on the same conversation",
    "payment_fingerprint": "pay with the same means of payment",
    "email_pattern": "have sign-up addresses of one pattern",
    "organization_id": "name the same organisation",
}
_INNOCENT: Final = {
    "phrase": "a template that was published, or one company's own",
    "client_ip": "a shared network: an office, a campus, carrier-grade NAT, a VPN",
    "ja4": "one SDK or one application used by many",
    "http2_fingerprint": "one SDK or one application used by many",
    "user_agent": "one SDK or one application used by many",
    "system_prompt_hash": "one application used by many, or a prompt that was published",
    "tool_schema_hash": "one agent or SDK used by many",
    "assistant_prefill_hash": "one library used by many, or a prompt that was published",
    "prefix_block": "one application used by many, or a prompt that was published",
    "conversation_id": "one company's agents that pass a task on; an id that two customers chose alike",
    "payment_fingerprint": "one company that pays for its people",
    "email_pattern": "one organisation's naming of its addresses",
    "organization_id": "one organisation's accounts",
}
_SHOWN: Final = 8


def coordination(facts: GroupFacts, log: Log) -> tuple[Axis, tuple[str, ...]]:
    """Do these accounts act as one? Returns the axis and the kinds of evidence that support it."""
    wanted = dict.fromkeys(column for columns in _KIND_COLUMNS.values() for column in columns)
    missing = tuple(column for column in wanted if column not in log.observable)
    kinds = () if facts.scattered else tuple(kind for kind in facts.bits if share_with(facts, kind) >= KIND_SHARE)
    evidence = tuple(_statement(one, alike, facts) for one, alike in _telling(facts)) + conduct_evidence(facts)
    if kinds:
        reason = f"{' and '.join(kinds)} evidence each hold for at least half of the {len(facts.accounts)} accounts"
        if len(kinds) == 1:
            reason = f"{kinds[0]} evidence holds for at least half of the {len(facts.accounts)} accounts"
        return Axis(
            name="coordination",
            status=AxisStatus.SUPPORTED,
            reason=reason,
            evidence=evidence,
            missing_columns=missing,
        ), kinds
    if not any(column in log.observable for kind in _TYING for column in _KIND_COLUMNS[kind]):
        reason = "no column that could show it is in this log"
        return Axis(name="coordination", status=AxisStatus.NOT_OBSERVABLE, reason=reason, missing_columns=missing), ()
    reason = "the accounts are tied through one another only: no kind of evidence holds for half of them"
    if facts.scattered:
        reason = "too few of the accounts show more than strangers do: of a crowd some show everything by chance"
    return Axis(
        name="coordination",
        status=AxisStatus.CONTRADICTED,
        reason=reason,
        evidence=evidence,
        missing_columns=missing,
    ), ()


def share_with(facts: GroupFacts, kind: str) -> float:
    """Share of the members for which a kind of evidence holds.

    Of rhythm it is estimated over all members: most accounts send too little to show it one by one.
    """
    shown = float(np.mean(facts.bits[kind] > 0))
    met = None if facts.conduct is None else facts.conduct.meetings
    if kind == EvidenceKind.TIMING and met is not None and met.no_deadline_p_value <= LEVEL:
        return max(shown, met.acting_share)
    return shown


def told(facts: GroupFacts) -> tuple[SharedValue, ...]:
    """The values that the statements on coordination tell, in their order."""
    return tuple(one for one, _ in _telling(facts))


def _telling(facts: GroupFacts) -> list[tuple[SharedValue, int]]:
    """What ties most, of every thing at least one: a value, and how many values say the same.

    The phrases of one template have the same holders; they are told once, with their number. Of a kind that as many
    strangers would share nothing is told.
    """
    shared = [one for one in facts.shared if facts.bits[one.kind].any()]
    alike: dict[tuple[str, bytes], list[SharedValue]] = {}
    for one in shared:
        alike.setdefault((one.thing, one.members.tobytes()), []).append(one)
    told = [(max(values, key=lambda one: one.bits), len(values)) for values in alike.values()]
    first_of_thing: dict[str, tuple[SharedValue, int]] = {}
    for entry in told:
        first_of_thing.setdefault(entry[0].thing, entry)
    rest = [entry for entry in told if first_of_thing[entry[0].thing] is not entry]
    return [*first_of_thing.values(), *rest][:_SHOWN]


def _statement(one: SharedValue, alike: int, facts: GroupFacts) -> Evidence:
    what = f"use the same {alike} habitual phrases" if one.thing == "phrase" and alike > 1 else _THING_WORDS[one.thing]
    return Evidence(
        kind=one.kind,
        statement=f"{len(one.members)} of {len(facts.accounts)} accounts {what}",
        bits=round(one.bits, 1),
        accounts=len(one.members),
        rarity=f"{one.holders:,} of {one.observed:,} accounts" + (" that talk alike" if one.thing == "phrase" else ""),
        innocent_explanation=_INNOCENT[one.thing],
    )


def extraction(facts: GroupFacts, log: Log, activity: Activity) -> Axis:
    """Is what they take training data?"""
    if "prompt" not in log.observable or not activity.prompts:
        return Axis(
            name="extraction",
            status=AxisStatus.NOT_OBSERVABLE,
            reason="without prompts nobody can say what was asked for",
            missing_columns=("prompt",),
        )
    exchanges = int(facts.of(log, "exchanges").sum())
    others = max(log.exchanges - exchanges, 1)
    evidence = [
        found
        for tactic in installed_tactics()
        if (found := _tactic_evidence(tactic.text.name, tactic.takes, tactic.innocent, facts, log, others))
    ]
    dealt = None if facts.conduct is None else facts.conduct.dealing
    if dealt is not None and dealt.same_list and not facts.takes_turns:
        return _same_list(dealt)
    if dealt is not None and dealt.repeats:
        evidence.append(_samples(dealt, facts))
    prompts, distinct = activity.prompts, activity.distinct_prompts
    if prompts >= SWEEP_EXCHANGES and distinct >= SWEEP_DISTINCT_SHARE * prompts:
        evidence.append(
            Evidence(
                kind="sweep",
                statement=f"{distinct:,} of their {prompts:,} prompts differ from one another",
                accounts=len(facts.accounts),
                innocent_explanation="any program that works through a list of its own",
            )
        )
    if evidence:
        reason = f"{evidence[0].statement}"
        return Axis(name="extraction", status=AxisStatus.SUPPORTED, reason=reason, evidence=tuple(evidence))
    reason = (
        f"no tactic stands out against the rest of the log, and {distinct:,} different prompts in {prompts:,} are no "
        f"sweep (from {SWEEP_EXCHANGES} on, {SWEEP_DISTINCT_SHARE:.0%} different)"
    )
    return Axis(name="extraction", status=AxisStatus.CONTRADICTED, reason=reason)


def _samples(dealt: Dealing, facts: GroupFacts) -> Evidence:
    """One queue in which everything stands several times, however slowly it is worked off."""
    how, who = "within the hour", int(dealt.resampled.sum())
    if dealt.same_list:
        how, who = "one after the other, in turns", len(facts.accounts)
    return Evidence(
        kind="resampling",
        statement=(
            f"{dealt.repeated:,} of {dealt.items:,} prompts were asked by {dealt.askers:.1f} accounts each, {how}"
        ),
        accounts=who,
        innocent_explanation="an evaluation that asks everything several times",
    )


def _same_list(dealt: Dealing) -> Axis:
    """Who takes answers has each thing asked once, or k times at once; who is measured asks what others are asked."""
    return Axis(
        name="extraction",
        status=AxisStatus.CONTRADICTED,
        reason=(
            f"{dealt.common:,} of {dealt.exchanges:,} exchanges ask one of {dealt.repeated:,} prompts that "
            f"{dealt.askers:.1f} accounts ask each, at times of their own: a benchmark, a recipe or homework"
        ),
    )


def _tactic_evidence(name: str, takes: str, innocent: str, facts: GroupFacts, log: Log, others: int) -> Evidence | None:
    column = f"{name}_exchanges"
    exchanges = int(facts.of(log, "exchanges").sum())
    inside = int(facts.of(log, column).sum())
    outside = int(log.signals[column].sum()) - inside
    share, base = inside / max(exchanges, 1), outside / others
    if share < TACTIC_SHARE or share < TACTIC_LIFT * base:
        return None
    return Evidence(
        kind=name,
        statement=f"{share:.0%} of their exchanges ask for {takes}; {base:.0%} of all others do",
        accounts=int((facts.of(log, column) > 0).sum()),
        rarity=f"{base:.1%} of other exchanges",
        innocent_explanation=innocent,
    )


def concealment(facts: GroupFacts, log: Log) -> Axis:
    """Do they hide that they are one? A verified organisation or an attestation is openness; a made-up
    organisation is not."""
    attested = [one for one in facts.attested(log) if one.most]
    if len(attested) * 2 >= len(facts.accounts):
        first = attested[0]
        covered, exchanges = sum(one.covered for one in attested), sum(one.exchanges for one in attested)
        return Axis(
            name="concealment",
            status=AxisStatus.CONTRADICTED,
            reason=(
                f"{len(attested)} of {len(facts.accounts)} accounts are attested ({first.kind}, by {first.owner}: "
                f"{first.reason}), in force for {covered:,} of their {exchanges:,} exchanges"
            ),
        )
    names = facts.names(log)
    if not names.enough:
        return Axis(
            name="concealment",
            status=AxisStatus.NOT_OBSERVABLE,
            reason=f"whether their organisation is verified is known of {names.known} of {names.accounts} accounts",
            missing_columns=tuple(name for name in _NAMES if name not in log.observable) or _NAMES[:1],
        )
    if names.one_organisation:
        return Axis(
            name="concealment",
            status=AxisStatus.CONTRADICTED,
            reason=f"{names.largest} of {names.counted} belong to one verified organisation",
        )
    if names.verified_organisations:
        return Axis(
            name="concealment",
            status=AxisStatus.CONTRADICTED,
            reason=f"{names.settled} of {names.counted} belong to verified organisations with several accounts each",
        )
    if names.one_stated_name:
        return _one_unverified_name(facts, names)
    statement = _in_no_one_organisation(names)
    return Axis(
        name="concealment",
        status=AxisStatus.SUPPORTED,
        reason=statement,
        evidence=(
            Evidence(
                kind="no_common_contract",
                statement=statement,
                accounts=names.known,
                innocent_explanation="strangers who only look like one; a company that never had itself verified",
            ),
        ),
    )


def _one_unverified_name(facts: GroupFacts, names: Names) -> Axis:
    """All under one name that nobody verified: no openness, and by itself no hiding either."""
    stated = f"{names.stated} of {names.counted} give one name, which nobody verified"
    follows = None if facts.conduct is None else facts.conduct.succession
    if follows is None or follows.p_value > REPLACED_P:
        return Axis(
            name="concealment",
            status=AxisStatus.NOT_OBSERVABLE,
            reason=f"{stated}: whether it is theirs is not known, and they hide nothing else",
        )
    statement = replaced_statement(follows)
    return Axis(
        name="concealment",
        status=AxisStatus.SUPPORTED,
        reason=f"{stated}, and {statement}",
        evidence=(
            Evidence(
                kind="replacement",
                statement=statement,
                accounts=int(follows.members.sum()),
                innocent_explanation="a customer that was suspended by mistake and signed up again",
            ),
        ),
    )


def _in_no_one_organisation(names: Names) -> str:
    accounts = f"the {names.counted.removeprefix('the ')}"
    if not names.verified:
        return f"none of {accounts} belongs to a verified organisation"
    some = "one verified organisation" if names.organisations == 1 else f"{names.organisations} verified organisations"
    return (
        f"of {accounts} {names.verified} belong to {some} (at most {names.largest} to one), "
        f"{names.known - names.verified} to none"
    )
