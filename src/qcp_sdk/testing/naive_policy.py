"""The level policy a second time: short, slow, obvious, and written only from its text.

`judge` answers what `qcp_sdk.policy.assess` answers, from behaviour § 5, decision 0013 and the comments of the default
policy; it shares no code with the real one but the values of both. Where the two disagree, the code, the text or this
twin is wrong. A host that wants a second opinion on its own evidence may ask it too: `disagreements` compares.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import product

from attrs import frozen

from qcp_sdk.certificates import QC_TYPE_ESIGN, Holding, StatusKind
from qcp_sdk.collectes import Collecte, Role, Signatory
from qcp_sdk.levels import CertificateLevel, SignatureLevel
from qcp_sdk.matching import Reason, compare_holder
from qcp_sdk.policy import Attestation, Decision, Evidence, LevelRules, Policy, Recognition
from qcp_sdk.values import Fingerprint, SignatoryId

Truth = bool | None
"""Yes, no, or: nobody knows."""
SKEW = timedelta(minutes=5)
"""How far ahead another machine's clock may be."""


@frozen(kw_only=True)
class Opinion:
    """What the twin thinks of one signatory at one level."""

    available: Truth
    offered: bool
    required: SignatureLevel
    reasons: frozenset[tuple[str, str]]
    """(rule, evidence) of everything that does not pass, when the level is not available."""
    chosen: str = ""
    """The evidence to sign with."""


@frozen(kw_only=True)
class _World:
    collecte: Collecte
    who: Signatory
    now: datetime
    policy: Policy
    recognitions: Mapping[Fingerprint, Recognition]


def judge(
    collecte: Collecte,
    holdings: Mapping[SignatoryId, Sequence[Evidence]],
    *,
    now: datetime,
    policy: Policy,
    recognitions: Mapping[Fingerprint, Recognition],
) -> dict[tuple[SignatoryId, SignatureLevel], Opinion]:
    """Say of every signatory and every level whether it is available, offered, and why not."""
    opinions = {}
    for who in collecte.signatories:
        world = _World(collecte=collecte, who=who, now=now, policy=policy, recognitions=recognitions)
        evidence = holdings.get(who.id, ())
        required = _required(world, evidence)
        for level in SignatureLevel:
            opinions[who.id, level] = _opinion(world, evidence, level, required)
    return opinions


def _opinion(world: _World, evidence: Sequence[Evidence], level: SignatureLevel, required: SignatureLevel) -> Opinion:
    asks = world.policy.at(level)
    if not asks.rules:  # an empty rule list does not pass, and every refusal has a finding
        closed = frozenset({("level.open", "")})
        return Opinion(available=False, offered=False, required=required, reasons=closed)
    about_collecte: dict[tuple[str, str], Truth] = {}
    if "collecte.open" in asks.rules:
        about_collecte["collecte.open", ""] = world.now < world.collecte.deadline
    about_each: list[tuple[Evidence | None, dict[tuple[str, str], Truth]]] = []
    if asks.certificate is not None:
        about_each = [
            (each, {(rule, name(each)): truth for rule, truth in _statements(world, each, asks)}) for each in evidence
        ] or [(None, {("certificate.held", ""): False})]

    truths = [*about_collecte.values()]
    if about_each:
        truths.append(_any([_all(statements.values()) for _, statements in about_each]))
    available = _all(truths)
    reasons = {
        key
        for statements in (about_collecte, *(statements for _, statements in about_each))
        for key, truth in statements.items()
        if available is not True and truth is not True
    }
    passing = [each for each, statements in about_each if each and _all(statements.values())]
    return Opinion(
        available=available,
        offered=available is True and level >= required,
        required=required,
        reasons=frozenset(reasons),
        chosen=name(min(passing, key=_modesty)) if available is True and passing else "",
    )


