"""`spiritsafe prove`: compose traffic whose truth is known; audit, score and plant campaigns."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, Final

import click

# verb -> (module:attribute, one line for --help)
_VERBS: Final[dict[str, tuple[str, str]]] = {
    "compose": ("spiritsafe.cli.prove:compose", "Compose a labelled world (what bare `prove` does)."),
    "audit": ("spiritsafe.cli.prove_audit:audit", "Fail worlds that a fool could solve."),
    "score": ("spiritsafe.cli.prove_score:score", "Hold a scan against the truth of a world."),
    "inject": ("spiritsafe.cli.prove_inject:inject", "Plant labelled campaigns in a copy of your own logs."),
    "send": ("spiritsafe.cli.prove_guard:send", "Send a log's requests to a guard on this machine."),
    "upstream": ("spiritsafe.cli.prove_guard:upstream", "Stand in for a model, for trying a guard."),
}
_SIZES: Final = {"small": 1.0, "medium": 5.0, "large": 25.0}
_MUCH_MORE: Final = 1.5  # times what was asked for, about which a size and a number of requests are only meant


class ProveVerbs(click.Group):
    """A group whose first verb may be left out, and whose verbs are loaded when called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _VERBS:
            return None
        module, _, attribute = _VERBS[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in _VERBS and args[0] not in ("--help", "-h"):
            args = ["compose", *args]
        return super().parse_args(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(verb, line) for verb, (_, line) in _VERBS.items()])


@click.group(cls=ProveVerbs)
def prove() -> None:
    """Compose traffic whose truth is known; audit it, score a scan on it, plant campaigns in your own logs.

    The composer writes log rows from real prompts and real clients' timing. It never asks a model anything.
    `spiritsafe prove --out DIR` is short for `spiritsafe prove compose --out DIR`.

    \b
    Examples:
      spiritsafe prove --out world                          the bundled sample, six campaigns, 2,000 accounts
      spiritsafe scan world/requests.parquet --accounts world/accounts.parquet --out findings
      spiritsafe prove score world findings                 innocents flagged beside campaigns found
    """


def _size(_context: click.Context, _option: click.Parameter, value: str) -> int | float:
    """A number of accounts, or a factor for a named size."""
    if value in _SIZES:
        return _SIZES[value]
    if value.replace("_", "").isdigit() and int(value) > 0:
        return int(value)
    raise click.BadParameter(f"{value!r} is none of {', '.join(_SIZES)} or a number of accounts")


@click.command()
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder for the world; an earlier world is replaced whole."
)
@click.option(
    "--preset",
    "--recipe",
    "recipe",
    default="demo",
    show_default=True,
    help="A preset (see --list), or a recipe in TOML.",
)
@click.option("--seed", type=click.IntRange(0, 2**32), default=0, show_default=True, help="Same seed, same bytes.")
@click.option(
    "--size", default="small", show_default=True, callback=_size, help="small, medium, large, or a number of accounts."
)
@click.option("--requests", type=click.IntRange(100), help="About how many requests in all.")
@click.option("--days", type=click.IntRange(2, 366), help="Length of the window.")
@click.option("--split", type=click.Choice(["dev", "test", "all"]), help="Which prompt sources may be used.")
@click.option("--stealth", type=click.IntRange(0, 4), help="Put every campaign of the recipe at this level.")
@click.option(
    "--prompts",
    multiple=True,
    type=click.Path(exists=True, path_type=Path),
    help="Prompt sets (Parquet); the sample otherwise.",
)
@click.option("--traffic", type=click.Path(exists=True, path_type=Path), help="ServeGen client rates (Parquet).")
@click.option("--network", type=click.Path(exists=True, path_type=Path), help="IPv4 ranges by ASN (Parquet).")
@click.option(
    "--prices", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Price list for stealth 4 (TOML)."
)
@click.option("--against-scan", is_flag=True, help="Let the attacker of stealth 4 try the real scan first (slow).")
@click.option("--list", "list_presets", is_flag=True, help="List the presets and stop.")
@click.option("--json", "as_json", is_flag=True, help="Print truth/world.json.")
@click.option("--quiet", is_flag=True, help="No progress bar.")
def compose(out: Path | None, list_presets: bool, as_json: bool, quiet: bool, **given: Any) -> None:
    """Compose a labelled world: innocents, look-alikes and campaigns, in the contract's tables.

    DIR receives requests, accounts, account_events and attestations (what a scan may see) and truth/ (what only
    scoring may see). Campaigns draw every trait of their accounts from the sampler that honest developers draw
    from; only what an archetype, a variant or a stealth level says differs.

    \b
    Stealth: 0 as reported · 1 infrastructure unlinked · 2 every prompt reworded, human hours, random account a
    request · 3 no template, half ordinary prompts · 4 the attacker holds our source and optimises against it.

    \b
    Examples:
      spiritsafe prove --out world
      spiritsafe prove --preset look-alikes --seed 3 --out innocents
      spiritsafe prove --preset stealth-2 --prompts prompts/ --traffic rates.parquet --network net/ --out world
      spiritsafe prove --preset bench --size 10000 --requests 1000000 --out big
    """
    from spiritsafe.proving.recipes import PRESETS

    if list_presets:
        for name, (line, _) in PRESETS.items():
            click.echo(f"{name:<14}{line}")
        return
    if out is None:
        raise click.UsageError("say where the world goes: --out DIR")
    facts = _compose(out, quiet=quiet or as_json, **given)
    for line in _overruled(facts, **given):
        click.echo(f"{click.style('warning', fg='yellow', bold=True)} {line}", err=True)
    if as_json:
        import msgspec

        click.echo(msgspec.json.format(msgspec.json.encode(facts, order="deterministic"), indent=2))
        return
    counts = facts["counts"]
    click.echo(f"{counts['requests']:,} requests of {counts['accounts']:,} accounts in {out}")
    click.echo(
        f"{counts['accounts_by_kind'].get('campaign', 0):,} accounts of {len(facts['campaigns'])} campaigns sent "
        f"{counts['campaign_requests']:,} of them; the truth is in {out / 'truth'}"
    )
    for line in _prices(facts):
        click.echo(line)
    click.echo(f"next: spiritsafe scan {out / 'requests.parquet'} --accounts {out / 'accounts.parquet'} --out findings")


