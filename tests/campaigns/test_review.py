"""A review set is a random sample by strata, and what is concluded from it covers the truth as often as it says."""

import contextlib
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spiritsafe.campaigns.review import ACCUSED, SHARES, STRATA, Label, drawn, estimates, stratified
from spiritsafe.campaigns.review_files import (
    Drawn,
    Key,
    LabelError,
    ReviewError,
    read_key,
    read_sheet,
    sheet,
    write_key,
)
from spiritsafe.errors import InputError
from spiritsafe.stats import Interval, exact_count

SIZES = {"accused_surely": 300, "accused_less_surely": 40, "grouped": 500, "busiest": 400, "others": 3_600}
CAMPAIGN = {"accused_surely": 0.96, "accused_less_surely": 0.7, "grouped": 0.2, "busiest": 0.02, "others": 0.002}


def population(random):
    """Strata of accounts, and which of them are a campaign's."""
    strata = {name: [f"{name}-{n:05}" for n in range(size)] for name, size in SIZES.items()}
    guilty = {name: set(random.choice(ids, round(CAMPAIGN[name] * len(ids)), False)) for name, ids in strata.items()}
    return strata, guilty


def reviewed(strata, guilty, *, size, seed):
    chosen = drawn(strata, size=size, seed=seed)
    labels: dict[str, list[Label]] = {
        name: ["campaign" if one in guilty[name] else "innocent" for one in ids] for name, ids in chosen.items()
    }
    return estimates(SIZES, labels)


def test_the_bounds_hold_for_nineteen_reviews_of_twenty():
    random = np.random.default_rng(1)
    held: Counter[str] = Counter()
    for seed in range(200):
        strata, guilty = population(random)
        found = reviewed(strata, guilty, size=150, seed=seed)
        accused = sum(len(guilty[name]) for name in ACCUSED)
        missed = sum(len(guilty[name]) for name in guilty if name not in ACCUSED)
        truth = {
            "precision": accused / sum(SIZES[name] for name in ACCUSED),
            "missed": missed,
            "recall": accused / (accused + missed),
        }
        for name, value in truth.items():
            one: Interval = getattr(found, name)
            held[name] += one.low - 1e-9 <= value <= one.high + 1e-9
    assert min(held.values()) >= 190


def test_who_looks_at_everybody_knows():
    strata, guilty = population(np.random.default_rng(2))
    found = reviewed(strata, guilty, size=10_000, seed=0)
    assert found.reviewed == sum(SIZES.values())
    assert found.precision.low == found.precision.high == pytest.approx(found.precision.value)
    assert found.missed.low == found.missed.high == sum(len(guilty[name]) for name in guilty if name not in ACCUSED)


def test_the_unsure_widen_the_bounds_and_do_not_move_the_middle():
    sizes = {"accused_surely": 100, "others": 1_000}
    sure: list[Label] = ["campaign"] * 18 + ["innocent"] * 2  # type: ignore[assignment]
    others: list[Label] = ["innocent"] * 20
    unsure: list[Label] = ["unsure"] * 5
    plain = estimates(sizes, {"accused_surely": sure, "others": others})
    doubtful = estimates(sizes, {"accused_surely": sure + unsure, "others": others})
    assert plain.precision is not None
    assert doubtful.precision is not None
    assert doubtful.precision.value == plain.precision.value == 0.9
    assert doubtful.precision.low < plain.precision.low
    assert doubtful.precision.high >= plain.precision.high


def test_nothing_reviewed_says_nothing():
    found = estimates(SIZES, {})
    assert found.precision is not None
    assert found.recall is not None
    assert (found.precision.low, found.precision.high) == (0.0, 1.0)
    assert (found.missed.low, found.missed.high) == (0.0, 4_500.0)
    assert (found.recall.low, found.recall.high) == (0.0, 1.0)
    assert estimates({"others": 10}, {}).precision is None
    assert estimates({"others": 10}, {"others": ["innocent"] * 10}).recall is None


def test_a_sample_is_spread_as_stated_and_what_a_stratum_lacks_goes_to_the_others():
    strata, _ = population(np.random.default_rng(3))
    assert {name: len(ids) for name, ids in drawn(strata, size=200, seed=0).items()} == {
        name: share * 200 for name, share in SHARES.items()
    }
    small = strata | {"accused_surely": [], "accused_less_surely": ["a"]}
    counts = {name: len(ids) for name, ids in drawn(small, size=200, seed=0).items()}
    assert sum(counts.values()) == 200
    assert counts["accused_less_surely"] == 1
    assert drawn(strata, size=200, seed=0) == drawn(strata, size=200, seed=0) != drawn(strata, size=200, seed=1)
    assert sum(map(len, drawn({name: ids[:3] for name, ids in strata.items()}, size=50, seed=0).values())) == 15


