"""The door: finds the verb, and turns errors into a sentence, a hint and an exit code.

Verbs are loaded only when called, so that `spiritsafe --help` stays quick.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import select
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from spiritsafe import __version__
from spiritsafe.errors import EnvironmentFault, SpiritsafeError

if TYPE_CHECKING:
    from collections.abc import Iterator

# verb -> (module:attribute, one line for --help). In the order in which a newcomer meets them.
VERBS: Final[dict[str, tuple[str, str]]] = {
    "doctor": (
        "spiritsafe.cli.doctor:doctor",
        "Say what a log holds, what is missing, and propose a mapping.",
    ),
    "scan": ("spiritsafe.cli.scan:scan", "Find groups of accounts that act as one, with reasons."),
    "sample": ("spiritsafe.cli.sample:sample", "Draw accounts of a scan for review, and say what the review says."),
    "sketch": ("spiritsafe.cli.sketch:sketch", "Write the text-free table that scan can run on."),
    "identity": ("spiritsafe.cli.identity:identity", "Keys, pseudonyms, and the two-person way back."),
    "evidence": ("spiritsafe.cli.evidence:evidence", "The ledger: file, prove, verify, publish; hold and erase."),
    "case": ("spiritsafe.cli.case:case", "Cases: review a finding, decide, act, notify, hear appeals."),
    "guard": ("spiritsafe.cli.guard:guard", "Decide on requests while a campaign runs: policy, replay, shadow mode."),
    "watch": ("spiritsafe.cli.watch:watch", "Look at a log as it comes, open cases, tell the guards."),
    "playbook": ("spiritsafe.cli.playbook:playbook", "CACAO playbooks: rehearse, run, approve, take back, sign."),
    "dossier": (
        "spiritsafe.cli.dossier:dossier",
        "A case put before a court or an office: HTML, PDF, JSON, proofs.",
    ),
    "screen": (
        "spiritsafe.cli.screen:screen",
        "Hold names against sanctions lists that you supply: leads, no clearance.",
    ),
    "coordinate": (
        "spiritsafe.cli.coordinate:coordinate",
        "Find actors that act as one in any table of who did what to what.",
    ),
    "prove": ("spiritsafe.cli.prove:prove", "Compose traffic whose truth is known; score, audit, inject."),
    "completion": ("spiritsafe.cli.completion:completion", "Print the shell completion script."),
}


class MemoryFault(EnvironmentFault):
    """The machine has less memory than the work needs, outside the engine, which has a limit of its own."""

    code = "cli.memory"


class OutputError(EnvironmentFault):
    """Standard output is closed, or cannot take what is written to it: its disk is full."""

    code = "cli.output"


class _BrokenPipe(Exception):
    """A broken pipe under a name that Click does not know: it would leave with 1 and say nothing."""


@contextlib.contextmanager
def _pipes_told() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError as error:
        raise _BrokenPipe(str(error)) from error


class Verbs(click.Group):
    """A group that imports a verb's module when the verb is called, and not before."""

    def make_context(self, *given: Any, **more: Any) -> click.Context:
        with _pipes_told():  # --help is printed here
            return super().make_context(*given, **more)

    def invoke(self, ctx: click.Context) -> Any:
        with _pipes_told():
            return super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in VERBS:
            return None
        module, _, attribute = VERBS[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(verb, line) for verb, (_, line) in VERBS.items()])


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="spiritsafe")
def commands() -> None:
    """Find, explain and prove adversarial distillation campaigns in your own request logs.

    \b
    Start here:
      spiritsafe doctor LOGS                 what does my log hold?
      spiritsafe scan LOGS --out findings    who acts as one, and why?
      open findings/report.html

    Settings: a flag beats SPIRITSAFE_* in the environment beats spiritsafe.toml.
    Exit codes: 0 done, 2 usage, 3 bad input, 4 verification failed, 5 environment.
    """


def main(arguments: list[str] | None = None) -> None:
    """Run the command and leave with its exit code."""
    try:
        _make_ready()
        with _output_told():
            result: Any = commands.main(arguments, standalone_mode=False, prog_name="spiritsafe")
    except SpiritsafeError as error:
        _tell(error)
        if isinstance(error, OutputError):
            _write_nowhere()
        sys.exit(error.exit_code)
    except MemoryError:
        fault = MemoryFault(
            "there is not enough memory for this; nothing was left half-written",
            hint="close other programs, lower --workers or memory_limit_bytes, or give the log a part at a time",
        )
        _tell(fault)
        sys.exit(fault.exit_code)
    except click.exceptions.Abort:
        with contextlib.suppress(OSError):
            click.echo("stopped; nothing was left half-written", err=True)
        sys.exit(130)
    except click.ClickException as error:
        with contextlib.suppress(OSError):
            error.show()
        sys.exit(2)
    except _BrokenPipe:
        # Where the reader of our output went away (`| head`) it is no error; any other broken pipe (to a worker, a
        # server) is one.
        if not _reader_left():
            raise
        _write_nowhere()
        sys.exit(0)
    sys.exit(result if isinstance(result, int) else 0)


def _make_ready() -> None:
    """Streams that can be written to, in any encoding: what theirs has no letter for is written with a backslash."""
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - it stays open
    if sys.stdout is None:
        raise OutputError("standard output is closed", hint="send it to a file, or to /dev/null")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@contextlib.contextmanager
def _output_told() -> Iterator[None]:
    """A disk that refuses our output is told as such; a broken pipe is not met here (see `_BrokenPipe`)."""
    try:
        yield
    except (OSError, EnvironmentFault) as error:
        cause = error.__cause__ if isinstance(error, EnvironmentFault) else error
        if not isinstance(cause, OSError) or not _was_printed(cause):
            raise
        raise OutputError(
            f"the output cannot be written: {cause.strerror or cause}",
            hint="free some space, or send standard output elsewhere; what --out names is written for itself",
        ) from error


def _was_printed(error: OSError) -> bool:
    """Whether the error comes from printing, and not from a file of ours: only the place where it arose tells."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    return last is not None and last.tb_frame.f_code is click.echo.__code__


def _reader_left() -> bool:
    """Whether standard output or standard error is a pipe that nobody reads any more."""
    poll = select.poll()
    for number in (1, 2):
        poll.register(number, 0)  # errors are told unasked
    return any(event & select.POLLERR for _, event in poll.poll(0))


def _write_nowhere() -> None:
    """Keep Python from complaining at exit about what it could not flush."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2):
        os.dup2(nowhere, number)


def _tell(error: SpiritsafeError) -> None:
    with contextlib.suppress(OSError):  # nobody reads it: the exit code still says it
        click.echo(f"{click.style('error', fg='red', bold=True)} [{error.code}] {error}", err=True)
        if error.hint:
            click.echo(f"  {click.style('do', bold=True)}: {error.hint}", err=True)


if __name__ == "__main__":
    main()
