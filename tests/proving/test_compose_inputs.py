"""What the composer is given: recipes, prompt sets, traffic, networks, the sample that ships, the command."""

import csv
import json
import re
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spiritsafe.cli.prove import prove
from spiritsafe.proving.clients import HUMAN_CURVES, Streams, build_clients, read_clients
from spiritsafe.proving.model import ARCHETYPES, DAY_US, HOUR_US, LOOK_ALIKES, VARIANTS, PoolError, RecipeError
from spiritsafe.proving.network import COUNTRIES, COUNTRY_CODES, NETWORK_KINDS, countries_writing, read_networks
from spiritsafe.proving.pools import assign_splits, build_pools, read_prompts, sample_folder
from spiritsafe.proving.recipes import PRESETS, CampaignSpec, Recipe, adjusted, load_recipe, preset

ALLOWED = re.compile(r"(MIT|Apache-2\.0|CC-BY-\d\.0)( \((repo|MMLU|Do-Not-Answer)\))?")


def test_no_row_ships_without_a_licence_that_allows_it():
    table = pq.read_table(sample_folder() / "prompts.parquet")
    found = set(table["license"].to_pylist())
    assert found
    assert all(ALLOWED.fullmatch(licence or "") for licence in found), found
    assert not any("sharegpt" in source or "alpaca" in source for source in set(table["source"].to_pylist()))


def test_every_source_that_ships_is_credited():
    credits_ = (sample_folder() / "NOTICE").read_text(encoding="utf-8")
    sources = set(pq.read_table(sample_folder() / "prompts.parquet", columns=["source"])["source"].to_pylist())
    for source in sources:
        name = source.split("/")[-1] if source.startswith("qwen-math-eval") else source.replace("-v2.0", "")
        assert name.removesuffix("-v0.1") in credits_, source
    for owner in ("ServeGen", "RouteViews", "DB-IP.com", "nro.net"):
        assert owner in credits_


def test_the_sample_is_small():
    assert sum(file.stat().st_size for file in sample_folder().iterdir()) < 3_000_000


