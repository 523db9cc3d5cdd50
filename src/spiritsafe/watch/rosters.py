"""Make the guards' roster of scans, cases and attestations.

From a scan: who is in which campaign, how surely, by which kinds of evidence, and by what each campaign is known again.
From the cases: what persons decided. A campaign whose case was dismissed, overturned or closed is left out; of one that
nobody confirmed the roster says so; who was cleared or appeals is in no campaign any more. From attestations: for whom
somebody vouches. Comes from `campaigns` and `cases`; goes on to `guard`.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from spiritsafe.cases.life import UNDER_ACTION
from spiritsafe.cases.lookups import appeals_in, attestations_in, case_of_campaign, members_of
from spiritsafe.cases.model import CaseState
from spiritsafe.cases.scans import ScanFolderError
from spiritsafe.errors import UsageError
from spiritsafe.evidence.records import new_id
from spiritsafe.roster.model import Campaign, Kind, Role
from spiritsafe.roster.writing import Contents

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence, Set
    from pathlib import Path

    from numpy.typing import NDArray

    from spiritsafe.cases.book import CaseBook
    from spiritsafe.cases.model import CaseSummary
    from spiritsafe.cases.scans import Scan
    from spiritsafe.roster.names import Names

DAY_US: Final = 86_400_000_000

OVER: Final = frozenset({CaseState.DISMISSED, CaseState.OVERTURNED, CaseState.CLOSED})
"""States in which a case says nothing against anybody any more."""

OWN_SHARE: Final = 0.5
"""A value is a campaign's mark where at least half of all accounts that hold it are members. Of a provider's address, a
client build or a popular sentence most holders are others."""

_KINDS: Final = {str(kind.name).lower(): kind for kind in Kind}
_ROLES: Final = {"core": Role.CORE, "relay": Role.RELAY, "uncertain": Role.UNCERTAIN}
_PERSONAL: Final = frozenset({"client_ip", "conversation_id", "payment_fingerprint"})
"""Things of which a pseudonymised scan holds pseudonyms that no gateway could make."""


class ScanKeysError(UsageError):
    """A scan was sketched with another key than this home has, or its names are pseudonyms of another key."""

    code: ClassVar[str] = "watch.keys"


@dataclass(frozen=True, slots=True)
class Terms:
    """What the roster is made with: how names are hashed, the sketch parameters as files name them, now (UTC
    microseconds), how long campaigns stay in it, and from which age on an account is established."""

    names: Names
    sketch: Mapping[str, str]
    pseudonym_key_id: str
    at_us: int
    holds_days: float = 30.0
    established_days: float = 180.0

    @property
    def key_id(self) -> str:
        """The public name of the sketch key."""
        return self.sketch["spiritsafe.sketch.key_id"]


@dataclass(slots=True)
class _Found:
    """What is gathered: campaigns by key, and rows of the roster's tables."""

    campaigns: dict[str, Campaign] = field(default_factory=dict)
    places: dict[str, int] = field(default_factory=dict)
    accounts: dict[int, tuple[int, float, int, int, bool]] = field(default_factory=dict)
    exempt: set[int] = field(default_factory=set)
    phrases: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))
    least: dict[int, int] = field(default_factory=dict)
    values: set[tuple[int, int, int]] = field(default_factory=set)

    def place(self, campaign: Campaign) -> int:
        """Where a campaign stands; the newest scan's word for one that stands there already."""
        place = self.places.setdefault(campaign.key, len(self.places))
        self.campaigns[campaign.key] = campaign
        return place


