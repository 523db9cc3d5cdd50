"""Who looked at whose identity, why, and with whose consent? The log that nobody can quietly change.

A look is a statement, signed by the person who makes it, that names its place in the log and the hash of the
look before it. `History` replays looks from the first and holds the rules: two different persons, a reason, a
case, in time, once. The vault asks it before it acts, and verifying the log is the same replay.
Comes from `events.vault`, which stores the bytes; the evidence ledger can import them as they are.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Final, Literal

import msgspec

from spiritsafe.errors import UsageError, VerificationError
from spiritsafe.keys.persons import checked_name, signature_holds

LOOK_SCHEMA: Final = "spiritsafe.look/1.0"
GENESIS: Final = "0" * 64
FOUNDERS: Final = 2
"""Persons who may register themselves; two are needed before anybody can vouch for a third."""

Action = Literal[
    "opened", "person_added", "person_retired", "requested", "approved", "declined", "refused", "resolved",
    "forgotten", "key_rotated", "key_destroyed", "derived",
]  # fmt: skip
# Nobody is asked to sign that a log began, that an attempt was refused, or that a key was added.
_UNSIGNED: Final = frozenset({"opened", "refused", "key_rotated", "derived"})
_TEXT_LETTERS: Final = 2000


class LogBrokenError(VerificationError):
    """The log of looks was changed, cut or reordered after it was written."""

    code = "events.looks.broken"


class SignatureError(VerificationError):
    """A statement is not signed by the person it names."""

    code = "events.looks.signature"


class TwoPersonsError(VerificationError):
    """The person who asks and the person who agrees are the same, or have the same key."""

    code = "events.looks.two_persons"


class ExpiredError(VerificationError):
    """The request is older than it may be."""

    code = "events.looks.expired"


class NotApprovedError(VerificationError):
    """Nobody else has agreed to the request yet, or somebody else asked."""

    code = "events.looks.not_approved"


class ClosedError(VerificationError):
    """The request was already approved, declined or used."""

    code = "events.looks.closed"


class PersonUnknownError(VerificationError):
    """The person is not registered here, or is no longer."""

    code = "events.looks.person"


class PersonTakenError(UsageError):
    """The name or the key already belongs to a person here."""

    code = "events.looks.taken"


class SponsorError(VerificationError):
    """A person who would be the third or later needs one who is already registered to vouch."""

    code = "events.looks.sponsor"


class RequestUnknownError(UsageError):
    """There is no request with that id."""

    code = "events.looks.request"


class WordingError(UsageError):
    """A reason or case reference is empty, too long, or has control characters."""

    code = "events.looks.wording"


class Statement(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a look says. `by` signs; "" where nobody does. Times are UTC microseconds."""

    schema: str
    seq: int
    previous: str
    at_us: int
    action: Action
    by: str = ""
    request_id: str = ""
    request_hash: str = ""
    pseudonyms: tuple[str, ...] = ()
    reason: str = ""
    case: str = ""
    expires_us: int = 0
    person: str = ""
    public_key: str = ""
    possession: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Look:
    """One entry of the log: the statement's bytes as signed, and the signature (empty where nobody signs)."""

    body: bytes
    signature: bytes

    @property
    def statement(self) -> Statement:
        """The bytes taken apart; raises `LogBrokenError`."""
        try:
            return msgspec.json.decode(self.body, type=Statement)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise LogBrokenError("a look is not readable", hint=_RESTORE) from error

    @property
    def hash(self) -> str:
        """What the next look names: SHA-256 over signature and statement, in hexadecimal."""
        parts = [b"spiritsafe look v1\0", bytes([len(self.signature)]), self.signature, self.body]
        return hashlib.sha256(b"".join(parts)).hexdigest()


@dataclass(slots=True)
class Person:
    """A registered person, as the log tells it."""

    name: str
    public_key: bytes
    added_us: int
    sponsor: str
    retired_us: int | None = None


