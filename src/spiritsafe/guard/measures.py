"""What a degraded answer may lack or bear: each measure by its name, and nothing that makes an answer wrong.

Comes from the policy; the doors carry them out. All leave out, limit or mark; none makes an answer wrong.
"""

from __future__ import annotations

from typing import Final

MEASURES: Final = {
    "withhold_reasoning": "reasoning traces are left out of the answer",
    "summarise_reasoning": "of reasoning only the summary that the model gives is in the answer",
    "check_leaks": "an answer that carries reasoning which is left out ends where it begins to",
    "no_logprobs": "probabilities of tokens are left out",
    "no_logit_bias": "logit bias is not applied",
    "limit_tokens": "the answer ends after a limit of tokens",
    "mark_answers": "the answer is sampled so that a model which is trained on it can be told",
}
"""Measure to what it does, in words that the holder of the account may read."""
