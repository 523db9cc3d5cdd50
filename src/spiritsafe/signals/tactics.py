"""What a request can show of a known way to take a model's capabilities.

A tactic is data, not code, so that batch and request path cannot differ: words in the prompt, settings of the request,
and repetitions of a prompt by one account. Each has its reason, its MITRE ATLAS technique and the innocent work that
looks the same. A prompt's words alone prove nothing (a classifier on prompt text reaches AUC 0.96 on sources it has
seen and 0.64 on others), so a tactic ranks and explains a group that other evidence found; it never makes one.

The patterns are RE2, matched without regard to case. Comes from the sketcher, which counts them; goes on to
`signals.batch` and `signals.online`.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from spiritsafe.plugins import Door

if TYPE_CHECKING:
    from spiritsafe.plugins import PluginFault
    from spiritsafe.sketch.patterns import TextTactic


@dataclass(frozen=True, slots=True)
class Setting:
    """A column of `requests` that shows the tactic: true, or (with `least`) a number of at least that."""

    column: str
    least: int | None = None


@dataclass(frozen=True, slots=True)
class Repeats:
    """One account asks the same prompt again: from the `times`th time on, or of another model (`models`).

    Prompts are the same when their words are (`sketch.folding`). What was turned away or failed does not count, since
    it is sent again. Just one of the two is given.
    """

    times: int | None = None
    models: int | None = None

    @property
    def free(self) -> int:
        """How often it may be asked, or how many models, before the tactic shows."""
        return (self.times or self.models or 1) - 1

    def beyond(self, asked: int, models: int) -> int:
        """How many of `asked` exchanges with one prompt, answered by so many models, show the tactic."""
        return max((asked if self.times else models) - self.free, 0)


@dataclass(frozen=True, slots=True)
class Tactic:
    """A tactic: what it takes, why it matters, where ATLAS lists it and who does the same honestly."""

    text: TextTactic
    takes: str
    rationale: str
    technique_id: str
    technique_name: str
    innocent: str
    settings: tuple[Setting, ...] = ()
    repeats: Repeats | None = None
    api_version: int = 2

    @property
    def name(self) -> str:
        return self.text.name


TACTIC_THRESHOLD: Final = 0.5
"""A request counts towards a tactic from this score on: one strong pattern, or two weak ones."""

FAILED_STATUS: Final = 400
"""From this HTTP status on an exchange was turned away or failed."""


class TacticPlugin(Protocol):
    """What an entry point of the group `spiritsafe.tactics` must have; `Tactic` is one way to have it.

    `text` may have no patterns, `settings` may be empty and `repeats` None: what is there is looked for.
    """

    @property
    def text(self) -> TextTactic: ...
    @property
    def takes(self) -> str: ...
    @property
    def rationale(self) -> str: ...
    @property
    def technique_id(self) -> str: ...
    @property
    def technique_name(self) -> str: ...
    @property
    def innocent(self) -> str: ...
    @property
    def settings(self) -> tuple[Setting, ...]: ...
    @property
    def repeats(self) -> Repeats | None: ...


DOOR: Final = Door("spiritsafe.tactics", TacticPlugin, api_version=2, oldest_api_version=2)


@functools.cache
def installed_tactics() -> tuple[TacticPlugin, ...]:
    """Every tactic that is installed, built-in or not, by name. One that cannot be used stops the run by name.

    Raises
    ------
    PluginFault
        A plugin is broken, of another version or of another shape: a scan without it would find less and not
        say so.
    """

    def refuse(fault: PluginFault) -> None:
        raise fault

    return tuple(DOOR.load_all(report=refuse).values())


def text_tactics() -> tuple[TextTactic, ...]:
    """What the sketcher must look for."""
    return tuple(tactic.text for tactic in installed_tactics())
