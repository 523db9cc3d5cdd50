"""Accounts that use a group's template too seldom to be found by their habits.

A group shows what its template is: the phrases that many of its members use habitually. A request that holds several of
them is an instance of the template, whoever sends it; so an account that sent three requests in all is seen, and so is
the part of a relay's traffic that is the campaign's. Whoever copied a published template would be drawn in as well: a
group grows only where its members keep one rhythm or ask about one source, and only by accounts that do so too.

Comes from `campaigns.conduct`; goes back to `campaigns.facts` with larger groups.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from spiritsafe.campaigns.conduct import source_of
from spiritsafe.campaigns.model import EvidenceKind
from spiritsafe.campaigns.shown import LEVEL
from spiritsafe.campaigns.significance import significant
from spiritsafe.campaigns.tying import Found, company
from spiritsafe.links.lifecycle import CHAIN_SHARE, chance_of_succession, succession
from spiritsafe.links.rhythm import keeping_time
from spiritsafe.stats.hypotheses import benjamini_hochberg, storey

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from spiritsafe.campaigns.conduct import Scene, Watched
    from spiritsafe.campaigns.facts import GroupFacts, SharedValue
    from spiritsafe.campaigns.model import Significance

    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int64]

CORE_SHARE: Final = 0.3
CORE_PHRASES: Final = 200
"""A template's phrases are those that three in ten of its users have as a habit; the strongest two hundred of them."""

PHRASES_A_REQUEST: Final = 3
SYSTEM_PROMPT_HITS: Final = 8
WHOLE_SHARE: Final = 0.6
"""A request is an instance of the template when it has at least three of its phrases, and six tenths of what the middle
request of a member has: two templates may have a sentence in common. A sketch keeps some sixteen phrases a prompt."""

STRANGERS_SHARE: Final = 2.0
"""Where twice as many others as members use the template, it is public, and nobody is drawn in for using it. As many
may be the campaign's own: of accounts that take one another's place most send too little to be found by habits."""

REQUESTS: Final = 2
"""Instances of the template that an account must have sent; one, if it took a banned member's place."""

TOGETHER_SHARE: Final = 0.75
"""So many of a group's members must keep its rhythm: only then is who does not keep it no member."""

JOINING_Q: Final = 0.01
"""And so must whoever joins: of those who do by this evidence at most one in a hundred is expected to be a stranger,
however many strangers use the template (Benjamini & Hochberg 1995, over the candidates of a group)."""

CHAIN_Q: Final = 0.05
"""Of those who join because they took a banned member's place one in twenty is a stranger, at most and on average: of
strangers who used a template of many accounts once, some sign up within hours of some ban."""

SOURCE_INSTANCES: Final = 4
"""Who joins by asking about a group's source has sent so many instances of its template: of thirteen strangers who were
wrongly drawn in, in six development worlds, eleven had sent three at most."""


def template_of(facts: GroupFacts) -> list[SharedValue]:
    """The phrases and system prompts of a group's template."""
    wanted = CORE_SHARE * len(facts.accounts)
    core = [value for value in facts.shared if value.kind == EvidenceKind.CONTENT and len(value.members) >= wanted]
    return [value for value in core[:CORE_PHRASES] if value.thing in {"phrase", "system_prompt_hash"}]


def templates(facts: Sequence[GroupFacts]) -> pa.Table:
    """The phrases of each group's template: `number` (of the group), `phrase`; and its system prompts, as
    `system_prompt_hash`. One of the two is null in every row."""
    rows: list[tuple[int, int | None, int | None]] = []
    for number, one in enumerate(facts):
        for value in template_of(one):
            is_phrase = value.thing == "phrase"
            rows.append((number, int(value.label) if is_phrase else None, None if is_phrase else int(value.label)))
    names = ("number", "phrase", "system_prompt_hash")
    return pa.table({name: pa.array([row[place] for row in rows], pa.int64()) for place, name in enumerate(names)})


