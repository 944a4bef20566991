"""`make fuzz`: change documents, certificates and lists at random, from a seed, for as long as you like."""

from __future__ import annotations

import argparse
import sys

from qcp_sdk.testing.hostile.fuzzing import Fuzz


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    tried = Fuzz(asked.seed).run(seconds=asked.seconds)
    for one in tried.faults:
        print(one)
    print(f"seed {tried.seed}: {tried.inputs} inputs, {tried.passed} passed unharmed, {len(tried.faults)} faults")
    return 1 if tried.faults else 0


if __name__ == "__main__":
    sys.exit(main())
