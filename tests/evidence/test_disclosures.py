"""A field can be shown or withheld, and what is shown is what was recorded."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spiritsafe.errors import VerificationError
from spiritsafe.evidence.disclosures import (
    CanonicalError,
    Disclosure,
    DisclosureError,
    canonical,
    disclose,
    list_tree,
    verify_field,
    verify_item,
)
from spiritsafe.evidence.merkle import InclusionError, prove_inclusion, root_of

WHOLE = st.integers(-(2**53) + 1, 2**53 - 1)
VALUES = st.recursive(
    st.none() | st.booleans() | WHOLE | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def test_the_example_of_rfc_9901_has_the_digest_that_it_states():
    """Section 4.2.3: the digest is over the text as it stands, spaces and all."""
    text = "WyJfMjZiYzRMVC1hYzZxMktJNmNCVzVlcyIsICJmYW1pbHlfbmFtZSIsICJNw7ZiaXVzIl0"
    shown = Disclosure(text)
    assert (shown.name, shown.value) == ("family_name", "Möbius")
    digest = base64.urlsafe_b64encode(shown.digest).rstrip(b"=").decode()
    assert digest == "X9yH0Ajrdm1Oij4tWso9UzzKJvPoDxwmuEcO3XAdRC0"


@given(value=VALUES)
def test_what_is_shown_is_the_value_that_was_put_in(value):
    shown = disclose(value, "field")
    assert verify_field("field", shown.digest, shown) == value
    assert shown.digest == hashlib.sha256(shown.text.encode()).digest()


def test_the_same_value_never_has_the_same_digest():
    assert disclose("ada", "by").digest != disclose("ada", "by").digest


def test_another_value_or_field_is_not_believed():
    shown = disclose("campaign", "verdict")
    with pytest.raises(DisclosureError, match="verdict"):
        verify_field("verdict", shown.digest, disclose("campaign", "verdict"))
    with pytest.raises(DisclosureError):
        verify_field("axes", shown.digest, shown)


@given(count=st.integers(1, 40), data=st.data())
def test_one_item_of_a_list_is_shown_without_the_others(count, data):
    items = [disclose({"account": f"a{number}"}) for number in range(count)]
    index = data.draw(st.integers(0, count - 1))
    tree = list_tree([item.leaf_hash for item in items])
    path, root = prove_inclusion(index, count, tree.node), root_of(count, tree.node)
    assert verify_item(index, count, root, items[index], path) == {"account": f"a{index}"}
    with pytest.raises(InclusionError):
        verify_item(index, count, root, disclose({"account": f"a{index}"}), path)
    if count > 1:
        with pytest.raises(InclusionError):
            verify_item((index + 1) % count, count, root, items[index], path)


def test_a_field_is_no_item():
    field = disclose("x", "name")
    with pytest.raises(DisclosureError, match="is a field"):
        verify_item(0, 1, field.leaf_hash, field, [])


@given(text=st.text(max_size=60))
def test_any_text_is_a_disclosure_or_refused(text):
    try:
        Disclosure(text).value  # noqa: B018
    except VerificationError:
        return
    assert isinstance(json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))), list)


@pytest.mark.parametrize("value", [2**53, float("nan"), float("inf"), "\ud800", {1: 2}])
def test_what_has_no_canonical_form_is_refused(value):
    with pytest.raises(CanonicalError):
        canonical(value)
