"""One row an account: how much, when, with what, and how much of it looks like a tactic.

Everything is an Ibis expression over `sketches`, so it runs on either engine. Accounts are numbered here;
the rooms after this one join on the number. Comes from `sketch`; goes on to `links` and `campaigns`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from spiritsafe.engine import epoch_s
from spiritsafe.signals.tactics import FAILED_STATUS, TACTIC_THRESHOLD
from spiritsafe.sketch.parameters import tactic_column

if TYPE_CHECKING:
    from collections.abc import Sequence

    import ibis.expr.types as ir

    from spiritsafe.signals.tactics import TacticPlugin

HOUR_S: Final = 3600
LIMIT_STATUS: Final = 429


def account_signals(requests: ir.Table, accounts: ir.Table | None, *, tactics: Sequence[TacticPlugin]) -> ir.Table:
    """Every account of the log with its signals.

    Parameters
    ----------
    requests
        `sketches` rows.
    accounts
        The `accounts` table if there is one; its organisation and sign-up win over the requests'.
    tactics
        What to count; a tactic of which the rows hold no column counts nothing.

    Returns
    -------
    One row an account: `account` (int64, from 0 in order of `account_id`), `account_id`, `exchanges`,
    `first_s`, `last_s` (epoch seconds), `active_hours` (distinct hours of the log with traffic),
    `clock_hours` (distinct hours of the day), `input_tokens`, `output_tokens`, `distinct_prompts`,
    `limited_exchanges` (status 429), `refused_exchanges`, `logprob_exchanges`, `addresses`, `models`,
    `organization_id`, `organization_verified` (null where neither table knows: not to know is no answer), and
    `<tactic>_exchanges` for each tactic: those that show it by words or settings, or those that repeat, whichever are
    more.
    """
    import ibis

    # Numbered first: four sets of distinct values keyed by a number took 0.9 s of processor for a million requests,
    # keyed by the account's name 1.5 s.
    numbers = requests.select("account_id").distinct()
    numbers = numbers.mutate(account=ibis.row_number().over(order_by=numbers.account_id).cast("int64"))
    second = epoch_s(requests.time)
    rows = requests.mutate(second=second, hour=(second / HOUR_S).floor().cast("int64"))
    rows = rows.inner_join(numbers, "account_id")
    per_tactic = {f"{tactic.text.name}_exchanges": _shows(rows, tactic).sum() for tactic in tactics}
    found = rows.group_by("account").agg(
        account_id=rows.account_id.min(),
        exchanges=rows.count(),
        first_s=rows.second.min(),
        last_s=rows.second.max(),
        active_hours=rows.hour.nunique(),
        clock_hours=(rows.hour % 24).nunique(),
        input_tokens=rows.input_tokens.cast("int64").sum(),
        output_tokens=rows.output_tokens.cast("int64").sum(),
        limited_exchanges=(rows.status == LIMIT_STATUS).cast("int64").sum().fill_null(0),
        refused_exchanges=rows.refused.cast("int64").sum().fill_null(0),
        logprob_exchanges=rows.logprobs.cast("int64").sum().fill_null(0),
        addresses=rows.client_ip.nunique(),
        models=rows.model.nunique(),
        seen_organization_id=rows.organization_id.max(),
        seen_organization_verified=rows.organization_verified.cast("int64").max() == 1,
        **per_tactic,
    )
    found = _with_repeats(found, rows, tactics)
    found = found.select(*[name for name in found.columns if name != "account"], "account")
    return _with_account_facts(found, accounts)


def _shows(rows: ir.Table, tactic: TacticPlugin) -> Any:
    """1 for an exchange that shows a tactic by its words or its settings, else 0."""
    import ibis

    column = tactic_column(tactic.text.name)
    told: list[Any] = [rows[column] >= TACTIC_THRESHOLD] if column in rows.columns else []
    for setting in tactic.settings:
        value = rows[setting.column]
        told.append(value if setting.least is None else value >= setting.least)
    return ibis.ifelse(ibis.or_(*told), 1, 0) if told else rows.second * 0


def _with_repeats(found: ir.Table, rows: ir.Table, tactics: Sequence[TacticPlugin]) -> ir.Table:
    """With `distinct_prompts`, and the tactics that repeating a prompt shows. One pass over account and prompt."""
    import ibis

    served = rows.status.isnull() | (rows.status < FAILED_STATUS)
    known = rows.filter(rows.prompt_hash.notnull()).mutate(served=served)
    pairs = known.group_by(["account", "prompt_hash"]).agg(
        asked=known.served.cast("int64").sum(), answering=known.model.nunique(where=known.served)
    )
    counted: dict[str, ir.IntegerValue] = {"distinct_prompts": pairs.count()}
    repeating = {tactic.text.name: tactic.repeats for tactic in tactics if tactic.repeats is not None}
    for name, repeats in repeating.items():
        # As `Repeats.beyond` counts them.
        told = (pairs.asked if repeats.times else pairs.answering) - repeats.free
        counted[f"repeats_{name}"] = (told > 0).ifelse(told, 0).sum()
    joined = found.left_join(pairs.group_by("account").agg(**counted), "account").drop("account_right")
    shown = {
        f"{name}_exchanges": ibis.greatest(joined[f"{name}_exchanges"], joined[f"repeats_{name}"].fill_null(0))
        for name in repeating
    }
    joined = joined.mutate(distinct_prompts=joined.distinct_prompts.fill_null(0), **shown)
    return joined.drop(*[f"repeats_{name}" for name in repeating])


def _with_account_facts(found: ir.Table, accounts: ir.Table | None) -> ir.Table:
    """Organisation and sign-up from the `accounts` table where it has them, else as the requests say."""
    import ibis

    if accounts is None:
        joined = found.mutate(created_s=ibis.null("int64"))
        organization_id, verified = joined.seen_organization_id, joined.seen_organization_verified
    else:
        facts = accounts.select(
            account_id=accounts.account_id,
            created_s=epoch_s(accounts.created_at),
            told_organization_id=accounts.organization_id,
            told_organization_verified=accounts.organization_verified,
            told=ibis.literal(True),
        )
        joined = found.left_join(facts, "account_id").drop("account_id_right")
        organization_id = joined.told_organization_id.fill_null(joined.seen_organization_id)
        verified = joined.told_organization_verified.fill_null(joined.seen_organization_verified)
        # The contract's default is self-made: an account that the table lists without a word is verified as nothing.
        # Of an account that it does not list, nothing is known.
        verified = ibis.ifelse(joined.told.notnull(), verified.fill_null(False), verified)
    return joined.mutate(organization_id=organization_id, organization_verified=verified).drop(
        *[name for name in joined.columns if name.startswith(("seen_", "told"))]
    )


def number_accounts(requests: ir.Table, signals: ir.Table) -> ir.Table:
    """`requests` with the account's number, for the joins to come."""
    return requests.inner_join(signals.select("account_id", "account"), "account_id")
