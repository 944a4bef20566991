"""The book of a simulated provider in SQLite: what it was told and what it answered outlives the process."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import date, datetime
from pathlib import Path
from typing import Final, TypeVar

import cattrs
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.schema import CreateTable

from qcp_sdk.errors import Rejected, Unavailable, Unconfirmed
from qcp_sdk.values import EmailAddress, PhoneNumber

T = TypeVar("T")

FILE: Final = "simulated-providers.sqlite3"
"""The file's name, where only a folder is given."""

_RECORDS: Final = sa.Table(
    "simulated_records",
    sa.MetaData(),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("kind", sa.String(80), nullable=False),
    sa.Column("id", sa.String(200), nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.UniqueConstraint("kind", "id"),
)


def _converter() -> cattrs.Converter:
    made = cattrs.Converter(omit_if_default=True)
    made.register_unstructure_hook(datetime, lambda moment: moment.isoformat())
    made.register_structure_hook(datetime, lambda text, _: datetime.fromisoformat(text))
    made.register_unstructure_hook(date, lambda day: day.isoformat())
    made.register_structure_hook(date, lambda text, _: date.fromisoformat(text))
    made.register_unstructure_hook(bytes, lambda octets: octets.hex())
    made.register_structure_hook(bytes, lambda text, _: bytes.fromhex(text))
    made.register_unstructure_hook(EmailAddress, lambda address: address.text)
    made.register_structure_hook(EmailAddress, lambda text, _: EmailAddress(text))
    made.register_unstructure_hook(PhoneNumber, lambda number: number.text)
    made.register_structure_hook(PhoneNumber, lambda text, _: PhoneNumber(text))
    return made


_CONVERTER: Final = _converter()


class SqlBook:
    """A book in a database: an engine (SQLite or another), a file (`….sqlite`), or a folder in which `FILE` is made.

    Records are JSON and hold what the simulated provider was told about a person, unencrypted: for
    development machines only, as everything simulated is.
    """

    def __init__(self, place: sa.Engine | Path) -> None:
        self._engine = place if isinstance(place, sa.Engine) else _engine(place)
        with _translated("cannot be made"), self._engine.begin() as connection:
            connection.execute(CreateTable(_RECORDS, if_not_exists=True))

    @contextmanager
    def open(self) -> Iterator[_SqlPages]:
        """Open the book for one writer; leaving the context commits, an exception rolls back.

        Raises:
            Unavailable: The database is busy, gone or unreadable; nothing was written.
            Unconfirmed: The commit failed half-way.
        """
        with _translated("cannot be opened"):
            connection = self._engine.connect()
        try:
            with _translated("cannot be used"):
                driver = connection.connection.driver_connection
                if isinstance(driver, sqlite3.Connection) and not driver.in_transaction:
                    # A lock taken only at the first write would fail after a read that others have overtaken.
                    connection.exec_driver_sql("BEGIN IMMEDIATE")
                yield _SqlPages(connection)
            try:
                connection.commit()
            except SQLAlchemyError as error:
                raise Unconfirmed("the simulated provider's book may not be written") from error
        finally:
            with suppress(SQLAlchemyError):
                connection.close()


class _SqlPages:
    """The open book: one connection, one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def get(self, kind: type[T], id: str) -> T | None:
        """Give the record of this kind with this id."""
        chosen = sa.select(_RECORDS.c.body).where(_RECORDS.c.kind == kind.__name__, _RECORDS.c.id == id)
        body = self._connection.execute(chosen).scalar_one_or_none()
        return None if body is None else _read(kind, body)

    def put(self, id: str, record: object) -> None:
        """Write a record, in place of an older one of its kind and id."""
        kind, body = type(record).__name__, json.dumps(_CONVERTER.unstructure(record), ensure_ascii=False)
        written = self._connection.execute(
            sa.update(_RECORDS).where(_RECORDS.c.kind == kind, _RECORDS.c.id == id).values(body=body)
        )
        if not written.rowcount:
            self._connection.execute(sa.insert(_RECORDS).values(kind=kind, id=id, body=body))

    def all(self, kind: type[T]) -> tuple[T, ...]:
        """Give every record of a kind, oldest first."""
        chosen = sa.select(_RECORDS.c.body).where(_RECORDS.c.kind == kind.__name__).order_by(_RECORDS.c.number)
        return tuple(_read(kind, body) for body in self._connection.execute(chosen).scalars())


def _read(kind: type[T], body: str) -> T:
    try:
        return _CONVERTER.structure(json.loads(body), kind)
    except (ValueError, KeyError, TypeError, cattrs.BaseValidationError) as error:
        # `from None`: the text of these errors quotes the record, which is personal data.
        raise Unavailable(
            f"a record of the simulated provider cannot be read ({type(error).__name__})",
            mend="start again with an empty folder",
        ) from None


def _engine(place: Path) -> sa.Engine:
    file = place if place.suffix and not place.is_dir() else place / FILE
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable("the simulated provider's folder cannot be made", mend="check its permissions") from error
    # No pool: a connection that is never kept is safe in every thread and after a fork.
    return sa.create_engine(
        sa.URL.create("sqlite", database=str(file)),
        poolclass=sa.NullPool,
        connect_args={"timeout": 10},
        hide_parameters=True,  # they are people: in no log, and in no error that ours is raised from
    )


@contextmanager
def _translated(what: str) -> Iterator[None]:
    try:
        yield
    except UnicodeEncodeError as error:  # text with half a character: no key or id of ours
        raise Rejected("it is not text", reason="malformed") from error
    except SQLAlchemyError as error:
        raise Unavailable(f"the simulated provider's book {what}", mend="check the folder and try again") from error