def test_known_networks_have_a_country_and_a_kind():
    with (sample_folder() / "networks.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["kind"] for row in rows} == set(NETWORK_KINDS)
    assert len({row["asn"] for row in rows}) == len(rows)
    assert {row["country"] for row in rows} & set(COUNTRY_CODES)


@pytest.mark.parametrize("language", ["en", "zh", "es", "ru", "fr", "de", "pt"])
def test_somebody_writes_every_language(language: str):
    weights = countries_writing(language)
    assert weights.sum() == pytest.approx(1.0)
    assert all(language in COUNTRIES[code][2] for code, weight in zip(COUNTRY_CODES, weights, strict=True) if weight)


def test_addresses_lie_in_the_ranges_of_their_network():
    folder = sample_folder()
    networks = read_networks(folder / "ranges.parquet")
    table = pq.read_table(folder / "ranges.parquet")
    start, end, asn = (table[name].to_numpy() for name in ("ip_start", "ip_end", "asn"))
    rng = np.random.default_rng(1)
    kinds = rng.integers(0, len(NETWORK_KINDS), 400)
    value, number, _ = networks.draw(rng, kinds, rng.integers(0, len(COUNTRY_CODES), 400))
    for address, owner in zip(value, number, strict=True):
        assert ((start <= address) & (address <= end) & (asn == owner)).any()


def test_whole_sources_are_held_out_and_both_splits_have_every_use():
    columns = read_prompts([sample_folder() / "prompts.parquet"])
    dev, test = (build_pools(columns, split=split) for split in ("dev", "test"))
    assert not set(dev.used["items"]) & set(test.used["items"])
    assert set(dev.used["items"]) == set(test.held_out)
    for pools in (dev, test):
        assert {source.tag for source in pools.sources} >= {"math", "passage"}
    texts = [{pools.text[row] for source in pools.sources for row in source.rows} for pools in (dev, test)]
    assert len(texts[0] & texts[1]) <= 0.01 * min(map(len, texts))
    talks = [{rows for found in pools.conversations.values() for rows in found} for pools in (dev, test)]
    assert not talks[0] & talks[1]


@given(
    st.dictionaries(
        st.text(min_size=1, max_size=8),
        st.dictionaries(st.sampled_from(["math/en", "code/en", "passage/zh"]), st.integers(1, 500), min_size=1),
        min_size=2,
        max_size=20,
    )
)
def test_splitting_is_deterministic_and_uses_every_source_once(units: dict[str, dict[str, int]]):
    sides = assign_splits(units)
    assert sides == assign_splits(dict(reversed(list(units.items()))))
    assert sides.keys() == units.keys()
    assert set(sides.values()) <= {"dev", "test"}


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_a_recipe(name: str):
    recipe = preset(name)
    assert recipe.name in (name, recipe.name)
    assert recipe.accounts > 500
    assert load_recipe(name) == recipe


def test_look_alikes_reach_3000_accounts_of_30_organisations_in_a_dozen_seeds():
    recipe = preset("look-alikes")
    assert set(recipe.look_alikes) == set(LOOK_ALIKES)
    assert not recipe.campaigns
    for kind, spec in recipe.look_alikes.items():
        assert 12 * spec.organisations >= 30, kind
        # A group has 0.7 to 1.3 times the accounts; a twentieth may stay idle.
        assert 12 * spec.organisations * spec.accounts * 0.95 >= 3_000, kind


def test_the_floor_has_every_archetype_at_every_stealth_and_every_variant():
    for name, split in (("floor-dev", "dev"), ("floor-test", "test")):
        recipe = preset(name)
        assert recipe.split == split
        cells = {(spec.archetype, spec.stealth) for spec in recipe.campaigns if spec.variant == "plain"}
        assert cells == {(code, level) for code in ARCHETYPES for level in range(5)}
        assert {spec.variant for spec in recipe.campaigns} == set(VARIANTS)


def test_a_recipe_in_a_file(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(
        'name = "mine"\nconsumers = 12\ndevelopers = 3\n[look_alikes.class]\norganisations = 1\naccounts = 9\n'
        '[[campaigns]]\narchetype = "E"\nvariant = "pivot"\nstealth = 2\naccounts = 11\n'
    )
    recipe = load_recipe(str(file))
    assert recipe.campaigns == (CampaignSpec("E", "pivot", 2, 11),)
    assert recipe.look_alikes["class"].accounts == 9


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('name = "x"\n[[campaigns]]\narchetype = "Z"\n', "archetype"),
        ('name = "x"\n[[campaigns]]\narchetype = "A"\nvariant = "loud"\n', "variant"),
        ('name = "x"\n[[campaigns]]\narchetype = "A"\naccounts = 3\n', "accounts"),
        ('name = "x"\n[look_alikes.cat]\naccounts = 9\n', "cat"),
        ('name = "x"\nsplit = "prod"\n', "prod"),
        ('name = "x"\ncolour = 1\n', "colour"),
        ("consumers = 3\n", "name"),
        ("name = \n", "mine.toml"),
    ],
)
def test_a_recipe_that_asks_for_what_there_is_not_is_refused(tmp_path, text: str, said: str):
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(RecipeError, match=said):
        load_recipe(str(tmp_path / "mine.toml"))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.binary(max_size=200))
def test_any_bytes_as_a_recipe_are_a_recipe_or_a_clear_refusal(tmp_path, data: bytes):
    file = tmp_path / "fuzz.toml"
    file.write_bytes(data)
    try:
        recipe = load_recipe(str(file))
    except RecipeError as error:
        hint = error.hint
        assert hint
    else:
        assert isinstance(recipe, Recipe)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(st.binary(max_size=300))
