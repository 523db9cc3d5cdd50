"""A MITRE ATLAS technique as OCSF writes an attack: with its parent, its tactic and the matrix's release.

A finding names techniques by id; a security tool wants to file them under a tactic. Comes from `model`; goes on
to `ocsf`.

Source: MITRE ATLAS data, release 5.6.0 (Apache-2.0); OCSF 1.8.0, object `attack`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from spiritsafe.campaigns.model import Technique

ATLAS_VERSION: Final = "5.6.0"
# Technique: its name, the tactic that the matrix files it under (the first where it names two), the tactic's name.
# Sub-techniques follow their parent.
_ATLAS: Final = {
    "AML.T0005": ("Create Proxy AI Model", "AML.TA0001", "AI Attack Staging"),
    "AML.T0008": ("Acquire Infrastructure", "AML.TA0003", "Resource Development"),
    "AML.T0012": ("Valid Accounts", "AML.TA0004", "Initial Access"),
    "AML.T0013": ("Discover AI Model Ontology", "AML.TA0008", "Discovery"),
    "AML.T0014": ("Discover AI Model Family", "AML.TA0008", "Discovery"),
    "AML.T0021": ("Establish Accounts", "AML.TA0003", "Resource Development"),
    "AML.T0024": ("Exfiltration via AI Inference API", "AML.TA0010", "Exfiltration"),
    "AML.T0034": ("Cost Harvesting", "AML.TA0011", "Impact"),
    "AML.T0040": ("AI Model Inference API Access", "AML.TA0000", "AI Model Access"),
    "AML.T0047": ("AI-Enabled Product or Service", "AML.TA0000", "AI Model Access"),
    "AML.T0048": ("External Harms", "AML.TA0011", "Impact"),
    "AML.T0051": ("LLM Prompt Injection", "AML.TA0005", "Execution"),
    "AML.T0054": ("LLM Jailbreak", "AML.TA0012", "Privilege Escalation"),
    "AML.T0056": ("Extract LLM System Prompt", "AML.TA0010", "Exfiltration"),
    "AML.T0057": ("LLM Data Leakage", "AML.TA0010", "Exfiltration"),
    "AML.T0063": ("Discover AI Model Outputs", "AML.TA0008", "Discovery"),
    "AML.T0065": ("LLM Prompt Crafting", "AML.TA0003", "Resource Development"),
    "AML.T0068": ("LLM Prompt Obfuscation", "AML.TA0007", "Defense Evasion"),
    "AML.T0069": ("Discover LLM System Information", "AML.TA0008", "Discovery"),
}


def attack(technique: Technique) -> dict[str, object]:
    """The OCSF `attack` object of a technique; `AML.T0024.002` is a sub-technique of `AML.T0024`.

    An id that is not of ATLAS, or not in our table, is written as it stands, without a tactic.
    """
    entry = {"uid": technique.id, "name": technique.name}
    number, dot, _ = technique.id.removeprefix("AML.").partition(".")
    parent = f"AML.{number}"
    name, tactic_uid, tactic = _ATLAS.get(parent, ("", "", ""))
    written: dict[str, object] = {"version": ATLAS_VERSION}
    if tactic_uid:
        written["tactic"] = {"uid": tactic_uid, "name": tactic}
    if technique.id.startswith("AML.") and dot:
        return written | {"technique": {"uid": parent} | ({"name": name} if name else {}), "sub_technique": entry}
    return written | {"technique": entry}
