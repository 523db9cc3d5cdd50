import base64
import hashlib
import itertools
import re
import unicodedata

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from jinja2 import UndefinedError

from spiritsafe.campaigns.known import Known, Rate
from spiritsafe.campaigns.model import Group, Verdict
from spiritsafe.campaigns.report import render_report
from spiritsafe.campaigns.report_templates import environment
from spiritsafe.campaigns.report_text import name, visible
from tests.campaigns.example_findings import (
    all_ties,
    big_campaign,
    example_groups,
    example_links,
    example_run,
    example_ties,
    not_accused,
    small_campaign,
)
from tests.campaigns.page_reader import Page
from tests.campaigns.strategies import HOSTILE, groups, links, runs

ELEMENTS = (
    "html head meta title style body a header p svg rect path circle text nav main section article h1 h2 h3 h4 dl dt "
    "dd div span ol ul li code bdi strong details summary figure figcaption table thead tbody tr th td abbr footer"
)
ATTRIBUTES = (
    "lang charset http-equiv content name class href id aria-label aria-labelledby aria-hidden role tabindex scope "
    "title viewbox preserveaspectratio width height x y cx cy r rx d"
)
HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def named(account_id: str) -> Group:
    group = small_campaign()
    first = msgspec.structs.replace(group.members[0], account_id=account_id)
    return msgspec.structs.replace(group, members=(first, *group.members[1:]))


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(run=runs, found=st.lists(groups(), max_size=4), data=st.data())
def test_no_log_can_add_an_element_a_link_or_a_hidden_character_to_the_page(run, found, data):
    ties = {group.campaign_id: all_ties(data.draw(links)) for group in found}
    html = render_report(run, found, ties=ties)
    html.encode("utf-8")
    page = Page.read(html)
    assert page.unbalanced == []
    assert {tag for tag, _ in page.elements} <= set(ELEMENTS.split())
    assert {key for _, attributes in page.elements for key in attributes} <= set(ATTRIBUTES.split())
    assert all(attributes["href"].startswith("#") for attributes in page.all("a"))
    assert len(page.all("style")) == 1
    hidden = {c for string in page.strings() for c in string if c != "\n" and unicodedata.category(c) in HIDDEN}
    assert hidden == set()


@given(st.text(st.characters(exclude_categories=())), st.booleans())
def test_whatever_the_text_nothing_in_it_stays_hidden(text, spaces):
    shown = visible(text, limit=100, spaces=spaces)
    shown.encode("utf-8")
    assert not {unicodedata.category(character) for character in shown} & HIDDEN
    assert len(shown) <= 100 + 60
    if text.isascii() and text.isprintable() and len(text) <= 100 and spaces:
        assert shown == text


@given(st.text(max_size=60), st.text(max_size=60))
@example("a\u202eb", "a⟨U+202E⟩b")
@example("a ", "a␠")
@example("", "⟨empty⟩")
def test_two_accounts_are_never_shown_under_one_name(one, other):
    assert (name(one) == name(other)) == (one == other)


def test_long_names_with_the_same_beginning_and_end_stay_two():
    assert name("x" * 9_000 + "1" + "y" * 900) != name("x" * 9_000 + "2" + "y" * 900)


@pytest.mark.parametrize("hostile", [text for text in HOSTILE if text.strip()])
def test_a_hostile_account_name_is_on_the_page_as_text(hostile):
    html = render_report(example_run(), [named(hostile)])
    page = Page.read(html)
    assert " ".join(name(hostile).split()) in page.text
    assert not page.all("script")
    assert not page.all("img")


def test_names_stand_in_their_own_direction():
    html = render_report(example_run(), [named("\u05d0\u05d1\u05d2 12")])
    assert "<bdi>\u05d0\u05d1\u05d2␠12</bdi>" in html


def test_every_printed_value_is_cleaned_even_where_a_template_forgets_to_ask():
    template = environment().from_string('<p title="{{ value }}">{{ value }}</p>')
    assert template.render(value='\u202e"<b>') == '<p title="⟨U+202E⟩&#34;&lt;b&gt;">⟨U+202E⟩&#34;&lt;b&gt;</p>'


