"""Phrasings say one thing in many ways, the same way for one seed; scrambling leaves no habitual phrase."""

import itertools
import random
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spiritsafe.links.phrases import HABIT_SHARE
from spiritsafe.proving.adaptive import (
    Attacker,
    Way,
    bill,
    cheapest,
    conduct_in,
    loudest_phrase,
    price_of_hiding,
    quiet,
    read_prices,
    ways,
)
from spiritsafe.proving.adversary import ways_to_skip
from spiritsafe.proving.campaigns import conduct_of
from spiritsafe.proving.grammar import compile_phrasing, mix, phrasings, read_grammar, say
from spiritsafe.proving.model import FAMILIES, LANGUAGES, Conduct, RecipeError
from spiritsafe.proving.rewording import change_details, jumble, personal, relayout, reword
from spiritsafe.proving.templates import follow_up, report_back, word
from spiritsafe.proving.work import DataList, private_frames
from spiritsafe.sketch.folding import words

PLAIN = st.text(alphabet="abc ,.éш数", min_size=1, max_size=6)
NESTED = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner, min_size=1, max_size=4).map(lambda parts: "[" + "|".join(parts) + "]"),
    max_leaves=12,
)


@given(st.lists(NESTED, max_size=5).map("".join), st.integers(0, 2**64 - 1))
def test_any_balanced_phrasing_says_one_of_its_own_words(text: str, seed: int):
    said = say(compile_phrasing(text), seed)
    assert said == say(compile_phrasing(text), seed)
    assert "[" not in said
    assert "]" not in said
    assert set(said) <= set(text)


@pytest.mark.parametrize("text", ["[a|b", "a]", "[[a|b]", "[a]]"])
def test_unbalanced_phrasings_are_refused(text: str):
    with pytest.raises(ValueError, match="unmatched"):
        compile_phrasing(text)


def test_numbers_and_names_are_drawn_within_bounds():
    phrasing = compile_phrasing("#3-7# @city@")
    said = {say(phrasing, seed) for seed in range(400)}
    assert {int(text.split(" ")[0]) for text in said} == {3, 4, 5, 6, 7}
    assert {text.split(" ", 1)[1] for text in said} <= set(read_grammar("items")["lexicon"]["city"])


@given(st.lists(st.integers(0, 2**64 - 1), max_size=4))
def test_mixing_stays_within_64_bits(numbers: list[int]):
    assert 0 <= mix(*numbers) < 2**64


def strings(node: object) -> list[str]:
    if isinstance(node, str):
        return [node]
    inside = node.values() if isinstance(node, dict) else node if isinstance(node, list) else []
    return [text for part in inside for text in strings(part)]


@pytest.mark.parametrize("name", [*LANGUAGES, "items"])
def test_every_phrasing_of_a_grammar_compiles(name: str):
    texts = strings({key: value for key, value in read_grammar(name).items() if key != "lexicon"})
    assert len(texts) > 20
    for text in texts:
        assert say(compile_phrasing(text), 1) is not None


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_family_has_a_template_in_every_language(language: str):
    for family in FAMILIES:
        wordings = {word(family, language, seed, house=True).prompt for seed in range(40)}
        assert len(wordings) > 35
        assert all(text.count("{item}") == 1 for text in wordings)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_dev_and_test_split_have_private_data_of_their_own(language: str):
    for tag in ("math", "code", "passage", "instruct", "tool"):
        dev, test = (private_frames(language, tag, split) for split in ("dev", "test"))
        assert dev
        assert test
        assert not set(map(repr, dev)) & set(map(repr, test))


def test_a_datum_with_braces_stays_as_it_is():
    datum = "f{other} {item} {{x}} }{"
    said = word("rubric", "en", 5, house=True).fill(datum, "an answer")
    assert datum in said
    assert "an answer" in said


def test_a_template_can_live_in_the_system_prompt():
    made = word("code", "en", 8, house=True, place="system")
    assert made.system
    assert "{item}" not in made.system
    assert "{item}" in made.prompt


