"""What a degraded answer may lack: each measure by its name, and nothing that makes an answer wrong.

Comes from the policy; the doors carry them out. All of them leave out or limit; none changes what an answer says.
"""

from __future__ import annotations

from typing import Final

MEASURES: Final = {
    "withhold_reasoning": "reasoning traces are left out of the answer",
    "no_logprobs": "probabilities of tokens are left out",
    "no_logit_bias": "logit bias is not applied",
    "limit_tokens": "the answer ends after a limit of tokens",
}
"""Measure to what it does, in words that the holder of the account may read."""
