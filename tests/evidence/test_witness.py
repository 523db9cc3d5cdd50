"""A witness cosigns only what grew out of what it saw, and answers as the protocol says."""

from __future__ import annotations

import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spiritsafe.evidence.checkpoints import verify_checkpoint
from spiritsafe.evidence.notes import COSIGNATURE, SignatureError, SignerKey, sign_note
from spiritsafe.evidence.timestamps import AuthorityFault
from spiritsafe.evidence.witness import ForkError, Witness, _request, ask_witness
from tests.evidence.ledgers import note, open_ledger
from tests.evidence.servers import answering

SIGNER = SignerKey("witness.example/w1", bytes(range(2, 34)), COSIGNATURE)
AT_S = 1_764_504_000


def served(witness: Witness):
    def answer(path: str, body: bytes) -> tuple[int, str, bytes]:
        if path != "/w/add-checkpoint":
            return 404, "text/plain", b""
        given = witness.add_checkpoint(body, at_s=AT_S)
        return given.status, given.content_type, given.body

    return answering(answer)


@pytest.fixture
def ledger(tmp_path):
    made = open_ledger(tmp_path)
    made.append([note() for _ in range(5)])
    return made


@pytest.fixture
def witness(tmp_path, ledger):
    return Witness(tmp_path / "witness.db", SIGNER, ledger.verifier_keys())


def request(ledger, old: int) -> bytes:
    state = ledger.checkpoint()
    size = int(state.text.split("\n")[1])
    return _request(old, ledger.prove_growth(old, size) if old else [], state)


def test_a_log_that_grows_is_cosigned_each_time(tmp_path, ledger, witness):
    with served(witness) as address:
        for size in (5, 6, 300):
            ledger.append([note() for _ in range(size - len(list(ledger.entries())))])
            assert ask_witness(ledger, f"{address}/w", SIGNER.verifier) == AT_S
            trusted = [*ledger.verifier_keys(), SIGNER.verifier]
            assert verify_checkpoint(ledger.checkpoint(), trusted, witnesses=1).size == size
            assert ask_witness(ledger, f"{address}/w", SIGNER.verifier) == AT_S


def test_a_log_with_another_past_is_not_cosigned(tmp_path, ledger, witness):
    ledger.close()
    shutil.copytree(ledger.folder, tmp_path / "older")
    with served(witness) as address:
        ledger.append([note("one past")])
        ask_witness(ledger, f"{address}/w", SIGNER.verifier)
        ledger.close()
        shutil.rmtree(ledger.folder)
        (tmp_path / "older").rename(ledger.folder)
        with pytest.raises(ForkError, match="saw 6 entries"):
            ask_witness(open_ledger(tmp_path), f"{address}/w", SIGNER.verifier)
        forked = open_ledger(tmp_path)
        forked.append([note("another past"), note()])
        with pytest.raises(ForkError):
            ask_witness(forked, f"{address}/w", SIGNER.verifier)


def test_the_status_codes_are_those_of_the_protocol(tmp_path, ledger, witness):
    stranger = sign_note("example.com/other\n1\n" + "A" * 43 + "=\n", SignerKey("example.com/other", bytes(32)))
    forger = sign_note(ledger.checkpoint().text, SignerKey(ledger.origin, bytes(32)))
    first = request(ledger, 0)
    for asked, status in (
        (b"", 400),
        (b"old 01\n\n" + str(ledger.checkpoint()).encode(), 400),
        (_request(0, [], stranger), 404),
        (_request(0, [], forger), 403),
        (_request(6, [], ledger.checkpoint()), 400),
        (request(ledger, 3), 409),
        (_request(0, [bytes(32)], ledger.checkpoint()), 422),
        (first, 200),
        (first, 409),
        (request(ledger, 5), 200),
    ):
        assert witness.add_checkpoint(asked, at_s=AT_S).status == status, asked
    conflict = witness.add_checkpoint(first, at_s=AT_S)
    assert (conflict.body, conflict.content_type) == (b"5\n", "text/x.tlog.size")
    ledger.append([note()])
    wrong = _request(5, [bytes(32)], ledger.checkpoint())
    assert witness.add_checkpoint(wrong, at_s=AT_S).status == 422


def test_an_answer_that_is_not_the_witnesss_is_not_kept(ledger, witness):
    other = SignerKey("witness.example/w1", bytes(32), COSIGNATURE).verifier
    with served(witness) as address, pytest.raises(SignatureError, match="did not sign as"):
        ask_witness(ledger, f"{address}/w", other)
    assert len(ledger.checkpoint().signatures) == 1


def test_a_witness_that_does_not_know_the_log_or_is_gone_is_told(tmp_path, ledger):
    stranger = Witness(tmp_path / "other.db", SIGNER, ())
    with served(stranger) as address, pytest.raises(AuthorityFault, match="answered 404"):
        ask_witness(ledger, f"{address}/w", SIGNER.verifier)
    with pytest.raises(AuthorityFault, match="did not answer"):
        ask_witness(ledger, f"{address}/w", SIGNER.verifier)


@given(asked=st.binary(max_size=300))
def test_any_request_is_answered(tmp_path_factory, asked):
    answer = Witness(tmp_path_factory.mktemp("w") / "w.db", SIGNER, ()).add_checkpoint(asked, at_s=AT_S)
    assert answer.status in {400, 404}