def instances_of(facts: Sequence[GroupFacts], users: pa.Table) -> tuple[pa.Table, Ints]:
    """Who sent whole instances of a group's template, and from how many phrases on a request is one.

    Parameters
    ----------
    users
        `number`, `account`, `hits`, `requests`: how many requests of an account have so many phrases of a template.

    Returns
    -------
    `number`, `account`, `requests` (instances), by account; and shape (groups,), the phrases that make an instance.
    """
    number, account = users["number"].to_numpy(), users["account"].to_numpy()
    hits, requests = users["hits"].to_numpy(), users["requests"].to_numpy()
    least = np.full(len(facts), PHRASES_A_REQUEST, dtype=np.int64)
    for place, one in enumerate(facts):
        here = (number == place) & np.isin(account, one.accounts)
        if here.any():
            order = np.argsort(hits[here], kind="stable")
            counted = np.cumsum(requests[here][order])
            middle = hits[here][order][np.searchsorted(counted, counted[-1] / 2)]
            least[place] = max(PHRASES_A_REQUEST, int(np.ceil(WHOLE_SHARE * middle)))
    whole = users.filter(pa.array(hits >= least[number]))
    return whole.group_by(["number", "account"]).aggregate([("requests", "sum")]).rename_columns(
        ["number", "account", "requests"]
    ), least


def candidates(
    facts: Sequence[GroupFacts], significances: Sequence[Significance], users: pa.Table, scene: Scene
) -> dict[int, Ints]:
    """For each group that may grow, the accounts outside any group that sent instances of its template.

    Parameters
    ----------
    facts, significances
        Groups as they were found and tested.
    users
        As `instances_of` counts them.
    scene
        Says when accounts were opened and banned.

    Returns
    -------
    Group number to account numbers, ascending. An account that used several templates stands where it used one most.
    """
    taken = {int(account) for one in facts for account in one.accounts}
    outside = users.filter(pa.array([account not in taken for account in users["account"].to_pylist()], pa.bool_()))
    number, account = outside["number"].to_numpy(), outside["account"].to_numpy()
    often = outside["requests"].to_numpy() >= REQUESTS
    strangers = np.bincount(number[often], minlength=len(facts))
    stated = scene.log.stated_organisations
    for place, (one, sure) in enumerate(zip(facts, significances, strict=True)):
        public = strangers[place] > STRANGERS_SHARE * len(one.accounts)
        here = number == place
        if public or not significant(sure):
            often[here] = False
            continue
        chain = _in_the_chain(one, account[here], scene)
        fits = chain | (often[here] & (_acts_together(one) or _asks_together(one)))
        often[here] = fits & _under_its_name(one, account[here], stated)
    joins: dict[int, list[int]] = {}
    order = [("requests", "descending"), ("number", "ascending"), ("account", "ascending")]
    for row in outside.filter(pa.array(often)).sort_by(order).to_pylist():
        if row["account"] not in taken:
            taken.add(row["account"])
            joins.setdefault(row["number"], []).append(row["account"])
    return {number: np.sort(np.array(found, dtype=np.int64)) for number, found in sorted(joins.items())}


def _under_its_name(group: GroupFacts, accounts: Ints, stated: Ints) -> Bools:
    """Which of these accounts a group may take in: a company only who states its name. Shape (accounts,)."""
    name = company(stated[group.accounts])
    return np.ones(len(accounts), dtype=bool) if name is None else np.asarray(stated[accounts] == name)


