"""The words around the tables of `benchmarks.speed.scan`."""

from __future__ import annotations

from typing import Final

PAGE: Final = """# The speed of a scan

How many requests a second does `spiritsafe scan` read, in how much memory, and does either get worse with size?

```
.venv/bin/python -m benchmarks.speed.scan
```

{machine} The highest load average at the beginning of a run was {load:.1f}: above 2 others were using the machine,
the seconds are then too long and the seconds of processor are the better measure.

A scan is measured as a process, from its start to its end, with two workers and DuckDB limited to 3 GiB (the
defaults). Memory is the largest sum over its processes of what is theirs, a shared page counted once, looked at every
250 ms. {runs} The logs are composed
(`spiritsafe prove compose --preset bench`), one Parquet file in order of time, row groups of 65,536, zstd. Half of the
prompts are longer than {median:.0f} characters; composed they were {composed:.0f}, and where that is below 300, short
ones were joined with their account's next one. Accounts, their events and attestations are given too.

## The goals

{goals}
## By requests

{by_requests}
*At most*: what two idle cores could reach if the work were shared evenly, from the seconds of processor. `sketch` here
makes no pseudonyms.

{linear}
Seconds (and seconds of processor) a request, divided by those of the smallest log; 1 is linear.

## By accounts

{by_accounts}
## Beside one pass over the same data

{others}
The DuckDB pass only reads: no scan can be faster. The near-duplicate pass shows what the usual first step of another
way costs, on prompts alone, before any account is compared; the library runs in one process, shingling in Python.

## A value that everybody has

{popular}
Ten thousand honest developers who all send one TLS fingerprint, and the same log in which each has one of its own.

## Where the time goes

Seconds, and in brackets seconds of processor. The work of the sketching processes counts where they end.

{stages}
## What this does not show

Composed prompts, whose words are fewer and come back more often than people's; a warm page cache; a local disk; two
cores. Text formats (JSONL, CSV, OTLP) are read more slowly than Parquet and are not measured here.
"""
