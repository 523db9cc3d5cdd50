"""Write the pages that come from something else: the command line, errors, tactics, evidence, the decisions.

`python scripts/docs.py` writes them, `--check` says which are out of date and exits 1.
Comes from click's own help, the error classes, the tactics, the record types and the records' titles; goes on to
docs/.
"""

from __future__ import annotations

import importlib
import inspect
import os
import pkgutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spiritsafe.errors import SpiritsafeError

ROOT: Final = Path(__file__).resolve().parent.parent
REFERENCE: Final = ROOT / "docs" / "reference"
DECISIONS: Final = ROOT / "docs" / "decisions"
NOTICE: Final = "<!-- Written by scripts/docs.py: change what it is written from, then run `make docs`. -->\n"
HELP_WIDTH: Final = 100
FOREIGN: Final = frozenset({"spiritsafe.guard.gateways.litellm_proxy"})
"""Modules that another program imports, in an environment of its own."""

# A command as typed, itself, and its help as printed.
Entry = tuple[str, click.Command, str]

EXIT_MEANING: Final = {2: "usage", 3: "bad input", 4: "verification failed", 5: "environment"}


def main(arguments: list[str]) -> int:
    """Write the pages, or with `--check` compare them; returns the exit code."""
    sys.path.insert(0, str(ROOT))  # run as a script, it finds its folder there and not the one above
    from scripts.method_card import method_card
    from scripts.playbook_pages import playbook_pages

    pages = {
        REFERENCE / "cli.md": cli_page(),
        REFERENCE / "errors.md": errors_page(),
        REFERENCE / "tactics.md": tactics_page(),
        REFERENCE / "evidence.md": evidence_page(),
        DECISIONS / "README.md": decisions_page(),
        REFERENCE / "dossier.md": dossier_page(),
        ROOT / "src" / "spiritsafe" / "dossier" / "method_card.json": method_card(),
        **{ROOT / "docs" / "playbooks" / name: text for name, text in playbook_pages().items()},
    }
    stale = [path for path, text in pages.items() if not path.is_file() or path.read_text("utf-8") != text]
    if "--check" in arguments:
        for path in stale:
            print(f"{path.relative_to(ROOT)} is out of date: run `make docs` and commit it", file=sys.stderr)
        return 1 if stale else 0
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(pages[path], encoding="utf-8")
        print(f"wrote {path.relative_to(ROOT)}")
    return 0


def evidence_page() -> str:
    """docs/reference/evidence.md."""
    from spiritsafe.evidence.bundle import BUNDLE_SCHEMA
    from spiritsafe.evidence.record_types import TYPES
    from spiritsafe.evidence.writing import SCHEMA

    lines = [
        "# Evidence records",
        "",
        NOTICE,
        "What may be filed in the ledger: [how](../how-to/prove-what-was-recorded.md),",
        "[why](../explanation/evidence.md).",
        "*Open* fields stand in the log for every reader, *sealed* ones as commitments that are shown one by one,",
        "*personal* ones as well, and can be erased. `[]` is a list, each item of which is committed to by itself. A",
        "record type never changes under the same version.",
        "",
        f"An entry is canonical JSON (RFC 8785): `schema` (`{SCHEMA}`), `record`, `id` (UUIDv7), `time` (UTC), `open`,",
        "`sealed`, `case` where it belongs to one. A person's `signature` is sealed as well.",
        "",
    ]
    for kind in TYPES.values():
        lines += [f"## `{kind.full_name}`", "", kind.what, "", "| field | | what |", "| --- | --- | --- |"]
        for spec in kind.fields:
            name = f"`{spec.name}{'[]' if spec.many else ''}`"
            optional = "" if spec.required else ", optional"
            lines.append(f"| {name} | {spec.visibility}{optional} | {spec.what} |")
        lines.append("")
    lines += [
        "## Files",
        "",
        "| where | what |",
        "| --- | --- |",
        "| `SPIRITSAFE_HOME/ledger/ledger.db` | the ledger: SQLite, mode 0600 |",
        "| `SPIRITSAFE_HOME/ledger/exhibits.db` | what records rest on; each subject's rows encrypted |",
        "| `SPIRITSAFE_HOME/witness.db` | what this home saw of other logs, as a witness |",
        "| `--publish DIR` | `checkpoint`, `tile/...`, `tile/entries/...`: c2sp.org/tlog-checkpoint, tlog-tiles |",
        f"| a bundle | JSON, `{BUNDLE_SCHEMA}`: `origin`, and `entries` with `entry`, `proof` (c2sp.org/tlog-proof) "
        "and what is `shown`: `field`, `disclosure` (RFC 9901), of a list `item` and `path`; `timestamps` (RFC 3161) |",
        "",
    ]
    return "\n".join(lines)