def test_strata_follow_the_verdict_the_probability_and_the_volume():
    accounts = pa.table(
        {
            "account_id": [f"a{n:02}" for n in range(24)],
            "exchanges": [5] * 4 + list(range(20)),
            "verdict": ["campaign", "campaign", "open_coordination", "coordinated_unknown", *[None] * 20],
        }
    )
    members = pa.table({"account_id": ["a00", "a01"], "probability": [0.95, 0.6]})
    found = stratified(accounts, members)
    assert found["accused_surely"] == ["a00"]
    assert found["accused_less_surely"] == ["a01"]
    assert found["grouped"] == ["a02", "a03"]
    assert found["busiest"] == ["a22", "a23"]
    assert len(found["others"]) == 18
    assert set(found) == set(STRATA)


def test_exact_counts_cover_what_they_say_whatever_the_truth():
    random = np.random.default_rng(4)
    for population_, marked, size in ((60, 0, 12), (60, 3, 12), (60, 30, 25), (900, 20, 100), (900, 899, 40)):
        hits = random.hypergeometric(marked, population_ - marked, size, 300)
        held = [(one := exact_count(int(hit), size, population_)).low <= marked <= one.high for hit in hits]
        assert np.mean(held) >= 0.93


@pytest.fixture
def drawn_key():
    rows = tuple(Drawn(f"r{n:04}", f"=acct-{n}", "others" if n % 2 else "accused_surely") for n in range(1, 7))
    return Key("0" * 64, 0, {"accused_surely": 3, "others": 9}, rows)


def fill(folder, key, labels, *, separator=",", before=""):
    shown = [{"review": one.review, "account_id": one.account_id, "note_": "a, b; c"} for one in key.drawn]
    lines = sheet(shown).splitlines()
    told = [lines[0]] + [f"{line[:-1]}{label}," for line, label in zip(lines[1:], labels, strict=True)]
    path = folder / "review.csv"
    path.write_text(before + "\n".join(line.replace(",", separator) for line in told) + "\n", "utf-8")
    return path


def test_a_formula_is_no_formula_in_the_sheet(drawn_key):
    assert ",'=acct-1," in sheet([{"review": "r0001", "account_id": "=acct-1", "x": None}])


@pytest.mark.parametrize("separator", [",", "\t"])
def test_a_sheet_that_went_through_a_spreadsheet_is_read(tmp_path, drawn_key, separator):
    shown = fill(tmp_path, drawn_key, ["Campaign", " innocent ", "UNSURE", "campaign", "", ""], before="\ufeff")
    text = shown.read_text("utf-8-sig").replace('"a, b; c"', "x").replace(",", separator)
    lines = text.splitlines()
    shown.write_text("\ufeff" + "\r\n".join([lines[0], *reversed(lines[1:])]) + "\r\n", "utf-8")
    found = read_sheet(shown, drawn_key)
    assert found.labels == {"others": ["campaign", "unsure"], "accused_surely": ["innocent", "campaign"]}
    assert (found.waiting, found.gaps) == (2, 0)


def test_a_row_left_out_between_others_counts_as_unsure(tmp_path, drawn_key):
    found = read_sheet(fill(tmp_path, drawn_key, ["campaign", "", "innocent", "", "", ""]), drawn_key)
    assert found.labels == {"others": ["campaign", "innocent"], "accused_surely": ["unsure"]}
    assert (found.waiting, found.gaps) == (4, 1)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda text: text.replace("campaign", "guilty", 1), LabelError),
        (lambda text: text.replace("r0002", "r0001"), ReviewError),
        (lambda text: text.replace("r0002", "r9999").replace("'=acct-2", "x").replace(",,", ",innocent,"), ReviewError),
        (lambda text: text.replace("label", "verdict"), ReviewError),
        (lambda text: "", ReviewError),
    ],
)
def test_a_sheet_that_cannot_be_right_is_refused(tmp_path, drawn_key, change, error):
    path = fill(tmp_path, drawn_key, ["campaign", "", "", "", "", ""])
    path.write_text(change(path.read_text("utf-8")), "utf-8")
    with pytest.raises(error):
        read_sheet(path, drawn_key)


@given(st.binary(max_size=400))
def test_any_bytes_are_a_sheet_or_an_error_of_ours(tmp_path_factory, blob):
    path = tmp_path_factory.mktemp("sheet") / "review.csv"
    path.write_bytes(b"review,label\n" + blob)
    key = Key("0" * 64, 0, {"others": 1}, (Drawn("r0001", "a", "others"),))
    with contextlib.suppress(InputError):
        assert read_sheet(path, key).waiting in (0, 1)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_key_or_an_error_of_ours(tmp_path_factory, blob):
    path = tmp_path_factory.mktemp("key") / "key.json"
    path.write_bytes(blob)
    with pytest.raises(ReviewError):
        read_key(path)


def test_a_key_comes_back_as_it_was_written(tmp_path, drawn_key):
    path = tmp_path / "key.json"
    path.write_bytes(write_key(drawn_key))
    assert read_key(path) == drawn_key
