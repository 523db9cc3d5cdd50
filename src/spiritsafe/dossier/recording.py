"""Parts 6, 7 and 11: how it was found and how often that errs, what is shown and how it is proved, what is withheld.

Comes from `dossier.building`; goes on to nobody.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

from spiritsafe.dossier.filing import withheld_in
from spiritsafe.dossier.model import Block, Heading, Items, Paragraph, Part, Table
from spiritsafe.evidence.records import utc_text

if TYPE_CHECKING:
    from spiritsafe.dossier.filing import CaseFile
    from spiritsafe.evidence.ledger import Ledger
    from spiritsafe.evidence.reading import FiledRecord

_MOST_KEPT: Final = 60


def method(file: CaseFile, card: dict[str, Any]) -> Part:
    """Part 6: the method card. `card` is what was measured of the version that found it."""
    blocks: list[Block] = []
    for scan in file.scans:
        fields = scan.fields
        blocks.append(Heading(f"Scan {scan.record_id}"))
        clock: Any = fields.get("clock_range") or ["", ""]
        rows = [
            ("program", f"spiritsafe {fields['version']}"),
            ("window", f"{clock[0]} to {clock[1]}"),
            ("groups with the verdict campaign", str(fields["campaign_count"])),
            ("digest of the settings", str(fields["settings_sha256"])),
            *_coverage(fields.get("coverage")),
        ]
        blocks.append(Table(("", ""), tuple(rows), (3, 8)))
    significance: Any = file.leading.fields["significance"]
    blocks += [
        Heading("The test"),
        Paragraph(f"{significance['method']}. Null: {significance['null']}."),
        Paragraph(
            f"p = {significance['p_value']:.2g}; q = {significance['q_value']:.2g}: the share of false groups to "
            "expect among those as significant."
        ),
        *_error_rates(file, card),
    ]
    return Part(6, "Method card", tuple(blocks))


def manifest(file: CaseFile, ledger: Ledger) -> Part:
    """Part 7: every entry that the paper rests on, with its digest; what was kept beside the log."""
    rows = tuple(
        (
            str(record.position),
            record.record,
            utc_text(record.time_us)[:19] + "Z",
            str(record.fields.get("name", "")),
            hashlib.sha256(ledger.entry(record.position).body).hexdigest(),
        )
        for record in file.everything
    )
    kept = tuple(
        (str(part["sha256"]), str(part["rows"]), str(part["content_sha256"]))
        for record in file.of("preserved/1")
        for part in _list(record.fields.get("parts"))
    )
    inputs = tuple(
        (digest,) for scan in file.scans for digest in map(str, _list(scan.fields.get("input_sha256")))
    )  # fmt: skip
    blocks: list[Block] = [
        Paragraph(
            "Each entry is in `bundle.json` with its exact bytes, what opens the fields that are shown here, and its "
            "proof against the signed state of the log that the first part names. `verify_evidence.py` checks all of "
            "it and "
            "needs nothing but Python; the log's key must come by another way than this paper."
        ),
        Table(("entry", "record", "filed at", "by", "SHA-256 of the entry"), rows, (2, 4, 5, 6, 16), (4,)),
        Heading("Files that were scanned"),
        Table(("SHA-256",), inputs, (1,), (0,)) if inputs else Paragraph("None is named."),
        Heading("Rows that were kept"),
        Paragraph(
            f"{sum(int(str(one.fields['row_count'])) for one in file.of('preserved/1')):,} rows, each subject's "
            "encrypted "
            "under a key of its own; their digests are in the log."
        ),
    ]
    if len(kept) > _MOST_KEPT:
        blocks.append(Paragraph(f"The first {_MOST_KEPT} of {len(kept):,}; all are in `bundle.json`."))
    if kept:
        columns = ("SHA-256 as kept", "rows", "SHA-256 of the rows")
        blocks.append(Table(columns, kept[:_MOST_KEPT], (8, 1, 8), (0, 2)))
    return Part(7, "Evidence manifest", tuple(blocks))


def redactions(file: CaseFile) -> Part:
    """Part 11: what is not shown, by whose decision, and that the rest verifies without it."""
    by_field: dict[tuple[str, str, str], list[int]] = {}
    for record, name, why in withheld_in(file):
        by_field.setdefault((record.record, name, why), []).append(record.position)
    rows = tuple(
        (record, name, why, _positions(positions)) for (record, name, why), positions in sorted(by_field.items())
    )
    erased = tuple(
        f"Entry {one.position}: {one.fields['field_count']} commitments can no longer be opened, since the data of one "
        f"person was erased ({one.fields.get('basis', '')})."
        for one in file.of("erasure/1")
    )
    blocks: list[Block] = [
        Paragraph(
            "Every field of an entry is a salted commitment of its own: one that is withheld keeps no other from being "
            "verified, and cannot be guessed from what is shown."
        )
    ]
    if rows:
        blocks.append(Table(("record", "field", "why it is withheld", "in entries"), rows, (2, 2, 6, 3)))
    else:
        blocks.append(Paragraph("Nothing is withheld in this version: it is not meant to leave the firm."))
    blocks.append(Items(erased) if erased else Paragraph("Nothing of this case was erased."))
    return Part(11, "Redaction record", tuple(blocks))


def _coverage(coverage: Any) -> list[tuple[str, str]]:
    if not isinstance(coverage, dict):
        return []
    absent = sorted(name for name, share in coverage["column_shares"].items() if share == 0)
    return [
        (
            "rows",
            f"{coverage['rows_kept']:,} kept of {coverage['rows_read']:,}; {coverage['rows_quarantined']:,} broken",
        ),
        ("accounts in the log", f"{coverage['accounts']:,}"),
        ("columns without a value", ", ".join(absent) or "none"),
    ]


def _error_rates(file: CaseFile, card: dict[str, Any]) -> list[Block]:
    """How often innocents were accused, by kind, with the bound of each; and what was found."""
    blocks: list[Block] = [Heading("Error rates, as measured"), Paragraph(card["statement"], is_note=True)]
    version = {str(scan.fields["version"]) for scan in file.scans}
    if version != {card["version"]}:
        blocks.append(
            Paragraph(
                f"The scans are by version {', '.join(sorted(version))} and the measurement is of {card['version']}.",
                is_note=True,
            )
        )
    columns = ("kind of innocent", "accounts", "organisations", "accused", "at most (95 %)")
    for table in card["tables"]:
        blocks.append(Paragraph(f"{table['title']}:"))
        blocks.append(Table(columns, tuple(tuple(row) for row in table["rows"]), (4, 2, 2, 2, 2)))
    return blocks


def _positions(positions: list[int]) -> str:
    shown = ", ".join(map(str, positions[:6]))
    return shown + (f", and {len(positions) - 6} more" if len(positions) > 6 else "")


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def card_bytes(card: dict[str, Any]) -> bytes:
    """A method card as it is kept as an exhibit."""
    return json.dumps(card, sort_keys=True, ensure_ascii=False).encode()


def first_filed(records: list[FiledRecord], sha256: str) -> FiledRecord | None:
    """The first exhibit with this digest; None where there is none."""
    return next((record for record in records if record.fields["sha256"] == sha256), None)
