"""The words in which evidence is graded, and the names by which papers call a finding's evidence.

Comes from nothing; goes on to `cases.assessments`, which files grades, and to `dossier`, which shows them.
Source: NATO AJP-2.1, Admiralty grades: the source's reliability A to F, the information's credibility 1 to 6, each
judged for itself; STIX 2.1, appendix A, "Admiralty Credibility"; ICD 203 (2015), table of expressions of likelihood.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

RELIABILITY: Final = {
    "A": "completely reliable", "B": "usually reliable", "C": "fairly reliable", "D": "not usually reliable",
    "E": "unreliable", "F": "reliability cannot be judged",
}  # fmt: skip
CREDIBILITY: Final = {
    "1": "confirmed by other sources", "2": "probably true", "3": "possibly true", "4": "doubtful", "5": "improbable",
    "6": "truth cannot be judged",
}  # fmt: skip
STIX_CONFIDENCE: Final = {"1": "90", "2": "70", "3": "50", "4": "30", "5": "10", "6": "not specified"}
LIKELIHOOD_SHARES: Final = {
    "almost no chance": "1 to 5 %", "very unlikely": "5 to 20 %", "unlikely": "20 to 45 %",
    "roughly even chance": "45 to 55 %", "likely": "55 to 80 %", "very likely": "80 to 95 %",
    "almost certain": "95 to 99 %",
}  # fmt: skip
"""Of the first of the two rows of terms (`evidence.lint.ROWS`), which is the one that assessments use."""


def evidence_of(finding: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """A finding's evidence by the name that papers give it: E1, E2, ... through the axes.

    `finding` has the fields of `finding/1`.
    """
    shown = [one for axis in finding["evidence"]["axes"] for one in axis["evidence"]]
    return {f"E{number}": one for number, one in enumerate(shown, start=1)}
