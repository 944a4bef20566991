"""Everything that `make bench` compares, one after the other; exits non-zero when a goal is missed."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable

from benchmarks import durable, finished, memory, others, postgresql, signatures, step


def main() -> int:
    print(f"Python {platform.python_version()} on {platform.machine()}")
    # All are shown, even after a miss.
    parts: list[Callable[[], int]] = [
        step.main, durable.main, postgresql.main, others.main, finished.main, memory.main, signatures.main,
    ]  # fmt: skip
    missed = [part() for part in parts]
    return max(missed)


if __name__ == "__main__":
    sys.exit(main())
