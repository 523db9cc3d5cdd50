"""The statement of reasons that somebody is owed to whom something was done, in three forms from one source.

What was done, on which facts, by which rule, whether a machine decided, and how to appeal. The *holder* reads what
concerns them and nothing of others; the *reviewer* of an appeal reads all that was known and who decided; the
*regulator* reads nothing about persons. Each form goes through the release lint before anybody sees it.
Comes from the command and the playbooks' notice step; goes on to `notice/1` in the ledger.
Source: Regulation (EU) 2022/2065 (Digital Services Act), article 17(3): (a) the restriction, (b) facts, (c) automated
means, (d) and (e) legal and contractual ground, (f) redress.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, TypeAlias

import jinja2
import sqlalchemy as sa

from spiritsafe.cases.filing import record_of
from spiritsafe.cases.lookups import actions_of, find_case, findings_of, history_of, members_of
from spiritsafe.cases.model import CaseUnknownError
from spiritsafe.cases.tables import EVIDENCE_KINDS, MEMBERS
from spiritsafe.errors import UsageError
from spiritsafe.evidence.lint import check_release, lint_text
from spiritsafe.evidence.records import Personal, utc_text

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from spiritsafe.cases.book import CaseBook
    from spiritsafe.cases.model import Action, CaseEvent, CaseMember, CaseSummary
    from spiritsafe.keys.persons import Signer

Form: TypeAlias = Literal["holder", "reviewer", "regulator"]
FORMS: Final[tuple[Form, ...]] = ("holder", "reviewer", "regulator")
_LEAVES: Final = frozenset({"holder", "regulator"})
_FACTS: Final = {
    "content": "Your requests use a wording that is rare among all accounts, and that the other accounts of the group "
    "use as well.",
    "work": "Work is dealt out over your account and others of the group: parts of one set of tasks, or conversations "
    "that one account begins and another carries on.",
    "timing": "Your account is busy at the times at which the others of the group are, far more often than chance.",
    "infrastructure": "Your account is used over the same rarely used network addresses as others of the group.",
    "identity": "Your account has payment or registration data in common with others of the group.",
    "lifecycle": "Your account was opened together with others of the group, or took over where one of them stopped.",
}
_DONE: Final = {
    "suspend": "suspended", "block": "blocked", "throttle": "limited in how many requests it may send",
    "challenge": "asked to verify itself", "degrade": "served reduced answers", "revoke_keys": "deprived of its keys",
}  # fmt: skip


class NoticeError(UsageError):
    """There is nothing to give notice of, or nowhere to appeal."""

    code: ClassVar[str] = "cases.notice"


@dataclass(frozen=True, slots=True)
class Statement:
    """What every form is made of."""

    case: CaseSummary
    member: CaseMember
    actions: tuple[Action, ...]
    finding: dict[str, Any]
    bits: dict[str, float]
    history: tuple[CaseEvent, ...]
    appeal_to: str
    appeal_days: int

    @property
    def facts(self) -> tuple[str, ...]:
        """What ties the account to the group, in words that teach nobody how to hide."""
        return tuple(_FACTS[kind] for kind in self.bits)

    @property
    def automated(self) -> bool:
        """Whether a machine decided, and no person."""
        return any(one.automated for one in self.actions)

    @property
    def done(self) -> tuple[str, ...]:
        """What was done, as it is told to the holder."""
        return tuple(dict.fromkeys(_DONE.get(one.kind, one.kind) for one in self.actions))

    @property
    def deciders(self) -> tuple[str, ...]:
        """The persons who confirmed the case."""
        confirmed = [one for one in self.history if one.by == "person" and "confirmed" in one.what]
        return tuple(dict.fromkeys(one.who for one in confirmed))


def statement_of(tables: Connection, case: str, account_id: str, *, appeal_to: str, appeal_days: int) -> Statement:
    """What there is to say to an account's holder.

    Raises
    ------
    NoticeError
        Nothing was done to the account, or there is nowhere to appeal.
    CaseUnknownError
        The account is none of the case's.
    """
    if not appeal_to:
        raise NoticeError(
            "there is nowhere to appeal, and a notice without redress is none",
            hint="set appeal_to in spiritsafe.toml, or SPIRITSAFE_APPEAL_TO, to where holders reach a person",
        )
    found = find_case(tables, case)
    member = next((one for one in members_of(tables, found.number) if one.account_id == account_id), None)
    if member is None:
        raise CaseUnknownError(
            f"case {found.number} has no account {account_id[:60]}", hint="`spiritsafe case members` lists them"
        )
    actions = tuple(
        one
        for one in actions_of(tables, found.number, outcomes=("done", "undo_ordered", "undone"))
        if one.account_id == account_id
    )
    if not actions:
        raise NoticeError("nothing was done to this account", hint="file it first: `spiritsafe case act`")
    finding = next(one for one in findings_of(tables, found.number) if one["position"] == member.found_at)
    return Statement(
        found, member, actions, finding, _bits_of(tables, found.number, account_id),
        tuple(history_of(tables, found.number)), appeal_to, appeal_days,
    )  # fmt: skip


def render(statement: Statement, form: Form) -> str:
    """One form of a statement; raises `ReleaseError` if it says what it may not."""
    text = _templates().get_template(f"{form}.txt").render(s=statement, utc=utc_text)
    concerns = {statement.member.account_id} if form == "holder" else set()
    breaches = lint_text(text, leaves=form in _LEAVES, concerns=concerns | set(_addresses(statement.appeal_to)))
    check_release(breaches, paper=f"notice to the {form}")
    return text


def give_notice(
    book: CaseBook, case: str, account_id: str, form: Form, *, appeal_to: str, appeal_days: int,
    signer: Signer | None = None, rule: str = "notice/1", notice_id: str | None = None,
) -> str:  # fmt: skip
    """File a statement of reasons and answer its text, to be sent by whoever asked for it.

    With a `notice_id` it is filed once, however often it is asked for.
    """
    with book.doing() as doing:
        if signer is not None:
            doing.check_person(signer)
        statement = statement_of(doing.tables, case, account_id, appeal_to=appeal_to, appeal_days=appeal_days)
        text = render(statement, form)
        record = record_of(
            doing,
            "notice/1",
            statement.case.case_id,
            signer=signer,
            rule=rule,
            form=form,
            automated=statement.automated,
            account=Personal(account_id, account_id),
            text=Personal(account_id, text),
        )
        if notice_id is None or not doing.holds(notice_id):
            doing.file([replace(record, record_id=notice_id or record.record_id)])
    return text


def _bits_of(tables: Connection, number: int, account_id: str) -> dict[str, float]:
    """By kind of evidence, what ties the account to the group; kinds without any are left out."""
    mine = sa.select(MEMBERS).where(MEMBERS.c.number == number, MEMBERS.c.account_id == account_id)
    row = tables.execute(mine).mappings().one()
    return {kind: row[f"bits_{kind}"] for kind in EVIDENCE_KINDS if row[f"bits_{kind}"] > 0}


def _addresses(appeal_to: str) -> list[str]:
    """The firm's own addresses: they may stand in a paper that leaves."""
    return [word.strip("<>(),;.") for word in appeal_to.split()]


def _templates() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("spiritsafe.cases"),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701 - plain text
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