def grown(facts: Sequence[GroupFacts], joins: Mapping[int, Ints], watched: Watched, scene: Scene) -> dict[int, Found]:
    """The groups that grow: by those candidates that keep the group's rhythm, ask about its source, or take its places.

    Parameters
    ----------
    joins
        As `candidates` names them.
    watched
        Exchanges and prompts of the groups and of the candidates.
    """
    larger = {}
    for number, accounts in joins.items():
        group = facts[number]
        fits = np.zeros(len(accounts), dtype=bool)
        if _acts_together(group):
            others, _ = watched.acts.lines(group.accounts, beginning=True)
            lines, _ = watched.acts.lines(accounts, beginning=True)
            p_values = keeping_time(lines, others, scene.window, seed=scene.seed + number, strangers=watched.usual)
            fits |= benjamini_hochberg(p_values) <= JOINING_Q
        if _asks_together(group):
            fits |= _of_the_source(group, accounts, watched)
        fits |= _in_the_chain(group, accounts, scene)
        if fits.any():
            larger[number] = Found(np.sort(np.append(group.accounts, accounts[fits])), group.without)
    return larger


def _acts_together(facts: GroupFacts) -> bool:
    return float(np.mean(facts.bits[EvidenceKind.TIMING] > 0)) >= TOGETHER_SHARE


def _asks_together(facts: GroupFacts) -> bool:
    source = None if facts.conduct is None else facts.conduct.source
    if source is None or source.p_value > LEVEL or not source.theirs:
        return False
    return float(np.mean(source.members)) >= TOGETHER_SHARE


def _in_the_chain(group: GroupFacts, others: Ints, scene: Scene) -> NDArray[np.bool_]:
    """Which of those who use a group's template took a banned member's place, or had theirs taken.

    Nobody, unless bans of members and of these others are followed by sign-ups of theirs more than by chance: who uses
    the template was not chosen by when they signed up. And who is as close as a stranger may be, only where so many are
    that few of them can be strangers.
    """
    if not len(others) or scene.suspended_s is None:
        return np.zeros(len(others), dtype=bool)
    created_s, suspended_s = scene.created_s, scene.suspended_s
    both = np.sort(np.append(group.accounts, others))
    follows = succession(created_s, suspended_s, both, scene.window, seed=scene.seed)
    if follows is None or follows.p_value > LEVEL:
        return np.zeros(len(others), dtype=bool)
    chance = chance_of_succession(created_s, suspended_s, group.accounts, scene.window, others=others)
    return np.asarray((chance[others] <= CHAIN_SHARE) & (storey(chance[others]) <= CHAIN_Q))


def _of_the_source(group: GroupFacts, accounts: Ints, watched: Watched) -> NDArray[np.bool_]:
    """Which of the accounts resemble the group's members as the members resemble one another."""
    every = np.sort(np.append(group.accounts, accounts))
    found = source_of(group, every, watched)
    fits: NDArray[np.bool_] = np.zeros(len(accounts), dtype=bool)
    if found is None:
        return fits
    return (found.members & (found.instances >= SOURCE_INSTANCES))[np.isin(every, accounts)]


def with_template_bits(facts: Sequence[GroupFacts], numbers: Sequence[int], users: pa.Table) -> list[GroupFacts]:
    """The groups, in which members that used the template have the bits of its strongest phrase.

    `numbers` are those under which `users` (as `instances_of` counts them) knows the groups. Who holds no phrase as a
    habit has no other evidence of wording.
    """
    number, account = users["number"].to_numpy(), users["account"].to_numpy()
    enough = users["requests"].to_numpy() >= REQUESTS
    done = []
    for place, one in zip(numbers, facts, strict=True):
        content = one.bits[EvidenceKind.CONTENT]
        used = np.isin(one.accounts, account[enough & (number == place)])
        strongest = np.maximum(content, float(np.max(content, initial=0.0)))
        done.append(replace(one, bits={**one.bits, EvidenceKind.CONTENT.value: np.where(used, strongest, content)}))
    return done


def with_template_users(facts: Sequence[GroupFacts], users: pa.Table) -> list[GroupFacts]:
    """The groups, each with how many accounts outside it sent its template. `users` as `instances_of` counts them."""
    number, account = users["number"].to_numpy(), users["account"].to_numpy()
    return [
        replace(one, template_users=int((~np.isin(account[number == place], one.accounts)).sum()))
        for place, one in enumerate(facts)
    ]
