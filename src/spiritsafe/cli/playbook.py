"""`spiritsafe playbook`: responses that are written down, checked before anybody relies on them.

Comes from the command line; goes on to `playbooks`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from spiritsafe.cli import playbook_run
from spiritsafe.cli.case_session import Act, deciding
from spiritsafe.cli.evidence_session import read_file
from spiritsafe.cli.identity_session import guide, home_option, json_option, say_json
from spiritsafe.cli.playbook_session import AnswerError, PlaybookSession, cacao_now, named_playbook, pairs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spiritsafe.playbooks.machine import State, Work
    from spiritsafe.playbooks.model import Fault, Playbook
    from spiritsafe.playbooks.rehearsal import Answer
    from spiritsafe.playbooks.signatures import Signed


_FILE = click.Path(path_type=Path, dir_okay=False, allow_dash=True)


@click.group()
@home_option
@click.pass_context
def playbook(context: click.Context, home: Path | None) -> None:
    """Playbooks (CACAO 2.0): what there is, run with a person's word where it is needed; and your own: checked, signed.

    \b
      spiritsafe playbook list --library
      spiritsafe playbook run identify-campaign --case 7 --reason "today's scan" --as ada
      spiritsafe playbook status 1f3a9c02
      spiritsafe playbook approve 1f3a9c02 "read the evidence" --reason "read it" --as ada
      spiritsafe playbook rehearse our-own.json
    """
    context.obj = PlaybookSession(home)
    context.call_on_close(context.obj.close)


for _command in (
    playbook_run.list_, playbook_run.run, playbook_run.status, playbook_run.approve, playbook_run.resume,
    playbook_run.halt, playbook_run.rollback,
):  # fmt: skip
    playbook.add_command(_command)


@playbook.command()
@click.argument("files", type=_FILE, nargs=-1, required=True)
@click.option("--signed", is_flag=True, help="Also ask for a signature by a person who is registered here.")
@click.option("--key", "keys", multiple=True, metavar="KEY", help="Or by this public key: PEM without its frame.")
@json_option
@click.pass_obj
def validate(
    session: PlaybookSession, files: tuple[Path, ...], signed: bool, keys: tuple[str, ...], as_json: bool
) -> None:
    """Check FILES: JSON, OASIS' schemas, and what schemas cannot say. Leaves with 3 where one has a fault, 4 where no
    trusted signature holds.

    Every step that is named must be there, be reached and end; nothing may run in a circle; what is used must be
    defined; secrets and addresses put together from variables are refused.

    \b
      spiritsafe playbook validate playbooks/*.json
    """
    from spiritsafe.playbooks.model import PlaybookError
    from spiritsafe.playbooks.reading import examine
    from spiritsafe.playbooks.signatures import check_signatures

    trusted = {"".join(key.split()) for key in keys}
    trusted |= session.trusted() if signed else set()
    bad = 0
    for path in files:
        found, faults = examine(read_file(path))
        by = check_signatures(found, trusted, now=cacao_now()) if found and not faults and (signed or keys) else []
        _tell(path, found, faults, by, as_json=as_json)
        bad += bool(faults)
    if bad:
        raise PlaybookError(f"{bad} of {len(files)} playbooks have faults", hint="mend what is listed above")


@playbook.command()
@click.argument("file", type=_FILE)
@click.option("--out", type=_FILE, required=True, help="Where the signed playbook goes (- for standard output).")
@deciding
def sign(session: PlaybookSession, act: Act, file: Path, out: Path) -> None:
    """Sign FILE: you have read it and answer for it. A playbook with a fault is not signed.

    \b
      spiritsafe playbook sign contain.json --out contain.signed.json --as ada
    """
    from spiritsafe.files import write_atomically
    from spiritsafe.playbooks.signatures import sign_playbook

    data = sign_playbook(read_file(file), act.signer(session), now=cacao_now())
    if str(out) == "-":
        click.echo(data)
        return
    write_atomically(out, data)
    guide(f"{act.name} signed {file}: {out}")


@playbook.command()
@click.argument("name", metavar="PLAYBOOK")
@click.option("--set", "given", multiple=True, metavar="NAME=VALUE", help="A variable's value; repeatable.")
@click.option(
    "--answers", type=_FILE, help="How each action went, one line each: done or failed, then NAME=VALUE ...",
)  # fmt: skip
@click.option("--exercise", is_flag=True, help="Go through the exercise that the playbook brings.")
@json_option
@click.pass_obj
def rehearse(
    session: PlaybookSession, name: str, given: tuple[str, ...], answers: Path | None, exercise: bool, as_json: bool
) -> None:
    """Go through PLAYBOOK at a table: you say how each action went, and nothing is done.

    Shows which step comes after which, who must decide, and where a way ends in nothing, before the day. PLAYBOOK is
    one that `playbook list --library` names, or a file.

    \b
      spiritsafe playbook rehearse throttle --exercise
      spiritsafe playbook rehearse our-own.json --set __case__=7
      printf 'done\ndone __confirmed__=yes\nfailed\n' | spiritsafe playbook rehearse our-own.json --answers -
    """
    from spiritsafe.events.mapping_text import visible
    from spiritsafe.playbooks.rehearsal import rehearse as gone_through

    found = named_playbook(session, name)
    if exercise:
        way = _exercise(found, pairs(given))
    else:
        said = None if answers is None else iter(read_file(answers).decode("utf-8", "replace").splitlines())
        way = gone_through(found, pairs(given), lambda work: _answer(work, said))
    for work, state in way:
        if as_json:
            say_json(
                step=work and work.step_id, name=work and work.name, outcome=state.outcome, why=state.why,
                variables=state.variables,
            )  # fmt: skip
        elif work is None:
            click.echo(f"the end: {state.outcome}" + (f" ({visible(state.why)})" if state.why else ""))
        elif answers is not None or exercise:
            click.echo(visible(work.name))


def _exercise(found: Playbook, given: dict[str, str]) -> Iterator[tuple[Work | None, State]]:
    from spiritsafe.playbooks.practice import exercised, practice_of

    practice = practice_of(found)
    if practice is None:
        raise AnswerError(f"{found.name} brings no exercise", hint="say how each action goes: leave out --exercise")
    guide(f"{practice.exercise.title}: {practice.exercise.story}")
    yield from exercised(found, practice.exercise, given)
    guide(practice.exercise.lesson)


def _answer(work: Work, said: Iterator[str] | None) -> Answer:
    """How an action went: the next line of a file, or what is said at the terminal."""
    from spiritsafe.playbooks.rehearsal import Answer

    if said is None:
        guide(_asked(work))
        line = click.prompt("done or failed, and NAME=VALUE of what it gave", default="done", err=True)
    else:
        line = next(said, "")
    word, *values = line.split()[:50] or [""]
    if word not in {"done", "failed"}:
        raise AnswerError(f"{line[:60]!r} is no answer for {work.name}", hint="done or failed, then NAME=VALUE ...")
    return Answer(word == "done", pairs(tuple(values)))


def _asked(work: Work) -> str:
    from spiritsafe.events.mapping_text import visible
    from spiritsafe.playbooks.variables import filled

    lines = [click.style(visible(work.name), bold=True)]
    lines += [
        visible(filled(str(command.get("command", command["type"])), work.variables)) for command in work.commands
    ]
    lines += [f"gives: {', '.join(work.out_args)}"] if work.out_args else []
    return "\n  ".join(lines)


def _tell(path: Path, found: Playbook | None, faults: list[Fault], by: list[Signed], *, as_json: bool) -> None:
    if as_json:
        say_json(
            file=str(path),
            id=found.playbook_id if found else None,
            version=found.version if found else None,
            steps=len(found.steps) if found else None,
            commands=found.commands if found else None,
            signed_by=[one.signee for one in by],
            faults=[{"where": fault.where, "what": fault.what} for fault in faults],
        )
        return
    from spiritsafe.events.mapping_text import visible

    if found is None or faults:
        click.echo(f"{path}: {len(faults)} faults")
        for fault in faults:
            click.echo(f"  {visible(fault.where) or 'the document'}: {visible(fault.what)}")
        return
    told = f", signed by {', '.join(visible(one.signee) for one in by)}" if by else ""
    needs = ", ".join(map(visible, found.commands)) or "nothing"
    click.echo(f"{path}: {visible(found.name)}, {len(found.steps)} steps, needs executors of {needs}{told}")
