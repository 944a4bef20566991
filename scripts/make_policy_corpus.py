"""Write src/qcp_sdk/testing/corpus/: `make_policy_corpus.py`, or `make_policy_corpus.py --check` to only compare.

Each row says by hand what the verdict is and which rules speak against it; a row with which the policy disagrees, or
its naive twin, stops the script, and nothing is written. The rest of an answer follows from those and is kept for
review. Certificates are signed with keys made from their names: the same rows give the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

from asn1crypto import core  # type: ignore[import-untyped]
from attrs import frozen
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from qcp_sdk.certificates import QcStatements
from qcp_sdk.policy import assess, default_text, read_policy
from qcp_sdk.policy.collecte_json import read_collecte
from qcp_sdk.testing.corpus import expected
from qcp_sdk.testing.naive_policy import disagreements, judge
from qcp_sdk.testing.policy_lattice import (
    AGES,
    AUTHORITY,
    DEADLINE,
    EMAIL,
    HOLDERS,
    ISSUERS,
    KINDS,
    MATCHES,
    MOBILE,
    NAME,
    NOW,
    STATUSES,
)

FOLDER: Final = Path(__file__).resolve().parents[1] / "src" / "qcp_sdk" / "testing" / "corpus"
MARK: Final = "# Providers whose"
TRUSTED: Final = f"""\
[[issuers]]
name = "Test"
organisation = "TEST CA"
levels = ["LCP", "NCP", "QCP_N", "QCP_N_QSCD"]

[[issuers]]
name = "Lesser"
dn = "CN=TEST for persons,O=LESSER CA"
levels = ["LCP"]

[[issuers]]
name = "Key"
organisation = "KEY CA"
ca = "{AUTHORITY}"
levels = ["QCP_N"]

"""
FLOORS: Final = """\
[[floors]]
kind = "annual_accounts"
level = "NIVEAU_2"

[[floors]]
role = "oneself"
level = "NIVEAU_3"

[[floors]]
kind = "mandate"
role = "third_party"
level = "NIVEAU_3"

[holder]"""
_DEFAULT: Final = default_text()
_NIVEAU_4: Final = _DEFAULT[_DEFAULT.index("[levels.NIVEAU_4]") : _DEFAULT.index("# Issuers that")]
CHANGES: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "usual": (),
    "third-party-free": (("third_party_highest = true", "third_party_highest = false"),),
    "month-beyond": (('beyond_deadline = "0d"', 'beyond_deadline = "30d"'),),
    "status-within-the-hour": (('status_age = "24h"', 'status_age = "1h"'),),
    "no-other-spelling": (('close = ["icao_transliteration"]', "close = []"),),
    "names-only": (('"last_name", "email", "mobile"]', '"last_name"]'),),
    "no-trusted-list": (('trusted_lists = ["QCP_N", "QCP_N_QSCD"]', "trusted_lists = []"),),
    "nobody-believed": (('provider = "universign"', 'provider = "nobody"'),),
    "floors": (("[holder]", FLOORS),),
    "niveau-4-closed": ((_NIVEAU_4, ""),),
}
"""Each policy of the corpus, as what it changes in the default one. Each also trusts the corpus's own authorities."""


@frozen
class Person:
    """One signatory: the level asked for, what they hold, and what is to be decided."""

    level: int
    evidence: tuple[str, ...]
    """Each a certificate, as words of the lattice (what is not said is in order), or an attestation: `says QCP_N`."""
    verdict: str
    reasons: str = ""
    """`rule:outcome`, in the order in which findings are shown."""
    role: str = "member"


@frozen
class Row:
    """One case."""

    name: str
    about: str
    people: tuple[Person, ...]
    policy: str = "usual"
    kind: str = "other"
    deadline: datetime = DEADLINE


def one(
    name: str,
    about: str,
    level: int,
    evidence: str,
    verdict: str,
    reasons: str = "",
    *,
    role: str = "member",
    policy: str = "usual",
    kind: str = "other",
    deadline: datetime = DEADLINE,
) -> Row:
    """A case of one signatory. Pieces of evidence are parted by ` + `."""
    pieces = tuple(evidence.split(" + ")) if evidence else ()
    return Row(name, about, (Person(level, pieces, verdict, reasons, role),), policy, kind, deadline)


