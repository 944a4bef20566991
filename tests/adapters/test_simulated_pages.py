"""The signing page, in memory and simulated, keeps the port's promises."""

from __future__ import annotations

from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest
import sqlalchemy as sa
from attrs import evolve

from qcp_sdk.adapters import simulated_pages as simulated
from qcp_sdk.adapters.memory import signer as signers
from qcp_sdk.adapters.memory.envelope import MemoryEnvelope
from qcp_sdk.adapters.memory.pages import MemoryPages
from qcp_sdk.adapters.memory.world import MemoryWorld
from qcp_sdk.adapters.shared.simulation.pages import PagesDesk
from qcp_sdk.ceremony.facts import TransactionEnded, TransactionSigned
from qcp_sdk.collectes import Signatory
from qcp_sdk.errors import Rejected
from qcp_sdk.levels import SignatureLevel
from qcp_sdk.ports.answers import Pending
from qcp_sdk.ports.pages import SigningPages
from qcp_sdk.testing.conformance.base import rejected
from qcp_sdk.testing.conformance.examples import START, account, collecte, name_of
from qcp_sdk.testing.conformance.pages import LETTER, PagesConformance
from qcp_sdk.values import CeremonyId, ContentHash, Key, PhoneNumber, Secret, SessionId

MOBILE = account().mobile
WRONG = Secret("not it")


class TestMemoryPages(PagesConformance):
    def make_pages(self) -> PagesDesk:
        # The world's clock begins where the suite's does, and is the suite's from now on.
        self.world = MemoryWorld(start=START)
        self.clock = self.world.clock
        self.world.authority.issue_to(account())
        return self.world.pages

    def keep(self, pages: SigningPages, content: bytes) -> ContentHash:
        return self.world.documents.keep(content=content)

    def read(self, pages: SigningPages, document: ContentHash) -> bytes:
        return self.world.documents.read(document=document)

    def document(self) -> bytes:
        return b"%PDF-1.7 a letter"

    def sign(self, pages: SigningPages, session: SessionId) -> None:
        assert isinstance(pages, PagesDesk)
        pages.ask_code(session)
        pages.sign(session, self.world.codes.latest(MOBILE))

    def decline(self, pages: SigningPages, session: SessionId) -> None:
        assert isinstance(pages, PagesDesk)
        pages.decline(session)


class TestSimulatedPages(TestMemoryPages):
    @pytest.fixture(autouse=True)
    def _in_a_folder(self, tmp_path: Path) -> None:
        self.folder, self.made = tmp_path, count()

    def make_pages(self) -> PagesDesk:
        super().make_pages()
        self.place = self.folder / str(next(self.made))
        return simulated.SimulatedSigningPages(self.place, pen=pen(self.world), clock=self.clock)

    def restarted(self, pages: SigningPages) -> PagesDesk:
        return simulated.SimulatedSigningPages(self.place, pen=pen(self.world), clock=self.clock)


class TestPagesWithAFunction(TestMemoryPages):
    def make_pages(self) -> PagesDesk:
        super().make_pages()
        documents = self.world.documents

        def stamp(_key: Key, signatory: Signatory, content: ContentHash) -> ContentHash:
            signed = documents.read(document=content) + f" signed by {signatory.id}".encode()
            return documents.keep(content=signed)

        return MemoryPages(pen=simulated.FunctionPen(sign=stamp), clock=self.clock)

    def sign(self, pages: SigningPages, session: SessionId) -> None:
        assert isinstance(pages, PagesDesk)
        pages.ask_code(session)
        pages.sign(session, Secret("any"))


def pen(world: MemoryWorld) -> simulated.PortsPen:
    return simulated.PortsPen(
        envelope=world.envelope, signer=world.signer, certificate_of=world.certificate_of, clock=world.clock
    )


@pytest.fixture
def world() -> MemoryWorld:
    world = MemoryWorld(start=START)
    world.authority.issue_to(account())
    return world


@pytest.fixture
def pages(world: MemoryWorld, tmp_path: Path) -> simulated.SimulatedSigningPages:
    return simulated.SimulatedSigningPages(tmp_path, pen=pen(world), clock=world.clock)


def opened(world: MemoryWorld, pages: PagesDesk, key: str = "ceremony-0/3/0") -> SessionId:
    content = world.documents.keep(content=b"%PDF-1.7 a letter")
    return pages.open(
        key=Key(key),
        ceremony=CeremonyId("ceremony-0"),
        collecte=collecte(content),
        signatory=collecte(content).signatories[0].id,
        documents=((LETTER, content),),
    ).session


def test_another_process_signs_what_the_first_prepared(
    world: MemoryWorld, pages: simulated.SimulatedSigningPages, tmp_path: Path
) -> None:
    session = opened(world, pages)
    assert pages.ask_code(session) == MOBILE.masked
    second = simulated.SimulatedSigningPages(tmp_path, pen=pen(world), clock=world.clock)
    second.sign(session, world.codes.latest(MOBILE))
    answer = pages.ask(session=session)
    assert isinstance(answer, TransactionSigned)
    (signature,) = MemoryEnvelope.signatures(world.documents.read(document=answer.documents[0][1]))
    assert signature.fingerprint == world.authority.holdings(account=account())[0].certificate.fingerprint


