"""How the accounts of a group act beside one another: their rhythm, how work is spread, how they come and go.

What made a group (a template, a card, conversations) cannot prove it: a test on the ties that found it is always
significant. Here each group is tested on what did not find it, and the kinds of evidence that fail their test are not
counted. Comes from `campaigns.tying` and the groups' exchanges; goes on to `campaigns.axes` and `significance`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from spiritsafe.campaigns.sharing import SHARED, Rare, sharing_of
from spiritsafe.campaigns.shown import bits_by_kind, chance_of_all, shown_by
from spiritsafe.links.asked import Asked
from spiritsafe.links.dealing import Dealing, dealing
from spiritsafe.links.handover import HandOvers, Prompts, hand_overs
from spiritsafe.links.lifecycle import Burst, Succession, burst, succession
from spiritsafe.links.one_source import OneSource, one_source
from spiritsafe.links.ragged import ranges
from spiritsafe.links.releases import Move, move
from spiritsafe.links.rhythm import Meetings, Strangers, Timelines, Window, meetings
from spiritsafe.links.turns import Turns, turns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from spiritsafe.campaigns.facts import GroupFacts, Log
    from spiritsafe.campaigns.holdings import Holdings
    from spiritsafe.campaigns.model import EvidenceKind
    from spiritsafe.campaigns.sharing import Sharing
    from spiritsafe.links.asked import Outsiders
    from spiritsafe.links.releases import Releases

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

STRANGERS: Final = 60
STRANGER_ACCOUNTS: Final = 1_200
STRANGER_EXCHANGES: Final = 5
"""So many chance groups, of accounts in no group with at least five exchanges, say how strangers of this log fare."""


@dataclass(frozen=True, slots=True)
class Conduct:
    """What a group's accounts do beside one another. None where it could not be looked at.

    `sharing` holds a test for each kind of evidence that is a thing in common.
    """

    meetings: Meetings | None
    dealing: Dealing | None
    move: Move | None
    succession: Succession | None
    burst: Burst | None
    source: OneSource | None
    turns: Turns | None
    hand_overs: HandOvers | None
    sharing: Mapping[EvidenceKind, Sharing]


@dataclass(frozen=True, slots=True)
class Acts:
    """Exchanges of the accounts that are looked at, in order of account. `item` is 0 without a prompt.

    `limited` is the prompt of what was turned away at a limit, else 0. `begins` marks exchanges that begin a
    conversation, or stand in none.
    """

    account: Ints
    at_s: Ints
    item: Ints
    limited: Ints
    begins: NDArray[np.bool_]

    @classmethod
    def of(cls, table: pa.Table) -> Acts:
        """As `campaigns.events.acts` reads them."""
        table = table.sort_by([("account", "ascending"), ("at_s", "ascending"), ("item", "ascending")])
        return cls(
            table["account"].to_numpy(),
            table["at_s"].to_numpy(),
            table["item"].fill_null(0).to_numpy(),
            table["limited"].fill_null(0).to_numpy(),
            table["begins"].to_numpy(),
        )

    def and_of(self, table: pa.Table) -> Acts:
        """With the exchanges of further accounts."""
        more = Acts.of(table)
        both = Acts(*(np.concatenate([getattr(self, name), getattr(more, name)]) for name in self.__slots__))
        order = np.lexsort((both.item, both.at_s, both.account))
        return Acts(*(getattr(both, name)[order] for name in self.__slots__))

    def lines(self, accounts: Ints, *, beginning: bool) -> tuple[Timelines, Ints]:
        """Timelines and items of these accounts (ascending), numbered by their position."""
        rows, member = self._of(accounts)
        keep = self.begins[rows] if beginning else self.item[rows] != 0
        return Timelines(member[keep], self.at_s[rows][keep], len(accounts)), self.item[rows][keep]

    def prompts(self, accounts: Ints) -> tuple[Prompts, Prompts]:
        """What these accounts (ascending) were refused at a limit, and what was answered; by their position."""
        rows, member = self._of(accounts)
        limited, answered = self.limited[rows] != 0, self.item[rows] != 0
        return (
            Prompts(member[limited], self.at_s[rows][limited], self.limited[rows][limited]),
            Prompts(member[answered], self.at_s[rows][answered], self.item[rows][answered]),
        )

    def _of(self, accounts: Ints) -> tuple[Ints, Ints]:
        """Places of these accounts' exchanges, and whose each is."""
        low, high = np.searchsorted(self.account, accounts), np.searchsorted(self.account, accounts, side="right")
        return ranges(low, high - low), np.repeat(np.arange(len(accounts)), high - low)


