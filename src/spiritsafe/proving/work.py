"""Works: what a job's requests say, as a pure function of (which datum, which turn, which seed).

A `TemplateWork` runs templates over data: public items, public items with changed details, or private data that
stand in no public set. A `ChatWork` is people talking. Text is made row by row, at the very end, so that a plan
of ten million requests is a few arrays. Comes from `pools` and `templates`; goes on to `rows`.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from spiritsafe.proving.grammar import mix, phrasings, say, say_in_house
from spiritsafe.proving.pools import TAGS_OF
from spiritsafe.proving.rewording import change_details, personal, relayout, reword
from spiritsafe.proving.templates import Wording, candidate, follow_up, ordinary_system, report_back, word

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spiritsafe.proving.grammar import Phrasing
    from spiritsafe.proving.model import Conduct
    from spiritsafe.proving.pools import Pools

MAX_PROMPT_CHARS: Final = 8_000
_ENOUGH_CONVERSATIONS: Final = 6_000


class Work(Protocol):
    """Says one request: the prompt, and the part of the system prompt that belongs to the work, or None."""

    family: str
    language: str

    def say(self, item: int, turn: int, seed: int) -> tuple[str, str | None]: ...

    def answer_chars(self, item: int) -> int:
        """Length of a known answer to the datum; 0 where none is known."""


@cache
def private_frames(language: str, tag: str, split: str) -> tuple[Phrasing, ...]:
    """Frames of private data; every other one belongs to the other split."""
    frames = phrasings("items", tag, "frames") if language == "en" else phrasings(language, "items", tag)
    if not frames and language != "en":
        frames = phrasings(language, "items", "instruct")
    if split == "all" or len(frames) < 2:
        return frames
    return frames[split == "test" :: 2]


class DataList:
    """The data of one sender in the order in which they are dealt. `text(position)` never runs out.

    Where public data run short of what is asked for, private data follow; a fixed list starts again instead.

    Parameters
    ----------
    need
        How many the job will deal; sources are added until they cover it, or there are no more.
    kind
        `public`, `changed` or `own`.
    fixed
        The list is as long as `need` says and no longer (a benchmark, homework).
    shuffle_seed
        Equal seeds over equal sources give the same list: how several senders come to share one.
    """

    def __init__(
        self,
        pools: Pools,
        tag: str,
        language: str,
        *,
        kind: str,
        need: int,
        shuffle_seed: int,
        split: str,
        fixed: bool = False,
    ) -> None:
        self._pools = pools
        self._kind = kind
        self._seed = shuffle_seed
        self._frames = private_frames(language, tag, split)
        # A house has one or two forms of its own.
        self._forms = [
            self._frames[mix(shuffle_seed, 4, turn) % len(self._frames)] for turn in range(2) if self._frames
        ]
        rows: list[NDArray[np.int64]] = []
        everything = np.empty(0, dtype=np.int64)
        if kind != "own" or not self._frames:
            rng = np.random.default_rng(mix(shuffle_seed, 3))
            sources = pools.items(tag, language)
            if not sources and (not self._frames or rng.random() < 0.5):
                # Half of those who find no set in their language run their templates over an English one.
                sources = pools.items(tag, "en") or pools.items("math", "en") or pools.sources
            have = 0
            for number in rng.permutation(len(sources)):
                rows.append(sources[number].rows)
                have += len(sources[number].rows)
                if have >= need:
                    break
            self._kind = "own" if not sources else "public" if kind == "own" else kind
            if rows:
                everything = np.concatenate(rows)
                order = rng.permutation(len(everything)) if rng.random() < 0.7 else np.arange(len(everything))
                begin = int(rng.integers(0, len(everything)))
                everything = np.roll(everything[order], -begin)[: max(need, 8)].copy()
        self._rows = everything
        # Where private data begin: at once, after the public ones, or never.
        self._own_from = 0 if self._kind == "own" else (1 << 62) if fixed or not self._frames else len(everything)

    def text(self, position: int) -> str:
        if position >= self._own_from:
            form = mix(self._seed, position) % len(self._forms)
            return say_in_house(self._forms[form], mix(self._seed, form, 2), mix(self._seed, position, 1))
        row = int(self._rows[position % len(self._rows)])
        text = self._pools.text[row]
        return change_details(text, mix(self._seed, row)) if self._kind == "changed" else text

    def answer_chars(self, position: int) -> int:
        return (
            0 if position >= self._own_from else self._pools.answer_chars[int(self._rows[position % len(self._rows)])]
        )


class TemplateWork:
    """Templates over data. `seed` is the sender's: equal seeds word alike."""

    def __init__(self, conduct: Conduct, family: str, data: DataList, seed: int) -> None:
        self.family = family
        self.language = conduct.language
        self._conduct = conduct
        self._data = data
        self._seed = seed
        self._fixed: Wording | None = None
        if conduct.harness:
            self._fixed = Wording(conduct.harness)
        elif conduct.style == "templated":
            self._fixed = word(
                family, conduct.language, seed, house=True, place=conduct.place, scramble=conduct.scramble
            )
        elif conduct.style == "bare":
            self._fixed = Wording("{item}")

    def say(self, item: int, turn: int, seed: int) -> tuple[str, str | None]:
        if turn:
            return report_back(self.language, self._seed, mix(self._seed, item, turn)), self._system(seed)
        conduct = self._conduct
        datum = self._data.text(item)
        wording = self._fixed
        if wording is None:
            wording = word(
                self.family,
                self.language,
                mix(self._seed, seed),
                house=False,
                place=conduct.place,
                scramble=conduct.scramble,
            )
            datum = reword(datum, seed, share=25) if self.language == "en" else relayout(datum, seed)
        other = candidate(self.language, mix(self._seed, item, 77)) if self.family == "rubric" else ""
        return wording.fill(datum, other)[:MAX_PROMPT_CHARS], wording.system

    def _system(self, seed: int) -> str | None:
        if self._fixed is not None:
            return self._fixed.system
        return (
            None
            if self._conduct.place == "prompt"
            else word(
                self.family,
                self.language,
                mix(self._seed, seed),
                house=False,
                place="system",
                scramble=self._conduct.scramble,
            ).system
        )

    def answer_chars(self, item: int) -> int:
        return self._data.answer_chars(item)


