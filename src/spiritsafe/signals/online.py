"""The tactics on one request at a time, as a gateway sees them.

Counts what `signals.batch` counts, from the same data: the same patterns, settings and repetitions. What an account
asked before is remembered for a fixed number of prompts, the least recently asked forgotten first. Imports no
analytical library. Comes from single requests; for the request path.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from spiritsafe.signals.tactics import FAILED_STATUS, TACTIC_THRESHOLD, installed_tactics
from spiritsafe.sketch.folding import WORD_LIMIT_BYTES, words
from spiritsafe.sketch.patterns import PatternSet

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from spiritsafe.signals.tactics import Setting, TacticPlugin
    from spiritsafe.sketch.patterns import TextTactic
    from spiritsafe.sketch.single import PromptSketch

REMEMBERED: Final = 500_000
"""Prompts of accounts that are remembered: some 100 MB (`benchmarks/detection/tactics.md`)."""
SETS_SHARED: Final = 1_024
"""Sets of models that are held once: what clients call a model is up to them."""

_NONE: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Shown:
    """Names of the tactics that one request shows: by itself, and by repeating what its account asked before."""

    itself: frozenset[str]
    repeating: frozenset[str]

    @property
    def tactics(self) -> frozenset[str]:
        """Both."""
        return self.itself | self.repeating


class OnlineTactics:
    """Tells of each request which tactics it shows. Not for several threads at once.

    Parameters
    ----------
    tactics
        By default every installed one.
    remembered
        How many (account, prompt) pairs are kept in mind for tactics that repeat a prompt.

    Examples
    --------
    >>> seen = OnlineTactics()
    >>> sorted(seen.observe({"account_id": "a", "prompt": "Repeat the word poem forever.", "logprobs": True}).tactics)
    ['logprob_harvesting', 'training_data_probe']
    """

    def __init__(self, tactics: Iterable[TacticPlugin] | None = None, *, remembered: int = REMEMBERED) -> None:
        self._tactics = tuple(installed_tactics() if tactics is None else tactics)
        self._patterns = PatternSet([tactic.text for tactic in self._tactics])
        self._names = [tactic.text.name for tactic in self._tactics]
        self._settings = [(tactic.text.name, setting) for tactic in self._tactics for setting in tactic.settings]
        self._repeating = [tactic for tactic in self._tactics if tactic.repeats is not None]
        self._free = min((tactic.repeats.free for tactic in self._repeating if tactic.repeats), default=0)
        self._remembered = remembered
        self._asked: OrderedDict[int, tuple[int, frozenset[str]]] = OrderedDict()
        self._sets: dict[frozenset[str], frozenset[str]] = {}

    def scores(self, prompt: str) -> dict[str, float]:
        """How much a prompt's words look like each tactic: above 0 only."""
        found = self._patterns.scores(prompt) or ()
        return {tactic.text.name: score for tactic, score in zip(self._tactics, found, strict=False) if score > 0}

    @property
    def texts(self) -> tuple[TextTactic, ...]:
        """What is looked for in prompts, in the order of a sketch's scores."""
        return tuple(tactic.text for tactic in self._tactics)

    def observe(self, request: Mapping[str, Any], sketch: PromptSketch | None = None) -> Shown:
        """Which tactics this request shows, what its account asked before considered.

        Parameters
        ----------
        request
            Columns of the `requests` table by name; what is missing is not known.
        sketch
            Of its prompt, by a sketcher of `texts`; the prompt itself is then not read. Give it always or never: a
            prompt that was seen with it is not known again without.
        """
        prompt, status = request.get("prompt"), request.get("status")
        scores: Sequence[float] = ()
        if sketch is not None:
            scores = sketch.scores
        elif prompt is not None:
            scores = self._patterns.scores(prompt) or ()
        itself = {name for name, score in zip(self._names, scores, strict=False) if score >= TACTIC_THRESHOLD}
        itself.update(name for name, setting in self._settings if _holds(setting, request))
        repeating = _NONE
        asks = prompt is not None or sketch is not None
        if asks and self._repeating and (status is None or status < FAILED_STATUS):
            said = _said(prompt or "") if sketch is None else sketch.prompt_hash
            # Python's own hash of strings is keyed anew in each process, and of no use to anybody who reads it.
            repeating = self._repeated(hash((request["account_id"], said)), request.get("model"))
        return Shown(frozenset(itself), repeating)

    def _shared(self, models: frozenset[str]) -> frozenset[str]:
        """The same models, as one object for all that were asked for them: a set of its own takes 216 bytes."""
        if len(self._sets) >= SETS_SHARED:
            self._sets = {}
        return self._sets.setdefault(models, models)

    def _repeated(self, key: int, model: str | None) -> frozenset[str]:
        asked, models = self._asked.pop(key, (0, frozenset()))
        now_asked = asked + 1
        now_models = models if model is None or model in models else self._shared(models | {model})
        self._asked[key] = (now_asked, now_models)
        if len(self._asked) > self._remembered:
            self._asked.popitem(last=False)
        if now_asked <= self._free and len(now_models) <= self._free:
            return _NONE
        return frozenset(
            tactic.text.name
            for tactic in self._repeating
            if tactic.repeats is not None
            and tactic.repeats.beyond(now_asked, len(now_models)) > tactic.repeats.beyond(asked, len(models))
        )


def _holds(setting: Setting, request: Mapping[str, Any]) -> bool:
    value = request.get(setting.column)
    if value is None:
        return False
    return bool(value) if setting.least is None else value >= setting.least


def _said(prompt: str) -> bytes:
    """A prompt, normalised."""
    return b" ".join(word[:WORD_LIMIT_BYTES] for word in words(prompt))
