"""Small rosters for tests."""

from pathlib import Path

import numpy as np

from spiritsafe.roster import Campaign, Contents, Kind, Names, Role, Source, write_roster

NAMES = Names(b"roster key for tests, 32 bytes!!")
NOW_S = 1_770_000_000
FOREVER_S = NOW_S + 10**8


def campaign(key: str = "c1", **more: object) -> Campaign:
    told = {"campaign_id": f"id-{key}", "key": key, "members": 3, "expires_s": FOREVER_S, "confirmed": True}
    return Campaign(**{**told, **more})  # type: ignore[arg-type]


def contents(
    *,
    campaigns: tuple[Campaign, ...] = (),
    accounts: dict[str, tuple[int, float, int, int, bool]] | None = None,
    templates: tuple[tuple[int, int, tuple[int, ...]], ...] = (),
    values: tuple[tuple[str, str, int, int], ...] = (),
    attested: tuple[tuple[str, str, int, int], ...] = (),
    sources: tuple[Source, ...] = (),
    sketch: dict[str, str] | None = None,
) -> Contents:
    """`templates`: campaign, least, phrases. `values`: column, value, campaign, kind. `attested`: subject, kind, from,
    until. `accounts`: name to campaign, probability, kinds, role, established."""
    rows = [(NAMES.hashed("account_id", name), *told) for name, told in (accounts or {}).items()]
    said = [(phrase, place) for place, (_, _, phrases) in enumerate(templates) for phrase in phrases]
    kinds = tuple(dict.fromkeys(kind for _, kind, _, _ in attested))
    columns = {
        **_columns(
            ("account_hash", "account_campaign", "account_probability", "account_kinds", "account_role",
             "account_established"), rows,
        ),
        **_columns(("phrase", "phrase_template"), said),
        **_columns(
            ("template_campaign", "template_least", "template_key"),
            [(c, least, 1000 + place) for place, (c, least, _) in enumerate(templates)],
        ),
        **_columns(
            ("value_hash", "value_campaign", "value_kind"),
            [(NAMES.hashed(column, value), c, kind) for column, value, c, kind in values]
            + [(1000 + place, c, Kind.CONTENT) for place, (c, _, _) in enumerate(templates)],
        ),
        **_columns(
            ("attested_hash", "attested_kind", "attested_from_s", "attested_until_s"),
            [(NAMES.hashed("account_id", s), kinds.index(kind), begin, end) for s, kind, begin, end in attested],
        ),
    }  # fmt: skip
    return Contents(
        roster_id="r1", created_us=NOW_S * 1_000_000, names={}, sketch=sketch or {}, campaigns=campaigns,
        columns=columns, attestation_kinds=kinds, sources=sources,
    )  # fmt: skip


def _columns(names, rows):
    wide = {"account_hash", "phrase", "value_hash", "attested_hash"}
    return {
        name: np.array([row[place] for row in rows], dtype=np.uint64 if name in wide else None)
        for place, name in enumerate(names)
    }


def small(path: Path) -> Path:
    """Two campaigns, four accounts, two templates that share a phrase, three values, one attestation."""
    member = Kind.CONTENT | Kind.TIMING
    made = contents(
        campaigns=(campaign("c1"), campaign("c2", confirmed=False, own=False, sources=(0,))),
        accounts={
            "ann": (0, 0.99, member, Role.CORE, False),
            "ben": (0, 0.6, member, Role.RELAY, False),
            "old": (-1, 0.0, 0, Role.NONE, True),
            "new": (-1, 0.0, 0, Role.NONE, False),
        },
        templates=((0, 3, (10, 20, 30, 40)), (1, 2, (20, 50))),
        values=(
            ("client_ip", "192.0.2.1", 0, Kind.INFRASTRUCTURE),
            ("client_ip", "192.0.2.1", 1, Kind.INFRASTRUCTURE),
            ("system_prompt_hash", "77", 0, Kind.CONTENT),
        ),
        attested=(("ann", "academic", NOW_S, NOW_S + 10), ("ann", "reseller", NOW_S + 10, NOW_S + 20)),
        sources=(Source("acme", "acme", 0.9),),
    )
    write_roster(made, path)
    return path
