"""Who acted on what, and which actors stand next to each other on one object.

The general form of what the other modules of this room do for request logs: an actor (account, wallet, user)
acts on an object (address, repository, item), perhaps at a time. Two actors on one object are *tied* by it. An
object with n actors gives 8 n ties and not n squared: each actor is tied to those that came to the object
next after it, which is where somebody who acts as one with it must be. Without times the order is that of the
actors' names, the same for each object, so that those who share many objects meet in many.
Comes from `events.tables`; goes on to `links.confirmation`.
"""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Final

from spiritsafe.engine import epoch_s

if TYPE_CHECKING:
    import ibis.expr.types as ir

NEIGHBOURS: Final = 8
"""Later actors on an object that each is tied to: an object of nine actors or fewer has all its pairs."""


def acts(actions: ir.Table) -> ir.Table:
    """Each actor once on each object.

    Parameters
    ----------
    actions
        `actor`, `object` and, if there are times, `time`.

    Returns
    -------
    `actor`, `object`, `first_s` (epoch seconds of the first time, 0 without times).
    """
    import ibis

    if "time" not in actions.columns:
        return actions.select("actor", "object").distinct().mutate(first_s=ibis.literal(0, "int64"))
    at = actions.mutate(at_s=epoch_s(actions.time))
    return at.group_by(["actor", "object"]).agg(first_s=at.at_s.min())


def with_own_object(pairs: ir.Table) -> ir.Table:
    """Where objects are actors too (money sent, people followed): each such actor also acts on itself.

    "a sent to b" then ties a and b, as an object that both have does.
    """
    own = pairs.group_by("actor").agg(first_s=pairs.first_s.min())
    objects = pairs.select("object").distinct()
    known = own.semi_join(objects, own.actor == objects.object)
    selves = known.select("actor", object=known.actor, first_s=known.first_s)
    both = pairs.union(selves)
    return both.group_by(["actor", "object"]).agg(first_s=both.first_s.min())


def reciprocity(pairs: ir.Table) -> ir.Table:
    """How many acts are on an actor, and how many of those have their answer: b acts on a as well.

    Returns
    -------
    One row: `on_actors`, `answered`.
    """
    import ibis

    others = pairs.filter(pairs.actor != pairs.object)
    actors = pairs.select("actor").distinct()
    on_actors = others.semi_join(actors, others.object == actors.actor)
    back = others.select(back_actor=others.object, back_object=others.actor)
    answered = on_actors.semi_join(back, [on_actors.actor == back.back_actor, on_actors.object == back.back_object])
    counts = on_actors.mutate(is_answer=ibis.literal(0, "int64")).union(
        answered.mutate(is_answer=ibis.literal(1, "int64"))
    )
    return counts.agg(
        on_actors=(counts.is_answer == 0).cast("int64").sum().fill_null(0),
        answered=counts.is_answer.sum().fill_null(0),
    )


def numbered_actors(pairs: ir.Table) -> ir.Table:
    """`actor` and `number` (int64, from 0 in order of `actor`)."""
    import ibis

    actors = pairs.select("actor").distinct()
    return actors.mutate(number=ibis.row_number().over(order_by=actors.actor).cast("int64"))


def shared_objects(pairs: ir.Table, actors: ir.Table) -> ir.Table:
    """Acts on objects that at least two actors have, by number.

    Returns
    -------
    `number` (the actor's), `object`, `object_number` (int64, from 0 in order of `object`), `first_s`, `holders`.
    """
    import ibis

    counted = pairs.group_by("object").agg(holders=pairs.count())
    shared = counted.filter(counted.holders >= 2)
    shared = shared.mutate(object_number=ibis.row_number().over(order_by=shared.object).cast("int64"))
    return (
        pairs.inner_join(shared, "object")
        .inner_join(actors, "actor")
        .select("number", "object", "object_number", "first_s", "holders")
    )


def tied(shared: ir.Table, *, most_holders: int, count: int = NEIGHBOURS) -> ir.Table:
    """Ties: each actor on an object, with those that came to it next, and with the one half the object later.

    Parameters
    ----------
    shared
        As `shared_objects` returns it.
    most_holders
        Objects of more actors than this tie nobody.
    count
        How many later actors each is tied to.

    Returns
    -------
    `one`, `other` (actor numbers), `object_number`, `holders`, `gap_s` (seconds between their first times) and
    `near` (1 for neighbours, 0 for half the object apart).
    """
    import ibis

    some = shared.filter(shared.holders <= most_holders)
    order = ibis.window(group_by=some.object_number, order_by=[some.first_s, some.number])
    ahead = {
        f"{name}_{step}": some[column].lead(step).over(order)
        for step in range(1, count + 1)
        for name, column in (("other", "number"), ("then", "first_s"))
    }
    wide = some.mutate(place=ibis.row_number().over(order).cast("int64"), **ahead)
    near = [
        wide.filter(wide[f"other_{step}"].notnull()).select(
            "object_number",
            "holders",
            one=wide.number,
            other=wide[f"other_{step}"],
            gap_s=(wide[f"then_{step}"] - wide.first_s).cast("int64"),
            near=ibis.literal(1, "int64"),
        )
        for step in range(1, count + 1)
    ]
    return reduce(lambda a, b: a.union(b), [*near, _apart(wide, count)])


def _apart(wide: ir.Table, count: int) -> ir.Table:
    """Actors of one object that stand half of it apart, where that is further than neighbours stand."""
    import ibis

    half = (wide.holders / 2).floor().cast("int64")
    early = wide.filter((wide.place < half) & (half > count))
    early = early.select("object_number", "holders", "first_s", one=early.number, late=(early.place + half))
    late = wide.select(late_object=wide.object_number, late_place=wide.place, other=wide.number, then=wide.first_s)
    both = early.inner_join(late, [early.object_number == late.late_object, early.late == late.late_place])
    return both.select(
        "object_number",
        "holders",
        "one",
        "other",
        gap_s=(both.then - both.first_s).cast("int64"),
        near=ibis.literal(0, "int64"),
    )
