"""Our store and ledger on PostgreSQL, for these journeys: each trial in a schema of its own.

`QCP_CRASHES_URL` says where the server is; the test suite starts one (`qcp_sdk.testing.postgres`). A process that is
killed leaves its session to the server, which may still keep what it was sent: that too must come out right.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from sqlalchemy import Engine, create_engine
from sqlalchemy.schema import DropSchema

from qcp_sdk.adapters.sql.ledger import SqlLedger
from qcp_sdk.adapters.sql.store import SqlStore
from qcp_sdk.ports.clock import Clock
from qcp_sdk.testing.crashes.site import CABINET, CREDIT, TRIAL
from qcp_sdk.values import Key

URL: Final = "QCP_CRASHES_URL"


def store(folder: Path) -> SqlStore:
    """Open the store of this trial."""
    engine, schema = _engine(), _schema(folder)
    _drop_before(engine, schema)
    made = SqlStore(engine, schema=schema)
    made.create_schema()
    return made


def books(folder: Path, clock: Clock) -> SqlLedger:
    """Open the ledger of this trial, with the cabinet's credit: paid in once, however often it is said."""
    made = SqlLedger(_engine(), clock=clock, schema=_schema(folder))
    made.create_schema()
    made.credit(key=Key("credit"), cabinet=CABINET.id, amount=CREDIT, memo="prepaid credit")
    return made


def _engine() -> Engine:
    return create_engine(os.environ[URL])


def _schema(folder: Path) -> str:
    return f"t{(folder / TRIAL).read_text()}"


def _drop_before(engine: Engine, schema: str) -> None:
    """Drop what the trial before this one left, so that a thousand trials fill no disk."""
    run, _, number = schema.rpartition("_")
    if run:
        with engine.begin() as connection:
            connection.execute(DropSchema(f"{run}_{int(number) - 1}", cascade=True, if_exists=True))
