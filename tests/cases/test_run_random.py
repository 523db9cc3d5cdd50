"""Whatever persons say, in whatever order: no act reaches further than two of them agreed, or anybody who is spared."""

from __future__ import annotations

import contextlib
import random
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from spiritsafe.cases.actions import report_passed
from spiritsafe.cases.appeals import make_appeal
from spiritsafe.cases.lookups import actions_of
from spiritsafe.cases.model import MoveError
from spiritsafe.cases.moves import clear_account
from spiritsafe.errors import UsageError, VerificationError
from spiritsafe.playbooks.deciding import asked_now, halt, resume, roll_back
from tests.cases.desk import Desk, Found, accounts
from tests.cases.runs import ACT, MANUAL, WHY, RunDesk, line, step

STAGES = [step({**ACT, "kind": "challenge", "share": share}) for share in (0.3, 0.6, 1.0)]
DEEDS = (
    ("say",) * 12 + ("resume",) * 4 + ("appeal", "pass", "clear", "go on", "go on", "later", "refuse", "halt", "back")
)


class Walk:
    """A desk on which things happen, and what was seen before each."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.desk = Desk(folder, "")
        self.desk.confirmed(Found(accounts("acct", 8)))
        self.runs = RunDesk(self.desk)
        self.run = self.runs.start(line(*STAGES, step(MANUAL)), 1)
        self.random = random.Random(seed)
        self.cleared: set[str] = set()
        self.appealed: set[str] = set()
        self.touched: dict[str, set[str]] = {}

    def do(self, deed: str) -> None:
        desk, run = self.desk, self.runs.journal.read(self.run.run_id)
        who = self.random.choice([desk.ada, desk.grace, desk.alan])
        account = desk.name(f"acct-{self.random.randrange(8):03d}")
        if (
            deed in {"say", "refuse"}
            and (deed == "say" or self.random.random() < 0.3)
            and (asked := asked_now(self.runs.runner(), run))
        ):
            limit = self.random.choice([None, None, 1, 3, 8])
            self.runs.say(run, who, asked[0].order.asked, approved=deed == "say", accounts=limit,
                          objections_share=self.random.choice([0.0, 0.5, 1.0, 1.0]))  # fmt: skip
        elif deed == "appeal":
            make_appeal(desk.book, "1", account, statement="we are a school", days=14)
            self.appealed.add(account)
        elif deed == "pass":
            report_passed(desk.book, "1", [account], detail="showed an invoice", signer=who)
        elif deed == "clear":
            clear_account(desk.book, "1", account, reason=WHY, signer=who)
            self.cleared.add(account)
        elif deed == "go on":
            self.runs.go_on(run)
        elif deed == "halt":
            halt(self.runs.runner(who), run.run_id, reason=WHY, signer=who)
        elif deed == "resume":
            resume(self.runs.runner(who), run.run_id, reason=WHY, signer=who)
        elif deed == "back" and self.random.random() < 0.2:
            roll_back(self.runs.runner(who), run.run_id, reason=WHY, signer=who)
        else:
            desk.clock.us += 3_600_000_000

    def check(self, spared: set[str]) -> None:
        """Hold every act that is new to what was agreed to, and to whom was spared before it."""
        run = self.runs.journal.read(self.run.run_id)
        with self.desk.book.reading() as tables:
            rows = [one for one in actions_of(tables, 1) if one.action_id in run.keys]
        acts: dict[str, set[str]] = {}
        for one in rows:
            acts.setdefault(one.action_id, set()).add(one.account_id)
        for key in acts.keys() - self.touched.keys():
            trace = next(one for one in run.traces.values() if key in one.executed.values())
            agreed = self.agreed[f"{trace.instance}/0"]
            assert len(agreed) >= 2, "an act that two persons did not agree to"
            assert len(acts[key]) <= min(agreed.values()), "an act that reaches further than was agreed to"
            assert not acts[key] & spared, "an act on somebody who is spared"
        self.touched = acts
        assert len(rows) == len({one.account_id for one in rows}), "somebody was touched twice"

    @property
    def agreed(self) -> dict[str, dict[str, int]]:
        """By what was asked, how far each person lets it go, by the last word of each that still holds."""
        found: dict[str, dict[str, int]] = {}
        for record in self.desk.ledger.records_of_run(self.run.run_id):
            if record.record == "playbook_run/1" and record.fields["state"] == "resumed":
                found.clear()  # every agreement from before has ended
            if record.record == "approval/1" and record.fields["decision"] == "approved":
                scope = record.fields["scope"]
                assert isinstance(scope, dict)
                said = found.setdefault(str(record.fields["action"]), {})
                said[str(record.fields["name"])] = int(str(scope["accounts"]))
        return found


@settings(max_examples=12 if settings.get_current_profile_name() != "soak" else 300, deadline=None)
@given(st.lists(st.sampled_from(DEEDS), min_size=6, max_size=24), st.integers(0, 1 << 30))
def test_no_order_of_words_reaches_further_than_two_persons_agreed(deeds: list[str], seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        walk = Walk(Path(folder), seed)
        try:
            for deed in deeds:
                spared = walk.cleared | walk.appealed
                with contextlib.suppress(MoveError, UsageError, VerificationError):  # refused, as it should be
                    walk.do(deed)
                walk.check(spared)
            assert not walk.desk.book.irregular()
        finally:
            walk.desk.close()
