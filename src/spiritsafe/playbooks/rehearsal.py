"""A playbook gone through at a table: somebody says how each action went, and nothing is done.

Shows before the day which step comes after which, who must decide, and where a way ends in nothing.
Comes from the command; goes on to `playbooks.machine`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from spiritsafe.playbooks.machine import begin, done, ready

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from spiritsafe.playbooks.machine import State, Work
    from spiritsafe.playbooks.model import Playbook


@dataclass(frozen=True, slots=True)
class Answer:
    """How an action went at the table."""

    succeeded: bool
    values: dict[str, str]


def rehearse(
    playbook: Playbook, given: Mapping[str, str], ask: Callable[[Work], Answer]
) -> Iterator[tuple[Work | None, State]]:
    """Go through a playbook: each action as it is asked about, and the state after it; last, None and the end.

    `ask` is told one action at a time, of parallel branches the first.
    """
    state = begin(playbook, given)
    while waiting := ready(playbook, state):
        answer = ask(waiting[0])
        state = done(
            playbook, state, waiting[0].instance, succeeded=answer.succeeded, values=answer.values, why="so it was said"
        )
        yield waiting[0], state
    yield None, state
