"""An abuse desk for tests: four persons, a ledger, the cases, and scans that find what a test says."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from spiritsafe.campaigns.model import (
    Alternative,
    Axis,
    AxisStatus,
    Coverage,
    Exposure,
    Group,
    InputFile,
    Member,
    Run,
    Significance,
    Verdict,
)
from spiritsafe.campaigns.model import Evidence as Shown
from spiritsafe.campaigns.verdicts import campaign_id
from spiritsafe.cases.actions import act
from spiritsafe.cases.book import CaseBook
from spiritsafe.cases.lookups import find_case
from spiritsafe.cases.model import CaseState
from spiritsafe.cases.moves import move_case
from spiritsafe.cases.opening import LogRows, Opened, open_cases
from spiritsafe.cases.persons import VaultPersons
from spiritsafe.cases.scans import read_scan
from spiritsafe.cases.store import open_store
from spiritsafe.events.sources import ReadOptions
from spiritsafe.evidence.ledger import Ledger
from spiritsafe.keys.persons import new_person
from tests.events.office import Office

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from spiritsafe.cases.model import CaseSummary

DAY_US = 86_400_000_000
WHY: dict[str, Any] = {"reason": "as the evidence says"}
GROUND = "Terms 4.2: accounts under false names"
LINKS = {name: pa.string() for name in ("campaign_id", "account_a", "account_b", "kind", "thing", "value")}


@dataclass
class Found:
    """A campaign that a scan is to have found. `traits`: thing and value, of all its accounts, with their bits."""

    accounts: Sequence[str]
    traits: dict[tuple[str, str], float] = field(default_factory=dict)
    verified: dict[str, str] = field(default_factory=dict)

    @functools.cached_property
    def id(self) -> str:
        return campaign_id(self.accounts)


def accounts(prefix: str, count: int) -> list[str]:
    return [f"{prefix}-{number:03d}" for number in range(count)]


class Desk:
    """A provider's desk."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url
        self.office = Office(folder / "home")
        self.clock = self.office.clock
        self.ada, self.grace, self.alan = self.office.ada, self.office.grace, self.office.alan
        self.eve = new_person("eve", "eve is not registered", cost_log2=10)[1]
        self.hide = self.office.hide
        self.ledger = Ledger(self.office.home / "ledger", self.office.keys, origin="provider.example/ledger")
        self.store = open_store(self.office.home, url)
        self.book = self.new_book()
        self._scans = 0

    def new_book(self) -> CaseBook:
        return CaseBook(self.ledger, self.store, VaultPersons(self.office.vault), clock_us=self.clock)

    def close(self) -> None:
        self.book.close()
        self.ledger.close()
        self.office.vault.close()

    def name(self, account: str) -> str:
        """An account as it is filed."""
        return self.hide.value("account_id", account)

    def scan(self, *found: Found, log_accounts: int = 1_000) -> Path:
        """A scan's folder, and its log beside it."""
        self._scans += 1
        folder = self.folder / f"scan{self._scans}"
        folder.mkdir()
        log = write_log(folder.with_suffix(".parquet"), found)
        write_scan(folder, log, found, log_accounts)
        return folder

    def open(self, *found: Found, rows: bool = True, **more: Any) -> list[Opened]:
        scan = read_scan(self.scan(*found, **more))
        log = LogRows(ReadOptions()) if rows else None
        return open_cases(self.book, scan, self.hide, log=log)

    def case(self, which: int = 1) -> CaseSummary:
        with self.book.reading() as tables:
            return find_case(tables, str(which))

    def confirmed(self, *found: Found) -> int:
        """The number of a case that ada and grace confirmed."""
        number = self.open(*(found or (Found(accounts("acct", 6)),)))[0].number
        self.move(number, "in_review")
        self.move(number, "confirmed")
        move_case(self.book, str(number), CaseState.CONFIRMED, signer=self.grace, two_persons=("confirmed",), **WHY)
        return number

    def acted(self, *found: Found) -> int:
        number = self.confirmed(*found)
        act(self.book, str(number), "suspend", ground=GROUND, detail="at the gateway", signer=self.ada)
        return number

    def move(self, number: int, state: str, **more: Any) -> Any:
        given = {"signer": self.ada, "two_persons": ("confirmed",), **WHY, **more}
        return move_case(self.book, str(number), CaseState(state), **given)


