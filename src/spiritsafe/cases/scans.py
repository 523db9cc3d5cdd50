"""A scan's folder, read to be filed: what was found, under keyed pseudonyms, with what ties it together.

Everything filed names people by pseudonyms (`events.pseudonyms`): those of the scan where it had some, else the
home's, with the way back in the vault. What ties accounts together becomes *traits*, the few rare things of each
account by which a campaign is known again when its accounts are new; what a browser or library sends with every
request is none, for it is its maker's and not its user's.
Comes from `scan --out`; goes on to `cases.opening`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from spiritsafe.campaigns.model import Group, Run
from spiritsafe.campaigns.verdicts import campaign_id
from spiritsafe.cases.tables import EVIDENCE_KINDS
from spiritsafe.errors import InputError
from spiritsafe.events.pseudonyms import Naming

if TYPE_CHECKING:
    from pathlib import Path

    from spiritsafe.events.identity import Pseudonymiser

TRAIT_THINGS: Final = {
    "phrase": "content",
    "conversation_id": "work",
    "client_ip": "infrastructure",
    "payment_fingerprint": "identity",
    "organization_id": "identity",
}
"""What makes a trait, and which kind of evidence it is."""
TRAITS_AN_ACCOUNT: Final = 8
"""Of each thing, the rarest; ties go to the smaller value, so that two scans choose alike."""
_FILES: Final = ("campaigns.json", "members.parquet", "accounts.parquet", "links.parquet", "evidence.parquet",
                 "exchanges.parquet")  # fmt: skip


class ScanFolderError(InputError):
    """A scan's folder lacks a file, holds a broken one, or was written by another major version."""

    code: ClassVar[str] = "cases.scan"


class _Campaigns(msgspec.Struct, frozen=True):
    schema: str
    campaigns: tuple[Group, ...]


@dataclass(frozen=True, slots=True)
class Scan:
    """A scan as it lies in its folder, names as it has them."""

    folder: Path
    run: Run
    campaigns: tuple[Group, ...]
    run_sha256: str
    output_sha256: dict[str, str]

    @property
    def naming(self) -> Naming:
        """How it names accounts."""
        return Naming(self.run.pseudonymised, self.run.pseudonym_key_id)

    @property
    def log_digests(self) -> list[str]:
        """Digests of the log's files, sorted."""
        return sorted(one.sha256 for one in self.run.inputs if not one.table)


def read_scan(folder: Path) -> Scan:
    """A scan's folder, every file there and readable; raises `ScanFolderError`."""
    digests = {name: hashlib.sha256(_bytes(folder, name)).hexdigest() for name in ("run.json", *_FILES)}
    run = _decoded(folder, "run.json", Run)
    found = _decoded(folder, "campaigns.json", _Campaigns)
    for name, schema in (("run", run.schema), ("campaigns", found.schema)):
        if schema.partition(".")[0] != f"{name}/1":
            raise ScanFolderError(
                f"{folder / name}.json is of the schema {schema[:40]!r}", hint=f"this version reads {name}/1"
            )
    for group in found.campaigns:
        if group.campaign_id != campaign_id([member.account_id for member in group.members]):
            raise ScanFolderError(
                f"{group.campaign_id} in {folder / 'campaigns.json'} does not have the members that its id says",
                hint="the file was changed after the scan: scan again",
            )
    return Scan(folder, run, found.campaigns, digests.pop("run.json"), digests)


def named_members(scan: Scan, group: Group, hide: Pseudonymiser) -> dict[str, dict[str, Any]]:
    """Each account as it is filed, by pseudonym: probability, role, bits, verified organisation, traits."""
    accounts = [member.account_id for member in group.members]
    pseudonyms = dict(zip(accounts, hide.column("account_id", pa.array(accounts)).to_pylist(), strict=True))
    organizations = _organizations(scan, accounts, hide)
    traits = _traits(scan, group.campaign_id, hide)
    return {
        pseudonyms[member.account_id]: {
            "account": pseudonyms[member.account_id],
            "probability": member.probability,
            "role": member.role,
            "first_seen": member.first_seen,
            "exchanges": member.exchanges,
            "bits": {kind: getattr(member, f"bits_{kind}") for kind in EVIDENCE_KINDS},
            "organization_id": organizations.get(member.account_id, ""),
            "traits": traits.get(member.account_id, []),
        }
        for member in group.members
    }


