"""The kit is examined too: each wrong adapter is caught, by the promise that one would name."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from attrs import evolve

from qcp_sdk.adapters.memory import registration as registrations
from qcp_sdk.adapters.memory.accounts import MemoryAccounts
from qcp_sdk.adapters.memory.authority import MemoryAuthority
from qcp_sdk.adapters.memory.codes import MemoryCodes
from qcp_sdk.adapters.memory.documents import MemoryDocuments
from qcp_sdk.adapters.memory.envelope import MemoryEnvelope
from qcp_sdk.adapters.memory.identity import MemoryIdentity, approve, fraud, refuse, retry
from qcp_sdk.adapters.memory.notices import MemoryNotices
from qcp_sdk.adapters.memory.pages import MemoryPages
from qcp_sdk.adapters.memory.signer import MemorySigner, memory_value
from qcp_sdk.adapters.memory.timestamps import MemoryTimestamps
from qcp_sdk.adapters.memory.world import MemoryWorld
from qcp_sdk.ceremony.facts import TransactionSigned
from qcp_sdk.certificates import CertificateStatus, Holding, StatusKind
from qcp_sdk.ports.answers import Outcome, OutcomeKind, Pending
from qcp_sdk.ports.signer import Credential, HashSigned
from qcp_sdk.subscription.facts import CertificateRevoked, IdentityAbandoned, RegistrationExpired
from qcp_sdk.testing.conformance import identity as identity_suite
from qcp_sdk.testing.conformance import registration as registration_suite
from qcp_sdk.testing.conformance.accounts import AccountsConformance
from qcp_sdk.testing.conformance.authority import AuthorityConformance
from qcp_sdk.testing.conformance.base import Conformance
from qcp_sdk.testing.conformance.codes import CodesConformance
from qcp_sdk.testing.conformance.documents import DocumentsConformance
from qcp_sdk.testing.conformance.envelope import EnvelopeConformance
from qcp_sdk.testing.conformance.examples import START, account, name_of
from qcp_sdk.testing.conformance.notices import NoticesConformance
from qcp_sdk.testing.conformance.pages import PagesConformance
from qcp_sdk.testing.conformance.signer import SignerConformance
from qcp_sdk.testing.conformance.timestamps import TimestampsConformance
from qcp_sdk.values import Fingerprint, Key, Secret

BAD: list[tuple[Callable[[], Conformance], str, dict[str, object]]] = []
"""A suite that makes a wrong adapter, the promise that catches it, and that promise's parameters."""


def caught_by(promise: str, **parameters: object) -> Callable[[type[Conformance]], type[Conformance]]:
    def listed(suite: type[Conformance]) -> type[Conformance]:
        BAD.append((suite, promise, parameters))
        return suite

    return listed


# Each wrong adapter overrides what it gets wrong; the arguments are passed on as they come.
# mypy: disable-error-code="override, no-untyped-def, no-untyped-call"


class IdentitySuite(identity_suite.IdentityConformance):
    Adapter: type[MemoryIdentity] = MemoryIdentity

    def make_identity(self) -> MemoryIdentity:
        return self.Adapter(clock=self.clock)

    def capture(self, identity: Any, session: Any) -> None:
        identity.capture(session)

    def play(self, identity: Any, session: Any, ending: identity_suite.Ending) -> None:
        scripts = dict(zip(identity_suite.Ending, (approve(), retry(), refuse(), fraud()), strict=True))
        identity.script(session, scripts[ending])


@caught_by("test_identity_2_a_key_opens_one_session")
class ForgetsItsKeys(IdentitySuite):
    class Adapter(MemoryIdentity):
        opened = 0

        def open(self, *, key, **rest):
            self.opened += 1
            return super().open(key=Key(f"{key}#{self.opened}"), **rest)


@caught_by("test_identity_1_opening_says_where_and_until_when")
class CountsAttemptsItself(IdentitySuite):
    class Adapter(MemoryIdentity):
        def open(self, **asked):
            return evolve(super().open(**asked), attempt=1)


@caught_by("test_identity_7_a_verdict_never_changes", ending=identity_suite.Ending.APPROVED)
class TakesAVerdictBack(IdentitySuite):
    class Adapter(MemoryIdentity):
        cancelled = False

        def cancel(self, **asked):
            self.cancelled = True

        def ask(self, *, session):
            return IdentityAbandoned(session=session) if self.cancelled else super().ask(session=session)


@caught_by("test_identity_9_an_unknown_session_is_rejected")
@caught_by("test_identity_14_only_port_errors_come_out")
class LeaksKeyErrors(IdentitySuite):
    class Adapter(MemoryIdentity):
        def ask(self, *, session):
            return {one.id: Pending() for one in self.sessions()}[session]


