"""Pseudonymous addresses are neighbours exactly when the real ones are."""

from __future__ import annotations

import ipaddress
import random
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from yacryptopan import CryptoPAn as Independent

from spiritsafe.events.addresses import CryptoPan, packed, unpacked

VECTORS = Path(__file__).parent.parent / "vectors" / "cryptopan" / "vectors.txt"
KEY = bytes.fromhex("1522178d33a4cf80130a5b1649907d10d8988f837979652762574c2d2a842202")
PAN = CryptoPan(KEY)

v4 = st.binary(min_size=4, max_size=4)
v6 = st.binary(min_size=16, max_size=16)


def common_bits(one: bytes, other: bytes) -> int:
    differ = int.from_bytes(one, "big") ^ int.from_bytes(other, "big")
    return len(one) * 8 - differ.bit_length()


def beside(draw: st.DrawFn, address: bytes) -> bytes:
    """Another address that shares a drawn number of leading bits: random pairs would share none."""
    bits = len(address) * 8
    flip = draw(st.integers(0, bits - 1))
    noise = draw(st.integers(0, (1 << flip) - 1)) if flip else 0
    return (int.from_bytes(address, "big") ^ (1 << flip) ^ noise).to_bytes(len(address), "big")


neighbours = st.composite(lambda draw: (one := draw(v4 | v6), beside(draw, one)))()


def test_it_is_crypto_pan_as_published():
    pairs = [line.split() for line in VECTORS.read_text().splitlines()]
    assert len(pairs) == 76
    for size in (4, 16):
        of_size = [(packed(old), new) for old, new in pairs if len(packed(old) or b"") == size]
        found = PAN.hide([old for old, _ in of_size if old is not None])
        assert [unpacked(new) for new in found] == [unpacked(packed(new) or b"") for _, new in of_size]


@given(st.lists(v4, max_size=20) | st.lists(v6, max_size=5), st.binary(min_size=32, max_size=32))
def test_it_agrees_with_an_independent_implementation(addresses, key):
    independent = Independent(key)
    expected = [independent.anonymize(unpacked(address)) for address in addresses]
    assert CryptoPan(key).hide(addresses) == [ipaddress.ip_address(text).packed for text in expected]


@given(neighbours)
def test_two_addresses_share_as_many_leading_bits_as_before(pair):
    hidden = PAN.hide(list(pair))
    assert common_bits(*hidden) == common_bits(*pair)


@given(st.lists(v4, min_size=1, max_size=40) | st.lists(v6, min_size=1, max_size=10))
def test_company_and_order_change_nothing(addresses):
    together = PAN.hide(addresses)
    assert together == [PAN.hide([address])[0] for address in addresses]
    assert together[::-1] == PAN.hide(addresses[::-1])


@given(v4 | v6)
def test_the_way_back_leads_to_the_address(address):
    assert PAN.reveal(PAN.hide([address])[0]) == address


def test_another_key_gives_other_stand_ins():
    addresses = [random.Random(1).randbytes(4) for _ in range(200)]
    other = CryptoPan(bytes(32)).hide(addresses)
    assert sum(one == two for one, two in zip(PAN.hide(addresses), other, strict=True)) == 0


def test_no_addresses_are_no_work():
    assert PAN.hide([]) == []


def test_a_short_key_is_refused():
    with pytest.raises(ValueError, match="32 bytes"):
        CryptoPan(bytes(16))


@given(st.ip_addresses())
def test_every_address_is_read_as_the_standard_library_reads_it(address):
    mapped = getattr(address, "ipv4_mapped", None)
    assert packed(str(address)) == (mapped or address).packed
    assert packed(address.exploded) == (mapped or address).packed


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_in_ipv6_clothes_is_the_ipv4_address(address):
    assert packed(f"::ffff:{address}") == packed(f"::FFFF:{address}") == address.packed


@given(st.ip_addresses(v=6), st.text("abcdefgh0123456789-_.", min_size=1, max_size=16))
def test_a_zone_is_dropped(address, zone):
    assert packed(f"{address}%{zone}") == packed(str(address))


@given(st.text(max_size=60))
@example("\0")
@example("1.2.3.4\0")
@example("::1%")
@example("::1%a\x1b[2J")
@example("::1%" + "z" * 65)
@example("1.2.3.4%eth0")
@example("01.2.3.4")
@example("1.2.3")
@example("1.2.3.4/24")
@example("192.0.2.1:443")
@example("[::1]")
@example(" 192.0.2.1")
@example("\ud800")
@example("١.٢.٣.٤")
def test_garbage_is_no_address_and_no_crash(text):
    found = packed(text)
    try:
        expected = ipaddress.ip_address(text.partition("%")[0] if ":" in text else text)
    except ValueError:
        assert found is None
    else:
        assert found in {None, expected.packed, expected.packed[12:]}
