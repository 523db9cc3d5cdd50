"""The page that a person reads: what was found, how sure, why, what else it could be, what to do.

One file, no network, no script: it can be mailed to counsel, printed, and opened in ten years. Its content
policy forbids everything but its own style sheet, named by digest, so that even a string that slipped through
every net could load and run nothing. Comes from `model`; read `report_view` for what is said and `templates/`
for how.
"""

from __future__ import annotations

import base64
import hashlib
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from markupsafe import Markup

from spiritsafe.campaigns import charts, report_view
from spiritsafe.campaigns.known import told
from spiritsafe.campaigns.report_templates import TEMPLATES, render

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from spiritsafe.campaigns.known import Known
    from spiritsafe.campaigns.model import Group, Run
    from spiritsafe.campaigns.partners import Ties

NOTHING_TIED: Final[Mapping[str, Ties]] = MappingProxyType({})


def render_report(
    run: Run,
    groups: Sequence[Group],
    *,
    ties: Mapping[str, Ties] = NOTHING_TIED,
    known: Known | None = None,
    appeal_to: str = "",
    max_groups_accused: int = 25,
    max_groups_not_accused: int = 50,
    max_members_shown: int = 200,
) -> str:
    """The report as one self-contained HTML page.

    Parameters
    ----------
    run
        What was read, with which settings, and what could not be seen.
    groups
        Every group looked at, accused or not, in any order.
    ties
        `campaign_id` to who shares something with whom, for the map of a campaign's accounts.
    known
        How the scan fares on accounts that the operator had judged before.
    appeal_to
        Where the holder of an account sends an appeal; the page says so when it is empty.
    max_groups_accused, max_groups_not_accused
        How many campaigns, and how many groups of each other verdict, are shown in full. The rest is counted,
        and the page names the file that holds it.
    max_members_shown
        How many accounts of a campaign are listed, the surest first; fewer where many campaigns share the page.

    Returns
    -------
    HTML. The same run and groups give the same bytes. Every string is treated as hostile.
    """
    css = (TEMPLATES / "report.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    page = report_view.read_page(
        run,
        groups,
        ties=ties,
        appeal_to=appeal_to,
        max_groups_accused=max_groups_accused,
        max_groups_not_accused=max_groups_not_accused,
        max_members_shown=max_members_shown,
    )
    return render(
        "report.html.j2",
        page=page,
        run=run,
        css=Markup(css),  # noqa: S704  our own file
        policy=f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'",
        mark=charts.axis_mark,
        status_words={status.value: words for status, words in charts.STATUS_WORDS.items()},
        kinds=[kind.value for kind in charts.KINDS],
        axis_questions=report_view.AXIS_QUESTIONS,
        outcomes=report_view.OUTCOMES,
        outcome_marks=report_view.OUTCOME_MARKS,
        roles=report_view.ROLES,
        known=[] if known is None else told(known),
    )
