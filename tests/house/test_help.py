"""`--help` teaches: every command says what it does and shows itself at work."""

from __future__ import annotations

import click

from scripts.docs import commands
from tests.house.repository import told


def body(text: str) -> str:
    """The help without its usage lines."""
    return text.partition("\n\n")[2].strip()


def shows_itself(path: str, text: str) -> bool:
    """Typed out, or as its group's default verb (`spiritsafe prove --out` is `spiritsafe prove compose --out`)."""
    return path in body(text) or f"{path.rpartition(' ')[0]} --" in body(text)


def test_every_command_shows_an_example_of_itself():
    silent = [
        path
        for path, command, text in commands()
        if not isinstance(command, click.Group) and not shows_itself(path, text)
    ]
    assert not silent, f"add an example line to the docstring of each (after a \\b): {told(silent)}"


def test_every_command_says_what_it_does():
    faults = {}
    for path, _, text in commands():
        first = body(text).split("\n")[0]
        if not first or not first[0].isupper() or first.startswith(("Options:", "Commands:")):
            faults[path] = f"opens with {first!r}; open the docstring with what it does"
    assert not faults, told(faults)


def test_every_option_says_what_it_means():
    faults = [
        f"{path} {option.opts[0]}"
        for path, command, _ in commands()
        for option in command.params
        if isinstance(option, click.Option) and not option.hidden and not option.help
    ]
    assert not faults, f"give each a help text: {told(faults)}"


def test_no_command_talks_of_paths_that_it_cannot_know():
    """Help is the same for everyone: a default that is this machine's folder has no place in it."""
    faults = [path for path, _, text in commands() if "/home/" in text or "/tmp/" in text]
    assert not faults, told(faults)
