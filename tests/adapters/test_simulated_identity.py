"""The simulated identity provider keeps the port's promises, and its word across restarts."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import count
from pathlib import Path
from typing import Final

import pytest
import sqlalchemy as sa

from qcp_sdk.adapters import simulated_identity as simulated
from qcp_sdk.adapters.memory.clock import ManualClock
from qcp_sdk.adapters.shared.simulation.sql_book import SqlBook
from qcp_sdk.errors import Rejected, Unavailable
from qcp_sdk.identity import DocumentKind, Proofing, ProvenIdentity
from qcp_sdk.ports.answers import Pending
from qcp_sdk.ports.identity import IdentityVerification
from qcp_sdk.subscription.facts import CaptureFinished, IdentityAbandoned, IdentityApproved
from qcp_sdk.testing.conformance.discretion import personal, unspoken
from qcp_sdk.testing.conformance.examples import START, account
from qcp_sdk.testing.conformance.identity import Ending, IdentityConformance
from qcp_sdk.values import BirthDate, Key, PersonName, SessionId, SubscriptionId

SCRIPTS: Final = {
    Ending.APPROVED: simulated.approve(),
    Ending.RETRYABLE: simulated.retry(),
    Ending.REFUSED: simulated.refuse(),
    Ending.FRAUD: simulated.fraud(),
}


class TestSimulatedIdentity(IdentityConformance):
    folder: Path

    @pytest.fixture(autouse=True)
    def _in_a_folder(self, tmp_path: Path) -> None:
        self.folder, self.made = tmp_path, count()

    def make_identity(self) -> simulated.SimulatedIdentity:
        self.place = self.folder / str(next(self.made))
        return simulated.SimulatedIdentity(self.place, clock=self.clock)

    def restarted(self, identity: IdentityVerification) -> simulated.SimulatedIdentity:
        return simulated.SimulatedIdentity(self.place, clock=self.clock)

    def capture(self, identity: IdentityVerification, session: SessionId) -> None:
        assert isinstance(identity, simulated.SimulatedIdentity)
        identity.capture(session)

    def play(self, identity: IdentityVerification, session: SessionId, ending: Ending) -> None:
        assert isinstance(identity, simulated.SimulatedIdentity)
        identity.script(session, SCRIPTS[ending])


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


SUBSCRIPTION = SubscriptionId("subscription-0")
"""Named here: a traceback shows the lines of the call below, all of them from Python 3.13 on."""


def opened(identity: simulated.SimulatedIdentity, key: str = "subscription-0/8/0") -> SessionId:
    return identity.open(key=Key(key), attempt=1, subscription=SUBSCRIPTION, person=account()).session


def test_another_process_goes_on_where_the_first_stopped(tmp_path: Path, clock: ManualClock) -> None:
    first = simulated.SimulatedIdentity(tmp_path, clock=clock)
    session = opened(first)
    card = ProvenIdentity(
        name=PersonName(given="Élodie Anne", last="Lefèvre", birth_name="Çelik"),
        birth_date=BirthDate(date(1990, 2, 28)),
        document=DocumentKind.RESIDENCE_PERMIT,
        issuing_country="FR",
        valid_until=date(2031, 5, 6),
    )
    first.script(session, simulated.approve(proofing=Proofing.BASELINE))
    first.capture(session, card)
    second = simulated.SimulatedIdentity(tmp_path, clock=clock)
    assert opened(second) == session
    assert second.ask(session=session) == CaptureFinished(session=session)
    clock.advance(timedelta(minutes=4))
    verdict = second.ask(session=session)
    assert isinstance(verdict, IdentityApproved)
    assert verdict.identity == card
    assert verdict.evidence.proofing is Proofing.BASELINE
    assert first.ask(session=session) == verdict


def test_a_database_of_the_host_s_own_will_do(tmp_path: Path, clock: ManualClock) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'host.sqlite3'}")
    identity = simulated.SimulatedIdentity(engine, clock=clock)
    assert isinstance(identity.ask(session=opened(identity)), Pending)
    engine.dispose()


def test_the_verdict_takes_the_time_that_was_configured(tmp_path: Path, clock: ManualClock) -> None:
    identity = simulated.SimulatedIdentity(tmp_path, clock=clock, verdict_after=timedelta(minutes=6))
    session = opened(identity)
    clock.advance(timedelta(minutes=30))
    identity.capture(session)
    clock.advance(timedelta(minutes=6) - timedelta(microseconds=1))
    assert identity.ask(session=session) == CaptureFinished(session=session)
    clock.advance(timedelta(microseconds=1))
    assert isinstance(identity.ask(session=session), IdentityApproved)


def test_the_first_capture_counts(tmp_path: Path, clock: ManualClock) -> None:
    identity = simulated.SimulatedIdentity(tmp_path, clock=clock)
    session = opened(identity)
    identity.capture(session)
    clock.advance(timedelta(minutes=3))
    identity.capture(session, simulated.specimen(PersonName(given="Somebody", last="Else")))
    clock.advance(timedelta(minutes=1))
    verdict = identity.ask(session=session)
    assert isinstance(verdict, IdentityApproved)
    assert verdict.identity.name == account().name


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    engine = sa.create_engine(
        f"sqlite:///{tmp_path / 'book.sqlite3'}", connect_args={"timeout": 0}, poolclass=sa.NullPool
    )
    book = SqlBook(engine)
    with book.open() as pages:
        assert pages.get(simulated.IdentitySession, "none") is None
        with pytest.raises(Unavailable), book.open():
            pytest.fail("two writers hold the book")


def test_a_writer_that_fails_writes_nothing(tmp_path: Path) -> None:
    book = SqlBook(tmp_path)
    with pytest.raises(Rejected), book.open() as pages:
        pages.put("one", simulated.approve())
        raise Rejected("no", reason="for_the_test")
    with book.open() as pages:
        assert pages.all(simulated.IdentityScript) == ()


def test_a_document_may_show_another_name(tmp_path: Path, clock: ManualClock) -> None:
    identity = simulated.SimulatedIdentity(tmp_path, clock=clock)
    other = PersonName(given="Élodie", last="Durand")
    identity.script(None, simulated.data_changed(other))
    session = opened(identity)
    identity.capture(session)
    clock.advance(timedelta(minutes=4))
    verdict = identity.ask(session=session)
    assert isinstance(verdict, IdentityApproved)
    assert verdict.identity.name == other


def test_silence_has_no_end_but_a_cancellation(tmp_path: Path, clock: ManualClock) -> None:
    identity = simulated.SimulatedIdentity(tmp_path, clock=clock)
    session = opened(identity)
    identity.script(session, simulated.silence())
    identity.capture(session)
    clock.advance(timedelta(days=300))
    assert isinstance(identity.ask(session=session), Pending)
    identity.cancel(key=Key("subscription-0/9/0"), session=session)
    assert identity.ask(session=session) == IdentityAbandoned(session=session)


def test_a_person_who_leaves_half_way_abandons_before_the_session_runs_out(tmp_path: Path, clock: ManualClock) -> None:
    identity = simulated.SimulatedIdentity(tmp_path, clock=clock)
    session = opened(identity)
    identity.script(session, simulated.abandon())
    identity.capture(session)
    clock.advance(timedelta(minutes=4))
    assert identity.ask(session=session) == IdentityAbandoned(session=session)


def test_a_verdict_that_is_due_is_not_cancelled_nor_rewritten(tmp_path: Path, clock: ManualClock) -> None:
    identity = simulated.SimulatedIdentity(tmp_path, clock=clock)
    session = opened(identity)
    identity.capture(session)
    clock.advance(timedelta(minutes=4))  # due, though nobody has asked yet
    identity.cancel(key=Key("subscription-0/9/0"), session=session)
    with pytest.raises(Rejected, match="ended"):
        identity.script(session, simulated.refuse())
    identity.script(None, simulated.refuse())
    assert isinstance(identity.ask(session=session), IdentityApproved)


def test_openings_can_be_rejected_and_stay_so_for_their_key(tmp_path: Path, clock: ManualClock) -> None:
    identity = simulated.SimulatedIdentity(tmp_path, clock=clock)
    identity.reject_openings("unsupported_country")
    for _ in range(2):
        with pytest.raises(Rejected) as told:
            opened(identity)
        assert told.value.reason == "unsupported_country"
        identity.reject_openings("")
    assert identity.sessions() == ()
    assert opened(identity, "subscription-0/12/0")


def test_a_record_that_cannot_be_read_names_nobody(tmp_path: Path, clock: ManualClock) -> None:
    identity = simulated.SimulatedIdentity(tmp_path, clock=clock)
    session = opened(identity)
    with sa.create_engine(f"sqlite:///{next(tmp_path.iterdir())}", poolclass=sa.NullPool).begin() as connection:
        connection.exec_driver_sql("UPDATE simulated_records SET body = replace(body, 'given', 'gone')")
    with pytest.raises(Unavailable) as told:
        identity.ask(session=session)
    assert told.value.__cause__ is None
    assert "Lefèvre" not in str(told.value)


def test_a_file_may_be_named(tmp_path: Path, clock: ManualClock) -> None:
    opened(simulated.SimulatedIdentity(tmp_path / "below" / "identity.sqlite", clock=clock))
    assert (tmp_path / "below" / "identity.sqlite").is_file()


def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path: Path, clock: ManualClock) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(Unavailable):
        simulated.SimulatedIdentity(tmp_path / "file" / "below", clock=clock)


def test_everything_simulated_says_so() -> None:
    assert simulated.SimulatedIdentity.simulated


def test_an_error_of_the_database_quotes_nobody(tmp_path: Path, clock: ManualClock) -> None:
    identity = simulated.SimulatedIdentity(tmp_path / "book.sqlite", clock=clock)
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'book.sqlite'}")
    with engine.begin() as connection:  # a book that can be read, and not be written
        connection.execute(
            sa.text("CREATE TRIGGER full BEFORE INSERT ON simulated_records BEGIN SELECT RAISE(FAIL, 'full'); END")
        )
    with pytest.raises(Unavailable) as told:
        opened(identity)
    with unspoken(*personal(account()), SUBSCRIPTION) as said:
        said.append(told.value)
