"""Policies that are valid, and as varied as that allows: levels closed from any one up, each asking no less than the
one below it.
"""

from __future__ import annotations

from datetime import timedelta
from functools import cache
from typing import Final

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from qcp_sdk.collectes import Role
from qcp_sdk.levels import REQUIRED_CERTIFICATE, CertificateLevel, SignatureLevel
from qcp_sdk.matching import EMAIL, FIRST_NAME, LAST_NAME, MOBILE, Transformation
from qcp_sdk.policy.rules import LISTABLE, mandatory_at
from qcp_sdk.policy.shapes import CLOSED, Attestor, Floor, Issuer, LevelRules, Policy
from qcp_sdk.testing.strategies.collectes import KINDS
from qcp_sdk.testing.strategies.holdings import PROVIDERS
from qcp_sdk.testing.strategies.ids import fingerprints

_SOME: Final = st.frozensets(st.sampled_from(CertificateLevel), min_size=1)
_NAMES: Final = ("Exemple SA", "a,b+c", "Ordre des Experts-Comptables", 'L\'"Autorité"', "#", "x\\y")


@st.composite
def issuers(draw: DrawFn) -> Issuer:
    """An issuer that is known by a name, by its certificate, or by several of these."""
    organisation, dn, ca = draw(
        st.tuples(
            st.just("") | st.sampled_from(_NAMES),
            st.just("") | st.sampled_from(("CN=CA,O=Exemple SA,C=FR", "CN=\\#x")),
            st.none() | fingerprints(),
        ).filter(any)
    )
    return Issuer(name=draw(st.sampled_from(_NAMES)), levels=draw(_SOME), organisation=organisation, dn=dn, ca=ca)


@cache
def attestors() -> SearchStrategy[Attestor]:
    """A provider whose word is believed."""
    return st.builds(Attestor, provider=st.sampled_from(PROVIDERS), levels=_SOME)


@cache
def floors() -> SearchStrategy[Floor]:
    """A floor: for a kind of document, a role, both together, or everybody."""
    return st.builds(
        Floor,
        level=st.sampled_from(SignatureLevel),
        kind=st.none() | st.sampled_from(KINDS),
        role=st.none() | st.sampled_from(Role),
    )


@st.composite
def level_rules(draw: DrawFn) -> tuple[LevelRules, ...]:
    """What each of the four levels asks for, so that whoever passes one passes every one below it."""
    found: list[LevelRules] = []
    highest = draw(st.integers(0, len(SignatureLevel)))
    rules: tuple[str, ...] = ()
    certificate: CertificateLevel | None = None
    attested = True
    for level in SignatureLevel:
        if level > highest:
            found.append(CLOSED)
            continue
        about_certificates = (
            level >= SignatureLevel.NIVEAU_2 or (bool(found) and certificate is not None) or draw(_SELDOM)
        )
        meant = mandatory_at(max(level, SignatureLevel.NIVEAU_2)) if about_certificates else ("collecte.open",)
        chosen = {*rules, *meant, *(draw(st.sets(st.sampled_from(LISTABLE))) if about_certificates else ())}
        rules = tuple(draw(st.permutations(sorted(chosen))))
        if about_certificates:
            lowest = max(certificate or CertificateLevel.LCP, REQUIRED_CERTIFICATE[level] or CertificateLevel.LCP)
            certificate = draw(st.sampled_from([each for each in CertificateLevel if each >= lowest]))
            attested = attested and draw(st.booleans())
        found.append(
            LevelRules(
                rules=rules,
                certificate=certificate,
                attestation=attested if about_certificates else draw(st.booleans()),
            )
        )
    return tuple(found)


_SELDOM: Final = st.sampled_from((False, False, False, True))


@st.composite
def policies(draw: DrawFn) -> Policy:
    """A valid policy; any of its levels may be closed, any issuer trusted."""
    return Policy(
        version=draw(st.sampled_from(("2026-11", "1", "v é", '"quoted"'))),
        levels=draw(level_rules()),
        issuers=tuple(draw(st.lists(issuers(), max_size=3))),
        trusted_lists=draw(st.frozensets(st.sampled_from(CertificateLevel))),
        attestors=tuple(draw(st.lists(attestors(), max_size=2))),
        floors=tuple(draw(st.lists(floors(), max_size=3))),
        holder_fields=(FIRST_NAME, LAST_NAME, *draw(st.sampled_from(((), (EMAIL,), (MOBILE,), (EMAIL, MOBILE))))),
        holder_close=draw(st.frozensets(st.sampled_from(Transformation))),
        status_age=draw(st.timedeltas(timedelta(minutes=1), timedelta(days=400))),
        beyond_deadline=draw(st.timedeltas(timedelta(0), timedelta(days=400))),
        third_party_highest=draw(st.booleans()),
    )