def test_any_bytes_as_an_input_table_are_refused_with_a_way_out(tmp_path, data: bytes):
    file = tmp_path / "fuzz.parquet"
    file.write_bytes(data)
    for read in (lambda path: read_prompts([path]), read_clients, read_networks):
        with pytest.raises(PoolError) as caught:
            read(file)
        assert caught.value.hint


def test_a_folder_without_prompt_sets_is_named(tmp_path):
    empty = tmp_path / "prompts"
    empty.mkdir()
    for paths in ([empty], [sample_folder() / "prompts.parquet", empty]):
        with pytest.raises(PoolError, match=r"the folder .*prompts holds no prompt set") as caught:
            read_prompts(paths)
        assert "*.parquet" in caught.value.hint


@pytest.mark.parametrize("cast", ["", "matched = 0.06\n[[matched_only]]\narchetype = 'A'\naccounts = 8\n"])
def test_a_recipe_of_nobody_is_refused_and_leaves_nothing(tmp_path, cast: str):
    file = tmp_path / "nobody.toml"
    file.write_text(f'name = "nobody"\nconsumers = 0\ndevelopers = 0\n{cast}')
    failed = CliRunner().invoke(prove, ["--recipe", str(file), "--out", str(tmp_path / "w"), "--quiet"])
    assert isinstance(failed.exception, RecipeError)
    assert "no account" in str(failed.exception)
    assert failed.exception.hint
    assert not (tmp_path / "w").exists()


def test_a_table_without_a_column_is_named(tmp_path):
    file = tmp_path / "prompts.parquet"
    pq.write_table(pa.table({"prompt": ["a"], "source": ["b"]}), file)
    with pytest.raises(PoolError, match=r"prompts\.parquet") as caught:
        read_prompts([file])
    assert "ref_output_chars" in caught.value.hint


def test_a_world_of_another_size_keeps_its_proportions():
    recipe = preset("demo")
    big = adjusted(recipe, accounts=10 * recipe.accounts, requests=1_000_000)
    assert big.accounts == pytest.approx(10 * recipe.accounts, rel=0.1)
    assert big.requests_per_account * big.accounts == pytest.approx(1_000_000, rel=0.1)
    assert all(spec.accounts >= 8 for spec in adjusted(recipe, accounts=500).campaigns)
    assert {spec.stealth for spec in adjusted(recipe, stealth=3).campaigns} == {3}
    assert adjusted(recipe, days=5, split="test").split == "test"


