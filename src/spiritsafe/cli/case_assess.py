"""`spiritsafe case assess`: what a person judges of one claim.

Comes from `cli.case`; goes on to `cases.assessments`.
"""

from __future__ import annotations

from typing import Any

import click

from spiritsafe.cases.model import CLAIMS
from spiritsafe.cli.case_session import Act, CaseSession, deciding
from spiritsafe.cli.identity_session import json_option, say_json
from spiritsafe.evidence.lint import ROWS


@click.command()
@click.argument("which", metavar="CASE")
@click.option("--claim", type=click.Choice(CLAIMS), required=True, help="Which claim: each is judged for itself.")
@click.option("--statement", required=True, help="The judgement in words, without its confidence.")
@click.option("--likelihood", type=click.Choice(ROWS[0]), help="ICD 203's term; without it none is stated.")
@click.option("--confidence", type=click.Choice(("low", "moderate", "high")), required=True, help="Stated apart.")
@click.option(
    "--basis", multiple=True, required=True, metavar="EVIDENCE=GRADE",
    help="What it rests on, e.g. E3=A1 (`case show` numbers evidence) or 'a partner=C3'; repeatable.",
)  # fmt: skip
@click.option("--alternative", "alternatives", multiple=True, required=True, help="What else it could be; repeatable.")
@click.option("--operator", default="", help="Whom it names, with --claim operated_by.")
@json_option
@deciding
def assess(session: CaseSession, act: Act, which: str, as_json: bool, likelihood: str | None, **given: Any) -> None:
    """File what you judge of one claim of a CASE: that the accounts act as one, who operates them, or that a model
    was trained on what they took.

    Each piece of evidence has an Admiralty grade: the source's reliability (A to F) and the information's credibility
    (1 to 6). A likelihood mixed with a confidence, reasoning from nationality, and a claim without alternatives are
    refused.

    \b
      spiritsafe case assess 1 --claim accounts_act_as_one --likelihood "almost certain" --confidence high \\
        --statement "The accounts act as one." --basis E1=A1 --basis E9=A2 \\
        --alternative "One customer: no contract names them." --as ada
    """
    from spiritsafe.cases.assessments import assess as file_assessment

    filed = file_assessment(session.book, which, signer=act.signer(session), likelihood=likelihood or "", **given)
    if as_json:
        say_json(record=filed)
    else:
        click.echo(f"filed: {filed}")
