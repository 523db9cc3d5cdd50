"""Does an answer carry the reasoning that is withheld from it?

In: the reasoning and the answer of one exchange, as they come, and the prompt. Out: how much of the answer may leave,
and, where it carries the reasoning, how. Verbatim or in part, with words dropped or put in, each letter moved along the
alphabet, spelled backwards, in base 16, 32 or 64, in characters that nobody sees. It changes no word: an answer that
carries withheld reasoning ends where it begins to. Read `checking` first, then `chains`.
"""
