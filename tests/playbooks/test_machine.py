"""A run goes where the playbook says, from a state that any process can take up, and ends."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spiritsafe.playbooks.machine import (
    MOST_ROUNDS,
    OutcomeError,
    RunStateError,
    begin,
    decode_state,
    done,
    encode_state,
    ready,
)
from spiritsafe.playbooks.reading import read_playbook
from spiritsafe.playbooks.variables import VariableError, filled
from tests.playbooks.made import (
    AGAIN,
    CASE,
    ENDS,
    FAILED,
    FIRST,
    IF,
    LEFT,
    LOOP,
    NO,
    OTHER,
    RIGHT,
    SWITCH,
    YES,
    action,
    playbook,
    step_id,
    written,
)

GIVEN = {"__case__": "7"}


def made(**changes: Any):
    """The playbook, with steps changed; the loop counts for itself."""
    document = playbook()
    document["workflow"][AGAIN]["out_args"] = ["__tries__"]
    for key, more in changes.items():
        document["workflow"][key].update(more)
    return read_playbook(written(document))


class Walk:
    """A run whose actions are done one after the other, as a test says."""

    def __init__(self, book, given=GIVEN, *, fails=(), values=None):
        self.book, self.fails, self.values = book, set(fails), values or {}
        self.state, self.way, self.tries = begin(book, given), [], 0

    def next(self, at=0):
        work = ready(self.book, self.state)[at]
        gives = {}
        if work.step_id == AGAIN and "__tries__" in work.out_args:
            self.tries += 1
            gives = {"__tries__": str(self.tries)}
        gives |= self.values.get(work.step_id, {})
        self.state = decode_state(encode_state(self.state))
        self.state = done(
            self.book, self.state, work.instance, succeeded=work.step_id not in self.fails, values=gives, why="it broke"
        )
        self.way.append(work.step_id)
        return self

    def end(self):
        while ready(self.book, self.state):
            self.next()
        assert self.state.frames == ()
        return self


def test_every_type_of_step_is_gone_through_in_its_order():
    walk = Walk(made()).end()
    assert walk.way == [FIRST, AGAIN, AGAIN, AGAIN, YES, LEFT, RIGHT, CASE]
    assert (walk.state.outcome, walk.state.why) == ("succeeded", "")
    assert walk.state.variables["__tries__"] == "3"


def test_other_values_lead_other_ways():
    walk = Walk(made(), GIVEN | {"__verdict__": "else", "__tries__": "3"}).end()
    assert walk.way == [FIRST, NO, LEFT, RIGHT, OTHER]
    assert walk.state.visits[ENDS["no"]] == 1


def test_parallel_branches_wait_together_and_the_last_one_goes_on():
    walk = Walk(made(), GIVEN | {"__tries__": "3"}).next().next()
    assert [work.step_id for work in ready(walk.book, walk.state)] == [LEFT, RIGHT]
    walk.next(at=1)
    assert [work.step_id for work in ready(walk.book, walk.state)] == [LEFT]
    assert walk.next().end().way[-3:] == [RIGHT, LEFT, CASE]


def test_a_failure_follows_on_failure_else_fails_who_opened_the_branch_else_the_run():
    given = GIVEN | {"__tries__": "3"}
    parallel = Walk(made(), given, fails=[LEFT]).end()
    assert (parallel.way, parallel.state.outcome) == ([FIRST, YES, LEFT, RIGHT], "succeeded")  # on_failure: LAST
    unhandled = Walk(made(), given, fails=[YES]).end()
    assert (unhandled.way, unhandled.state.outcome, unhandled.state.why) == ([FIRST, YES], "failed", "it broke")
    assert unhandled.state.visits[FAILED] == 1
    document = playbook()
    document["workflow"][YES] = {**action(""), "on_success": ENDS["yes"], "on_failure": ENDS["no"]}
    del document["workflow"][YES]["on_completion"]
    document["workflow"][NO]["on_completion"] = step_id("end", "other no")
    document["workflow"][step_id("end", "other no")] = {"type": "end"}
    handled = Walk(read_playbook(written(document)), given, fails=[YES]).end()
    assert (handled.state.outcome, handled.state.visits[ENDS["no"]]) == ("succeeded", 1)


def test_the_exception_is_gone_through_once_and_the_run_has_failed():
    document = playbook()
    tidy = step_id("action", "tidy")
    document["workflow"][tidy] = action(FAILED)
    document["workflow_exception"] = tidy
    walk = Walk(read_playbook(written(document)), fails=[FIRST]).end()
    assert (walk.way, walk.state.outcome) == ([FIRST, tidy], "failed")
    again = Walk(read_playbook(written(document)), fails=[FIRST, tidy]).end()
    assert (again.way, again.state.outcome) == ([FIRST, tidy], "failed")
    del document["workflow_exception"], document["workflow"][tidy], document["workflow"][FAILED]
    assert Walk(read_playbook(written(document)), fails=[FIRST]).end().state.outcome == "failed"


def test_what_cannot_be_evaluated_fails_and_says_why():
    text = Walk(made(**{LOOP: {"condition": "__verdict__:value > 3"}})).end()
    assert (text.way, text.state.outcome) == ([FIRST], "failed")
    assert "not both numbers" in text.state.why
    strange = Walk(made(), GIVEN | {"__verdict__": "neither", "__tries__": "3"}).end()
    assert "there is no case for 'neither'" in strange.state.why
    default = made(**{SWITCH: {"cases": {"default": OTHER, "campaign": CASE}}})
    assert Walk(default, GIVEN | {"__verdict__": "neither", "__tries__": "3"}).end().way[-1] == OTHER


def test_a_loop_without_an_end_ends():
    book = made(**{AGAIN: {"out_args": ["__verdict__"]}})
    walk = Walk(book).end()
    assert (walk.way.count(AGAIN), walk.state.outcome) == (MOST_ROUNDS, "failed")
    assert "went round 1,000 times" in walk.state.why


def test_an_if_without_else_goes_on():
    document = playbook()
    del document["workflow"][IF]["on_false"], document["workflow"][NO], document["workflow"][ENDS["no"]]
    walk = Walk(read_playbook(written(document)), GIVEN | {"__verdict__": "else", "__tries__": "3"}).end()
    assert walk.way == [FIRST, LEFT, RIGHT, OTHER]


def test_each_visit_has_a_name_of_its_own_and_is_told_once():
    book = made()
    state = begin(book, GIVEN)
    (first,) = ready(book, state)
    after = done(book, state, first.instance, succeeded=True)
    with pytest.raises(OutcomeError, match="waits"):
        done(book, after, first.instance, succeeded=True)
    assert done(book, state, first.instance, succeeded=True) == after
    (second,) = ready(book, after)
    third = ready(book, done(book, after, second.instance, succeeded=True, values={"__tries__": "1"}))[0]
    assert (second.instance, third.instance) == (f"{AGAIN}.1", f"{AGAIN}.2")


def test_a_state_of_another_playbook_or_a_damaged_one_is_refused():
    book, other = made(), made(**{FIRST: {"name": "look well"}})
    state = begin(book, GIVEN)
    with pytest.raises(RunStateError, match="another playbook"):
        done(other, state, ready(book, state)[0].instance, succeeded=True)
    for data in (b"", b"{}", encode_state(state)[:-3], b"\xff"):
        with pytest.raises(RunStateError):
            decode_state(data)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "__case__ must be given"),
        ({**GIVEN, "__who__": "x"}, "no variable __who__"),
        ({**GIVEN, "__tries__": "three"}, "of the type integer"),
        ({"__case__": "x" * 100_001}, "of the type string"),
    ],
)
def test_a_run_begins_with_every_value_it_needs_and_no_other(given, told):
    with pytest.raises(VariableError, match=told):
        begin(made(), given)


def test_a_step_gives_only_what_it_says_of_the_right_type_and_no_constant():
    book = made()
    state = done(book, begin(book, GIVEN), f"{FIRST}.1", succeeded=True)
    for values, told in (
        ({"__verdict__": "x"}, "none of the step's out_args"),
        ({"__tries__": "x"}, "of the type integer"),
    ):
        with pytest.raises(VariableError, match=told):
            done(book, state, f"{AGAIN}.1", succeeded=True, values=values)
    document = playbook()
    document["playbook_variables"]["__tries__"]["constant"] = True
    with pytest.raises(VariableError, match="constant"):
        begin(read_playbook(written(document)), GIVEN | {"__tries__": "1"})


def test_a_steps_own_variables_end_with_it():
    local = {"step_variables": {"__note__": {"type": "string", "value": "a"}}, "out_args": ["__note__"]}
    book = made(**{FIRST: local})
    state = begin(book, GIVEN)
    assert ready(book, state)[0].variables["__note__"] == "a"
    state = done(book, state, f"{FIRST}.1", succeeded=True, values={"__note__": "b"})
    assert "__note__" not in state.variables


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("bool", "true", "yes"), ("integer", "-5", "5.5"), ("float", "1e-3", "x"), ("hexstring", "0aff", "0af"),
        ("sha256-hash", "a" * 64, "a" * 63), ("ipv4-addr", "192.0.2.0/24", "192.0.2"), ("uri", "https://x", "x"),
        ("ipv6-addr", "2001:db8::1", "192.0.2.1"), ("uuid", "0190b0f6-0000-7000-8000-000000000001", "1"),
        ("dictionary", '{"a": 1}', "[1]"), ("mac-addr", "00:11:22:aa:bb:cc", "00:11"), ("long", "9" * 30, "9x"),
    ],
)  # fmt: skip
def test_a_type_says_which_texts_a_variable_may_hold(kind, good, bad):
    document = playbook()
    document["playbook_variables"]["__case__"]["type"] = kind
    book = read_playbook(written(document))
    assert begin(book, {"__case__": good}).variables["__case__"] == good
    with pytest.raises(VariableError):
        begin(book, {"__case__": bad})


def test_values_are_put_into_a_text_where_their_names_stand():
    values = {"__a__": "1", "__a_b__": "2"}
    assert filled("__a__:value, __a_b__:value and __a__", values, quote=lambda text: f"<{text}>") == "<1>, <2> and <1>"
    with pytest.raises(VariableError, match="__c__ has no value"):
        filled("__c__:value", values)


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.integers(0, 5)), max_size=40))
def test_whatever_order_and_outcome_actions_have_a_run_goes_on_or_ends(steps):
    book = made()
    state = begin(book, GIVEN)
    told = set()
    for at, succeeded, tries in steps:
        waiting = ready(book, state)
        assert (state.outcome == "running") == bool(waiting)
        if not waiting:
            break
        work = waiting[at % len(waiting)]
        assert work.instance not in told
        told.add(work.instance)
        values = {"__tries__": str(tries)} if work.out_args else {}
        state = decode_state(encode_state(done(book, state, work.instance, succeeded=succeeded, values=values)))
    assert state.outcome in {"running", "succeeded", "failed"}