@caught_by("test_identity_11_a_cancelled_session_proves_nobody")
class IgnoresCancellations(IdentitySuite):
    class Adapter(MemoryIdentity):
        def cancel(self, **asked):
            pass


class RegistrationSuite(registration_suite.RegistrationConformance):
    Adapter: type[registrations.MemoryRegistration] = registrations.MemoryRegistration

    def make_registration(self) -> registrations.MemoryRegistration:
        return self.Adapter(authority=MemoryAuthority(clock=self.clock), clock=self.clock)

    def complete(self, registration: Any, session: Any) -> None:
        registration.complete(session)

    def play(self, registration: Any, session: Any, ending: registration_suite.Ending) -> None:
        made = (registrations.issue(), registrations.attest(), registrations.refuse(), registrations.expire())
        registration.script(session, dict(zip(registration_suite.Ending, made, strict=True))[ending])


@caught_by("test_registration_10_a_certificate_before_the_close_wins")
@caught_by("test_registration_9_one_never_opened_can_be_closed")
@caught_by("test_registration_8_closing_ends_it")
class ClosesWithoutLooking(RegistrationSuite):
    class Adapter(registrations.MemoryRegistration):
        def close(self, *, key, opened_by, session):
            return RegistrationExpired(session=session)


class AuthoritySuite(AuthorityConformance):
    Adapter: type[MemoryAuthority] = MemoryAuthority

    def make_authority(self, *, takes_time: bool = False, refuses: bool = False) -> MemoryAuthority:
        return self.Adapter(clock=self.clock)


@caught_by("test_authority_2_a_key_issues_once")
class IssuesTwice(AuthoritySuite):
    class Adapter(MemoryAuthority):
        asked_for = 0

        def submit(self, *, key, **rest):
            self.asked_for += 1
            return super().submit(key=Key(f"{key}#{self.asked_for}"), **rest)


@caught_by("test_authority_7_the_first_revocation_counts")
class RevokesAgain(AuthoritySuite):
    class Adapter(MemoryAuthority):
        def revoke(self, *, key, fingerprint, reason):
            super().revoke(key=key, fingerprint=fingerprint, reason=reason)
            return CertificateRevoked(fingerprint=fingerprint, at=self._clock.now(), reason=reason)


@caught_by("test_authority_6_a_revocation_is_for_good")
class ForgetsRevocations(AuthoritySuite):
    class Adapter(MemoryAuthority):
        def status(self, *, fingerprint):
            return CertificateStatus(kind=StatusKind.GOOD, checked_at=self._clock.now())


@caught_by("test_authority_8_what_it_did_not_issue_is_unknown")
class VouchesForAnything(ForgetsRevocations):
    pass


@caught_by("test_authority_12_a_key_can_be_asked_for")
class RemembersNoKeys(AuthoritySuite):
    class Adapter(MemoryAuthority):
        def outcome(self, *, key):
            return Outcome(kind=OutcomeKind.UNKNOWN)


@caught_by("test_authority_11_holdings_are_the_account_s")
class ShowsOldestFirst(AuthoritySuite):
    class Adapter(MemoryAuthority):
        def holdings(self, *, account):
            return tuple(reversed(super().holdings(account=account)))


@caught_by("test_authority_9_only_reasons_that_end_are_taken")
class TakesAnyReason(AuthoritySuite):
    class Adapter(MemoryAuthority):
        def revoke(self, *, key, fingerprint, reason):
            return super().revoke(key=key, fingerprint=fingerprint, reason="unspecified")


class SignerSuite(SignerConformance):
    Adapter: type[MemorySigner] = MemorySigner

    def make_signer(self, *, takes_time: bool = False) -> tuple[MemorySigner, Fingerprint]:
        self.sent, self.authority = MemoryCodes(), MemoryAuthority(clock=self.clock)
        signer = self.Adapter(holding_of=self.authority.holding, codes=self.sent, clock=self.clock)
        return signer, self.authority.issue_to(account()).certificate.fingerprint

    def codes(self, signer: Any) -> tuple[Secret, ...]:
        return tuple(sent.code for sent in self.sent.outbox)

    def verifies(self, credential: Credential, digest: bytes, value: bytes) -> bool:
        return value == memory_value(credential.fingerprint, digest)

    def disable(self, signer: Any, fingerprint: Fingerprint) -> None:
        self.authority.revoke(key=Key("r/1/0"), fingerprint=fingerprint, reason="key_compromise")


@caught_by("test_signer_7_a_wrong_code_signs_nothing")
@caught_by("test_signer_10_a_code_is_used_once")
@caught_by("test_signer_11_a_code_expires")
@caught_by("test_signer_12_five_wrong_entries_lock")
@caught_by("test_signer_14_only_the_newest_challenge_counts")
@caught_by("test_signer_18_a_race_spends_a_code_once")
class ChecksNoCode(SignerSuite):
    class Adapter(MemorySigner):
        def _enter(self, fingerprint, challenge, code):
            pass


