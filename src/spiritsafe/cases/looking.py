"""Looking at the rows that were kept for a case: what customers wrote, so each look is filed with its reason first.

Comes from the command; goes on to `look/1` in the ledger and to `evidence.exhibits`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spiritsafe.cases.filing import record_of
from spiritsafe.cases.lookups import find_case, members_of
from spiritsafe.cases.model import CaseUnknownError
from spiritsafe.evidence.exhibits import Exhibits
from spiritsafe.evidence.records import Personal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spiritsafe.cases.book import CaseBook
    from spiritsafe.keys.persons import Signer


def look_at_rows(
    book: CaseBook, case: str, accounts: Sequence[str], *, reason: str, signer: Signer
) -> dict[str, list[bytes]]:
    """Each account's rows that were kept, as lines of JSON, oldest first; filed before anything is read.

    Raises
    ------
    CaseUnknownError
        One of them is no account of the case.
    ExhibitMissingError
        Nothing was kept of one, or it was erased.
    """
    with book.doing() as doing:
        doing.check_person(signer)
        found = find_case(doing.tables, case)
        strange = sorted(set(accounts) - {one.account_id for one in members_of(doing.tables, found.number)})
        if strange:
            raise CaseUnknownError(
                f"case {found.number} has no account {strange[0][:60]}",
                hint=f"`spiritsafe case members {found.number}`",
            )
        looked = tuple(Personal(account, account) for account in sorted(set(accounts)))
        doing.file([record_of(doing, "look/1", found.case_id, signer=signer, reason=reason, accounts=looked)])
    exhibits = Exhibits(book.ledger)
    try:
        return {
            account: [line for data in exhibits.read_rows(found.case_id, account) for line in data.splitlines()]
            for account in accounts
        }
    finally:
        exhibits.close()
