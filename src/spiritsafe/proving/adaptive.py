"""Stealth 4: the attacker holds our source and our defaults, and pays as little as staying hidden allows.

The attacker knows that a phrase is habitual from `HABIT_SHARE` of an account's requests on, that shared
infrastructure links accounts, and that one queue has one rhythm. Infrastructure is unlinked, queues are apart and
staggered, data have changed details; what is left is how to word requests. Each way (a new wording every time,
scrambled more or less; many templates in rotation; ordinary prompts mixed in) is priced, and the cheapest that
leaves no phrase of a template at `HABIT_SHARE` is taken. The measure is the detector's own words and phrase length.

An optimiser over a handful of knobs, no more. `adversary` goes on from here with the real scan in the loop.
Comes from `campaigns`; goes on to `compose` and `truth/world.json`.
"""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

import msgspec

from spiritsafe.links.phrases import HABIT_SHARE
from spiritsafe.proving.grammar import mix
from spiritsafe.proving.model import RecipeError
from spiritsafe.proving.templates import word
from spiritsafe.sketch.folding import words
from spiritsafe.sketch.parameters import SketchParameters

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from spiritsafe.proving.model import Conduct

# Wordings looked at for one way of hiding: a phrase at 2 % is then seen five times in expectation.
_LOOKED_AT: Final = 260
_PHRASE_WORDS: Final = SketchParameters(key=b"", key_id="").phrase_words
# A mean exchange, for the bill only.
_INPUT_TOKENS, _OUTPUT_TOKENS = 160, 420
_SCRAMBLES: Final = (0, 1, 2, 3, 4)
_ROTATIONS: Final = (60, 150, 400)
_ORDINARY: Final = (0.0, 0.25, 0.5)


