"""What `doctor` found, as text for a person: a table on a terminal, plain lines anywhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from spiritsafe.events.doctor import Findings
    from spiritsafe.events.doctor_facts import ColumnFact
    from spiritsafe.events.silences import Silence

_SHOWN: Final = ("present", "mapped", "proposed", "sketched")
_HEADS: Final = ("column", "read from", "sure", "filled", "different", "examples")
_COLOURS: Final = {"dead": "red", "weak": "yellow", "note": "blue"}
_WIDTHS: Final = (26, 36, 6, 7, 10)


def tell(found: Findings, *, rich: bool) -> None:
    """Print the findings to stdout; the loudest last but one, the next step last."""
    click.echo(_headline(found))
    for text in _preface(found):
        click.echo(text)
    if found.readable and not found.rows_read and not found.refused:
        click.echo("\nThere is nothing to look at: no row of this log is an exchange with a model.")
        return
    _columns("Columns", [one for one in found.columns if one.status in _SHOWN], rich=rich)
    if found.account_columns:
        present = [one for one in found.account_columns if one.status in _SHOWN]
        _columns("Columns of the accounts table", present, rich=rich)
    for section in (_doubts, _missing, _left_over, _refused, _warnings, _evidence):
        for text in section(found):
            click.echo(text)
    click.echo(f"\n{click.style('Next', bold=True)}")
    for command in found.next_commands:
        click.echo(f"  {command}")


def _headline(found: Findings) -> str:
    files = f"{found.files:,} {'file' if found.files == 1 else 'files'}"
    if not found.readable:
        return f"{found.format}, {files}, {_size(found.size_bytes)}"
    rows = (
        f"{'all ' if found.rows_whole else ''}{found.rows_read:,} {'' if found.rows_whole else 'of its '}rows looked at"
    )
    clock = f", {_short(found.clock_first)} to {_short(found.clock_last)} UTC" if found.clock_first else ""
    return f"{found.format}, {files}, {_size(found.size_bytes)}; {rows}, {found.accounts:,} accounts{clock}"


def _short(time: str) -> str:
    return time[:16].replace("T", " ")


def _size(size_bytes: int) -> str:
    size = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            return f"{size:,.0f} {unit}" if unit == "B" else f"{size:,.1f} {unit}"
        size /= 1000
    return ""


def _preface(found: Findings) -> Iterator[str]:
    if found.passed_over:
        from spiritsafe.events.sources.storage import passed_over

        yield f"not read: {passed_over(found.passed_over)}"
    if not found.readable:
        yield click.style(f"\nThis log cannot be read as it is: {found.problem}", fg="red", bold=True)
    elif found.needs_map:
        yield (
            "\nThe columns are not called as in the contract. What follows is read through a proposed mapping:"
            "\nwrite it with --write-map, correct it, and scan with --map."
        )


# --- columns ----------------------------------------------------------------------------------------------


def _columns(title: str, facts: Sequence[ColumnFact], *, rich: bool) -> None:
    if not facts:
        return
    rows = [_cells(one) for one in facts]
    click.echo(f"\n{click.style(title, bold=True)}")
    if rich:
        _rich_table(rows)
        return
    click.echo("  " + _line(_HEADS))
    for row in rows:
        click.echo("  " + _line(row))


def _cells(one: ColumnFact) -> tuple[str, ...]:
    name = f"{one.name}*" if one.required else one.name
    source = {"present": "as it is", "sketched": "as a sketch"}.get(one.status, one.source)
    if one.how:
        source = f"{source}, {one.how}"
    sure = "" if one.confidence is None else f"{one.confidence:.2f}"
    if one.status == "sketched":
        return name, source, "", "", "", ""
    return name, source, sure, _percent(one.share), f"{one.distinct:,}", " | ".join(one.examples[:2])


def _percent(share: float) -> str:
    return "100 %" if share == 1 else "<1 %" if 0 < share < 0.01 else f"{int(share * 100)} %"


def _line(cells: Sequence[str]) -> str:
    padded = [cell.ljust(width) for cell, width in zip(cells, _WIDTHS, strict=False)]
    return " ".join([*padded, *cells[len(_WIDTHS) :]]).rstrip()


def _rich_table(rows: Sequence[Sequence[str]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False, expand=True)
    table.add_column("column", no_wrap=True)
    longest = max(len(row[1]) for row in rows)
    table.add_column("read from", overflow="fold", min_width=min(longest, 24), max_width=48)
    for head in ("sure", "filled", "different"):
        table.add_column(head, justify="right", no_wrap=True)
    # Examples take what room is left: they are the first that one can do without.
    table.add_column("examples", overflow="ellipsis", no_wrap=True, ratio=1)
    for row in rows:
        # Text, not str: square brackets in somebody's column name are no markup.
        table.add_row(*[Text(cell) for cell in row])
    Console().print(table)


def _doubts(found: Findings) -> Iterator[str]:
    doubtful = [
        one for one in found.columns if one.status == "proposed" and (one.alternatives or (one.confidence or 1) < 0.7)
    ]
    if doubtful:
        yield f"\n{click.style('Look at these first', bold=True)}"
    for one in doubtful:
        yield f"  {one.name} from {one.source}: {one.reason or 'no strong reason'}"
        for other in one.alternatives:
            yield f"      {other}"


def _missing(found: Findings) -> Iterator[str]:
    facts = [*found.columns, *found.account_columns]
    costly = [one for one in facts if one.status in ("missing", "empty") and (one.cost or one.required)]
    if costly:
        yield f"\n{click.style('Missing, and what that costs', bold=True)}"
    for one in costly:
        empty = " (there, but empty)" if one.status == "empty" else ""
        yield f"  {one.name:<26} {one.cost or 'required: nothing can be read without it'}{empty}"
    cheap = [one.name for one in facts if one.status in ("missing", "empty") and not one.cost and not one.required]
    if cheap:
        yield f"  also missing: {', '.join(cheap)}"
    if not found.account_columns:
        yield "  accounts table             not given (--accounts): sign-up, payment and e-mail patterns cannot be seen"


def _left_over(found: Findings) -> Iterator[str]:
    if not found.unmapped:
        return
    yield f"\n{click.style('Not read', bold=True)} (+ handed on by the reader; no result holds it)"
    for one in found.unmapped:
        could = f"  could be {', '.join(one.could_be)}" if one.could_be else ""
        mark = "+" if one.carried else " "
        yield f"  {mark} {one.name:<34} {one.kind:<12} {' | '.join(one.examples)}{could}".rstrip()


def _refused(found: Findings) -> Iterator[str]:
    if not found.refused:
        return
    yield f"\n{click.style('Refused rows', bold=True)} (scan goes on without them; see quarantine.parquet)"
    for code, count in found.refused.items():
        yield f"  {code:<26} {count:,}"
    for text in found.refused_examples:
        yield f"    {text}"


# --- the verdict ------------------------------------------------------------------------------------------


def _warnings(found: Findings) -> Iterator[str]:
    if not found.warnings:
        return
    yield f"\n{click.style('Warnings', bold=True)}"
    for one in found.warnings:
        yield from _warning(one)


def _warning(one: Silence) -> Iterator[str]:
    mark = {"dead": "DEAD", "weak": "weak", "note": "note"}[one.severity]
    yield f"  {click.style(mark, fg=_COLOURS[one.severity], bold=one.severity == 'dead')} [{one.code}] {one.seen}"
    if one.kills:
        yield f"       kills: {'all detection' if 'all' in one.kills else ', '.join(one.kills) + ' evidence'}"
    yield f"       do: {one.do}"


def _evidence(found: Findings) -> Iterator[str]:
    if not found.rows_read:
        return
    yield f"\n{click.style('What can be seen in this log', bold=True)}"
    for kind in found.kinds:
        yield f"  {kind.name:<16} {'yes' if kind.observable else 'no':<4} {kind.why}"
    for axis in found.axes:
        yield f"  {axis.name + ' axis':<16} {'yes' if axis.observable else 'no':<4} {axis.why}".rstrip()
    if found.campaign_reachable:
        yield "  The verdict `campaign` can be reached."
    else:
        yield click.style(
            "  The verdict `campaign` cannot be reached: groups will be found, none accused.", fg="yellow"
        )
