"""The door: finds the verb, and turns errors into a sentence, a hint and an exit code.

Verbs are loaded only when called, so that `spiritsafe --help` stays quick.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import select
import sys
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
    "sketch": ("spiritsafe.cli.sketch:sketch", "Write the text-free table that scan can run on."),
    "identity": ("spiritsafe.cli.identity:identity", "Keys, pseudonyms, and the two-person way back."),
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
        result: Any = commands.main(arguments, standalone_mode=False, prog_name="spiritsafe")
    except SpiritsafeError as error:
        _tell(error)
        sys.exit(error.exit_code)
    except MemoryError:
        fault = MemoryFault(
            "there is not enough memory for this; nothing was left half-written",
            hint="close other programs, lower --workers or memory_limit_bytes, or give the log a part at a time",
        )
        _tell(fault)
        sys.exit(fault.exit_code)
    except click.exceptions.Abort:
        click.echo("stopped; nothing was left half-written", err=True)
        sys.exit(130)
    except click.ClickException as error:
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
    with contextlib.suppress(BrokenPipeError):  # nobody reads it: the exit code still says it
        click.echo(f"{click.style('error', fg='red', bold=True)} [{error.code}] {error}", err=True)
        if error.hint:
            click.echo(f"  {click.style('do', bold=True)}: {error.hint}", err=True)


if __name__ == "__main__":
    main()