def looked_at(facts: Sequence[GroupFacts], log: Log, *, seed: int) -> tuple[pa.Table, list[Ints]]:
    """The accounts whose exchanges are wanted, and chance groups of strangers among them.

    Returns
    -------
    A table of `account`, and the account numbers (ascending) of each chance group.
    """
    import pyarrow as pa

    grouped = np.zeros(log.accounts, dtype=bool)
    for one in facts:
        grouped[one.accounts] = True
    busy = np.flatnonzero(~grouped & (log.signals["exchanges"] >= STRANGER_EXCHANGES))
    random = np.random.default_rng(seed)
    pool = np.sort(random.choice(busy, min(STRANGER_ACCOUNTS, len(busy)), replace=False))
    sizes = [len(one.accounts) for one in facts] or [8]
    strangers = [
        np.sort(random.choice(pool, min(int(random.choice(sizes)), 40, len(pool)), replace=False))
        for _ in range(STRANGERS if len(pool) >= 4 else 0)
    ]
    grouped[pool] = True
    return pa.table({"account": pa.array(np.flatnonzero(grouped), pa.int64())}), strangers


@dataclass(frozen=True, slots=True)
class Scene:
    """What every group of a scan is looked at against.

    `suspended_s` has shape (accounts,): when each was first suspended, in epoch seconds, NaN for never; None where
    nobody can say. `releases` are the models that came out. `seed` is that of the draws, `looks` how many times the log
    is to be scanned as it grows.
    """

    log: Log
    holdings: Holdings
    window: Window
    suspended_s: Floats | None
    releases: Releases
    seed: int
    looks: int = 1

    @property
    def created_s(self) -> Floats:
        """When each account signed up, in epoch seconds; NaN where it is not known. Shape (accounts,)."""
        unknown = np.full(self.log.accounts, np.nan)
        return np.asarray(self.log.signals.get("created_s", unknown), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Watched:
    """What the accounts that are looked at did: when they asked, what they asked about, and how strangers fare.

    `strangers` are the exchanges of accounts in no group.
    """

    acts: Acts
    asked: Asked
    outsiders: Outsiders
    usual: Strangers
    strangers: Timelines

    def and_of(self, acts: pa.Table, asked: pa.Table) -> Watched:
        """With further accounts."""
        return replace(self, acts=self.acts.and_of(acts), asked=self.asked.and_of(read_asked(asked)))


def read_asked(table: pa.Table) -> Asked:
    """As `campaigns.events.asked` reads it."""
    table = table.sort_by([("account", "ascending"), ("item", "ascending")])
    phrases = table["phrases"].combine_chunks()
    return Asked(
        table["account"].to_numpy(),
        table["item"].to_numpy(),
        phrases.flatten().to_numpy(),
        np.concatenate([[0], np.cumsum(phrases.value_lengths().fill_null(0).to_numpy())]),
    )


def usual_strangers(acts: Acts, strangers: Sequence[Ints], scene: Scene) -> Strangers:
    """How chance groups of this log fare in the test of rhythm."""
    lines = [acts.lines(one, beginning=True)[0] for one in strangers]
    tests = [meetings(one, scene.window, seed=scene.seed + number) for number, one in enumerate(lines)]
    return Strangers.of(np.array([one.excess for one in tests if one is not None]))


def with_conduct(facts: Sequence[GroupFacts], watched: Watched, scene: Scene) -> list[GroupFacts]:
    """The groups, each with its conduct, and with the bits that its conduct bears out.

    Parameters
    ----------
    facts
        Groups as they were found.
    watched
        Exchanges and prompts of their accounts.
    scene
        What they are looked at against.
    """
    acts, usual = watched.acts, watched.usual
    window, seed = scene.window, scene.seed
    rare = Rare.of(scene.holdings)
    created_s = scene.created_s
    everyone_s = np.sort(created_s[~np.isnan(created_s)])
    done = []
    for one in facts:
        own = seed + int(one.accounts[0])
        lines, _ = acts.lines(one.accounts, beginning=True)
        asked, item = acts.lines(one.accounts, beginning=False)
        conduct = Conduct(
            meetings=meetings(lines, window, seed=own, strangers=usual),
            dealing=dealing(asked, item, window, seed=own) if len(item) else None,
            move=move(one.accounts, scene.releases),
            succession=None
            if scene.suspended_s is None
            else succession(created_s, scene.suspended_s, one.accounts, window, seed=own),
            burst=burst(created_s[one.accounts], everyone_s),
            source=source_of(one, one.accounts, watched),
            turns=turns(lines, window, seed=own, strangers=watched.strangers),
            hand_overs=hand_overs(*acts.prompts(one.accounts), len(one.accounts)),
            sharing={kind: sharing_of(one, kind, rare) for kind in SHARED},
        )
        shown = shown_by(one, conduct)
        chance = chance_of_all(one, shown)
        done.append(replace(one, conduct=conduct, bits=bits_by_kind(one, shown), chance=chance))
    return done


def source_of(facts: GroupFacts, accounts: Ints, watched: Watched) -> OneSource | None:
    """Whether these accounts (ascending) ask about one source; asked only where the group's template is its own."""
    if not facts.own_template:
        return None
    return one_source(watched.asked.of(accounts), len(accounts), watched.outsiders)
