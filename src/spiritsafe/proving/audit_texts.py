"""The style of a prompt, and of an account's prompts, in plain counts.

Lengths, punctuation, word families that a distiller might use, how alike an account's own prompts are, and
hashed word pairs. Comes from `audit_world`; goes on to `audit_accounts` and `audit_models`. It is a fool's
detector on purpose: it shares no code with `sketch`, so that the yardstick does not bend with what it measures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from spiritsafe.proving.audit_rows import Columns

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spiritsafe.proving.audit_world import AuditWorld

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

CHARACTERS_READ: Final = 2000
WORD_BUCKETS: Final = 2**16
FOLDED_BUCKETS: Final = 96
PROMPTS_A_STYLE: Final = 8
CHARACTERS_A_STYLE: Final = 300

# Word families by what they ask for; matched without regard to case, once a prompt.
FAMILIES: Final = {
    "reasoning": r"step[ -]by[ -]step|chain of thought|reasoning|think aloud|show your work|explain (how|why)",
    "grading": r"rubric|grade|score|rate (the|this)|on a scale|evaluat|criteri|judge",
    "data_set": r"generate \d+|examples|diverse|data ?set|jsonl?|training|instruction|annotat|label",
    "internals": r"system prompt|your instructions|temperature|token|log ?prob|which model|context window",
    "only_output": r"only (the|with|output|return)|respond (only|with)|output format|do not include|no explanation",
    "rewriting": r"rewrite|rephrase|paraphrase|translate|summari[sz]e|simplif",
    "role": r"you are an? |act as|pretend|role ?play|imagine you",
    "politeness": r"please|thank|could you|would you",
    "first_person": r"\b(i|my|me|we|our)\b",
    "code": r"\bdef |function|class |python|javascript|import |select .* from|\berror\b|```",
    "mathematics": r"\d+ ?[-+*/=] ?\d+|equation|solve|prove|integral|probability",
    "agentic": r"\btools?\b|function call|plan|agent|browse|execute|sub-?task",
    "refusal": r"jailbreak|ignore (all|previous)|uncensored|without restriction|hypothetical",
}
CHARACTERS: Final = {
    "question": r"\?",
    "line": r"\n",
    "comma": r"[,，、]",
    "stop": r"[.。]",
    "quote": r"[\"'“”]",
    "bracket": r"[\[\](){}<>]",
    "digit": r"[0-9]",
    "capital": r"[A-Z]",
    "space": r"\s",
    "bullet": r"(?m)^\s*([-*•]|\d+[.)])",
}


def encode_texts(world: AuditWorld) -> Columns:
    """Style of each row's prompt and system prompt, and the parts by which an account's prompts resemble."""
    columns = Columns()
    for name in ("prompt", "system_prompt", "response", "assistant_prefill"):
        if name not in world.requests.column_names:
            continue
        column = world.requests.column(name)
        if column.null_count == len(column):
            continue
        _encode_text(name, column, columns, thorough=name == "prompt")
    return columns


def _encode_text(name: str, column: Any, columns: Columns, *, thorough: bool) -> None:
    import pyarrow as pa
    import pyarrow.compute as pc

    coded = column.combine_chunks().cast(pa.large_string()).dictionary_encode()
    index = coded.indices.fill_null(-1).to_numpy().astype(np.int64)
    texts = pc.utf8_slice_codeunits(coded.dictionary, 0, CHARACTERS_READ)
    letters = pc.utf8_length(texts).to_numpy().astype(np.float64)
    bytes_ = pc.binary_length(texts).to_numpy().astype(np.float64)
    numbers = {"length": pc.utf8_length(coded.dictionary).to_numpy().astype(np.float64)}
    columns.values[f"{name}.whole"] = index
    if thorough:
        some = np.maximum(letters, 1)
        numbers["bytes_a_letter"] = bytes_ / some
        for part, pattern in CHARACTERS.items():
            numbers[f"{part}_share"] = pc.count_substring_regex(texts, pattern).to_numpy() / some
        for family, pattern in FAMILIES.items():
            found = pc.match_substring_regex(texts, pattern, ignore_case=True)
            numbers[f"family_{family}"] = found.cast(pa.float64()).to_numpy()
        spaces = np.maximum(pc.count_substring_regex(texts, r"\s+").to_numpy() + 1, 1)
        numbers["letters_a_word"] = letters / spaces
        # The skeleton leaves what a template keeps when its numbers, names and spacing change.
        skeleton = pc.replace_substring_regex(texts, r"[A-Z0-9\s]+", " ")
        skeleton = pc.utf8_slice_codeunits(pc.utf8_lower(skeleton), 0, 80)
        parts = {
            "head": pc.utf8_slice_codeunits(texts, 0, 16),
            "long_head": pc.utf8_slice_codeunits(texts, 0, 48),
            "tail": pc.utf8_slice_codeunits(texts, -24, None),
            "skeleton": skeleton,
            "last_character": pc.utf8_slice_codeunits(texts, -1, None),
            "first_character": pc.utf8_slice_codeunits(texts, 0, 1),
        }
        for part, values in parts.items():
            numbered = values.dictionary_encode().indices.to_numpy().astype(np.int64)
            columns.values[f"{name}.{part}"] = np.append(numbered, -1)[index]
    for number, counted in numbers.items():
        columns.numbers[f"{name}.{number}"] = np.append(counted, np.nan)[index]


def sample_rows(account: Ints, accounts: int, most: int) -> Ints:
    """Row numbers, at most `most` an account, evenly spread over the file's order."""
    order = np.argsort(account, kind="stable")
    count = np.bincount(account, minlength=accounts)
    start = np.cumsum(count) - count
    chosen = [
        order[first + np.unique(np.linspace(0, size - 1, min(size, most)).round().astype(np.int64))]
        for first, size in zip(start, count, strict=True)
        if size
    ]
    return np.concatenate(chosen) if chosen else np.empty(0, np.int64)


