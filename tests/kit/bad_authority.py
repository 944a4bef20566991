"""Wrong adapters of the port `authority`."""

# Each overrides what it gets wrong; the arguments are passed on as they come.
# mypy: disable-error-code="override, no-untyped-def, no-untyped-call"

from __future__ import annotations

import pytest

from qcp_sdk.adapters.memory.authority import MemoryAuthority
from qcp_sdk.certificates import CertificateStatus, StatusKind
from qcp_sdk.ports.answers import Outcome, OutcomeKind
from qcp_sdk.subscription.facts import CertificateRevoked
from qcp_sdk.testing.conformance.authority import AuthorityConformance
from qcp_sdk.values import Key


class AuthoritySuite(AuthorityConformance):
    Adapter: type[MemoryAuthority] = MemoryAuthority

    def make_authority(self, *, takes_time: bool = False, refuses: bool = False) -> MemoryAuthority:
        return self.Adapter(clock=self.clock)


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