def _overruled(
    facts: dict[str, Any], *, size: int | float, requests: int | None, stealth: int | None, **_given: Any
) -> list[str]:
    """Which wishes the world does not follow, and what overruled them, a line each."""
    counts, recipe = facts["counts"], facts["recipe"]
    told = []
    if isinstance(size, int) and counts["accounts"] > _MUCH_MORE * size:
        told.append(
            f"--size {size}: this world has {counts['accounts']:,} accounts, because its parts do not get smaller than "
            "8 accounts a campaign and 2 a group of look-alikes"
        )
    if requests is not None and counts["requests"] > _MUCH_MORE * requests:
        told.append(
            f"--requests {requests}: this world has {counts['requests']:,}, because an account sends one conversation "
            "or more and a campaign about 150 requests or more"
        )
    if stealth is not None and not recipe["campaigns"]:
        told.append(f"--stealth {stealth}: the recipe {recipe['name']} has no campaign to put at that level")
    return told


def _prices(facts: dict[str, Any]) -> list[str]:
    """What staying hidden cost, a line a campaign of stealth 4."""
    lines = []
    for fact in facts["campaigns"]:
        if "price" in fact:
            hidden, plain = (_bill(fact["price"][way]) for way in ("hidden", "in_the_open"))
            name = f"{fact['campaign_id']} ({fact['archetype']}, {fact['variant']})"
            lines.append(f"{name} hides for {hidden}; in the open: {plain}")
    return lines


def _bill(facts: dict[str, float]) -> str:
    return f"{facts['accounts']:,} accounts, {facts['requests_a_day']:,.0f} requests a day, {facts['usd']:,.0f} USD"


def _compose(out: Path, *, quiet: bool, **given: Any) -> dict[str, Any]:
    from spiritsafe.cli.progress import progress_bar
    from spiritsafe.files import check_folder
    from spiritsafe.proving.recipes import adjusted, load_recipe
    from spiritsafe.proving.world import compose_world

    # Said before an attacker of stealth 4 has tried the scan for minutes.
    check_folder(out, kind="prove", inputs=[given["recipe"]] if Path(given["recipe"]).is_file() else [])
    recipe = load_recipe(given["recipe"])
    size = given["size"]
    accounts = round(recipe.accounts * size) if isinstance(size, float) else size
    recipe = adjusted(
        recipe,
        accounts=None if size == 1.0 else accounts,
        requests=given["requests"],
        days=given["days"],
        split=given["split"],
        stealth=given["stealth"],
    )
    inputs = {name: given[name] for name in ("prompts", "traffic", "network", "prices")}
    with progress_bar(show=not quiet) as progress:
        skipped = 0
        if given["against_scan"]:
            from spiritsafe.proving.adversary import archetypes_that_hide, ways_to_skip

            skipped = ways_to_skip(archetypes_that_hide(recipe), seed=given["seed"], progress=progress, **inputs)
        return compose_world(recipe, out, seed=given["seed"], skipped=skipped, progress=progress, **inputs)