def test_a_misspelt_name_in_a_template_is_an_error_and_not_a_gap():
    with pytest.raises(UndefinedError):
        environment().from_string("{{ grop.headline }}").render(group=1)


def test_the_content_policy_allows_the_style_sheet_by_digest_and_nothing_else():
    html = render_report(example_run(), [small_campaign()])
    (css,) = re.findall("<style>(.*?)</style>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    policy = next(meta["content"] for meta in Page.read(html).all("meta") if "http-equiv" in meta)
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert "url(" not in css
    assert "@import" not in css


def test_the_first_screen_says_how_many_campaigns_accounts_and_groups_not_accused():
    html = render_report(example_run(), example_groups())
    start = Page.read(html[: html.index("<article")]).text
    assert "3 campaigns found. 5,358 accounts accused, of 61,240." in start
    assert "Looked at, not accused 12 groups of 3,731 accounts" in start
    assert "Could not be seen 3 columns missing at a cost to detection; 409 rows refused" in start


def test_an_account_in_two_campaigns_is_accused_once():
    twice = [small_campaign(), msgspec.structs.replace(small_campaign(), campaign_id="c-other")]
    assert "2 campaigns found. 48 accounts accused" in Page.read(render_report(example_run(), twice)).text


def test_every_campaign_answers_every_question():
    text = Page.read(render_report(example_run(), [big_campaign()], appeal_to="appeals@provider.example")).text
    for answer in (
        "How sure",
        "Coordination Supported Do these accounts act as one?",
        "Could it be chance?",
        "Why these accounts, and not others",
        "13.2 bits content 4,812 accounts open with the same rare sentence",
        "How rare: 4,812 of 61,240 accounts",
        "Innocent explanation A published recipe",
        "What they took",
        "Output tokens 6.3 bn",
        "AML.T0024.002 Extract AI Model",
        "Since when",
        "What else it could be",
        "Could not be checked A reseller",
        "Who is in it, and why",
        "What is missing No column that these axes needed was missing.",
        "What to do In this order: what can be undone comes first.",
        "What would change our mind A verified contract",
        "How to appeal",
        "appeals@provider.example",
    ):
        assert answer in text


def test_without_an_address_for_appeals_the_page_asks_for_one():
    text = Page.read(render_report(example_run(), [small_campaign()])).text
    assert "No address for appeals is set for this run: set one before anybody is told." in text


def test_a_group_that_is_not_accused_shows_the_axis_that_failed_and_why_without_unfolding():
    html = render_report(example_run(), not_accused())
    summaries = [Page.read(part).text for part in re.findall("<summary>(.*?)</summary>", html, re.DOTALL)]
    company = next(text for text in summaries if "940 keys" in text)
    assert "concealment contradicted" in company
    assert "Not accused: All accounts stand under one verified organisation." in company


def test_nothing_found_says_what_would_have_been_found():
    measured = Page.read(render_report(example_run(), not_accused())).text
    assert "No campaign found. Nobody is accused." in measured
    assert "What would have been found In this traffic a campaign of 40 accounts at stealth 1 is found" in measured


def test_nothing_found_and_nothing_measured_names_the_command_that_measures():
    text = Page.read(render_report(example_run(detection_limit=""), [])).text
    assert "spiritsafe prove inject LOGS" in text
    assert "No other group of accounts stood out." in text


def test_the_country_of_an_account_is_nowhere_on_the_page():
    assert "country" in example_run().coverage.column_shares
    assert "country" not in render_report(example_run(), example_groups()).lower()


def test_no_probability_is_shown_as_certainty():
    sure = [msgspec.structs.replace(member, probability=1.0) for member in small_campaign().members]
    html = render_report(example_run(), [msgspec.structs.replace(small_campaign(), members=tuple(sure))])
    shown = re.findall('<td class="number probability">(.*?)</td>', html)
    assert len(shown) == 48
    assert set(shown) == {"&gt;\u202f99.9\u202f%"}


def test_five_thousand_accounts_make_a_small_page():
    groups_found = example_groups()
    html = render_report(example_run(), groups_found, ties=example_ties(groups_found))
    assert len(html.encode()) < 2_000_000


def test_many_campaigns_share_the_page_instead_of_lengthening_it():
    many = [msgspec.structs.replace(big_campaign(), campaign_id=f"c-{number:03}") for number in range(60)]
    html = render_report(example_run(), many)
    assert len(html.encode()) < 2_500_000
    assert "60 campaigns found." in html
    assert "35 further campaigns" in html


def test_the_same_findings_give_the_same_bytes_in_whatever_order_they_come():
    found = [small_campaign(), *not_accused()]
    some_links = example_links(found)
    one = render_report(example_run(), found, ties=example_ties(found))
    turned = {key: all_ties(value[::-1]) for key, value in some_links.items()}
    assert render_report(example_run(), found[::-1], ties=turned) == one


def test_what_is_left_out_is_counted_and_its_file_named():
    found = [big_campaign(), small_campaign(), *not_accused()]
    html = render_report(example_run(), found, max_groups_accused=1, max_groups_not_accused=2, max_members_shown=30)
    text = Page.read(html).text
    assert "1 further campaign Not shown in full on this page; campaigns.json holds every reason." in text
    assert "4,970 further accounts, less sure than these, are listed in members.parquet only." in text
    assert "4 smaller groups in groups.parquet" in text
    assert "10 more accounts" in text


def test_each_picture_says_in_words_what_it_shows():
    html = render_report(example_run(), example_groups(), ties=example_ties(example_groups()))
    pictures = Page.read(html).all("svg")
    assert len(pictures) > 100
    for picture in pictures:
        assert picture.get("aria-hidden") == "true" or (picture["role"] == "img" and picture["aria-label"].strip())


def test_ids_are_unique_and_every_reference_leads_somewhere():
    page = Page.read(render_report(example_run(), example_groups()))
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    labels = [attributes["aria-labelledby"] for _, attributes in page.elements if "aria-labelledby" in attributes]
    assert {attributes["href"][1:] for attributes in page.all("a")} | set(labels) <= set(ids)


def test_headings_never_skip_a_level():
    page = Page.read(render_report(example_run(warnings=("Every request came from one address.",)), example_groups()))
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-4]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_only_a_campaign_is_ever_called_one():
    for verdict in set(Verdict) - {Verdict.CAMPAIGN}:
        group = msgspec.structs.replace(big_campaign(), verdict=verdict)
        html = render_report(example_run(), [group])
        assert "No campaign found" in html
        assert "<article" not in html


