"""Write tests/core/explored.json again, what exploration is expected to find: when a change of behaviour is meant.

`python scripts/make_explored.py` explores the machines and the small worlds (two minutes); `--full` the large ones too
(a quarter of an hour). Names given beside restrict it to those (`assembled`, `world:hosted`).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path

from qcp_sdk.testing.exploration import models
from qcp_sdk.testing.exploration.walk import Exploration

EXPLORED = Path(__file__).parent.parent / "tests" / "core" / "explored.json"


def explorations(*, full: bool) -> Iterator[tuple[str, Callable[[], Exploration]]]:
    """Give every exploration whose outcome is kept, by its name."""
    for name in models.MODELS:
        yield name, lambda name=name: models.run(name)  # type: ignore[misc]
    for budgets in (models.SMALL, models.LARGE) if full else (models.SMALL,):
        for name, budget in budgets.items():
            yield f"world:{name}", lambda name=name, budget=budget: models.run_world(name, budget)  # type: ignore[misc]


def main() -> int:
    """Explore, and write what was found beside what is kept of the others; give the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="only these")
    parser.add_argument("--full", action="store_true", help="the large worlds too")
    asked = parser.parse_args()
    kept = json.loads(EXPLORED.read_text("utf-8")) if EXPLORED.exists() else {}
    status = 0
    for name, explored in explorations(full=asked.full):
        if asked.names and name not in asked.names:
            continue
        found = explored()
        print(
            f"{found.model}: {found.states} states, {found.transitions} transitions, {found.seconds:.0f} s", flush=True
        )
        for violation in found.violations:
            status = 1
            print(f"VIOLATION {violation.invariant}: {' > '.join(violation.path)}")
        kept[found.model] = {"states": found.states, "transitions": found.transitions, "graph": found.graph}
        EXPLORED.write_text(json.dumps(kept, indent=2) + "\n", "utf-8")
    return status


if __name__ == "__main__":
    raise SystemExit(main())
