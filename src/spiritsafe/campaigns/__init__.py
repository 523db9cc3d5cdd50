"""campaigns: which groups, how significant, on which axes, explained how?

In come account signals and weighed holdings from `links`; out go groups, each with a verdict on three axes,
whether accused or not, and the tables and pages that show them. Read `model` for the nouns, `search`
for how groups are found, tested, grown and pruned, `axes` and `verdicts` for how they are judged; then `pipeline`,
which calls all of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spiritsafe.campaigns.model import Group, Member, Run, Verdict
    from spiritsafe.campaigns.ocsf import findings
    from spiritsafe.campaigns.report import render_report
    from spiritsafe.campaigns.verdicts import judge

_HOMES = {
    "Group": "model",
    "Member": "model",
    "Run": "model",
    "Verdict": "model",
    "findings": "ocsf",
    "judge": "verdicts",
    "render_report": "report",
}
__all__ = ["Group", "Member", "Run", "Verdict", "findings", "judge", "render_report"]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
