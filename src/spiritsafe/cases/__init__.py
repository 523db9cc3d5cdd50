"""What do people do about a finding? They review it, decide, act, notify, and hear appeals.

In: a scan's folder (`campaigns.json` and its tables), and what persons decide. Out: records in the ledger, and
tables that tell from the ledger where each case stands. Nothing is decided here by a score: a case opens because a
scan says `campaign`, and everything after that is a named person's word or a named rule's.
Read `life` (which move may follow which), then `book` (how a thing is filed and told), then the verbs: `opening`,
`moves`, `actions`, `appeals`, `attestations`, `notices`.
"""
