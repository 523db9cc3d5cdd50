"""A real authority stamps a signed state; OpenSSL and we agree on what holds."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spiritsafe.evidence import standalone
from spiritsafe.evidence.bundle import make_bundle, read_bundle, verify_timestamps
from spiritsafe.evidence.notes import COSIGNATURE, SignerKey, cosign
from spiritsafe.evidence.timestamps import (
    AuthorityAddressError,
    AuthorityFault,
    TimestampError,
    TokenError,
    stamp,
    stamped_bytes,
    verify_timestamp,
)
from tests.evidence.ledgers import note, open_ledger
from tests.evidence.servers import Authority, answering


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority") / "tsa")


@pytest.fixture
def stamped(tmp_path, authority):
    ledger = open_ledger(tmp_path)
    ledger.append([note()])
    with answering(authority.answer) as address:
        moment = stamp(ledger, address, roots=authority.roots)
    ((kept_for, token),) = ledger.timestamps(1)
    assert kept_for == address
    return stamped_bytes(ledger.checkpoint(), ledger.verifier_keys()), token, moment


def test_a_state_is_stamped_and_openssl_agrees(stamped, authority):
    message, token, moment = stamped
    assert abs((datetime.datetime.now(datetime.UTC) - moment).total_seconds()) < 3600
    assert verify_timestamp(token, message, roots=authority.roots) == moment
    assert authority.holds(token, message)


def test_a_stamp_of_another_state_does_not_hold(stamped, authority):
    message, token, _ = stamped
    with pytest.raises(TimestampError, match="messages"):
        verify_timestamp(token, message + b"\n", roots=authority.roots)
    assert not authority.holds(token, message + b"\n")


def test_a_stamp_of_another_authority_does_not_hold(stamped, tmp_path):
    message, token, _ = stamped
    with pytest.raises(TimestampError):
        verify_timestamp(token, message, roots=Authority(tmp_path / "another").roots)


def test_an_answer_that_does_not_verify_is_not_kept(tmp_path, authority):
    ledger = open_ledger(tmp_path)
    ledger.append([note()])
    for answer, refusal in (
        (lambda path, body: (200, "text/plain", b"no token"), TokenError),
        (lambda path, body: (503, "text/plain", b"later"), AuthorityFault),
        (Authority(tmp_path / "another").answer, TimestampError),
    ):
        with answering(answer) as address, pytest.raises(refusal):
            stamp(ledger, address, roots=authority.roots)
    with pytest.raises(AuthorityFault, match="did not answer"):
        stamp(ledger, address, roots=authority.roots)
    with pytest.raises(AuthorityAddressError):
        stamp(ledger, "file:///etc/passwd", roots=authority.roots)
    assert ledger.timestamps(1) == []


def test_an_answer_to_another_question_is_refused(tmp_path, authority):
    ledger = open_ledger(tmp_path)
    ledger.append([note()])
    with answering(authority.answer) as address:
        stamp(ledger, address, roots=authority.roots)
    ((_, earlier),) = ledger.timestamps(1)
    replayed = (200, "application/timestamp-reply", earlier)
    with answering(lambda path, body: replayed) as address, pytest.raises(TimestampError, match="Nonce"):
        stamp(ledger, address, roots=authority.roots)


def test_a_bundle_brings_its_time_stamp_and_a_stranger_checks_it_with_openssl(tmp_path, authority):
    ledger = open_ledger(tmp_path)
    ledger.append([note()])
    with answering(authority.answer) as address:
        moment = stamp(ledger, address, roots=authority.roots)
    witness = SignerKey("witness.example/w1", bytes(range(2, 34)), COSIGNATURE)
    ledger.add_cosignatures(1, str(cosign(ledger.checkpoint().text, witness, at_s=1_764_504_000)).encode())
    data, keys = make_bundle(ledger, [0]), ledger.verifier_keys()
    ((told, at),) = verify_timestamps(read_bundle(data), keys, roots=authority.roots)
    assert (told.size, told.authority, at) == (1, address, moment)
    with pytest.raises(TimestampError):
        verify_timestamps(read_bundle(data), keys, roots=Authority(tmp_path / "another").roots)
    assert standalone.write_timestamps(data, str(tmp_path)) == 1
    state, token = ((tmp_path / f"0.{kind}").read_bytes() for kind in ("txt", "tsr"))
    assert authority.holds(token, state)
    assert not authority.holds(token, state + b"\n")


@given(data=st.binary(max_size=200))
def test_any_bytes_are_refused_as_a_token(data):
    with pytest.raises(TokenError):
        verify_timestamp(data, b"", roots=b"")
