"""The command `qcp-sdk simulate`: what it prints, and where it keeps a failure."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from qcp_sdk.errors import InvalidInput
from qcp_sdk.testing.simulation.case import Case
from qcp_sdk.testing.simulation.faults import CLASSES, chosen
from qcp_sdk.testing.simulation.parts import Parts
from qcp_sdk.testing.simulation.run import Simulation, replay, simulate

LAST: Final = 40
"""How many lines of a trace are printed; the file holds them all."""


def command(asked: argparse.Namespace) -> bool:
    """Simulate, or replay; print what was found, and say whether everything held.

    Raises:
        InvalidInput: A class of faults that is none, or a file that is no trace or cannot be written.
    """
    if asked.replay is not None:
        return _replayed(asked)
    faults = chosen(asked.faults.split(",")) if asked.faults is not None else tuple(CLASSES)
    found = simulate(
        subscriptions=asked.subscriptions,
        seed=asked.seed,
        faults=faults,
        sealed=asked.sealed,
        jobs=asked.jobs,
        progress=None if asked.json or not sys.stderr.isatty() else _progress(asked.subscriptions),
    )
    if asked.trace is not None and found.violations:
        _write(asked.trace, found.violations[0])
    if asked.json:
        print(json.dumps(found.to_json(), ensure_ascii=False, indent=2))
    else:
        _print(found, asked.trace)
    return not found.violations


def _progress(all: int) -> Callable[[Simulation], None]:
    def told(found: Simulation) -> None:
        if found.subscriptions % 1_000 == 0:
            print(f"\r{found.subscriptions} of {all}, {found.per_second:.0f} a second ", end="", file=sys.stderr)

    return told


def _print(found: Simulation, kept: Path | None) -> None:
    for ending, number in sorted(found.ends.items(), key=lambda one: (-one[1], one[0])):
        print(f"{number:>8} {ending}")
    held = "every invariant holds" if not found.violations else f"{len(found.violations)} violated"
    books = "the ledger is balanced" if found.balanced else "the books were not closed everywhere"
    print(f"{found.subscriptions} subscriptions, seed {found.seed}: {held}, {books}")
    trouble = sum(found.happened.values())
    speed = f"{found.seconds:.1f} s of one core, {found.per_second:.0f} a second"
    print(f"{found.opened} opened, {found.facts} facts, {trouble} faults; {speed}")
    for case in found.violations:
        _show(case)
    if found.violations and kept is not None:
        print(f"the first is kept: qcp-sdk simulate --replay {kept}")


def _show(case: Case) -> None:
    print(f"\nVIOLATION {case.invariant} ({case.about}), seed {case.seed}")
    print(f"  it takes {len(case.people)} of the town's people, and {len(case.faults)} faults:")
    for name, fault in case.faults.items():
        print(f"  {name}: {fault}")
    for line in case.trace[-LAST:]:
        print(f"    {line}")


def _replayed(asked: argparse.Namespace) -> bool:
    case = Case.read(asked.replay)
    again = replay(case, parts=Parts(sealed=asked.sealed))
    if asked.json:
        violations = [] if again is None else [again.to_json()]
        print(json.dumps({"replayed": asked.replay.name, "violations": violations}, ensure_ascii=False, indent=2))
    elif again is None:
        print(f"it holds now: {case.invariant} ({case.about})")
    else:
        _show(again)
    return again is None


def _write(path: Path, case: Case) -> None:
    try:
        path.write_text(json.dumps(case.to_json(), ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise InvalidInput(
            f"it cannot be written ({error.strerror})", where=path.name, mend="name a file in a folder that exists"
        ) from error
