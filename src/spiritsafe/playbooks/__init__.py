"""How is a response written down so that a machine can run it and a person approves it?

In: a CACAO 2.0 playbook, as JSON. Out: a playbook that is whole (its schema, its steps, its references, its signature),
or what is wrong with it, place by place. Running it comes on top of this.
Read `model`, then `reading` (what is checked in which order), `checks`, `conditions`, `signatures`.
"""