P, F, U = "passed", "failed", "indeterminate"
THIRD = "third_party"
ROWS: Final = (
    # Niveau 1 asks for no certificate.
    one("niveau-1-without-certificate", "A one-time code needs no certificate.", 1, "", P),
    one("niveau-1-with-revoked-certificate", "What niveau 1 does not ask for cannot spoil it.", 1, "revoked", P),
    one("niveau-1-with-certificate", "A member may sign below what their certificate allows.", 1, "qcp_n", P),
    one("niveau-1-collecte-over", "At its deadline a collecte is over, at every level.", 1, "", F,
        "collecte.open:over", deadline=NOW),
    # Niveau 2: LCP, NCP or above.
    one("niveau-2-without-certificate", "Nobody signs at niveau 2 without a certificate.", 2, "", F,
        "certificate.held:none"),
    one("niveau-2-lcp", "LCP is enough for niveau 2.", 2, "lcp", P),
    one("niveau-2-ncp", "NCP is enough for niveau 2.", 2, "ncp", P),
    one("niveau-2-ncp-plus", "NCP+ counts as NCP.", 2, "ncp_plus", P),
    one("niveau-2-qcp-n", "A qualified certificate does for niveau 2 as well.", 2, "qcp_n", P),
    one("niveau-2-self-made", "A policy identifier of one's own making is no level.", 2, "self_made", F,
        "certificate.level:none"),
    one("niveau-2-no-policy", "No policy identifier, no level.", 2, "no_policy", F, "certificate.level:none"),
    one("niveau-2-lcp-revoked", "A revoked LCP certificate signs nothing.", 2, "lcp revoked", F,
        "status.good:revoked"),
    one("niveau-2-lcp-expired", "An expired LCP certificate signs nothing.", 2, "lcp expired", F,
        "validity.now:expired validity.deadline:too_short"),
    one("niveau-2-lcp-issuer-unknown", "No list recognises LCP: an issuer not listed is refused.", 2,
        "lcp issuer_unknown", F, "issuer.recognised:refused"),
    one("niveau-2-qcp-n-issuer-trusted-for-lcp", "An issuer trusted for LCP is believed for that.", 2,
        "qcp_n trusted_for_less", P),
    one("niveau-2-lcp-other-mobile", "The mobile differs from the certificate's.", 2, "lcp mobile", F,
        "holder.matches:differs"),
    one("niveau-2-without-compliance", "A qualified policy without QcCompliance is worth NCP.", 2,
        "without_compliance", P),
    # Niveau 3: what the certificate says of itself.
    one("niveau-3-without-certificate", "Nobody signs at niveau 3 without a certificate.", 3, "", F,
        "certificate.held:none"),
    one("niveau-3-qcp-n", "A qualified certificate in order.", 3, "qcp_n", P),
    one("niveau-3-qcp-n-qscd", "What is enough for niveau 4 is enough for niveau 3.", 3, "qcp_n_qscd", P),
    one("niveau-3-lcp", "LCP is not enough.", 3, "lcp", F, "certificate.level:lower certificate.qualified:not_stated"),
    one("niveau-3-ncp", "NCP is not enough.", 3, "ncp", F, "certificate.level:lower certificate.qualified:not_stated"),
    one("niveau-3-self-made", "Self-made policy, no statements.", 3, "self_made", F,
        "certificate.level:none certificate.qualified:not_stated"),
    one("niveau-3-self-made-but-stating-qualified", "QCStatements without the policy are no level.", 3,
        "self_made_but_qualified", F, "certificate.level:none"),
    one("niveau-3-lcp-stating-qualified", "QCStatements do not lift LCP.", 3, "lcp_stating_qualified", F,
        "certificate.level:lower"),
    one("niveau-3-without-compliance", "The policy of QCP-n without QcCompliance.", 3, "without_compliance", F,
        "certificate.level:lower certificate.qualified:not_stated"),
    one("niveau-3-without-type", "No QcType: not for signatures.", 3, "without_type", F,
        "certificate.level:lower certificate.qualified:not_for_signatures"),
    one("niveau-3-for-seals", "QcType eseal: a certificate for seals.", 3, "for_seals", F,
        "certificate.level:lower certificate.qualified:not_for_signatures"),
    one("niveau-3-qualified-elsewhere", "QcCClegislation names a country outside the Union.", 3, "elsewhere", F,
        "certificate.qualified:elsewhere"),
    one("niveau-3-two-policies", "LCP and QCP-n in one certificate: the highest counts.", 3, "two_policies", P),
    one("niveau-3-device-not-stated", "The policy of QCP-n-qscd without QcSSCD is worth QCP-n.", 3,
        "without_device", P),
    one("niveau-3-for-authentication", "Without nonRepudiation a key signs no document.", 3, "for_authentication", F,
        "certificate.purpose:other"),
    one("niveau-3-authority", "An authority's own certificate signs no document.", 3, "authority", F,
        "certificate.purpose:authority"),
    # Niveau 3: who issued it.
    one("niveau-3-issuer-by-key", "The authority's signature was verified.", 3, "trusted_by_its_key", P),
    one("niveau-3-issuer-only-named", "Named like the authority, not signed by it.", 3, "only_named_like_it", F,
        "issuer.recognised:refused"),
    one("niveau-3-issuer-key-not-verified", "Nobody verified the authority's signature: nobody knows.", 3,
        "perhaps_trusted_by_its_key", U, "issuer.recognised:unknown"),
    one("niveau-3-issuer-in-trusted-list", "A trusted list recognises the certificate.", 3, "in_the_trusted_list", P),
    one("niveau-3-issuer-in-list-for-less", "The list recognises it for less.", 3, "in_the_list_for_less", F,
        "issuer.recognised:refused"),
    one("niveau-3-issuer-unknown", "Nobody looked into the trusted lists: nobody knows.", 3, "issuer_unknown", U,
        "issuer.recognised:unknown"),
    one("niveau-3-issuer-unknown-and-looked-up", "Somebody looked, and found nothing.", 3, "unknown_and_looked_up", F,
        "issuer.recognised:refused"),
    one("niveau-3-issuer-trusted-for-lcp", "Trusted for LCP; a list might know more.", 3, "trusted_for_less", U,
        "issuer.recognised:unknown"),
    one("niveau-3-issuer-trusted-for-lcp-and-looked-up", "Trusted for LCP only, and no list knows more.", 3,
        "trusted_for_less_and_looked_up", F, "issuer.recognised:refused"),
    one("niveau-3-issuer-unknown-without-lists", "The policy reads no list: not listed is refused.", 3,
        "issuer_unknown", F, "issuer.recognised:refused", policy="no-trusted-list"),
    one("niveau-3-issuer-in-list-that-is-not-read", "The policy reads no list.", 3, "in_the_trusted_list", F,
        "issuer.recognised:refused", policy="no-trusted-list"),
    # Niveau 3: when it is valid.
    one("niveau-3-valid-from-now-to-the-deadline", "Both ends belong to the validity.", 3,
        "from_now_to_the_deadline", P),
    one("niveau-3-not-yet-valid", "It begins in a second.", 3, "not_yet", F, "validity.now:not_yet"),
    one("niveau-3-expired", "It ended a second ago.", 3, "expired", F,
        "validity.now:expired validity.deadline:too_short"),
    one("niveau-3-ends-now", "Valid now, not through the deadline.", 3, "ends_now", F, "validity.deadline:too_short"),
    one("niveau-3-ends-before-the-deadline", "A second too short.", 3, "ends_before_the_deadline", F,
        "validity.deadline:too_short"),
    one("niveau-3-ends-within-the-margin", "The policy asks for a month more.", 3, "ends_within_a_month_of_it", F,
        "validity.deadline:too_short", policy="month-beyond"),
    one("niveau-3-ends-after-the-deadline", "Without a margin the deadline is enough.", 3,
        "ends_within_a_month_of_it", P),
    one("niveau-3-collecte-over", "A good certificate does not reopen a collecte.", 3, "qcp_n", F,
        "collecte.open:over", deadline=NOW),
    # Niveau 3: whether it is revoked.
    one("niveau-3-status-a-day-old", "24 hours are just fresh enough.", 3, "good_a_day_ago", P),
    one("niveau-3-status-stale", "A second more than 24 hours: nobody knows.", 3, "good_too_long_ago", U,
        "status.good:stale"),
    one("niveau-3-status-stale-by-the-hour", "A stricter policy wants a word of the last hour.", 3, "good_a_day_ago",
        U, "status.good:stale", policy="status-within-the-hour"),
    one("niveau-3-status-of-a-clock-ahead", "Clocks may differ by five minutes.", 3, "good_by_a_clock_ahead", P),
    one("niveau-3-status-in-the-future", "More than that is not believed.", 3, "good_in_the_future", U,
        "status.good:future"),
    one("niveau-3-revoked", "Revoked.", 3, "revoked", F, "status.good:revoked"),
    one("niveau-3-revoked-long-ago", "Revocation is for good, however long ago it was heard.", 3, "revoked_long_ago",
        F, "status.good:revoked"),
    one("niveau-3-status-unknown", "The issuer does not say.", 3, "status_unknown", U, "status.good:unknown"),
    # Niveau 3: whose it is.
    one("niveau-3-holder-spelt-like-a-passport", "MUELLER is Müller.", 3, "close", P),
    one("niveau-3-holder-spelt-like-a-passport-refused", "This policy allows no other spelling.", 3, "close", F,
        "holder.matches:differs", policy="no-other-spelling"),
    one("niveau-3-first-name-differs", "Jörg is not Jürgen.", 3, "first_name", F, "holder.matches:differs"),
    one("niveau-3-more-given-names", "More given names than the signatory's are another first name.", 3,
        "more_given_names", F, "holder.matches:differs"),
    one("niveau-3-last-name-differs", "Another last name.", 3, "last_name", F, "holder.matches:differs"),
    one("niveau-3-email-differs", "Another e-mail.", 3, "email", F, "holder.matches:differs"),
    one("niveau-3-mobile-differs", "Another mobile.", 3, "mobile", F, "holder.matches:differs"),
    one("niveau-3-name-not-stated", "The certificate names nobody: nobody knows.", 3, "no_name", U,
        "holder.matches:unstated"),
    one("niveau-3-email-not-stated", "No e-mail is known.", 3, "no_email", U, "holder.matches:unstated"),
    one("niveau-3-mobile-not-stated", "No mobile is known.", 3, "no_mobile", U, "holder.matches:unstated"),
    one("niveau-3-last-name-differs-and-mobile-not-stated", "What differs outweighs what is not known.", 3,
        "last_name_and_no_mobile", F, "holder.matches:differs"),
    one("niveau-3-mobile-not-compared", "This policy compares names only.", 3, "no_mobile", P, policy="names-only"),
    # Several things at once, several certificates.
    one("niveau-3-everything-is-said", "All that is wrong is reported, not the first.", 3,
        "lcp expired revoked unknown_and_looked_up mobile", F,
        "certificate.level:lower certificate.qualified:not_stated issuer.recognised:refused validity.now:expired "
        "validity.deadline:too_short status.good:revoked holder.matches:differs"),
    one("niveau-3-unknown-and-failed", "A failure outweighs ignorance about the same certificate.", 3,
        "status_unknown mobile", F, "status.good:unknown holder.matches:differs"),
    one("niveau-3-one-of-two-certificates", "One that passes is enough.", 3,
        "revoked ends_within_a_month_of_it + qcp_n", P),
    one("niveau-3-least-sufficient-certificate", "The least that suffices is chosen.", 3, "qcp_n_qscd + qcp_n", P),
    one("niveau-2-least-sufficient-certificate", "For niveau 2 that is the LCP.", 2, "qcp_n + lcp", P),
    one("niveau-3-longest-valid-certificate", "Of two equals, the longest valid.", 3,
        "ends_within_a_month_of_it + qcp_n", P),
    # Niveau 4.
    one("niveau-4-qcp-n-qscd", "A qualified device: niveau 4.", 4, "qcp_n_qscd", P),
    one("niveau-4-qcp-n", "Niveau 4 also asks for a device.", 4, "qcp_n", F,
        "certificate.level:lower certificate.qscd:not_stated"),
    one("niveau-4-device-not-stated", "The policy of QCP-n-qscd without QcSSCD.", 4, "without_device", F,
        "certificate.level:lower certificate.qscd:not_stated"),
    one("niveau-4-device-without-policy", "QcSSCD without the policy.", 4, "device_without_policy", F,
        "certificate.level:lower"),
    one("niveau-4-without-certificate", "Nobody signs at niveau 4 without a certificate.", 4, "", F,
        "certificate.held:none"),
    one("niveau-4-attested", "For niveau 4 the certificate must be seen.", 4, "says QCP_N_QSCD", U,
        "attestation.suffices:not_seen"),
    one("niveau-4-closed", "A level for which the policy has no rules is passed by nobody.", 4, "qcp_n_qscd", F,
        "level.open:closed", policy="niveau-4-closed"),
    one("niveau-3-niveau-4-closed", "The levels below a closed one are open.", 3, "qcp_n_qscd", P,
        policy="niveau-4-closed"),
    one("third-party-niveau-4-closed", "A closed level is not a third party's highest.", 3, "qcp_n_qscd", P,
        role=THIRD, policy="niveau-4-closed"),
    # A provider's word.
    one("niveau-3-attested", "A listed provider's word stands for the certificate.", 3, "says QCP_N", P),
    one("niveau-3-attested-field-by-field", "Names may be attested one by one.", 3, "says QCP_N each", P),
    one("niveau-3-attested-lower", "The provider attests LCP.", 3, "says LCP", F,
        "attestation.suffices:not_seen certificate.level:lower"),
    one("niveau-2-attested-lcp", "LCP is enough for niveau 2.", 2, "says LCP", P),
    one("niveau-3-attested-by-somebody", "A provider whom the policy does not list.", 3, "says QCP_N by_somebody", U,
        "attestation.suffices:not_seen"),
    one("niveau-3-attested-nobody-believed", "This policy believes another provider.", 3, "says QCP_N", U,
        "attestation.suffices:not_seen", policy="nobody-believed"),
    one("niveau-3-attested-without-mobile", "The provider did not compare the mobile.", 3,
        "says QCP_N not_the_mobile", U, "holder.matches:unstated"),
    one("niveau-3-attested-too-long-ago", "An attestation goes stale like any status.", 3,
        "says QCP_N good_too_long_ago", U, "status.good:stale"),
    one("niveau-3-attested-in-the-future", "An attestation of tomorrow is not believed.", 3,
        "says QCP_N good_in_the_future", U, "status.good:future"),
    one("niveau-3-seen-before-attested", "What was seen is chosen before what was attested.", 3,
        "says QCP_N + qcp_n", P),
    # What is required.
    one("third-party-asked-for-less", "A third party's highest level is required of them.", 2, "lcp + qcp_n", F,
        "level.highest:below", role=THIRD),
    one("third-party-asked-for-the-highest", "At their highest level they may sign.", 3, "lcp + qcp_n", P, role=THIRD),
    one("third-party-asked-for-less-where-allowed", "This policy makes no such demand.", 2, "qcp_n", P, role=THIRD,
        policy="third-party-free"),
    one("third-party-without-certificate", "Who holds none may sign at niveau 1.", 1, "", P, role=THIRD),
    one("third-party-whose-mobile-differs", "They hold it: refused with the field, not slipped below.", 1, "mobile", F,
        "level.highest:below holder.matches:differs", role=THIRD),
    one("third-party-whose-status-is-unknown", "Not known as revoked is held: ask, do not lower.", 1, "status_unknown",
        F, "level.highest:below status.good:unknown", role=THIRD),
    one("third-party-whose-certificate-is-revoked", "What is revoked is not held.", 1, "revoked", P, role=THIRD),
    one("third-party-whose-certificate-ends-too-soon", "What does not last is not held.", 1,
        "ends_before_the_deadline", P, role=THIRD),
    one("third-party-whose-issuer-is-unknown", "What nobody vouches for is not held.", 1, "issuer_unknown", P,
        role=THIRD),
    one("third-party-attested", "A believed attestation is held too.", 1, "says QCP_N", F, "level.highest:below",
        role=THIRD),
    one("third-party-above-the-highest", "Nobody is lowered: niveau 4 is refused, niveau 3 offered.", 4, "qcp_n", F,
        "certificate.level:lower certificate.qscd:not_stated", role=THIRD),
    one("oneself-asked-for-less", "The demand is of third parties, not of oneself.", 1, "qcp_n", P, role="oneself"),
    one("floor-by-kind-of-document", "Annual accounts are signed at niveau 2 or above.", 1, "lcp", F,
        "level.floor:below", policy="floors", kind="annual_accounts"),
    one("floor-by-kind-of-document-reached", "At niveau 2 they are.", 2, "lcp", P, policy="floors",
        kind="annual_accounts"),
    one("floor-by-role", "One's own signature: niveau 3 or above.", 2, "lcp", F,
        "level.floor:below certificate.level:lower certificate.qualified:not_stated", role="oneself", policy="floors"),
    one("floor-by-both", "A mandate signed by a third party: niveau 3.", 2, "", F,
        "level.floor:below certificate.held:none", role=THIRD, policy="floors", kind="mandate"),
    one("floor-of-others", "A floor by kind and role does not concern a member.", 1, "", P, policy="floors",
        kind="mandate"),
    one("floor-and-highest", "Floor and highest level are both reported.", 1, "qcp_n", F,
        "level.floor:below level.highest:below", role=THIRD, policy="floors", kind="annual_accounts"),
    one("floor-and-highest-reached", "Both are reached.", 3, "qcp_n", P, role=THIRD, policy="floors",
        kind="annual_accounts"),
    # More than one signatory.
    Row("two-signatories-who-pass", "Each at a level of their own.",
        (Person(3, ("qcp_n",), P), Person(1, (), P, role=THIRD))),
    Row("two-signatories-of-whom-one-fails", "One refusal refuses the collecte, and names whom.",
        (Person(3, ("qcp_n",), P), Person(3, ("lcp",), F, "certificate.level:lower certificate.qualified:not_stated"))),
    Row("three-signatories-everything-is-said", "Ignorance about one, failures of two: everything is reported.",
        (Person(3, ("status_unknown",), U, "status.good:unknown"), Person(2, (), F, "certificate.held:none"),
         Person(1, ("qcp_n",), F, "level.highest:below", role=THIRD))),
)  # fmt: skip


