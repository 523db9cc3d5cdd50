"""What the operator already holds of a group's accounts, shown beside the judgement.

Labels come in after the verdict is made and change nothing in it: they are shown, never used to accuse. Comes
from `events.beside` and `campaigns.verdicts`; goes on to the report and `campaigns.json`.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from spiritsafe.campaigns.model import Group


def with_labels(groups: Sequence[Group], known: Mapping[str, str]) -> list[Group]:
    """The groups, each with how many of its members the operator had under which label.

    Parameters
    ----------
    groups
        Judged already.
    known
        Account id to label.
    """
    if not known:
        return list(groups)
    return [msgspec.structs.replace(group, known_labels=_counts(group, known)) for group in groups]


def _counts(group: Group, known: Mapping[str, str]) -> dict[str, int]:
    """Label to members that had it, the commonest first."""
    counted = Counter(known[one.account_id] for one in group.members if one.account_id in known)
    return dict(sorted(counted.items(), key=lambda item: (-item[1], item[0])))
