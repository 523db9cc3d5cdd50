"""Mappings to test with: the least that is one, and any at all."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from spiritsafe.events.mapping import TABLES, ColumnSource, Mapping, Scalar
from spiritsafe.events.transforms import TRANSFORMS

LEAST = '[requests.event_id]\nfrom = "id"\n[requests.time]\nfrom = "t"\n[requests.account_id]\nfrom = "a"\n'


def least(**more: ColumnSource) -> Mapping:
    own = {name: ColumnSource(from_=path) for name, path in (("event_id", "id"), ("time", "t"), ("account_id", "a"))}
    return Mapping(requests={**own, **more})


_names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
_scalars: dict[str, st.SearchStrategy[Scalar]] = {
    "bool": st.booleans(),
    "int32": st.integers(-(2**31), 2**31 - 1),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "float": st.floats(allow_nan=False, allow_infinity=False, width=32),
    "string": st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
}


@st.composite
def sources(draw: st.DrawFn, kind: pa.DataType) -> ColumnSource:
    scalar = _scalars.get(str(kind))
    if scalar is not None and draw(st.integers(0, 4)) == 0:
        return ColumnSource(const=draw(scalar))
    paths = draw(st.lists(_names, min_size=1, max_size=3).map(tuple))
    more: dict[str, Any] = {}
    if len(paths) > 1:
        more["join"] = draw(st.none() | _names)
    fitting = sorted(name for name, transform in TRANSFORMS.items() if transform.gives(kind))
    if draw(st.booleans()) and fitting:
        more["transform"] = draw(st.sampled_from(fitting))
        if more["transform"] == "forwarded_for":
            more["hop"] = draw(st.integers(1, 32))
    if draw(st.booleans()) and scalar is not None:
        words = st.text(st.characters(exclude_categories=["Cs"]), max_size=9)
        more["values"] = draw(st.dictionaries(words, scalar, max_size=3))
    if pa.types.is_timestamp(kind):
        more["timezone"] = draw(st.sampled_from(["", "UTC", "Europe/Berlin"]))
        more |= draw(st.sampled_from([{}, {"unit": "ms"}, {"unit": "ns"}, {"format": "%d.%m.%Y"}]))
    return ColumnSource(from_=paths, **more)


@st.composite
def mappings(draw: st.DrawFn) -> Mapping:
    tables: dict[str, Any] = {}
    for table, schema in TABLES.items():
        chosen = draw(st.lists(st.sampled_from(schema.columns), max_size=4, unique_by=lambda c: c.name))
        tables[table] = {column.name: draw(sources(column.type)) for column in chosen}
    carry = draw(st.none() | st.lists(_names, max_size=3).map(tuple))
    return Mapping(timezone=draw(st.sampled_from(["", "Asia/Tokyo"])), carry=carry, **tables)
