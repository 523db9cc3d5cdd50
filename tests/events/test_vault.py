"""The way back takes two persons and a reason, is logged, and can be destroyed for good."""

from __future__ import annotations

import pickle
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spiritsafe.events import looks
from spiritsafe.events.lookbook import ClockFault, ForgottenError, NotInVaultError
from spiritsafe.events.pseudonyms import PseudonymError
from spiritsafe.events.seals import SealError
from spiritsafe.events.vault import Identity, Vault
from spiritsafe.events.vault_file import VaultFault, VaultFileError, VaultVersionError
from spiritsafe.keys import FileKeys
from spiritsafe.keys.model import KeyDestroyedFault
from spiritsafe.keys.persons import Signer, new_person
from tests.events.office import HOUR_US, WHY, Office


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path / "home")


# -- two persons, a reason, a time, once ---------------------------------------------------------------------


def test_one_asks_another_agrees_and_the_first_sees_who_it_is(office):
    request_id = office.asked()
    office.vault.approve(request_id, by=office.grace)
    assert office.vault.resolve(request_id, by=office.ada) == Identity(office.acme, "account_id", "acme-main")
    assert office.actions()[-3:] == [("requested", "ada"), ("approved", "grace"), ("resolved", "ada")]
    office.vault.verify()


def test_one_person_is_not_two(office):
    request_id = office.asked()
    with pytest.raises(looks.TwoPersonsError, match="ada asked") as caught:
        office.vault.approve(request_id, by=office.ada)
    assert caught.value.exit_code == 4
    assert office.refused() == ["approved: events.looks.two_persons"]
    with pytest.raises(looks.NotApprovedError):
        office.vault.resolve(request_id, by=office.ada)


def test_one_key_under_two_names_is_one_person(office):
    again = Signer("ada2", office.ada.public_key, office.ada._private)
    with pytest.raises(looks.PersonTakenError, match="already registered"):
        office.vault.add_person(again, sponsor=office.grace)


def test_nobody_looks_without_consent(office):
    with pytest.raises(looks.NotApprovedError, match="nobody has approved"):
        office.vault.resolve(office.asked(), by=office.ada)


def test_only_who_asked_may_look(office):
    with pytest.raises(looks.NotApprovedError, match="ada asked, alan did not"):
        office.vault.resolve(office.approved(), by=office.alan)


def test_an_approval_is_good_for_one_look(office):
    request_id = office.approved()
    office.vault.resolve(request_id, by=office.ada)
    with pytest.raises(looks.ClosedError, match="resolved already"):
        office.vault.resolve(request_id, by=office.ada)


@pytest.mark.parametrize("approved", [True, False])
def test_an_old_request_is_void(office, approved):
    request_id = office.approved() if approved else office.asked()
    office.clock.us += 24 * HOUR_US
    use = (office.vault.resolve, office.ada) if approved else (office.vault.approve, office.grace)
    with pytest.raises(looks.ExpiredError):
        use[0](request_id, by=use[1])
    assert office.vault.book.history().requests[request_id].state(office.clock.us) == "expired"


def test_setting_the_clock_back_revives_nothing(office):
    request_id = office.approved()
    office.clock.us += 24 * HOUR_US
    office.vault.note("key_rotated", "sketch 2 k00")
    office.clock.us -= 24 * HOUR_US
    with pytest.raises(ClockFault, match="clock"):
        office.vault.resolve(request_id, by=office.ada)
    with pytest.raises(ClockFault, match="clock"):
        office.asked()


def test_a_clock_that_was_once_ahead_does_not_stop_an_erasure(office):
    office.clock.us += 24 * HOUR_US
    office.vault.note("key_rotated", "sketch 2 k00")
    office.clock.us -= 24 * HOUR_US
    office.vault.forget([office.acme], by=office.ada, reason="erasure request 88")
    assert office.vault.verify().forgotten == 1


def test_a_clock_that_is_set_right_by_a_second_stops_nobody(office):
    request_id = office.asked()
    office.clock.us -= 1_000_000
    office.vault.approve(request_id, by=office.grace)
    office.vault.verify()


def test_who_declines_ends_it(office):
    request_id = office.asked()
    office.vault.decline(request_id, by=office.alan, reason="no notice is due")
    with pytest.raises(looks.ClosedError, match="declined already"):
        office.vault.approve(request_id, by=office.grace)


@pytest.mark.parametrize("word", ["", "   ", "a\nb", "\x1b[2J", "x" * 2001, "\u202eevil"])
@pytest.mark.parametrize("field", ["reason", "case"])
def test_a_request_without_a_sound_reason_and_case_is_none(office, field, word):
    with pytest.raises(looks.WordingError, match=field):
        office.vault.request(office.acme, by=office.ada, **{**WHY, field: word})


