"""The docs hold together: every page is found, every link leads somewhere, every record has its form."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from urllib.parse import unquote

import pytest

from tests.house.pages import Page, agrees, commands, docs_pages, pages
from tests.house.repository import DOCS, ROOT, SOURCE, told

RECORDS = tuple(page for page in docs_pages() if re.match(r"docs/decisions/\d{4}-", page.name))
SECTIONS = ("## Question", "## Decision", "## Why", "## What else was considered")
LANGUAGES = {"console", "python", "text", "toml", "json", "sql", "mermaid", "yaml"}


def broken_links(page: Page) -> list[str]:
    found = []
    for target in page.links:
        if re.match(r"[a-z]+:", target):  # the outside world is not asked
            continue
        name, _, anchor = unquote(target).partition("#")
        path = (page.path.parent / name).resolve() if name else page.path
        if not path.exists():
            found.append(f"{target}: no such file")
        elif not path.is_relative_to(ROOT):
            found.append(f"{target}: outside the project")
        elif anchor and path.suffix == ".md" and anchor not in Page(path).anchors:
            found.append(f"{target}: no such heading; there are {sorted(Page(path).anchors)}")
    return found


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_every_link_leads_somewhere(page):
    faults = broken_links(page)
    assert not faults, told(faults)


def test_every_page_can_be_reached_from_the_index():
    waiting, reached = [DOCS / "index.md"], set()
    while waiting:
        path = waiting.pop()
        if path in reached or not path.is_file():
            continue
        reached.add(path)
        targets = [unquote(link.partition("#")[0]) for link in Page(path).links if ":" not in link]
        waiting += [(path.parent / target).resolve() for target in targets if target.endswith(".md")]
    lost = [page.name for page in docs_pages() if page.path not in reached]
    assert not lost, f"link these from docs/index.md or from a page that it links: {told(lost)}"


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_a_page_opens_with_its_title(page):
    first = page.text.lstrip().splitlines()[0] if page.text.strip() else ""
    assert first.startswith("# "), "open the page with `# Title`"


@pytest.mark.parametrize("page", docs_pages(), ids=lambda page: page.name)
def test_every_block_says_what_it_is(page):
    faults = [f"line {block.line}: ```{block.language}" for block in page.blocks if block.language not in LANGUAGES]
    assert not faults, (
        f"mark each block as one of {sorted(LANGUAGES)}: `console` and `python` are run, `text` is for what "
        f"cannot be: {told(faults)}"
    )


@pytest.mark.parametrize("page", RECORDS, ids=lambda page: page.name)
def test_a_decision_record_has_the_form_of_0001(page):
    number = page.path.name[:4]
    assert page.text.startswith(f"# {number} "), f"open with `# {number} Title`"
    assert re.search(r"^Status: (proposed|accepted|replaced by \d{4})$", page.text, re.MULTILINE)
    assert re.search(r"^Date: \d{4}-\d{2}-\d{2}$", page.text, re.MULTILINE)
    headings = [line.strip() for line in page.prose.splitlines() if line.startswith("## ")]
    assert tuple(headings[:4]) == SECTIONS, "the four sections of 0001, in their order, come first"


def test_no_two_decisions_share_a_number():
    counted = Counter(page.path.name[:4] for page in RECORDS)
    assert [number for number, times in counted.items() if times > 1] == []


def test_every_decision_is_listed_in_the_index():
    listed = set(Page(DOCS / "decisions" / "README.md").links)
    lost = [page.path.name for page in RECORDS if page.path.name not in listed]
    assert not lost, f"list these in docs/decisions/README.md: {told(lost)}"


def test_the_generated_pages_are_up_to_date():
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "docs.py", "--check"],
        capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_every_error_code_is_on_the_page_of_errors():
    """Independent of the generator: the codes in the classes' source text."""
    page = (DOCS / "reference" / "errors.md").read_text(encoding="utf-8")
    stated = re.compile(r'^    code(?:: [^=]+)? = "(\w+\.[\w.]+)"', re.MULTILINE)
    codes = {code for path in SOURCE.rglob("*.py") for code in stated.findall(path.read_text("utf-8"))}
    lost = sorted(code for code in codes if f"`{code}`" not in page)
    assert not lost, f"run `make docs`: {told(lost)}"


@pytest.mark.parametrize(
    ("expected", "found", "agree"),
    [
        ("12 groups", "12 groups\n", True),
        ("12 groups", "13 groups\n", False),
        ("... groups", "13 groups\n", True),
        ("first\n...\nlast", "first\nlast\n", True),
        ("first\n...\nlast", "first\na\nb\nlast\n", True),
        ("first\n...\nlast", "first\na\nb\n", False),
        ("cost (1.5)", "cost (1x5)\n", False),
        ("all\n...", "all\nthat\nfollows", True),
    ],
)
def test_dots_stand_for_anything_and_nothing_else_does(expected, found, agree):
    assert agrees(expected, found) is agree


def test_a_console_block_is_read_as_it_would_be_typed(tmp_path):
    path = tmp_path / "page.md"
    path.write_text("# T\n\n```console\n$ cat <<X\n> a\n> X\na\n$ echo \\\n  b\nb\n\n```\n")
    first, second = commands(Page(path).blocks[0])
    assert (first.typed, first.expected, first.line) == ("cat <<X\na\nX", "a", 4)
    assert (second.typed, second.expected) == ("echo \\\n  b", "b")
