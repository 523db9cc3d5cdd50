"""How is a response written down so that a machine can run it and a person approves it?

In: a CACAO 2.0 playbook, as JSON. Out: a playbook that is whole (its schema, its steps, its references, its signature),
or what is wrong with it, place by place; and which action comes next, given how the ones before it went.
Read `model`, then `reading` (what is checked in which order), `machine` (what comes next), `signatures`.
"""
