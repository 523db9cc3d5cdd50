"""The built-in tactics: words, settings and repetitions that the public reports describe.

Every one names its reason, its MITRE ATLAS technique and the innocent work that looks the same. How often each is met
in public prompts of honest people is measured in `benchmarks/detection/tactics.md`. Comes from the reports; goes on to
`signals.tactics`.
"""

from __future__ import annotations

from typing import Final

from spiritsafe.signals.tactics import Repeats, Setting, Tactic
from spiritsafe.sketch.patterns import TextTactic


def _tactic(
    name: str,
    *patterns: tuple[str, float],
    takes: str,
    rationale: str,
    technique: tuple[str, str],
    innocent: str,
    settings: tuple[Setting, ...] = (),
    repeats: Repeats | None = None,
) -> Tactic:
    return Tactic(TextTactic(name, "1", patterns), takes, rationale, *technique, innocent, settings, repeats)


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

LOGPROB_HARVESTING: Final = _tactic(
    "logprob_harvesting",
    (r"\b(?:top[- ]?\d+|most likely|next) tokens?\b.{0,60}\bprobabilit(?:y|ies)\b", 0.6),
    (r"\b(?:token|per-token|log)[- ]?prob(?:abilitie|ability|)s?\b", 0.5),
    (r"\blogits?\b.{0,40}\b(?:for|of|over) (?:each|every|the next) tokens?\b", 0.6),
    settings=(Setting("logprobs"), Setting("logit_bias")),
    takes="probabilities of tokens",
    rationale="Probabilities say more of a model than its words: with them a student learns from fewer answers.",
    technique=_EXTRACT,
    innocent="classification with confidences, evaluation harnesses, constrained output",
)  # fmt: skip

MANY_SAMPLES: Final = _tactic(
    "many_samples",
    (r"\b(?:give|generate|write|produce|sample)\b.{0,20}\b(?:[4-9]|\d{2,}|several|multiple|many) "
     r"(?:different|diverse|distinct|independent|separate) (?:answers|responses|solutions|completions|samples)\b",
     0.6),
    settings=(Setting("choice_count", least=4),),
    repeats=Repeats(times=4),
    takes="many samples of one answer",
    rationale="A verifier sorts several answers to one question: the best are kept, or pairs become preferences.",
    technique=_EXTRACT,
    innocent="self-consistency, creative work, load tests, clients that try again",
)  # fmt: skip

MODEL_COMPARISON: Final = _tactic(
    "model_comparison",
    (r"\b(?:response|answer|output|model|assistant) (?:a|1)\b", 0.3),
    (r"\b(?:response|answer|output|model|assistant) (?:b|2)\b", 0.3),
    (r"\b(?:another|the other|a different|competing|our) (?:language )?model(?:'s)? "
     r"(?:answer|response|output|completion)s?\b", 0.5),
    (r"\b(?:gpt|claude|gemini|llama|qwen|deepseek|mistral|kimi|glm)[-\w.]*(?:'s)? (?:answer|response|output)s?\b", 0.5),
    repeats=Repeats(models=2),
    takes="comparison with another model",
    rationale="A student's answers are held against the teacher's to find what to ask next.",
    technique=_EXTRACT,
    innocent="buyers who compare models, routers, a move from one model to another",
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
    LOGPROB_HARVESTING,
    MANY_SAMPLES,
    MODEL_COMPARISON,
)
"""The built-in tactics. They come in by the same door as anybody's: `signals.tactics.installed_tactics`."""
