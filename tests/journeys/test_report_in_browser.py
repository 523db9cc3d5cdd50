"""The report as a person meets it: in a browser, on a phone, in the dark, by keyboard, on paper."""

import itertools
import shutil

import msgspec
import pytest
from playwright.sync_api import sync_playwright

from spiritsafe.campaigns.report import render_report
from tests.campaigns.example_findings import (
    all_ties,
    example_groups,
    example_run,
    example_ties,
    not_accused,
    small_campaign,
)
from tests.campaigns.strategies import HOSTILE

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]

# The colours as computed, and what lies behind them; text in SVG is coloured by `fill`.
CONTRASTS = """
() => {
  const parse = colour => { const n = colour.match(/[\\d.]+/g).map(Number); return n.length === 4 ? n : [...n, 1] }
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0)
  const behind = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor)
      if (colour[3] > 0.99) return colour
    }
    return [255, 255, 255, 1]
  }
  const found = new Map()
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement
    if (!walker.currentNode.data.trim() || !element.checkVisibility() || element.closest('title')) continue
    const style = getComputedStyle(element)
    const size = parseFloat(style.fontSize)
    if (!size) continue
    const fore = light(parse(element instanceof SVGElement ? style.fill : style.color))
    const back = light(behind(element))
    const ratio = (Math.max(fore, back) + 0.05) / (Math.min(fore, back) + 0.05)
    const key = `${element.tagName}.${element.getAttribute('class') || ''} ${size}`
    if (!found.has(key) || found.get(key) > ratio) found.set(key, ratio)
  }
  return Object.fromEntries(found)
}
"""


@pytest.fixture(scope="module")
def browser():
    program = shutil.which("chromium")
    if program is None:
        pytest.fail("the browser is missing: apt-get install chromium")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    found = example_groups()
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(render_report(example_run(), found, ties=example_ties(found)), encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def opened(browser):
    """Opens a page and, at the end, holds that it asked for nothing and complained of nothing."""
    contexts = []
    complaints: list[str] = []
    asked_for: list[str] = []
    addresses: list[str] = []

    def open_at(address, *, width=1280, height=900, **options):
        addresses.append(address)
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(f"dialog {dialog.message}"))
        page.on("request", lambda asked: asked_for.append(asked.url))
        page.goto(address)
        return page

    yield open_at
    for context in contexts:
        context.close()
    assert complaints == []
    assert asked_for == addresses


def test_the_first_screen_answers_without_scrolling(opened, report):
    page = opened(report)
    for words in ("3 campaigns found.", "5,358 accounts accused, of 61,240.", "Looked at, not accused",
                  "Could not be seen", "5,000 accounts share one template", "Every account is a person"):  # fmt: skip
        box = page.get_by_text(words).first.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= 900, words


def test_the_page_is_whole_without_javascript(opened, report):
    page = opened(report, java_script_enabled=False)
    page.locator("summary", has_text="180 more accounts").first.click()
    assert page.locator("table.members").nth(1).is_visible()
    assert page.locator("#not-accused").get_by_text("940 keys of one verified company").is_visible()


def test_the_key_facts_of_a_campaign_are_visible(opened, report):
    campaign = opened(report).locator("#campaign-1")
    for words in ("Could it be chance?", "13.2", "Innocent explanation", "AML.T0024.002", "Does not fit",
                  "What would change our mind", "How to appeal"):  # fmt: skip
        assert campaign.get_by_text(words).first.is_visible(), words


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_nothing_scrolls_sideways(opened, report, width):
    page = opened(report, width=width, height=844)
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("width", [320, 400, 1280])
def test_the_name_of_a_kind_stands_on_one_line_in_its_column(opened, report, width):
    page = opened(report, width=width, height=844)
    cells = page.locator("#campaign-1 .kinds>div>:first-child, #campaign-1 .kinds-head>*")
    overflowing = "all => all.filter(one => one.scrollWidth > one.clientWidth).map(one => one.textContent)"
    lines = """one => { const words = document.createRange(); words.selectNodeContents(one)
        return words.getClientRects().length }"""
    assert cells.evaluate_all(overflowing) == []
    name = page.locator("#campaign-1 .kinds").get_by_text("Infrastructure")
    assert name.evaluate(lines) == 1


def test_a_hostile_log_breaks_neither_the_page_nor_its_width(opened, tmp_path):
    members = tuple(
        msgspec.structs.replace(member, account_id=f"{HOSTILE[index % len(HOSTILE)]}{index}", why=HOSTILE)
        for index, member in enumerate(small_campaign().members)
    )
    group = msgspec.structs.replace(small_campaign(), members=members, headline="".join(HOSTILE), archetype="x" * 500)
    path = tmp_path / "hostile.html"
    ids = [member.account_id for member in members]
    ties = {group.campaign_id: all_ties([(a, b, "content", 5.0) for a, b in itertools.pairwise(ids)])}
    path.write_text(render_report(example_run(), [group], ties=ties), encoding="utf-8")
    page = opened(path.as_uri(), width=390, height=844)
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.evaluate("document.querySelectorAll('script, img, iframe, object').length") == 0


def test_everything_that_unfolds_does_so_by_keyboard(opened, report):
    page = opened(report)
    summaries = page.locator("summary")
    assert summaries.count() > 20
    for index in range(summaries.count()):
        summary = summaries.nth(index)
        before = summary.evaluate("one => one.parentElement.open")
        summary.focus()
        page.keyboard.press("Enter")
        assert summary.evaluate("one => one.parentElement.open") is not before
        assert summary.evaluate("one => document.activeElement === one")


def test_the_first_tab_offers_to_skip_to_the_findings(opened, report):
    page = opened(report)
    page.keyboard.press("Tab")
    skip = page.get_by_text("Skip to the findings")
    assert skip.evaluate("one => document.activeElement === one && one.getBoundingClientRect().left >= 0")
    page.keyboard.press("Enter")
    assert page.url.endswith("#main")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_has_the_contrast_of_wcag_aa(opened, report, scheme):
    page = opened(report, color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    contrasts = page.evaluate(CONTRASTS)
    assert len(contrasts) > 30
    assert {where: round(ratio, 2) for where, ratio in contrasts.items() if ratio < 4.5} == {}


def test_dark_is_dark_and_light_is_light(opened, report):
    grounds = {
        scheme: opened(report, color_scheme=scheme).evaluate("getComputedStyle(document.body).backgroundColor")
        for scheme in ("light", "dark")
    }
    assert grounds == {"light": "rgb(251, 250, 248)", "dark": "rgb(20, 19, 17)"}


def test_print_unfolds_what_the_screen_folds(opened, report):
    page = opened(report, color_scheme="dark")
    page.emulate_media(media="print")
    assert page.locator("table.members").nth(1).is_visible()
    assert page.locator(".looked-body").first.is_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.pdf(prefer_css_page_size=True).startswith(b"%PDF")


def test_nothing_found_fits_the_first_screen(opened, tmp_path):
    path = tmp_path / "nothing.html"
    path.write_text(render_report(example_run(detection_limit=""), not_accused()), encoding="utf-8")
    page = opened(path.as_uri())
    box = page.get_by_text("spiritsafe prove inject LOGS").first.bounding_box()
    assert box["y"] + box["height"] <= 900
