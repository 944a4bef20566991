"""Wrong adapters of the port `authority`."""

# Each overrides what it gets wrong; the arguments are passed on as they come.
# mypy: disable-error-code="override, no-untyped-def, no-untyped-call"

from __future__ import annotations

from datetime import timedelta

import pytest
from attrs import evolve

from qcp_sdk.adapters.memory.authority import MemoryAuthority, issue
from qcp_sdk.certificates import CertificateStatus, StatusKind
from qcp_sdk.ports.answers import Outcome, OutcomeKind
from qcp_sdk.subscription.facts import CertificateRevoked
from qcp_sdk.testing.conformance.authority import AuthorityConformance
from qcp_sdk.values import Key


class AuthoritySuite(AuthorityConformance):
    Adapter: type[MemoryAuthority] = MemoryAuthority

    def make_authority(self, *, takes_time: bool = False, refuses: bool = False) -> MemoryAuthority:
        authority = self.Adapter(clock=self.clock)
        if takes_time:
            authority.script(None, issue(after=timedelta(minutes=30)))
        return authority


@pytest.mark.caught_by("test_authority_2_a_key_issues_once")
class IssuesTwice(AuthoritySuite):
    class Adapter(MemoryAuthority):
        asked_for = 0

        def submit(self, *, key, **rest):
            self.asked_for += 1
            return super().submit(key=Key(f"{key}#{self.asked_for}"), **rest)


@pytest.mark.caught_by("test_authority_7_the_first_revocation_counts")
class RevokesAgain(AuthoritySuite):
    class Adapter(MemoryAuthority):
        def revoke(self, *, key, fingerprint, reason):
            super().revoke(key=key, fingerprint=fingerprint, reason=reason)
            return CertificateRevoked(fingerprint=fingerprint, at=self._clock.now(), reason=reason)


@pytest.mark.caught_by("test_authority_6_a_revocation_is_for_good")
class ForgetsRevocations(AuthoritySuite):
    class Adapter(MemoryAuthority):
        def status(self, *, fingerprint):
            return CertificateStatus(kind=StatusKind.GOOD, checked_at=self._clock.now())


@pytest.mark.caught_by("test_authority_8_what_it_did_not_issue_is_unknown")
class VouchesForAnything(ForgetsRevocations):
    pass


@pytest.mark.caught_by("test_authority_12_a_key_can_be_asked_for")
class RemembersNoKeys(AuthoritySuite):
    class Adapter(MemoryAuthority):
        def outcome(self, *, key):
            return Outcome(kind=OutcomeKind.UNKNOWN)


@pytest.mark.caught_by("test_authority_11_holdings_are_the_account_s")
class ShowsOldestFirst(AuthoritySuite):
    class Adapter(MemoryAuthority):
        def holdings(self, *, account):
            return tuple(reversed(super().holdings(account=account)))


@pytest.mark.caught_by("test_authority_9_only_reasons_that_end_are_taken")
class TakesAnyReason(AuthoritySuite):
    class Adapter(MemoryAuthority):
        def revoke(self, *, key, fingerprint, reason):
            return super().revoke(key=key, fingerprint=fingerprint, reason="unspecified")


@pytest.mark.caught_by("test_authority_15_a_key_is_not_reused")
@pytest.mark.caught_by("test_authority_20_any_history_keeps_its_word")
class IssuesByKeyOnly(AuthoritySuite):
    class Adapter(MemoryAuthority):
        def submit(self, *, key, **rest):
            kept = self.__dict__.setdefault("answers", {})
            if key not in kept:
                kept[key] = super().submit(key=key, **rest)
            return kept[key]


@pytest.mark.caught_by("test_authority_16_a_refused_revocation_stays_so")
class ForgetsWhyItRefused(AuthoritySuite):
    class Adapter(MemoryAuthority):
        def outcome(self, *, key):
            told = super().outcome(key=key)
            return Outcome(kind=OutcomeKind.UNKNOWN) if told.kind is OutcomeKind.REFUSED else told


@pytest.mark.caught_by("test_authority_17_pending_requests_do_not_mix")
@pytest.mark.caught_by("test_authority_3_a_pending_request_is_decided_later")
class HandsOutTheNewest(AuthoritySuite):
    class Adapter(MemoryAuthority):
        def ask(self, *, reference):
            super().ask(reference=reference)
            return super().ask(reference=list(self._requests)[-1])

        def holdings(self, *, account):
            return ()


@pytest.mark.caught_by("test_authority_18_racing_revocations_agree")
@pytest.mark.caught_by("test_authority_20_any_history_keeps_its_word")
class AnswersEachReason(AuthoritySuite):
    class Adapter(MemoryAuthority):
        def revoke(self, *, reason, **rest):
            return evolve(super().revoke(reason=reason, **rest), reason=reason)


@pytest.mark.caught_by("test_authority_19_nobody_is_named_aloud")
class PrintsApplicants(AuthoritySuite):
    class Adapter(MemoryAuthority):
        def submit(self, *, application, **rest):
            print("asked for", application.account.name.full)
            return super().submit(application=application, **rest)


@pytest.mark.caught_by("test_authority_6_a_revocation_is_for_good")
@pytest.mark.caught_by("test_authority_20_any_history_keeps_its_word")
class ConfirmsBeforeItRevokes(AuthoritySuite):
    class Adapter(MemoryAuthority):
        def revoke(self, *, key, fingerprint, reason):
            return CertificateRevoked(fingerprint=fingerprint, at=self._clock.now(), reason=reason)


@pytest.mark.caught_by("test_authority_5_an_unknown_reference_is_rejected")
@pytest.mark.caught_by("test_authority_14_only_port_errors_come_out")
class LeaksKeyErrors(AuthoritySuite):
    class Adapter(MemoryAuthority):
        def ask(self, *, reference):
            return self._decide(self._requests[reference].key and reference)