def test_a_stranger_is_refused_and_the_attempt_is_filed(office):
    mallory = new_person("mallory", "mallory's passphrase", cost_log2=10)[1]
    with pytest.raises(looks.PersonUnknownError, match="mallory is not registered"):
        office.vault.approve(office.asked(), by=mallory)
    assert office.refused() == ["approved: events.looks.person"]
    assert office.actions()[-1] == ("refused", "")


def test_a_stranger_with_a_known_name_is_refused(office):
    impostor = new_person("grace", "another's passphrase", cost_log2=10)[1]
    with pytest.raises(looks.SignatureError, match="not signed by grace"):
        office.vault.approve(office.asked(), by=impostor)
    assert office.actions()[-1] == ("refused", "")


def test_the_third_person_needs_a_sponsor(office):
    late = new_person("mallory", "mallory's passphrase", cost_log2=10)[1]
    with pytest.raises(looks.SponsorError, match="vouch"):
        office.vault.add_person(late)
    office.vault.add_person(late, sponsor=office.grace)
    assert office.vault.book.history().persons["mallory"].sponsor == "grace"


def test_who_was_retired_neither_asks_nor_agrees_nor_has_agreed(office):
    request_id = office.approved()
    office.vault.retire_person("grace", by=office.ada, reason="left the company")
    with pytest.raises(looks.PersonUnknownError, match="retired"):
        office.vault.resolve(request_id, by=office.ada)
    with pytest.raises(looks.PersonUnknownError, match="retired"):
        office.asked(by=office.grace)
    with pytest.raises(looks.PersonTakenError):
        office.vault.add_person(new_person("grace", "grace comes back again", cost_log2=10)[1], sponsor=office.ada)


def test_the_last_person_stays(office):
    for name in ("grace", "alan"):
        office.vault.retire_person(name, by=office.ada, reason="left the company")
    with pytest.raises(looks.SponsorError, match="last person"):
        office.vault.retire_person("ada", by=office.ada, reason="left the company")


def test_a_request_that_does_not_exist_is_told(office):
    with pytest.raises(looks.RequestUnknownError) as caught:
        office.vault.approve("nope", by=office.grace)
    assert "identity requests" in caught.value.hint


# -- what it holds -------------------------------------------------------------------------------------------


def test_what_was_never_recorded_has_no_way_back(office):
    unknown = office.hide.value("email_domain", "acme.example")
    with pytest.raises(NotInVaultError, match="never held"):
        office.vault.request(unknown, by=office.ada, **WHY)
    assert office.refused() == ["requested: events.vault.unknown"]
    with pytest.raises(PseudonymError):
        office.vault.request("acme-main", by=office.ada, **WHY)


def test_an_address_is_resolved_by_its_key(office):
    hidden = office.hide.value("client_ip", "2001:db8::7")
    request_id = office.vault.request(hidden, by=office.ada, **WHY).request_id
    office.vault.approve(request_id, by=office.grace)
    assert office.vault.resolve(request_id, by=office.ada) == Identity(hidden, "client_ip", "2001:db8::7")


@settings(max_examples=10)
@given(st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=50), st.none(), min_size=1, max_size=5))
def test_any_identity_comes_back_as_it_was(tmp_path_factory, originals):
    office = Office(tmp_path_factory.mktemp("vaults") / "home")
    for original in originals:
        request_id = office.vault.request(office.hide.value("end_user_id", original), by=office.ada, **WHY).request_id
        office.vault.approve(request_id, by=office.grace)
        assert office.vault.resolve(request_id, by=office.ada).original == original
    office.vault.close()


def test_recording_again_changes_nothing(office):
    before = office.vault.verify().identities
    assert office.vault.record("account_id", [office.acme], ["someone else"]) == 0
    assert office.vault.verify().identities == before == 2
    assert office.vault.resolve(office.approved(), by=office.ada).original == "acme-main"


def test_the_files_hold_no_identity_and_no_key_in_the_clear(office):
    office.vault.resolve(office.approved(), by=office.ada)
    office.vault.close()
    held = b"".join(path.read_bytes() for path in office.home.glob("vault.db*"))
    for secret in (
        b"acme-main",
        b"jo@acme.example",
        office.keys.key("vault").secret,
        office.keys.key("pseudonym").secret,
    ):
        assert secret not in held


def test_the_files_are_their_owners_alone(office):
    assert {path.stat().st_mode & 0o777 for path in office.home.glob("vault.db*")} == {0o600}


@pytest.mark.parametrize("column", ["wrapped", "sealed", "column_name"])
def test_a_changed_entry_is_found_out(office, column):
    request_id = office.approved()
    with sqlite3.connect(office.home / "vault.db") as connection:
        if column == "column_name":
            connection.execute("UPDATE identities SET column_name = 'api_key_id' WHERE id = 1")
        else:
            (value,) = connection.execute(f"SELECT {column} FROM identities WHERE id = 1").fetchone()
            connection.execute(
                f"UPDATE identities SET {column} = ? WHERE id = 1", (value[:-1] + bytes([value[-1] ^ 1]),)
            )
    connection.close()
    with pytest.raises(SealError, match="changed"):
        office.vault.resolve(request_id, by=office.ada)
    assert office.refused() == ["resolved: events.vault.seal"]


