"""Marks in answers, by which a model that was trained on them can be told later: whoever makes them comes in by a door.

The guard makes none. It says of which answers they are asked, by the measure `mark_answers`, and records that in the
decision. What a mark may be is bounded by the Protocol: it changes how the server behind is asked, never what it said,
so that no answer is wrong. Comes from `door`; goes on to the server behind.
"""

from __future__ import annotations

from typing import Any, Final, Protocol

from spiritsafe import plugins


class AnswerMarks(Protocol):
    """Asks the server behind for a marked answer: sampled with a watermark, or with a canary in it."""

    api_version: int
    """1."""

    def marked(self, body: dict[str, Any], path_end: str, account_id: str, campaign_id: str) -> dict[str, Any]:
        """The body of a call as it is to go on.

        Parameters
        ----------
        body
            As it would go on; not to be changed in place.
        path_end
            Which call it is: `chat/completions`, `completions`, `messages` or `responses`.
        account_id, campaign_id
            Whose answer it is, as the gateway knows it, and of which campaign's list; "" where that is not known.
        """


MARKS: Final = plugins.Door("spiritsafe.answer_marks", AnswerMarks, api_version=1)
"""By which marks come in. An error of one is counted, and the call goes on unmarked."""
