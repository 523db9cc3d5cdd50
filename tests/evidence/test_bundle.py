"""A bundle holds for an outsider, with our verifier and with the one file that has nothing of ours."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from spiritsafe.errors import InputError, VerificationError
from spiritsafe.evidence import standalone
from spiritsafe.evidence.bundle import BundleError, make_bundle, read_bundle, verify_bundle
from spiritsafe.evidence.erasure import erase_subject
from spiritsafe.evidence.ledger import Ledger
from spiritsafe.evidence.notes import COSIGNATURE, SignerKey, cosign
from spiritsafe.evidence.records import Personal, Record
from tests.evidence.ledgers import ADA, CASE, appeal, note, open_ledger

if TYPE_CHECKING:
    from collections.abc import Callable

VERIFIER = Path(standalone.__file__)
WITNESS = SignerKey("witness.example/w1", bytes(range(2, 34)), COSIGNATURE)


def finding(accounts: int) -> Record:
    members = tuple(Personal(f"acct-{n}", {"account": f"acct-{n}", "probability": 0.99}) for n in range(accounts))
    fields: dict[str, Any] = {
        "by": "program", "name": "scan", "campaign_id": "c-1", "run_record": "r", "verdict": "campaign",
        "q_value": 0.004, "axes": {"coordination": "supported"}, "evidence": {"rhythm": 12.5},
        "headline": "one",
        "significance": {}, "exposure": {"tokens": 7}, "alternatives": ["a class"], "missing": [], "members": members,
    }  # fmt: skip
    return Record("finding/1", fields, case_id=CASE)


def filled(folder: Path) -> Ledger:
    ledger = open_ledger(folder)
    ledger.append([note("before"), finding(40), appeal("acct-3"), *[note(str(number)) for number in range(300)]])
    state = ledger.checkpoint()
    ledger.add_cosignatures(303, str(cosign(state.text, WITNESS, at_s=1_764_504_000)).encode())
    return ledger


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    ledger = filled(tmp_path_factory.mktemp("bundle"))
    return make_bundle(ledger, [1, 2, 250]), ledger.verifier_keys()[0]


def run_alone(bundle: Path, *keys: object, arguments: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """The verifier as a stranger runs it: a copy of one file, no packages, nothing of this environment."""
    alone = bundle.parent / "verify_evidence.py"
    alone.write_bytes(VERIFIER.read_bytes())
    command = [sys.executable, "-I", "-S", str(alone), str(bundle), *arguments]
    for key in keys:
        command += ["--key", str(key)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_stranger_verifies_a_bundle_with_one_file(tmp_path, made):
    data, key = made
    (tmp_path / "case.json").write_bytes(data)
    done = run_alone(tmp_path / "case.json", key, WITNESS.verifier, arguments=("--witnesses", "1"))
    assert (done.returncode, done.stderr) == (0, "")
    assert "verified: 3 entries" in done.stdout
    assert 'members[39]: {"account": "acct-39", "probability": 0.99}' in done.stdout


def test_both_verifiers_say_the_same(made):
    data, key = made
    trusted = [key, WITNESS.verifier]
    ours = verify_bundle(read_bundle(data), trusted, witnesses=1)
    theirs = standalone.verify(data, [str(one) for one in trusted], 1)
    assert [(one.index, one.size, one.head, one.shown) for one in ours] == [
        (one["index"], one["size"], one["entry"], one["shown"]) for one in theirs
    ]
    assert ours[0].witnesses == {"witness.example/w1": 1_764_504_000}
    assert [one.withheld for one in ours] == [(), (), ()]


def test_what_is_withheld_is_named_and_the_rest_still_holds(tmp_path):
    ledger = filled(tmp_path)
    shown = make_bundle(ledger, [1], show=lambda _head, opening: opening.item == 7)
    (found,) = verify_bundle(read_bundle(shown), ledger.verifier_keys())
    assert found.shown == {"members[7]": {"account": "acct-7", "probability": 0.99}}
    assert set(found.withheld) == {
        "name", "headline", "evidence", "significance", "exposure", "alternatives", "missing", "members: 39 of 40",
    }  # fmt: skip
    (alone,) = standalone.verify(shown, [str(ledger.verifier_keys()[0])])
    assert alone["withheld"] == {
        "name": 1,
        "headline": 1,
        "significance": 1,
        "evidence": 1,
        "exposure": 1,
        "alternatives": 1,
        "missing": 1,
        "members": 39,
    }
    texts = [base64.urlsafe_b64decode(one["disclosure"] + "==") for one in json.loads(shown)["entries"][0]["shown"]]
    assert [b"acct-7" in text for text in texts] == [True]


def test_who_was_erased_is_missing_and_the_others_are_still_shown(tmp_path):
    ledger = filled(tmp_path)
    erase_subject(ledger, CASE, "acct-3", basis="asked", signer=ADA, at_us=1_764_504_000_000_000)
    ledger.checkpoint()
    data = make_bundle(ledger, [1, 2])
    listed, appealed = verify_bundle(read_bundle(data), ledger.verifier_keys())
    assert listed.withheld == ("members: 1 of 40",)
    assert "members[3]" not in listed.shown
    assert set(appealed.withheld) == {"account", "statement"}
    assert standalone.verify(data, [str(ledger.verifier_keys()[0])])[0]["withheld"] == {"members": 1}


@given(data=st.data())
def test_one_flipped_bit_anywhere_in_a_bundle_is_found(made, data):
    whole, key = made
    place = data.draw(st.integers(0, len(whole) - 1))
    bit = data.draw(st.integers(0, 7))
    changed = bytearray(whole)
    changed[place] ^= 1 << bit
    if changed[place] in b" \n\t\r" and whole[place] in b" \n\t\r":
        return  # white space between values is nobody's statement
    before = standalone.verify(whole, [str(key)])
    ways: tuple[Callable[[], list[tuple[Any, Any]]], ...] = (
        lambda: [(one.head, one.shown) for one in verify_bundle(read_bundle(bytes(changed)), [key])],
        lambda: [(one["entry"], one["shown"]) for one in standalone.verify(bytes(changed), [str(key)])],
    )
    for way in ways:
        try:
            found = way()
        except (VerificationError, InputError, standalone.DoesNotHold, standalone.NotABundle):
            continue
        # What nobody signs may change: who is said to have witnessed, and which fields are shown.
        for (head, shown), old in zip(found, before, strict=True):
            assert head == old["entry"]
            assert shown.items() <= old["shown"].items()


def test_who_signed_a_record_is_shown_and_held_to_it(tmp_path):
    ledger = open_ledger(tmp_path)
    ledger.append([note("mine")])
    ledger.checkpoint()
    data, key = make_bundle(ledger, [0]), ledger.verifier_keys()[0]
    (found,) = verify_bundle(read_bundle(data), [key])
    assert found.signer == ("ada", base64.b64encode(ADA.public_key).decode())
    assert found.shown["text"] == "mine"
    assert "signature" in standalone.verify(data, [str(key)])[0]["shown"]


def test_a_signature_that_the_ledgers_own_operator_forged_is_found(tmp_path, monkeypatch):
    ledger = open_ledger(tmp_path)
    forged = {"name": "ada", "public_key": base64.b64encode(ADA.public_key).decode(),
              "signature": base64.b64encode(ADA.sign(b"something else")).decode()}  # fmt: skip
    monkeypatch.setattr("spiritsafe.evidence.writing._signature", lambda *_: forged)
    ledger.append([note("never said")])
    ledger.checkpoint()
    data, key = make_bundle(ledger, [0]), ledger.verifier_keys()[0]
    with pytest.raises(VerificationError, match="the signature of ada"):
        verify_bundle(read_bundle(data), [key])
    with pytest.raises(standalone.DoesNotHold, match="the signature of ada"):
        standalone.verify(data, [str(key)])


def test_a_bundle_of_another_log_is_not_believed(made):
    data, _ = made
    other = SignerKey("example.com/ledger", bytes(32)).verifier
    with pytest.raises(VerificationError, match="no trusted key signed this"):
        verify_bundle(read_bundle(data), [other])
    with pytest.raises(standalone.DoesNotHold, match="no given key of the log"):
        standalone.verify(data, [str(other)])


BROKEN = {
    "cut short": (lambda whole: whole[: len(whole) // 2], 3),
    "another version": (lambda whole: whole.replace(b"bundle/1.0", b"bundle/2.0"), 3),
    "another verdict": (lambda whole: whole.replace(b"campaign", b"innocent", 1), 4),
    "a list": (lambda _whole: b"[]", 3),
    "no text": (lambda _whole: b"\xff", 3),
}


@pytest.mark.parametrize(("change", "code"), BROKEN.values(), ids=BROKEN)
def test_what_is_no_bundle_or_does_not_hold_leaves_with_its_code(tmp_path, made, change, code):
    data, key = made
    (tmp_path / "case.json").write_bytes(change(data))
    done = run_alone(tmp_path / "case.json", key)
    assert done.returncode == code, done.stderr
    with pytest.raises((BundleError, VerificationError)) as caught:
        verify_bundle(read_bundle(change(data)), [key])
    assert caught.value.exit_code == code


def test_the_standalone_verifier_is_told_of_a_wrong_key(tmp_path, made):
    (tmp_path / "case.json").write_bytes(made[0])
    assert run_alone(tmp_path / "case.json", "no+key").returncode == 2
    assert run_alone(tmp_path / "nowhere.json", made[1]).returncode == 2


@given(secret=st.binary(min_size=32, max_size=32), message=st.binary(max_size=100), flip=st.integers(0, 1023))
def test_the_standalone_verifiers_ed25519_is_that_of_the_library(secret, message, flip):
    key = Ed25519PrivateKey.from_private_bytes(secret)
    public, signature = key.public_key().public_bytes_raw(), key.sign(message)
    assert standalone.ed25519_holds(public, signature, message)
    changed = bytearray(signature + public)
    changed[flip // 8 % 96] ^= 1 << flip % 8
    assert not standalone.ed25519_holds(bytes(changed[64:]), bytes(changed[:64]), message)


def test_the_standalone_verifier_takes_the_vectors_of_rfc_8032():
    """Section 7.1, tests 1 to 3."""
    for public, message, signature in (
        ("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
         "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"),
        ("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
         "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"),
        ("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
         "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"),
    ):  # fmt: skip
        assert standalone.ed25519_holds(bytes.fromhex(public), bytes.fromhex(signature), bytes.fromhex(message))