@given(st.text(max_size=200), st.integers(0, 2**64 - 1))
def test_rewording_never_fails_and_never_empties(text: str, seed: int):
    for made in (
        reword(text, seed),
        relayout(text, seed),
        change_details(text, seed),
        personal(text, seed),
        jumble(text, seed, 40, "en"),
        jumble(text, seed, 40, "zh"),
    ):
        assert isinstance(made, str)
    assert bool(reword("Find the total of 3 numbers", seed))


def test_rewording_changes_words_and_keeps_numbers():
    text = "Please find the total number of people who bought 37 large boxes and explain each step carefully."
    made = {reword(text, seed) for seed in range(60)}
    assert len(made) > 40
    assert all("37" in other and "boxes" in other for other in made)


def test_changed_details_are_other_numbers_of_the_same_length_and_one_name_throughout():
    text = "Natalia has 48 apples. Natalia sells 1250 of them to Tom for x^12 and \\frac{10}{3}."
    made = [change_details(text, seed) for seed in range(30)]
    assert len(set(made)) > 25
    for text in made:
        numbers = re.findall(r"(?<![\w.\\{^_])\d{2,4}(?![\w}])", text)
        assert [len(number) for number in numbers] == [2, 4]
        first = text.split(" ")[0]
        assert text.count(first) == 2
        assert "x^12" in text


def test_jumbled_words_lose_their_runs_but_not_their_datum():
    text = "Put the final answer after the word {item} and keep it short for the reader"
    assert all("{item}" in jumble(text, seed, 60, "en") for seed in range(100))
    kept = sum("the final answer after" in jumble(text, seed, 60, "en") for seed in range(300))
    assert kept < 30


@pytest.mark.parametrize("family", FAMILIES)
def test_reworded_english_templates_keep_no_phrase_in_one_request_of_four(family: str):
    assert loudest_phrase(family, "en", 0, 0) < 0.25


@pytest.mark.parametrize("language", LANGUAGES)
def test_reworded_templates_keep_no_phrase_in_most_requests(language: str):
    for family in FAMILIES:
        assert loudest_phrase(family, language, 0, 0) < 0.5, family


@pytest.mark.parametrize("language", LANGUAGES)
def test_scrambling_is_quieter_the_more_of_it_there_is(language: str):
    for family in ("solve", "rubric", "code"):
        shares = [loudest_phrase(family, language, level, 0) for level in (0, 1, 2, 3, 4)]
        assert shares[0] > shares[2] >= shares[4] == 0.0
        assert shares[3] < 0.04


@pytest.mark.parametrize("stealth", [3, 4])
def test_from_stealth_3_on_no_phrase_of_a_template_is_in_two_requests_of_a_hundred(stealth: int):
    draws = random.Random(1).sample(range(10_000), 40)
    for seed in draws:
        archetype = "ABCEF"[seed % 5]
        conduct, way = conduct_of(np.random.default_rng(seed), archetype, "plain", stealth, 12)
        if stealth == 3:
            assert conduct.style == "bare"
            assert 0.4 <= conduct.ordinary_share <= 0.6
            continue
        assert way is not None
        for family in conduct.families:
            loud = loudest_phrase(family, conduct.language, way.scramble, way.rotate, conduct.place)
            assert loud * (1 - conduct.ordinary_share) < HABIT_SHARE


def test_the_optimiser_takes_the_cheapest_way_that_is_quiet():
    prices = read_prices()
    conduct = Conduct(families=("solve", "code"), language="en", workers=20)
    chosen = cheapest(conduct, Attacker(prices))
    assert quiet(conduct, chosen)
    price = {way: bill(way, prices, accounts=20, requests=600.0, days=14).usd for way in ways()}
    assert all(price[way] >= price[chosen] for way in ways() if quiet(conduct, way))
    assert any(price[way] < price[chosen] for way in ways())


def test_an_attacker_who_is_still_seen_goes_further_and_pays_more():
    prices = read_prices()
    conduct = Conduct(families=("solve",), language="en", workers=20)
    chosen = [cheapest(conduct, Attacker(prices, skipped)) for skipped in range(4)]
    costs = [bill(way, prices, accounts=20, requests=600.0, days=14).usd for way in chosen]
    assert len(set(chosen)) == 4
    assert costs == sorted(costs)
    assert cheapest(conduct, Attacker(prices, 99)) == Way(4, 0, 0.5)


