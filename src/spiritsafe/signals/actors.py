"""Who acts: an account, an organisation with all its accounts, or one of the people behind an account.

Groups are groups of actors. Here the log's accounts are renamed to actors, and what is known of accounts beside the
log is dealt to them; everything after this step takes an actor for an account. Comes from `sketch` and
`events.beside`; goes on to the account signals.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Final

from spiritsafe.errors import InputError

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa

    from spiritsafe.engine import Engine
    from spiritsafe.events.beside import Beside
    from spiritsafe.sketch.intake import Intake

SEPARATOR: Final = "/"
"""Between an account and its end user, in an actor's name."""

OF_THE_ACCOUNT: Final = (
    "organization_id", "organization_verified", "client_ip", "asn", "country", "ja4", "http2_fingerprint", "user_agent",
    "payment_fingerprint", "email_pattern",
)  # fmt: skip
"""What a log says of the account through which an end user calls: its contract, its payer, its servers. All users of
one reseller have it in common, and it says nothing of any of them."""

_NOT_VOUCHED: Final = "reseller"
"""An attestation that an account carries many people's traffic says nothing of each of these."""


_WORDS: Final = {
    "organization": "Where an account is named, read an organisation with all its accounts: `actors` is organization.",
    "end_user": (
        "Where an account is named, read one of its end users: `actors` is end_user. Of an end user only what it asks, "
        "and when, is looked at; no group of end users is accused."
    ),
}


def actors_in_words(kind: str) -> list[str]:
    """What to tell whoever reads of accounts and gets other actors."""
    return [_WORDS[kind]] if kind in _WORDS else []


class NoSuchActorsError(InputError):
    """Neither the log nor the accounts table says whose groups are to be looked for."""

    code: ClassVar[str] = "signals.no_actors"


def as_actors(intake: Intake, beside: Beside, engine: Engine, kind: str) -> tuple[Intake, Beside]:
    """The log and what was read beside it, with actors in place of accounts.

    Parameters
    ----------
    intake, beside
        As they were read.
    engine
        Where the log is.
    kind
        `account` (everything stays as it is), `organization` or `end_user`. Exchanges that name no such thing stay with
        their account.

    Notes
    -----
    An organisation is as old as its first account, and labelled where all labels of its accounts agree. Of an end user
    nothing is known but what it asks and when: `OF_THE_ACCOUNT`, sign-ups and bans are left out, so that no group of
    end users is ever accused of hiding.

    Raises
    ------
    NoSuchActorsError
        No row names such an actor.
    """
    if kind == "account":
        return intake, beside
    named = f"{kind}_id"
    if named not in intake.observable | beside.observable:
        raise NoSuchActorsError(
            f"groups of actors of the kind {kind} were asked for, and no row has a value in {named}",
            hint=f"map the column that holds it to {named}, or leave --actors out",
        )
    accounts = None if beside.accounts is None else engine.table(beside.accounts, "accounts-of-actors")
    requests, pairs = acting(intake.requests, kind, accounts)
    told = beside_actors(beside, engine.arrow(pairs), kind)
    left_out = OF_THE_ACCOUNT if kind == "end_user" else ()
    present = Counter({name: count for name, count in intake.present.items() if name not in left_out})
    return replace(intake, requests=engine.keep(requests, "requests-of-actors"), present=present), told