def write_log(path: Path, found: Sequence[Found]) -> Path:
    names = sorted({account for one in found for account in one.accounts})
    rows = [
        {"event_id": f"{name}-{at}", "time": 1_760_000_000_000_000 + at, "account_id": name, "operation": "chat",
         "model": "m", "prompt": f"question {at} of a customer whose secret is blue"}
        for name in names for at in range(3)
    ]  # fmt: skip
    table = pa.Table.from_pylist(rows)
    at = table.schema.get_field_index("time")
    table = table.set_column(at, "time", table["time"].cast(pa.timestamp("us", "UTC")))
    pq.write_table(table, path)
    return path


def write_scan(folder: Path, log: Path, found: Sequence[Found], log_accounts: int) -> None:
    digest = hashlib.sha256(log.read_bytes()).hexdigest()
    run = Run(
        schema="run/1.0", spiritsafe_version="0.1.0", seed=1, settings={"seed": 1}, engine="duckdb", missing=(),
        inputs=(InputFile(path=str(log), sha256=digest, size_bytes=log.stat().st_size),),
        clock_first="2026-08-18T00:00:00Z", clock_last="2026-08-31T00:00:00Z", pseudonymised=False, key_id="k1",
        coverage=Coverage(rows_read=9, rows_kept=9, rows_quarantined=0, quarantine_reasons={}, accounts=log_accounts,
                          column_shares={"account_id": 1.0}),
    )  # fmt: skip
    (folder / "run.json").write_bytes(msgspec.json.encode(run))
    groups = [_group(one) for one in found]
    (folder / "campaigns.json").write_bytes(
        msgspec.json.encode({"schema": "campaigns/1.2", "campaigns": groups}),
    )
    events = [
        {"campaign_id": one.id, "event_id": f"{name}-{at}", "account_id": name}
        for one in found for name in one.accounts for at in range(2)
    ]  # fmt: skip
    columns = {name: pa.string() for name in ("campaign_id", "event_id", "account_id")}
    table = pa.Table.from_pylist(events, schema=pa.schema(list(columns.items())))
    for name in ("evidence", "exchanges", "members"):
        pq.write_table(table, folder / f"{name}.parquet")
    links = [
        {"campaign_id": one.id, "account_a": one.accounts[0], "account_b": other, "kind": "", "thing": thing,
         "value": value, "bits": bits}
        for one in found for (thing, value), bits in one.traits.items() for other in one.accounts[1:]
    ]  # fmt: skip
    schema = pa.schema([*LINKS.items(), ("bits", pa.float64())])
    pq.write_table(pa.Table.from_pylist(links, schema=schema), folder / "links.parquet")
    people = [
        {"account_id": name, "organization_id": one.verified.get(name), "organization_verified": name in one.verified}
        for one in found for name in one.accounts
    ]  # fmt: skip
    schema = pa.schema(
        [("account_id", pa.string()), ("organization_id", pa.string()), ("organization_verified", pa.bool_())]
    )
    pq.write_table(pa.Table.from_pylist(people, schema=schema), folder / "accounts.parquet")


def _group(found: Found) -> Group:
    names = ("coordination", "extraction", "concealment")
    shown = Shown(kind="identity", statement="they pay alike", bits=7.0, innocent_explanation="one company")
    one, two, three = (
        Axis(name=name, status=AxisStatus.SUPPORTED, reason=f"{name} is seen", evidence=(shown,)) for name in names
    )
    return Group(
        campaign_id=found.id,
        verdict=Verdict.CAMPAIGN,
        failed_axis="",
        headline=f"{len(found.accounts)} accounts act as one",
        axes=(one, two, three),
        significance=Significance(method="m", null="n", p_value=1e-9, q_value=1e-8, statement="Tested."),
        members=tuple(_member(account) for account in found.accounts),
        alternatives=(Alternative(name="one company", question="?", outcome="does_not_fit", finding="No contract."),),
        exposure=Exposure(
            exchanges=2 * len(found.accounts), exchanges_share=0.1, input_tokens=None, output_tokens=None,
            models=("m",), capabilities=(), first_seen="2026-08-18T00:00:00Z", last_seen="2026-08-31T00:00:00Z",
        ),
        archetype="bulk",
        techniques=(),
        actions=(),
        would_change_our_mind=("A contract.",),
    )  # fmt: skip


def _member(account: str) -> Member:
    return Member(
        account_id=account, probability=0.99, role="core", first_seen="2026-08-19T00:00:00Z", exchanges=2,
        bits_content=0.0, bits_work=9.0, bits_timing=0.0, bits_infrastructure=0.0, bits_identity=7.0,
        bits_lifecycle=0.0,
    )  # fmt: skip
