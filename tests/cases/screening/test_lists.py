"""Each form of a list is read whole, or refused; nothing of it is lost in silence."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spiritsafe.cases.screening.lists import age_hours, read_list
from spiritsafe.cases.screening.model import ListedName, ListError
from spiritsafe.errors import SpiritsafeError
from tests.cases.screening.made_lists import ADVANCED, CSL_JSON, FTM, SDN, VECTORS, written


@pytest.fixture
def made(tmp_path):
    return written(tmp_path / "lists")


def names(entry):
    return [(name.text, name.quality) for name in entry.names]


def test_ofacs_csv_is_read_with_the_files_beside_it(made):
    listed = read_list(made["sdn.csv"])
    assert (listed.source, len(listed.entries), listed.refused, listed.issued_by_list) == ("ofac-csv", 4, {}, False)
    karimov, _, northwind, ship = listed.entries
    assert names(karimov) == [
        ("KARIMOV, Muhammad Yusuf", "primary"), ("KARIMOFF, Mohammed", "alias"), ("THE BAKER", "weak"),
    ]  # fmt: skip
    assert (karimov.kind, northwind.kind, ship.kind) == ("person", "organization", "other")
    assert (karimov.programs, karimov.countries) == (("FICTION-1", "FICTION-2"), ("Uzbekistan",))
    assert karimov.births == ("28 Jul 1963",)
    assert northwind.remarks == "formed 2011"


def test_a_file_beside_it_changes_the_lists_digest(made):
    before = read_list(made["sdn.csv"]).sha256
    made["alt.csv"].write_bytes(made["alt.csv"].read_bytes() + b'9002,2,"aka","WOLKOWA",-0- \r\n')
    assert read_list(made["sdn.csv"]).sha256 != before


def test_the_advanced_xml_says_its_day_and_names_in_the_order_in_which_they_are_spoken(made):
    listed = read_list(made["sdn_advanced.xml"])
    assert (listed.source, listed.issued, listed.issued_by_list) == ("ofac-advanced-xml", "2026-11-05", True)
    karimov, northwind = listed.entries
    assert names(karimov) == [("Muhammad KARIMOV", "primary"), ("THE BAKER", "weak"), ("Каримов", "alias")]
    assert (karimov.programs, karimov.births, karimov.kind) == (("FICTION-1", "FICTION-2"), ("1963-07-28",), "person")
    assert (northwind.name, northwind.kind) == ("NORTHWIND HOLDINGS LTD.", "organization")


def test_the_consolidated_list_and_followthemoney_are_read(made):
    karimov, northwind = read_list(made["consolidated.json"]).entries
    assert (karimov.countries, karimov.programs) == (("UZ",), ("FICTION-1", "Specially Designated Nationals"))
    assert (northwind.kind, northwind.programs) == ("unknown", ("Entity List",))
    person, company = read_list(made["entities.ftm.json"]).entries
    assert names(person)[1:] == [("Мухаммад Каримов", "alias"), ("The Baker", "weak")]
    assert (company.kind, company.countries) == ("organization", ("pa",))


def test_real_lists_are_read(tmp_path):
    sdn = read_list(VECTORS / "sdn.csv")
    hesa = sdn.entries[0]
    assert hesa.name == "IRAN AIRCRAFT MANUFACTURING INDUSTRIAL COMPANY"
    assert ListedName("HESA TRADE CENTER", "alias") in hesa.names
    assert ListedName("HESA", "weak") in hesa.names
    assert hesa.countries == ("Iran",)
    assert (len(sdn.entries), sdn.refused) == (13, {})
    consolidated = read_list(VECTORS / "consolidated.csv")
    assert (consolidated.source, len(consolidated.entries), consolidated.refused) == ("csl-csv", 7, {})
    assert any("Unverified List" in program for entry in consolidated.entries for program in entry.programs)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("x.csv", ""),
        ("x.csv", "a,b,c\n1,2,3\n"),
        ("x.csv", SDN[: SDN.index("NORTHWIND") + 4]),
        ("x.xml", ADVANCED[:-300]),
        ("x.xml", ADVANCED.replace("<Sanctions", '<!DOCTYPE x [<!ENTITY a "b">]><Sanctions', 1)),
        ("x.xml", f"<?xml version='1.0'?><!--{'x' * 9000}--><!DOCTYPE x [<!ENTITY a 'b'>]>{ADVANCED[38:]}"),
        ("x.xml", "<Sanctions><DistinctParties/></Sanctions>"),
        ("x.json", CSL_JSON[:-40]),
        ("x.json", '{"results": []}'),
        ("x.json", '{"results": [{"id": "a"}, {"id": "b"}, {"name": "KARIMOV"}]}'),
        ("x.json", FTM[:-30]),
        ("x.json", FTM.replace('"properties"', '"props"')),
        ("x.pdf", "%PDF-1.7"),
    ],
)
def test_a_list_that_is_cut_off_of_another_version_or_none_is_refused(tmp_path, name, text):
    path = tmp_path / name
    path.write_bytes(text.encode())
    with pytest.raises(ListError):
        read_list(path)


def test_a_broken_row_among_many_is_counted_and_the_rest_is_read(made):
    rows = SDN.rstrip("\x1a") + "".join(
        SDN.splitlines(keepends=True)[1].replace("9002", str(9100 + n)) for n in range(40)
    )
    made["sdn.csv"].write_bytes((rows + "no number,broken\r\n" + SDN.splitlines(keepends=True)[2]).encode())
    listed = read_list(made["sdn.csv"])
    assert (len(listed.entries), sum(listed.refused.values())) == (45, 1)


def test_a_lists_age_is_that_of_its_day(made):
    os.utime(made["sdn.csv"], (1_700_000_000, 1_700_000_000))
    listed = read_list(made["sdn.csv"])
    assert listed.issued == "2023-11-14"
    assert age_hours(listed, 1_700_006_400_000_000) == pytest.approx(24.0)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    base=st.sampled_from([SDN, ADVANCED, CSL_JSON, FTM]),
    at=st.integers(0, 4_000),
    what=st.binary(min_size=1, max_size=6),
    cut=st.booleans(),
)
def test_whatever_is_changed_in_a_list_it_is_read_or_refused(tmp_path, base, at, what, cut):
    data = base.encode()
    at = at % len(data)
    path = tmp_path / "list"
    path.write_bytes(data[:at] + what if cut else data[:at] + what + data[at:])
    try:
        assert read_list(path).entries
    except SpiritsafeError as error:
        assert error.hint  # noqa: PT017
