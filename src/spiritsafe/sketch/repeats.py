"""Event ids that come twice: logs are delivered at least once, and a request must count once.

Worked out in the engine and kept on disk, so that a log of which half is repeated costs no more memory than any
other. Comes from `sketch.intake`; the refused rows go on to its quarantine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pyarrow as pa

from spiritsafe.sketch.table import POSITION, ROW

if TYPE_CHECKING:
    from collections.abc import Sequence

    import ibis.expr.types as ir

    from spiritsafe.engine import Engine
    from spiritsafe.events.model import Shard

REPEATED: Final = "events.repeated_id"
_SHOWN_CHARS: Final = 60
_TOLD: Final = "stands in an earlier row, which was kept"


def first_of_each(
    requests: ir.Table, engine: Engine, shards: Sequence[Shard], *, quote: bool
) -> tuple[ir.Table, ir.Table]:
    """Keep the first row of each event id; refuse the others, with their file and their place in it.

    Parameters
    ----------
    requests
        Numbered rows: `sketch.table.ROW` says which came first, `POSITION` where each stands in its file.
    shards
        What was read, in the order of the row numbers.
    quote
        Whether the reason may show the event id.

    Returns
    -------
    The rows to keep, and `quarantine` rows.
    """
    import ibis

    counted = requests.group_by("event_id").agg(rows=requests.count())
    repeated = engine.keep(counted.filter(counted.rows > 1).select("event_id"), "repeated")
    some = requests.semi_join(repeated, "event_id").select("event_id", ROW, POSITION)
    ranked = some.mutate(_rank=ibis.row_number().over(group_by=some.event_id, order_by=some[ROW]))
    again = engine.keep(ranked.filter(ranked._rank > 0).drop("_rank"), "again")
    kept = engine.keep(requests.anti_join(again, ROW), "unique")
    places = pa.table({"shard": pa.array(range(len(shards)), pa.int64()), "source": [shard.url for shard in shards]})
    # A power of two divides a double without rounding, and row numbers stay below 2**53 up to two million shards.
    again = again.mutate(shard=(again[ROW] / 2**32).floor().cast("int64"))
    placed = again.inner_join(engine.table(places, "shards"), "shard")
    reason = ibis.literal(f"its event_id {_TOLD}")
    if quote:
        reason = "event_id " + placed.event_id.substr(0, _SHOWN_CHARS) + f" {_TOLD}"
    refused = placed.select(
        source=placed.source,
        position=placed[POSITION],
        code=ibis.literal(REPEATED),
        reason=reason,
        raw=ibis.null("binary"),
    )
    return kept, refused
