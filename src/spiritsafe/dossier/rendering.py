"""A dossier as HTML, as PDF and as JSON: three forms of one paper, with the bundle that proves it beside them.

No text of the paper is markup anywhere: the page escapes it, and the typesetter is given it as data.
Comes from `dossier.building`; goes on to the folder that the user named.
"""

from __future__ import annotations

import datetime
from importlib.resources import files
from typing import TYPE_CHECKING, Final

import jinja2
import msgspec
from markupsafe import Markup

from spiritsafe.dossier.filing import read_case, shows
from spiritsafe.errors import EnvironmentFault
from spiritsafe.evidence.bundle import make_bundle
from spiritsafe.files import staged_folder

if TYPE_CHECKING:
    from pathlib import Path

    from spiritsafe.dossier.model import Dossier
    from spiritsafe.evidence.ledger import Ledger

FILES: Final = ("dossier.html", "dossier.pdf", "dossier.json", "bundle.json", "verify_evidence.py")


class TypesetFault(EnvironmentFault):
    """The PDF cannot be made here."""

    code = "dossier.pdf"


def write_dossier(ledger: Ledger, dossier: Dossier, folder: Path) -> None:
    """Write every form of the paper, its bundle and the verifier into a folder, whole or not at all."""
    bundle = bundle_of(ledger, dossier)
    with staged_folder(folder, kind="dossier") as staging:
        (staging / "dossier.html").write_text(as_html(dossier), "utf-8")
        (staging / "dossier.pdf").write_bytes(as_pdf(dossier))
        (staging / "dossier.json").write_bytes(msgspec.json.format(msgspec.json.encode(dossier), indent=1))
        (staging / "bundle.json").write_bytes(bundle)
        (staging / "verify_evidence.py").write_bytes((files("spiritsafe.evidence") / "standalone.py").read_bytes())


def bundle_of(ledger: Ledger, dossier: Dossier) -> bytes:
    """The entries that the paper rests on, with their proofs; of their fields what the paper shows."""
    file = read_case(ledger, dossier.header.case_id, leaves=dossier.header.leaves)
    positions = [one.position for one in file.everything if one.position < dossier.header.entries]
    return make_bundle(
        ledger, positions, show=shows if dossier.header.leaves else None, size=dossier.header.entries
    )  # fmt: skip


def as_html(dossier: Dossier) -> str:
    """One page, without script and without anything from elsewhere."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("spiritsafe.dossier"), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["drawn"] = Markup  # our own drawings, whose texts are escaped where they are drawn
    return environment.get_template("dossier.html").render(d=dossier, kind=_kind)


def as_pdf(dossier: Dossier) -> bytes:
    """The paper for printing: PDF/A-3b, dated by when it was drawn up, so that the same paper is the same bytes.

    Raises
    ------
    TypesetFault
        The typesetter is not installed, or cannot set it.
    """
    try:
        import typst
    except ImportError as error:
        raise TypesetFault(
            "the PDF is set by the package typst, which is not here", hint="pip install typst"
        ) from error
    template = (files(__package__) / "templates" / "dossier.typ").read_bytes()
    drawn = datetime.datetime.fromisoformat(dossier.header.drawn_at)
    try:
        return bytes(
            typst.compile(
                template,
                sys_inputs={"dossier": msgspec.json.encode(dossier).decode()},
                pdf_standards="a-3b",
                timestamp=int(drawn.timestamp()),
                ignore_system_fonts=True,
            )
        )
    except typst.TypstError as error:
        raise TypesetFault(
            f"the PDF could not be set: {str(error)[:200]}", hint="tell us: this is a fault here"
        ) from error


def _kind(block: object) -> str:
    """What a block is, for the template."""
    return type(block).__name__.lower()
