"""The life of a case: which move may follow which, who may make it, and when it needs a second person.

A person's moves are judgements; a rule's moves follow from what was filed (an action done, an appeal made or
decided, the same campaign seen again), so that no person has to remember to make them.
Comes from nothing; goes on to `cases.moves`, which makes moves, and `cases.replay`, which holds the log to them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from spiritsafe.cases.model import CaseState, MoveError

if TYPE_CHECKING:
    from collections.abc import Mapping

S = CaseState
OPENED: Final = "verdict-is-campaign/1"
ACTED: Final = "action-done/1"
APPEALED: Final = "appeal-made/1"
DECIDED: Final = "appeals-decided/1"
SEEN_AGAIN: Final = "seen-again/1"
RAN_OUT: Final = "appeal-clock/1"

PERSONS_MOVES: Final[Mapping[CaseState, frozenset[CaseState]]] = {
    S.SUSPECTED: frozenset({S.IN_REVIEW}),
    S.IN_REVIEW: frozenset({S.CONFIRMED, S.DISMISSED}),
    S.CONFIRMED: frozenset({S.CONFIRMED, S.IN_REVIEW}),
    S.DISMISSED: frozenset({S.IN_REVIEW, S.CLOSED}),
    S.ACTED_ON: frozenset({S.CONFIRMED, S.CLOSED}),
    S.APPEALED: frozenset(),
    S.UPHELD: frozenset({S.CONFIRMED, S.CLOSED}),
    S.OVERTURNED: frozenset({S.IN_REVIEW, S.CLOSED}),
    S.CLOSED: frozenset({S.IN_REVIEW}),
}
"""To confirm again is how accounts that joined later come under what was decided."""

RULES_MOVES: Final[Mapping[str, frozenset[tuple[CaseState | None, CaseState]]]] = {
    OPENED: frozenset({(None, S.SUSPECTED)}),
    ACTED: frozenset({(S.CONFIRMED, S.ACTED_ON)}),
    APPEALED: frozenset((before, S.APPEALED) for before in (S.ACTED_ON, S.CONFIRMED, S.UPHELD, S.OVERTURNED, S.CLOSED)),
    DECIDED: frozenset({(S.APPEALED, S.UPHELD), (S.APPEALED, S.OVERTURNED)}),
    SEEN_AGAIN: frozenset({(S.CLOSED, S.SUSPECTED)}),
}
JOINABLE: Final = frozenset({S.SUSPECTED, S.IN_REVIEW})
"""States in which a case may be joined to another: nothing was decided against anybody that would have to move too."""
UNDER_ACTION: Final = frozenset({S.CONFIRMED, S.ACTED_ON, S.APPEALED, S.UPHELD})
"""States in which something may be done to confirmed accounts; while some appeal, only to the others."""
APPEALABLE: Final = frozenset({S.CONFIRMED, S.ACTED_ON, S.APPEALED, S.UPHELD, S.OVERTURNED, S.CLOSED})


def check_move(before: CaseState | None, after: CaseState, *, by: str, name: str) -> None:
    """Raise `MoveError` unless a person (or, with `by` = `rule`, the rule of that name) may make this move."""
    if by == "rule":
        if (before, after) in RULES_MOVES.get(name, frozenset()):
            return
        raise MoveError(f"the rule {name} takes no case from {before or 'nothing'} to {after}", hint="see `cases.life`")
    if by != "person":
        raise MoveError("only a person or a rule moves a case", hint="sign it: --as NAME")
    if before is None:
        if after is S.SUSPECTED:
            return
        raise MoveError("a case opens as suspected", hint="then it is reviewed")
    allowed = PERSONS_MOVES[before]
    if after in allowed:
        return
    follow = f"a person may make it {' or '.join(sorted(allowed))}" if allowed else "what is appealed is decided first"
    raise MoveError(f"a case that is {before} cannot become {after} by a person's word", hint=_way(after, follow))


def _way(after: CaseState, follow: str) -> str:
    ways = {
        S.ACTED_ON: "it becomes acted_on when an action is filed: `spiritsafe case act`",
        S.APPEALED: "it becomes appealed when a holder appeals: `spiritsafe case appeal make`",
        S.UPHELD: "decide its appeals: `spiritsafe case appeal decide`",
        S.OVERTURNED: "grant an appeal that says so: `spiritsafe case appeal decide --whole-case`",
    }
    return ways.get(after, follow)