def words(text: str) -> dict[str, str]:
    """Read the words of a certificate into the axis that each is on."""
    axes = {"kind": KINDS, "age": AGES, "status": STATUSES, "issuer": ISSUERS, "holder": HOLDERS}
    found = dict(zip(axes, ("qcp_n", "valid", "good", "trusted", "same"), strict=True))
    for word in text.split():
        axis, _, bare = word.partition("_")
        if bare == "unknown" and axis in axes:
            found[axis] = bare
            continue
        places = [name for name, axis_words in axes.items() if word in axis_words]
        if len(places) != 1:
            raise SystemExit(f"`{word}` is on {places or 'no axis'}")
        found[places[0]] = word
    return found


def certificate(told: Mapping[str, str]) -> tuple[str, bytes]:
    """Make the certificate, and the name of its file: what is not in order about it."""
    begins, ends = AGES[told["age"]]
    holder, issuer = HOLDERS[told["holder"]][0], ISSUERS[told["issuer"]][0]
    named = "same" if holder == NAME else told["holder"]
    file = "-".join((told["kind"], told["age"], issuer, named)).replace(" ", "_").lower() + ".pem"
    seed = hashlib.sha256(file.encode()).digest()
    subject = [x509.NameAttribute(NameOID.COMMON_NAME, "TEST")]
    if holder is not None:
        subject.append(x509.NameAttribute(NameOID.GIVEN_NAME, holder.given))
        subject.append(x509.NameAttribute(NameOID.SURNAME, holder.last))
    authority = [
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, issuer),
        x509.NameAttribute(NameOID.COMMON_NAME, "TEST for persons"),
    ]
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name(subject))
        .issuer_name(x509.Name(authority))
        .public_key(Ed25519PrivateKey.from_private_bytes(seed).public_key())
        .serial_number(int.from_bytes(seed[:8], "big"))
        .not_valid_before(begins)
        .not_valid_after(ends)
    )
    for extension in extensions(told["kind"]):
        builder = builder.add_extension(extension, critical=isinstance(extension, x509.KeyUsage))
    signer = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(issuer.encode()).digest())
    return file, builder.sign(signer, None).public_bytes(Encoding.PEM)