class ChatWork:
    """People talking: conversations of the pool, each made personal, with follow-ups where the pool has one turn.

    `item` is a conversation; `turns` says how many turns each has. A language of which the pool holds few is
    filled up with questions made from the frames of private data, so that strangers do not seem to share texts.
    """

    family = "chat"

    def __init__(self, pools: Pools, language: str, *, split: str) -> None:
        self.language = language
        self._pools = pools
        self._conversations = pools.conversations.get(language, [])
        missing = max(0, _ENOUGH_CONVERSATIONS - len(self._conversations))
        self._frames = [
            f for tag in ("instruct", "passage", "tool", "math") for f in private_frames(language, tag, split)
        ]
        self._pastes = private_frames(language, "passage", split)
        known = np.array([len(turns) for turns in self._conversations], dtype=np.int64)
        self.turns: NDArray[np.int64] = np.concatenate([known, np.ones(missing, dtype=np.int64)])

    def say(self, item: int, turn: int, seed: int) -> tuple[str, str | None]:
        made = item >= len(self._conversations)
        if turn >= (1 if made else len(self._conversations[item])):
            return self._later(mix(seed, turn)), None
        if made:
            asked = say(self._frames[item % len(self._frames)], mix(item, 5))
            return self._with_paste(personal(asked, seed, self.language), mix(seed, 8)), None
        text = self._pools.text[self._conversations[item][turn]]
        return personal(text, seed, self.language) if turn == 0 else text, None

    def _later(self, seed: int) -> str:
        return self._with_paste(follow_up(self.language, seed), mix(seed, 9))

    def _with_paste(self, text: str, seed: int) -> str:
        """What a person adds to a short question: nothing, or a message, a note, a listing, pasted below."""
        if seed % 5 < 2 or not self._pastes:
            return text
        pasted = [
            say(self._pastes[mix(seed, turn) % len(self._pastes)], mix(seed, turn, 1)) for turn in range(1 + seed % 2)
        ]
        return "\n".join([text, *pasted])

    def answer_chars(self, item: int) -> int:
        if item >= len(self._conversations):
            return 0
        return self._pools.answer_chars[self._conversations[item][0]]


class AttackWork:
    """What an approved red team sends."""

    family = "attack"

    def __init__(self, pools: Pools, seed: int) -> None:
        self.language = "en"
        self._pools = pools
        self._order = np.random.default_rng(seed).permutation(len(pools.attacks))

    def say(self, item: int, turn: int, seed: int) -> tuple[str, str | None]:
        if turn or not len(self._order):
            return follow_up("en", mix(seed, turn)), None
        return self._pools.text[self._pools.attacks[self._order[item % len(self._order)]]], None

    def answer_chars(self, item: int) -> int:  # noqa: ARG002
        return 0


def build_works(
    pools: Pools,
    conduct: Conduct,
    *,
    seed: int,
    need: int,
    split: str,
    template_seed: int | None = None,
    data_seed: int | None = None,
) -> list[TemplateWork]:
    """The works of one sender, in order of time: `rotate` templates for each family of the conduct.

    `template_seed` and `data_seed` are given where several senders share a template or a data set.
    """
    works = []
    for place, family in enumerate(conduct.families):
        tags = TAGS_OF[family]
        data_from = mix(seed, place, 1) if data_seed is None else mix(data_seed, place)
        data = DataList(
            pools, tags[data_from % len(tags)], conduct.language,
            kind=conduct.items, need=need, shuffle_seed=data_from, split=split, fixed=data_seed is not None,
        )  # fmt: skip
        words_from = seed if template_seed is None else template_seed
        works += [
            TemplateWork(conduct, family, data, mix(words_from, place, 2, turn)) for turn in range(conduct.rotate)
        ]
    return works


def system_of(language: str, seed: int) -> str:
    """The ordinary system prompt behind a seed."""
    return ordinary_system(language, seed)
