"""Notes are those of the specification: read, written again as they were, and believed only where signed."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spiritsafe.evidence.checkpoints import (
    Checkpoint,
    CheckpointError,
    InclusionProof,
    ProofError,
    WitnessMissingError,
    cosigners,
    parse_checkpoint,
    parse_proof,
    verify_checkpoint,
)
from spiritsafe.evidence.merkle import InclusionError
from spiritsafe.evidence.notes import (
    COSIGNATURE,
    Note,
    NoteError,
    SignatureError,
    SignerKey,
    VerifierKeyError,
    cosign,
    parse_note,
    parse_signature_lines,
    parse_verifier_key,
    sign_note,
)

VECTORS = Path(__file__).parent.parent / "vectors" / "tlog"
LOG = SignerKey("example.com/log", bytes(range(32)))
OTHER = SignerKey("example.com/log", bytes(range(1, 33)))
WITNESS = SignerKey("witness.example/w1", bytes(range(2, 34)), COSIGNATURE)
STATE = Checkpoint("example.com/log", 1, bytes(32))


def vector(name: str) -> bytes:
    return (VECTORS / name).read_bytes()


def test_the_example_of_gos_notes_is_signed_by_its_key_and_signed_again_the_same():
    secret = base64.b64decode(vector("note.skey").decode().strip().split("+", 4)[4])
    key = parse_verifier_key(vector("note.vkey").decode())
    note = parse_note(vector("note.txt"))
    assert note.signers([key]) == (key,)
    assert str(sign_note(note.text, SignerKey("PeterNeumann", secret[1:]))).encode() == vector("note.txt")
    assert f"{key}\n".encode() == vector("note.vkey")


@pytest.mark.parametrize("name", ["note.txt", "salvatore.txt", "checkpoint.txt", "cosigned.txt"])
def test_the_specifications_examples_are_written_as_they_were_read(name):
    assert str(parse_note(vector(name))).encode() == vector(name)


def test_a_notes_text_may_have_empty_lines():
    assert parse_note(vector("salvatore.txt")).text.endswith("raggio di sole:\n\ned è subito sera.\n")


def test_the_checkpoint_of_the_specification_is_read():
    note = parse_note(vector("cosigned.txt"))
    state = parse_checkpoint(note)
    assert (state.origin, state.size) == ("example.com/behind-the-sofa", 20852163)
    assert str(state) == note.text
    assert [line.name for line in note.signatures] == ["example.com/behind-the-sofa", "witness.example.com/w1"]
    assert int.from_bytes(note.signatures[1].signature[:8], "big") == 1679315147


def test_the_witness_answer_of_the_specification_is_read():
    lines = parse_signature_lines(vector("add-checkpoint-answer.txt"))
    assert [line.name for line in lines] == ["witness.example/w1", "witness.example/w1", "witness.example/w2"]


def test_the_proof_of_the_specification_is_read_and_its_extra_line_left_out():
    proof = parse_proof(vector("proof-index.txt") + b"\n" + vector("checkpoint.txt"))
    assert (proof.index, len(proof.path)) == (73894, 5)
    without = vector("proof-index.txt").split(b"\n")
    assert str(proof).encode() == b"\n".join([without[0], *without[2:]]) + b"\n" + vector("checkpoint.txt")


def test_a_signature_by_another_key_of_the_same_name_is_not_believed():
    note = sign_note("text\n", OTHER)
    with pytest.raises(SignatureError, match="no trusted key"):
        note.signers([LOG.verifier])


def test_unknown_signatures_are_ignored_beside_a_known_one():
    assert sign_note("text\n", OTHER, LOG).signers([LOG.verifier]) == (LOG.verifier,)


@given(data=st.data())
def test_one_flipped_bit_in_a_signed_text_is_found(data):
    note = sign_note("some text\nthat is signed\n", LOG)
    place = data.draw(st.integers(0, len(note.text) - 2))
    bit = data.draw(st.integers(0, 6))
    changed = note.text[:place] + chr(ord(note.text[place]) ^ 1 << bit) + note.text[place + 1 :]
    with pytest.raises((SignatureError, NoteError)):
        parse_note(str(Note(changed, note.signatures)).encode()).signers([LOG.verifier])


@pytest.mark.parametrize(
    "data",
    [b"", b"text\n", b"text\n\n", b"text\n\n- name AAAA\n", "text\n\n— name AAAAAAA\n".encode(), b"\xff\n\n",
     "te\txt\n\n— name AAAAAAAA\n".encode(), "text\n\n— na+me AAAAAAAA\n".encode(),
     "text\n\n— name AAAAAAAA".encode(), b"x" * 200_000],
)  # fmt: skip
def test_what_is_no_note_is_refused(data):
    with pytest.raises(NoteError):
        parse_note(data)


@given(data=st.binary(max_size=400))
def test_any_bytes_are_a_note_or_refused(data):
    for parse, refusals in ((parse_note, NoteError), (parse_proof, (NoteError, ProofError))):
        try:
            found = parse(data)
        except refusals:
            continue
        assert str(found).encode() == data or b"extra " in data


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name",
        "a+b+c",
        "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq",
    ],
)
def test_what_is_no_public_key_is_refused(text):
    with pytest.raises(VerifierKeyError):
        parse_verifier_key(text)


@pytest.mark.parametrize(
    "text", ["log\n1\n", "log\n01\nAA==\n", f"log\n1\n{base64.b64encode(bytes(31)).decode()}\n", "log\n-1\nx\n"]
)
def test_what_is_no_checkpoint_is_refused(text):
    with pytest.raises(CheckpointError):
        parse_checkpoint(sign_note(text, LOG))


def test_one_logs_key_does_not_speak_for_another_log():
    elsewhere = sign_note(str(Checkpoint("example.com/other", 1, bytes(32))), LOG)
    with pytest.raises(SignatureError, match="no trusted key is of the log"):
        verify_checkpoint(elsewhere, [LOG.verifier])


def test_a_witness_is_counted_only_where_its_cosignature_holds():
    note = sign_note(str(STATE), LOG)
    seen = Note(note.text, (*note.signatures, cosign(note.text, WITNESS, at_s=1_764_504_000)))
    trusted = [LOG.verifier, WITNESS.verifier]
    assert verify_checkpoint(parse_note(str(seen).encode()), trusted, witnesses=1) == STATE
    assert cosigners(seen, trusted) == {"witness.example/w1": 1_764_504_000}
    with pytest.raises(WitnessMissingError, match="0 of 1"):
        verify_checkpoint(note, trusted, witnesses=1)
    forged = Note(note.text, (*note.signatures, cosign("another\n", WITNESS, at_s=1)))
    with pytest.raises(SignatureError):
        verify_checkpoint(forged, trusted)


def test_a_logs_own_signature_is_no_witness():
    note = sign_note(str(STATE), LOG)
    with pytest.raises(WitnessMissingError):
        verify_checkpoint(note, [LOG.verifier], witnesses=1)


def test_a_proof_of_another_entry_does_not_hold():
    note = sign_note(str(STATE), LOG)
    proof = InclusionProof(0, (), note)
    assert proof.verify(bytes(32), [LOG.verifier]) == STATE
    with pytest.raises(InclusionError):
        proof.verify(bytes(31) + b"\x01", [LOG.verifier])