@caught_by("test_signer_8_a_key_activates_once")
@caught_by("test_signer_9_a_wrong_entry_counts_once")
class LooksAtTheCodeAgain(SignerSuite):
    class Adapter(MemorySigner):
        asked_for = 0

        def activate(self, *, key, **rest):
            self.asked_for += 1
            return super().activate(key=Key(f"{key}#{self.asked_for}"), **rest)


@caught_by("test_signer_13_the_digests_are_pinned")
class SignsAnyDigest(SignerSuite):
    class Adapter(MemorySigner):
        def activate(self, *, key, challenge, digests, code):
            fingerprint = self._challenges[challenge].fingerprint
            return tuple(HashSigned(digest=one, value=memory_value(fingerprint, one)) for one in digests)


@caught_by("test_signer_3_a_disabled_credential_signs_nothing")
class SignsAfterRevocation(SignerSuite):
    class Adapter(MemorySigner):
        def _usable(self, fingerprint) -> Holding:
            holding = self._holding_of(fingerprint)
            assert holding is not None
            return holding


@caught_by("test_signer_5_a_key_challenges_once")
class SendsAgain(SignerSuite):
    class Adapter(MemorySigner):
        asked_for = 0

        def challenge(self, *, key, **rest):
            self.asked_for += 1
            self._states.clear()
            return super().challenge(key=Key(f"{key}#{self.asked_for}"), **rest)


class CodesSuite(CodesConformance):
    Adapter: type[MemoryCodes] = MemoryCodes

    def make_codes(self) -> MemoryCodes:
        return self.Adapter()

    def received(self, codes: Any, by: Any) -> tuple[str, ...]:
        return tuple(sent.code.reveal() for sent in codes.outbox if sent.to == by)


@caught_by("test_codes_2_a_key_sends_once")
class SendsEachTime(CodesSuite):
    class Adapter(MemoryCodes):
        def send(self, *, key, **rest):
            super().send(key=Key(f"{key}#{len(self.outbox)}"), **rest)


@caught_by("test_codes_6_the_code_is_not_printed")
class PrintsCodes(CodesSuite):
    class Adapter(MemoryCodes):
        def __repr__(self) -> str:
            return str([sent.code.reveal() for sent in self.outbox])


class NoticesSuite(NoticesConformance):
    Adapter: type[MemoryNotices] = MemoryNotices

    def make_notices(self) -> MemoryNotices:
        self.documents = MemoryDocuments()
        return self.Adapter(documents=self.documents)

    def keep(self, notices: Any, content: bytes) -> Any:
        return self.documents.keep(content=content)

    def received(self, notices: Any, by: Any) -> int:
        return len(notices.to(by.email))


@caught_by("test_notices_4_a_missing_attachment_is_rejected")
class DropsAttachments(NoticesSuite):
    class Adapter(MemoryNotices):
        def send(self, *, key, to, notice, attachments=()):
            super().send(key=key, to=to, notice=notice)


class DocumentsSuite(DocumentsConformance):
    Adapter: type[MemoryDocuments] = MemoryDocuments

    def make_documents(self) -> MemoryDocuments:
        return self.Adapter()

    def damage(self, shelf: Any, document: Any) -> None:
        shelf.damage(document)


@caught_by("test_documents_5_damage_is_found")
class GivesDamagedBytes(DocumentsSuite):
    class Adapter(MemoryDocuments):
        def read(self, *, document):
            return self._known(document)


@caught_by("test_documents_12_a_seal_is_added_to_the_exact_bytes")
class SealsSomethingElse(DocumentsSuite):
    class Adapter(MemoryDocuments):
        def seal_request(self, *, document, **rest):
            return self.keep(content=b"sealed " + self.read(document=document))


@caught_by("test_documents_10_the_same_data_give_the_same_bytes")
class ComposesByTheClock(DocumentsSuite):
    class Adapter(MemoryDocuments):
        def compose_request(self, **asked):
            return self.keep(content=f"request {len(self._kept)}".encode())


class EnvelopeSuite(EnvelopeConformance):
    Adapter: type[MemoryEnvelope] = MemoryEnvelope

    def make_envelope(self) -> MemoryEnvelope:
        self.documents = MemoryDocuments()
        return self.Adapter(documents=self.documents)

    def keep(self, envelope: Any, content: bytes) -> Any:
        return self.documents.keep(content=content)

    def read(self, envelope: Any, document: Any) -> bytes:
        return self.documents.read(document=document)

    def document(self, *, other: bool = False) -> bytes:
        return b"another text" if other else b"any bytes will do"

    def credential(self) -> Credential:
        held = MemoryAuthority(clock=self.clock).issue_to(account()).certificate
        return Credential(fingerprint=held.fingerprint, chain=(held.der,), algorithm="sha256_rsa")

    def sign(self, digest: bytes) -> bytes:
        return memory_value(self.credential().fingerprint, digest)


