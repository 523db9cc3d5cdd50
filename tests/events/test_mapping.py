"""A mapping file is data from a person's editor: it is read strictly, and does exactly what it says."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import pickle
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spiritsafe.events.mapping import (
    Mapping,
    MappingError,
    dump_mapping,
    load_mapping,
    parse_mapping,
)
from tests.events.mapping_examples import LEAST, mappings

# --- reading a mapping ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ('[requests.acount_id]\nfrom = "x"', "'account_id'"),
        ('[requests.account_id]\ntransfrom = "first"', "'transform'"),
        ('[request.account_id]\nfrom = "x"', "'requests'"),
        ('[requests.prompt]\nfrom = "x"\ntransform = "last_user_mesage"', "'last_user_message'"),
        ('[requests.time]\nfrom = "x"\nunit = "minutes"', "s, ms, us, ns"),
    ],
)
def test_a_slip_of_the_pen_is_told_with_the_nearest_name(text, hint):
    with pytest.raises(MappingError) as caught:
        parse_mapping(text)
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[requests.model]", "either `from` or `const`"),
        ('[requests.model]\nfrom = "a"\nconst = "b"', "not both"),
        ('[requests.model]\nfrom = ""', "empty"),
        ('[requests.model]\nfrom = "a"\nunit = "s"', "for times"),
        ('[requests.time]\nfrom = "a"\nunit = "s"\nformat = "%Y"', "numbers"),
        ('[requests.time]\nfrom = "a"\ntimezone = "Mars/Olympus"', "no time zone"),
        ('timezone = "../../etc/passwd"', "no time zone"),
        ('[requests.stream]\nfrom = "a"\ntransform = "last_user_message"', "gives text"),
        ('[requests.stream]\nfrom = "a"\nvalues = { yes = "true" }', "no value for a column of type bool"),
        ("[requests.turn]\nconst = 3000000000", "int32"),
        ("[requests.temperature]\nconst = nan", "no value"),
        ('[requests.client_ip]\nfrom = "a"\nhop = 2', "forwarded_for"),
        ('[requests.client_ip]\nfrom = "a"\ntransform = "forwarded_for"\nhop = 0', "1..32"),
        ('[requests.model]\nfrom = "a"\njoin = "-"', "two or more"),
        ('schema = "mapping/2.0"', "mapping/2.0"),
        ("[requests.model]\nfrom = 1", "from"),
        ("requests = 1", "requests"),
        ("= [", "not TOML"),
    ],
)
def test_what_cannot_be_meant_is_refused(text, words):
    with pytest.raises(MappingError, match=words.replace("|", r"\|")):
        parse_mapping(text)


def test_a_missing_binary_or_huge_mapping_file_is_a_clear_error(tmp_path: Path):
    with pytest.raises(MappingError, match="cannot read"):
        load_mapping(tmp_path / "none.toml")
    with pytest.raises(MappingError, match="cannot read"):
        load_mapping(tmp_path)
    (tmp_path / "log.toml").write_bytes(b"x" * (1 << 21))
    with pytest.raises(MappingError, match="a mapping has a few thousand"):
        load_mapping(tmp_path / "log.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(MappingError, match="not TOML"):
        load_mapping(tmp_path / "binary.toml")


@pytest.mark.parametrize("word", ["s", "sec", "seconds", "second"])
def test_units_may_be_written_out(word):
    assert parse_mapping(f'[requests.time]\nfrom = "t"\nunit = "{word}"').requests["time"].unit == "s"


@given(mappings(), st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=30), max_size=3))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_is_written_is_read_again_whatever_the_names(mapping, comments):
    notes = {f"requests.{name}": comments for name in mapping.requests}
    text = dump_mapping(mapping, notes=notes, closing=comments)
    assert parse_mapping(text.encode()) == mapping
    assert pickle.loads(pickle.dumps(mapping)) == mapping


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
@settings(max_examples=200, deadline=None)
def test_no_bytes_raise_anything_but_our_error(content):
    with contextlib.suppress(MappingError):
        assert isinstance(parse_mapping(content), Mapping)


_trees = st.recursive(
    st.booleans() | st.integers(-(10**30), 10**30) | st.floats() | st.text(max_size=8) | st.datetimes(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([
        "from", "const", "values", "unit", "time", "requests", "accounts", "model", "carry", "schema", "hop", "x"]),
        inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value.encode("utf-8", "replace").decode(), ensure_ascii=True).replace("\\ud", "\\u0")
    return value.isoformat() if isinstance(value, dt.datetime) else repr(value)


@given(st.dictionaries(st.sampled_from(["requests", "accounts", "carry", "timezone", "schema"]), _trees, max_size=4))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_toml_of_any_form_raises_anything_but_our_error(tree):
    text = "\n".join(f"{key} = {_toml(value)}" for key, value in tree.items())
    with contextlib.suppress(MappingError):
        assert isinstance(parse_mapping(text), Mapping)


def test_deep_nesting_is_refused():
    with pytest.raises(MappingError, match="not TOML"):
        parse_mapping("a = " + "[" * 50_000)


def test_a_value_from_the_log_cannot_leave_its_comment():
    evil = 'x\n[requests.account_id]\nfrom = "attacker"\n\x1b[2J\u2028'
    text = dump_mapping(parse_mapping(LEAST), notes={"requests.time": [evil], "requests.model": [evil]}, closing=[evil])
    assert parse_mapping(text).requests["account_id"].sources == ("a",)
    assert "\x1b" not in text
    assert "attacker" in text
    assert set(tomllib.loads(text)["requests"]) == {"event_id", "time", "account_id"}
