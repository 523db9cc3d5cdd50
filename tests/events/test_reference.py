"""The reference pages say what the code does."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from spiritsafe.events.mapping import TABLES, ColumnSource, Mapping, parse_mapping
from spiritsafe.events.reference import PAGES
from spiritsafe.events.transforms import TRANSFORMS

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference"


@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_page_made_from_code_is_up_to_date(name):
    told = f"run: python -m spiritsafe.events.reference {REFERENCE}"
    assert (REFERENCE / name).read_text(encoding="utf-8") == PAGES[name](), told


def test_the_mapping_page_names_every_key_and_transform():
    page = (REFERENCE / "mapping.md").read_text(encoding="utf-8")
    keys = {field.encode_name for kind in (Mapping, ColumnSource) for field in msgspec.structs.fields(kind)}
    missing = {key for key in keys - TABLES.keys() if f"| `{key}` |" not in page}
    assert not missing
    for one in TRANSFORMS.values():
        assert f"| `{one.name}` | {one.result} | {one.note} |" in page


def test_the_examples_of_the_mapping_page_are_mappings():
    page = (REFERENCE / "mapping.md").read_text(encoding="utf-8")
    examples = [block.partition("```")[0] for block in page.split("```toml\n")[1:]]
    assert len(examples) == 2
    for example in examples:
        assert parse_mapping(example).requests
