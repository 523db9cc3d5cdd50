"""What was measured of the method, read from its benchmark's page: the card that a dossier shows.

Comes from `benchmarks/detection/scan.md`; goes on to `src/spiritsafe/dossier/method_card.json` (`make docs` writes it).
"""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "benchmarks" / "detection" / "scan.md"
_ROW = re.compile(r" {2}(?P<kind>[a-z_ ]+?) {2,}(?P<counts>[\d,]+ +[\d,]+ +[\d,]+) +(?P<bound>[\d.]+%)")
_FOUND = re.compile(r"stealth (\d) +(\d+) +(\d+) ")


def method_card() -> str:
    """The card as JSON."""
    text = PAGE.read_text("utf-8")
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    machine = next(line for line in text.splitlines() if "cores" in line)
    sections = [part for part in text.split("\n## ")[1:] if "FALSE POSITIVES" in part]
    found = "; ".join(f"stealth {level}: {hits} of {count}" for level, count, hits in _FOUND.findall(sections[0]))
    card = {
        "version": version,
        "command": "python -m benchmarks.detection.scan",
        "statement": (
            "Innocents of known kinds in composed traffic, none of it used when rules were made; accused means: in a "
            "group with the verdict campaign. The bound is one-sided, 95 %, counting organisations and not accounts; a "
            f"bound is not a rate. Campaigns found on the same traffic, by how well they hide ({found}). Composed "
            "traffic is not this "
            f"provider's: no public data ties prompts, timing and network of one user. Measured by `python -m "
            f"benchmarks.detection.scan` on {machine.strip().rstrip('.')}."
        ),
        "tables": [{"title": part.partition("\n")[0].replace("`", ""), "rows": _rows(part)} for part in sections],
    }
    return json.dumps(card, indent=1, ensure_ascii=False) + "\n"


def _rows(section: str) -> list[list[str]]:
    table = section.partition("FALSE POSITIVES")[2].partition("\n\n")[0]
    rows = [match for match in map(_ROW.match, table.splitlines()) if match]
    return [[row["kind"].replace("_", " "), *row["counts"].split(), row["bound"]] for row in rows]