@dataclass(slots=True)
class Request:
    """A request to resolve one pseudonym, and how far it got."""

    request_id: str
    pseudonym: str
    by: str
    reason: str
    case: str
    asked_us: int
    expires_us: int
    hash: str
    approved_by: str = ""
    closed: str = ""

    def state(self, now_us: int) -> str:
        """`resolved`, `declined`, `expired`, `approved` or `open`."""
        if self.closed:
            return self.closed
        if now_us >= self.expires_us:
            return "expired"
        return "approved" if self.approved_by else "open"


_RESTORE: Final = "keep this file for whoever investigates; compare with a backup and with the last head that you noted"


def encode_statement(statement: Statement) -> bytes:
    """The bytes that are signed and kept."""
    return msgspec.json.encode(statement, order="sorted")


def possession_text(name: str, public_key: bytes) -> bytes:
    """What a new person signs to show that the key is theirs."""
    return b"possession|" + name.encode() + b"|" + public_key


@dataclass(slots=True)
class History:
    """All that the looks so far establish. `apply` adds one look, or says which rule it breaks."""

    seq: int = 0
    head: str = GENESIS
    last_us: int = 0
    persons: dict[str, Person] = field(default_factory=dict)
    requests: dict[str, Request] = field(default_factory=dict)
    forgotten: set[str] = field(default_factory=set)

    def apply(self, look: Look) -> Statement:
        """Check a look against everything before it and take it in.

        Raises
        ------
        LogBrokenError, SignatureError
            It does not follow the look before it, or is not signed by whom it names.
        TwoPersonsError, ExpiredError, NotApprovedError, ClosedError, PersonUnknownError, SponsorError, ...
            It breaks a rule of the vault.
        """
        said = look.statement
        if (said.schema, said.seq, said.previous) != (LOOK_SCHEMA, self.seq + 1, self.head):
            raise LogBrokenError(f"look {self.seq + 1} does not follow the look before it", hint=_RESTORE)
        if said.at_us < self.last_us:
            raise LogBrokenError(f"look {said.seq} is older than the look before it", hint=_RESTORE)
        self._check_signature(said, look)
        _RULES[said.action](self, said, look)
        self.seq, self.head, self.last_us = said.seq, look.hash, said.at_us
        return said

    def person(self, name: str) -> Person:
        """A registered person who was not retired; raises `PersonUnknownError`."""
        found = self.persons.get(name)
        if found is None or found.retired_us is not None:
            raise PersonUnknownError(
                f"{name} is not registered here" if found is None else f"{name} was retired",
                hint="`spiritsafe identity person list` shows who is",
            )
        return found

    def request(self, request_id: str) -> Request:
        """A request by its id; raises `RequestUnknownError`."""
        if request_id not in self.requests:
            raise RequestUnknownError(
                f"there is no request {request_id[:40]!r}", hint="`spiritsafe identity requests` lists them"
            )
        return self.requests[request_id]

    def _check_signature(self, said: Statement, look: Look) -> None:
        if not said.by:
            if said.action not in _UNSIGNED or look.signature:
                raise SignatureError(f"look {said.seq} ({said.action}) is not signed", hint=_RESTORE)
            return
        founding = said.action == "person_added" and said.by == said.person
        key = _unhex(said.public_key) if founding else self.person(said.by).public_key
        if not signature_holds(key, look.signature, look.body):
            raise SignatureError(f"look {said.seq} is not signed by {said.by}", hint=_RESTORE)

    def _added(self, said: Statement, _: Look) -> None:
        key = _unhex(said.public_key)
        checked_name(said.person)
        if said.person in self.persons or any(one.public_key == key for one in self.persons.values()):
            raise PersonTakenError(
                f"the name {said.person} or its key is already registered", hint="choose another name"
            )
        if said.by == said.person and len(self.persons) >= FOUNDERS:
            raise SponsorError(
                f"{said.person} needs somebody to vouch", hint="add --sponsor NAME, one who is registered"
            )
        if not signature_holds(key, _unhex(said.possession), possession_text(said.person, key)):
            raise SignatureError(f"{said.person} did not show the key to be theirs", hint=_RESTORE)
        self.persons[said.person] = Person(said.person, key, said.at_us, said.by)

    def _retired(self, said: Statement, _: Look) -> None:
        _check_wording(said)
        leaving = self.person(said.person)
        if sum(one.retired_us is None for one in self.persons.values()) == 1:
            raise SponsorError(
                f"{said.person} is the last person here", hint="add another first: nobody could vouch any more"
            )
        leaving.retired_us = said.at_us

    def _requested(self, said: Statement, look: Look) -> None:
        _check_wording(said, case=True)
        if said.request_id in self.requests or len(said.pseudonyms) != 1 or said.expires_us <= said.at_us:
            raise LogBrokenError(f"look {said.seq} is no sound request", hint=_RESTORE)
        self.requests[said.request_id] = Request(
            said.request_id, said.pseudonyms[0], said.by, said.reason, said.case, said.at_us,
            said.expires_us, look.hash,
        )  # fmt: skip

    def _approved(self, said: Statement, _: Look) -> None:
        asked = self._open(said)
        if asked.approved_by:
            raise ClosedError(f"{asked.approved_by} has approved this already", hint="nothing more to do")
        first, second = self.persons[asked.by], self.person(said.by)
        if said.by == asked.by or first.public_key == second.public_key:
            raise TwoPersonsError(
                f"{said.by} asked and cannot also agree", hint="a second person runs `identity approve`"
            )
        if said.request_hash != asked.hash or said.pseudonyms != (asked.pseudonym,):
            raise SignatureError("the approval is of another request", hint=_RESTORE)
        asked.approved_by = said.by

    def _declined(self, said: Statement, _: Look) -> None:
        _check_wording(said)
        self._open(said).closed = "declined"

    def _resolved(self, said: Statement, _: Look) -> None:
        asked = self._open(said)
        if not asked.approved_by:
            raise NotApprovedError(
                "nobody has approved this request",
                hint=f"a second person runs `spiritsafe identity approve {asked.request_id}`",
            )
        if said.by != asked.by:
            raise NotApprovedError(f"{asked.by} asked, {said.by} did not", hint=f"only {asked.by} may see the answer")
        self.person(asked.approved_by)  # still one of us
        asked.closed = "resolved"

    def _open(self, said: Statement) -> Request:
        asked = self.request(said.request_id)
        if asked.closed:
            raise ClosedError(f"the request was {asked.closed} already", hint="make a new request")
        if said.at_us >= asked.expires_us:
            raise ExpiredError("the request is too old", hint="make a new request")
        return asked

    def _forgot(self, said: Statement, _: Look) -> None:
        _check_wording(said)
        self.forgotten.update(said.pseudonyms)

    def _noted(self, said: Statement, _: Look) -> None:
        if said.action in {"key_destroyed", "derived"}:
            _check_wording(said)
        if said.action == "opened" and said.seq != 1:
            raise LogBrokenError(f"the log begins again at look {said.seq}", hint=_RESTORE)


_RULES: Final = {
    "opened": History._noted,
    "person_added": History._added,
    "person_retired": History._retired,
    "requested": History._requested,
    "approved": History._approved,
    "declined": History._declined,
    "refused": History._noted,
    "resolved": History._resolved,
    "forgotten": History._forgot,
    "key_rotated": History._noted,
    "key_destroyed": History._noted,
    "derived": History._noted,
}


def _unhex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise LogBrokenError("a look holds a broken key or signature", hint=_RESTORE) from error


def _check_wording(said: Statement, *, case: bool = False) -> None:
    """A reason (and a case) that somebody can read later, and that cannot steer a terminal."""
    for name, text in [("reason", said.reason), *([("case", said.case)] if case else [])]:
        if not text.strip() or len(text) > _TEXT_LETTERS or not text.isprintable():
            raise WordingError(
                f"the {name} is empty, longer than {_TEXT_LETTERS} letters, or has control characters",
                hint=f"say in a line why this is needed: --{name} TEXT",
            )
