"""The findings in the words that security tools already read: OCSF 1.8.0, one JSON object a line.

A campaign is an Incident Finding (class 2005), new and suspicious, never a "true positive": a person says that.
An accused account is a Detection Finding (class 2004) tied to it by `metadata.correlation_uid`. Groups that are
not accused yield nothing. All times come from the events and the run, never from the clock, and all ids from
the content, so the same scan writes the same bytes. Severity follows from verdict and role only.
Comes from `model`; `findings.ocsf.jsonl` is written from it.

Source: https://schema.ocsf.io/1.8.0 (classes incident_finding, detection_finding).
"""

from __future__ import annotations

import math
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

import msgspec

from spiritsafe.campaigns import report_text as text
from spiritsafe.campaigns.charts import KINDS, bits_by_kind
from spiritsafe.campaigns.model import Verdict
from spiritsafe.campaigns.ocsf_atlas import attack
from spiritsafe.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from spiritsafe.campaigns.model import Axis, Evidence, Group, Member, Run

OCSF_VERSION: Final = "1.8.0"
INCIDENT_CLASS: Final = 2005
DETECTION_CLASS: Final = 2004
# Our own name space for name-based ids; drawn once, never to change.
NAMESPACE: Final = uuid.UUID("6f3c9a52-8d0e-5b7f-9a41-27c6d1e84b90")
# A line must stay readable for tools that cut at 256 KiB; what is left out is in `campaigns.json`.
_MOST_RELATED: Final = 100
_MOST_EVENT_IDS: Final = 50
_NAMES: Final = {INCIDENT_CLASS: "Incident Finding", DETECTION_CLASS: "Detection Finding"}
_SEVERITY: Final = {"core": (3, "Medium"), "relay": (2, "Low")}
_UNCERTAIN: Final = (1, "Informational")
_TITLES: Final = {
    "core": "Account {name} is one of {size:,} accounts that act as one",
    "relay": "Account {name} carries part of a campaign of {size:,} accounts, among other work",
}
_DOUBTFUL: Final = "Account {name} may belong to a campaign of {size:,} accounts"
_NOT_CALIBRATED: Final = (
    "Confidence is unknown: the probability that this version gives is not calibrated on this traffic."
)


class ClockError(InputError):
    """Neither the group nor the run says when anything happened."""

    code: ClassVar[str] = "campaigns.clock"


def findings(run: Run, groups: Sequence[Group], *, assignee_group: str = "abuse review") -> Iterator[dict[str, object]]:
    """Each campaign as an Incident Finding, followed by its accounts as Detection Findings.

    Parameters
    ----------
    run
        What was read; its window dates the findings and its inputs give the event ids.
    groups
        Every group looked at. Only those with verdict `campaign` yield anything.
    assignee_group
        The people who shall judge it. OCSF wants somebody named; we name a group, not a person.

    Yields
    ------
    JSON objects that validate against the 1.8.0 schemas: the incident with profile `incident`, the detections
    with no profile. Accounts by falling probability.

    Raises
    ------
    ClockError
        No time of a campaign or of the run is an ISO 8601 instant.
    """
    for group in groups:
        if group.verdict is Verdict.CAMPAIGN:
            context = _Context.read(run, group, assignee_group)
            yield _incident(context)
            for member in context.members:
                yield _detection(context, member)


def to_jsonl(objects: Iterable[dict[str, object]]) -> Iterator[bytes]:
    """Each object as one line of JSON, keys in order, ended by a newline."""
    encoder = msgspec.json.Encoder(order="deterministic")
    for item in objects:
        yield encoder.encode(item) + b"\n"


def account_finding_uid(campaign_id: str, account_id: str) -> str:
    """The id of one account's finding: the same for the same campaign and account, on any machine."""
    return str(uuid.uuid5(NAMESPACE, f"account {len(campaign_id)} {campaign_id} {account_id}"))


@dataclass(frozen=True, slots=True)
class _Context:
    """What the findings of one campaign have in common."""

    run: Run
    group: Group
    assignee_group: str
    members: tuple[Member, ...]
    first_ms: int
    last_ms: int
    made_ms: int
    scan_uid: str

    @classmethod
    def read(cls, run: Run, group: Group, assignee_group: str) -> _Context:
        made = _made_ms(run.clock_last, group.exposure.last_seen, run.clock_first, group.exposure.first_seen)
        inputs = " ".join(sorted(item.sha256 for item in run.inputs))
        window = f"{run.clock_first} {run.clock_last} {run.seed} {run.spiritsafe_version}"
        return cls(
            run=run,
            group=group,
            assignee_group=assignee_group,
            members=tuple(sorted(group.members, key=lambda m: (-_finite(m.probability), m.account_id))),
            first_ms=_ms(group.exposure.first_seen, otherwise=made),
            last_ms=_ms(group.exposure.last_seen, otherwise=made),
            made_ms=made,
            scan_uid=str(uuid.uuid5(NAMESPACE, f"scan {inputs} {window} {_settings(run)}")),
        )


