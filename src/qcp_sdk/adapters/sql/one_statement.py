"""A whole commit as one statement: data-modifying CTEs, which PostgreSQL performs together or not at all.

One round trip, where a statement a table and a COMMIT take six or more. What the batch rests on (versions, tokens,
claims) is checked by the statement itself: it divides by zero where something is not as expected, which undoes
everything. Why is then found out by the ordinary path, statement by statement, and said in its words.
(postgresql.org/docs/current/queries-with.html § 7.8.4: all parts see one snapshot, so a batch that gives up and
takes one claim, or whose inbox forgets what it records, takes the ordinary path from the start.)
"""

# ruff: noqa: S608 - the names of tables were checked when they were given, and every value is bound
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from attrs import define, field
from sqlalchemy import Engine

from qcp_sdk.adapters.sql.database import Cell
from qcp_sdk.adapters.sql.schema import StoreTables
from qcp_sdk.ports.store import Batch

NOT_AS_EXPECTED: Final = frozenset({"22012", "23505", "23503", "40001", "40P01"})
"""SQLSTATEs after which the ordinary path says what is wrong, or succeeds: our division by zero, unique and foreign
keys, and transactions that PostgreSQL gave up for others.
"""

STREAM: Final = ("id", "kind", "version", "stage", "data_key", "state", "head", "indexed")
INDEX: Final = ("name", "value", "stream")
ENTRY: Final = ("stream", "sequence", "at", "kind", "payload", "hash")
EFFECT: Final = (
    "key", "stream", "kind", "due", "ready", "leased_until", "token", "attempts", "note", "payload"
)  # fmt: skip
CLAIM: Final = ("name", "owner")

Rows = Sequence[Mapping[str, Cell]]


def fits(batch: Batch) -> bool:
    """Say whether one statement can write this batch."""
    overlap = {name for name, _ in batch.claim} & {name for name, _ in batch.unclaim}
    twice = len({one.id for one in batch.streams}) < len(batch.streams)  # one row is changed once a statement
    return not (batch.inbox or overlap or twice) and bool(batch.streams or batch.answered)


class OneStatement:
    """Lays out batches for one engine. The text depends only on how many rows there are of each kind, so that the
    driver prepares it once and sends values after that.
    """

    def __init__(self, tables: StoreTables, engine: Engine) -> None:
        named = engine.dialect.identifier_preparer.format_table
        self._outbox, self._streams, self._indexes, self._journal, self._claims = (
            named(table) for table in (tables.outbox, tables.streams, tables.indexes, tables.journal, tables.claims)
        )

    def lay_out(
        self, batch: Batch, *, moved: Rows, opened: Rows, marks: Rows, journal: Rows, outbox: Rows
    ) -> tuple[str, list[Cell]]:
        """Give the statement and its values. `moved` are streams that have a version already, with `expected`."""
        made = _Parts()
        for key, token in batch.answered:
            made.checked(
                f"UPDATE {self._outbox} SET state = 'done', note = '', payload = '', leased_until = NULL"
                " WHERE key = %s AND token = %s AND state = 'waiting'",
                (key, token),
            )
        for row in moved:
            made.checked(
                f"UPDATE {self._streams} SET version = %s, stage = %s, data_key = %s, state = %s, head = %s"
                " WHERE id = %s AND version = %s AND indexed = %s",
                [row[name] for name in ("version", "stage", "data_key", "state", "head", "id", "expected", "indexed")],
            )
        made.inserted(self._streams, STREAM, opened)
        made.inserted(self._indexes, INDEX, marks)
        made.inserted(self._journal, ENTRY, journal)
        made.inserted(self._outbox, EFFECT, [{**row, "state": "waiting"} for row in outbox], also="state")
        for name, owner in batch.unclaim:
            made.part(f"DELETE FROM {self._claims} WHERE name = %s AND owner = %s", (name, owner))
        made.inserted(
            self._claims, CLAIM, [{"name": name, "owner": owner} for name, owner in batch.claim], or_nothing=True
        )
        return made.text(), made.values


@define
class _Parts:
    """The parts of one statement as they are laid out, and what each must have done."""

    values: list[Cell] = field(factory=list)
    _parts: list[str] = field(factory=list)
    _checks: list[str] = field(factory=list)

    def part(self, sql: str, values: Sequence[Cell]) -> str:
        name = f"p{len(self._parts)}"
        self._parts.append(f"{name} AS ({sql} RETURNING 1)")
        self.values.extend(values)
        return name

    def checked(self, sql: str, values: Sequence[Cell], rows: int = 1) -> None:
        name = self.part(sql, values)
        self._checks.append(f"(SELECT count(*) FROM {name}) = {rows}")

    def inserted(
        self, table: str, columns: Sequence[str], rows: Rows, *, also: str = "", or_nothing: bool = False
    ) -> None:
        if not rows:
            return
        columns = (*columns, also) if also else columns
        row = f"({', '.join(['%s'] * len(columns))})"
        self.checked(
            f"INSERT INTO {table} ({', '.join(columns)}) VALUES {', '.join([row] * len(rows))}"
            + (" ON CONFLICT DO NOTHING" if or_nothing else ""),
            [one[column] for one in rows for column in columns],
            len(rows),
        )

    def text(self) -> str:
        checks = " AND ".join(self._checks)
        return f"WITH {', '.join(self._parts)} SELECT 1 / (CASE WHEN {checks} THEN 1 ELSE 0 END)"
