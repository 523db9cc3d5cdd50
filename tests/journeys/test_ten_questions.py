"""Whoever has only the page can answer ten questions about each campaign, and the answers are true.

A composed world is scanned; its report is read as a browser's parser reads it, section by section, and what it says is
held against the truth beside the world.
"""

import re
from collections import Counter
from datetime import UTC, datetime
from html.parser import HTMLParser

import msgspec
import pyarrow.parquet as pq
import pytest

from spiritsafe.pipeline import find_campaigns
from spiritsafe.proving.recipes import preset
from spiritsafe.proving.world import compose_world
from spiritsafe.settings import load_settings

QUESTIONS = {
    "who": "Who is in it, and why",
    "sure": "How sure",
    "why": "Why these accounts, and not others",
    "took": "What they took",
    "when": "Since when",
    "else": "What else it could be",
    "innocent": "Who is innocent",
    "missing": "What is missing",
    "do": "What to do",
    "mind": "What would change our mind",
}


class Sections(HTMLParser):
    """The text of every section of every campaign: `found[campaign][question]`."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.found = {}
        self._open = []

    def handle_starttag(self, tag, attrs):
        if tag in ("section", "article"):
            self._open.append(dict(attrs).get("aria-labelledby", ""))

    def handle_endtag(self, tag):
        if tag in ("section", "article"):
            self._open.pop()

    def handle_data(self, data):
        named = re.fullmatch(r"c(\d+)-(\w+)", self._open[-1] if self._open else "")
        if named is not None:
            said = self.found.setdefault(int(named[1]), {})
            said[named[2]] = " ".join(f"{said.get(named[2], '')} {data}".split())


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ten")
    compose_world(preset("demo"), folder / "world", seed=2)
    found = find_campaigns(
        folder / "world" / "requests.parquet",
        accounts=folder / "world" / "accounts.parquet",
        account_events=folder / "world" / "account_events.parquet",
        attestations=folder / "world" / "attestations.parquet",
        out=folder / "found",
        settings=load_settings({"home": folder / "home"}),
    )
    page = Sections()
    page.feed((folder / "found" / "report.html").read_text(encoding="utf-8"))
    truth = {row["account_id"]: row for row in pq.read_table(folder / "world/truth/accounts.parquet").to_pylist()}
    sent = pq.read_table(folder / "world/truth/exchanges.parquet").to_pylist()
    times = pq.read_table(folder / "world/requests.parquet", columns=["event_id", "account_id", "time"]).to_pylist()
    order = sorted(found.campaigns, key=lambda g: (-g.exposure.exchanges, -len(g.members), g.campaign_id))
    return order, page.found, truth, {row["event_id"]: row for row in sent}, times


def test_every_campaign_answers_every_question(judged):
    groups, pages, *_ = judged
    assert len(groups) >= 4
    for number, _ in enumerate(groups, start=1):
        for question, title in QUESTIONS.items():
            said = pages[number][question]
            assert said.startswith(title)
            assert len(said) > len(title) + 20, (number, question)


def test_who_is_in_it_are_accounts_of_one_operator(judged):
    groups, pages, truth, *_ = judged
    for number, group in enumerate(groups, start=1):
        listed = {one.account_id for one in group.members if one.account_id in pages[number]["who"]}
        assert listed == {one.account_id for one in group.members}
        operators = Counter(truth[one]["campaign_id"] or truth[one]["operator_id"] for one in listed)
        assert truth[next(one for one in listed)] is not None
        assert operators.most_common(1)[0][1] >= 0.5 * len(listed)
        assert any(truth[one]["campaign_id"] for one in listed)


def test_how_sure_and_why_are_the_numbers_of_the_finding(judged):
    groups, pages, *_ = judged
    for number, group in enumerate(groups, start=1):
        assert f"q = {group.significance.q_value:.2g}" in pages[number]["sure"]
        statements = [item.statement for axis in group.axes for item in axis.evidence]
        assert statements
        assert all(" ".join(one.split())[:40].lower() in pages[number]["why"].lower() for one in statements)


def test_what_they_took_and_since_when_is_what_was_sent(judged):
    groups, pages, truth, sent, times = judged
    for number, group in enumerate(groups, start=1):
        members = {one.account_id for one in group.members}
        rows = [row for row in times if row["account_id"] in members]
        assert f"{len(rows):,}" in pages[number]["took"]
        first = min(row["time"] for row in rows).astimezone(UTC)
        assert f"{first.day} {first:%b %Y}, {first:%H:%M}" in pages[number]["when"]
        own = [row for row in rows if sent[row["event_id"]]["campaign_id"]]
        shown = group.exposure.own_exchanges
        if shown is not None and shown < len(rows):
            assert f"{shown:,} exchanges show its template" in pages[number]["took"]
        if shown is not None and any(truth[one.account_id]["mixed"] for one in group.members):
            assert 0.5 * len(own) <= shown <= 1.5 * len(own)
        if group.exposure.visible_from is not None:
            visible = datetime.fromisoformat(group.exposure.visible_from)
            assert first <= visible
            before = sum(row["time"].astimezone(UTC) < visible for row in rows) / len(rows)
            assert group.exposure.before_visible_share == pytest.approx(before, abs=0.1)


def test_who_is_innocent_is_not_accused(judged):
    """Relays: people whose exchanges ran through an accused account, and were said not to be the campaign's."""
    groups, pages, truth, sent, times = judged
    relays = [
        (number, group)
        for number, group in enumerate(groups, start=1)
        if any(one.role == "relay" for one in group.members)
    ]
    assert any(truth[one.account_id]["mixed"] for _, group in relays for one in group.members)
    for number, group in relays:
        told = re.search(r"([\d,]+) of their ([\d,]+) exchanges do not show", pages[number]["innocent"])
        assert told is not None
        others, every = (int(one.replace(",", "")) for one in told.groups())
        members = {one.account_id for one in group.members}
        rows = [row for row in times if row["account_id"] in members]
        assert every == len(rows)
        theirs = sum(not sent[row["event_id"]]["campaign_id"] for row in rows)
        if theirs:
            assert others == pytest.approx(theirs, rel=0.5)


def test_what_else_is_missing_to_do_and_would_change_our_mind(judged):
    groups, pages, *_ = judged
    for number, group in enumerate(groups, start=1):
        for alternative in group.alternatives:
            assert alternative.question in pages[number]["else"]
        absent = {column for axis in group.axes for column in axis.missing_columns}
        assert "No column that these axes needed was missing" in pages[number]["missing"] or absent
        assert all(action.split(",")[0] in pages[number]["do"] for action in group.actions)
        assert all(fact in pages[number]["mind"] for fact in group.would_change_our_mind)
        assert msgspec.to_builtins(group)["innocent"]
