"""Some entries of a log with their proofs, and of their fields as much as is to be shown: one file for outsiders.

Whoever has the log's public key, by another way than this file, can hold every entry to the signed state and
every shown field to its entry, with `spiritsafe evidence verify`, or with the verifier that is one file and
needs nothing of ours. What is withheld or erased is named, and does not keep the rest from being verified.
Comes from `evidence.ledger`; goes on to partners, courts and account holders.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

import msgspec

from spiritsafe.errors import InputError
from spiritsafe.evidence.checkpoints import cosigners, parse_checkpoint, parse_proof
from spiritsafe.evidence.disclosures import Disclosure, verify_field, verify_item
from spiritsafe.evidence.merkle import hash_leaf
from spiritsafe.evidence.reading import SIGNATURE_FIELD, held_signer
from spiritsafe.evidence.timestamps import stamped_bytes, verify_timestamp

if TYPE_CHECKING:
    import datetime
    from collections.abc import Callable, Mapping, Sequence

    from spiritsafe.evidence.disclosures import Json
    from spiritsafe.evidence.ledger import Ledger
    from spiritsafe.evidence.notes import VerifierKey
    from spiritsafe.evidence.reading import Opening

BUNDLE_SCHEMA: Final = "spiritsafe.evidence-bundle/1.0"


class BundleError(InputError):
    """A file is no evidence bundle, is of another version, or is cut short."""

    code = "evidence.bundle"


class ShownField(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One field, or one item of a list, with the text that opens its commitment."""

    field: str
    disclosure: str
    item: Annotated[int, msgspec.Meta(ge=0)] | None = None
    path: list[bytes] = []


class BundleEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One entry: its exact text, its proof (c2sp.org/tlog-proof), and what is shown of it."""

    entry: str
    proof: str
    shown: list[ShownField] = []


class Timestamp(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An RFC 3161 token over a signed state, and the authority that gave it."""

    size: int
    authority: str
    token: bytes


