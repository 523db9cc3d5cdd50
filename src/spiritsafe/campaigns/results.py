"""A scan's result folder: every file of the contract, from judged groups.

`write_results` writes into a folder that the caller swaps in whole. Comes from `pipeline`; read by people,
by `proving.score`, and by whatever takes OCSF.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import pyarrow as pa

from spiritsafe.campaigns.model import Verdict
from spiritsafe.campaigns.ocsf import findings, to_jsonl
from spiritsafe.campaigns.partners import ties_of
from spiritsafe.campaigns.report import render_report
from spiritsafe.campaigns.tables import (
    accounts_table,
    fingerprints_table,
    groups_table,
    links_table,
    members_table,
)
from spiritsafe.files import write_parquet

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from spiritsafe.campaigns.facts import GroupFacts, Log
    from spiritsafe.campaigns.known import Known
    from spiritsafe.campaigns.model import Group, Run
    from spiritsafe.campaigns.partners import Ties


@dataclass(frozen=True, slots=True)
class Findings:
    """All that a scan found, ready to be written. `least`: the phrases that make an instance of a group's template."""

    run: Run
    groups: Sequence[Group]
    facts: Sequence[GroupFacts]
    log: Log
    signals: pa.Table
    least: NDArray[np.int64]
    known: dict[str, str]
    against: Known | None = None
    appeal_to: str = ""

    @property
    def campaigns(self) -> list[Group]:
        """The accused groups."""
        return [group for group in self.groups if group.verdict is Verdict.CAMPAIGN]


def write_results(found: Findings, folder: Path) -> None:
    """Write every file but those that are as long as the log (`exchanges`, `evidence`, `quarantine`)."""
    encoder = msgspec.json.Encoder(order="deterministic")
    pretty = msgspec.json.format
    (folder / "run.json").write_bytes(pretty(encoder.encode(found.run), indent=2))
    campaigns = {"schema": "campaigns/1.2", "campaigns": found.campaigns}
    (folder / "campaigns.json").write_bytes(pretty(encoder.encode(campaigns), indent=2))
    write_parquet(members_table(found.groups, found.facts, found.log), folder / "members.parquet", "members/1.1")
    write_parquet(links_table(found.groups, found.facts, found.log), folder / "links.parquet", "links/1.0")
    known_by = fingerprints_table(found.groups, found.facts, found.least)
    write_parquet(known_by, folder / "fingerprints.parquet", "fingerprints/1.0")
    write_parquet(groups_table(found.groups), folder / "groups.parquet", "groups/1.0")
    write_parquet(
        accounts_table(found.signals, found.groups, found.known),
        folder / "accounts.parquet",
        "account_signals/1.0",
    )
    with (folder / "findings.ocsf.jsonl").open("wb") as file:
        file.writelines(to_jsonl(findings(found.run, found.groups)))
    if found.against is not None:
        (folder / "known.json").write_bytes(pretty(encoder.encode(found.against), indent=2))
    page = render_report(found.run, found.groups, ties=_ties(found), known=found.against, appeal_to=found.appeal_to)
    (folder / "report.html").write_text(page, encoding="utf-8")


def _ties(found: Findings) -> dict[str, Ties]:
    """Of the accused groups: only they are drawn."""
    return {
        group.campaign_id: ties_of(facts, [member.account_id for member in group.members])
        for group, facts in zip(found.groups, found.facts, strict=True)
        if group.verdict is Verdict.CAMPAIGN
    }