def extensions(name: str) -> Iterator[x509.ExtensionType]:
    """Give what a certificate of this kind states."""
    kind = KINDS[name]
    yield x509.KeyUsage(
        digital_signature="digital_signature" in kind.usage,
        content_commitment="non_repudiation" in kind.usage,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    if kind.policies:
        yield x509.CertificatePolicies(
            [x509.PolicyInformation(x509.ObjectIdentifier(oid), None) for oid in kind.policies]
        )
    if kind.is_ca:
        yield x509.BasicConstraints(ca=True, path_length=None)
    if kind.qc != QcStatements():
        yield x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.5.5.7.1.3"), statements(kind.qc))


def statements(qc: QcStatements) -> bytes:
    """Encode QCStatements (ETSI EN 319 412-5 § 4.2)."""

    def oids(*dotted: str) -> bytes:
        return b"".join(core.ObjectIdentifier(each).dump() for each in dotted)

    found = b""
    if qc.compliance:
        found += sequence(oids("0.4.0.1862.1.1"))
    if qc.qscd:
        found += sequence(oids("0.4.0.1862.1.4"))
    if qc.types:
        found += sequence(oids("0.4.0.1862.1.6") + sequence(oids(*qc.types)))
    if qc.legislation:
        countries = b"".join(core.PrintableString(country).dump() for country in qc.legislation)
        found += sequence(oids("0.4.0.1862.1.7") + sequence(countries))
    return sequence(found)


def sequence(content: bytes) -> bytes:
    """Encode a SEQUENCE."""
    return core.Sequence(contents=content).dump()  # type: ignore[no-any-return]


def evidence(text: str, files: dict[str, bytes]) -> tuple[str, dict[str, object]]:
    """Give one piece of evidence as JSON has it, and the key under which; its certificate goes into `files`."""
    if text.startswith("says "):
        _, level, *more = text.split()
        matched = next((word for word in more if word in MATCHES), "all")
        status = next((word for word in more if word in STATUSES), "good")
        return "attestations", {
            "provider": "somebody" if "by_somebody" in more else "universign",
            "level": level,
            "matched": list(MATCHES[matched]),
            "at": STATUSES[status][1].isoformat(),
        }
    told = words(text)
    file, pem = certificate(told)
    files[f"collectes/certificates/{file}"] = pem
    kind, checked = STATUSES[told["status"]]
    _, email, mobile = HOLDERS[told["holder"]]
    recognition = ISSUERS[told["issuer"]][2]
    held: dict[str, object] = {
        "file": f"certificates/{file}",
        "status": {"kind": kind.value, "checked_at": checked.isoformat()},
    }
    if email is not None:
        held["email"] = email.text
    if mobile is not None:
        held["mobile"] = mobile.text
    if recognition is not None:
        held["recognised_for"] = [level.name for level in sorted(recognition.levels)]
        held["authorities"] = sorted(recognition.authorities)
    return "certificates", held


def collecte(row: Row, files: dict[str, bytes]) -> dict[str, object]:
    """Give the row's collecte as `qcp-sdk policy assess` reads it."""
    signatories = []
    for number, person in enumerate(row.people, 1):
        told: dict[str, list[object]] = {}
        for text in person.evidence:
            key, piece = evidence(text, files)
            told.setdefault(key, []).append(piece)
        signatories.append(
            {
                "id": f"s{number}",
                "given": NAME.given,
                "last": NAME.last,
                "email": EMAIL.text,
                "mobile": MOBILE.text,
                "level": f"NIVEAU_{person.level}",
                "role": person.role,
                **told,
            }
        )
    return {
        "id": row.name,
        "title": row.about,
        "sender": "TEST",
        "at": NOW.isoformat(),
        "deadline": row.deadline.isoformat(),
        "documents": [{"id": "d1", "name": "d.pdf", "kind": row.kind, "content": f"sha256:{'0' * 64}"}],
        "signatories": signatories,
    }


def policies() -> dict[str, bytes]:
    """Give every policy of the corpus as TOML."""
    found = {}
    for name, changes in CHANGES.items():
        text = _DEFAULT
        for old, new in ((MARK, TRUSTED + MARK), *changes):
            if text.count(old) != 1:
                raise SystemExit(f"the default policy does not have `{old}` once")
            text = text.replace(old, new)
        _, _, meant = text.partition("\n\nversion")  # the remarks at its head are about the default policy
        found[name] = f"# Of the policy corpus: {name}. Made by `make corpus`.\n\nversion{meant}".encode()
    return found


def answered(row: Row, files: Mapping[str, bytes]) -> dict[str, object]:
    """Give the row's answer, once the policy and its twin agree with what the row says."""
    policy = read_policy(files[f"policies/{row.policy}.toml"])
    content = files[f"collectes/{row.name}.json"]
    enquiry = read_collecte(content, files=lambda file: files[f"collectes/{file}"])
    decision = assess(enquiry.collecte, enquiry.holdings, now=NOW, policy=policy, recognitions=enquiry.recognitions)
    wrong = []
    for person, one in zip(row.people, decision, strict=True):
        said = [f"{finding.rule}:{finding.outcome}" for finding in one.findings]
        if (one.verdict.value, said) != (person.verdict, person.reasons.split()):
            wrong.append(f"{row.name}: {one.signatory} is {one.verdict.value}, because {' '.join(said)}")
    opinions = judge(enquiry.collecte, enquiry.holdings, now=NOW, policy=policy, recognitions=enquiry.recognitions)
    wrong += (f"{row.name}: {told}" for told in disagreements(decision, opinions))
    if wrong:
        raise ValueError("\n".join(wrong))
    return {"about": row.about, "policy": row.policy, "expected": expected(decision)}


def corpus() -> dict[str, bytes]:
    """Give every file of the corpus, by its path in the folder."""
    files = {f"policies/{name}.toml": content for name, content in policies().items()}
    if len({row.name for row in ROWS}) < len(ROWS):
        raise SystemExit("two rows have one name")
    answers, wrong = {}, []
    for row in ROWS:
        files[f"collectes/{row.name}.json"] = _json(collecte(row, files))
        try:
            answers[row.name] = answered(row, files)
        except ValueError as error:
            wrong.append(str(error))
    if wrong:
        raise SystemExit("\n".join(wrong))
    files["decisions.json"] = _json(answers)
    return files


def _json(data: object) -> bytes:
    return (json.dumps(data, ensure_ascii=False, indent=2) + "\n").encode()


def main() -> int:
    """Write, or compare."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a file differs")
    made = corpus()
    there = {
        path.relative_to(FOLDER).as_posix(): path.read_bytes()
        for path in FOLDER.rglob("*")
        if path.suffix in (".json", ".toml", ".pem")
    }
    stale = sorted(name for name in {*made, *there} if made.get(name) != there.get(name))
    if parser.parse_args().check:
        sys.stdout.writelines(f"differs: {name}\n" for name in stale)
        return 1 if stale else 0
    for name in stale:
        if name in made:
            (FOLDER / name).parent.mkdir(parents=True, exist_ok=True)
            (FOLDER / name).write_bytes(made[name])
        else:
            (FOLDER / name).unlink()
    print(f"{len(ROWS)} cases; {len(stale)} files written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