def style_documents(world: AuditWorld) -> list[str]:
    """A sample of each account's prompts joined into one text; "" for an account without prompts."""
    documents: list[list[str]] = [[] for _ in range(world.accounts)]
    if "prompt" in world.requests.column_names:
        rows = sample_rows(world.account, world.accounts, PROMPTS_A_STYLE)
        prompts = world.requests.column("prompt").take(rows).to_pylist()
        for owner, prompt in zip(world.account[rows], prompts, strict=True):
            if prompt:
                documents[owner].append(prompt[:CHARACTERS_A_STYLE])
    return ["\n".join(parts) for parts in documents]


def hash_styles(documents: list[str]) -> Any:
    """Hashed words and word pairs of each account, a sparse matrix of shape (accounts, 65536), rows of length 1.

    Chinese and Japanese have no spaces: there a single character counts as a word.
    """
    from sklearn.feature_extraction.text import HashingVectorizer

    vectoriser = HashingVectorizer(
        n_features=WORD_BUCKETS,
        ngram_range=(1, 2),
        alternate_sign=False,
        norm=None,
        token_pattern=r"[\u3040-\u30ff\u4e00-\u9fff]|[^\W\u3040-\u30ff\u4e00-\u9fff]+|[^\w\s]",  # noqa: S106
    )
    counts = vectoriser.transform(documents)
    counts.data = np.log1p(counts.data)
    from sklearn.preprocessing import normalize

    return normalize(counts)


def fold_styles(styles: Any) -> dict[str, Floats]:
    """The hashed style folded into few dense columns, which trees can take."""
    coo = styles.tocoo()
    folded = np.zeros((styles.shape[0], FOLDED_BUCKETS))
    np.add.at(folded, (coo.row, coo.col % FOLDED_BUCKETS), coo.data)
    return {f"style.bucket_{place}": folded[:, place] for place in range(FOLDED_BUCKETS)}
