"""A progress bar on a terminal, nothing anywhere else."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Progress = Callable[[str, float, float], None]


@contextlib.contextmanager
def progress_bar(*, show: bool = True) -> Iterator[Progress]:
    """A function to be called with (stage, done, total); draws to stderr when that is a terminal."""
    if not show or not sys.stderr.isatty():
        yield lambda _stage, _done, _total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn

    with Progress(
        TextColumn("{task.description:<16}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
    ) as bar:
        tasks: dict[str, TaskID] = {}

        def tell(stage: str, done: float, total: float) -> None:
            if stage not in tasks:
                for task in tasks.values():
                    bar.update(task, completed=bar.tasks[task].total)
                tasks[stage] = bar.add_task(stage, total=max(total, 1e-9))
            bar.update(tasks[stage], completed=done, total=max(total, 1e-9))

        yield tell
        for task in tasks.values():
            bar.update(task, completed=bar.tasks[task].total)