def _required(world: _World, evidence: Sequence[Evidence]) -> SignatureLevel:
    """Give the lowest level that may be asked: a floor, or a third party's highest."""
    required = {SignatureLevel.NIVEAU_1}
    for floor in world.policy.floors:
        kinds = {document.kind for document in world.collecte.documents}
        if floor.kind in (None, *kinds) and floor.role in (None, world.who.role):
            required.add(floor.level)
    if world.who.role is Role.THIRD_PARTY and world.policy.third_party_highest:
        for level, each in product(SignatureLevel, evidence):
            asks = world.policy.at(level)
            if asks.certificate is not None and _holds(dict(_statements(world, each, asks))):
                required.add(level)
    return max(required)


def _holds(statements: dict[str, Truth]) -> bool:
    """Holding is everything but the person's data, and not being *known* as revoked."""
    statements.pop("holder.matches", None)
    if statements.get("status.good") is None:
        statements.pop("status.good", None)
    return all(truth is True for truth in statements.values())


def _statements(world: _World, evidence: Evidence, asks: LevelRules) -> Iterator[tuple[str, Truth]]:
    """Say of one piece of evidence whether what a level asks for is true of it."""
    assert asks.certificate is not None
    if isinstance(evidence, Attestation):
        yield from _attested(world, evidence, asks, asks.certificate)
        return
    certificate, status = evidence.certificate, evidence.status
    level = _level(evidence)
    yield "certificate.level", level is not None and level >= asks.certificate
    if "certificate.qualified" in asks.rules:
        for_signatures = QC_TYPE_ESIGN in certificate.qc.types
        yield "certificate.qualified", certificate.qc.compliance and for_signatures and not certificate.qc.legislation
    if "certificate.qscd" in asks.rules:
        yield "certificate.qscd", certificate.qc.qscd
    if "certificate.purpose" in asks.rules:
        yield "certificate.purpose", "non_repudiation" in certificate.key_usage and not certificate.is_ca
    yield "issuer.recognised", _recognised(world, evidence, level, asks.certificate)
    yield "validity.now", certificate.not_before <= world.now <= certificate.not_after
    if "validity.deadline" in asks.rules:
        yield "validity.deadline", world.collecte.deadline + world.policy.beyond_deadline <= certificate.not_after
    fresh = True if _fresh(world, status.checked_at) else None
    yield "status.good", {StatusKind.REVOKED: False, StatusKind.UNKNOWN: None, StatusKind.GOOD: fresh}[status.kind]
    yield "holder.matches", _all(_field_truths(world, evidence))


def _attested(
    world: _World, evidence: Attestation, asks: LevelRules, lowest: CertificateLevel
) -> Iterator[tuple[str, Truth]]:
    """A provider's word: believed where the policy believes it, for the levels for which it does."""
    believed = any(
        attestor.provider.lower() == evidence.provider.lower()
        and any(lowest <= level <= evidence.level for level in attestor.levels)
        for attestor in world.policy.attestors
    )
    yield "attestation.suffices", True if asks.attestation and believed else None
    yield "certificate.level", evidence.level >= lowest
    yield "status.good", True if _fresh(world, evidence.at) else None
    matched = {*evidence.matched, *(("first_name", "last_name") if "name" in evidence.matched else ())}
    yield "holder.matches", True if matched >= set(world.policy.holder_fields) else None


def _level(holding: Holding) -> CertificateLevel | None:
    """The level by what is in the X.509: policy identifier, QcCompliance, QcType esign, QcSSCD."""
    policies, qc = holding.certificate.policies, holding.certificate.qc
    qualified = qc.compliance and QC_TYPE_ESIGN in qc.types
    on_device, in_software = "0.4.0.194112.1.2" in policies, "0.4.0.194112.1.0" in policies
    if on_device and qualified and qc.qscd:
        return CertificateLevel.QCP_N_QSCD
    if (on_device or in_software) and qualified:
        return CertificateLevel.QCP_N
    if on_device or in_software or "0.4.0.2042.1.1" in policies or "0.4.0.2042.1.2" in policies:
        return CertificateLevel.NCP
    return CertificateLevel.LCP if "0.4.0.2042.1.3" in policies else None


