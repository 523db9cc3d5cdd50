"""Hypothesis strategies for the nouns of `campaigns.model`: arbitrary, hostile, and still well-typed."""

from typing import TypeVar

from hypothesis import strategies as st

from spiritsafe.campaigns.model import (
    Alternative,
    Axis,
    AxisStatus,
    Coverage,
    Evidence,
    EvidenceKind,
    Exposure,
    Group,
    InputFile,
    Member,
    MissingColumn,
    Run,
    Significance,
    Technique,
    Verdict,
)

T = TypeVar("T")

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</style><script>alert(1)</script>",
    "]]>--><svg/onload=alert(1)>",
    "{{ 7 * 7 }}{% raw %}",
    "javascript:alert(1)",
    "acct\u202egnp.exe",
    "\u2066\u2069\u200b\u00ad\ufeff",
    "\x00\x1b[31mred",
    "a\u0301" * 40,
    "\u3164",
    " ",
    "",
    "x" * 10_000,
    "\u05d0\u05d1\u05d2 12",
    "\U000e0041\U000e0042",
    "\ue000",
)
names = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=40))
instants = st.datetimes().map(lambda moment: moment.isoformat() + "Z")
instants_or_nothing = st.one_of(instants, st.just(""))
counts = st.integers(0, 10**12)
shares = st.floats(0, 1)
bits = st.floats(-5, 60)


def several(what: "st.SearchStrategy[T]", most: int = 3) -> "st.SearchStrategy[tuple[T, ...]]":
    return st.lists(what, max_size=most).map(tuple)


evidence = st.builds(
    Evidence,
    kind=st.one_of(st.sampled_from([kind.value for kind in EvidenceKind]), names),
    statement=names,
    bits=st.one_of(st.none(), bits),
    accounts=counts,
    rarity=names,
    innocent_explanation=names,
    event_ids=several(names),
)


def axis(name: str) -> "st.SearchStrategy[Axis]":
    return st.builds(
        Axis,
        name=st.just(name),
        status=st.sampled_from(AxisStatus),
        reason=names,
        evidence=several(evidence, 2),
        missing_columns=several(names),
    )


axes = st.tuples(axis("coordination"), axis("extraction"), axis("concealment"))
alternative = st.builds(
    Alternative,
    name=names,
    question=names,
    outcome=st.sampled_from(["fits", "does_not_fit", "not_checkable"]),
    finding=names,
)
exposure = st.builds(
    Exposure,
    exchanges=counts,
    exchanges_share=shares,
    input_tokens=st.one_of(st.none(), counts),
    output_tokens=st.one_of(st.none(), counts),
    models=several(names),
    capabilities=several(names),
    first_seen=instants_or_nothing,
    last_seen=instants_or_nothing,
)
technique = st.builds(
    Technique, id=st.one_of(st.sampled_from(["AML.T0024.002", "AML.T0021", "AML.T9999.001"]), names), name=names
)
significance = st.builds(
    Significance,
    method=names,
    null=names,
    p_value=st.one_of(st.none(), shares),
    q_value=st.one_of(st.none(), shares),
    statement=names,
)
member = st.builds(
    Member,
    account_id=names,
    probability=shares,
    role=st.one_of(st.sampled_from(["core", "relay", "uncertain"]), names),
    first_seen=instants_or_nothing,
    exchanges=counts,
    bits_content=bits,
    bits_work=bits,
    bits_timing=bits,
    bits_infrastructure=bits,
    bits_identity=bits,
    bits_lifecycle=bits,
    why=several(names, 4),
)
members = st.lists(member, max_size=5, unique_by=lambda one: one.account_id).map(tuple)
hourly = st.lists(st.tuples(st.integers(0, 20_000), counts), max_size=30).map(tuple)


def groups(verdicts: tuple[Verdict, ...] = tuple(Verdict)) -> "st.SearchStrategy[Group]":
    return st.builds(
        Group,
        campaign_id=names,
        verdict=st.sampled_from(verdicts),
        failed_axis=st.sampled_from(["", "coordination", "extraction", "concealment"]),
        headline=names,
        axes=axes,
        significance=significance,
        members=members,
        alternatives=several(alternative),
        exposure=exposure,
        archetype=names,
        techniques=several(technique),
        actions=several(names),
        would_change_our_mind=several(names),
        predecessor_ids=several(names),
        hourly=hourly,
        known_labels=st.dictionaries(names, st.integers(1, 10**6), max_size=12),
    )


coverage = st.builds(
    Coverage,
    rows_read=counts,
    rows_kept=counts,
    rows_quarantined=counts,
    quarantine_reasons=st.dictionaries(names, counts, max_size=3),
    accounts=counts,
    column_shares=st.dictionaries(names, shares, max_size=4),
)
runs = st.builds(
    Run,
    schema=names,
    spiritsafe_version=names,
    inputs=several(st.builds(InputFile, path=names, sha256=names, size_bytes=counts)),
    settings=st.dictionaries(names, st.one_of(names, st.booleans(), st.lists(st.integers(-9, 9))), max_size=3),
    seed=st.integers(0, 2**63),
    clock_first=instants,
    clock_last=instants,
    coverage=coverage,
    missing=several(st.builds(MissingColumn, column=names, axis=names, cost=names)),
    engine=names,
    pseudonymised=st.booleans(),
    key_id=names,
    pseudonym_key_id=names,
    warnings=several(names),
    detection_limit=names,
    versions=st.dictionaries(names, names, max_size=2),
)
links = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c", *HOSTILE]),
        st.sampled_from(["a", "b", "c", *HOSTILE]),
        st.one_of(st.sampled_from([kind.value for kind in EvidenceKind]), names),
        st.one_of(bits, st.sampled_from([float("nan"), float("inf")])),
    ),
    max_size=20,
)
