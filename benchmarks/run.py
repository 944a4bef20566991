"""Everything that `make bench` compares, one after the other; exits non-zero when a goal is missed."""

from __future__ import annotations

import platform
import sys

from benchmarks import durable, step


def main() -> int:
    print(f"Python {platform.python_version()} on {platform.machine()}")
    missed = [step.main(), durable.main()]  # all are shown, even after a miss
    return max(missed)


if __name__ == "__main__":
    sys.exit(main())
