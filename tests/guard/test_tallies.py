"""What a policy did to whom: each account once, by its sternest answer, the most surely innocent first."""

from spiritsafe.guard import Answer
from spiritsafe.guard.tallies import CLASSES, Tally, class_of
from tests.guard.guards import guard_of, request, told
from tests.roster.rosters import FOREVER_S, NOW_S


def tallied(tmp_path, *requests, label=None):
    guard = guard_of(tmp_path, told(attested=(("partner", "academic", NOW_S, FOREVER_S),)))
    tally = Tally("test@1")
    for one in requests:
        decision = guard.decide(one)
        who = label or class_of(one, guard.standing(one.account_id), decision)
        tally.add(one.account_id, one.time_us, decision, who)
    return tally


def test_accounts_are_counted_once_by_their_sternest_answer_and_class(tmp_path):
    both = {"template": True, "address": True}
    tally = tallied(
        tmp_path, request("core"), request("core", after_s=1), request("new"), request("new", **both), request("new"),
        request("old", template=True), request("partner", **both), request("sure", verified=True), request("x"),
    )  # fmt: skip
    found = tally.accounts()
    assert list(found) == list(CLASSES)
    assert {who: dict(counts) for who, counts in found.items()} == {
        "vouched for": {Answer.ALLOW: 1},
        "verified holder": {Answer.ALLOW: 1},
        "old account": {Answer.OBSERVE: 1},
        "new account": {Answer.ALLOW: 1, Answer.CHALLENGE: 1},
        "listed": {Answer.BLOCK: 1},
    }
    assert tally.exchanges.total() == 9
    assert tally.campaigns["id-c1"] == {Answer.BLOCK: 2, Answer.CHALLENGE: 1, Answer.OBSERVE: 1}


def test_labels_stand_in_place_of_classes(tmp_path):
    tally = tallied(tmp_path, request("core"), request("x"), label="cleared")
    assert {who: counts.total() for who, counts in tally.accounts().items()} == {"cleared": 2}


def test_examples_are_a_few_accounts_of_each_class_and_answer(tmp_path):
    shows = [request(f"n{at}", template=True, address=True, after_s=at) for at in range(30)]
    examples = tallied(tmp_path, *shows, request("core")).examples()
    assert [(who, answer) for who, answer, _, _ in examples] == [("new account", Answer.CHALLENGE)] * 5 + [
        ("listed", Answer.BLOCK)
    ]


def test_as_json_it_names_no_account(tmp_path):
    told_ = str(tallied(tmp_path, request("core"), request("somebody", template=True)).to_builtins())
    assert "somebody" not in told_
    assert "'block': 1" in told_