def test_an_entry_cannot_stand_in_for_another(office):
    request_id = office.approved()
    with sqlite3.connect(office.home / "vault.db") as connection:
        other = connection.execute("SELECT column_name, wrapped, sealed FROM identities WHERE id = 2").fetchone()
        connection.execute("UPDATE identities SET column_name = ?, wrapped = ?, sealed = ? WHERE id = 1", other)
    connection.close()
    with pytest.raises(SealError, match="another's"):
        office.vault.resolve(request_id, by=office.ada)


# -- keys of the vault ---------------------------------------------------------------------------------------


def test_after_wrapping_anew_the_old_key_is_needed_no_more(office):
    office.keys.rotate("vault")
    assert office.vault.in_epoch(1) == 2
    assert office.vault.rewrap() == 2
    assert (office.vault.in_epoch(1), office.vault.in_epoch(2)) == (0, 2)
    office.keys.destroy("vault", 1)
    assert Vault(office.home / "vault.db", office.keys).rewrap() == 0
    assert office.vault.resolve(office.approved(), by=office.ada).original == "acme-main"


def test_a_process_that_ran_on_uses_the_new_key(office):
    office.keys.rotate("vault")
    office.hide.value("account_id", "newcomer")
    assert office.vault.in_epoch(2) == 1


def test_without_its_key_an_identity_is_gone(office):
    request_id = office.approved()
    office.keys.destroy("vault", 1)
    with pytest.raises(KeyDestroyedFault, match="vault key of epoch 1"):
        Vault(office.home / "vault.db", office.keys, clock_us=office.clock).resolve(request_id, by=office.ada)


# -- the file ------------------------------------------------------------------------------------------------


def test_a_vault_that_others_may_read_is_refused(office):
    office.vault.close()
    (office.home / "vault.db").chmod(0o644)
    with pytest.raises(VaultFault, match="open to other users"):
        office.vault.verify()


@pytest.mark.parametrize("size_bytes", [100, 5_000])
def test_a_damaged_vault_is_told(office, size_bytes):
    office.vault.close()
    path = office.home / "vault.db"
    path.write_bytes(b"\x55" * size_bytes)
    with pytest.raises(VaultFileError, match="damaged") as caught:
        office.vault.verify()
    assert "backup" in caught.value.hint


def test_another_database_is_left_alone(tmp_path):
    path = tmp_path / "vault.db"
    path.touch(mode=0o600)
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE mine (x)")
    connection.close()
    with pytest.raises(VaultFileError, match="some other database"):
        Vault(path, FileKeys(tmp_path / "keys")).verify()


def test_a_vault_of_a_later_version_is_left_alone(office):
    office.vault.close()
    with sqlite3.connect(office.home / "vault.db") as connection:
        connection.execute("PRAGMA user_version = 2")
    connection.close()
    with pytest.raises(VaultVersionError, match="version 2"):
        office.vault.verify()


def test_a_worker_may_have_a_copy(office):
    copy = pickle.loads(pickle.dumps(office.vault))
    assert copy.record("account_id", ["p1_" + "0" * 32], ["other"]) == 1
    copy.close()
    assert office.vault.verify().identities == 3


# -- forgetting ----------------------------------------------------------------------------------------------


def test_what_was_forgotten_cannot_be_seen_again(office):
    request_id = office.approved()
    office.vault.forget([office.acme], by=office.alan, reason="erasure request 88")
    with pytest.raises(ForgottenError, match="was forgotten"):
        office.vault.resolve(request_id, by=office.ada)
    with pytest.raises(ForgottenError):
        office.asked()
    found = office.vault.verify()
    assert (found.identities, found.forgotten) == (1, 1)


def test_what_was_forgotten_is_not_taken_up_again(office):
    office.vault.forget([office.acme], by=office.ada, reason="erasure request 88")
    assert office.vault.record("account_id", [office.acme], ["acme-main"]) == 0
    with pytest.raises(ForgottenError):
        office.asked()


def test_an_address_can_be_forgotten_too(office):
    hidden = office.hide.value("client_ip", "192.0.2.7")
    office.vault.forget([hidden], by=office.ada, reason="erasure request 88")
    with pytest.raises(ForgottenError):
        office.vault.request(hidden, by=office.ada, **WHY)


def test_all_or_nothing_is_forgotten(office):
    with pytest.raises(NotInVaultError):
        office.vault.forget([office.acme, "p1_" + "0" * 32], by=office.ada, reason="erasure request 88")
    office.asked()
    assert office.vault.verify().forgotten == 0


def test_forgetting_twice_is_filed_and_changes_nothing(office):
    for _ in range(2):
        office.vault.forget([office.acme], by=office.ada, reason="erasure request 88")
    assert office.vault.verify().forgotten == 1
    assert office.actions()[-2:] == [("forgotten", "ada")] * 2
