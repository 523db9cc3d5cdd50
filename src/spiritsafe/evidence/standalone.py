#!/usr/bin/env python3
"""Verify an evidence bundle with nothing but Python (3.9 or later): no package, no network, no trust in us.

    python3 verify_evidence.py BUNDLE --key NAME+ID+KEY [--key ...] [--witnesses N] [--json]

Get the log's key, and those of its witnesses, from their operators by another way than the bundle. The file
states entries of an append-only log; this holds each entry to a state that the log's key signed (RFC 9162
inclusion, c2sp.org/tlog-proof) and each shown field to what the entry committed to (RFC 9901 disclosures). It
says what is there and what is withheld; it does not say that what is there is true. Time-stamps (RFC 3161) are not
checked here: `--timestamps DIR` writes each beside what it is of, for
`openssl ts -verify -in N.tsr -data N.txt -CAfile ROOTS`.
Leaves with 0 where everything holds, 2 for wrong use, 3 for a file that is no bundle, 4 where something does
not hold. It is part of spiritsafe, imports none of it, and is short so that it can be read before it is run.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import pathlib
import sys
from typing import Any

PROOF_HEADER = "c2sp.org/tlog-proof@v1"
DASH = "\N{EM DASH} "


class NotABundle(Exception):
    """The file is not what it should be."""


class DoesNotHold(Exception):
    """A signature, proof or disclosure does not hold."""


# --- Ed25519, RFC 8032 section 5.1.7: a signature (R, S) of M by A holds if S B = R + SHA-512(R, A, M) A. ---

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P


def point_add(p: tuple[int, ...], q: tuple[int, ...]) -> tuple[int, ...]:
    """Sum of two points in extended coordinates (RFC 8032 section 5.1.4)."""
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def point_multiple(scalar: int, point: tuple[int, ...]) -> tuple[int, ...]:
    """A multiple of a point, by doubling and adding: nothing here is secret."""
    found: tuple[int, ...] = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            found = point_add(found, point)
        point, scalar = point_add(point, point), scalar >> 1
    return found


def point_from(data: bytes) -> tuple[int, ...]:
    """A point from its 32 bytes (RFC 8032 section 5.1.3)."""
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & (1 << 255) - 1
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if y >= P or (x * x - square) % P or (x == 0 and sign):
        raise DoesNotHold("a public key or signature is no point of the curve")
    return (x if x & 1 == sign else P - x, y, 1, (x if x & 1 == sign else P - x) * y % P)


BASE = point_from((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def ed25519_holds(public: bytes, signature: bytes, message: bytes) -> bool:
    """Whether the holder of `public` signed `message`."""
    s = int.from_bytes(signature[32:], "little")
    if len(signature) != 64 or len(public) != 32 or s >= ORDER:
        return False
    try:
        key, commitment = point_from(public), point_from(signature[:32])
    except DoesNotHold:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % ORDER
    left, right = point_multiple(s, BASE), point_add(commitment, point_multiple(k, key))
    return not any((left[i] * right[2] - right[i] * left[2]) % P for i in (0, 1))


# --- Signed notes and checkpoints, c2sp.org/signed-note, tlog-checkpoint, tlog-cosignature. ---


def from_base64(text: str) -> bytes:
    """Bytes from plain base64."""
    try:
        return base64.b64decode(text.encode("ascii"), validate=True)
    except ValueError as error:
        raise NotABundle(f"{text[:40]!r} is not base64") from error


def read_key(text: str) -> tuple[str, bytes, int, bytes]:
    """Name, id, kind (1 a log's, 4 a witness's) and public key from `NAME+ID+KEY`."""
    name, _, rest = text.strip().partition("+")
    key_id, _, encoded = rest.partition("+")
    key = from_base64(encoded)
    made = hashlib.sha256(f"{name}\n".encode() + key).digest()[:4]
    if len(key) != 33 or key[0] not in {1, 4} or made.hex() != key_id:
        raise ValueError(f"{text!r} is no public key of the form NAME+ID+KEY")
    return name, made, key[0], key[1:]


def checkpoint_state(note: str, keys: list[tuple[str, bytes, int, bytes]], wanted: int) -> tuple[str, int, bytes, int]:
    """Origin, size, root and number of witnesses of a checkpoint that one of `keys` signed."""
    text, blank, lines = note.rpartition("\n\n")
    text += "\n"
    parts = text.split("\n")
    if not blank or len(parts) < 4 or not parts[1].isdigit():
        raise NotABundle("a proof has no signed checkpoint")
    signed, seen = False, set()
    for line in lines.splitlines():
        name, _, encoded = line.removeprefix(DASH).partition(" ")
        data = from_base64(encoded)
        for key_name, key_id, kind, public in keys:
            if (name, data[:4]) != (key_name, key_id):
                continue
            if kind == 1 and key_name == parts[0]:
                if not ed25519_holds(public, data[4:], text.encode()):
                    raise DoesNotHold(f"the signature of {name} does not hold")
                signed = True
            elif kind == 4:
                message = f"cosignature/v1\ntime {int.from_bytes(data[4:12], 'big')}\n{text}".encode()
                if not ed25519_holds(public, data[12:], message):
                    raise DoesNotHold(f"the cosignature of {name} does not hold")
                seen.add(key_name)
    if not signed:
        raise DoesNotHold(f"no given key of the log {parts[0]} signed this state")
    if len(seen) < wanted:
        raise DoesNotHold(f"{len(seen)} of {wanted} witnesses cosigned this state")
    return parts[0], int(parts[1]), from_base64(parts[2]), len(seen)


# --- Merkle proofs, RFC 9162 sections 2.1.1 and 2.1.3.2. ---


def leaf_hash(entry: bytes) -> bytes:
    """The hash of a leaf."""
    return hashlib.sha256(b"\x00" + entry).digest()


def check_inclusion(found: bytes, index: int, size: int, path: list[bytes], root: bytes) -> None:
    """Hold that a leaf is at `index` of the tree with `size` leaves and this root."""
    if not 0 <= index < size:
        raise DoesNotHold(f"entry {index} cannot be among {size}")
    place, last = index, size - 1
    for step in path:
        if last == 0:
            raise DoesNotHold("a proof is too long")
        if place & 1 or place == last:
            found = hashlib.sha256(b"\x01" + step + found).digest()
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            found = hashlib.sha256(b"\x01" + found + step).digest()
        place, last = place >> 1, last >> 1
    if last or found != root:
        raise DoesNotHold(f"entry {index} is not shown to be among the {size} with this root")


# --- The bundle. ---


def verify_entry(given: dict[str, Any], keys: list[tuple[str, bytes, int, bytes]], wanted: int) -> dict[str, Any]:
    """What an entry says, once everything about it holds."""
    head, _, note = given["proof"].partition("\n\n")
    lines = [line for line in head.split("\n") if not line.startswith("extra ")]
    if lines[0] != PROOF_HEADER or len(lines) < 2 or not lines[1].startswith("index "):
        raise NotABundle("an entry has no proof")
    origin, size, root, witnesses = checkpoint_state(note, keys, wanted)
    index = int(lines[1].removeprefix("index "))
    check_inclusion(leaf_hash(given["entry"].encode()), index, size, [from_base64(step) for step in lines[2:]], root)
    entry = json.loads(given["entry"])
    shown, counts = {}, dict.fromkeys(entry["sealed"], 0)
    for one in given.get("shown", ()):
        name, text, sealed = one["field"], one["disclosure"], entry["sealed"][one["field"]]
        opened = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        if "item" in one:
            path = [from_base64(step) for step in one.get("path", ())]
            check_inclusion(leaf_hash(text.encode()), one["item"], sealed["count"], path, from_base64(sealed["root"]))
            matches, name = len(opened) == 2, f"{name}[{one['item']}]"
        else:
            matches = len(opened) == 3 and opened[1] == name
            matches = matches and hashlib.sha256(text.encode()).digest() == from_base64(sealed)
        if not matches:
            raise DoesNotHold(f"what is shown as {name} of entry {index} is not what was recorded")
        shown[name] = opened[-1]
        counts[one["field"]] += 1
    if "signature" in shown:
        check_signer(given["entry"], entry["sealed"]["signature"], shown["signature"])
    withheld = {
        name: (sealed["count"] if isinstance(sealed, dict) else 1) - counts[name]
        for name, sealed in entry.pop("sealed").items()
    }
    return {
        "log": origin, "index": index, "size": size, "witnesses": witnesses, "entry": entry, "shown": shown,
        "withheld": {name: count for name, count in withheld.items() if count > 0},
    }  # fmt: skip


def check_signer(text: str, digest: str, signature: dict[str, str]) -> None:
    """Hold an entry to the signature of the person who did it: it is over the entry as it was without it."""
    member = f'"signature":"{digest}"'
    if text.count(member) != 1:
        raise DoesNotHold("an entry has no one place for a signature")
    unsigned = text.replace(f"{member},", "") if f"{member}," in text else text.replace(f",{member}", "")
    unsigned = unsigned.replace(member, "")  # the only sealed field
    key, signed = from_base64(signature["public_key"]), from_base64(signature["signature"])
    if not ed25519_holds(key, signed, b"spiritsafe statement v1\0" + unsigned.encode()):
        raise DoesNotHold(f"the signature of {signature['name']} under a record does not hold")


def verify(data: bytes, keys: list[str], witnesses: int = 0) -> list[dict[str, Any]]:
    """Every entry of a bundle; raises `NotABundle` or `DoesNotHold`."""
    trusted = [read_key(key) for key in keys]
    try:
        bundle = json.loads(data)
        if not bundle["schema"].startswith("spiritsafe.evidence-bundle/1."):
            raise NotABundle(f"the bundle is of version {bundle['schema']}")
        return [verify_entry(entry, trusted, witnesses) for entry in bundle["entries"]]
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise NotABundle(f"this is no evidence bundle: {error!r}") from error


def write_timestamps(data: bytes, folder: str) -> int:
    """Write each time-stamp, and the signed state that it is of, which is without what witnesses added; how many."""
    bundle, states = json.loads(data), {}
    for entry in bundle["entries"]:
        text, _, lines = entry["proof"].partition("\n\n")[2].rpartition("\n\n")
        origin, size = text.split("\n")[:2]
        own = [line for line in lines.splitlines() if line.startswith(f"{DASH}{origin} ")]
        states[int(size)] = "\n".join([text, "", *own, ""])
    try:
        stamps = [(from_base64(stamp["token"]), states[stamp["size"]]) for stamp in bundle.get("timestamps", [])]
    except (KeyError, TypeError, AttributeError) as error:
        raise NotABundle(f"a time-stamp is none, or of another state: {error!r}") from error
    for number, (token, state) in enumerate(stamps):
        pathlib.Path(folder, f"{number}.tsr").write_bytes(token)
        pathlib.Path(folder, f"{number}.txt").write_bytes(state.encode())
    return len(stamps)


def visible(text: str) -> str:
    """Text without anything that a terminal would obey."""
    return "".join(sign if sign.isprintable() else f"\\u{ord(sign):04x}" for sign in text)


def main(arguments: list[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("bundle", help="the file to verify")
    parser.add_argument("--key", action="append", default=[], help="a trusted public key, NAME+ID+KEY; may be repeated")
    parser.add_argument("--witnesses", type=int, default=0, help="how many witnesses must have cosigned")
    parser.add_argument("--timestamps", metavar="DIR", help="write time-stamps into this folder, for openssl ts")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    given = parser.parse_args(arguments)
    try:
        keys = [key for text in given.key for key in text.split()]
        [read_key(key) for key in keys]
        data = pathlib.Path(given.bundle).read_bytes()
        entries = verify(data, keys, given.witnesses)
        if given.timestamps:
            sys.stderr.write(f"{write_timestamps(data, given.timestamps)} time-stamps are in {given.timestamps}\n")
    except (DoesNotHold, NotABundle, ValueError, OSError) as error:
        sys.stderr.write(f"{'NOT VERIFIED' if isinstance(error, DoesNotHold) else 'cannot verify'}: {error}\n")
        return 4 if isinstance(error, DoesNotHold) else 3 if isinstance(error, NotABundle) else 2
    for one in entries:
        if given.json:
            sys.stdout.write(json.dumps(one, sort_keys=True) + "\n")
            continue
        sys.stdout.write(
            f"entry {one['index']} of {one['log']} ({one['size']} entries, {one['witnesses']} witnesses)\n"
        )
        for name, value in sorted({**one["entry"], **one["shown"]}.items()):
            sys.stdout.write(f"  {visible(name)}: {visible(json.dumps(value, ensure_ascii=False))}\n")
        for name, count in sorted(one["withheld"].items()):
            sys.stdout.write(f"  {name}: withheld or erased ({count})\n")
    sys.stdout.write("" if given.json else f"verified: {len(entries)} entries\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