def _settings(run: Run) -> str:
    return msgspec.json.encode(run.settings, order="deterministic", enc_hook=repr).decode()


def _ms(instant: str, *, otherwise: int) -> int:
    moment = text.instant(instant)
    return otherwise if moment is None else round(moment.timestamp() * 1000)


def _made_ms(*instants: str) -> int:
    """When the finding could first be made: the end of the window, or the next best instant."""
    for instant in instants:
        if text.instant(instant) is not None:
            return _ms(instant, otherwise=0)
    raise ClockError(
        "neither the campaign nor the run holds an ISO 8601 instant",
        hint="set clock_first and clock_last of the run from the events that were read",
    )


def _finite(value: float) -> float:
    return value if math.isfinite(value) else 0.0


def _incident(context: _Context) -> dict[str, object]:
    """One campaign as an Incident Finding."""
    group = context.group
    related = context.members[:_MOST_RELATED]
    truncated = len(related) < len(context.members) or any(
        len(item.event_ids) > _MOST_EVENT_IDS for axis in group.axes for item in axis.evidence
    )
    return {
        **_header(context, INCIDENT_CLASS, group.campaign_id, truncated=truncated, profiles=["incident"]),
        **_status(4, "High"),
        "desc": text.visible(_description(group)),
        "message": f"{text.visible(text.sentence(group.headline))} {_NOT_CALIBRATED}".strip(),
        "assignee_group": {"name": text.visible(context.assignee_group)},
        "attacks": [attack(technique) for technique in group.techniques],
        # How much harm a copy does cannot be read from a log: unknown, with the exposure beside it.
        "impact": "Unknown",
        "impact_id": 0,
        # A machine may suspect. "True positive" is for the person who reviews.
        "verdict": "Suspicious",
        "verdict_id": 4,
        "status_detail": "opened by a scan; awaits review by a person",
        "finding_info_list": [
            {
                **_finding_info(
                    context, group.campaign_id, text.visible(group.headline), related_count=len(context.members)
                ),
                "related_events": [
                    *(_related(context, member) for member in related),
                    *(
                        {"uid": uid, "type_uid": INCIDENT_CLASS * 100 + 1, "title": "Predecessor of this campaign"}
                        for uid in group.predecessor_ids
                    ),
                ],
                "traits": [_trait(axis) for axis in group.axes],
            }
        ],
        "unmapped": {
            "ai_model": [{"name": model} for model in group.exposure.models],
            "verdict": group.verdict.value,
            "axes": [_axis(axis) for axis in group.axes],
            "significance": msgspec.to_builtins(group.significance),
            "exposure": msgspec.to_builtins(group.exposure),
            "archetype": group.archetype,
            "alternatives": msgspec.to_builtins(group.alternatives),
            "actions": list(group.actions),
            "would_change_our_mind": list(group.would_change_our_mind),
            "missing_columns": [item.column for item in context.run.missing],
            "accounts": len(group.members),
        },
    }


def _detection(context: _Context, member: Member) -> dict[str, object]:
    """One account of a campaign as a Detection Finding."""
    group = context.group
    uid = account_finding_uid(group.campaign_id, member.account_id)
    severity = _SEVERITY.get(member.role, _UNCERTAIN)
    title = _TITLES.get(member.role, _DOUBTFUL).format(name=text.name(member.account_id), size=len(group.members))
    finding: dict[str, object] = {
        **_header(context, DETECTION_CLASS, uid, truncated=False, profiles=[]),
        **_status(*severity),
        "message": f"{title}. {_NOT_CALIBRATED}",
        # An account that may not belong is told, but calls nobody.
        "is_alert": member.role in _SEVERITY,
        "finding_info": {
            **_finding_info(context, uid, title, related_count=None),
            "first_seen_time": _ms(member.first_seen, otherwise=context.first_ms),
            "attacks": [attack(technique) for technique in group.techniques],
            "related_events": [
                {"uid": group.campaign_id, "type_uid": INCIDENT_CLASS * 100 + 1, "title": text.visible(group.headline)}
            ],
        },
        "resources": [
            {"uid": member.account_id, "name": text.name(member.account_id), "type": "AI service account",
             "role": "Actor", "role_id": 2},
            *({"uid": model, "name": text.name(model), "type": "AI model", "role": "Target", "role_id": 1}
              for model in group.exposure.models),
        ],
        "observables": [
            {"name": "resources[0].uid", "type": "Resource UID", "type_id": 10, "value": member.account_id}
        ],
        "evidences": [_account_evidence(member)],
        "unmapped": {
            "role": member.role,
            "probability": _finite(member.probability),
            "probability_calibrated": False,
            "exchanges": member.exchanges,
        },
    }  # fmt: skip
    anomalies = _anomalies(member)
    if anomalies:
        finding["anomaly_analyses"] = [
            {"analysis_targets": [{"name": text.name(member.account_id), "type": "AI service account"}],
             "anomalies": anomalies}
        ]  # fmt: skip
    if group.actions:
        finding["remediation"] = {"desc": text.visible(" ".join(_numbered(group.actions)))}
    return finding


