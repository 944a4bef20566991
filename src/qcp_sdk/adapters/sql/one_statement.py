"""A whole commit as one statement: data-modifying CTEs, which PostgreSQL performs together or not at all.

One round trip, where a statement a table and a COMMIT take six or more. What the batch rests on (versions, tokens,
claims) is checked by the statement itself: it divides by zero where something is not as expected, which undoes
everything. Why is then found out by the ordinary path, statement by statement, and said in its words.

All parts see one snapshot (postgresql.org/docs/current/queries-with.html § 7.8.4). So a claim that is given up and
taken in one batch, or a message that is forgotten and recorded, is found taken, and the ordinary path does it in order.
"""

# ruff: noqa: S608 - the names of tables were checked when they were given, and every value is bound
from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from attrs import define, field
from sqlalchemy import Engine

from qcp_sdk.adapters.sql.database import Cell, Values, ticks
from qcp_sdk.adapters.sql.schema import StoreTables
from qcp_sdk.ports.store import Batch

NOT_AS_EXPECTED: Final = frozenset({"22012", "23505", "23503", "40001", "40P01"})
"""SQLSTATEs after which the ordinary path says what is wrong, or succeeds: our division by zero, unique and foreign
keys, and transactions that PostgreSQL gave up for others.
"""

STREAM: Final = ("id", "kind", "version", "stage", "data_key", "state", "head", "indexed", "wrapped_by")
INDEX: Final = ("name", "value", "stream")
ENTRY: Final = ("stream", "sequence", "at", "kind", "payload", "hash")
EFFECT: Final = (
    "key", "stream", "kind", "due", "ready", "leased_until", "token", "attempts", "note", "payload"
)  # fmt: skip
MESSAGE: Final = ("message", "kept_until")
CLAIM: Final = ("name", "owner")

Rows = Sequence[Values]


class OneStatement:
    """Lays out batches for one engine. The text depends only on how many rows there are of each kind, so that the
    driver prepares it once and sends values after that.
    """

    def __init__(self, tables: StoreTables, engine: Engine) -> None:
        named = engine.dialect.identifier_preparer.format_table
        self._outbox, self._streams, self._indexes = map(named, (tables.outbox, tables.streams, tables.indexes))
        self._journal, self._claims, self._inbox = map(named, (tables.journal, tables.claims, tables.inbox))

    def lay_out(
        self, batch: Batch, *, moved: Rows, opened: Rows, marks: Rows, journal: Rows, outbox: Rows, reindexed: bool
    ) -> tuple[str, list[Cell]]:
        """Give the statement and its values; both are empty for an empty batch. `moved` are streams that have a
        version already, `expected`; `reindexed`: their indexes may change, which costs more and is rare.
        """
        made = _Parts()
        if batch.inbox:
            made.part(f"DELETE FROM {self._inbox} WHERE kept_until <= %s", (ticks(batch.at),))
            kept: Rows = [{"message": message, "kept_until": ticks(until)} for message, until in batch.inbox]
            made.inserted(self._inbox, MESSAGE, kept, unless_there=True)
        for key, token in batch.answered:
            made.checked(
                f"UPDATE {self._outbox} SET state = 'done', note = '', payload = '', leased_until = NULL"
                " WHERE key = %s AND token = %s AND state = 'waiting'",
                (key, token),
            )
        for row in moved:
            self._move(made, row, reindexed=reindexed)
        made.inserted(self._streams, STREAM, opened)
        made.inserted(self._indexes, INDEX, marks)
        made.inserted(self._journal, ENTRY, journal)
        made.inserted(self._outbox, EFFECT, [{**row, "state": "waiting"} for row in outbox], also="state")
        for name, owner in batch.unclaim:
            made.part(f"DELETE FROM {self._claims} WHERE name = %s AND owner = %s", (name, owner))
        made.inserted(
            self._claims, CLAIM, [{"name": name, "owner": owner} for name, owner in batch.claim], unless_there=True
        )
        return made.text(), made.values

    def _move(self, made: _Parts, row: Values, *, reindexed: bool) -> None:
        unchanged = "" if reindexed else " AND indexed = %s"
        made.checked(
            f"UPDATE {self._streams} SET version = %s, stage = %s, state = %s, head = %s, indexed = %s"
            f" WHERE id = %s AND version = %s{unchanged}",
            [row[name] for name in ("version", "stage", "state", "head", "indexed", "id", "expected")]
            + ([] if reindexed else [row["indexed"]]),
        )
        if not reindexed:
            return
        # What it had stands once more in the stream's own row, as JSON pairs.
        before = made.part(
            f"SELECT indexed FROM {self._streams} WHERE id = %s AND version = %s",
            [row[name] for name in ("id", "expected")],
        )
        pairs = [row[name] for name in ("id", "indexed")]
        made.part(
            f"DELETE FROM {self._indexes} AS mark USING {before}, jsonb_array_elements({before}.indexed::jsonb) AS pair"
            " WHERE mark.name = pair ->> 0 AND mark.value = pair ->> 1 AND mark.stream = %s"
            " AND pair NOT IN (SELECT jsonb_array_elements(%s::jsonb))",
            pairs,
        )
        made.part(
            f"INSERT INTO {self._indexes} (name, value, stream) SELECT pair ->> 0, pair ->> 1, %s"
            " FROM jsonb_array_elements(%s::jsonb) AS pair ON CONFLICT DO NOTHING",
            pairs,
        )


@define
class _Parts:
    """The parts of one statement as they are laid out, and what some must have done."""

    values: list[Cell] = field(factory=list)
    _parts: list[str] = field(factory=list)
    _checks: list[str] = field(factory=list)

    def part(self, sql: str, values: Sequence[Cell]) -> str:
        """Add a part and give its name."""
        name = f"p{len(self._parts)}"
        self._parts.append(f"{name} AS ({sql})")
        self.values.extend(values)
        return name

    def checked(self, sql: str, values: Sequence[Cell], rows: int = 1) -> None:
        """Add a part that must change so many rows."""
        name = self.part(f"{sql} RETURNING 1", values)
        self._checks.append(f"(SELECT count(*) FROM {name}) = {rows}")

    def inserted(
        self, table: str, columns: Sequence[str], rows: Rows, *, also: str = "", unless_there: bool = False
    ) -> None:
        """Add rows. A key that is there already undoes everything, by its own error or by the check."""
        if not rows:
            return
        columns = (*columns, also) if also else columns
        row = f"({', '.join(['%s'] * len(columns))})"
        sql = f"INSERT INTO {table} ({', '.join(columns)}) VALUES {', '.join([row] * len(rows))}"
        values = [one[column] for one in rows for column in columns]
        if unless_there:  # without an error, which PostgreSQL would write into its log
            self.checked(f"{sql} ON CONFLICT DO NOTHING", values, len(rows))
        else:
            self.part(sql, values)

    def text(self) -> str:
        """Give the statement; nothing where there is nothing to do."""
        if not self._parts:
            return ""
        checks = " AND ".join(self._checks) or "true"
        return f"WITH {', '.join(self._parts)} SELECT 1 / (CASE WHEN {checks} THEN 1 ELSE 0 END)"