def test_with_a_scan_in_the_loop_the_attacker_skips_what_it_sees_through():
    seen: list[Path] = []

    def accuse(folder: Path) -> set[str]:
        seen.append(folder)
        guilty = pq.read_table(folder / "truth" / "accounts.parquet").to_pylist()
        # A scan that sees through the first two ways.
        return {row["account_id"] for row in guilty if row["campaign_id"]} if len(seen) < 3 else set()

    assert ways_to_skip(["A"], accuse=accuse, accounts=8) == 2
    assert len(seen) == 3
    # Where everybody is accused, honest developers too, there is nothing to hide from.
    assert ways_to_skip(["A"], accuse=accuse_all, accounts=8, tries=1) == 0
    seen.clear()
    assert ways_to_skip(["A"], accuse=accuse, accounts=8, tries=1) == len(list(ways()))


def accuse_all(folder: Path) -> set[str]:
    return set(pq.read_table(folder / "truth" / "accounts.parquet")["account_id"].to_pylist())


def test_hiding_unlinks_staggers_and_changes_data():
    conduct = Conduct(families=("solve",), workers=20, deal="even", items="public")
    made = conduct_in(conduct, Way(3, 0, 0.25))
    assert (made.deal, made.staggered, made.items, made.style) == ("own", True, "changed", "reworded")
    assert made.ordinary_share == 0.25
    assert conduct_in(conduct, Way(4, 0, 0.0)).style == "bare"
    assert conduct_in(conduct, Way(0, 60, 0.0)).rotate == 60


def test_the_price_of_hiding_is_told_beside_the_price_in_the_open():
    prices = read_prices()
    told = price_of_hiding(Way(3, 0, 0.5), prices, accounts=80, requests=2_400, days=14)
    # Worth 0.75 an answer, half of the requests ordinary: 2.67 times the accounts and requests.
    assert told["in_the_open"]["accounts"] == 30
    assert told["hidden"]["accounts"] == 80
    assert told["hidden"]["requests_a_day"] == pytest.approx(2_400 / 14, rel=0.01)
    assert told["times_dearer"] > 2


@pytest.mark.parametrize(
    "change",
    ["account_usd = -1.0", "worth = [1.0, 0.9, 0.8, 0.7, 0.0]", "worth = [1.0]", "surprise = 1", "account_usd ="],
)
def test_a_broken_price_list_is_refused(tmp_path, change: str):
    from importlib import resources

    text = (resources.files("spiritsafe.proving") / "prices.toml").read_text(encoding="utf-8")
    key = change.partition(" ")[0]
    lines = [line for line in text.splitlines() if not line.startswith(key)]
    (tmp_path / "prices.toml").write_text("\n".join([*lines, change]), encoding="utf-8")
    with pytest.raises(RecipeError, match=r"price"):
        read_prices(tmp_path / "prices.toml")


def test_agents_report_back_in_a_format_of_their_own_and_people_follow_up():
    people = {follow_up("en", mix(seed)) for seed in range(80)}
    agents = {report_back("en", 5, mix(seed)) for seed in range(80)}
    assert len(people) > 40
    assert len(agents) > 75
    assert not people & agents
    assert phrasings("en", "shared", "log")


def test_private_data_of_unrelated_houses_share_next_to_no_phrase(pantry):
    """Else the private data of strangers would tie them: what is habitual for one must be rare for another."""
    for language in ("en", "zh", "es"):
        for tag in ("passage", "math", "code"):
            houses = [habits(pantry, tag, language, seed) for seed in range(8)]
            common = [len(one & other) for one, other in itertools.combinations(houses, 2)]
            assert np.median([len(house) for house in houses]) > 5
            assert np.median(common) <= 4, (language, tag)


def habits(pantry, tag: str, language: str, seed: int) -> set[tuple[bytes, ...]]:
    data = DataList(pantry.pools, tag, language, kind="own", need=40, shuffle_seed=mix(seed, 5), split="dev")
    tally = Counter(run for position in range(40) for run in set(runs(data.text(position))))
    return {run for run, count in tally.items() if count >= 3}


def runs(text: str) -> list[tuple[bytes, ...]]:
    said = words(text)
    return [tuple(said[at : at + 4]) for at in range(len(said) - 3)]
