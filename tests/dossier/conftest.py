"""A case with everything in it: found, confirmed, acted on by a playbook, appealed, assessed, screened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from spiritsafe.cases.appeals import decide_appeal, make_appeal, take_appeal
from spiritsafe.cases.assessments import assess
from spiritsafe.cases.lookups import actions_of
from spiritsafe.cases.screening.filing import file_screening
from spiritsafe.cases.screening.lists import read_list
from spiritsafe.cases.screening.model import Party
from spiritsafe.cases.screening.screen import Screener
from spiritsafe.dossier.building import Terms, draw_up
from tests.cases.desk import Desk, Found, accounts
from tests.cases.runs import ACT, RunDesk, line, step
from tests.cases.screening.made_lists import written

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from spiritsafe.dossier.model import Dossier
    from spiritsafe.keys.persons import Signer

TRAITS = {("payment_fingerprint", "card"): 7.0, ("client_ip", "10.1.2.3"): 5.0}


class Counsel:
    """A desk whose case is put before somebody."""

    def __init__(self, folder: Path) -> None:
        self.desk = Desk(folder, "")
        self.desk.confirmed(Found(accounts("acct", 6), traits=TRAITS))
        self.case_id = self.desk.case().case_id

    def worked(self) -> None:
        """Act, appeal, assess and screen."""
        desk = self.desk
        runs = RunDesk(desk)
        run = runs.agree(runs.start(line(step(ACT), step({"type": "spiritsafe-case-notice"})), 1), "one")
        assert run.status == "succeeded"
        with desk.book.reading() as tables:
            one = min(action.account_id for action in actions_of(tables, 1))
        appeal = make_appeal(desk.book, "1", one, statement="we are a school in a small town", days=14)
        desk.clock.us += 2 * 86_400_000_000
        take_appeal(desk.book, appeal.appeal_id, signer=desk.alan)
        decide_appeal(desk.book, appeal.appeal_id, granted=True, reason="shown", signer=desk.alan)
        self.assess("accounts_act_as_one", "almost certain", "high", "It is almost certain that they act as one.")
        self.assess("operated_by", "likely", "low", "It is likely that Example Ltd operates them.", "Example Ltd")

    def assess(self, claim: Any, likelihood: str, confidence: str, statement: str, operator: str = "") -> None:
        assess(
            self.desk.book, "1", claim, statement=statement, likelihood=likelihood, confidence=confidence,
            basis=["E1=A1", "a partner's report=C3"], alternatives=["One company: no contract names them."],
            signer=self.desk.ada, operator=operator,
        )  # fmt: skip

    def screened(self, folder: Path) -> None:
        listed = read_list(written(folder / "lists")["sdn.csv"])
        parties = [Party("Mohamed Karimov")]
        hits = [hit for party in parties for hit in Screener([listed]).screen(party)]
        file_screening(self.desk.book, "1", [listed], parties, hits, threshold=0.75, signer=self.desk.ada)

    def draw(self, signer: Signer | None = None, irregular: Collection[int] = (), **terms: Any) -> Dossier:
        return draw_up(
            self.desk.ledger, self.case_id, Terms(**terms), signer=signer or self.desk.ada,
            is_registered=self.is_registered, irregular=irregular, clock_us=self.desk.clock,
        )  # fmt: skip

    @property
    def is_registered(self) -> Callable[[str, bytes, int], bool]:
        known = {one.name: one.public_key for one in (self.desk.ada, self.desk.grace, self.desk.alan)}
        return lambda name, key, _at_us: known.get(name) == key


@pytest.fixture
def counsel(tmp_path):
    made = Counsel(tmp_path)
    yield made
    made.desk.close()


@pytest.fixture
def worked(counsel):
    counsel.worked()
    return counsel
