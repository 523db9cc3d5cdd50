"""Who signed is who is trusted, and what was signed is what is read."""

from __future__ import annotations

import base64
import hashlib
import json
import uuid

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from spiritsafe.evidence.disclosures import canonical
from spiritsafe.keys.persons import new_person
from spiritsafe.playbooks.model import PlaybookError
from spiritsafe.playbooks.reading import read_playbook
from spiritsafe.playbooks.signatures import (
    PlaybookSignatureError,
    check_signatures,
    public_key_of,
    sign_playbook,
)
from tests.playbooks.made import NOW, playbook, written

ADA = new_person("ada", "ada likes analytical engines", cost_log2=10)[1]
BOB = new_person("bob", "bob likes analytical engines", cost_log2=10)[1]
TRUST = {public_key_of(ADA.public_key)}


def signed(body=None, by=ADA):
    return sign_playbook(body or written(playbook()), by, now=NOW)


def checked(body, trusted=TRUST, now=NOW):
    return [one.signee for one in check_signatures(read_playbook(body), trusted, now=now)]


def test_a_signed_playbook_is_whole_and_by_whom_it_says():
    assert checked(signed()) == ["ada"]
    assert checked(signed(signed(), BOB)) == ["ada"]
    assert checked(signed(signed(), BOB), {public_key_of(BOB.public_key)}) == ["bob"]


def test_an_independent_reading_of_the_standard_verifies_it():
    document = json.loads(signed())
    (signature,) = document["signatures"]
    value = base64.urlsafe_b64decode(signature.pop("value") + "==")
    digest = hashlib.sha256(canonical(document)).hexdigest()
    key = serialization.load_der_public_key(base64.b64decode(signature["public_key"]))
    assert isinstance(key, Ed25519PublicKey)
    key.verify(value, digest.encode())


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.update(name="contain!"),
        lambda d: d.update(description="x"),
        lambda d: d["signatures"][0].update(signee="bob"),
        lambda d: d["signatures"][0].update(created="2026-11-29T12:00:00.000Z"),
        lambda d: d["signatures"][0].update(value="A" * 86),
        lambda d: d["signatures"][0].update(value="!"),
        lambda d: d["signatures"][0].update(public_key=public_key_of(BOB.public_key)),
        lambda d: d["signatures"][0].update(public_key="no key"),
        lambda d: d["signatures"][0].update(related_version="2026-11-01T00:00:00.000Z"),
        lambda d: d["signatures"][0].update(algorithm="none"),
        lambda d: d["signatures"][0].update(algorithm="HS256"),
        lambda d: d["signatures"][0].update(algorithm="ES256"),
        lambda d: d["signatures"][0].update(hash_algorithm="md5"),
        lambda d: d["signatures"][0].update(signature=dict(d["signatures"][0])),
    ],
)
def test_whatever_is_changed_after_signing_is_found(change):
    document = json.loads(signed())
    change(document)
    with pytest.raises(PlaybookSignatureError) as caught:
        checked(written(document))
    assert caught.value.hint


def test_one_that_does_not_hold_spoils_those_that_do():
    document = json.loads(signed(signed(), BOB))
    document["signatures"][1]["value"] = "A" * 86
    with pytest.raises(PlaybookSignatureError, match="bob does not hold"):
        checked(written(document))


def test_unsigned_or_by_strangers_or_out_of_time_is_not_trusted():
    with pytest.raises(PlaybookSignatureError, match="by nobody"):
        checked(written(playbook()))
    with pytest.raises(PlaybookSignatureError, match="nobody who is trusted"):
        checked(signed(by=BOB))
    for more in ({"revoked": True}, {"valid_until": NOW}, {"valid_from": "2027-01-01T00:00:00.000Z"}):
        body = with_signature("ES256", **more)
        with pytest.raises(PlaybookSignatureError, match="nobody who is trusted"):
            checked(body, {json.loads(body)["signatures"][0]["public_key"]})


def with_signature(algorithm: str, **more: object) -> bytes:
    """A playbook signed by other code than ours, with an algorithm of JOSE."""
    curve = ec.generate_private_key(ec.SECP256R1())
    numbers = rsa.generate_private_key(65537, 2048)
    key = curve if algorithm == "ES256" else numbers
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    document = playbook()
    signature = {
        "type": "jss", "id": f"jss--{uuid.uuid4()}", "created": NOW, "modified": NOW, "signee": "elsewhere",
        "related_to": document["id"], "related_version": document["modified"], "hash_algorithm": "sha-512",
        "algorithm": algorithm, "public_key": base64.b64encode(public).decode(), **more,
    }  # fmt: skip
    document["signatures"] = [signature]
    digest = hashlib.sha512(canonical(document)).hexdigest().encode()
    if algorithm == "ES256":
        first, second = decode_dss_signature(curve.sign(digest, ec.ECDSA(hashes.SHA256())))
        value = first.to_bytes(32, "big") + second.to_bytes(32, "big")
    elif algorithm == "PS256":
        value = numbers.sign(digest, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
    else:
        value = numbers.sign(digest, padding.PKCS1v15(), hashes.SHA256())
    signature["value"] = base64.urlsafe_b64encode(value).rstrip(b"=").decode()
    return written(document)


@pytest.mark.parametrize("algorithm", ["ES256", "PS256", "RS256"])
def test_signatures_by_other_programs_hold(algorithm):
    body = with_signature(algorithm)
    assert checked(body, {json.loads(body)["signatures"][0]["public_key"]}) == ["elsewhere"]


def test_a_playbook_with_a_fault_is_not_signed():
    document = playbook()
    document["workflow_start"] = "start--00000000-0000-4000-8000-000000000000"
    with pytest.raises(PlaybookError, match="no start step"):
        sign_playbook(written(document), ADA, now=NOW)


def test_only_a_digest_is_signed_as_it_is():
    for text in ("", "0" * 63, "g" * 64, "spiritsafe statement v1"):
        with pytest.raises(ValueError, match="digest"):
            ADA.sign_hexadecimal(text)
