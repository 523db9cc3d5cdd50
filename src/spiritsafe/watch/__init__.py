"""watch: what changed, and who has to know of it?

In come scans and the cases that persons decided; out goes the roster that the guards read. Read `rosters`.
"""
