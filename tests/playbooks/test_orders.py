"""An order is exactly what was asked: no value of a variable changes whom it calls or what it asks."""

from __future__ import annotations

import json
from urllib.parse import unquote, urlsplit

from hypothesis import given
from hypothesis import strategies as st

from spiritsafe.playbooks.machine import begin, ready
from spiritsafe.playbooks.orders import Order, Reach, order_of
from spiritsafe.playbooks.reading import read_playbook
from tests.cases.runs import gateway, line, step
from tests.playbooks.made import GATEWAY, written

NAME = {"__name__": {"type": "string", "external": True}}
VALUES = st.text(min_size=1, max_size=60)


def order(value: str, **command: object) -> Order:
    body = step(
        {"type": "http-api", "command": "POST /v1/__name__:value/limits?who=__name__:value", **command}, agent=GATEWAY
    )
    playbook = read_playbook(written(line(body, variables=NAME, agents=gateway(8443))))
    (work,) = ready(playbook, begin(playbook, {"__name__": value}))
    return order_of(playbook, work, 0, run_id="r", case_id="")


@given(VALUES)
def test_a_value_is_one_segment_of_a_path_and_one_parameter(value):
    method, target = order(value).command["command"].split(" ")
    parts = urlsplit(target)
    assert method == "POST"
    assert [unquote(one) for one in parts.path.split("/")] == ["", "v1", value, "limits"]
    assert unquote(parts.query) == f"who={value}"
    assert not parts.fragment


@given(VALUES)
def test_a_value_stays_a_string_in_a_body_that_is_json(value):
    sent = order(value, content='{"say": "so __name__:value", "list": ["__name__:value"], "n": 1}').command["content"]
    assert json.loads(sent) == {"say": f"so {value}", "list": [value], "n": 1}


@given(VALUES)
def test_in_any_other_body_it_stands_as_it_is(value):
    assert order(value, content="say: __name__:value").command["content"] == f"say: {value}"


@given(VALUES, VALUES)
def test_what_was_agreed_to_is_one_value(first, second):
    assert (order(first).sha256 == order(second).sha256) == (first == second)
    assert order(first).key == order(second).key  # one visit to one step is one effect


@given(*[st.integers(0, 3)] * 6)
def test_a_reach_is_within_another_where_no_part_of_it_is_further(a, b, c, d, e, f):
    assert Reach(a, b, c).within(Reach(d, e, f)) == (a <= d and b <= e and c <= f)
