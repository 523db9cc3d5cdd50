"""Made-up prompts: phrases of a template, and phrases of the data that it is run over."""

import numpy as np

from spiritsafe.links.asked import Asked

TEMPLATE = tuple(range(8))
PHRASES_OF_A_PROMPT = 10
VOCABULARY = 2_000


def source(number):
    """Phrases that one source of data is made of: no two sources have one in common."""
    return 1_000_000 * (number + 1) + np.arange(VOCABULARY)


def prompts_of(random, vocabulary, count, *, template=TEMPLATE):
    """Prompts of one account: the template, and phrases of its data, of which a few are said more often."""
    rank = np.arange(1, len(vocabulary) + 1)
    odds = 1 / (rank + 20.0)
    odds /= odds.sum()
    said = [random.choice(vocabulary, PHRASES_OF_A_PROMPT, replace=False, p=odds) for _ in range(count)]
    return [np.append(np.array(template, dtype=np.int64), phrases) for phrases in said]


def asked_by(accounts, *, items=None):
    """`Asked` of accounts 0, 1, ... from their lists of prompts; every prompt is another one unless `items` says."""
    every = [prompt for prompts in accounts for prompt in prompts]
    account = np.repeat(np.arange(len(accounts)), [len(prompts) for prompts in accounts]).astype(np.int64)
    return Asked(
        account,
        np.arange(1, len(every) + 1) if items is None else np.asarray(items),
        np.concatenate([np.empty(0, dtype=np.int64), *every]).astype(np.int64),
        np.concatenate([[0], np.cumsum([len(prompt) for prompt in every])]).astype(np.int64),
    )


def from_one_source(random, accounts, count=20):
    """Accounts among which one source is dealt out."""
    return [prompts_of(random, source(0), count) for _ in range(accounts)]


def each_its_own(random, accounts, count=20):
    """Accounts that use one template on data of their own."""
    return [prompts_of(random, source(number), count) for number in range(accounts)]


def strangers(random, *, alike=0, near=0, others=0):
    """People with wording of their own: some ask about the first source, some now and then, others never."""
    own = tuple(range(50, 58))
    return [
        *[prompts_of(random, source(0), 6, template=own) for _ in range(alike)],
        *[
            [*prompts_of(random, source(0), 2, template=own), *prompts_of(random, source(200 + n), 6, template=own)]
            for n in range(near)
        ],
        *[prompts_of(random, source(300 + n), 6, template=own) for n in range(others)],
    ]
