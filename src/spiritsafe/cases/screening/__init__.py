"""Is somebody behind a case on a list of sanctioned or restricted parties?

In: names and organisations, and lists that the user supplies (OFAC's files, the Consolidated Screening List,
FollowTheMoney entities). Out: hits, each with the list's version and digest, a score, and how the names fit. A hit is
a lead, which a person follows up; no hit is no clearance.
Read `lists` (what a list becomes), `names` (how two names fit), `screen` (the question), `filing` (the record).
"""
