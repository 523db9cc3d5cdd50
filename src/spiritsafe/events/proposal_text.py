"""A proposal as the map file that a person will check: every guess with its reason, doubt and rivals.

Comes from `events.propose`; goes on to `doctor --write-map`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from spiritsafe.events.mapping import TABLES, Mapping, dump_mapping
from spiritsafe.events.masking import example

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spiritsafe.events.propose import Alternative, Guess, Proposal

SURE: Final = 0.9
LIKELY: Final = 0.7


def doubt(confidence: float) -> str:
    """A confidence in a word."""
    return "sure" if confidence >= SURE else "likely" if confidence >= LIKELY else "a guess: please check"


def proposal_text(*proposals: Proposal, show_examples: bool = False) -> str:
    """Proposals, one a contract table, as TOML with comments. Examples are masked unless `show_examples`."""
    sections = {proposal.table: proposal.mapping.table(proposal.table) for proposal in proposals}
    carry = tuple(dict.fromkeys(name for proposal in proposals for name in proposal.mapping.carry or ()))
    notes = {key: lines for one in proposals for key, lines in _notes(one, show_examples=show_examples)}
    closing = [line for one in proposals for line in _closing(one, show_examples=show_examples)]
    return dump_mapping(Mapping(carry=carry, **sections), notes=notes, closing=closing)  # type: ignore[arg-type]


def _notes(proposal: Proposal, *, show_examples: bool) -> Iterator[tuple[str, list[str]]]:
    schema = TABLES[proposal.table]
    for guess in proposal.guesses:
        column = schema.by_name[guess.column]
        lines = [f"{guess.column}: {column.note}" if column.note else guess.column]
        if guess.source is not None:
            lines.append(f"{doubt(guess.confidence)} ({guess.confidence:.2f}); {guess.reason}".rstrip("; "))
            if examples := [example(value, column, show=show_examples) for value in guess.examples]:
                lines.append(f"examples: {' | '.join(examples)}")
            lines += _hints(guess)
        elif not guess.alternatives and not column.required:
            continue
        else:
            required = "Not found, and required" if column.required else "Not found"
            lines.append(f"{required}.{f' Without it {column.cost}.' if column.cost else ''}")
            if column.name == "event_id":
                lines.append('No id? from = ["when", "who", "what"], join = " ", transform = "fingerprint" makes one.')
        lines += [_rival(guess, one) for one in guess.alternatives]
        yield f"{schema.name}.{guess.column}", lines


def _hints(guess: Guess) -> list[str]:
    hints = []
    if guess.naive:
        hints.append(
            'These times carry no offset: add timezone = "Europe/Berlin" (or yours), or scan will refuse them.'
        )
    if guess.source is not None and guess.source.transform == "forwarded_for":
        hints.append(
            "Each proxy appends the address that it saw: hop = how many proxies of your own stand in front. "
            "The left-most entry is only what the client claims."
        )
    return hints


def _rival(guess: Guess, one: Alternative) -> str:
    if one.column == guess.column:
        return f"or: from {one.label} ({one.confidence:.2f})"
    return f"the same column could also be {one.column} ({one.confidence:.2f})"


def _closing(proposal: Proposal, *, show_examples: bool) -> list[str]:
    """The columns that nothing is read from, for the person to see what was left out."""
    if not proposal.unmapped:
        return []
    lines = [f"Columns of {proposal.table} that nothing is read from (c: handed on by the reader):"]
    for one in proposal.unmapped:
        shown = " | ".join(example(value, None, show=show_examples) for value in one.examples)
        lines.append(f"  {'c' if one.carried else ' '} {one.path} ({one.kind}, {one.distinct:,} different) {shown}")
    return lines