def test_a_run_without_rows_still_makes_a_page():
    coverage = msgspec.structs.replace(
        example_run().coverage, rows_read=0, rows_kept=0, rows_quarantined=0, accounts=0, column_shares={}
    )
    run = example_run(coverage=coverage, clock_first="", clock_last="", inputs=(), settings={}, versions={})
    assert "No campaign found" in render_report(run, [])


def test_the_same_statement_about_several_things_is_said_once_with_how_often():
    group = small_campaign()
    card = group.axes[0].evidence[0]
    thrice = tuple(msgspec.structs.replace(card, event_ids=(f"e{n}",)) for n in range(3))
    coordination = msgspec.structs.replace(group.axes[0], evidence=thrice)
    member = msgspec.structs.replace(group.members[0], why=("shares a card", "shares a card", "same hours"))
    group = msgspec.structs.replace(group, axes=(coordination, *group.axes[1:]), members=(member,))
    text = Page.read(render_report(example_run(), [group])).text
    assert text.count("All 48 accounts were paid from two cards.") == 1
    assert "14.8 bits each identity" in text
    assert "This holds 3 times, for different things." in text
    assert "3 exchanges that show it" in text
    assert "shares a card, 2 times; same hours" in text


def test_labels_that_the_operator_had_are_counted_on_the_page_and_said_to_decide_nothing():
    labels = {"suspended before": 31, "<b>vip</b>\u202e": 2, **{f"label {n:02}": 1 for n in range(12)}}
    group = msgspec.structs.replace(small_campaign(), known_labels=labels)
    html = render_report(example_run(), [group])
    text = Page.read(html).text
    assert "What you already held of them suspended before 31 accounts of 48" in text
    assert "<b>vip</b>⟨U+202E⟩ 2 accounts of 48" in text
    assert "<b>vip" not in html
    assert "4 further labels in campaigns.json" in text
    assert "They played no part in the judgement." in text


