"""Who is on a list is found however their name is written; who is not is left alone where names allow it."""

from __future__ import annotations

import pytest

from spiritsafe.cases.screening.filing import file_screening
from spiritsafe.cases.screening.lists import read_list
from spiritsafe.cases.screening.lookalikes import readings
from spiritsafe.cases.screening.model import Party, ThresholdError
from spiritsafe.cases.screening.screen import THRESHOLD, Screener
from spiritsafe.evidence.erasure import erase_subject
from tests.cases.desk import Found, accounts
from tests.cases.screening.made_lists import written


@pytest.fixture(scope="module")
def listed(tmp_path_factory):
    return read_list(written(tmp_path_factory.mktemp("lists"))["sdn.csv"])


@pytest.fixture(scope="module")
def screener(listed):
    return Screener([listed])


@pytest.mark.parametrize(
    "name",
    [
        "Muhammad Yusuf Karimov",
        "KARIMOV MUHAMMAD YUSUF",
        "Mohamed Yousef Karimov",
        "Muhammad Karimov",
        "M. Y. Karimov",
        "Мухаммад Юсуф Каримов",
        "Muhаmmаd Yusuf Kаrimоv",  # a and o are Cyrillic
        "Mu\u200bhammad Yusuf Karimov",
        "Muharnmad Yusuf Karim0v",
        "Dr. Muhammad Yusuf Karimov",
        "Mhmmd Ysf Krmv",
        "Muhammad Yusuf Karinov",
        "Mohammed Karimoff",
    ],
)
def test_a_listed_person_is_found(screener, name):
    hits = screener.screen(Party(name, "person"))
    assert hits
    assert hits[0].entry.entry_id == "9001"
    assert screener.screen(Party(name))[0].entry.entry_id == "9001"


@pytest.mark.parametrize(
    "name", ["Northwind Holdings", "NORTHWIND HOLDINGS LIMITED", "Holdings Northwind Ltd", "Nortwind Holdings"]
)
def test_a_listed_organisation_is_found(screener, name):
    assert [hit.entry.entry_id for hit in screener.screen(Party(name, "organization"))] == ["9003"]


@pytest.mark.parametrize(
    "name",
    [
        "Jane Doe",
        "Muhammad",
        "Yusuf",
        "Ivan Petrov",
        "Southgate Trading Ltd.",
        "M. Y. K.",
        ".",
        "",
    ],
)
def test_who_shares_a_first_name_or_a_legal_form_or_nothing_is_no_hit(screener, name):
    assert screener.screen(Party(name)) == []


def test_a_person_is_no_organisation(screener):
    assert screener.screen(Party("Northwind Holdings", "person")) == []
    assert screener.screen(Party("Sea Lantern", "organization"))[0].entry.kind == "other"


def test_a_hit_says_how_the_names_fit_and_what_else_is_known(screener):
    (hit,) = screener.screen(Party("Mohamed Karimov", "person", country="Germany", born="1971"))
    assert THRESHOLD <= hit.score <= 1
    assert "forms of one name" in hit.why
    assert hit.beside == (
        "born 1971, on the list 28 Jul 1963: differs",
        "in Germany, on the list Uzbekistan: differs, which says little",
    )
    (same,) = screener.screen(Party("Mohamed Karimov", "person", country="uzbekistan", born="1963-07-28"))
    assert [one.rpartition(": ")[2] for one in same.beside] == ["agrees", "agrees"]
    assert same.score == hit.score  # where somebody is from decides nothing


def test_a_threshold_is_a_share(screener):
    assert len(screener.screen(Party("Muhammad Yusuf"), threshold=0.3)) >= 1
    for wrong in (0.0, 1.5, -1.0):
        with pytest.raises(ThresholdError):
            screener.screen(Party("x"), threshold=wrong)


def test_cyrillic_names_are_left_as_they_are():
    assert readings("Сергей Носов") == ["Сергей Носов"]
    assert readings("Jane Doe") == ["Jane Doe"]
    assert "sami" in readings("Sarni")[-1]


def test_a_screening_is_filed_with_the_lists_digest_and_without_hits_too(desk, listed):
    (opened,) = desk.open(Found(accounts("acct", 6)))
    parties = [Party("Mohamed Karimov", "person"), Party("Jane Doe")]
    screener = Screener([listed])
    hits = [hit for party in parties for hit in screener.screen(party)]
    assert file_screening(desk.book, "1", [listed], parties, hits, threshold=THRESHOLD, signer=desk.ada) == 1
    (filed,) = desk.ledger.records(case_id=opened.case_id, record="screening/1")
    assert (filed.fields["list_sha256"], filed.fields["hit_count"]) == (listed.sha256, 1)
    assert "rigour" in str(filed.fields["algorithm"])
    assert [one["entry"] for one in filed.fields["hits"]] == ["9001"]
    erase_subject(desk.ledger, opened.case_id, "Mohamed Karimov", basis="asked", signer=desk.ada, at_us=desk.clock())
    (left,) = desk.ledger.records(case_id=opened.case_id, record="screening/1")
    assert (left.fields["hits"], len(left.fields["query"])) == ([], 1)
    assert desk.book.irregular() == []
