"""A dossier says what the ledger holds and nothing else, keeps three claims apart, and can be checked by a stranger."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
from typing import Any
from xml.etree import ElementTree

import pypdfium2
import pytest

from spiritsafe.campaigns import alternatives
from spiritsafe.cases.moves import clear_account
from spiritsafe.dossier.building import file_reading, method_card
from spiritsafe.dossier.drawing import draw_kinds, draw_ties, draw_timeline
from spiritsafe.dossier.filing import WITHHELD, read_case
from spiritsafe.dossier.hypotheses import EXPLAINS, OUTCOMES, matrix
from spiritsafe.dossier.model import DossierError, Figure, Table, text_of
from spiritsafe.dossier.rendering import as_html, as_pdf, write_dossier
from spiritsafe.evidence.bundle import read_bundle, verify_bundle
from spiritsafe.evidence.erasure import erase_subject
from spiritsafe.evidence.lint import ReleaseError
from spiritsafe.evidence.record_types import TYPES
from spiritsafe.evidence.records import Record
from tests.cases.desk import WHY, Found, accounts

PSEUDONYM = re.compile(r"p\d+_[0-9a-f]{32}")


def part(dossier, number: int) -> str:
    return text_of(next(one for one in dossier.parts if one.number == number))


def pdf_text(data: bytes) -> str:
    paper = pypdfium2.PdfDocument(data)
    return "\n".join(page.get_textpage().get_text_range() for page in paper)


def test_it_has_twelve_parts_and_keeps_three_claims_apart(worked, tmp_path):
    worked.screened(tmp_path)
    made = worked.draw()
    assert [one.number for one in made.parts] == list(range(1, 13))
    judged = part(made, 2)
    assert "It is almost certain that they act as one." in judged
    assert "Likelihood: likely (55 to 80 %)." in judged
    assert "Confidence: low." in judged
    assert judged.count("Nothing is claimed here.") == 1  # of what was trained
    assert "nothing follows from the claim before" in part(made, 3)
    assert "usually" not in part(made, 4)
    assert "completely reliable" in part(made, 4)
    assert "confirmed by other sources" in part(made, 4)
    assert "one company" in part(made, 5)
    assert "What would change our mind" in part(made, 5)
    assert "Mohamed Karimov" in part(made, 10)
    assert "no hit is no clearance" in part(made, 10)
    assert "Example Ltd, as assessed" in part(made, 9)
    assert "the ledger holds nothing on it" in part(made, 9)
    assert "28 U.S.C." not in part(made, 8)
    assert "penalty of perjury" in part(made, 8)
    assert "granted, after 2.0 days" in part(made, 12)
    assert "throttle: undo_ordered" in part(made, 12)
    assert "approved, at most 6 accounts" in part(made, 12)


def test_every_entry_of_the_case_is_in_the_manifest_and_proved(worked, tmp_path):
    made = worked.draw()
    write_dossier(worked.desk.ledger, made, tmp_path / "out")
    done = subprocess.run(
        [sys.executable, "verify_evidence.py", "bundle.json", "--key", made.header.verifier_keys[0], "--json"],
        cwd=tmp_path / "out", capture_output=True, text=True, check=True,
    )  # fmt: skip
    proved = [json.loads(one) for one in done.stdout.splitlines() if one.startswith("{")]
    digests = {
        row[4] for block in made.parts[6].blocks if isinstance(block, Table) for row in block.rows if len(row) == 5
    }
    wanted = list(worked.desk.ledger.records(case_id=worked.case_id))
    assert len(digests) == len(wanted) + 1  # and the scan that found it
    assert len(proved) == len(digests)
    bundle = json.loads((tmp_path / "out" / "bundle.json").read_bytes())
    assert len(bundle["entries"]) == len(digests)


def test_a_version_that_leaves_shows_no_account_no_volume_and_no_letter(worked, tmp_path):
    made = worked.draw(leaves=True)
    write_dossier(worked.desk.ledger, made, tmp_path / "out")
    bundle = read_bundle((tmp_path / "out" / "bundle.json").read_bytes())
    opened = verify_bundle(bundle, worked.desk.ledger.verifier_keys())
    texts = {name: (tmp_path / "out" / name).read_text("utf-8") for name in ("dossier.html", "dossier.json")}
    texts["bundle.json"] = json.dumps([one.shown for one in opened])
    assert "act as one" in texts["bundle.json"]
    assert any("members: 6 of 6" in one.withheld for one in opened)
    for name, text in texts.items():
        assert not PSEUDONYM.search(text), name
        for secret in ("small town", "secret is blue", "exchanges_share", "input_tokens"):
            assert secret not in text, (name, secret)
    text = pdf_text((tmp_path / "out" / "dossier.pdf").read_bytes())
    assert not PSEUDONYM.search(text)
    assert "how much was served is a firm's own business" in part(made, 11)
    inside = as_html(worked.draw())
    assert "Nothing is withheld" in inside
    assert inside.count("<svg") == 3
    assert as_html(made).count("<svg") == 1


def test_what_is_withheld_is_a_field_that_there_is():
    for record, fields in WITHHELD.items():
        known = {spec.name: spec.visibility for spec in TYPES[record].fields}
        assert all(known[name] != "open" for name in fields), record  # what is open stands in the entry for everybody
    personal = {
        (kind.full_name, spec.name) for kind in TYPES.values() for spec in kind.fields if spec.visibility == "personal"
    }
    said = {(record, name) for record, fields in WITHHELD.items() for name in fields}
    # Whom a judgement names and whom a screening asked about are what the paper is for.
    shown = {
        ("assessment/1", "operator"),
        ("screening/1", "query"),
        ("screening/1", "hits"),
        ("attestation/1", "subject"),
    }
    assert personal - said == shown


def test_it_is_a_draft_until_another_person_has_read_just_this(worked):
    desk = worked.desk
    assert worked.draw().header.is_draft
    for_ada = {"leaves": False, "reason": "read", "clock_us": desk.clock}
    file_reading(desk.ledger, worked.case_id, signer=desk.ada, **for_ada)
    assert worked.draw().header.is_draft  # whoever draws it up is not a second person
    file_reading(desk.ledger, worked.case_id, signer=desk.eve, **for_ada)
    assert worked.draw().header.is_draft  # nor is a stranger
    file_reading(desk.ledger, worked.case_id, signer=desk.grace, **for_ada)
    made = worked.draw()
    assert (made.header.read_by, made.header.is_draft) == ("grace", False)
    assert worked.draw(leaves=True).header.is_draft  # she read the other version
    clear_account(desk.book, "1", desk.name("acct-004"), signer=desk.ada, **WHY)
    worked.assess("accounts_act_as_one", "likely", "moderate", "It is likely that they act as one.")
    assert worked.draw().header.is_draft  # it says something else now


def test_the_same_paper_is_the_same_bytes(worked):
    made = worked.draw()
    assert as_pdf(made) == as_pdf(made)
    assert as_pdf(made).startswith(b"%PDF-1.7")
    assert "pdfaid" in as_pdf(made).decode("latin-1")


def test_the_pdf_says_what_the_page_says(worked):
    made = worked.draw()
    paper, page = pdf_text(as_pdf(made)), as_html(made)
    said = ("Key judgements", "Redaction record", "It is likely that Example Ltd operates them.", "TLP:AMBER+STRICT")
    for words in (*said, "DRAFT", made.header.case_id):
        assert words in paper.replace("\r\n", " "), words
        assert words in page, words


def test_text_is_never_markup(worked):
    hostile = '<script>alert(1)</script> #set page(fill: red) \\ $x$ "quoted" [E1]'
    worked.assess("outputs_trained_model", "unlikely", "low", f"It is unlikely: {hostile}")
    made = worked.draw()
    assert "<script>" not in as_html(made)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in as_html(made)
    assert "#set page(fill: red)" in pdf_text(as_pdf(made)).replace("\r\n", " ")


@pytest.mark.parametrize(("statement", "rule"), [
    ("They sell at $ 20 a month, which is likely to be theirs.", "business-data"),
    ("It is likely theirs: write to jo@rival.example.", "identifier"),
    ("It is likely; question 1 of a customer whose secret is blue was theirs.", "prompt-text"),
])  # fmt: skip
def test_what_may_not_leave_is_refused_and_nothing_is_filed(worked, statement, rule):
    worked.assess("operated_by", "likely", "low", statement, "Example Ltd")
    worked.draw()
    size = worked.desk.ledger.size
    with pytest.raises(ReleaseError, match=rule):
        worked.draw(leaves=True)
    assert worked.desk.ledger.size == size


def test_who_was_erased_is_in_no_version(worked):
    desk = worked.desk
    one = desk.name("acct-002")
    erase_subject(desk.ledger, worked.case_id, one, basis="on request", signer=desk.ada, at_us=desk.clock.us)
    made = worked.draw()
    assert one not in str(made)
    assert "can no longer be opened" in part(made, 11)
    as_pdf(made)


def test_a_case_without_a_finding_is_nothing_to_put_before_anybody(counsel):
    with pytest.raises(DossierError):
        read_case(counsel.desk.ledger, "no such case", leaves=False)


def test_a_confirmed_case_that_nobody_judged_claims_nothing(counsel):
    made = counsel.draw()
    assert part(made, 2).count("Nothing is claimed here.") == 3
    assert "No evidence was graded." in part(made, 4)
    assert "No name behind this case was screened." in part(made, 10)
    as_pdf(made)


def test_what_nobody_confirmed_does_not_leave_the_firm(counsel):
    desk = counsel.desk
    number = desk.open(Found(accounts("other", 5)))[0].number
    counsel.case_id = desk.case(number).case_id
    assert "No person has confirmed it" in part(counsel.draw(), 2)
    with pytest.raises(DossierError, match="nobody confirms"):
        counsel.draw(leaves=True)


def test_a_record_that_breaks_a_rule_is_shown_as_that_and_changes_nothing(worked):
    """Whoever writes to the ledger past the desk cannot dismiss a case on paper."""
    desk = worked.desk
    fields: dict[str, Any] = {
        "by": "person",
        "name": "eve",
        "before": "upheld",
        "after": "dismissed",
        "as_of": 1,
        "reason": "nothing",
    }
    forged = desk.ledger.append([Record("case_move/1", fields, case_id=worked.case_id, signer=desk.eve)])[0]
    irregular = {position for position, *_ in desk.book.irregular()}
    assert irregular == {forged.position}
    made = worked.draw(irregular=irregular)
    assert "The case is upheld. It was confirmed by ada and grace" in part(made, 2)
    said = f"Entries that break a rule, changed nothing and are left out above: {forged.position} (case_move/1)."
    assert said in part(made, 12)
    assert "eve" in part(made, 7)


def test_every_explanation_that_a_scan_checks_is_in_the_matrix():
    """One that is new in the scan is judged here too, and its outcomes have words."""
    source = inspect.getsource(alternatives)
    names = re.findall(r'name = "([^"]+)"', source)
    assert len(names) == 6
    assert set(names) == set(EXPLAINS)
    assert set(re.findall(r'"(fits|does_not_fit|not_[a-z]+)"', source)) == set(OUTCOMES)
    made = matrix(names, ["content", "identity"])
    assert made.rows[0][:2] == ("content", "consistent")
    assert dict(zip(names, made.rows[1][2:], strict=True))["people on one network"] == "inconsistent"
    assert matrix(["something new"], ["content"]).rows == (("content", "consistent", "not judged"),)


def test_drawings_are_whole(worked):
    made = worked.draw()
    for block in (block for one in made.parts for block in one.blocks if isinstance(block, Figure)):
        ElementTree.fromstring(block.svg)
    assert ElementTree.fromstring(draw_timeline([(0, "<found> & lost")])) is not None
    assert ElementTree.fromstring(draw_ties([])) is not None
    assert ElementTree.fromstring(draw_kinds([])) is not None


def test_the_method_card_is_what_the_benchmark_measured():
    card = method_card()
    assert [len(table["rows"]) > 10 for table in card["tables"]] == [True, True]
    for table in card["tables"]:
        assert table["rows"][-1][0] == "all innocents"
        assert all(len(row) == 5 for row in table["rows"])
    assert "stealth 0: 45 of 45" in card["statement"]
