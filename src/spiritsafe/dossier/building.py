"""A dossier put together: the twelve parts from a case's entries, held to the lint, and who has read it.

What is read is the ledger and nothing else; what was measured of the method is put into it first. A paper is a draft
until a second registered person has read just this content: both are records, signed, and the digest that they name is
of what the paper says (parts 2 to 6 and 9 to 12), so that what is filed meanwhile of other things changes nothing.
Comes from the command; goes on to the modules of the parts.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

import msgspec

from spiritsafe import __version__
from spiritsafe.dossier.annexes import certificates, screening, statute
from spiritsafe.dossier.filing import prompts_of, read_case
from spiritsafe.dossier.hypotheses import alternatives
from spiritsafe.dossier.judging import CLAIMS, assessments, claims, grades, judgements
from spiritsafe.dossier.model import SCHEMA, Dossier, DossierError, Header, Part, Table, text_of
from spiritsafe.dossier.recording import card_bytes, first_filed, manifest, method, redactions
from spiritsafe.dossier.remedies import remedies
from spiritsafe.evidence.checkpoints import parse_checkpoint
from spiritsafe.evidence.exhibits import Exhibits
from spiritsafe.evidence.lint import Judgement, check_release, lint_judgements, lint_text
from spiritsafe.evidence.records import Record, now_us, utc_text

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from spiritsafe.dossier.filing import CaseFile
    from spiritsafe.evidence.ledger import Ledger
    from spiritsafe.keys.persons import Signer

MARKINGS: Final = ("TLP:CLEAR", "TLP:GREEN", "TLP:AMBER", "TLP:AMBER+STRICT", "TLP:RED")
_GRADES: Final = 4
_OF_JUDGEMENTS: Final = frozenset({"two-rows", "likelihood-and-confidence"})
"""Rules for judgements: the scale of grades has words of its own (`probably true`, `STIX confidence`)."""
_CARD_TITLE: Final = f"method card of spiritsafe {__version__}"


@dataclass(frozen=True, slots=True)
class Terms:
    """Under which terms a paper is drawn up. `leaves`: whether it is meant to leave the firm."""

    leaves: bool = False
    marking: str = "TLP:AMBER+STRICT"
    legal_basis: str = ""


def method_card() -> dict[str, Any]:
    """What was measured of the method of this version; it ships with it."""
    found: dict[str, Any] = json.loads((files(__package__) / "method_card.json").read_text("utf-8"))
    return found


def draw_up(
    ledger: Ledger,
    case_id: str,
    terms: Terms,
    *,
    signer: Signer,
    is_registered: Callable[[str, bytes, int], bool],
    irregular: Collection[int] = (),
    seal: Callable[[], None] = lambda: None,
    clock_us: Callable[[], int] = now_us,
) -> Dossier:
    """Put a dossier together, and file that it was drawn up.

    Parameters
    ----------
    ledger, case_id
        The ledger, and the case as it names it.
    terms
        Under which terms.
    signer
        Who draws it up.
    is_registered
        Whether a name and public key were a registered person's at a time (UTC microseconds).
    irregular
        Places of records that break a rule of the cases.
    seal
        Has the ledger's state, as it is when everything is filed, cosigned and time-stamped.
    clock_us
        The time.

    Raises
    ------
    DossierError
        Nothing was found in the case, or it is to leave the firm and no person confirmed it.
    ReleaseError
        It says what it may not say; nothing was filed.
    """
    _file_card(ledger)
    file = read_case(ledger, case_id, leaves=terms.leaves, irregular=irregular)
    if terms.leaves and not file.is_standing:
        raise DossierError(
            f"the case is {file.state.replace('_', ' ')}: what nobody confirms does not leave the firm",
            hint="confirm it, or draw up the version for the firm",
        )
    said = content(file)
    check(file, said, terms, secrets=prompts_of(ledger, case_id) if terms.leaves else ())
    digest = content_sha256(said)
    drawn = {"state": "drawn", "content_sha256": digest, "leaves": terms.leaves, "reason": terms.legal_basis}
    ledger.append([_record(case_id, drawn, signer, clock_us())])
    seal()
    reader = _reader(ledger, case_id, digest, signer, is_registered)
    file = read_case(ledger, case_id, leaves=terms.leaves, irregular=irregular)
    header = _header(ledger, file, terms, digest, signer, reader, clock_us())
    parts = {part.number: part for part in [_first(header), *said, certificates(header), manifest(file, ledger)]}
    return Dossier(SCHEMA, header, tuple(parts[number] for number in sorted(parts)))


def file_reading(
    ledger: Ledger,
    case_id: str,
    *,
    leaves: bool,
    reason: str,
    signer: Signer,
    irregular: Collection[int] = (),
    clock_us: Callable[[], int] = now_us,
) -> str:
    """File that somebody read what a dossier says now; the digest of its content."""
    _file_card(ledger)
    digest = content_sha256(content(read_case(ledger, case_id, leaves=leaves, irregular=irregular)))
    read = {"state": "read", "content_sha256": digest, "leaves": leaves, "reason": reason}
    ledger.append([_record(case_id, read, signer, clock_us())])
    return digest


def content(file: CaseFile) -> list[Part]:
    """What the paper says of the case: all parts but those that change with every entry (1, 7, 8)."""
    makers = (judgements, claims, grades, alternatives, statute, screening, redactions, remedies)
    return sorted([make(file) for make in makers] + [method(file, method_card())], key=lambda part: part.number)


def content_sha256(parts: list[Part]) -> str:
    """The digest of what a paper says."""
    return hashlib.sha256(msgspec.json.encode(parts, order="sorted")).hexdigest()


def check(file: CaseFile, parts: list[Part], terms: Terms, *, secrets: Iterable[str] = ()) -> None:
    """Raise `ReleaseError` where the paper mixes likelihood and confidence, reasons from nationality, lacks other
    explanations, or, where it leaves, says what may not leave.
    """
    judged = [
        Judgement(
            str(one.fields["statement"]),
            str(one.fields.get("likelihood") or ""),
            str(one.fields["confidence"]),
            tuple(item["kind"] for item in _items(one.fields["basis"])),
            tuple(map(str, _items(one.fields["alternatives"]))),
        )
        for claim in CLAIMS
        for one in assessments(file, claim)
    ]
    breaches = lint_judgements(judged)
    text = "\n\n".join(text_of(part) for part in parts if part.number != _GRADES)
    breaches += lint_text(text, leaves=terms.leaves, secrets=secrets)
    graded = lint_text("\n\n".join(text_of(part) for part in parts if part.number == _GRADES), leaves=terms.leaves)
    breaches += [one for one in graded if one.rule not in _OF_JUDGEMENTS]
    check_release(breaches, paper="dossier")


def _items(value: Any) -> list[Any]:
    return list(value)


def _record(case_id: str, fields: dict[str, Any], signer: Signer, time_us: int) -> Record:
    by = {"by": "person", "name": signer.name}
    return Record("dossier/1", {**by, **fields}, case_id=case_id, time_us=time_us, signer=signer)


def _file_card(ledger: Ledger) -> None:
    """Put what was measured of this version into the ledger, once."""
    body = card_bytes(method_card())
    if first_filed(list(ledger.records(record="exhibit/1")), hashlib.sha256(body).hexdigest()) is None:
        exhibits = Exhibits(ledger)
        try:
            exhibits.keep(
                body, media_type="application/json", title=_CARD_TITLE, source="ships with the program",
                by=f"spiritsafe {__version__}",
            )  # fmt: skip
        finally:
            exhibits.close()


def _reader(
    ledger: Ledger, case_id: str, digest: str, signer: Signer, is_registered: Callable[[str, bytes, int], bool]
) -> tuple[str, bytes] | None:
    """A registered person, not the one who draws it up, who has read just this."""
    for record in ledger.records(case_id=case_id, record="dossier/1"):
        who = record.signer
        if record.fields["state"] != "read" or record.fields["content_sha256"] != digest or who is None:
            continue
        if who[0] != signer.name and who[1] != signer.public_key and is_registered(*who, record.time_us):
            return who
    return None


def _header(
    ledger: Ledger, file: CaseFile, terms: Terms, digest: str, signer: Signer, reader: tuple[str, bytes] | None,
    time_us: int,
) -> Header:  # fmt: skip
    note = ledger.checkpoint()
    state = parse_checkpoint(note)
    ours = {key.key_id for key in ledger.verifier_keys()}
    stamps = ledger.timestamps(state.size)
    return Header(
        case_id=file.case_id,
        title=str(file.leading.fields["headline"]),
        marking=terms.marking,
        leaves=terms.leaves,
        legal_basis=terms.legal_basis,
        drawn_by=signer.name,
        drawn_by_key=base64.b64encode(signer.public_key).decode(),
        drawn_at=utc_text(time_us)[:19] + "Z",
        read_by=reader[0] if reader else "",
        read_by_key=base64.b64encode(reader[1]).decode() if reader else "",
        content_sha256=digest,
        origin=state.origin,
        entries=state.size,
        root_hash=base64.b64encode(state.root).decode(),
        verifier_keys=tuple(str(key) for key in ledger.verifier_keys()),
        cosignatures=sum(one.key_id not in ours for one in note.signatures),
        timestamps=tuple(authority for authority, _ in stamps),
        version=__version__,
    )


def _first(header: Header) -> Part:
    """Part 1: the header, as a table."""
    rows = (
        ("case", header.case_id),
        ("marking", header.marking),
        ("version", "to leave the firm" if header.leaves else "for the firm: it names accounts and volumes"),
        ("legal basis", header.legal_basis or "not stated"),
        ("drawn up by", f"{header.drawn_by}, key {header.drawn_by_key}, on {header.drawn_at}"),
        ("read by", f"{header.read_by}, key {header.read_by_key}" if header.read_by else "nobody else yet: a draft"),
        ("digest of parts 2 to 6 and 9 to 12", header.content_sha256),
        ("the log", header.origin),
        ("its signed state", f"{header.entries:,} entries, root {header.root_hash}"),
        ("the log's keys", "; ".join(header.verifier_keys)),
        ("signed by witnesses", str(header.cosignatures)),
        ("time-stamped by", "; ".join(header.timestamps) or "nobody"),
        ("program", f"spiritsafe {header.version}"),
    )
    return Part(1, "Header", (Table(("", ""), rows, (3, 9)),))