def gather(scans: Sequence[Scan], book: CaseBook | None, terms: Terms) -> Contents:
    """All that the guards have to know.

    Parameters
    ----------
    scans
        Oldest first; what a later one says of an account or campaign holds.
    book
        The home's cases; None where there are none yet, and nobody confirmed anything.
    terms
        Keys, sketch parameters and times.

    Raises
    ------
    ScanKeysError
        A scan was made with other keys.
    ScanFolderError
        A file of a scan is missing or broken.
    """
    found = _Found()
    for scan in scans:
        _check_keys(scan, terms)
        cases = _cases(scan, book)
        _add_accounts(found, scan, terms, shown={one.case_id for one in cases.values()})
        _add_campaigns(found, scan, cases, terms)
    vouched: list[tuple[int, str, int, int]] = []
    if book is not None:
        vouched = _decided(found, book, terms)
    kinds = sorted({kind for _, kind, _, _ in vouched})
    columns = _columns(found, terms.names) | _table(
        ("attested_hash", "attested_kind", "attested_from_s", "attested_until_s"),
        [(subject, kinds.index(kind), begin, end) for subject, kind, begin, end in vouched],
    )
    return Contents(
        roster_id=new_id(),
        created_us=terms.at_us,
        names=terms.names.made_with,
        sketch=terms.sketch,
        campaigns=tuple(found.campaigns[key] for key in found.places),
        columns=columns,
        attestation_kinds=tuple(kinds),
        made_from={scan.run_sha256: scan.run.clock_last for scan in scans},
    )


def _check_keys(scan: Scan, terms: Terms) -> None:
    run = scan.run
    wrong = "sketch" if run.key_id != terms.key_id else ""
    if run.pseudonymised and run.pseudonym_key_id != terms.pseudonym_key_id:
        wrong = "pseudonym"
    if wrong:
        raise ScanKeysError(
            f"the scan in {scan.folder} was made with another {wrong} key than this home's",
            hint="publish from the home that scanned, or scan again with this one",
        )


def _cases(scan: Scan, book: CaseBook | None) -> dict[str, CaseSummary]:
    if book is None:
        return {}
    with book.reading() as tables:
        pairs = ((group.campaign_id, case_of_campaign(tables, group.campaign_id)) for group in scan.campaigns)
        return {campaign: case for campaign, case in pairs if case is not None}


def _hash(scan: Scan, names: Names, accounts: Iterable[str]) -> list[int]:
    if scan.run.pseudonymised:
        return [names.party(account) for account in accounts]
    return [names.hashed("account_id", account) for account in accounts]


def _add_accounts(found: _Found, scan: Scan, terms: Terms, *, shown: Set[str]) -> None:
    """Every account of a log: known, in no campaign, established or not. Of a campaign that persons confirmed and that
    this scan does not show (it rests, or is too few now) the list stays: only persons take it back."""
    stays = {place for key, place in found.places.items() if found.campaigns[key].confirmed and key not in shown}
    table = _read(scan.folder, "accounts.parquet", ["account_id", "created_s", "last_s", "organization_verified"])
    created_s = table["created_s"].to_pylist()
    verified = table["organization_verified"].to_pylist()
    hashes = _hash(scan, terms.names, table["account_id"].to_pylist())
    oldest_s = (terms.at_us - round(terms.established_days * DAY_US)) // 1_000_000
    for account, opened_s, sure in zip(hashes, created_s, verified, strict=True):
        if account in found.accounts and found.accounts[account][0] in stays:
            continue
        established = bool(sure) or (opened_s is not None and opened_s <= oldest_s)
        found.accounts[account] = (-1, 0.0, 0, Role.NONE, established)


def _add_campaigns(found: _Found, scan: Scan, cases: Mapping[str, CaseSummary], terms: Terms) -> None:
    """Campaigns that are not over, with their members and marks."""
    places: dict[str, int] = {}
    for group in scan.campaigns:
        case = cases.get(group.campaign_id)
        if case is not None and case.state in OVER:
            continue
        campaign = Campaign(
            campaign_id=group.campaign_id,
            key=group.campaign_id if case is None else case.case_id,
            members=len(group.members),
            expires_s=(terms.at_us + round(terms.holds_days * DAY_US)) // 1_000_000,
            confirmed=case is not None and case.state in UNDER_ACTION,
            case=None if case is None else case.number,
            techniques=tuple(technique.id for technique in group.techniques),
        )
        places[group.campaign_id] = found.place(campaign)
    bits = [f"bits_{name}" for name in _KINDS]
    members = _read(scan.folder, "members.parquet", ["campaign_id", "account_id", "probability", "role", *bits])
    rows = members.to_pylist()
    for row, account in zip(rows, _hash(scan, terms.names, members["account_id"].to_pylist()), strict=True):
        if row["campaign_id"] in places:
            kinds = sum(kind for name, kind in _KINDS.items() if row[f"bits_{name}"] > 0)
            role = _ROLES.get(row["role"], Role.UNCERTAIN)
            found.accounts[account] = (places[row["campaign_id"]], row["probability"], kinds, role, False)
    _add_marks(found, scan, places, terms.names)