def _version(context: _Context) -> str:
    return text.name(context.run.spiritsafe_version)


def _numbered(actions: Sequence[str]) -> list[str]:
    return [f"({number}) {action}" for number, action in enumerate(actions, start=1)]


def _header(context: _Context, class_uid: int, uid: str, *, truncated: bool, profiles: list[str]) -> dict[str, object]:
    metadata: dict[str, object] = {
        "version": OCSF_VERSION,
        "product": {"name": "spiritsafe", "vendor_name": "spiritsafe", "version": _version(context)},
        "uid": str(uuid.uuid5(NAMESPACE, f"event {context.scan_uid} {class_uid} {uid}")),
        "correlation_uid": context.group.campaign_id,
        "log_name": "findings.ocsf.jsonl",
    }
    if profiles:
        metadata["profiles"] = profiles
    if truncated:
        metadata["is_truncated"] = True
    return {
        "category_uid": 2,
        "category_name": "Findings",
        "class_uid": class_uid,
        "class_name": _NAMES[class_uid],
        "activity_id": 1,
        "activity_name": "Create",
        "type_uid": class_uid * 100 + 1,
        "type_name": f"{_NAMES[class_uid]}: Create",
        "time": context.made_ms,
        "start_time": context.first_ms,
        "end_time": context.last_ms,
        "timezone_offset": 0,
        "metadata": metadata,
    }


def _status(severity_id: int, severity: str) -> dict[str, object]:
    return {
        "severity_id": severity_id,
        "severity": severity,
        "status_id": 1,
        "status": "New",
        # A SIEM sorts and closes by this number. An uncalibrated one would be believed, so none is given.
        "confidence_id": 0,
        "confidence": "Unknown",
    }


def _description(group: Group) -> str:
    axes = " ".join(
        text.sentence(f"{axis.name} {axis.status.value.replace('_', ' ')}: {axis.reason}") for axis in group.axes
    )
    return f"{text.sentence(group.headline)} {axes} {text.sentence(group.significance.statement)}"


def _finding_info(context: _Context, uid: str, title: str, *, related_count: int | None) -> dict[str, object]:
    info: dict[str, object] = {
        "uid": uid,
        "title": title,
        "created_time": context.made_ms,
        "first_seen_time": context.first_ms,
        "last_seen_time": context.last_ms,
        "types": ["coordinated model extraction"],
        "data_sources": ["requests"],
        "analytic": {
            "name": "spiritsafe coordination, extraction and concealment",
            "uid": "spiritsafe.campaigns",
            "type_id": 3,
            "type": "Statistical",
            "version": _version(context),
        },
    }
    if related_count is not None:
        info["related_events_count"] = related_count
    return info


def _related(context: _Context, member: Member) -> dict[str, object]:
    return {
        "uid": account_finding_uid(context.group.campaign_id, member.account_id),
        "type_uid": DETECTION_CLASS * 100 + 1,
        "title": f"Account {text.name(member.account_id)}",
    }


def _trait(axis: Axis) -> dict[str, object]:
    return {
        "name": axis.name,
        "category": "axis",
        "type": axis.status.value,
        "values": [text.visible(item.statement) for item in axis.evidence] or [text.visible(axis.reason)],
    }


def _axis(axis: Axis) -> dict[str, object]:
    told: dict[str, object] = msgspec.to_builtins(axis)
    return told | {"evidence": [_evidence(item) for item in axis.evidence]}


def _evidence(item: Evidence) -> dict[str, object]:
    found: dict[str, object] = msgspec.to_builtins(item)
    return found | {
        "bits": None if item.bits is None else _finite(item.bits),
        "event_ids": list(item.event_ids[:_MOST_EVENT_IDS]),
        "event_ids_count": len(item.event_ids),
    }


def _account_evidence(member: Member) -> dict[str, object]:
    return {
        "name": "why this account",
        "user": {"uid": member.account_id, "type_id": 1, "type": "User"},
        "data": {
            "why": [text.visible(reason) for reason in member.why],
            "bits": dict(zip((kind.value for kind in KINDS), bits_by_kind(member), strict=True)),
        },
    }


def _anomalies(member: Member) -> list[dict[str, object]]:
    return [
        {
            "observation_parameter": f"{kind.value} evidence for one operator",
            "observation_type": "bits",
            "observations": [{"value": f"{bits:.2f}"}],
        }
        for kind, bits in zip(KINDS, bits_by_kind(member), strict=True)
        if bits > 0
    ]
