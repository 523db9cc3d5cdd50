"""Run the benchmarks, all or those whose path begins as asked: `python scripts/bench.py [speed[/scan]] [options]`.

Options (`--quick`) go on to each. Every one is run even when an earlier one failed; the exit code says whether
any did. Comes from the files in benchmarks/; their tables go to the Markdown file beside each.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
MISSING_DATA: Final = 5


def main(arguments: list[str]) -> int:
    """Returns 0 when all went well, 5 when only data was missing, else 1."""
    wanted = [argument for argument in arguments if not argument.startswith("-")] or [""]
    options = [argument for argument in arguments if argument.startswith("-")]
    folder = ROOT / "benchmarks"
    names = [
        str(path.relative_to(folder).with_suffix(""))
        for path in sorted(folder.glob("*/*.py"))
        if not path.name.startswith("_")
    ]
    chosen = [name for name in names if any(name.startswith(start) for start in wanted)]
    if not chosen:
        print(f"no benchmark begins with {' or '.join(wanted)}; there are: {', '.join(names)}", file=sys.stderr)
        return 2
    left = {}
    for name in chosen:
        print(f"== {name}", flush=True)
        begun_s = time.monotonic()
        module = f"benchmarks.{name.replace('/', '.')}"
        left[name] = subprocess.run([sys.executable, "-m", module, *options], cwd=ROOT, check=False).returncode
        print(f"== {name}: left with {left[name]} after {time.monotonic() - begun_s:.0f} s", flush=True)
    failed = {name: code for name, code in left.items() if code}
    if failed:
        print("not done: " + ", ".join(f"{name} ({code})" for name, code in failed.items()), file=sys.stderr)
    return 0 if not failed else MISSING_DATA if set(failed.values()) == {MISSING_DATA} else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
