"""A roster says what it was given, and a damaged one says nothing."""

import stat
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spiritsafe.roster import Campaign, Kind, Names, Role, Roster, RosterError, Standing, write_roster
from spiritsafe.roster.reading import UNKNOWN
from spiritsafe.roster.writing import RosterContentsError
from tests.house.repository import fresh_python
from tests.roster.rosters import FOREVER_S, NAMES, NOW_S, campaign, contents, small


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return small(tmp_path_factory.mktemp("roster") / "roster.bin")


def hashed(name: str) -> int:
    return NAMES.hashed("account_id", name)


def test_an_account_is_found_by_its_name_and_a_stranger_is_unknown(path):
    roster = Roster(path)
    found = roster.standing(hashed("ann"))
    assert (found.campaign, found.role, found.established) == (0, Role.CORE, False)
    assert found.kinds == Kind.CONTENT | Kind.TIMING
    assert found.probability == pytest.approx(0.99)
    assert roster.standing(hashed("old")) == Standing(-1, 0.0, 0, 0, True)
    assert roster.standing(hashed("nobody")) == UNKNOWN
    assert (roster.standing(0), roster.standing(2**64 - 1)) == (UNKNOWN, UNKNOWN)


def test_a_campaign_comes_back_as_it_was_given(path):
    roster = Roster(path)
    assert roster.campaign(0) == Campaign("id-c1", "c1", 3, FOREVER_S, confirmed=True)
    assert roster.campaign(1).sources == (0,)
    assert (roster.accounts, roster.campaigns, roster.templates, roster.values) == (4, 2, 2, 5)
    assert roster.head.sources[0].name == "acme"


def test_templates_are_counted_by_their_phrases(path):
    roster = Roster(path)
    assert roster.template_hits((10, 20, 30)) == {0: 3, 1: 1}
    assert roster.template_hits((5, 50, 99)) == {1: 1}
    assert roster.template_hits(()) == {}
    assert roster.template(1) == (1, 2, 1001)


def test_a_value_may_be_a_mark_of_several_campaigns(path):
    roster = Roster(path)
    assert roster.value(NAMES.hashed("client_ip", "192.0.2.1")) == [(0, 8), (1, 8)]
    assert roster.value(NAMES.hashed("user_agent", "192.0.2.1")) == []
    assert roster.value(NAMES.hashed("system_prompt_hash", "77")) == [(0, 1)]


def test_an_attestation_holds_in_its_time_only(path):
    roster = Roster(path)
    said = [roster.attested(hashed("ann"), NOW_S + at) for at in (-1, 0, 9, 10, 19, 20)]
    assert said == [None, "academic", "academic", "reseller", "reseller", None]
    assert roster.attested(hashed("old"), NOW_S) is None


def test_it_holds_no_name_and_only_its_owner_may_read_it(path):
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not {name for name in (b"ann", b"old", b"192.0.2.1") if name in path.read_bytes()}
    other = Names(b"another key, also of 32 bytes!!!")
    assert Roster(path).standing(other.hashed("account_id", "ann")) == UNKNOWN


