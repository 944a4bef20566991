"""What `ports.authority.CertificateAuthority` promises."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import timedelta
from typing import ClassVar, Final

from attrs import define
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from qcp_sdk.certificates import Certificate, StatusKind, conformity
from qcp_sdk.levels import CertificateLevel
from qcp_sdk.matching import same_name
from qcp_sdk.ports.answers import OutcomeKind, Pending
from qcp_sdk.ports.authority import CertificateAuthority, Decision
from qcp_sdk.subscription.facts import (
    CertificateIssued,
    CertificatePending,
    CertificateRefused,
    CertificateRevoked,
)
from qcp_sdk.testing.conformance.base import PROPERTY, Timed, at_once, only_port_errors, rejected
from qcp_sdk.testing.conformance.discretion import personal, unspoken
from qcp_sdk.testing.conformance.examples import account, application, name_of
from qcp_sdk.testing.conformance.histories import ANY_TEXT, EXAMPLES, MOMENTS, RESTARTS, answered, run_any_history
from qcp_sdk.testing.conformance.marking import THREADS, needs
from qcp_sdk.testing.conformance.together import together
from qcp_sdk.values import Fingerprint, Key

KEY: Final = Key("subscription-0/14/0")
REVOKING: Final = Key("subscription-0/18/0")
NOBODY_S: Final = Fingerprint("0" * 64)


class AuthorityConformance(Timed, ABC):
    """Subclass it and make the authority."""

    level: ClassVar[CertificateLevel] = CertificateLevel.QCP_N
    """The level that the authority issues."""
    decision_wait: ClassVar[timedelta] = timedelta(hours=1)
    """After this long a pending request is decided, and a revocation published."""
    examples: ClassVar[int] = EXAMPLES
    """How many histories the stateful promise tries; fewer where a fresh authority costs much."""

    @abstractmethod
    def make_authority(self, *, takes_time: bool = False, refuses: bool = False) -> CertificateAuthority:
        """Make an authority that has issued nothing; one that answers `CertificatePending` first; one that refuses."""

    def restarted(self, authority: CertificateAuthority) -> CertificateAuthority:
        """Give the adapter as a new process makes it, where its memory outlives one; histories restart in between."""
        return authority

    def test_authority_1_it_issues_what_was_asked_for(self) -> None:
        """authority-1: the certificate is in the applicant's name, of the authority's level, and valid now."""
        authority = self.make_authority()
        certificate = _issued(authority)
        assert authority.issuer
        assert (
            conformity(certificate, name=account().name, level=self.level, now=self.clock.now(), same_name=same_name)
            == ()
        )

    def test_authority_2_a_key_issues_once(self) -> None:
        """authority-2: the same key issues one certificate, and is answered with it however often and whenever."""
        authority = self.make_authority()
        certificate = _issued(authority)
        self.pass_time(timedelta(minutes=1))
        again = at_once(lambda: _issued(authority))
        assert {told.fingerprint for told in again} == {certificate.fingerprint}
        assert len(authority.holdings(account=account())) == 1

    def test_authority_3_a_pending_request_is_decided_later(self) -> None:
        """authority-3: a request that takes time is pending under a reference, and decided under it, once."""
        authority = self.make_authority(takes_time=True)
        told = _submit(authority)
        assert isinstance(told, CertificatePending)
        assert told.reference
        assert isinstance(authority.ask(reference=told.reference), Pending)
        assert authority.holdings(account=account()) == ()
        self.pass_time(self.decision_wait)
        decided = authority.ask(reference=told.reference)
        assert isinstance(decided, CertificateIssued)
        self.pass_time(timedelta(days=1))
        assert authority.ask(reference=told.reference) == decided
        assert len(authority.holdings(account=account())) == 1

    def test_authority_4_a_refusal_is_an_answer(self) -> None:
        """authority-4: a refusal is an answer with a reason; the same key is refused again, and nothing is issued."""
        authority = self.make_authority(refuses=True)
        refused = _submit(authority)
        assert isinstance(refused, CertificateRefused)
        assert refused.reason
        assert _submit(authority) == refused
        assert authority.holdings(account=account()) == ()

    def test_authority_5_an_unknown_reference_is_rejected(self) -> None:
        """authority-5: asking for a request that was never made is rejected as `unknown_reference`."""
        with rejected("unknown_reference"):
            self.make_authority().ask(reference="never-made")

    def test_authority_6_a_revocation_is_for_good(self) -> None:
        """authority-6: a revoked certificate is revoked since then and for that reason, and stays so."""
        authority = self.make_authority()
        fingerprint = _issued(authority).fingerprint
        assert authority.status(fingerprint=fingerprint).kind is StatusKind.GOOD
        revoked = self._revoked(authority, fingerprint)
        assert (revoked.fingerprint, revoked.reason) == (fingerprint, "key_compromise")
        self.pass_time(timedelta(days=30))
        status = authority.status(fingerprint=fingerprint)
        assert (status.kind, status.revoked_at, status.reason) == (StatusKind.REVOKED, revoked.at, "key_compromise")

    def test_authority_7_the_first_revocation_counts(self) -> None:
        """authority-7: revoking what is revoked already answers with the first instant and the first reason."""
        authority = self.make_authority()
        fingerprint = _issued(authority).fingerprint
        first = self._revoked(authority, fingerprint)
        self.pass_time(timedelta(days=1))
        assert self._revoked(authority, fingerprint, key=Key("other/1/0"), reason="superseded") == first
        assert self._revoked(authority, fingerprint) == first

    def test_authority_8_what_it_did_not_issue_is_unknown(self) -> None:
        """authority-8: a certificate that it did not issue has an unknown status, and cannot be revoked."""
        authority = self.make_authority()
        assert authority.status(fingerprint=NOBODY_S).kind is StatusKind.UNKNOWN
        with rejected("unknown_certificate"):
            authority.revoke(key=REVOKING, fingerprint=NOBODY_S, reason="key_compromise")

    def test_authority_9_only_reasons_that_end_are_taken(self) -> None:
        """authority-9: a word that is no reason of RFC 5280, or a hold, is rejected as `reason_refused`."""
        authority = self.make_authority()
        fingerprint = _issued(authority).fingerprint
        for number, reason in enumerate(("a whim", "certificate_hold", "")):
            with rejected("reason_refused"):
                authority.revoke(key=Key(f"other/{number}/0"), fingerprint=fingerprint, reason=reason)
        assert authority.status(fingerprint=fingerprint).kind is StatusKind.GOOD

    def test_authority_10_what_has_expired_is_not_revoked(self) -> None:
        """authority-10: revoking a certificate that has expired is rejected as `expired`."""
        authority = self.make_authority()
        certificate = _issued(authority)
        self.pass_time(certificate.not_after - self.clock.now() + timedelta(days=1))
        with rejected("expired"):
            authority.revoke(key=REVOKING, fingerprint=certificate.fingerprint, reason="key_compromise")

    def test_authority_11_holdings_are_the_account_s(self) -> None:
        """authority-11: holdings are the account's own, newest first, ended ones included, with what was registered."""
        authority = self.make_authority()
        old = _issued(authority)
        self._revoked(authority, old.fingerprint)
        self.pass_time(timedelta(days=1))
        new = _issued(authority, key=Key("subscription-9/14/0"))
        _issued(authority, key=Key("subscription-1/14/0"), number=1)
        held = authority.holdings(account=account())
        assert [one.certificate.fingerprint for one in held] == [new.fingerprint, old.fingerprint]
        assert [one.status.kind for one in held] == [StatusKind.GOOD, StatusKind.REVOKED]
        assert all((one.email, one.mobile) == (account().email, account().mobile) for one in held)

    def test_authority_12_a_key_can_be_asked_for(self) -> None:
        """authority-12: the outcome of a key that never arrived is unknown; of one that was answered, done."""
        authority = self.make_authority()
        for key in (KEY, REVOKING):
            assert authority.outcome(key=key).kind is OutcomeKind.UNKNOWN
        fingerprint = _issued(authority).fingerprint
        self._revoked(authority, fingerprint)
        for key in (KEY, REVOKING):
            assert authority.outcome(key=key).kind is OutcomeKind.DONE

    def test_authority_13_a_refused_key_says_why(self) -> None:
        """authority-13: the outcome of a key that was refused is refused, with the reason that was given."""
        authority = self.make_authority(refuses=True)
        refused = _submit(authority)
        assert isinstance(refused, CertificateRefused)
        outcome = authority.outcome(key=KEY)
        assert (outcome.kind, outcome.reason) == (OutcomeKind.REFUSED, refused.reason)

    @PROPERTY
    @given(text=ANY_TEXT)
    def test_authority_14_only_port_errors_come_out(self, text: str) -> None:
        """authority-14: whatever is asked, only an answer or one of the three port errors comes out."""
        authority = self._shared()
        only_port_errors(lambda: authority.ask(reference=text))
        only_port_errors(lambda: authority.status(fingerprint=Fingerprint(text)))
        only_port_errors(lambda: authority.revoke(key=Key(text), fingerprint=Fingerprint(text), reason=text))
        only_port_errors(lambda: authority.outcome(key=Key(text)))

    def test_authority_15_a_key_is_not_reused(self) -> None:
        """authority-15: a key used again for another application, certificate or call is rejected as `key_reused`,
        does nothing, and its answer stands."""
        authority = self.make_authority()
        first = _issued(authority)
        other = _issued(authority, key=Key("subscription-1/14/0"), number=1)
        self._revoked(authority, other.fingerprint)
        with rejected("key_reused"):
            _submit(authority, number=1)
        for key in (REVOKING, KEY):
            with rejected("key_reused"):
                authority.revoke(key=key, fingerprint=first.fingerprint, reason="key_compromise")
        assert authority.status(fingerprint=first.fingerprint).kind is StatusKind.GOOD
        assert len(authority.holdings(account=account(1))) == 1
        assert _issued(authority).fingerprint == first.fingerprint

    def test_authority_16_a_refused_revocation_stays_so(self) -> None:
        """authority-16: a revocation that was rejected is rejected again under its key, whose outcome says why."""
        authority = self.make_authority()
        fingerprint = _issued(authority).fingerprint
        for _ in range(2):
            with rejected("reason_refused"):
                authority.revoke(key=REVOKING, fingerprint=fingerprint, reason="a whim")
        outcome = authority.outcome(key=REVOKING)
        assert (outcome.kind, outcome.reason) == (OutcomeKind.REFUSED, "reason_refused")
        assert self._revoked(authority, fingerprint, key=Key("other/1/0")).reason == "key_compromise"

    def test_authority_17_pending_requests_do_not_mix(self) -> None:
        """authority-17: of several pending requests, each is decided under its own reference, for its own person."""
        authority = self.make_authority(takes_time=True)
        references = []
        for number in range(2):
            told = _submit(authority, key=Key(f"subscription-{number}/14/0"), number=number)
            assert isinstance(told, CertificatePending)
            references.append(told.reference)
        self.pass_time(self.decision_wait)
        for number in (1, 0):
            decided = authority.ask(reference=references[number])
            assert isinstance(decided, CertificateIssued)
            assert decided.certificate.name == account(number).name
            (held,) = authority.holdings(account=account(number))
            assert held.certificate.fingerprint == decided.certificate.fingerprint

    @needs(THREADS)
    def test_authority_18_racing_revocations_agree(self) -> None:
        """authority-18: revocations that race under several keys all answer with one instant and one reason."""
        authority = self.make_authority()
        fingerprint = _issued(authority).fingerprint
        reasons = ("key_compromise", "superseded")

        def revoke(number: int) -> CertificateRevoked | Pending:
            key, reason = Key(f"other/{number}/0"), reasons[number % 2]
            return authority.revoke(key=key, fingerprint=fingerprint, reason=reason)

        told = together(4, revoke)
        if any(isinstance(one, Pending) for one in told):
            self.pass_time(self.decision_wait)
            told = [revoke(number) for number in range(4)]
        (first,) = set(told)
        status = authority.status(fingerprint=fingerprint)
        assert isinstance(first, CertificateRevoked)
        assert (status.revoked_at, status.reason) == (first.at, first.reason)

    def test_authority_19_nobody_is_named_aloud(self) -> None:
        """authority-19: neither the authority nor its refusals print or log who the applicant is."""
        authority = self.make_authority()
        with unspoken(*personal(account()), *personal(account(1))) as said:
            _issued(authority)
            authority.holdings(account=account())
            said += [authority, only_port_errors(lambda: _submit(authority, number=1))]

    def test_authority_20_any_history_keeps_its_word(self) -> None:
        """authority-20: after any history of requests, lost answers, restarts and revocations, a key has one answer,
        a certificate one holder, and what is revoked stays revoked as at first."""
        suite = self

        class History(_History):
            def __init__(self) -> None:
                super().__init__(suite)

        run_any_history(History, examples=self.examples)

    _authority: CertificateAuthority | None = None

    def _shared(self) -> CertificateAuthority:
        # One for all examples: making a certification hierarchy may take a second.
        if self._authority is None:
            self._authority = self.make_authority()
        return self._authority

    def _revoked(
        self,
        authority: CertificateAuthority,
        fingerprint: Fingerprint,
        *,
        key: Key = REVOKING,
        reason: str = "key_compromise",
    ) -> CertificateRevoked:
        answer = authority.revoke(key=key, fingerprint=fingerprint, reason=reason)
        if isinstance(answer, Pending):
            self.pass_time(self.decision_wait)
            answer = authority.revoke(key=key, fingerprint=fingerprint, reason=reason)
        assert isinstance(answer, CertificateRevoked), f"not revoked after {self.decision_wait}"
        return answer


