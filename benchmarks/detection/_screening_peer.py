"""nomenklatura's matcher over the same names, in an environment of its own: it pins other versions than ours.

Reads JSON lines `[query, kind]` after a first line with the pool `[[name, kind], ...]`; writes the best score and its
place in the pool, one line a query.
"""

import json
import sys

from followthemoney import EntityProxy
from nomenklatura.matching import LogicV2

SCHEMATA = {"person": "Person", "organization": "Organization", "unknown": "LegalEntity", "other": "Organization"}


def entity(number: str, name: str, kind: str) -> EntityProxy:
    return EntityProxy.from_dict({"id": number, "schema": SCHEMATA[kind], "properties": {"name": [name]}})


def main() -> None:
    config = LogicV2.default_config()
    pool = [entity(str(number), name, kind) for number, (name, kind) in enumerate(json.loads(sys.stdin.readline()))]
    for number, line in enumerate(sys.stdin):
        asked = entity(f"q{number}", *json.loads(line))  # it remembers names by id
        scores = [LogicV2.compare(asked, one, config).score for one in pool]
        best = max(range(len(pool)), key=scores.__getitem__)
        print(json.dumps([scores[best], best]), flush=True)


if __name__ == "__main__":
    main()
