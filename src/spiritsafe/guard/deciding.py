"""Decide on one request: what is known of it, what the policy says, how far that may go, what is done now.

A request costs some tens of microseconds, and most match nothing. Rosters and policies are put in each other's place in
one step, and counts go on. Comes from a door, or from a log that is replayed; the decision goes back there, and to
whoever records it.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, ClassVar, Final

import msgspec

from spiritsafe.errors import UsageError
from spiritsafe.guard.answering import Counts, InForce, Seen
from spiritsafe.guard.clock import EventClock
from spiritsafe.guard.counters import HOUR_US
from spiritsafe.guard.matching import match
from spiritsafe.signals.online import OnlineTactics
from spiritsafe.sketch.single import PromptSketcher

if TYPE_CHECKING:
    from spiritsafe.guard.model import Decision, Request
    from spiritsafe.guard.policy import Policy
    from spiritsafe.roster.model import Standing
    from spiritsafe.roster.names import Names
    from spiritsafe.roster.reading import Roster
    from spiritsafe.sketch.parameters import SketchParameters
    from spiritsafe.sketch.single import PromptSketch

DAY_US: Final = 24 * HOUR_US

TEXTS_REMEMBERED: Final = 4_096
"""System prompts and beginnings of answers of which the hash is remembered: they come back, and are long."""


class KeysDifferError(UsageError):
    """A roster was made with other keys or sketch parameters than the guard has: it would recognise nobody."""

    code: ClassVar[str] = "guard.keys"


class Guard:
    """Answers requests. Safe for several threads: one decides at a time, holding `lock`, and prompts are sketched
    beside one another.

    Parameters
    ----------
    roster
        What is known; `swap` puts a newer one in its place.
    policy
        What is answered to whom; `swap` likewise.
    names
        How names are hashed in the roster.
    parameters
        How prompts are sketched; the tactics that are looked for are among them.
    tactics
        By default those that are installed, as in a scan.

    Raises
    ------
    KeysDifferError
        The roster was made with other keys or parameters.
    """

    def __init__(
        self,
        roster: Roster,
        policy: Policy,
        *,
        names: Names,
        parameters: SketchParameters,
        tactics: OnlineTactics | None = None,
    ) -> None:
        self._names = names
        self._sketcher = PromptSketcher(parameters)
        self._tactics = OnlineTactics() if tactics is None else tactics
        if self._tactics.texts != parameters.tactics:
            raise KeysDifferError("the sketches' tactics are not those that are looked for", hint="give both the same")
        self.lock = threading.Lock()
        self._texts: dict[tuple[int, int], int] = {}
        self.clock = EventClock()
        self.counts = Counts()
        self._in_force = self._put_in_force(roster, policy)

    @property
    def roster(self) -> Roster:
        """The roster in force."""
        return self._in_force.roster

    @property
    def policy(self) -> Policy:
        """The policy in force."""
        return self._in_force.policy

    def swap(self, *, roster: Roster | None = None, policy: Policy | None = None) -> None:
        """Put a newer roster or another policy in force from the next request on; what was counted is kept.

        Raises
        ------
        KeysDifferError
            The roster was made with other keys or parameters; the old one stays.
        """
        was = self._in_force
        self._in_force = self._put_in_force(roster or was.roster, policy or was.policy)

    def passed(self, account_id: str, at_us: int) -> None:
        """An account passed a challenge: for the policy's `passed_hours` it is not challenged again."""
        until_us = at_us + round(self.policy.passed_hours * HOUR_US)
        account = self._names.hashed("account_id", account_id)
        with self.lock:
            self.counts.passed(account, until_us, at_us=at_us)

    def standing(self, account_id: str) -> Standing:
        """What the roster knows of an account."""
        return self.roster.standing(self._names.hashed("account_id", account_id))

    def sketch(self, prompt: str) -> PromptSketch:
        """A prompt's numbers, for whoever has use for them besides `decide`."""
        return self._sketcher.sketch(prompt)

    def decide(self, request: Request, sketch: PromptSketch | None = None) -> Decision:
        """What is to be done with a request.

        Parameters
        ----------
        request
            As the gateway sees it, before the model does.
        sketch
            Its prompt's numbers, where they are known already.

        Raises
        ------
        RosterError
            The roster is damaged inside, though its checksum fits.
        """
        if sketch is None and request.prompt is not None:
            sketch = self._sketcher.sketch(request.prompt)
        beside = {}
        for name, given, text in (
            ("system_prompt_hash", request.system_prompt_hash, request.system_prompt),
            ("assistant_prefill_hash", request.assistant_prefill_hash, request.assistant_prefill),
        ):
            if given is not None or text:
                beside[name] = self._whole(text or "") if given is None else given
        with self.lock:
            return self._decided(self._in_force, request, sketch, beside)

    def _decided(
        self, force: InForce, request: Request, sketch: PromptSketch | None, beside: dict[str, int]
    ) -> Decision:
        at_us = self.clock.tick(request.time_us)
        account = self._names.hashed("account_id", request.account_id)
        standing = force.roster.standing(account)
        shown = tuple(sorted(self._tactics.observe(msgspec.structs.asdict(request), sketch).tactics))
        established = _established(request, standing, at_us, days=force.policy.established_days)
        carried = self.counts.carried(account, request.conversation_id)
        found = match(force.roster, self._names, request, standing, sketch, beside, carried)
        decision = force.nothing
        if found:
            seen = Seen(request, account, standing, established, shown, at_us)
            decision = force.answer(seen, list(found.values()))
        self.counts.rarity.everybody.see(account, established=established)
        return msgspec.structs.replace(decision, shown=shown) if shown else decision

    def _put_in_force(self, roster: Roster, policy: Policy) -> InForce:
        wanted = self._sketcher.parameters.metadata() | self._names.made_with
        made = roster.head.sketch | roster.head.names
        differs = sorted(name for name, value in made.items() if wanted.get(name) != value)
        if differs:
            name = differs[0]
            what = name.rpartition(".")[2]
            raise KeysDifferError(
                f"the roster was made with another {what}: {made[name]!r}, here {wanted.get(name)!r}",
                hint="use the home (its keys and its version of spiritsafe) that published it, or publish it again",
            )
        return InForce(roster, policy, self._names, self.counts)

    def _whole(self, text: str) -> int:
        """A text's hash, remembered by the text's own (which is keyed anew in each process)."""
        key = (hash(text), len(text))
        known = self._texts.get(key)
        if known is None:
            known = self._sketcher.whole_hash(text)
            if len(self._texts) >= TEXTS_REMEMBERED:
                self._texts = {}
            self._texts[key] = known
        return known


def _established(request: Request, standing: Standing, at_us: int, *, days: float) -> bool:
    """Whether an account was there long before, or its holder is verified; nobody whom a list names."""
    if standing.campaign >= 0:
        return False
    if standing.established or request.verified or request.organization_verified:
        return True
    created_us = request.account_created_us
    return created_us is not None and at_us - created_us >= days * DAY_US
