"""The audit in words: what was judged, how near the limits it came, what to mend.

Comes from `audit.AuditReport`; printed by `cli.prove_audit` and kept as `audit.txt` beside `audit.json`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from spiritsafe.proving.audit_checks import AT_PRECISION, AUC_LIMIT, FEWEST, KINDS, RECALL_LIMIT

if TYPE_CHECKING:
    from spiritsafe.proving.audit import AuditReport
    from spiritsafe.proving.audit_checks import Check

BAR: Final = 24
MOST_TOLD: Final = 12
MEANING: Final = {
    "column": "one raw column, exchange by exchange",
    "aggregate": "one aggregate of an account",
    "commonness": "how common an account's values are",
    "perplexity": "surprise to a language model",
    "words": "linear model of the words",
    "rows together": "boosting over exchanges, averaged",
    "pair": "two habits together",
    "boosting": "boosting over all aggregates",
}


def audit_text(report: AuditReport) -> str:
    """The report as text for a terminal, about 60 lines when it passes."""
    first = next(cell for cell in report.cells if cell.judged)
    lines = [
        f"audit of {report.world_a} (learnt) and {report.world_b} (judged), stealth {report.stealth} and above",
        f"  {report.columns_seen} columns and {report.aggregates_seen} aggregates of single accounts, "
        f"{report.checks_made:,} checks, {report.seconds:.0f} s",
        f"  limits: AUC {AUC_LIMIT}, recall {RECALL_LIMIT} at precision {AT_PRECISION}",
        "",
        "whom to tell from whom                            learnt from      judged on",
    ]
    lines += [
        f"  {cell.name:<46}{cell.guilty_a:>6} /{cell.innocent_a:>6}  {cell.guilty_b:>6} /{cell.innocent_b:>6}"
        + ("" if cell.judged else f"  not judged: fewer than {FEWEST}")
        for cell in report.cells
    ]
    lines += ["", f"the best judge of each kind, {first.name.partition(' against ')[0]}"]
    lines += _best_of_each(report)
    lines += ["", "what the boosting leans on (fall of its AUC when shuffled)"]
    lines += [f"  {one.auc_drop:>7.3f}  {one.name}" for one in report.importance if one.auc_drop > 0][:10]
    shares = ", ".join(f"{name} {share:.0%}" for name, share in report.found_by_archetype.items())
    lines += [
        "",
        f"found above all but 1 in 100 innocents, by archetype: {shares}",
        f"labels dealt at random: AUC {report.shuffled_auc:.3f}, recall {report.shuffled_recall:.2f}"
        + (" (nothing found, as it must be)" if report.shuffle_clean else " (THE AUDIT ITSELF LEAKS)"),
        "",
    ]
    if report.leaks:
        lines.append(f"{len(report.leaks)} checks pass a limit; of each kind the worst:")
        for kind in KINDS:
            # One line a column: its mean, median and maximum tell the composer the same thing.
            by_column = {
                check.name.rpartition(".")[0] or check.name: check
                for check in reversed(report.leaks)
                if check.check == kind
            }
            lines += [f"  {_line(check)}" for check in report.leaks if check in by_column.values()][:MOST_TOLD]
        lines.append("FAILED: these worlds give their campaigns away; no detection figure from them counts.")
    else:
        lines.append("passed: no judge of single accounts solves these worlds." if report.passed else "FAILED.")
    return "\n".join(lines)


def _best_of_each(report: AuditReport) -> list[str]:
    lines = []
    judged = next(cell for cell in report.cells if cell.judged)
    pooled = judged.name.partition(" against ")[0]
    for kind, meaning in MEANING.items():
        for negatives in ("all innocents", "developers"):
            rows = [c for c in report.checks if (c.check, c.positives, c.negatives) == (kind, pooled, negatives)]
            if not rows:
                continue
            best, widest = max(rows, key=lambda c: c.auc), max(rows, key=lambda c: c.recall)
            lines.append(
                f"  {meaning:<37}{'dev' if negatives == 'developers' else 'all'} "
                f"{_bar(best.auc)} AUC {best.auc:.3f}  recall {widest.recall:.2f}  {best.name}"
            )
    return lines


def _bar(auc: float) -> str:
    """AUC from 0.5 (empty) to 1 (full)."""
    full = round(BAR * max(0.0, 2 * auc - 1))
    return "█" * full + "·" * (BAR - full)


def _line(check: Check) -> str:
    return (
        f"AUC {check.auc:.3f}  recall {check.recall:.2f}  [{check.check}] {check.name}: "
        f"{check.positives} against {check.negatives}"
    )
