"""Look-alikes: innocents who look coordinated, extracting or hidden, for reasons of their own.

Each has the traits that make real detectors flag them. Comes from `recipes`; goes on to `compose`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from spiritsafe.proving.campaigns import conduct_of, developer_conduct, draw_language, draw_turns
from spiritsafe.proving.grammar import mix
from spiritsafe.proving.model import Conduct, Group, Job

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Formats that public evaluation harnesses use.
HARNESSES: Final = (
    "Question: {item}\nAnswer:",
    "Q: {item}\nA:",
    "Problem:\n{item}\n\nSolution:",
    '{item}\nLet\'s think step by step. At the end, write "The answer is" followed by the answer.',
    "The following is an exam question. Reply with the answer only.\n\n{item}\n\nAnswer:",
    "Solve the following problem. Put the final answer in \\boxed{}.\n\n{item}",
)
_BENCHMARKS: Final = 5


def look_alikes(kind: str, organisations: int, accounts: int, *, seed: int) -> Iterator[Group]:
    """`organisations` groups of about `accounts` accounts each of one kind."""
    make = _MAKERS[kind]
    for number in range(organisations):
        own = mix(seed, 21, _KEYS[kind], number)
        rng = np.random.default_rng(mix(own, 1))
        size = max(2, round(accounts * float(rng.uniform(0.7, 1.3))))
        group = make(rng, size, own)
        group.kind = kind
        yield group


def _base(rng: np.random.Generator, size: int, seed: int, conduct: Conduct | None = None) -> Group:
    return Group(
        kind="",
        conduct=conduct or developer_conduct(rng),
        jobs=[],
        slots=tuple(range(size)),
        unit=f"unit-{mix(seed, 1) >> 16:012x}",
        seed=seed,
    )


def _company(rng: np.random.Generator, size: int, seed: int) -> Group:
    """Departments with work of their own, and a template that the house shares."""
    group = _base(rng, size, seed, developer_conduct(rng).but(workers=size))
    shared = float(rng.uniform(0.2, 0.7))
    together = developer_conduct(rng).but(deal=str(rng.choice(("own", "random", "even"))), workers=size)
    group.jobs = [
        Job(mode="work", per_account=True, share=1 - shared),
        Job(mode="work", share=shared, conduct=together),
    ]
    group.identity = "company"
    group.network = "shared" if rng.random() < 0.6 else "own"
    return group


def _company_verified(rng: np.random.Generator, size: int, seed: int) -> Group:
    group = _company(rng, size, seed)
    group.organisation = "verified"
    return group


def _company_self_declared(rng: np.random.Generator, size: int, seed: int) -> Group:
    group = _company(rng, size, seed)
    group.organisation = "self_declared"
    return group


def _agent_fleet(rng: np.random.Generator, size: int, seed: int) -> Group:
    """Agents that pass a task to the next account where one meets its limit."""
    family = str(rng.choice(("code", "tools")))
    conduct = developer_conduct(rng).but(
        families=(family,),
        deal="handover",
        workers=size,
        turns=max(2.0, draw_turns(rng, family)),
        ordinary_share=0.0,
        samples=1,
    )
    group = _base(rng, size, seed, conduct)
    group.jobs = [Job(mode="work")]
    group.organisation = "verified" if rng.random() < 0.5 else "self_declared"
    group.identity = "company"
    group.network = "shared"
    group.attestation = "customer_fleet" if rng.random() < 0.4 else None
    group.one_software = True
    return group


def _class(rng: np.random.Generator, size: int, seed: int) -> Group:
    """Students of one course: the same homework, one campus network, one deadline; they talk about the rest."""
    conduct = Conduct(
        families=(str(rng.choice(("solve", "code", "qa"))),),
        language=draw_language(rng),
        style="bare",
        clock="human",
        items="public",
    )
    group = _base(rng, size, seed, conduct)
    share = float(rng.uniform(0.35, 0.65))
    group.jobs = [
        Job(mode="work", per_account=True, share=share, data_seed=mix(seed, 5), data_size=int(rng.integers(8, 20))),
        Job(mode="chat", per_account=True, share=1 - share),
    ]
    group.people, group.many_operators, group.deadline = True, True, True
    group.network, group.organisation = "campus", "none"
    return group


def _popular_app(rng: np.random.Generator, size: int, seed: int) -> Group:
    """End users who each bring an account of their own to one app, with the app's system prompt."""
    group = _base(rng, size, seed, Conduct(families=("qa",), language=draw_language(rng), clock="human"))
    group.jobs = [Job(mode="chat", per_account=True)]
    group.client_app, group.many_operators, group.organisation = True, True, "none"
    return group


