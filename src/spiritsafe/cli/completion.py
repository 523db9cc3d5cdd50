"""`spiritsafe completion`: the script that makes the Tab key work."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script for SHELL.

    \b
    bash:  spiritsafe completion bash > ~/.local/share/bash-completion/completions/spiritsafe
    zsh:   spiritsafe completion zsh > "${fpath[1]}/_spiritsafe"
    fish:  spiritsafe completion fish > ~/.config/fish/completions/spiritsafe.fish
    """
    from spiritsafe.cli.main import commands

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(commands, {}, "spiritsafe", "_SPIRITSAFE_COMPLETE").source())
