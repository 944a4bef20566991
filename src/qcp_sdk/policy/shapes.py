"""A policy as a value: what each level asks for, who is trusted, floors, margins. `load` reads one from TOML."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Final

from attrs import evolve, field, frozen

from qcp_sdk.certificates import Certificate
from qcp_sdk.collectes import Collecte, Role, Signatory
from qcp_sdk.errors import PolicyError
from qcp_sdk.levels import REQUIRED_CERTIFICATE, CertificateLevel, SignatureLevel
from qcp_sdk.matching import FIRST_NAME, HOLDER_ACCEPTED, HOLDER_FIELDS, LAST_NAME, Transformation
from qcp_sdk.policy.rules import LISTABLE, RULES, Scope, mandatory_at
from qcp_sdk.values import ContentHash, Fingerprint

_FINGERPRINT: Final = re.compile(r"[0-9a-f]{64}")
_ABOUT_CERTIFICATES: Final = frozenset(
    rule.id for rule in RULES.values() if rule.scope in (Scope.SIGNATORY, Scope.CERTIFICATE)
)
_WITH_CERTIFICATES: Final = tuple(mandatory_at(SignatureLevel.NIVEAU_2))
"""What any level that looks at certificates must ask, lest a weaker question be taken for an answer."""


@frozen(kw_only=True)
class LevelRules:
    """What one level asks for. No rules: the level is closed, and nobody passes it."""

    rules: tuple[str, ...]
    certificate: CertificateLevel | None = None
    """The lowest certificate level that will do."""
    attestation: bool = False
    """Whether a listed provider's word stands for a certificate that nobody here has seen."""


CLOSED: Final = LevelRules(rules=())


@frozen(kw_only=True)
class Issuer:
    """An issuer that is trusted for some certificate levels. What is stated of it must all hold.

    By `organisation` or `dn` it is known by name, which is enough for what comes from the issuer's own port; with
    `ca`, the authority's signature over the certificate must have been verified.
    """

    name: str
    levels: frozenset[CertificateLevel]
    organisation: str = ""
    """organizationName of the issuer, exactly as the certificate has it."""
    dn: str = ""
    """The issuer's whole distinguished name, RFC 4514."""
    ca: Fingerprint | None = None
    """SHA-256 of the authority's certificate."""

    def names(self, certificate: Certificate) -> bool:
        """Say whether the certificate names this issuer; one known by `ca` alone has no name to compare."""
        return (not self.organisation or self.organisation == certificate.issuer_organisation) and (
            not self.dn or self.dn == certificate.issuer
        )


@frozen(kw_only=True)
class Attestor:
    """A provider whose attestations are believed for some certificate levels."""

    provider: str
    """Its name; capitals make no difference."""
    levels: frozenset[CertificateLevel]


@frozen(kw_only=True)
class Floor:
    """The lowest level for a kind of document, for a role, or for both together."""

    level: SignatureLevel
    kind: str | None = None
    role: Role | None = None

    def concerns(self, collecte: Collecte, signatory: Signatory) -> bool:
        """Say whether it is about this signatory in this collecte."""
        by_kind = self.kind is None or any(document.kind == self.kind for document in collecte.documents)
        return by_kind and self.role in (None, signatory.role)


