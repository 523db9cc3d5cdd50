"""Our Markdown pages as data: links, headings, and the examples that are run.

An example is a fenced block marked `console` (lines that open with `$ ` are typed, lines that open with `> `
go on with them, the rest is what comes out) or `python` (doctest when it holds `>>>`, else run as it stands).
In what comes out, `...` stands for anything.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from tests.house.repository import DOCS, ROOT, files

FENCE: Final = re.compile(r"^(?P<indent> *)(?P<ticks>`{3,})(?P<info>.*)$")
LINK: Final = re.compile(r"!?\[[^\]]*\]\((?P<target>[^()\s]+(?:\([^()\s]*\))?)(?:\s+\"[^\"]*\")?\)")
HEADING: Final = re.compile(r"^#{1,6} +(?P<text>.+?) *#*$", re.MULTILINE)
WORLD: Final = re.compile(r"<!-- world: (?P<name>[a-z]+) -->")


@dataclass(frozen=True)
class Block:
    """A fenced block: what it is marked as, the line of its fence (from 1) and its text."""

    language: str
    line: int
    text: str


@dataclass(frozen=True)
class Command:
    """One thing typed and what shall come out ("" when the page does not say)."""

    line: int
    typed: str
    expected: str


@dataclass(frozen=True)
class Page:
    """One Markdown file."""

    path: Path

    @property
    def name(self) -> str:
        return str(self.path.relative_to(ROOT))

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        return tuple(_blocks(self.text))

    @cached_property
    def prose(self) -> str:
        """The text without fenced blocks and inline code: where links and headings are."""
        lines = self.text.splitlines()
        for block in self.blocks:
            last = block.line + block.text.count("\n") + 1
            lines[block.line - 1 : last] = [""] * (last - block.line + 1)
        return re.sub(r"`[^`\n]+`", lambda code: code.group().replace("[", " "), "\n".join(lines))

    @property
    def links(self) -> tuple[str, ...]:
        return tuple(match["target"] for match in LINK.finditer(self.prose))

    @property
    def anchors(self) -> set[str]:
        return {_slug(match["text"]) for match in HEADING.finditer(self.prose)}

    @property
    def world(self) -> str | None:
        """The composed traffic that the page's examples find in `world/`, if they need one."""
        match = WORLD.search(self.text)
        return match["name"] if match else None

    @property
    def examples(self) -> tuple[Block, ...]:
        return tuple(block for block in self.blocks if block.language in {"console", "python"})


def pages() -> tuple[Page, ...]:
    """Every Markdown page of the project."""
    return tuple(Page(path) for path in files() if path.suffix == ".md" and ".ci" not in path.parts)


def docs_pages() -> tuple[Page, ...]:
    return tuple(page for page in pages() if page.path.is_relative_to(DOCS))


def _slug(heading: str) -> str:
    """The anchor that a heading gets, as GitHub and most renderers make it."""
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


def _blocks(text: str) -> list[Block]:
    found = []
    lines = text.splitlines()
    at = 0
    while at < len(lines):
        opening = FENCE.match(lines[at])
        at += 1
        if not opening:
            continue
        first, body = at, []
        closing = re.compile(rf"^ *{opening['ticks']}`* *$")
        while at < len(lines) and not closing.match(lines[at]):
            body.append(lines[at].removeprefix(opening["indent"]))
            at += 1
        assert at < len(lines), f"line {first}: a fenced block is never closed"
        at += 1
        found.append(Block(opening["info"].strip(), first, "\n".join(body)))
    return found


def commands(block: Block) -> list[Command]:
    """The commands of a `console` block with what shall come out of each."""
    found: list[Command] = []
    typed: list[str] = []
    expected: list[str] = []
    line = block.line

    def close() -> None:
        if typed:
            found.append(Command(line, "\n".join(typed), "\n".join(expected).rstrip()))

    for number, text in enumerate(block.text.splitlines(), start=block.line + 1):
        if text.startswith("$ "):
            close()
            line, typed, expected = number, [text.removeprefix("$ ")], []
        elif typed and not expected and (text == ">" or text.startswith("> ")):
            typed.append(text[2:])
        elif typed and not expected and typed[-1].endswith("\\"):
            typed.append(text)
        else:
            assert typed or not text, f"line {number}: a console block opens with `$ `"
            expected.append(text)
    close()
    return found


def agrees(expected: str, found: str) -> bool:
    """Does what came out agree with what the page says, `...` standing for anything?"""
    wanted = "\n".join(line.rstrip() for line in expected.strip("\n").splitlines())
    got = "\n".join(line.rstrip() for line in found.strip("\n").splitlines())
    pattern = re.escape(wanted).replace(re.escape("..."), ".*?")
    # A line of its own stands for any number of lines, none included.
    pattern = re.sub(r"(?<=\n)\.\*\?\\?\n", r"(?:.*?\\n)?", pattern)
    return re.fullmatch(pattern, got, re.DOTALL) is not None