def test_labels_are_shown_for_groups_that_are_not_accused_and_nothing_is_said_without_any():
    group = msgspec.structs.replace(not_accused()[0], known_labels={"partner": 900})
    assert "of your own labels: partner (900 accounts)" in Page.read(render_report(example_run(), [group])).text
    assert "already held" not in Page.read(render_report(example_run(), example_groups())).text


def test_the_page_says_that_its_probabilities_are_not_calibrated():
    text = Page.read(render_report(example_run(), [small_campaign()])).text
    assert "These probabilities are not calibrated on this traffic" in text


def test_who_is_innocent_stands_on_the_page_and_from_when_it_could_be_seen():
    group = small_campaign()
    exposure = msgspec.structs.replace(
        group.exposure, own_exchanges=7, visible_from="2026-05-01T10:00:00Z", before_visible_share=0.031
    )
    group = msgspec.structs.replace(group, innocent=("3 accounts outside <b>share</b> one thing",), exposure=exposure)
    text = Page.read(render_report(example_run(), [group])).text
    assert "Who is innocent 3 accounts outside <b>share</b> one thing." in text
    assert "7 exchanges show its template" in text
    assert "It could be seen from 1 May 2026, 10:00 on" in text
    assert "3.1 % of the exchanges were served before" in text


def test_how_it_fares_on_labels_that_were_there_before_is_told_where_there_were_any():
    known = Known("known/1.0", Rate(40, 30, 35, 0.6, 0.9), Rate(0, 0, 0, 0.0, 1.0), {"<i>vip</i>": 2}, 1, None, "few")
    text = Page.read(render_report(example_run(), [small_campaign()], known=known)).text
    assert "Of 40 accounts that you know as bad, 30 are accused (60.0% to 90.0%, groups counted)" in text
    assert "Labels that say neither: <i>vip</i> (2)." in text
    assert "On accounts that you had judged before" not in Page.read(render_report(example_run(), [])).text


def test_the_page_never_says_that_all_columns_were_there_when_some_were_not():
    shares = {"prompt": 1.0, "country": 0.0, "prefix_blocks": 0.0, "end_user_id": 0.0}
    coverage = msgspec.structs.replace(example_run().coverage, rows_quarantined=0, column_shares=shares)
    one_missing = example_run().missing[:1]  # end_user_id
    for missing, seen, said in (
        (
            (),
            "0 columns missing at a cost to detection; 2 others empty or absent",
            "2 more columns of the requests are",
        ),
        (one_missing, "1 column missing at a cost to detection; 1 other empty", "1 more column of the requests is"),
    ):
        text = Page.read(render_report(example_run(coverage=coverage, missing=missing), [])).text
        assert f"Could not be seen {seen}" in text
        assert f"{said} empty or absent, with no stated cost." in text
        assert ("None: of the columns whose absence has a stated cost, all were there." in text) is (missing == ())
        assert "Empty or absent in the requests: end_user_id , prefix_blocks ." in text
        assert "Not read by this version, so not looked at: system_prompt , assistant_prefill , response ." in text


def test_only_roles_that_a_member_has_are_explained():
    members = tuple(msgspec.structs.replace(member, role="core") for member in small_campaign().members)
    group = msgspec.structs.replace(small_campaign(), members=members)
    html = render_report(example_run(), [group])
    assert "core has strong evidence of its own" in Page.read(html).text
    assert "carries the work of others" not in html
    assert "carries the work of others" in render_report(example_run(), [small_campaign()])


def test_the_page_promises_to_tell_a_relays_exchanges_apart_by_its_template_alone():
    text = Page.read(render_report(example_run(), [])).text
    assert "told apart by the campaign’s template alone. Where it has none they are not: each exchange in" in text