@frozen(kw_only=True)
class Policy:
    """What a platform asks for at each level. Valid by construction: no level asks for less than its name means, and
    each asks for all that the level below asks for, so that whoever passes a level passes every level below it.

    Raises:
        PolicyError: The policy cannot mean what it says; `where` is the key.
    """

    version: str
    levels: tuple[LevelRules, ...]
    """For NIVEAU_1 to NIVEAU_4, in this order."""
    issuers: tuple[Issuer, ...] = ()
    trusted_lists: frozenset[CertificateLevel] = frozenset()
    """The certificate levels for which being recognised by a trusted list is enough."""
    attestors: tuple[Attestor, ...] = ()
    floors: tuple[Floor, ...] = ()
    holder_fields: tuple[str, ...] = HOLDER_FIELDS
    holder_close: frozenset[Transformation] = HOLDER_ACCEPTED
    status_age: timedelta = timedelta(hours=24)
    """How old the last word on revocation may be."""
    beyond_deadline: timedelta = timedelta(0)
    """How long beyond the collecte's deadline a certificate must be valid."""
    third_party_highest: bool = True
    """Whether a third party who holds the certificate for a level must be asked for that level."""
    hash: ContentHash = field(init=False, eq=False)
    """Names what the policy means: comments, order and names of issuers do not change it."""

    def __attrs_post_init__(self) -> None:
        for where, what, mend in _flaws(self):
            raise PolicyError(what, where=where, mend=mend)
        text = json.dumps(self.as_data(), sort_keys=True, separators=(",", ":"))
        object.__setattr__(self, "hash", ContentHash(f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"))

    def at(self, level: SignatureLevel) -> LevelRules:
        """Give what this level asks for."""
        return self.levels[level - 1]

    def trusting(self, *issuers: Issuer) -> Policy:
        """Give the same policy with these issuers trusted as well: the local authority of a demonstration, say."""
        return evolve(self, issuers=(*self.issuers, *issuers))

    def as_data(self) -> dict[str, object]:
        """Give what the policy means as JSON can hold it, whatever it was written like."""
        return {
            "version": self.version,
            "levels": {
                level.name: {
                    "rules": sorted(set(self.at(level).rules)),
                    "certificate": _name(self.at(level).certificate),
                    "attestation": self.at(level).attestation,
                }
                for level in SignatureLevel
            },
            "issuers": sorted(
                [each.organisation, each.dn, each.ca or "", *_names(each.levels)] for each in self.issuers
            ),
            "trusted_lists": _names(self.trusted_lists),
            "attestors": sorted([each.provider, *_names(each.levels)] for each in self.attestors),
            "floors": sorted([each.level.name, each.kind or "", each.role or ""] for each in self.floors),
            "holder": {"fields": sorted(self.holder_fields), "close": sorted(self.holder_close)},
            "status_age": self.status_age.total_seconds(),
            "beyond_deadline": self.beyond_deadline.total_seconds(),
            "third_party_highest": self.third_party_highest,
        }


def _name(level: CertificateLevel | None) -> str:
    return level.name if level is not None else ""


def _names(levels: Iterable[CertificateLevel]) -> list[str]:
    return [level.name for level in sorted(levels)]


def _flaws(policy: Policy) -> Iterator[tuple[str, str, str]]:
    """What is wrong, where, and how to mend it, one after the other."""
    if not policy.version.strip():
        yield "version", "it is empty", "name this version of the policy, for example by a date"
    if len(policy.levels) != len(SignatureLevel):
        yield "levels", f"there are {len(policy.levels)}, not {len(SignatureLevel)}", "give rules for every level"
        return
    for level in SignatureLevel:
        yield from _level_flaws(policy, level)
    for at, issuer in enumerate(policy.issuers):
        yield from _issuer_flaws(f"issuers[{at}]", issuer)
    for at, attestor in enumerate(policy.attestors):
        if not attestor.provider or not attestor.levels:
            yield f"attestors[{at}]", "it lacks a provider or its levels", "say who attests, and for which levels"
    if not {FIRST_NAME, LAST_NAME} <= set(policy.holder_fields) <= set(HOLDER_FIELDS):
        yield (
            "holder.fields",
            f"it must hold `{FIRST_NAME}`, `{LAST_NAME}`, and nothing but {_listed(HOLDER_FIELDS)}",
            "a certificate in another person's name signs for nobody else",
        )
    if policy.status_age <= timedelta(0):
        yield "margins.status_age", "nothing is ever that fresh", "give a duration such as `24h`"
    if policy.beyond_deadline < timedelta(0):
        yield "margins.beyond_deadline", "it is negative", "give a duration such as `0d`"


def _level_flaws(policy: Policy, level: SignatureLevel) -> Iterator[tuple[str, str, str]]:
    mine, where = policy.at(level), f"levels.{level.name}"
    for rule in mine.rules:
        if rule not in LISTABLE:
            yield f"{where}.rules", f"`{rule}` is not a rule", f"the rules are {_listed(LISTABLE)}"
    if not mine.rules:  # closed; then so must be everything above it, which the next level's turn checks
        return
    about_certificates = not _ABOUT_CERTIFICATES.isdisjoint(mine.rules)
    meant = (*mandatory_at(level), *(_WITH_CERTIFICATES if about_certificates else ()))
    for rule in meant:
        if rule not in mine.rules:
            yield f"{where}.rules", f"`{rule}` is missing", f"{level.name} means nothing without it: add it"
    lowest = REQUIRED_CERTIFICATE[level]
    if about_certificates and mine.certificate is None:
        yield f"{where}.certificate", "it is missing", "say the lowest certificate level that will do"
    elif mine.certificate is not None and not about_certificates:
        yield f"{where}.certificate", "no rule looks at it", "leave it out, or add the rules about certificates"
    elif lowest is not None and mine.certificate is not None and mine.certificate < lowest:
        yield f"{where}.certificate", f"`{mine.certificate.name}` is not enough", f"{level.name} means {lowest.name}"
    if level is SignatureLevel.NIVEAU_1:
        return
    below = policy.at(SignatureLevel(level - 1))
    lower = SignatureLevel(level - 1).name
    if not below.rules:
        yield f"{where}.rules", f"{lower} is closed, so this is too", f"give {lower} its rules, or this one none"
    for rule in below.rules:
        if rule not in mine.rules:
            yield f"{where}.rules", f"{lower} asks for `{rule}`, this does not", "a higher level asks for no less"
    if below.certificate is not None and mine.certificate is not None and mine.certificate < below.certificate:
        yield f"{where}.certificate", f"{lower} asks for {below.certificate.name}", "a higher level asks for no less"
    if mine.attestation and not below.attestation and not _ABOUT_CERTIFICATES.isdisjoint(below.rules):
        yield f"{where}.attestation", f"{lower} accepts none", "a higher level asks for no less"


def _issuer_flaws(where: str, issuer: Issuer) -> Iterator[tuple[str, str, str]]:
    if not issuer.levels:
        yield f"{where}.levels", "it is empty", f"say for which of {_listed(CertificateLevel.__members__)}"
    if not (issuer.organisation or issuer.dn or issuer.ca):
        yield where, "nothing says which issuer it is", "give `organisation`, `dn` or `ca`"
    if issuer.ca is not None and not _FINGERPRINT.fullmatch(issuer.ca):
        yield f"{where}.ca", "it is not a SHA-256 fingerprint", "write 64 lower-case hexadecimal digits"


def _listed(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)
