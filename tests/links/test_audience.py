"""Rarity is counted among accounts that talk alike: a language that few write ties nobody who writes it."""

import ibis
import numpy as np
import pyarrow as pa
import pytest

from spiritsafe.campaigns.holdings import weigh
from spiritsafe.links.audience import (
    COMMON_MINIMUM,
    HOLDERS,
    HOLDERS_SHARE,
    MANY,
    THEIRS,
    audiences,
    common_phrases,
)
from spiritsafe.links.weights import rarity_bits


def table(pairs):
    account, phrase = zip(*sorted(pairs), strict=True)
    return pa.table({"account": pa.array(account, pa.int64()), "phrase": pa.array(phrase, pa.int64())})


def words(pairs):
    account, word = zip(*sorted(pairs), strict=True)
    return pa.table({"account": pa.array(account, pa.int32()), "word": pa.array(word, pa.int32())})


def slowly(habits, common, accounts):
    """By the definition, one phrase at a time."""
    said: dict[int, set[int]] = {}
    users: dict[int, set[int]] = {}
    for account, phrase in common:
        said.setdefault(account, set()).add(phrase)
        users.setdefault(phrase, set()).add(account)
    sizes = []
    for _, wanted in sorted(habits):
        holders = {account for account, phrase in habits if phrase == wanted}
        heard = {phrase: len(holders & who) for phrase, who in users.items()}
        least = max(HOLDERS, HOLDERS_SHARE * len(holders))
        talk = {phrase for phrase, count in heard.items() if least <= count <= len(users[phrase]) / 2}
        near = {account for account, words in said.items() if words & talk}
        theirs = {q for q, who in users.items() if len(who & near) >= max(THEIRS * len(who), HOLDERS)}
        alike = near | {account for account, words in said.items() if words & theirs}
        alike = set(said) if len(near) >= MANY * len(said) else alike
        sizes.append(max(round(len(alike) * accounts / len(said)), len(holders)) if alike else accounts)
    return sizes


def test_audiences_are_those_of_the_definition():
    random = np.random.default_rng(1)
    habits = {(int(a), int(p)) for a, p in zip(random.integers(0, 60, 150), random.integers(0, 20, 150), strict=True)}
    common = {(int(a), int(p)) for a, p in zip(random.integers(0, 60, 90), random.integers(0, 25, 90), strict=True)}
    told = audiences(table(habits), words(common), 60)
    assert told.tolist() == slowly(habits, common, 60)
    assert len(set(told.tolist())) > 5


@pytest.mark.parametrize("accounts", [3_000, 9_000])
def test_a_phrase_of_a_language_that_few_write_is_rare_only_among_those_who_write_it(accounts):
    few, holders = accounts // 30, accounts // 240
    random = np.random.default_rng(2)
    common = {(a, int(w)) for a in range(accounts) for w in random.integers(0, 40, 6) + (1_000 if a < few else 0)}
    theirs = {(a, 7) for a in range(holders)}  # one in eight of those who write it
    template = {(accounts - 1 - a, 8) for a in range(holders)}  # as many, who talk as most do
    habits = table(theirs | template)
    size = audiences(habits, words(common), accounts)
    of = dict(zip(habits["phrase"].to_pylist(), size.tolist(), strict=True))
    assert of[7] == pytest.approx(few, rel=0.15)
    assert of[8] == pytest.approx(accounts, rel=0.1)
    phrases = habits.append_column("requests", pa.array([9] * habits.num_rows))
    phrases = phrases.append_column("holders", pa.array([holders] * habits.num_rows))
    names = ("account", "thing", "value", "requests", "holders", "observed")
    nothing = pa.schema([(n, pa.string() if n in {"thing", "value"} else pa.int64()) for n in names]).empty_table()
    exchanges = np.full(accounts, 9)
    assert set(weigh(phrases, nothing, exchanges=exchanges).labels) == {"7", "8"}
    assert set(weigh(phrases, nothing, exchanges=exchanges, common=words(common)).labels) == {"8"}


def test_a_few_who_speak_two_languages_do_not_make_a_phrase_rare():
    """Of ninety who say it three speak English too: it is a phrase of their own language, and no stranger's."""
    random = np.random.default_rng(4)
    common = {(a, int(w)) for a in range(3_000) for w in random.integers(0, 40, 6) + (1_000 if a < 300 else 0)}
    common |= {(a, w) for a in range(3) for w in range(20)}
    assert audiences(table({(a, 7) for a in range(90)}), words(common), 3_000).max() < 400


def test_a_template_is_not_how_its_users_talk():
    """A campaign of forty in a log of two hundred: what it says is common, and says nothing of who talks alike."""
    random = np.random.default_rng(3)
    campaign = range(40)
    common = {(a, int(w)) for a in range(200) for w in random.integers(0, 30, 5)} | {(a, 99) for a in campaign}
    assert audiences(table({(a, 7) for a in campaign}), words(common), 200).min() > 180


def test_who_says_nothing_common_is_compared_with_all():
    assert audiences(table({(1, 5), (2, 5)}), words({(3, 9), (4, 9)}), 100).tolist() == [100, 100]


def test_common_is_what_many_accounts_have_said():
    rows = [{"account": a, "phrases": [1, 2 if a < COMMON_MINIMUM else 3, 100 + a]} for a in range(COMMON_MINIMUM + 3)]
    schema = pa.schema([("account", pa.int64()), ("phrases", pa.list_(pa.int64()))])
    requests = ibis.memtable(pa.Table.from_pylist(rows * 2, schema=schema))
    told = common_phrases(requests, ibis.memtable({"account": list(range(COMMON_MINIMUM + 3))})).to_pyarrow()
    assert sorted(told.group_by("word").aggregate([("account", "count")]).to_pylist(), key=repr) == [
        {"word": 0, "account_count": COMMON_MINIMUM + 3},
        {"word": 1, "account_count": COMMON_MINIMUM},
    ]


def test_bits_are_those_of_the_value_s_own_audience():
    bits = rarity_bits(np.array([4, 4]), np.array([1_000, 100]))
    assert bits.tolist() == [rarity_bits(np.array([4]), n)[0] for n in (1_000, 100)]
