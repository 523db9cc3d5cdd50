"""A policy is checked whole: what it may not ask for, and what it misspells, is told and nothing of it is used."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import spiritsafe.guard
from spiritsafe.guard import Answer, PolicyError, read_policy
from spiritsafe.guard.policy import LIMIT_BYTES, parse_policy
from tests.guard.guards import RULES, policy

SHIPPED = sorted((Path(spiritsafe.guard.__file__).parent / "policies").glob("*.toml"))
HEAD = 'schema = "guard_policy/1"\nname = "p"\nversion = 1\n'


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_policy_is_valid_and_acts_on_nobody(path):
    assert read_policy(path).mode == "shadow"


def test_a_policy_has_its_digest_and_its_rules_in_order():
    found = policy()
    assert [rule.name for rule in found.rules] == ["members", "newcomers", "signs"]
    assert found.rules[0].given is Answer.BLOCK
    assert len(found.sha256) == 64
    assert found.sha256 != policy(version=2).sha256


@pytest.mark.parametrize(
    ("rules", "says"),
    [
        ('[[rule]]\nname = "x"\nanswer = "throttle"\nkinds = 1', "one kind of evidence"),
        ('[[rule]]\nname = "x"\nanswer = "block"\nkinds = 0', ">= 1"),
        ('[[rule]]\nname = "x"\nanswer = "blok"', "blok"),
        ('[[rule]]\nname = "x"\nanswer = "block"\nprobabilty = 0.9', "probabilty"),
        ('[[rule]]\nname = "x"\nanswer = "block"\nprobability = 1.9', "<= 1"),
        ('[[rule]]\nname = "x"\nanswer = "block"\nholds_hours = nan', "holds_hours"),
        ('[[rule]]\nname = "x"\nanswer = "block"\nfree_per_hour = -1', ">= 0"),
        ('[[rule]]\nname = "x"\nanswer = "block"\nmodels = []', "no model"),
        ('[[rule]]\nname = "x"\nanswer = "degrade"', "names no measure"),
        ('[[rule]]\nname = "x"\nanswer = "block"\nmeasures = ["no_logprobs"]', "does not degrade"),
        ('[[rule]]\nname = "x"\nanswer = "degrade"\nmeasures = ["poison"]', "poison"),
        ('[[rule]]\nname = "x"\nanswer = "block"\n[[rule]]\nname = "x"\nanswer = "allow"', "two rules"),
        ('[[rule]]\nanswer = "block"', "name"),
        ("[[rule]", "no TOML"),
        ('sha256 = 5\nmod = "shadow"', "mod"),
    ],
)
def test_what_is_wrong_is_told(rules, says):
    with pytest.raises(PolicyError, match=says) as caught:
        parse_policy((HEAD + rules).encode(), where="p.toml")
    assert "p.toml" in str(caught.value)
    assert caught.value.hint


def test_who_enforces_says_where_to_appeal():
    with pytest.raises(PolicyError, match="appeal"):
        parse_policy((HEAD + 'mode = "enforce"\n' + RULES).encode(), where="p.toml")


@pytest.mark.parametrize("schema", ['schema = "guard_policy/2"', "", 'schema = "other/1"'])
def test_another_version_is_refused(schema):
    with pytest.raises(PolicyError, match="schema"):
        parse_policy(f'{schema}\nname = "p"\nversion = 1\n'.encode(), where="p.toml")


def test_a_gigantic_or_missing_file_is_refused(tmp_path):
    (tmp_path / "big").write_bytes(b"#" * (LIMIT_BYTES + 1))
    for name in ("big", "missing"):
        with pytest.raises(PolicyError):
            read_policy(tmp_path / name)


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: (HEAD + text).encode("utf-8", "replace")))
def test_any_bytes_are_a_policy_or_an_error(text):
    with contextlib.suppress(PolicyError):
        parse_policy(text, where="it")
