"""A condition says what it says, whoever reads it, and what cannot be compared is no silent false."""

from __future__ import annotations

import operator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spiritsafe.playbooks.conditions import ConditionError, evaluate, parse_condition, variables_in

VALUES = {"__a__": "5", "__b__": "campaign", "__c__": "true", "__d_1__": "it's"}


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("__a__:value = 5", True), ("__a__ = 5", True), ("__a__:value == '5'", True), ("__a__:value = 5.0", True),
        ("__a__:value != 6", True), ("__a__:value > 4 AND __a__:value <= 5", True), ("__a__:value < 5", False),
        ("__b__:value = 'campaign'", True), ("__b__:value = 'Campaign'", False), ("__c__:value = true", True),
        ("__c__:value = false", False), ("__b__:value IN ('a', 'campaign')", True), ("__a__:value IN (1, 2)", False),
        ("__b__:value LIKE 'camp%'", True), ("__b__:value LIKE 'c_mpaign'", True), ("__b__:value LIKE 'c*'", False),
        ("NOT __a__:value = 5 OR __b__:value = 'campaign'", True), ("NOT (__a__:value = 5 OR __a__:value = 6)", False),
        ("__a__:value = 1 OR __a__:value = 5 AND __b__:value = 'x'", False), ("__d_1__:value = 'it\\'s'", True),
        ("'5' = __a__:value", True), ("__a__:value >= -3", True),
    ],
)  # fmt: skip
def test_conditions_hold_or_not(text, outcome):
    assert evaluate(parse_condition(text), VALUES) is outcome


@pytest.mark.parametrize(
    "text",
    [
        "", "__a__:value", "= 5", "__a__:value = ", "__a__:value = 5 6", "(__a__:value = 5", "__a__:value = 5)",
        "__a__:value === 5", "__a__:value = 'x", "__a__:value IN 5", "__a__:value IN ()", "__a__:value ~ 5",
        "__a__:value = 5 and __a__:value = 5", "a = 5", "(" * 50 + "__a__:value = 5" + ")" * 50,
        "NOT " * 50 + "__a__:value = 5", "__import__('os')",
    ],
)  # fmt: skip
def test_what_is_no_condition_is_refused(text):
    with pytest.raises(ConditionError) as caught:
        parse_condition(text)
    assert caught.value.hint


def test_a_variable_without_value_and_what_has_no_order_are_errors():
    with pytest.raises(ConditionError, match="__x__ has no value"):
        evaluate(parse_condition("__x__:value = 1"), VALUES)
    with pytest.raises(ConditionError, match="not both numbers"):
        evaluate(parse_condition("__b__:value > 1"), VALUES)


def test_the_variables_of_a_condition_are_told():
    assert variables_in(parse_condition("NOT __a__:value = 5 AND __b__ IN (__c__:value, 'x')")) == {
        "__a__", "__b__", "__c__",
    }  # fmt: skip


SIGNS = {"=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


@given(st.integers(-99, 99), st.sampled_from(sorted(SIGNS)), st.integers(-99, 99), st.booleans(), st.booleans())
def test_numbers_compare_as_in_python_and_words_join_as_in_python(left, sign, right, first, second):
    assert evaluate(parse_condition(f"__n__:value {sign} {right}"), {"__n__": str(left)}) is SIGNS[sign](left, right)
    values = {"__p__": str(first).lower(), "__q__": str(second).lower()}
    joined = "__p__:value = true {} NOT __q__:value = true"
    assert evaluate(parse_condition(joined.format("AND")), values) is (first and not second)
    assert evaluate(parse_condition(joined.format("OR")), values) is (first or not second)


@given(st.text(max_size=60))
def test_any_text_is_a_condition_or_refused(text):
    try:
        parse_condition(text)
    except ConditionError as error:
        assert str(error)  # noqa: PT017
