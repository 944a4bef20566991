"""Which evidence counts, and which is chosen, one piece against another."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache

import pytest
from attrs import evolve

from qcp_sdk.certificates import Holding
from qcp_sdk.errors import InvalidValue
from qcp_sdk.levels import CertificateLevel
from qcp_sdk.policy import Verdict, recheck
from qcp_sdk.policy.candidates import Candidate, candidates
from qcp_sdk.policy.evidence import Attestation
from qcp_sdk.testing.corpus import Case, cases
from qcp_sdk.values import SignatoryId

ME = SignatoryId("s1")
YEAR = timedelta(days=365)


@cache
def corpus() -> dict[str, Case]:
    return {case.name: case for case in cases()}


def attestation(**parts: object) -> Attestation:
    (given,) = corpus()["niveau-3-attested"].enquiry.holdings[ME]
    assert isinstance(given, Attestation)
    return evolve(given, **parts)  # type: ignore[arg-type]


def holding() -> Holding:
    (given,) = corpus()["niveau-3-qcp-n"].enquiry.holdings[ME]
    assert isinstance(given, Holding)
    return given


@pytest.mark.parametrize(
    ("matched", "verdict"),
    [
        (("name", "email", "mobile"), Verdict.PASSED),
        (("first_name", "last_name", "email", "mobile"), Verdict.PASSED),
        (("email", "mobile"), Verdict.INDETERMINATE),
        (("first_name", "email", "mobile"), Verdict.INDETERMINATE),
    ],
)
def test_an_attestation_counts_for_the_fields_that_were_compared(matched: tuple[str, ...], verdict: Verdict) -> None:
    case = corpus()["niveau-3-attested"]
    enquiry = evolve(case.enquiry, holdings={ME: (attestation(matched=matched),)})
    assert evolve(case, enquiry=enquiry).decide().verdict is verdict


def preferred(*found: Candidate) -> Candidate:
    return min(found, key=lambda each: each.preference)


def test_what_is_chosen_first() -> None:
    seen = candidates((holding(),), {})[0]
    (told,) = candidates((attestation(),), {})
    # Seen before attested, whatever else is said of them.
    old = evolve(holding(), certificate=evolve(holding().certificate, not_after=datetime(1971, 1, 1, tzinfo=UTC)))
    assert preferred(told, candidates((old,), {})[0]).certificate
    assert preferred(evolve(told, stated=CertificateLevel.LCP), seen).certificate
    # The least that suffices, then the latest word, then by name.
    high = evolve(told, stated=CertificateLevel.QCP_N_QSCD)
    assert preferred(high, told) is told
    newer = candidates((attestation(at=attestation().at + YEAR),), {})[0]
    assert preferred(told, newer) is newer
    (other,) = candidates((attestation(provider="another"),), {})
    assert preferred(told, other) is other


def test_evidence_has_an_order_of_its_own() -> None:
    given = [attestation(provider=name, at=attestation().at + days) for name in "cab" for days in (YEAR, 0 * YEAR)]
    once = candidates((*given, *given), {})
    assert [(each.provider, each.evidence.at) for each in once if isinstance(each.evidence, Attestation)] == sorted(
        (each.provider, each.at) for each in given
    )
    assert candidates(tuple(reversed(given)), {}) == once


def test_what_cannot_be_meant_names_the_place() -> None:
    naive = datetime(2030, 1, 1)  # noqa: DTZ001
    ends = evolve(holding(), certificate=evolve(holding().certificate, not_after=naive))
    twice = evolve(holding(), email=None, mobile=None)
    for given in ((ends,), (holding(), twice)):
        with pytest.raises(InvalidValue, match=r"^holdings: "):
            candidates(given, {})
    with pytest.raises(InvalidValue, match=r"^at: "):
        attestation(at=naive)


def test_a_choice_is_checked_again_with_what_the_lists_say() -> None:
    """At the moment of signing, nothing that the first decision knew is left out."""
    by_lists = 0
    for case in corpus().values():
        enquiry, decision = case.enquiry, case.decide()
        assert enquiry.at is not None
        for one in decision.signatories:
            if one.verdict is not Verdict.PASSED or one.chosen is None:
                continue
            evidence = tuple(enquiry.holdings.get(one.signatory, ()))
            words = {"chosen": one.chosen, "now": enquiry.at, "policy": case.policy}
            again = recheck(enquiry.collecte, one.signatory, evidence, recognitions=enquiry.recognitions, **words)  # type: ignore[arg-type]
            assert (again.verdict, again.chosen) == (Verdict.PASSED, one.chosen)
            alone = recheck(enquiry.collecte, one.signatory, evidence, **words)  # type: ignore[arg-type]
            by_lists += alone.verdict is not Verdict.PASSED
    assert by_lists > 0
