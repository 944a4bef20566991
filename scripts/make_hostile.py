"""Write docs/hostile.md: what three verifiers say of hostile documents. Needs pdfsig (poppler).

`python scripts/make_hostile.py`, or `--check` to only compare; not a part of `make docs`, which needs no programs.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from qcp_sdk.testing import hostile
from qcp_sdk.testing.hostile.verdicts import agrees, ours, pdfsig, pyhanko

PAGE = Path(__file__).resolve().parents[1] / "docs" / "hostile.md"

HEAD = """<!-- Made by `python scripts/make_hostile.py`. Do not edit: mend src/qcp_sdk/testing/hostile/. -->

# Hostile documents

What verification says of documents that are altered, endless, contradictory or forged; beside it what two others say:
pyHanko's own `async_validate_pdf_signature`, and `pdfsig` of poppler (the signature's value, and whether it covers the
whole file). All trust the same authority, and know that nobody was revoked. Where somebody comes to another answer
than ours (it passes or it does not), the last column says why.

Every one is verified in the tests in a process that may not take more than 1 GiB: one clear error or one
verdict, never an exception of a library. Make them for the tests of your own platform:

```python
from qcp_sdk.testing import hostile

kit = hostile.Kit()
bomb = next(one for one in hostile.ALL if one.name == "page-loop")
assert bomb.make(kit).startswith(b"%PDF")
```

Made with pyHanko {pyhanko} and {pdfsig}.

"""

FUZZ = """
## By chance

`make fuzz` changes signed documents, certificates and lists at random (flips, cuts, doublings, zeros, structure) for as
long as you like (`make fuzz SECONDS=3600 SEED=7`), a short part of it runs with the tests, from a fixed seed. What it
asks: no foreign exception, and never a PASSED that the unchanged document would not have had.
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    asked = parser.parse_args()
    program = shutil.which("pdfsig")
    if program is None:
        print("pdfsig is not installed", file=sys.stderr)
        return 2
    named = subprocess.run([program, "-v"], capture_output=True, text=True, check=False).stderr.splitlines()[0]
    kit = hostile.Kit()
    trust = kit.trust()
    rows = []
    unexplained = []
    for one in hostile.ALL:
        content = one.make(kit)
        mine, poppler, classic = ours(content, trust), pdfsig(content, program), pyhanko(content, kit)
        if not (agrees(mine, poppler) and agrees(mine, classic)) and not one.differs:
            unexplained.append(f"{one.name}: ours {mine}; pdfsig {poppler}; pyHanko {classic}")
        if agrees(mine, poppler) and agrees(mine, classic) and one.differs:
            unexplained.append(f"{one.name}: everybody agrees, and a difference is explained")
        rows.append(f"| `{one.name}` | {one.what} | {mine} | {poppler} | {classic} | {one.differs} |")
    lines = [
        "| document | what was done | ours | pdfsig | pyHanko | why others differ |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    text = HEAD.format(pyhanko=version("pyhanko"), pdfsig=named) + "\n".join([*lines, *rows]) + "\n" + FUZZ
    for line in unexplained:
        print(line, file=sys.stderr)
    if asked.check:
        return 1 if unexplained or PAGE.read_text("utf-8") != text else 0
    PAGE.write_text(text, "utf-8")
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