def test_the_digest_is_the_files(path, tmp_path):
    import hashlib

    assert Roster(path).sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert write_roster(contents(), tmp_path / "empty") == Roster(tmp_path / "empty").sha256
    empty = Roster(tmp_path / "empty")
    assert (empty.standing(1), empty.template_hits((1, 2)), empty.value(1)) == (UNKNOWN, {}, [])


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_damaged_roster_is_refused(path, tmp_path_factory, data):
    whole = bytearray(path.read_bytes())
    kind = data.draw(st.sampled_from(["cut", "flip", "longer"]))
    if kind == "cut":
        whole = whole[: data.draw(st.integers(0, len(whole) - 1))]
    elif kind == "flip":
        whole[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    else:
        whole += data.draw(st.binary(min_size=1, max_size=40))
    broken = tmp_path_factory.mktemp("broken") / "roster.bin"
    broken.write_bytes(whole)
    with pytest.raises(RosterError) as caught:
        Roster(broken)
    assert caught.value.hint


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_one_written_badly_is_refused_though_its_checksum_fits(path, tmp_path_factory, data):
    """Whoever can write the file can make its checksum; nothing may then be read outside of it."""
    import hashlib

    whole = bytearray(path.read_bytes()[:-32])
    at = data.draw(st.integers(16, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    broken = tmp_path_factory.mktemp("planted") / "roster.bin"
    broken.write_bytes(whole + hashlib.sha256(whole).digest())
    try:
        roster = Roster(broken)
    except RosterError:
        return
    for name in ("ann", "ben", "old", "new"):
        standing = roster.standing(hashed(name))
        assert -1 <= standing.campaign < roster.campaigns
    for template in roster.template_hits((10, 20, 30, 40, 50)):
        assert roster.template(template)[0] < roster.campaigns
    assert all(place < roster.campaigns for place, _ in roster.value(NAMES.hashed("client_ip", "192.0.2.1")))


@pytest.mark.parametrize(
    "wrong",
    [
        {"accounts": {"ann": (1, 0.9, 1, 1, False)}, "campaigns": (campaign(),)},
        {"templates": ((0, 3, (1, 2)),)},
        {"values": (("ja4", "x", 0, 8),)},
    ],
    ids=["an account of a campaign", "a template", "a value"],
)
def test_what_names_a_campaign_that_is_not_there_is_not_written(tmp_path, wrong):
    with pytest.raises(RosterContentsError, match="campaign"):
        write_roster(contents(**wrong), tmp_path / "roster.bin")
    assert not (tmp_path / "roster.bin").exists()


def test_two_accounts_of_one_hash_are_not_written(tmp_path):
    made = contents(accounts={"ann": (-1, 0, 0, 0, False), "ben": (-1, 0, 0, 0, False)})
    twice = {**made.columns, "account_hash": np.array([7, 7])}
    with pytest.raises(RosterContentsError, match="twice"):
        write_roster(type(made)(**{**_fields(made), "columns": twice}), tmp_path / "roster.bin")


def test_a_hash_that_was_rounded_is_not_written(tmp_path):
    made = contents(accounts={"ann": (-1, 0, 0, 0, False)})
    rounded = {**made.columns, "account_hash": np.array([2.0**63])}
    with pytest.raises(RosterContentsError, match="fractions"):
        write_roster(type(made)(**{**_fields(made), "columns": rounded}), tmp_path / "roster.bin")


def _fields(made):
    return {name: getattr(made, name) for name in made.__dataclass_fields__}


@pytest.mark.parametrize("text", [b"", b"x", b"SPIRITRO" + b"\xff" * 64, b"PAR1" * 40])
def test_another_file_is_no_roster(tmp_path, text):
    (tmp_path / "it").write_bytes(text)
    with pytest.raises(RosterError):
        Roster(tmp_path / "it")


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(RosterError, match="cannot read"):
        Roster(tmp_path / "nowhere")


def test_a_new_version_is_refused_by_name(tmp_path, path, monkeypatch):
    from spiritsafe.roster import writing

    monkeypatch.setattr(writing, "VERSION", "2.0")
    write_roster(contents(), tmp_path / "it")
    with pytest.raises(RosterError, match=r"roster/2\.0"):
        Roster(tmp_path / "it")


def test_reading_one_loads_no_analytical_library(path):
    script = (
        "import sys\nfrom pathlib import Path\nfrom spiritsafe.roster import Roster\n"
        f"Roster(Path({str(path)!r})).standing(1)\n"
        "print(sorted({n.split('.')[0] for n in sys.modules} & {'pyarrow', 'duckdb', 'ibis', 'scipy', 'pandas'}))"
    )
    assert fresh_python(script).strip() == "[]"


def test_a_reader_keeps_the_old_roster_while_a_new_one_is_put_in_its_place(tmp_path):
    path = small(tmp_path / "roster.bin")
    before = Roster(path)
    write_roster(contents(), Path(path))
    assert before.standing(hashed("ann")).campaign == 0
    assert Roster(path).accounts == 0


@pytest.mark.parametrize("data", [b"", b"x" * 50, b"x" * 100_000])
def test_a_file_that_is_overwritten_in_place_changes_nothing_in_force(tmp_path, data):
    path = small(tmp_path / "roster.bin")
    before = Roster(path)
    path.write_bytes(data)
    assert before.standing(hashed("ann")).campaign == 0
    assert before.campaign(1).key == "c2"