def acting(requests: ir.Table, kind: str, accounts: ir.Table | None = None) -> tuple[ir.Table, ir.Table]:
    """The requests with actors in place of accounts, and whose actor each is.

    Parameters
    ----------
    requests
        `sketches` rows.
    kind
        `organization` or `end_user`.
    accounts
        The `accounts` table if there is one; its organisation wins over the requests'.

    Returns
    -------
    The requests, and `account_id`, `actor`: every pair once.
    """
    import ibis

    if kind == "end_user":
        inside = requests.end_user_id
        actor = ibis.ifelse(inside.isnull(), requests.account_id, requests.account_id + SEPARATOR + inside)
        unknown = {name: ibis.null(requests[name].type()) for name in OF_THE_ACCOUNT if name in requests.columns}
        pairs = requests.select("account_id", actor=actor).distinct()
        return requests.mutate(account_id=actor, **unknown), pairs
    named = requests.group_by("account_id").agg(seen=requests.organization_id.max())
    if accounts is None:
        pairs = named.select("account_id", actor=named.seen.coalesce(named.account_id))
    else:
        known = accounts.select(owner=accounts.account_id, told=accounts.organization_id)
        both = named.left_join(known, named.account_id == known.owner)
        pairs = both.select("account_id", actor=both.told.coalesce(both.seen, both.account_id))
    joined = requests.inner_join(pairs, "account_id")
    return joined.mutate(account_id=joined.actor).select(*requests.columns), pairs


def beside_actors(beside: Beside, pairs: pa.Table, kind: str) -> Beside:
    """What is known of accounts, of their actors.

    Parameters
    ----------
    beside
        The tables beside the log. Rows of accounts that are not in it stay as they are.
    pairs
        As `acting` gives them.
    kind
        As there.
    """
    actors: dict[str, list[str]] = {}
    for account, actor in sorted(zip(pairs["account_id"].to_pylist(), pairs["actor"].to_pylist(), strict=True)):
        actors.setdefault(account, []).append(actor)
    attestations, labels = _dealt(beside.attestations, actors, name="subject"), _dealt(beside.labels, actors)
    if kind == "end_user":
        vouched = None if attestations is None else _not_of(attestations, _NOT_VOUCHED)
        return replace(beside, accounts=None, account_events=None, labels=labels, attestations=vouched)
    accounts = _dealt(beside.accounts, actors)
    return replace(
        beside,
        accounts=None if accounts is None else _first_of_each(accounts),
        labels=None if labels is None else _agreed(labels),
        account_events=_dealt(beside.account_events, actors),
        attestations=attestations,
    )


def _dealt(table: pa.Table | None, actors: dict[str, list[str]], *, name: str = "account_id") -> pa.Table | None:
    """Each row once for every actor of its account."""
    import pyarrow as pa

    if table is None:
        return None
    dealt = [
        (row, actor) for row, account in enumerate(table[name].to_pylist()) for actor in actors.get(account, [account])
    ]
    taken = table.take(pa.array([row for row, _ in dealt], pa.int64()))
    return _with(taken, name, [actor for _, actor in dealt])


def _with(table: pa.Table, name: str, values: list[Any]) -> pa.Table:
    import pyarrow as pa

    place = table.column_names.index(name)
    field = table.schema.field(place)
    return table.set_column(place, field, pa.array(values, field.type))


def _first_of_each(table: pa.Table) -> pa.Table:
    """The row of each actor that signed up first."""
    import pyarrow as pa

    numbered = table.append_column("row", pa.array(range(table.num_rows), pa.int64()))
    ordered = numbered.sort_by(
        [(name, "ascending") for name in ("account_id", "created_at") if name in table.column_names]
    )
    first: dict[str, int] = {}
    for actor, row in zip(ordered["account_id"].to_pylist(), ordered["row"].to_pylist(), strict=True):
        first.setdefault(actor, row)
    return table.take(pa.array(sorted(first.values()), pa.int64()))


def _agreed(labels: pa.Table) -> pa.Table:
    """One row for each actor whose labels are all the same."""
    import pyarrow as pa

    given: dict[str, set[str]] = {}
    first: dict[str, int] = {}
    told = zip(labels["account_id"].to_pylist(), labels["label"].to_pylist(), strict=True)
    for row, (actor, label) in enumerate(told):
        given.setdefault(actor, set()).add(label)
        first.setdefault(actor, row)
    return labels.take(pa.array([row for actor, row in first.items() if len(given[actor]) == 1], pa.int64()))


def _not_of(attestations: pa.Table, kind: str) -> pa.Table:
    import pyarrow.compute as pc

    return attestations.filter(pc.not_equal(attestations["kind"], kind))