@caught_by("test_envelope_7_only_what_was_validated_is_signed")
class SignsWhateverIsThere(EnvelopeSuite):
    class Adapter(MemoryEnvelope):
        def prepare(self, *, validated, base, **rest):
            return super().prepare(validated=base, base=base, **rest)


@caught_by("test_envelope_6_a_value_that_does_not_verify_is_refused")
@caught_by("test_envelope_9_places_are_their_documents_own")
class EmbedsAnyValue(EnvelopeSuite):
    class Adapter(MemoryEnvelope):
        def embed(self, *, key, prepared, credential, value):
            return self._documents.keep(content=self._read(prepared.base) + value)


class AccountsSuite(AccountsConformance):
    Adapter: type[MemoryAccounts] = MemoryAccounts

    def make_accounts(self, *people: Any) -> MemoryAccounts:
        return self.Adapter(people)

    def change(self, accounts: Any, person: Any) -> None:
        accounts.put(person)


@caught_by("test_accounts_3_it_is_as_it_is_now")
class CopiesAtNight(AccountsSuite):
    class Adapter(MemoryAccounts):
        def put(self, account) -> None:
            pass


class TimestampsSuite(TimestampsConformance):
    Adapter: type[MemoryTimestamps] = MemoryTimestamps

    def make_timestamps(self) -> MemoryTimestamps:
        return self.Adapter(clock=self.clock)

    def told(self, token: bytes) -> tuple[bytes, datetime]:
        return MemoryTimestamps.read(token)


@caught_by("test_timestamps_3_only_sha_256_is_stamped")
class StampsAnything(TimestampsSuite):
    class Adapter(MemoryTimestamps):
        def timestamp(self, *, digest):
            return super().timestamp(digest=digest[:32].ljust(32, b"."))


class PagesSuite(PagesConformance):
    Adapter: type[MemoryPages] = MemoryPages

    def make_pages(self) -> MemoryPages:
        self.world = MemoryWorld(start=START)
        self.clock = self.world.clock
        self.world.authority.issue_to(account())
        return self.Adapter(pen=self.world.pages._pen, clock=self.clock)

    def keep(self, pages: Any, content: bytes) -> Any:
        return self.world.documents.keep(content=content)

    def read(self, pages: Any, document: Any) -> bytes:
        return self.world.documents.read(document=document)

    def document(self) -> bytes:
        return b"%PDF-1.7 a letter"

    def sign(self, pages: Any, session: Any) -> None:
        pages.ask_code(session)
        pages.sign(session, self.world.codes.latest(account().mobile))

    def decline(self, pages: Any, session: Any) -> None:
        pages.decline(session)


@caught_by("test_pages_7_a_closed_transaction_signs_nothing")
class NeverCloses(PagesSuite):
    class Adapter(MemoryPages):
        def close(self, **asked):
            pass


@caught_by("test_pages_4_what_was_signed_is_kept")
class KeepsNothing(PagesSuite):
    class Adapter(MemoryPages):
        def ask(self, *, session):
            answer = super().ask(session=session)
            if not isinstance(answer, TransactionSigned):
                return answer
            gone = tuple((name, name_of(content.encode())) for name, content in answer.documents)
            return evolve(answer, documents=gone)


@pytest.mark.parametrize(("suite", "promise", "parameters"), BAD, ids=[f"{s.__name__}-{p}" for s, p, _ in BAD])
def test_a_wrong_adapter_is_caught(suite: Any, promise: str, parameters: dict[str, object]) -> None:
    made = suite()
    if hasattr(made, "setup_method"):
        made.setup_method()
    with pytest.raises((Exception, pytest.fail.Exception)) as caught:
        getattr(made, promise)(**parameters)
    # Not merely wrong in another way: a misspelt name, or arguments that do not fit.
    assert not isinstance(caught.value, NameError | TypeError | AttributeError), repr(caught.value)


GOOD = (
    IdentitySuite, RegistrationSuite, AuthoritySuite, SignerSuite, CodesSuite, NoticesSuite, DocumentsSuite,
    EnvelopeSuite, AccountsSuite, TimestampsSuite, PagesSuite,
)  # fmt: skip


@pytest.mark.parametrize(("suite", "promise", "parameters"), BAD, ids=[f"{s.__name__}-{p}" for s, p, _ in BAD])
def test_the_same_promise_is_kept_by_the_right_adapter(suite: Any, promise: str, parameters: dict[str, object]) -> None:
    (right,) = {good for good in GOOD if issubclass(suite, good)}
    made = right()
    if hasattr(made, "setup_method"):
        made.setup_method()
    getattr(made, promise)(**parameters)