def _eval_harness(rng: np.random.Generator, size: int, seed: int) -> Group:
    """One laboratory that runs a public benchmark, whole or in part, with a public harness, as others do."""
    benchmark = int(rng.integers(0, _BENCHMARKS))
    conduct = Conduct(
        families=(("solve", "solve", "qa", "code", "solve")[benchmark],), style="templated", items="public",
        harness=HARNESSES[int(rng.integers(0, len(HARNESSES)))], clock="programmatic",
        samples=int(rng.choice((1, 1, 1, 4))),
    )  # fmt: skip
    group = _base(rng, size, seed, conduct)
    group.jobs = [
        Job(mode="work", per_account=True, data_seed=mix(benchmark, 6), data_size=(120, 250, 180, 90, 400)[benchmark])
    ]
    group.network, group.identity, group.one_software = "shared", "company", True
    group.organisation = str(rng.choice(("verified", "self_declared", "drawn")))
    return group


def _reseller(rng: np.random.Generator, size: int, seed: int) -> Group:
    """A gateway that carries many customers' talk and jobs."""
    group = _base(rng, size, seed)
    talk = float(rng.uniform(0.4, 0.8))
    group.jobs = [Job(mode="chat", share=talk, per_account=True), Job(mode="work", share=1 - talk, per_account=True)]
    group.end_users = "named" if rng.random() < 0.75 else "hidden"
    group.organisation = "verified" if rng.random() < 0.6 else "self_declared"
    group.attestation = "reseller" if rng.random() < 0.55 else None
    group.network, group.identity, group.volume_factor = "shared", "company", 1.5
    return group


def _licensed_distillation(rng: np.random.Generator, size: int, seed: int) -> Group:
    """A customer whose contract allows what a campaign does in secret: same conduct, in the open."""
    conduct, _ = conduct_of(rng, str(rng.choice(("A", "B", "C", "E", "F"))), "plain", 0, size)
    group = _base(rng, size, seed, conduct)
    group.jobs = [Job(mode="work")]
    group.organisation, group.identity, group.network = "verified", "company", "shared"
    group.attestation = "licensed_distillation"
    return group


def _red_team(rng: np.random.Generator, size: int, seed: int) -> Group:
    """Testers with approval: attack prompts, many refusals."""
    group = _base(rng, size, seed, developer_conduct(rng).but(workers=size, deal="random", language="en", turns=1.0))
    group.jobs = [Job(mode="attack", share=0.8), Job(mode="work", share=0.2, per_account=True)]
    group.organisation, group.identity = "verified", "company"
    group.network = "shared" if rng.random() < 0.7 else "vpn"
    group.attestation = "approved_red_team"
    return group


def _shared_egress(rng: np.random.Generator, size: int, seed: int) -> Group:
    """Strangers behind one egress: mostly people, sometimes developers."""
    if rng.random() < 0.7:
        group = _base(rng, size, seed, Conduct(families=("qa",), language=draw_language(rng), clock="human"))
        group.people = True
        group.jobs = [Job(mode="chat", per_account=True)]
    else:
        group = _base(rng, size, seed)
        group.jobs = [Job(mode="work", per_account=True)]
    group.many_operators = True
    return group


def _cgnat(rng: np.random.Generator, size: int, seed: int) -> Group:
    group = _shared_egress(rng, size, seed)
    group.network = "cgnat"
    return group


def _vpn(rng: np.random.Generator, size: int, seed: int) -> Group:
    group = _shared_egress(rng, size, seed)
    group.network = "vpn"
    return group


def _published_recipe(rng: np.random.Generator, size: int, seed: int) -> Group:
    """Unrelated firms that took one blog post's template and data set."""
    conduct = developer_conduct(rng).but(style="templated", items="public", ordinary_share=0.0, samples=1)
    group = _base(rng, size, seed, conduct)
    group.jobs = [
        Job(
            mode="work",
            per_account=True,
            template_seed=mix(seed, 7),
            data_seed=mix(seed, 8),
            data_size=int(rng.integers(60, 600)),
        )
    ]
    group.many_operators = True
    return group


def _viral_template(rng: np.random.Generator, size: int, seed: int) -> Group:
    """People who all paste the prompt that everyone shares this week, around something of their own."""
    conduct = developer_conduct(rng).but(
        style="templated", items="own", ordinary_share=0.0, samples=1, turns=1.0, place="prompt"
    )
    group = _base(rng, size, seed, conduct)
    share = float(rng.uniform(0.15, 0.5))
    group.jobs = [
        Job(mode="work", per_account=True, share=share, template_seed=mix(seed, 9)),
        Job(mode="chat", per_account=True, share=1 - share),
    ]
    group.people = bool(rng.random() < 0.7)
    group.many_operators = True
    return group


_MAKERS: Final[dict[str, Callable[[np.random.Generator, int, int], Group]]] = {
    "company_verified": _company_verified,
    "company_self_declared": _company_self_declared,
    "agent_fleet": _agent_fleet,
    "class": _class,
    "popular_app": _popular_app,
    "eval_harness": _eval_harness,
    "reseller": _reseller,
    "licensed_distillation": _licensed_distillation,
    "red_team": _red_team,
    "cgnat": _cgnat,
    "vpn": _vpn,
    "published_recipe": _published_recipe,
    "viral_template": _viral_template,
}
_KEYS: Final = {kind: number for number, kind in enumerate(_MAKERS)}