def wanted_events(scan: Scan, campaign: str, limit: int) -> list[str]:
    """Ids of the exchanges that a campaign's finding rests on: those named as evidence first, then its others."""
    ids: dict[str, None] = {}
    for name in ("evidence.parquet", "exchanges.parquet"):
        mine = _table(scan, name, ["event_id"], ("campaign_id", "=", campaign))["event_id"]
        ids |= dict.fromkeys(mine.drop_null().to_pylist())
    return list(ids)[:limit]


def _organizations(scan: Scan, accounts: list[str], hide: Pseudonymiser) -> dict[str, str]:
    """The verified organisation of each account that has one, by pseudonym."""
    columns = ["account_id", "organization_id", "organization_verified"]
    table = _table(scan, "accounts.parquet", columns, ("account_id", "in", accounts))
    mine = table.filter(table["organization_verified"])
    hidden = hide.column("organization_id", mine["organization_id"].combine_chunks()).to_pylist()
    return {
        account: organization
        for account, organization in zip(mine["account_id"].to_pylist(), hidden, strict=True)
        if organization
    }


def _traits(scan: Scan, campaign: str, hide: Pseudonymiser) -> dict[str, list[list[Any]]]:
    """Each account's rarest things: `[thing, value, bits]`."""
    columns = ["account_a", "account_b", "thing", "value", "bits"]
    table = _table(scan, "links.parquet", columns, ("campaign_id", "=", campaign))
    wanted = pc.is_in(table["thing"], pa.array(list(TRAIT_THINGS)))
    rarest: dict[tuple[str, str], dict[str, float]] = {}
    for row in table.filter(wanted).to_pylist():
        if row["value"] is None or row["bits"] is None:
            continue
        for account in (row["account_a"], row["account_b"]):
            held = rarest.setdefault((account, row["thing"]), {})
            held[row["value"]] = max(row["bits"], held.get(row["value"], 0.0))
    chosen = {
        key: sorted(held.items(), key=lambda item: (-item[1], item[0]))[:TRAITS_AN_ACCOUNT]
        for key, held in rarest.items()
    }
    names = _hidden_values(chosen, hide)
    found: dict[str, list[list[Any]]] = {}
    for (account, thing), values in sorted(chosen.items()):
        found.setdefault(account, []).extend(
            [thing, names.get((thing, value), value), round(bits, 2)] for value, bits in values
        )
    return found


def _hidden_values(
    chosen: dict[tuple[str, str], list[tuple[str, float]]], hide: Pseudonymiser
) -> dict[tuple[str, str], str]:
    """The pseudonyms of the values that are about people; a phrase is a keyed hash already."""
    names: dict[tuple[str, str], str] = {}
    for thing in TRAIT_THINGS.keys() - {"phrase"}:
        values = sorted({value for (_, of), held in chosen.items() if of == thing for value, _ in held})
        hidden = hide.column(thing, pa.array(values, pa.string())).to_pylist()
        names |= {(thing, value): name for value, name in zip(values, hidden, strict=True)}
    return names


def _bytes(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except OSError as error:
        raise ScanFolderError(
            f"cannot read {folder / name}: {error.strerror}", hint="give the folder that `spiritsafe scan --out` wrote"
        ) from error


def _decoded(folder: Path, name: str, kind: Any) -> Any:
    try:
        return msgspec.json.decode(_bytes(folder, name), type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ScanFolderError(
            f"{folder / name} is not what a scan writes: {error}", hint="scan again with this version"
        ) from error


def _table(scan: Scan, name: str, columns: list[str], which: tuple[str, str, Any]) -> pa.Table:
    """Rows of a table of the scan, of which no more is read than is asked for."""
    try:
        return pq.read_table(scan.folder / name, columns=columns, filters=[which])
    except (OSError, pa.ArrowInvalid, KeyError) as error:
        raise ScanFolderError(
            f"{scan.folder / name} is broken or lacks columns", hint="scan again with this version"
        ) from error
