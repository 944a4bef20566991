"""Every statement of the store on SQL, written once for one set of tables and one dialect."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Engine, LargeBinary, and_, bindparam, delete, func, insert, literal, select, update

from qcp_sdk.adapters.sql.database import Statement, insert_once
from qcp_sdk.adapters.sql.schema import DONE, PARKED, WAITING, StoreTables

NO_KEY: Final = literal(b"", LargeBinary)
"""In the place of what was destroyed: columns hold no NULL."""


class StoreStatements:
    """Every statement of the store, compiled for one engine."""

    def __init__(self, tables: StoreTables, engine: Engine) -> None:
        streams, indexes, journal = tables.streams, tables.indexes, tables.journal
        outbox, claims, inbox = tables.outbox, tables.claims, tables.inbox
        stream, effect = streams.c, outbox.c
        moved = ("version", "stage", "state", "head")

        self.load = Statement(
            select(
                stream.id, stream.kind, stream.version, stream.stage, stream.data_key, stream.state, stream.head,
                stream.indexed, stream.wrapped_by,
            ).where(stream.id == bindparam("of")),
            engine,
        )  # fmt: skip
        self.open = Statement(insert(streams), engine, ["id", "kind", *moved, "data_key", "indexed", "wrapped_by"])
        self.move = Statement(
            update(streams)
            .values({streams.c[name]: bindparam(f"to_{name}") for name in moved})
            .where(
                stream.id == bindparam("of"),
                stream.version == bindparam("expected"),
                stream.indexed == bindparam("as_indexed"),
            ),
            engine,
        )
        self.indexed = Statement(
            select(stream.indexed).where(stream.id == bindparam("of"), stream.version == bindparam("expected")), engine
        )
        self.reindex = Statement(
            update(streams).values(indexed=bindparam("to_indexed")).where(stream.id == bindparam("of")), engine
        )
        self.mark = Statement(insert(indexes), engine, ["name", "value", "stream"])
        self.unmark = Statement(
            delete(indexes).where(
                indexes.c.name == bindparam("name"),
                indexes.c.value == bindparam("value"),
                indexes.c.stream == bindparam("stream"),
            ),
            engine,
        )
        self.find = Statement(
            select(stream.id)
            .join(indexes, indexes.c.stream == stream.id)
            .where(indexes.c.name == bindparam("of"), indexes.c.value == bindparam("as_value"))
            .order_by(stream.ordinal),
            engine,
        )
        self.wrapped_keys = Statement(
            select(stream.id, stream.data_key)
            .where(stream.wrapped_by == bindparam("of"), stream.id > bindparam("after"), stream.data_key != NO_KEY)
            .order_by(stream.id)
            .limit(bindparam("at_most")),
            engine,
        )
        self.rewrap = Statement(
            update(streams)
            .values(data_key=bindparam("to_data_key"), wrapped_by=bindparam("to_wrapped_by"))
            .where(stream.id == bindparam("of"), stream.data_key == bindparam("as_read"), stream.data_key != NO_KEY),
            engine,
        )
        self.wrappings = Statement(
            select(stream.wrapped_by, func.count()).where(stream.data_key != NO_KEY).group_by(stream.wrapped_by), engine
        )
        self.destroy = Statement(
            update(streams).values(data_key=NO_KEY, state=NO_KEY, wrapped_by="").where(stream.id == bindparam("of")),
            engine,
        )
        self.give_up = Statement(delete(claims).where(claims.c.owner == bindparam("of")), engine)
        self.drop = Statement(
            update(outbox)
            .values(state=DONE, note="", payload=NO_KEY, leased_until=None)
            .where(effect.stream == bindparam("of"), effect.state != DONE),
            engine,
        )
        self.record = Statement(insert(journal), engine, ["stream", "sequence", "at", "kind", "payload", "hash"])
        self.recorded = Statement(
            select(
                journal.c.stream, journal.c.sequence, journal.c.at, journal.c.kind, journal.c.payload, journal.c.hash
            )
            .where(journal.c.stream == bindparam("of"))
            .order_by(journal.c.sequence),
            engine,
        )

        self.ask = Statement(
            insert(outbox).values(state=WAITING),
            engine,
            ["key", "stream", "kind", "due", "ready", "leased_until", "token", "attempts", "note", "payload"],
        )
        held = and_(effect.key == bindparam("of"), effect.token == bindparam("holder"), effect.state == WAITING)
        self.answer = Statement(
            update(outbox)
            .values(state=DONE, note=bindparam("to_note"), payload=bindparam("to_payload"), leased_until=None)
            .where(held),
            engine,
        )
        self.postpone = Statement(
            update(outbox)
            .values(due=bindparam("to_due"), ready=bindparam("to_due"), leased_until=None, note=bindparam("to_note"))
            .where(held),
            engine,
        )
        self.stream_of = Statement(select(effect.stream).where(effect.key == bindparam("of")), engine)
        self.park = Statement(
            update(outbox).values(state=PARKED, note=bindparam("to_note"), leased_until=None).where(held), engine
        )
        aside = and_(effect.key == bindparam("of"), effect.state == PARKED)
        self.unpark = Statement(
            update(outbox)
            .values(state=WAITING, due=bindparam("to_due"), ready=bindparam("to_due"), note=bindparam("to_note"))
            .where(aside),
            engine,
        )
        self.discard = Statement(
            update(outbox).values(state=DONE, note=bindparam("to_note"), payload=bindparam("to_payload")).where(aside),
            engine,
        )
        self.parked = Statement(
            select(effect.key, effect.stream, effect.kind, effect.attempts, effect.note)
            .where(effect.state == PARKED)
            .order_by(effect.ordinal),
            engine,
        )
        self.outstanding = Statement(
            select(effect.key, effect.stream, effect.kind, effect.due, effect.payload, effect.leased_until).where(
                effect.stream == bindparam("of"), effect.state != DONE
            ),
            engine,
        )
        ready = and_(effect.state == WAITING, effect.ready <= bindparam("now"))
        of_stream = and_(ready, effect.stream == bindparam("of"), effect.state != DONE)
        self.any_ready = Statement(select(effect.ordinal).where(ready).limit(1), engine)
        self.any_ready_of = Statement(select(effect.ordinal).where(of_stream).limit(1), engine)
        picked = [
            select(effect.ordinal)
            .where(which)
            .order_by(effect.ready, effect.ordinal)
            .limit(bindparam("at_most"))
            .with_for_update(skip_locked=True)
            for which in (ready, of_stream)
        ]
        if engine.dialect.name == "postgresql":
            # In a CTE of its own: PostgreSQL may run a subquery that locks more than once, and lease more than `limit`.
            picked = [select(rows.cte("taken").c.ordinal) for rows in picked]
        self.lease, self.lease_of = (
            Statement(
                update(outbox)
                .values(
                    token=effect.token + 1,
                    attempts=effect.attempts + 1,
                    leased_until=bindparam("to_until"),
                    ready=bindparam("to_until"),
                )
                .where(effect.ordinal.in_(rows))
                .returning(
                    effect.due, effect.ordinal, effect.key, effect.stream, effect.kind, effect.payload, effect.token,
                    effect.attempts,
                ),
                engine,
            )
            for rows in picked
        )  # fmt: skip
        self.next_due = Statement(select(func.min(effect.ready)).where(effect.state == WAITING), engine)
        parked = select(func.count()).select_from(outbox).where(effect.state == PARKED).scalar_subquery()
        self.backlog = Statement(select(func.count(), func.min(effect.due), parked).where(ready), engine)

        self.claim = Statement(insert_once(engine, claims), engine, ["name", "owner"])
        self.owner = Statement(select(claims.c.owner).where(claims.c.name == bindparam("of")), engine)
        self.unclaim = Statement(
            delete(claims).where(claims.c.name == bindparam("name"), claims.c.owner == bindparam("owner")), engine
        )
        self.receive = Statement(insert_once(engine, inbox), engine, ["message", "kept_until"])
        self.forget = Statement(delete(inbox).where(inbox.c.kept_until <= bindparam("now")), engine)
        self.seen = Statement(select(inbox.c.message).where(inbox.c.message == bindparam("of")), engine)