def test_arrivals_stay_in_their_window_and_keep_their_number():
    clients = read_clients(sample_folder() / "clients.parquet")
    rng = np.random.default_rng(4)
    size = 60
    curve = np.concatenate([clients.program_curve(rng, size // 2), clients.human_curve(rng, size // 2)])
    start = rng.integers(0, 3 * DAY_US, size)
    streams = Streams(
        count=rng.integers(1, 80, size),
        curve=curve,
        shift_us=clients.shift_us(rng, curve, rng.uniform(-10, 10, size)),
        start_us=start,
        end_us=start + rng.integers(DAY_US, 20 * DAY_US, size),
        cv=np.full(size, 2.0),
    )
    times = clients.arrivals(rng, streams)
    stream = np.repeat(np.arange(size), streams.count)
    assert len(times) == streams.count.sum()
    slack = 2_000_000
    assert (times >= streams.start_us[stream] - slack).all()
    assert (times <= streams.end_us[stream] + slack).all()
    inside = np.diff(stream) == 0
    assert (np.diff(times)[inside] >= 0).all()


def test_people_sleep_and_programs_need_not():
    clients = read_clients(sample_folder() / "clients.parquet")
    rng = np.random.default_rng(5)

    def hours(curve: np.ndarray) -> np.ndarray:
        size = len(curve)
        streams = Streams(
            np.full(size, 60), curve, clients.shift_us(rng, curve, np.zeros(size)),
            np.zeros(size, np.int64), np.full(size, 28 * DAY_US), np.ones(size),
        )  # fmt: skip
        times = clients.arrivals(rng, streams)
        return np.bincount(times // HOUR_US % 24, minlength=24) / len(times)

    people, programs = hours(clients.human_curve(rng, 200)), hours(clients.program_curve(rng, 200))
    assert people[2:6].sum() < 0.1
    assert people[2:6].sum() < 0.7 * programs[2:6].sum()
    assert clients.real > 100
    assert len(clients.cv) == clients.real + HUMAN_CURVES


def test_too_few_clients_are_refused():
    one = np.zeros(20, dtype=np.int64)
    with pytest.raises(PoolError, match="1 clients"):
        build_clients(one, np.arange(20) * 3600, np.ones(20), np.ones(20))


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(prove, arguments, catch_exceptions=False)
    return result.exit_code, result.output


def test_bare_prove_composes(tmp_path):
    file = tmp_path / "tiny.toml"
    file.write_text('name = "tiny"\nconsumers = 20\ndevelopers = 6\n[[campaigns]]\narchetype = "A"\naccounts = 8\n')
    code, said = run("--preset", str(file), "--out", str(tmp_path / "world"), "--seed", "2", "--days", "4", "--quiet")
    assert code == 0
    assert "accounts of 1 campaigns" in said
    assert (tmp_path / "world" / "truth" / "exchanges.parquet").is_file()
    code, said = run(
        "compose", "--preset", str(file), "--out", str(tmp_path / "again"), "--seed", "2", "--days", "4", "--json"
    )
    facts = json.loads(said)
    assert (
        facts["counts"]["requests"]
        == msgspec.json.decode((tmp_path / "world" / "truth" / "world.json").read_bytes())["counts"]["requests"]
    )


def test_the_command_teaches():
    assert "stealth-2" in run("--list")[1]
    said = run("compose", "--help")[1]
    assert "Examples:" in said
    assert all(f"{level} " in said for level in range(5))
    assert "audit" in run("--help")[1]
    assert run("--seed", "1")[0] == 2
    assert run("--size", "huge", "--out", "x")[0] == 2


def test_a_wish_that_is_overruled_is_said_with_what_overruled_it(tmp_path: Path):
    out = ("--out", str(tmp_path / "w"), "--quiet")
    done = CliRunner().invoke(prove, ["--size", "30", "--requests", "100", *out], catch_exceptions=False)
    size, requests = done.stderr.splitlines()
    assert size.startswith("warning --size 30: this world has ")
    assert "8 accounts a campaign" in size
    assert requests.startswith("warning --requests 100: this world has ")
    assert "about 150 requests" in requests
    assert "warning" not in done.stdout


def test_a_stealth_without_a_campaign_is_said_and_a_wish_that_is_met_is_not(tmp_path: Path):
    file = tmp_path / "calm.toml"
    file.write_text('name = "calm"\nconsumers = 20\ndevelopers = 20\n')
    out = ("--preset", str(file), "--out", str(tmp_path / "w"), "--json")
    done = CliRunner().invoke(prove, ["--stealth", "4", *out], catch_exceptions=False)
    assert done.stderr == "warning --stealth 4: the recipe calm has no campaign to put at that level\n"
    assert json.loads(done.stdout)["recipe"]["campaigns"] == []
    done = CliRunner().invoke(prove, ["--size", "80", "--requests", "2000", *out], catch_exceptions=False)
    assert not done.stderr


def test_a_size_may_be_a_number_of_accounts(tmp_path: Path):
    given = ["--preset", "bench", "--size", "150", "--requests", "1500", "--out", str(tmp_path / "w"), "--json"]
    done = CliRunner().invoke(prove, given, catch_exceptions=False)
    assert done.exit_code == 0
    counts = json.loads(done.stdout)["counts"]
    assert 100 < counts["accounts"] < 260
    assert 1_000 < counts["requests"] < 4_000
