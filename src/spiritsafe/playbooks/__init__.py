"""How is a response written down so that a machine can run it and a person approves it?

In: a CACAO 2.0 playbook, as JSON. Out: a playbook that is whole (its schema, its steps, its references, its signature),
or what is wrong with it, place by place; which action comes next, given how the ones before it went; and runs, told
from the ledger, that go on as far as persons agreed.
Read `model`, then `reading` (what is checked in which order), `machine` (what comes next), `runner` (how it is done),
`agreements` (by whose word), `orders` (who carries a command out). `library` holds the playbooks that ship.
"""