def test_no_code_is_kept_in_the_file(
    world: MemoryWorld, pages: simulated.SimulatedSigningPages, tmp_path: Path
) -> None:
    session = opened(world, pages)
    pages.ask_code(session)
    code = world.codes.latest(MOBILE)
    pages.sign(session, code)
    with sa.create_engine(f"sqlite:///{next(tmp_path.glob('*.sqlite3'))}", poolclass=sa.NullPool).begin() as database:
        bodies = database.exec_driver_sql("SELECT body FROM simulated_records").scalars().all()
    assert len(bodies) == 1
    assert code.reveal() not in bodies[0]


def test_a_wrong_code_can_be_mended(world: MemoryWorld, pages: simulated.SimulatedSigningPages) -> None:
    session = opened(world, pages)
    with rejected("no_code_asked"):
        pages.sign(session, WRONG)
    pages.ask_code(session)
    for _ in range(4):
        with rejected("wrong_code"):
            pages.sign(session, WRONG)
    assert isinstance(pages.ask(session=session), Pending)
    pages.sign(session, world.codes.latest(MOBILE))
    assert isinstance(pages.ask(session=session), TransactionSigned)


def test_a_second_code_replaces_the_first(world: MemoryWorld, pages: simulated.SimulatedSigningPages) -> None:
    session = opened(world, pages)
    pages.ask_code(session)
    first = world.codes.latest(MOBILE)
    world.clock.advance(timedelta(seconds=31))
    pages.ask_code(session)
    with rejected("wrong_code"):
        pages.sign(session, first)
    pages.sign(session, world.codes.latest(MOBILE))
    assert isinstance(pages.ask(session=session), TransactionSigned)


def test_a_signer_that_takes_its_time_is_waited_for(world: MemoryWorld, pages: simulated.SimulatedSigningPages) -> None:
    world.signer.script(None, signers.sign(after=timedelta(minutes=10)))
    session = opened(world, pages)
    pages.ask_code(session)
    pages.sign(session, world.codes.latest(MOBILE))
    assert isinstance(pages.ask(session=session), Pending)
    pages.close(key=Key("ceremony-0/9/0"), session=session)  # too late: the code was accepted
    world.clock.advance(timedelta(minutes=10))
    assert isinstance(pages.ask(session=session), TransactionSigned)


def test_an_end_that_was_told_is_not_taken_back_by_a_signature_on_its_way(world: MemoryWorld) -> None:
    def closed_meanwhile(_key: Key, _signatory: Signatory, content: ContentHash) -> ContentHash:
        pages.close(key=Key("ceremony-0/9/0"), session=session)
        return content

    pages = MemoryPages(pen=simulated.FunctionPen(sign=closed_meanwhile), clock=world.clock)
    session = opened(world, pages)
    pages.ask_code(session)
    pages.sign(session, Secret("any"))
    assert pages.ask(session=session) == TransactionEnded(session=session, reason="expired")


def test_a_signature_that_is_refused_fails_the_transaction(
    world: MemoryWorld, pages: simulated.SimulatedSigningPages
) -> None:
    world.signer.script(None, signers.refuse("policy"))
    session = opened(world, pages)
    pages.ask_code(session)
    pages.sign(session, world.codes.latest(MOBILE))
    assert pages.ask(session=session) == TransactionEnded(session=session, reason="failed")


def test_the_script_may_fail_or_fall_silent(world: MemoryWorld, pages: simulated.SimulatedSigningPages) -> None:
    one, two = opened(world, pages), opened(world, pages, "ceremony-0/4/0")
    pages.script(one, simulated.FAIL)
    pages.script(None, simulated.SILENCE)
    for session in (one, two):
        pages.ask_code(session)
        pages.sign(session, world.codes.latest(MOBILE))
        world.clock.advance(timedelta(seconds=31))
    assert pages.ask(session=one) == TransactionEnded(session=one, reason="failed")
    assert isinstance(pages.ask(session=two), Pending)


def test_who_holds_no_certificate_for_the_level_is_rejected(world: MemoryWorld, tmp_path: Path) -> None:
    pages = simulated.SimulatedSigningPages(
        tmp_path,
        pen=simulated.PortsPen(
            envelope=world.envelope,
            signer=world.signer,
            certificate_of=lambda signatory: (
                world.lcp_authority.issue_to(account()).certificate if signatory.mobile == MOBILE else None
            ),
            clock=world.clock,
        ),
        clock=world.clock,
    )
    content = name_of(b"a letter")
    asked_for = collecte(content)
    stranger = evolve(asked_for.signatories[0], mobile=PhoneNumber("+33639981111"))
    modest = evolve(asked_for.signatories[0], level=SignatureLevel.NIVEAU_2)
    for number, (person, reason) in enumerate(
        ((asked_for.signatories[0], "level_unavailable"), (stranger, "no_certificate"), (modest, ""))
    ):
        told = ""
        try:
            pages.open(
                key=Key(f"ceremony-{number}/3/0"),
                ceremony=CeremonyId("ceremony-0"),
                collecte=evolve(asked_for, signatories=(person,)),
                signatory=person.id,
                documents=((LETTER, content),),
            )
        except Rejected as refusal:
            told = refusal.reason
        assert told == reason


def test_everything_simulated_says_so() -> None:
    assert simulated.SimulatedSigningPages.simulated
