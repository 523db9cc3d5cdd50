"""Which exchanges of an accused account were the campaign's: in a relay, innocents and the distiller share accounts.

An exchange is the campaign's own when it is an instance of the group's template, or stands in a conversation with one.
Whether the rest is other people's shows in two things. Of a campaign that has its accounts to itself nearly all work
shows its template, unless it rewords its prompts; and prompts that are reworded are as long as those that are not,
which other people's are not. Comes from judged groups and `campaigns.extension`; `pipeline` writes `exchanges.parquet`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np
import pyarrow as pa

from spiritsafe.campaigns.model import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    import ibis.expr.types as ir

    from spiritsafe.campaigns.model import Exposure, Group

OWN_SHARE: Final = 0.6
"""Below this share that is the campaign's own, of openings (first turns) or of all that stands in conversations, a
group's accounts may carry other people's traffic too."""

OPENINGS: Final = 20
"""Openings that must be known; with fewer, all exchanges are looked at instead."""

AS_LONG: Final = 0.35
"""Below this distance (Kolmogorov and Smirnov's) prompts that do not show the template are as long as those that do,
and the campaign's own in other words. Of accused groups of composed worlds less of whose work shows the template it
holds of 42 of 84 that have their accounts to themselves, and of 2 of 74 relays."""

LENGTHS: Final = 10
"""Prompts of each sort that the distance takes; with fewer it is not known."""

UNTOLD_SHARE: Final = 0.3
"""Where no exchange shows a template, and conversations go on from account to account as a relay's do, which exchanges
are the campaign's cannot be told. In composed relays of that sort three in ten are, in the middle one."""

UNSEEN: Final = 0.1
"""Of a campaign's exchanges one in ten shows no template, at most, where it has its accounts to itself (measured on
composed campaigns whose tasks have one turn: 0 to 7 %)."""

RELAY: Final = "relay"

HOUR_US: Final = 3_600_000_000

HABIT: Final = 3
"""A template shows as a habit from an account's third use on (`links.phrases`)."""


@dataclass(frozen=True, slots=True)
class OwnWork:
    """Of a group's `exchanges` its `own` show the template; four accounts had it as a habit from `visible_us` on
    (microseconds since 1970), or never."""

    exchanges: int
    own: int
    visible_us: int | None


def own_work(requests: ir.Table, members: ir.Table, instances: ir.Table, least: ir.Table) -> ir.Table:
    """Exchanges of accused accounts: `number`, `account`, `campaign_id`, `event_id`, `time`, the account's
    `probability`, `prompt_chars`, `own`, `opens`, `told`, `carried`.

    Parameters
    ----------
    requests
        Numbered `sketches` rows.
    members
        As `campaigns.events.membership` lists accused accounts.
    instances
        As `campaigns.events.template_requests` finds them.
    least
        `number`, `least`: the phrases from which on a request is a whole instance of a group's template.

    Returns
    -------
    `own` is true of instances and of exchanges in one conversation with an instance; `opens` of first turns; `told` of
    exchanges of which it is known in which conversation they stand, `carried` where several members took part in it.
    """
    import ibis

    whole = instances.inner_join(least, "number")
    whole = whole.filter(whole.hits >= whole.least).select("number", "account", "event_id", whole=ibis.literal(True))
    rows = requests.select("account", "event_id", "time", "conversation_id", "turn", "prompt_chars")
    rows = rows.inner_join(members, "account")
    rows = rows.left_join(whole, ["number", "account", "event_id"])
    rows = rows.select(
        "number",
        "account",
        "campaign_id",
        "event_id",
        "time",
        "probability",
        "conversation_id",
        "prompt_chars",
        opens=rows.turn.fill_null(-1) == 0,
        whole=rows.whole.fill_null(False).cast("int64"),
    )
    told, here = rows.conversation_id.notnull(), {"group_by": [rows.number, rows.conversation_id]}
    own = (rows.whole == 1) | (told & (rows.whole.max().over(**here) == 1))
    carried = told & (rows.account.min().over(**here) < rows.account.max().over(**here))
    return rows.mutate(own=own, told=told, carried=carried).drop("conversation_id", "whole")


def counted(work: ir.Table) -> ir.Table:
    """By group: `number`, `exchanges`, `own`, `openings`, `own_openings`, `told`, `own_told`, `carried`."""
    own = work.own.cast("int64")
    return work.group_by("number").agg(
        exchanges=work.count(),
        own=own.sum(),
        openings=work.opens.cast("int64").sum(),
        own_openings=(work.opens & work.own).cast("int64").sum(),
        told=work.told.cast("int64").sum(),
        own_told=(work.told & work.own).cast("int64").sum(),
        carried=work.carried.cast("int64").sum(),
    )


def lengths(work: ir.Table) -> ir.Table:
    """By group and length in characters: `number`, `prompt_chars`, `own` prompts and `others`."""
    own = work.own.cast("int64")
    known = work.mutate(counts=own, rest=1 - own).filter(work.prompt_chars.notnull())
    return known.group_by(["number", "prompt_chars"]).agg(own=known.counts.sum(), others=known.rest.sum())


def habits(work: ir.Table) -> ir.Table:
    """When each account had used its campaign's template for the `HABIT`th time: `number`, `account`, `time`."""
    import ibis

    own = work.filter(work.own).select("number", "account", "event_id", "time")
    place = ibis.row_number().over(group_by=[own.number, own.account], order_by=[own.time, own.event_id])
    return own.mutate(place=place).filter(ibis._.place == HABIT - 1).select("number", "account", "time")


def summed(counts: pa.Table, habitual: pa.Table, *, groups: int) -> list[OwnWork | None]:
    """What each group's accounts did for the campaign, of `groups`; None where no exchange shows a template.

    Parameters
    ----------
    counts, habitual
        As `counted` and `habits` give them.
    """
    from spiritsafe.campaigns.tying import GROUP_MINIMUM

    since: dict[int, list[int]] = {}
    number, time = habitual["number"].to_pylist(), habitual["time"].cast(pa.int64()).to_pylist()
    for place, at_us in zip(number, time, strict=True):
        since.setdefault(place, []).append(at_us)
    done: list[OwnWork | None] = [None] * groups
    for row in counts.to_pylist():
        if row["own"]:
            times = sorted(since.get(row["number"], ()))
            visible = times[GROUP_MINIMUM - 1] if len(times) >= GROUP_MINIMUM else None
            done[row["number"]] = OwnWork(row["exchanges"], row["own"], visible)
    return done


def with_own_work(groups: Sequence[Group], work: Sequence[OwnWork | None], *, first_us: int) -> list[Group]:
    """The groups, whose exposure says what was the campaign's own, and how much was served before it could be seen.

    `first_us` is when the log begins; by the hour.
    """
    return [
        group if own is None else msgspec.structs.replace(group, exposure=_exposed(group, own, first_us))
        for group, own in zip(groups, work, strict=True)
    ]


def _exposed(group: Group, own: OwnWork, first_us: int) -> Exposure:
    if own.visible_us is None:
        return msgspec.structs.replace(group.exposure, own_exchanges=own.own)
    from datetime import UTC, datetime

    hour = (own.visible_us - first_us) // HOUR_US
    before = sum(count for at, count in group.hourly if at < hour)
    return msgspec.structs.replace(
        group.exposure,
        own_exchanges=own.own,
        visible_from=datetime.fromtimestamp(own.visible_us // 1_000_000, UTC).isoformat().replace("+00:00", "Z"),
        before_visible_share=round(before / max(own.exchanges, 1), 4),
    )


def leftover(counts: pa.Table, long: pa.Table) -> pa.Table:
    """What an exchange without the template says, by group: `number`, `factor` on the account's probability.

    1 where the accounts are the campaign's alone. In a relay it is Bayes' rule: of the campaign's exchanges, a share
    `UNSEEN` shows no template, and so does all of the others' traffic. Where no exchange shows a template it is
    `UNTOLD_SHARE` if conversations go on from account to account, and else 1: nothing says that there are others.

    Parameters
    ----------
    counts, long
        As `counted` and `lengths` give them.
    """
    unlike = _distances(long)
    rows = counts.sort_by("number").to_pylist()
    factors = [_factor(row, unlike.get(row["number"])) for row in rows]
    return pa.table(
        {"number": pa.array([r["number"] for r in rows], pa.int64()), "factor": pa.array(factors, pa.float64())}
    )


def _factor(row: dict[str, int], distance: float | None) -> float:
    if not row["own"]:
        return UNTOLD_SHARE if row["carried"] else 1.0
    if _own_share(row) >= OWN_SHARE or (distance is not None and distance < AS_LONG):
        return 1.0
    campaign = min(row["own"] / row["exchanges"] / (1 - UNSEEN), 1.0)
    return campaign * UNSEEN / (campaign * UNSEEN + 1 - campaign) if campaign < 1 else 1.0


def _own_share(row: dict[str, int]) -> float:
    """How much is the campaign's own: of openings or of what stands in conversations, whichever is less."""
    if row["openings"] < OPENINGS:
        return row["own"] / row["exchanges"]
    of_openings = row["own_openings"] / row["openings"]
    # A log may say which turn it is and not of which conversation.
    return min(of_openings, row["own_told"] / row["told"]) if row["told"] >= OPENINGS else of_openings


def _distances(long: pa.Table) -> dict[int, float]:
    """How unlike in length prompts are that show the template and that do not, by group (two-sample Kolmogorov-Smirnov
    distance); without groups of which too few are known."""
    ordered = long.sort_by([("number", "ascending"), ("prompt_chars", "ascending")])
    number, own, others = (ordered[name].to_numpy() for name in ("number", "own", "others"))
    found = {}
    for one in np.unique(number).tolist():
        here = number == one
        with_it, without = np.cumsum(own[here]), np.cumsum(others[here])
        if min(with_it[-1], without[-1]) >= LENGTHS:
            found[one] = float(np.abs(with_it / with_it[-1] - without / without[-1]).max())
    return found


def exchanges(work: ir.Table, left: ir.Table) -> ir.Table:
    """`exchanges.parquet`: every exchange of an accused account, `campaign_id`, `event_id`, `probability`."""
    import ibis

    rows = work.inner_join(left, "number")
    sure = ibis.ifelse(rows.own, rows.probability, rows.probability * rows.factor)
    # By a number, and only then by a name: by two names, sorting took two thirds longer.
    return (
        rows.mutate(probability=sure).order_by(["number", "event_id"]).select("campaign_id", "event_id", "probability")
    )


def with_roles(groups: Sequence[Group], left: pa.Table) -> list[Group]:
    """The groups, in which accounts that also carry other people's traffic have the role `relay`."""
    mixed = {row["number"] for row in left.to_pylist() if row["factor"] < 1}
    return [
        msgspec.structs.replace(
            group, members=tuple(msgspec.structs.replace(member, role=RELAY) for member in group.members)
        )
        if number in mixed and group.verdict is Verdict.CAMPAIGN
        else group
        for number, group in enumerate(groups)
    ]


def least_table(least: np.ndarray[tuple[int], np.dtype[np.int64]]) -> pa.Table:
    """`number`, `least`, as `own_work` takes it. `least` has shape (groups,)."""
    return pa.table({"number": pa.array(np.arange(len(least)), pa.int64()), "least": pa.array(least)})
