"""What of the roster does a request match: its account, its wording, its network?

Pure: a request and a roster in, for each campaign that is touched the kinds of evidence out. Most requests touch none,
and that has to be quick. Comes from `guard.deciding`; goes on to `guard.ceilings` and the rules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from spiritsafe.roster.model import Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from spiritsafe.guard.model import Request
    from spiritsafe.roster.model import Standing
    from spiritsafe.roster.names import Names
    from spiritsafe.roster.reading import Roster
    from spiritsafe.sketch.single import PromptSketch

TEMPLATE: Final = "template"
CARRIED: Final = "carried"
"""A conversation in which an earlier exchange was an instance of the template: what follows is the campaign's too, as
the scan counts it (`campaigns.exchanges`)."""
VALUES: Final = (
    "client_ip", "ja4", "http2_fingerprint", "user_agent", "conversation_id", "payment_fingerprint", "email_pattern",
    "organization_id", "tool_schema_hash",
)  # fmt: skip
"""Columns of which a value may be a mark of a campaign, as they stand in the request."""

PREFIX_DEPTHS: Final = tuple(2**power - 1 for power in range(13))
"""Blocks of an input that are looked up, as `links.phrases` takes them."""


class Match:
    """What ties one request to one campaign.

    `listed` are the kinds of evidence by which the campaign's list names the account, `shown` those that this request
    shows. `marks` are what it shows: key, kind, and the name of the column.
    """

    __slots__ = ("campaign", "listed", "marks", "probability", "role", "shown")

    def __init__(self, campaign: int) -> None:
        self.campaign = campaign
        self.listed = 0
        self.shown = 0
        self.probability = 0.0
        self.role = 0
        self.marks: list[tuple[int, int, str]] = []

    def kinds(self, *, member: bool) -> int:
        """The kinds of evidence, those of the list only where the account is taken for a member."""
        return self.shown | self.listed if member else self.shown

    def without(self, suspended: Callable[[int], bool]) -> None:
        """Leave out marks that say nothing at the moment."""
        self.marks = [mark for mark in self.marks if not suspended(mark[0])]
        self.shown = 0
        for _, kind, _ in self.marks:
            self.shown |= kind


def match(
    roster: Roster,
    names: Names,
    request: Request,
    standing: Standing,
    sketch: PromptSketch | None,
    beside: dict[str, int],
    carried: int | None = None,
) -> dict[int, Match]:
    """Campaigns that a request touches, by their place in the roster.

    Parameters
    ----------
    roster, names
        What is known, and how names are hashed in it.
    request, standing
        The request, and what is known of its account.
    sketch
        Its prompt's numbers; None where there is no prompt.
    beside
        `system_prompt_hash` and `assistant_prefill_hash`, where there are such texts.
    carried
        The key of the template with which its conversation began, or went on before; None where none is known.
    """
    found: dict[int, Match] = {}
    if standing.campaign >= 0:
        one = found[standing.campaign] = Match(standing.campaign)
        one.listed, one.probability, one.role = standing.kinds, standing.probability, standing.role
    if sketch is not None and sketch.phrases:
        for template, hits in roster.template_hits(sketch.phrases).items():
            campaign, least, key = roster.template(template)
            if hits >= least:
                _mark(found, campaign, key, Kind.CONTENT, TEMPLATE)
    if carried is not None:
        for campaign, kind in roster.value(carried):
            _mark(found, campaign, carried, kind, CARRIED)
    if roster.values:
        for column, value in _values(request, beside):
            key = names.hashed(column, value)
            for campaign, kind in roster.value(key):
                _mark(found, campaign, key, kind, column)
    return found


def _values(request: Request, beside: dict[str, int]) -> list[tuple[str, str]]:
    values = [(column, str(value)) for column in VALUES if (value := getattr(request, column)) is not None]
    values += [(column, str(value)) for column, value in beside.items()]
    blocks = request.prefix_blocks
    if blocks:
        values += [("prefix_block", str(blocks[depth])) for depth in PREFIX_DEPTHS if depth < len(blocks)]
    return values


def _mark(found: dict[int, Match], campaign: int, key: int, kind: int, what: str) -> None:
    one = found.get(campaign)
    if one is None:
        one = found[campaign] = Match(campaign)
    one.shown |= kind
    one.marks.append((key, kind, what))