def _recognised(world: _World, holding: Holding, level: CertificateLevel | None, lowest: CertificateLevel) -> Truth:
    """Whether the issuer is trusted for a level that suffices and that the certificate has.

    Not knowing is: nobody looked, and something could have been found. A certificate that is not enough is refused as
    such; of its issuer is asked whether it is trusted for what the certificate is, or for anything if that is nothing.
    """
    certificate, policy = holding.certificate, world.policy
    if level is None:
        sufficient = set(CertificateLevel)
    else:
        sufficient = {each for each in CertificateLevel if each <= level and (level < lowest or lowest <= each)}
    found = world.recognitions.get(certificate.fingerprint)

    def trusted(recognition: Recognition) -> bool:
        by_issuer = any(
            issuer.levels & sufficient
            and issuer.organisation in ("", certificate.issuer_organisation)
            and issuer.dn in ("", certificate.issuer)
            and (issuer.ca is None or issuer.ca in recognition.authorities)
            for issuer in policy.issuers
        )
        return by_issuer or bool(recognition.levels & policy.trusted_lists & sufficient)

    if found is not None:
        return trusted(found)
    if trusted(Recognition()):
        return True
    authorities = frozenset(issuer.ca for issuer in policy.issuers if issuer.ca is not None)
    at_best = Recognition(authorities=authorities, levels=frozenset(CertificateLevel))
    return None if trusted(at_best) else False


def _fresh(world: _World, asked: datetime) -> bool:
    return world.now - world.policy.status_age <= asked <= world.now + SKEW


def _field_truths(world: _World, holding: Holding) -> list[Truth]:
    """Compare holder and signatory; how two names are compared is behaviour § 4, and another room."""
    return [
        None if each.reason is Reason.UNSTATED else each.accepted(world.policy.holder_close)
        for each in compare_holder(world.who, holding).fields
        if each.field in world.policy.holder_fields
    ]


def _all(truths: Iterable[Truth]) -> Truth:
    given = list(truths)
    return False if False in given else None if None in given else True


def _any(truths: Sequence[Truth]) -> Truth:
    return True if True in truths else None if None in truths else False


def _modesty(evidence: Evidence) -> tuple[object, ...]:
    """What was seen before what is only said; the least that suffices; then the longest valid."""
    if isinstance(evidence, Attestation):
        return (1, evidence.level, 0.0, name(evidence))
    ends = evidence.certificate.not_after.timestamp()
    return (0, _level(evidence) or 0, -ends, name(evidence))


def name(evidence: Evidence) -> str:
    """What this evidence is called: a fingerprint, or its provider."""
    return evidence.provider if isinstance(evidence, Attestation) else evidence.certificate.fingerprint


def disagreements(decision: Decision, opinions: Mapping[tuple[SignatoryId, SignatureLevel], Opinion]) -> list[str]:
    """Give every point on which a decision of `assess` differs from the twin's opinions; empty when there is none."""
    truths = {"passed": True, "failed": False, "indeterminate": None}
    found = []
    for one in decision:
        asked = opinions[one.signatory, one.requested]
        verdict = False if one.requested < asked.required else asked.available
        if truths[one.verdict.value] is not verdict:
            found.append(f"{one.signatory}: the verdict is {one.verdict}, the twin says {verdict!r}")
        for each in one.assessments:
            opinion = opinions[one.signatory, each.level]
            against = () if each.verdict.value == "passed" else each.findings
            choice = each.chosen
            pairs: dict[str, tuple[object, object]] = {
                "available": (truths[each.verdict.value], opinion.available),
                "offered": (each.offered, opinion.offered),
                "required": (one.level_required, opinion.required),
                "chosen": ((choice.certificate or choice.provider) if choice else "", opinion.chosen),
                "reasons": (
                    {(f.rule, f.certificate or f.provider) for f in against if f.verdict.value != "passed"},
                    set(opinion.reasons),
                ),
            }
            found += [
                f"{one.signatory} at {each.level.name}: {what} is {real!r}, the twin says {twin!r}"
                for what, (real, twin) in pairs.items()
                if real != twin
            ]
    return found