def _add_marks(found: _Found, scan: Scan, places: Mapping[str, int], names: Names) -> None:
    columns = ["campaign_id", "kind", "thing", "value", "members", "holders", "template_least"]
    for row in _read(scan.folder, "fingerprints.parquet", columns).to_pylist():
        place, thing = places.get(row["campaign_id"]), row["thing"]
        if place is None or row["members"] < OWN_SHARE * row["holders"]:
            continue
        if thing == "phrase":
            if row["template_least"] is not None:
                found.phrases[place].add(int(row["value"]))
                found.least[place] = row["template_least"]
            continue
        if scan.run.pseudonymised and thing in _PERSONAL:
            continue
        party = thing == "organization_id" and scan.run.pseudonymised
        value = names.party(row["value"]) if party else names.hashed(thing, row["value"])
        found.values.add((value, place, _KINDS[row["kind"]]))


def _decided(found: _Found, book: CaseBook, terms: Terms) -> list[tuple[int, str, int, int]]:
    """Take out whom persons cleared or who appeals; answer for whom somebody vouches, and when (UTC seconds)."""
    with book.reading() as tables:
        for campaign in found.campaigns.values():
            if campaign.case is None:
                continue
            spared = {one.account_id for one in members_of(tables, campaign.case) if one.cleared}
            spared |= {one.account_id for one in appeals_in(tables, number=campaign.case, open_only=True)}
            found.exempt |= {terms.names.party(account) for account in spared if account}
        held = attestations_in(tables)
    for account in found.exempt & found.accounts.keys():
        found.accounts[account] = (-1, 0.0, 0, Role.NONE, True)
    return [
        (terms.names.party(one.subject), one.kind, one.not_before_us // 1_000_000, -(-one.expires_us // 1_000_000))
        for one in held
        if one.subject and not one.withdrawn and one.expires_us > terms.at_us
    ]


def _columns(found: _Found, names: Names) -> dict[str, NDArray[Any]]:
    """The roster's tables. A template of which fewer phrases are left than make an instance is left out."""
    keys = list(found.places)
    whole = [place for place, phrases in sorted(found.phrases.items()) if len(phrases) >= found.least[place]]
    templates = [(place, found.least[place], names.hashed("template", keys[place])) for place in whole]
    # By its key too: a conversation that began with a template is known by it (`guard.matching`).
    values = found.values | {(key, place, int(Kind.CONTENT)) for place, _, key in templates}
    said = [(phrase, at) for at, place in enumerate(whole) for phrase in sorted(found.phrases[place])]
    accounts = [(account, *told) for account, told in found.accounts.items()]
    return (
        _table(
            ("account_hash", "account_campaign", "account_probability", "account_kinds", "account_role",
             "account_established"), accounts,
        )
        | _table(("template_campaign", "template_least", "template_key"), templates)
        | _table(("phrase", "phrase_template"), said)
        | _table(("value_hash", "value_campaign", "value_kind"), sorted(values))
    )  # fmt: skip


_WIDE: Final = frozenset({"account_hash", "phrase", "value_hash", "attested_hash", "template_key"})


def _table(names: tuple[str, ...], rows: Sequence[tuple[Any, ...]]) -> dict[str, NDArray[Any]]:
    columns = zip(*rows, strict=True) if rows else [()] * len(names)
    return {
        name: np.array(column, dtype=np.uint64 if name in _WIDE else None)
        for name, column in zip(names, columns, strict=True)
    }


def _read(folder: Path, name: str, columns: list[str]) -> pa.Table:
    try:
        return pq.read_table(folder / name, columns=columns)
    except (OSError, pa.ArrowInvalid, KeyError) as error:
        raise ScanFolderError(
            f"{folder / name} is missing, broken or lacks columns", hint="scan again with this version"
        ) from error
