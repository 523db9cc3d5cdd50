"""What do we put before a court or an office?

In: a case's entries in the ledger, and nothing else. Out: one paper in twelve parts as HTML, PDF and JSON, with a
bundle of the entries it rests on and their proofs, so that a stranger can check it; of what may not leave the firm, a
version without it. Read `model`, then `filing` (what the ledger holds of a case), `building` (the twelve parts),
`rendering`.
"""
