"""What a request can show of a known way to take a model's capabilities.

Each tactic has its reason, its MITRE ATLAS technique and the innocent work that looks the same. A prompt's
words alone prove nothing (a classifier on prompt text reaches AUC 0.96 on sources it has seen and 0.64 on
others), so a tactic ranks and explains a group that other evidence found; it never makes one.

The patterns are RE2, matched without regard to case. Comes from the sketcher, which counts them; goes on to
`signals.batch`.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from spiritsafe.plugins import Door
from spiritsafe.sketch.model import TextTactic

if TYPE_CHECKING:
    from spiritsafe.plugins import PluginFault


@dataclass(frozen=True, slots=True)
class Tactic:
    """A tactic: what it takes, why it matters, where ATLAS lists it and who does the same honestly."""

    text: TextTactic
    takes: str
    rationale: str
    technique_id: str
    technique_name: str
    innocent: str
    api_version: int = 1

    @property
    def name(self) -> str:
        return self.text.name


def _tactic(
    name: str,
    *patterns: tuple[str, float],
    takes: str,
    rationale: str,
    technique: tuple[str, str],
    innocent: str,
) -> Tactic:
    return Tactic(TextTactic(name, "1", patterns), takes, rationale, *technique, innocent)


_EXTRACT = ("AML.T0024.002", "Extract AI Model")

REASONING_ELICITATION: Final = _tactic(
    "reasoning_elicitation",
    (r"\b(?:step[- ]by[- ]step|chain[- ]of[- ]thought)\b", 0.4),
    (r"\b(?:full|complete|entire|detailed|internal|hidden) (?:reasoning|thought process|thinking)\b", 0.6),
    (r"\b(?:explain|reconstruct|write out|show) (?:all )?(?:the|your) (?:reasoning|thinking)\b", 0.5),
    (r"<(?:think|thinking|reasoning|scratchpad)>", 0.6),
    (r"(?:推理过程|思考过程|一步一步|逐步)", 0.4),
    takes="reasoning",
    rationale="Reasoning traces are the most valuable training data for a rival reasoning model.",
    technique=_EXTRACT,
    innocent="tutoring, debugging, and most advice on prompting asks for steps",
)  # fmt: skip

RUBRIC_GRADING: Final = _tactic(
    "rubric_grading",
    (r"\b(?:rubric|grading criteria|scoring guide(?:lines)?)\b", 0.5),
    (
        r"\b(?:score|rate|grade)\b.{0,60}\b(?:from|between|scale of|out of) ?(?:0|1|5|10|100)"
        r"\b.{0,20}\b(?:to|and|-) ?(?:5|10|100)\b",
        0.5,
    ),
    (r"\bwhich (?:response|answer|completion) is better\b", 0.6),
    (r"\b(?:reward model|preference (?:pair|label|data)|pairwise comparison)\b", 0.6),
    takes="judgement (the model as a reward model)",
    rationale="Scores and preferences train a reward model without human labels.",
    technique=_EXTRACT,
    innocent="teachers, evaluation of one's own product, quality control",
)  # fmt: skip

DATASET_GENERATION: Final = _tactic(
    "dataset_generation",
    (r"\b(?:generate|create|write|produce) (?:a (?:set|list) of )?\d+ (?:\w+ ){0,3}"
     r"(?:examples|questions|instructions|samples|pairs|prompts)\b", 0.5),
    (r"\b(?:training (?:data|examples|set)|fine-?tun\w+ data|synthetic data(?:set)?|instruction[- ]tuning)\b",
     0.6),
    (r"\bjsonl\b", 0.4),
    (r"\b(?:seed|given) instruction\b", 0.5),
    (r"(?:生成\d+个|训练数据|数据集)", 0.5),
    takes="training data",
    rationale="Asks for data in the form in which models are trained.",
    technique=_EXTRACT,
    innocent="test fixtures, quizzes, lawful synthetic data",
)  # fmt: skip

POLICY_REWRITING: Final = _tactic(
    "policy_rewriting",
    (r"\brewrite\b.{0,80}\b(?:neutral|acceptable|sensitive|censor\w*|compliant|politically)\b", 0.6),
    (r"\b(?:avoid|bypass|evade|pass)\b.{0,40}\b(?:filter|moderation|censorship|detection)\b", 0.5),
    takes="rewriting to pass a policy",
    rationale="Answers reworded to pass a censor train a model that must pass one.",
    technique=_EXTRACT,
    innocent="editors, advertising, safety research",
)  # fmt: skip

TOOL_TRAJECTORY: Final = _tactic(
    "tool_trajectory",
    (r"\b(?:tool[- ]?calls?|function[- ]?calls?|available tools|tool use)\b", 0.3),
    (r"\b(?:thought|action|observation):", 0.5),
    (r"\b(?:agent(?:ic)?|multi-?step) (?:trajectory|trajectories|rollouts?|trace)\b", 0.6),
    takes="agentic behaviour",
    rationale="Whole trajectories of tool use train rival agents.",
    technique=_EXTRACT,
    innocent="nearly every agent framework",
)  # fmt: skip

JAILBREAK: Final = _tactic(
    "jailbreak",
    (r"\b(?:ignore|disregard|forget) (?:all |any )?(?:previous|prior|above|your) "
     r"(?:instructions|rules|guidelines)\b", 0.6),
    (r"\b(?:do anything now|developer mode|jailbr\w+|unfiltered|no restrictions)\b", 0.5),
    (r"\bpretend (?:you are|to be)\b.{0,80}\b(?:no|without) (?:rules|limits|restrictions|filters?)\b", 0.6),
    takes="guarded capabilities",
    rationale="Guarded answers are worth more to a rival and are reached only by a jailbreak.",
    technique=("AML.T0054", "LLM Jailbreak"),
    innocent="approved red teams, curious users",
)  # fmt: skip

SYSTEM_PROBE: Final = _tactic(
    "system_probe",
    (r"\b(?:repeat|reveal|print|output|show)\b.{0,40}\b(?:system prompt|initial instructions|"
     r"text above|words above|hidden instructions)\b", 0.7),
    (r"\bwhat (?:is|are|were) your (?:system prompt|(?:initial|original) instructions)\b", 0.6),
    takes="system prompt and internal logic",
    rationale="How a model is steered is proprietary.",
    technique=("AML.T0056", "Extract LLM System Prompt"),
    innocent="developers testing their own application",
)  # fmt: skip

TRAINING_DATA_PROBE: Final = _tactic(
    "training_data_probe",
    (r"\brepeat\b.{0,30}\b(?:forever|infinitely|indefinitely)\b", 0.7),
    (r"\b(?:verbatim|word for word)\b", 0.3),
    (r"\bcontinue (?:the following|this) (?:text|passage)\b", 0.3),
    (r"\[MASK\]|\bfill in the (?:blank|masked)\b", 0.3),
    takes="training data of the model",
    rationale="Shows what the model was trained on.",
    technique=("AML.T0024.000", "Infer Training Data Membership"),
    innocent="memorisation research, quotations, language exercises",
)  # fmt: skip

TACTICS: Final[tuple[Tactic, ...]] = (
    REASONING_ELICITATION,
    RUBRIC_GRADING,
    DATASET_GENERATION,
    POLICY_REWRITING,
    TOOL_TRAJECTORY,
    JAILBREAK,
    SYSTEM_PROBE,
    TRAINING_DATA_PROBE,
)
"""The built-in tactics. They come in by the same door as anybody's: `installed_tactics`."""

TACTIC_THRESHOLD: Final = 0.5
"""A request counts towards a tactic from this score on: one strong pattern, or two weak ones."""


class TacticPlugin(Protocol):
    """What an entry point of the group `spiritsafe.tactics` must have; `Tactic` is one way to have it."""

    text: TextTactic
    takes: str
    rationale: str
    technique_id: str
    technique_name: str
    innocent: str


DOOR: Final = Door("spiritsafe.tactics", TacticPlugin, api_version=1)


@functools.cache
def installed_tactics() -> tuple[TacticPlugin, ...]:
    """Every tactic that is installed, built-in or not, by name. One that cannot be used stops the run by name.

    Raises
    ------
    PluginFault
        A plugin is broken, of another version or of another shape: a scan without it would find less and not
        say so.
    """

    def refuse(fault: PluginFault) -> None:
        raise fault

    return tuple(DOOR.load_all(report=refuse).values())


def text_tactics() -> tuple[TextTactic, ...]:
    """What the sketcher must look for."""
    return tuple(tactic.text for tactic in installed_tactics())
