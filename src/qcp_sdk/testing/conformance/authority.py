"""What `ports.authority.CertificateAuthority` promises."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import timedelta
from typing import ClassVar, Final

from hypothesis import given
from hypothesis import strategies as st

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
from qcp_sdk.testing.conformance.examples import account, application, name_of
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

    @abstractmethod
    def make_authority(self, *, takes_time: bool = False, refuses: bool = False) -> CertificateAuthority:
        """Make an authority that has issued nothing; one that answers `CertificatePending` first; one that refuses."""

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
    @given(text=st.text(max_size=60))
    def test_authority_14_only_port_errors_come_out(self, text: str) -> None:
        """authority-14: whatever is asked, only an answer or one of the three port errors comes out."""
        authority = self._shared()
        only_port_errors(lambda: authority.ask(reference=text))
        only_port_errors(lambda: authority.status(fingerprint=Fingerprint(text)))
        only_port_errors(lambda: authority.revoke(key=Key(text), fingerprint=Fingerprint(text), reason=text))
        only_port_errors(lambda: authority.outcome(key=Key(text)))

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
