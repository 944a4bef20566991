"""What each rule says to a person, and what would help, in French and in English.

One entry for every outcome of every rule (a test holds it to that). Placeholders are a finding's details; `{fields}`
are its fields. Niveau 3 is never called « qualifiée »: it is advanced, based on a qualified certificate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from qcp_sdk.policy.words import Details, filled

_ASK_LATER_FR: Final = "Demandez de nouveau l’état du certificat à son émetteur, puis recommencez."
_ASK_LATER_EN: Final = "Ask the issuer for the certificate’s status again, then retry."
_RENEW_FR: Final = "Le signataire doit souscrire un nouveau certificat, ou signer à un niveau qui lui est ouvert."
_RENEW_EN: Final = "The signatory needs a new certificate, or a level that is open to them."
_QUALIFIED_FR: Final = "Le signataire peut souscrire un certificat qualifié (QCP)."
_QUALIFIED_EN: Final = "The signatory can subscribe to a qualified certificate (QCP)."
_ISSUER_FR: Final = "Choisissez un niveau ouvert au signataire, ou un certificat d’un émetteur reconnu."
_ISSUER_EN: Final = "Choose a level that is open to the signatory, or a certificate from a recognised issuer."

TEXTS: Final[Mapping[tuple[str, str], tuple[str, str, str, str]]] = {
    # (rule, outcome): French message, French remedy, English message, English remedy
    ("collecte.open", "open"): (
        "La collecte est ouverte jusqu’au {deadline}.", "",
        "The collection is open until {deadline}.", "",
    ),
    ("collecte.open", "over"): (
        "La collecte est échue depuis le {deadline}.", "Créez une nouvelle collecte, ou repoussez son échéance.",
        "The collection ended on {deadline}.", "Create a new collection, or move its deadline.",
    ),
    ("level.open", "closed"): (
        "Cette plateforme ne propose pas le {level}.", "Choisissez un autre niveau.",
        "This platform does not offer {level}.", "Choose another level.",
    ),
    ("level.floor", "reached"): (
        "Le {level} au moins est exigé ici, et il est respecté.", "",
        "At least {level} is required here, and this level meets it.", "",
    ),
    ("level.floor", "below"): (
        "Pour ce document ou ce signataire, le {level} au moins est exigé.",
        "Choisissez le {level} ou un niveau supérieur.",
        "For this document or this signatory, at least {level} is required.", "Choose {level} or a higher level.",
    ),
    ("level.highest", "reached"): (
        "Ce tiers détient un certificat pour le {level}, et ce niveau est respecté.", "",
        "This third party holds a certificate for {level}, and this level meets it.", "",
    ),
    ("level.highest", "below"): (
        "Ce tiers détient un certificat pour le {level} : un niveau inférieur ne peut pas lui être demandé.",
        "Choisissez le {level}. Si ses données ont changé, corrigez-les, ou demandez-lui de révoquer son certificat "
        "et d’en souscrire un autre.",
        "This third party holds a certificate for {level}: they may not be asked for less.",
        "Choose {level}. If their details have changed, correct them, or ask them to revoke their certificate and "
        "subscribe to another.",
    ),
    ("certificate.held", "none"): (
        "Aucun certificat n’est connu pour ce signataire.",
        "Le signataire peut souscrire un certificat ; sinon, choisissez un niveau qui n’en demande pas.",
        "No certificate is known for this signatory.",
        "The signatory can subscribe to a certificate; otherwise choose a level that needs none.",
    ),
    ("attestation.suffices", "accepted"): (
        "{provider} atteste l’existence du certificat, et cette attestation est admise.", "",
        "{provider} attests that the certificate exists, and that is accepted.", "",
    ),
    ("attestation.suffices", "not_seen"): (
        "{provider} atteste l’existence d’un certificat, mais il n’a pas pu être examiné.",
        "Obtenez le certificat lui-même, ou choisissez un niveau pour lequel cette attestation est admise.",
        "{provider} attests that a certificate exists, but it could not be examined.",
        "Obtain the certificate itself, or choose a level for which the attestation is accepted.",
    ),
    ("certificate.level", "enough"): (
        "Le certificat est de niveau {has} ; il faut au moins {needs}.", "",
        "The certificate is of level {has}; at least {needs} is needed.", "",
    ),
    ("certificate.level", "lower"): (
        "Le certificat est de niveau {has} ; il faudrait au moins {needs}.",
        "Le signataire peut souscrire un certificat de niveau {needs}.",
        "The certificate is of level {has}; at least {needs} would be needed.",
        "The signatory can subscribe to a certificate of level {needs}.",
    ),
    ("certificate.level", "none"): (
        "Le certificat n’indique aucun niveau connu ; il faudrait au moins {needs}.",
        "Le signataire peut souscrire un certificat de niveau {needs}.",
        "The certificate states no known level; at least {needs} would be needed.",
        "The signatory can subscribe to a certificate of level {needs}.",
    ),
    ("certificate.qualified", "stated"): (
        "Le certificat se déclare qualifié pour la signature électronique.", "",
        "The certificate states that it is qualified for electronic signatures.", "",
    ),
    ("certificate.qualified", "not_stated"): (
        "Le certificat ne se déclare pas qualifié.", _QUALIFIED_FR,
        "The certificate does not state that it is qualified.", _QUALIFIED_EN,
    ),
    ("certificate.qualified", "not_for_signatures"): (
        "Le certificat est qualifié, mais pas pour la signature d’une personne.", _QUALIFIED_FR,
        "The certificate is qualified, but not for a person’s signature.", _QUALIFIED_EN,
    ),
    ("certificate.qualified", "elsewhere"): (
        "Le certificat est qualifié selon un droit étranger à l’Union européenne ({countries}).", _QUALIFIED_FR,
        "The certificate is qualified under a law from outside the European Union ({countries}).", _QUALIFIED_EN,
    ),
    ("certificate.qscd", "stated"): (
        "Le certificat déclare que sa clé est gardée par un dispositif qualifié (QSCD).", "",
        "The certificate states that its key is kept in a qualified device (QSCD).", "",
    ),
    ("certificate.qscd", "not_stated"): (
        "Le certificat ne déclare pas que sa clé est gardée par un dispositif qualifié (QSCD).",
        "Le signataire peut souscrire un certificat QCP-n-qscd, ou signer au niveau 3.",
        "The certificate does not state that its key is kept in a qualified device (QSCD).",
        "The signatory can subscribe to a QCP-n-qscd certificate, or sign at niveau 3.",
    ),
    ("certificate.purpose", "signatures"): (
        "Le certificat est destiné à la signature.", "",
        "The certificate is meant for signatures.", "",
    ),
    ("certificate.purpose", "authority"): (
        "C’est le certificat d’une autorité, pas celui d’une personne.", "Fournissez le certificat du signataire.",
        "It is an authority’s certificate, not a person’s.", "Provide the signatory’s certificate.",
    ),
    ("certificate.purpose", "other"): (
        "Le certificat n’est pas destiné à la signature de documents.", "Fournissez un certificat de signature.",
        "The certificate is not meant for signing documents.", "Provide a signing certificate.",
    ),
    ("issuer.recognised", "listed"): (
        "L’émetteur est reconnu : {issuer}.", "",
        "The issuer is recognised: {issuer}.", "",
    ),
    ("issuer.recognised", "in_trusted_list"): (
        "Une liste de confiance reconnaît l’émetteur : {issuer}.", "",
        "A trusted list recognises the issuer: {issuer}.", "",
    ),
    ("issuer.recognised", "unknown"): (
        "La reconnaissance de l’émetteur n’a pas été vérifiée : {issuer}.",
        "Vérifiez le certificat dans les listes de confiance, puis recommencez.",
        "Nobody has checked whether the issuer is recognised: {issuer}.",
        "Look the certificate up in the trusted lists, then retry.",
    ),
    ("issuer.recognised", "refused"): (
        "L’émetteur n’est pas reconnu pour ce niveau : {issuer}.", _ISSUER_FR,
        "The issuer is not recognised for this level: {issuer}.", _ISSUER_EN,
    ),
    ("validity.now", "valid"): (
        "Le certificat est valable jusqu’au {ends}.", "",
        "The certificate is valid until {ends}.", "",
    ),
    ("validity.now", "not_yet"): (
        "Le certificat n’est valable qu’à partir du {begins}.", "Attendez cette date.",
        "The certificate is only valid from {begins}.", "Wait until then.",
    ),
    ("validity.now", "expired"): (
        "Le certificat a expiré le {ends}.", _RENEW_FR,
        "The certificate expired on {ends}.", _RENEW_EN,
    ),
    ("validity.deadline", "covers"): (
        "Le certificat est valable au-delà de l’échéance de la collecte.", "",
        "The certificate is valid beyond the collection’s deadline.", "",
    ),
    ("validity.deadline", "too_short"): (
        "Le certificat expire le {ends}, trop tôt pour l’échéance de la collecte ({deadline}).",
        "Avancez l’échéance de la collecte, ou demandez au signataire de renouveler son certificat.",
        "The certificate expires on {ends}, too early for the collection’s deadline ({deadline}).",
        "Bring the collection’s deadline forward, or ask the signatory to renew their certificate.",
    ),
    ("status.good", "good"): (
        "Le certificat n’était pas révoqué le {checked}.", "",
        "The certificate was not revoked on {checked}.", "",
    ),
    ("status.good", "revoked"): (
        "Le certificat est révoqué depuis le {revoked}.", _RENEW_FR,
        "The certificate has been revoked since {revoked}.", _RENEW_EN,
    ),
    ("status.good", "unknown"): (
        "L’émetteur ne dit pas si le certificat est révoqué.", _ASK_LATER_FR,
        "The issuer does not say whether the certificate is revoked.", _ASK_LATER_EN,
    ),
    ("status.good", "stale"): (
        "L’état du certificat n’a plus été vérifié depuis le {checked}.", _ASK_LATER_FR,
        "The certificate’s status has not been checked since {checked}.", _ASK_LATER_EN,
    ),
    ("status.good", "future"): (
        "La dernière vérification du certificat porte une date à venir ({checked}).",
        "Vérifiez l’heure du serveur et celle de l’émetteur.",
        "The certificate’s last check carries a date in the future ({checked}).",
        "Check the server’s clock and the issuer’s.",
    ),
    ("holder.matches", "equal"): (
        "Le titulaire du certificat est bien le signataire.", "",
        "The certificate’s holder is the signatory.", "",
    ),
    ("holder.matches", "close"): (
        "Le titulaire du certificat est le signataire, à l’écriture près ({allowed}).", "",
        "The certificate’s holder is the signatory, spelling aside ({allowed}).", "",
    ),
    ("holder.matches", "differs"): (
        "Le certificat et la fiche du signataire diffèrent : {fields}.",
        "Corrigez la fiche du signataire ({fields}). Si c’est le certificat qui n’est plus exact, son titulaire doit "
        "le révoquer et en souscrire un autre.",
        "The certificate and the signatory’s details differ: {fields}.",
        "Correct the signatory’s details ({fields}). If it is the certificate that is out of date, its holder must "
        "revoke it and subscribe to another.",
    ),
    ("holder.matches", "unstated"): (
        "Rien ne dit si ces données du titulaire sont celles du signataire : {fields}.",
        "Demandez à l’émetteur les données enregistrées avec le certificat.",
        "Nothing says whether the holder’s details are the signatory’s: {fields}.",
        "Ask the issuer for the details registered with the certificate.",
    ),
}  # fmt: skip


def message(rule: str, outcome: str, fields: Sequence[str], details: Details, language: str) -> str:
    """Say what a rule found."""
    french, _, english, _ = TEXTS[rule, outcome]
    return filled(french if language == "fr" else english, fields, details, language)


def remedy(rule: str, outcome: str, fields: Sequence[str], details: Details, language: str) -> str:
    """Say what would help; empty when nothing needs to."""
    _, french, _, english = TEXTS[rule, outcome]
    return filled(french if language == "fr" else english, fields, details, language)