class Bundle(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The file as a whole."""

    schema: str
    origin: str
    entries: list[BundleEntry]
    timestamps: list[Timestamp] = []


@dataclass(frozen=True, slots=True)
class VerifiedEntry:
    """An entry that holds: its place, its open fields, what was shown, and what was not.

    `signer` is the person who signed it, by name and public key, where the signature is shown; who that is, a
    reader has to know from elsewhere.
    """

    index: int
    size: int
    witnesses: dict[str, int]
    head: dict[str, Json]
    shown: dict[str, Json]
    withheld: tuple[str, ...]
    signer: tuple[str, str] | None = None


def make_bundle(
    ledger: Ledger,
    positions: Sequence[int],
    *,
    show: Callable[[dict[str, Json], Opening], bool] | None = None,
    size: int | None = None,
) -> bytes:
    """A bundle of entries.

    `show` says of each field whether it is shown; all that is not erased by default. `size` is that of the signed state
    against which they are proved; the newest by default.
    """
    made, sizes = [], set()
    for position in positions:
        body, proof = ledger.entry(position).body, ledger.prove(position, size=size)
        sizes.add(parse_checkpoint(proof.checkpoint).size)
        head = json.loads(body)
        shown = [opening for opening in ledger.openings(position) if show is None or show(head, opening)]
        fields = [_field_shown(ledger, position, head["sealed"], name, shown) for name in head["sealed"]]
        made.append(BundleEntry(body.decode(), str(proof), [one for field in fields for one in field]))
    stamps = [Timestamp(size, *stamp) for size in sorted(sizes) for stamp in ledger.timestamps(size)]
    return msgspec.json.format(msgspec.json.encode(Bundle(BUNDLE_SCHEMA, ledger.origin, made, stamps)), indent=1)


def read_bundle(data: bytes) -> Bundle:
    """A bundle from its bytes; raises `BundleError`, and verifies nothing."""
    try:
        found = msgspec.json.decode(data, type=Bundle)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BundleError(
            f"this is no evidence bundle: {error}", hint="it was cut short, altered, or is another file"
        ) from error
    if not found.schema.startswith(BUNDLE_SCHEMA.rpartition(".")[0] + "."):
        raise BundleError(f"the bundle is of version {found.schema[:80]}", hint=f"this reads {BUNDLE_SCHEMA}")
    return found


def verify_bundle(bundle: Bundle, trusted: Sequence[VerifierKey], *, witnesses: int = 0) -> list[VerifiedEntry]:
    """Every entry, held to its log's signed state and every shown field to its entry.

    Raises
    ------
    SignatureError, WitnessMissingError, InclusionError, DisclosureError
        Something does not hold; nothing of the bundle may be relied on.
    BundleError
        A part is not what it should be.
    """
    return [_verified(entry, trusted, witnesses) for entry in bundle.entries]


def verify_timestamps(
    bundle: Bundle, trusted: Sequence[VerifierKey], *, roots: bytes
) -> list[tuple[Timestamp, datetime.datetime]]:
    """Every time-stamp of a bundle that holds otherwise, and the time that it states.

    `roots` are the authorities' root certificates, PEM.

    Raises
    ------
    TimestampError, TokenError
        A time-stamp is of another state, by nobody under these roots, or none.
    BundleError
        A time-stamp is of a state that no entry is proved by.
    """
    notes = [parse_proof(entry.proof.encode()).checkpoint for entry in bundle.entries]
    states = {parse_checkpoint(note).size: stamped_bytes(note, trusted) for note in notes}
    found = []
    for stamp in bundle.timestamps:
        if stamp.size not in states:
            raise BundleError(
                f"a time-stamp is of the state of {stamp.size} entries, which proves none here", hint="ask for it again"
            )
        found.append((stamp, verify_timestamp(stamp.token, states[stamp.size], roots=roots)))
    return found


def _verified(given: BundleEntry, trusted: Sequence[VerifierKey], witnesses: int) -> VerifiedEntry:
    proof = parse_proof(given.proof.encode())
    body = given.entry.encode()
    state = proof.verify(hash_leaf(body), trusted, witnesses=witnesses)
    try:
        head = json.loads(body)
        sealed: Mapping[str, Json] = head["sealed"]
        shown: dict[str, Json] = {}
        for one in given.shown:
            value = _opened(one, sealed[one.field])
            shown[one.field if one.item is None else f"{one.field}[{one.item}]"] = value
        signed = held_signer(head, shown.get(SIGNATURE_FIELD))
    except (ValueError, KeyError, TypeError) as error:
        raise BundleError(
            f"entry {proof.index} is in the log and is no record of ours: {error!r}", hint="see which program wrote it"
        ) from error
    return VerifiedEntry(
        proof.index,
        state.size,
        cosigners(proof.checkpoint, trusted),
        {name: value for name, value in head.items() if name != "sealed"},
        shown,
        tuple(_withheld(sealed, given.shown)),
        (signed[0], base64.b64encode(signed[1]).decode()) if signed else None,
    )


def _opened(one: ShownField, commitment: Json) -> Json:
    if one.item is None:
        return verify_field(one.field, base64.b64decode(str(commitment), validate=True), Disclosure(one.disclosure))
    if not isinstance(commitment, dict):
        raise TypeError(f"{one.field} is no list")
    root = base64.b64decode(str(commitment["root"]), validate=True)
    count = commitment["count"]
    if not isinstance(count, int):
        raise TypeError(f"{one.field} has no count")
    return verify_item(one.item, count, root, Disclosure(one.disclosure), one.path)


def _withheld(sealed: Mapping[str, Json], shown: Sequence[ShownField]) -> list[str]:
    """What a reader does not see, by name; of a list how many items."""
    found = []
    for name, commitment in sealed.items():
        seen = sum(one.field == name for one in shown)
        count = commitment["count"] if isinstance(commitment, dict) else 1
        if isinstance(count, int) and seen < count:
            found.append(name if not isinstance(commitment, dict) else f"{name}: {count - seen} of {count}")
    return found


def _field_shown(
    ledger: Ledger, position: int, sealed: Mapping[str, Json], name: str, shown: Sequence[Opening]
) -> list[ShownField]:
    """What a bundle says of one field: one opening, or one for each item that is shown."""
    wanted = [opening for opening in shown if opening.field == name]
    if not isinstance(sealed[name], dict):
        return [ShownField(name, opening.disclosure.text) for opening in wanted]
    paths = ledger.item_paths(position, name, [opening.item for opening in wanted])
    return [
        ShownField(name, opening.disclosure.text, opening.item, path)
        for opening, path in zip(wanted, paths, strict=True)
    ]