class Prices(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The price list (`prices.toml`), in US dollars; `worth` by level of scrambling."""

    account_usd: float
    payment_usd: float
    address_usd_a_month: float
    shared_address_usd_a_month: float
    million_input_tokens_usd: float
    million_output_tokens_usd: float
    thousand_rewordings_usd: float
    template_usd: float
    worth: tuple[float, float, float, float, float]

    def __post_init__(self) -> None:
        if (
            min(self.worth) <= 0
            or max(self.worth) > 1
            or any(getattr(self, n) < 0 for n in self.__struct_fields__[:-1])
        ):
            raise RecipeError("a price is negative, or a worth is not in (0, 1]", hint="correct the price list")


@cache
def read_prices(path: Path | None = None) -> Prices:
    """The price list of a file, or ours; read once. Raises RecipeError where it is broken."""
    data = path.read_bytes() if path else (resources.files("spiritsafe.proving") / "prices.toml").read_bytes()
    try:
        return msgspec.toml.decode(data, type=Prices)
    except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"the price list is broken: {error}", hint="start from proving/prices.toml") from error


@dataclass(frozen=True, slots=True)
class Way:
    """One way to word requests. `rotate` templates in turn, or (0) a new wording for every request."""

    scramble: int
    rotate: int
    ordinary_share: float

    def accounts(self, prices: Prices) -> float:
        """Accounts for one account's worth of answers in the open, at an honest account's rate."""
        return 1.0 / (prices.worth[self.scramble] * (1.0 - self.ordinary_share))


@dataclass(frozen=True, slots=True)
class Bill:
    """What a campaign costs over the window of its world."""

    accounts: int
    requests_a_day: float
    usd: float

    def facts(self) -> dict[str, float]:
        return {
            "accounts": self.accounts,
            "requests_a_day": round(self.requests_a_day, 1),
            "usd": round(self.usd, 2),
        }


def ways() -> Iterator[Way]:
    """Every way that the optimiser knows."""
    for ordinary in _ORDINARY:
        yield from (Way(scramble, 0, ordinary) for scramble in _SCRAMBLES)
        yield from (Way(0, rotate, ordinary) for rotate in _ROTATIONS)


def bill(way: Way | None, prices: Prices, *, accounts: int, requests: float, days: int) -> Bill:
    """What a way costs for the answers that `accounts` accounts with `requests` requests in all take in the open.

    `way` None is the open way: stealth 0, infrastructure and cards shared.
    """
    months = max(days / 30.0, 1.0 / 30.0)
    factor = way.accounts(prices) if way else 1.0
    held = accounts * factor
    sent = requests * factor
    tokens = _INPUT_TOKENS * prices.million_input_tokens_usd + _OUTPUT_TOKENS * prices.million_output_tokens_usd
    usd = sent * tokens / 1e6 + held * prices.account_usd
    if way is None:
        usd += held / 6 * prices.payment_usd + held / 10 * prices.shared_address_usd_a_month * months
        usd += prices.template_usd
    else:
        usd += held * (prices.payment_usd + prices.address_usd_a_month * months)
        usd += way.rotate * prices.template_usd
        usd += 0.0 if way.rotate or way.scramble == 4 else sent / 1000 * prices.thousand_rewordings_usd
    return Bill(round(held), sent / days, usd)


@cache
def loudest_phrase(family: str, language: str, scramble: int, rotate: int, place: str = "prompt") -> float:
    """Share of requests that hold the commonest phrase of a template, as the detector's sketch cuts phrases.

    0.0 for the datum alone.
    """
    if scramble >= 4:
        return 0.0
    length = _PHRASE_WORDS
    counts: Counter[tuple[bytes, ...]] = Counter()
    looked_at = rotate or _LOOKED_AT
    for turn in range(looked_at):
        wording = word(family, language, mix(turn, 17), house=False, place=place, scramble=scramble)
        found: set[tuple[bytes, ...]] = set()
        text = f"{wording.system or ''} \x00 {wording.prompt}"
        for piece in text.replace("{item}", "\x00").replace("{other}", "\x00").split("\x00"):
            said = words(piece)
            found.update(tuple(said[at : at + length]) for at in range(len(said) - length + 1))
        counts.update(found)
    return counts.most_common(1)[0][1] / looked_at if counts else 0.0


def quiet(conduct: Conduct, way: Way) -> bool:
    """Whether no phrase of any of the conduct's templates reaches `HABIT_SHARE` of an account's requests."""
    return all(
        loudest_phrase(family, conduct.language, way.scramble, way.rotate, conduct.place) * (1 - way.ordinary_share)
        < HABIT_SHARE
        for family in conduct.families
    )


@dataclass(frozen=True, slots=True)
class Attacker:
    """Who optimises: a price list, and how many of the cheapest quiet ways a scan has already seen through."""

    prices: Prices
    skipped: int = 0


def cheapest(conduct: Conduct, attacker: Attacker) -> Way:
    """The cheapest quiet way that no scan has seen through; the last and quietest where none is left."""
    prices = attacker.prices
    order = sorted(
        ways(),
        key=lambda way: (
            bill(way, prices, accounts=conduct.workers, requests=conduct.workers * 30.0, days=14).usd,
            way.scramble,
        ),
    )
    passing = (way for way in order if quiet(conduct, way))
    return next(itertools.islice(passing, attacker.skipped, None), Way(4, 0, 0.5))


def conduct_in(conduct: Conduct, way: Way) -> Conduct:
    """A conduct that goes a way: unlinked queues, staggered, changed data."""
    return conduct.but(
        style="templated" if way.rotate else "bare" if way.scramble == 4 else "reworded",
        scramble=0 if way.scramble == 4 else way.scramble,
        rotate=max(1, way.rotate),
        ordinary_share=way.ordinary_share,
        deal="own",
        staggered=True,
        items="changed" if conduct.items == "public" else conduct.items,
    )


def hidden_conduct(conduct: Conduct, attacker: Attacker) -> tuple[Conduct, Way]:
    """The conduct of stealth 4, with as many accounts as the way needs for the same answers."""
    way = cheapest(conduct, attacker)
    accounts = max(8, round(conduct.workers * way.accounts(attacker.prices)))
    return conduct_in(conduct, way).but(workers=accounts), way


def price_of_hiding(way: Way, prices: Prices, *, accounts: int, requests: int, days: int) -> dict[str, Any]:
    """What a stealth-4 campaign paid, beside the same answers taken in the open.

    `accounts` and `requests` are the campaign's as composed.
    """
    factor = way.accounts(prices)
    open_accounts, open_requests = max(1, round(accounts / factor)), requests / factor
    paid = bill(way, prices, accounts=open_accounts, requests=open_requests, days=days)
    plain = bill(None, prices, accounts=open_accounts, requests=open_requests, days=days)
    return {
        "way": {"scramble": way.scramble, "rotate": way.rotate, "ordinary_share": way.ordinary_share},
        "hidden": paid.facts(),
        "in_the_open": plain.facts(),
        "times_dearer": round(paid.usd / plain.usd, 2),
    }
