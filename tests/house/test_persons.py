"""A person is a key that only a passphrase opens."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spiritsafe.errors import SpiritsafeError
from spiritsafe.events.looks import LOOK_SCHEMA, History, Look, Statement, encode_statement
from spiritsafe.keys.persons import (
    PassphraseError,
    PersonFileError,
    PersonNameError,
    Signer,
    WrongPassphraseError,
    new_person,
    read_person,
    signature_holds,
    unlock,
)

PASSPHRASE = "four unrelated small words"
DATA, ADA = new_person("ada", PASSPHRASE, cost_log2=10)


def test_the_passphrase_opens_the_key_and_nothing_else_does():
    again = unlock(DATA, PASSPHRASE)
    assert again == ADA
    assert signature_holds(ADA.public_key, again.sign(b"yes"), b"yes")
    for wrong in ("", "four unrelated small word", PASSPHRASE + " ", PASSPHRASE.upper()):
        with pytest.raises(WrongPassphraseError) as caught:
            unlock(DATA, wrong)
        assert caught.value.exit_code == 4


@given(st.text(st.characters(codec="utf-8"), min_size=12, max_size=40))
def test_any_letters_make_a_passphrase(passphrase):
    data, person = new_person("ada", passphrase, cost_log2=10)
    assert unlock(data, passphrase) == person


@pytest.mark.parametrize("passphrase", ["", "short", "elevenchars"])
def test_a_short_passphrase_is_refused(passphrase):
    with pytest.raises(PassphraseError, match="letters"):
        new_person("ada", passphrase)


@pytest.mark.parametrize("name", ["", "Ada", "аda", "ada lovelace", "../ada", "-ada", "a" * 65, "ada\n", "ada/x"])
def test_a_name_that_could_be_mistaken_or_misused_is_refused(name):
    with pytest.raises(PersonNameError):
        new_person(name, PASSPHRASE)


def test_a_signature_is_for_these_bytes_by_this_person():
    signature = ADA.sign(b"statement")
    other = new_person("grace", PASSPHRASE, cost_log2=10)[1]
    assert not signature_holds(ADA.public_key, signature, b"statement ")
    assert not signature_holds(other.public_key, signature, b"statement")
    assert not signature_holds(ADA.public_key, signature[:-1], b"statement")
    assert not signature_holds(b"\0" * 31, signature, b"statement")


@pytest.mark.parametrize("field", ["name", "public_key", "salt", "nonce", "sealed"])
def test_a_changed_file_does_not_open(field):
    held = msgspec.json.decode(DATA)
    held[field] = (
        "eve" if field == "name" else "A" + held[field][1:] if held[field][0] != "A" else "B" + held[field][1:]
    )
    with pytest.raises((WrongPassphraseError, PersonFileError)):
        unlock(msgspec.json.encode(held), PASSPHRASE)


@given(st.integers(-5, 100))
@example(40)
def test_a_file_cannot_ask_for_all_the_memory(cost_log2):
    data = msgspec.json.encode({**msgspec.json.decode(DATA), "cost_log2": cost_log2})
    if cost_log2 in range(10, 21):
        assert read_person(data).cost_log2 == cost_log2
    else:
        with pytest.raises(PersonFileError):
            read_person(data)


@given(st.binary(max_size=300), st.integers(0, 500))
@example(b"", 0)
@example(b"[" * 100_000, 0)
def test_any_bytes_are_a_person_or_a_clear_error(noise, at):
    for data in (noise, DATA[:at] + noise + DATA[at + len(noise) :]):
        try:
            found: object = read_person(data)
        except SpiritsafeError as error:
            found = error
        # Blanks around the values are anybody's choice; nothing else may be changed and still be the same person.
        assert isinstance(found, PersonFileError) or found != read_person(DATA) or json.loads(data) == json.loads(DATA)


def test_the_key_is_in_no_repr_and_not_in_the_file():
    secret = ADA._private.private_bytes_raw()
    assert secret not in DATA
    assert secret.hex() not in repr(ADA)
    assert "private" not in repr(ADA).lower()


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")), st.binary())
@example(b'{"schema":"spiritsafe.look/1.0","seq":1,"previous":"","at_us":1,"action":"opened"}', b"")
@example(b"[" * 50_000, b"")
def test_any_bytes_are_a_look_that_fits_or_a_clear_error(body, signature):
    history = History()
    try:
        history.apply(Look(body, signature[:255]))
    except SpiritsafeError as error:
        refused = error
    else:
        raise AssertionError(f"an empty log took {body!r} as its first look")
    assert refused.exit_code == 4
    assert history == History()


@given(
    st.sampled_from(["person_added", "requested", "approved", "resolved", "forgotten", "person_retired", "declined"]),
    st.fixed_dictionaries(
        {},
        optional={
            "public_key": st.text("0123456789abcdefxyz", max_size=64),
            "possession": st.text(max_size=10),
            "person": st.text(max_size=10),
            "request_id": st.text(max_size=5),
            "pseudonyms": st.tuples(st.text(max_size=5)),
            "reason": st.text(max_size=5),
        },
    ),
)
def test_no_statement_of_a_stranger_is_taken_in(action, fields):
    said = Statement(schema=LOOK_SCHEMA, seq=1, previous="0" * 64, at_us=1, action=action, by="ada", **fields)
    body = encode_statement(said)
    history = History()
    with pytest.raises(SpiritsafeError):
        history.apply(Look(body, Signer("ada", ADA.public_key, ADA._private).sign(body)))
    assert history == History()