def _submit(authority: CertificateAuthority, *, key: Key = KEY, number: int = 0) -> Decision:
    return authority.submit(key=key, application=application(number), request=name_of(b"the sealed request"))


def _issued(authority: CertificateAuthority, *, key: Key = KEY, number: int = 0) -> Certificate:
    answer = _submit(authority, key=key, number=number)
    assert isinstance(answer, CertificateIssued)
    return answer.certificate


@define
class _Certified:
    """What must be true of one certificate."""

    number: int
    asked: bool = False
    """A revocation was asked for, and may be published at any moment."""
    revoked: CertificateRevoked | None = None


class _History(RuleBasedStateMachine):
    """Any history of requests and revocations, beside a few dictionaries."""

    restarts = RESTARTS

    keys, numbers = st.integers(0, 3), st.integers(0, 1)

    def __init__(self, suite: AuthorityConformance) -> None:
        super().__init__()
        suite.setup_method()
        self.suite = suite
        self.authority: CertificateAuthority | None = None
        self.submitted: dict[Key, tuple[int, Decision]] = {}
        self.references: dict[str, int] = {}
        self.decided: dict[str, Fingerprint] = {}
        self.certified: dict[Fingerprint, _Certified] = {}
        self.revoking: dict[Key, tuple[Fingerprint, str]] = {}

    @property
    def made(self) -> CertificateAuthority:
        if self.authority is None:
            self.authority = self.suite.make_authority()
        return self.authority

    @precondition(lambda self: self.authority is None)
    @rule(takes_time=st.booleans())
    def begin(self, takes_time: bool) -> None:
        self.authority = self.suite.make_authority(takes_time=takes_time)

    @rule(key=keys, number=numbers, lost=st.booleans())
    def submit(self, key: int, number: int, lost: bool) -> None:
        asked = Key(f"subscription-{key}/14/0")
        before = self.submitted.get(asked)
        if before is not None and before[0] != number:
            with rejected("key_reused"):
                _submit(self.made, key=asked, number=number)
            return
        answer = answered(lambda: _submit(self.made, key=asked, number=number), lost=lost)
        if before is not None and not isinstance(before[1], CertificatePending):
            assert answer == before[1], "another answer than at first"
        elif before is not None and isinstance(answer, CertificatePending):
            assert answer == before[1], "another reference than at first"
        elif isinstance(answer, CertificatePending):
            assert answer.reference not in self.references, "two requests, one reference"
            self.references[answer.reference] = number
        if isinstance(answer, CertificateIssued):
            self.certify(number, answer)
        self.submitted[asked] = number, answer

    @precondition(lambda self: self.references)
    @rule(which=keys)
    def ask(self, which: int) -> None:
        reference = list(self.references)[which % len(self.references)]
        answer = self.made.ask(reference=reference)
        if isinstance(answer, CertificateIssued):
            fingerprint = answer.certificate.fingerprint
            assert self.decided.setdefault(reference, fingerprint) == fingerprint, "decided twice"
            self.certify(self.references[reference], answer)
        else:
            assert isinstance(answer, Pending), "refused, though nothing speaks against it"
            assert reference not in self.decided, "a decision was taken back"

    @precondition(lambda self: self.certified)
    @rule(key=keys, which=keys, reason=st.sampled_from(["key_compromise", "superseded"]), lost=st.booleans())
    def revoke(self, key: int, which: int, reason: str, lost: bool) -> None:
        asked = Key(f"subscription-{key}/18/0")
        fingerprint = list(self.certified)[which % len(self.certified)]
        if self.revoking.setdefault(asked, (fingerprint, reason)) != (fingerprint, reason):
            with rejected("key_reused"):
                self.made.revoke(key=asked, fingerprint=fingerprint, reason=reason)
            return
        known = self.certified[fingerprint]
        known.asked = True
        answer = answered(lambda: self.made.revoke(key=asked, fingerprint=fingerprint, reason=reason), lost=lost)
        if isinstance(answer, CertificateRevoked):
            assert answer.fingerprint == fingerprint
            assert known.revoked in (None, answer), "revoked otherwise than at first"
            known.revoked = answer
        else:
            assert known.revoked is None, "a revocation was taken back"

    @rule(by=st.sampled_from(MOMENTS))
    def pass_time(self, by: timedelta) -> None:
        self.suite.pass_time(by)

    @precondition(lambda self: self.restarts)
    @rule()
    def restart(self) -> None:
        self.restarts -= 1
        self.authority = self.suite.restarted(self.made)

    @invariant()
    def statuses_agree(self) -> None:
        for fingerprint, known in self.certified.items():
            status = self.made.status(fingerprint=fingerprint)
            if known.revoked is not None:
                told = (status.kind, status.revoked_at, status.reason)
                assert told == (StatusKind.REVOKED, known.revoked.at, known.revoked.reason)
            else:
                assert status.kind is StatusKind.GOOD or known.asked, "revoked by nobody"

    @invariant()
    def holdings_agree(self) -> None:
        for number in (0, 1) if self.authority else ():
            held = [one.certificate for one in self.made.holdings(account=account(number))]
            told = {one for one, known in self.certified.items() if known.number == number}
            requests = sum(asked == number for asked, _ in self.submitted.values())
            assert told <= {one.fingerprint for one in held}, "a certificate is lost"
            assert len(held) <= requests, "more certificates than requests"
            assert all(one.name == account(number).name for one in held), "another person's certificate"
            starts = [one.not_before for one in held]
            assert starts == sorted(starts, reverse=True), "not newest first"

    @invariant()
    def outcomes_agree(self) -> None:
        for key in (*self.submitted, *self.revoking):
            assert self.made.outcome(key=key).kind is OutcomeKind.DONE

    def certify(self, number: int, answer: CertificateIssued) -> None:
        known = self.certified.setdefault(answer.certificate.fingerprint, _Certified(number))
        assert known.number == number, "one certificate, two holders"
        assert answer.certificate.name == account(number).name