def tactics_page() -> str:
    """docs/reference/tactics.md."""
    from spiritsafe.signals import TACTICS

    lines = [
        "# Tactics",
        "",
        NOTICE,
        "What a request, or an account's repeating itself, can show of a known way to take a model's capabilities.",
        "A tactic ranks and explains a group that other evidence found; it never makes one, and it convicts nobody.",
        "Why, and how to add one: [tactics](../explanation/tactics.md).",
        "",
    ]
    for tactic in TACTICS:
        lines += [
            f"## {tactic.name}",
            "",
            tactic.rationale,
            "",
            f"- takes: {tactic.takes}",
            f"- MITRE ATLAS: {tactic.technique_id}, {tactic.technique_name}",
            f"- who does the same honestly: {tactic.innocent}",
            *[f"- words ({weight:g}): `{pattern}`" for pattern, weight in tactic.text.patterns],
            *[
                f"- setting: `{one.column}`" + ("" if one.least is None else f" of at least {one.least}")
                for one in tactic.settings
            ],
        ]
        if tactic.repeats is not None:
            again = (
                f"from the {tactic.repeats.times}th time on"
                if tactic.repeats.times
                else f"of a {'second' if tactic.repeats.models == 2 else 'further'} model"
            )
            lines.append(f"- repeating: an account asks one prompt again, {again}")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def commands() -> Iterator[Entry]:
    """Every command as typed, itself, and its help as printed; depth first, in the order of `--help`."""
    from spiritsafe.cli.main import commands as door

    yield from _helps(door, "spiritsafe", None)


def _helps(command: click.Command, name: str, parent: click.Context | None) -> Iterator[Entry]:
    context = click.Context(
        command,
        info_name=name,
        parent=parent,
        terminal_width=HELP_WIDTH,
        max_content_width=HELP_WIDTH,
        help_option_names=["-h", "--help"],
    )
    yield context.command_path, command, command.get_help(context)
    if isinstance(command, click.Group):
        for verb in command.list_commands(context):
            child = command.get_command(context, verb)
            if child is not None and not child.hidden:
                yield from _helps(child, verb, context)


def cli_page() -> str:
    """docs/reference/cli.md."""
    parts = [
        "# The command line\n",
        NOTICE,
        "Every command prints its part of this page with `--help`. What the exit codes mean: "
        "[exit codes](exit-codes.md). What an error's code means: [errors](errors.md).\n",
    ]
    for path, _, text in commands():
        heading = "#" * min(len(path.split()) + 1, 4)
        parts.append(f"{heading} {path}\n\n```text\n{text.rstrip()}\n```\n")
    return "\n".join(parts)


def error_classes() -> list[type[SpiritsafeError]]:
    """Every error class of the package, families included, by code then name. Imports every module."""
    import spiritsafe
    from spiritsafe.errors import SpiritsafeError

    for module in pkgutil.walk_packages(spiritsafe.__path__, "spiritsafe."):
        if not module.name.endswith("__main__") and module.name not in FOREIGN:
            importlib.import_module(module.name)
    found: set[type[SpiritsafeError]] = set()
    waiting: list[type[SpiritsafeError]] = [SpiritsafeError]
    while waiting:
        kind = waiting.pop()
        if kind not in found and kind.__module__.split(".")[0] == "spiritsafe":
            found.add(kind)
            waiting.extend(kind.__subclasses__())
    return sorted(found, key=lambda kind: (kind.code, kind.__module__, kind.__name__))


def errors_page() -> str:
    """docs/reference/errors.md."""
    rows = [
        f"| `{kind.code}` | {kind.exit_code} | {_one_line(kind)} | `{kind.__module__}.{kind.__name__}` |"
        for kind in error_classes()
        if "." in kind.code
    ]
    return "\n".join(
        [
            "# Errors\n",
            NOTICE,
            "An error prints its code in brackets, what happened, and what to do. Codes are stable: scripts "
            "may depend on them. The number is the command's [exit code](exit-codes.md): "
            + ", ".join(f"{code} {meaning}" for code, meaning in EXIT_MEANING.items())
            + ".\n",
            "| code | exit | what it means | class |",
            "| --- | --- | --- | --- |",
            *rows,
            "",
        ]
    )


def dossier_page() -> str:
    """docs/reference/dossier.md, with the table of what a version that leaves withholds."""
    from spiritsafe.dossier.filing import WITHHELD

    rows = [f"| `{record}` | `{name}` | {why} |" for record, fields in WITHHELD.items() for name, why in fields.items()]
    table = "\n".join(["| record | withheld | why |", "| --- | --- | --- |", *rows])
    head, mark, rest = (REFERENCE / "dossier.md").read_text("utf-8").partition("<!-- withheld -->\n")
    return head + mark + table + "\n<!-- /withheld -->" + rest.partition("<!-- /withheld -->")[2]


def decisions_page() -> str:
    """docs/decisions/README.md: every record by number, with the title and status that it states."""
    rows = []
    for path in sorted(DECISIONS.glob("[0-9][0-9][0-9][0-9]-*.md")):
        text = path.read_text(encoding="utf-8")
        title = text.partition("\n")[0].removeprefix("# ").partition(" ")[2]
        status = text.partition("\nStatus:")[2].partition("\n")[0].strip()
        rows.append(f"| [{path.name[:4]}]({path.name}) | {title} | {status} |")
    return "\n".join(
        [
            "# Decisions\n",
            NOTICE,
            "One page for each choice that is hard to change later, or that somebody will want to change back. How a "
            "page is written: [0001](0001-decision-records.md). A record is never rewritten: a later one replaces it "
            "and both say so.\n",
            "| number | decision | status |",
            "| --- | --- | --- |",
            *rows,
            "",
        ]
    )


def _one_line(kind: type) -> str:
    """The class's own docstring as one table cell."""
    text = inspect.cleandoc(kind.__doc__ or "").split("\n\n")[0]
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    os.environ["COLUMNS"] = str(HELP_WIDTH)  # click asks the terminal for its width; a page must not depend on it
    sys.exit(main(sys.argv[1:]))
