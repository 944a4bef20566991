"""What a verification says, in French and in English: one row a reason.

The identifiers are stable: hosts may branch on them. Names between braces are filled from the reason's details.
Niveau 3 is never called « qualifiée »: only niveau 4 is (eIDAS art. 3(12)).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final

LANGUAGES: Final = ("fr", "en")

REASONS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        # What was found in order
        "qualified_certificate": (
            "Le certificat est qualifié pour la signature électronique : le service « {service} » de la liste de "
            "confiance {territory} l’atteste, à l’émission du certificat comme au moment de la signature.",
            "The certificate is qualified for electronic signatures: service “{service}” of trusted list {territory} "
            "says so, both when the certificate was issued and when it signed.",
        ),
        "key_in_qscd": (
            "La clé de signature est conservée dans un dispositif qualifié (QSCD).",
            "The signing key is kept in a qualified device (QSCD).",
        ),
        "key_not_in_qscd": (
            "Rien n’atteste que la clé soit conservée dans un dispositif qualifié (QSCD) : la signature est avancée, "
            "basée sur un certificat qualifié.",
            "Nothing says that the key is kept in a qualified device (QSCD): the signature is advanced, based on a "
            "qualified certificate.",
        ),
        "issuer_listed": (
            "L’émetteur du certificat figure dans la liste de confiance {territory} (service « {service} »).",
            "The certificate’s issuer is on trusted list {territory} (service “{service}”).",
        ),
        # Why it is not more
        "not_declared_qualified": (
            "Le certificat ne se déclare pas qualifié, et la liste de confiance ne le déclare pas non plus.",
            "The certificate does not state that it is qualified, and neither does the trusted list.",
        ),
        "not_for_signatures": (
            "Le certificat n’est pas destiné à la signature électronique d’une personne physique.",
            "The certificate is not meant for the electronic signature of a natural person.",
        ),
        "type_ambiguous": (
            "Le certificat déclare plusieurs usages qualifiés à la fois, et la liste de confiance ne tranche pas.",
            "The certificate states several qualified types at once, and the trusted list does not settle which.",
        ),
        "declared_not_qualified": (
            "La liste de confiance {territory} déclare que ce certificat n’est pas qualifié.",
            "Trusted list {territory} declares that this certificate is not qualified.",
        ),
        "list_contradicts_itself": (
            "La liste de confiance se contredit à propos de ce certificat ; il n’est pas tenu pour qualifié.",
            "The trusted list contradicts itself about this certificate; it is not taken as qualified.",
        ),
        "service_not_granted": (
            "Le service « {service} » n’avait pas le statut « accordé » dans la liste de confiance le {date} (son "
            "statut était « {status} »).",
            "Service “{service}” was not granted on the trusted list on {date} (its status was “{status}”).",
        ),
        "service_not_in_force": (
            "Le {date}, le service qui a émis ce certificat n’était reconnu par aucune liste de confiance.",
            "On {date} no trusted list recognised the service that issued this certificate.",
        ),
        "service_not_for_signatures": (
            "Le service « {service} » n’est pas reconnu pour les certificats de signature électronique.",
            "Service “{service}” is not recognised for certificates for electronic signatures.",
        ),
        "issuer_not_qualified": (
            "L’émetteur ne figure dans aucune liste de confiance comme prestataire de certificats qualifiés.",
            "The issuer is on no trusted list as a provider of qualified certificates.",
        ),
        "list_expired": (
            "La liste de confiance {territory} n° {sequence} devait être remplacée avant le {date} : elle n’est plus "
            "prise en compte. Procurez-vous la version en vigueur.",
            "Trusted list {territory} no. {sequence} was to be replaced before {date}: it is no longer taken into "
            "account. Get the present one.",
        ),
        "pinned_on_first_use": (
            "Le signataire de la liste des listes de confiance a été repris de cette liste elle-même : personne ne l’a "
            "comparé au Journal officiel de l’Union européenne.",
            "The signer of the list of trusted lists was taken from that very list: nobody compared it with the "
            "Official Journal of the European Union.",
        ),
        "seal_certificate": (
            "Il s’agit du cachet d’une organisation, non de la signature d’une personne.",
            "This is an organisation’s seal, not a person’s signature.",
        ),
        # Why it does not pass
        "document_altered": (
            "Le document a été modifié après la signature : son contenu n’est plus celui qui a été signé.",
            "The document was altered after signing: its content is no longer what was signed.",
        ),
        "content_changed_since": (
            "Une mise à jour ajoutée après la signature modifie le contenu du document.",
            "An update that was added after signing changes the document’s content.",
        ),
        "later_signature_shown": (
            "Une signature ajoutée ensuite affiche quelque chose sur une page : ce signataire ne l’avait pas sous les "
            "yeux lorsqu’il a signé.",
            "A signature that was added later shows something on a page: this signatory did not see it when signing.",
        ),
        "coverage_incomplete": (
            "La signature ne couvre pas la version complète du document à laquelle elle est apposée.",
            "The signature does not cover the whole version of the document to which it was applied.",
        ),
        "signature_value_wrong": (
            "La valeur de la signature ne correspond pas au certificat.",
            "The signature value does not match the certificate.",
        ),
        "signature_unreadable": (
            "La signature ne peut pas être lue : sa structure est endommagée ou n’est pas prise en charge.",
            "The signature cannot be read: its structure is damaged or not supported.",
        ),
        "not_an_ades": (
            "La signature ne désigne pas son certificat dans ses attributs signés : ce n’est pas une signature avancée "
            "au format PAdES.",
            "The signature does not name its certificate in its signed attributes: it is not an advanced signature in "
            "PAdES form.",
        ),
        "issuer_unknown": (
            "Aucune liste de confiance ne connaît l’émetteur de ce certificat : l’identité du signataire n’est pas "
            "établie.",
            "No trusted list knows the issuer of this certificate: the signatory’s identity is not established.",
        ),
        "certificate_revoked": (
            "Le certificat a été révoqué le {date}, et rien ne prouve que la signature soit antérieure.",
            "The certificate was revoked on {date}, and nothing proves that the signature is older.",
        ),
        "issuer_revoked": (
            "Le certificat d’une autorité de la chaîne a été révoqué.",
            "The certificate of an authority in the chain was revoked.",
        ),
        "certificate_out_of_bounds": (
            "Le certificat n’était pas en cours de validité au moment prouvé de la signature.",
            "The certificate was not within its validity at the proven time of signing.",
        ),
        "revocation_unknown": (
            "Aucune preuve assez récente n’indique si le certificat était révoqué. Fournissez la liste de révocation "
            "ou la réponse OCSP de son émetteur.",
            "No evidence that is recent enough says whether the certificate was revoked. Supply its issuer’s "
            "revocation list or OCSP answer.",
        ),
        "revocation_source_silent": (
            "L’émetteur n’a pas répondu à la demande de statut.",
            "The issuer did not answer when asked for the status.",
        ),
        "algorithm_too_weak": (
            "Un algorithme ou une clé utilisés ne sont plus assez sûrs.",
            "An algorithm or key that was used is no longer strong enough.",
        ),
        "chain_invalid": (
            "La chaîne de certificats jusqu’à la liste de confiance n’est pas valide.",
            "The chain of certificates up to the trusted list is not valid.",
        ),
        "constraints_not_met": (
            "La signature ne respecte pas les règles appliquées à la vérification (usage de la clé, attributs).",
            "The signature does not meet the rules that verification applies (key usage, attributes).",
        ),
        "timestamp_order": (
            "Les horodatages se contredisent.",
            "The timestamps contradict one another.",
        ),
        "not_passed": (
            "La vérification n’a pas abouti ({sub_indication}).",
            "The verification did not come to a positive end ({sub_indication}).",
        ),
        # About time
        "timestamp_not_trusted": (
            "L’horodatage ne peut pas être vérifié : le moment de la signature n’est pas prouvé.",
            "The timestamp cannot be verified: the time of signing is not proven.",
        ),
        "timestamp_not_qualified": (
            "L’horodatage est valide, mais son service n’est pas un service d’horodatage qualifié.",
            "The timestamp is valid, but its service is not a qualified time-stamping service.",
        ),
        "no_timestamp": (
            "La signature n’est pas horodatée : seul le moment de cette vérification est certain.",
            "The signature has no timestamp: only the time of this verification is certain.",
        ),
        # About the whole document
        "no_signature": (
            "Le document ne porte aucune signature.",
            "The document carries no signature.",
        ),
        "read_leniently": (
            "Le fichier s’écarte de la norme PDF ; il a été lu avec indulgence.",
            "The file departs from the PDF standard; it was read leniently.",
        ),
    }
)
"""Reason to (French, English)."""

BY_SUB_INDICATION: Final[Mapping[str, str]] = MappingProxyType(
    {
        "FORMAT_FAILURE": "signature_unreadable",
        "HASH_FAILURE": "document_altered",
        "SIG_CRYPTO_FAILURE": "signature_value_wrong",
        "REVOKED": "certificate_revoked",
        "REVOKED_NO_POE": "certificate_revoked",
        "REVOKED_CA_NO_POE": "issuer_revoked",
        "NOT_YET_VALID": "certificate_out_of_bounds",
        "EXPIRED": "certificate_out_of_bounds",
        "OUT_OF_BOUNDS_NO_POE": "certificate_out_of_bounds",
        "OUT_OF_BOUNDS_NOT_REVOKED": "certificate_out_of_bounds",
        "REVOCATION_OUT_OF_BOUNDS_NO_POE": "revocation_unknown",
        "TRY_LATER": "revocation_unknown",
        "NO_CERTIFICATE_CHAIN_FOUND": "issuer_unknown",
        "NO_SIGNING_CERTIFICATE_FOUND": "signature_unreadable",
        "CERTIFICATE_CHAIN_GENERAL_FAILURE": "chain_invalid",
        "CHAIN_CONSTRAINTS_FAILURE": "service_not_in_force",
        "CRYPTO_CONSTRAINTS_FAILURE": "algorithm_too_weak",
        "CRYPTO_CONSTRAINTS_FAILURE_NO_POE": "algorithm_too_weak",
        "SIG_CONSTRAINTS_FAILURE": "constraints_not_met",
        "TIMESTAMP_ORDER_FAILURE": "timestamp_order",
    }
)
"""The reason that explains a sub-indication of EN 319 102-1 § 5.1.3; what has no row is `not_passed`."""

LABELS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "document": ("Document", "Document"),
        "verified_at": ("Vérifié le", "Verified on"),
        "lists": ("Listes de confiance", "Trusted lists"),
        "snapshot": ("Instantané", "Snapshot"),
        "no_lists": ("aucune", "none"),
        "number": ("n°", "no."),
        "expired": ("périmée", "expired"),
        "signature": ("Signature {number}", "Signature {number}"),
        "signer": ("Signataire", "Signatory"),
        "unknown_signer": ("inconnu", "unknown"),
        "certificate": ("Certificat", "Certificate"),
        "issuer": ("Émetteur", "Issuer"),
        "level": ("Niveau atteint", "Level reached"),
        "result": ("Résultat ETSI", "ETSI result"),
        "qualification": ("Qualification", "Qualification"),
        "at_issuance": ("À l’émission", "At issuance"),
        "at_signing": ("À la signature", "At signing"),
        "qualified": ("certificat qualifié, sans QSCD attesté", "certificate qualified, no QSCD stated"),
        "qualified_qscd": ("certificat qualifié, clé dans un QSCD", "certificate qualified, key in a QSCD"),
        "not_qualified": ("certificat non qualifié", "certificate not qualified"),
        "format": ("Format", "Format"),
        "time": ("Moment", "Time"),
        "changes": ("Depuis lors", "Since then"),
        "path": ("Chaîne", "Trust path"),
        "reasons": ("Pourquoi", "Why"),
        "paper_title": ("Rapport de vérification", "Verification report"),
        "paper_more": (
            "… et {count} autres : le rapport complet est dans sa forme JSON.",
            "… and {count} more: the whole report is in its JSON form.",
        ),
        "paper_none": ("Le document ne porte aucune signature.", "The document carries no signature."),
        "paper_note": (
            "Ce rapport dit ce que valait le document à l’instant et selon les listes de confiance indiqués. Il n’est "
            "pas signé : vérifiez le document lui-même.",
            "This report says what the document was worth at the instant and by the trusted lists named. It is not "
            "signed: verify the document itself.",
        ),
        "level.NIVEAU_1": ("niveau 1 (simple)", "niveau 1 (simple)"),
        "level.NIVEAU_2": ("niveau 2 (avancée)", "niveau 2 (advanced)"),
        "level.NIVEAU_3": (
            "niveau 3 (avancée, basée sur un certificat qualifié)",
            "niveau 3 (advanced, based on a qualified certificate)",
        ),
        "level.NIVEAU_4": ("niveau 4 (qualifiée)", "niveau 4 (qualified)"),
        "level.none": ("aucun", "none"),
        "indication.PASSED": ("validée", "passed"),
        "indication.FAILED": ("rejetée", "failed"),
        "indication.INDETERMINATE": ("indéterminée", "indeterminate"),
        "source.signature_timestamp": (
            "prouvé par l’horodatage de la signature",
            "proven by the signature’s timestamp",
        ),
        "source.document_timestamp": ("prouvé par l’horodatage du document", "proven by the document’s timestamp"),
        "source.verification": (
            "moment de la vérification ; aucun horodatage ne prouve mieux",
            "time of verification; no timestamp proves better",
        ),
        "changes.none": ("rien n’a été ajouté", "nothing was added"),
        "changes.validation_data": (
            "seules des données de vérification ont été ajoutées",
            "only verification data was added",
        ),
        "changes.signatures_or_forms": (
            "d’autres signatures ou champs de signature ont été ajoutés",
            "further signatures or signature fields were added",
        ),
        "changes.annotations": ("des annotations ont été ajoutées", "annotations were added"),
        "changes.content": ("le contenu a été modifié", "the content was changed"),
        "changes.unknown": ("impossible à déterminer", "cannot be determined"),
    }
)
"""Words of the terminal table: (French, English)."""


_MONTHS: Final = (
    ("janvier", "January"),
    ("février", "February"),
    ("mars", "March"),
    ("avril", "April"),
    ("mai", "May"),
    ("juin", "June"),
    ("juillet", "July"),
    ("août", "August"),
    ("septembre", "September"),
    ("octobre", "October"),
    ("novembre", "November"),
    ("décembre", "December"),
)


def day(iso: str, language: str) -> str:
    """Write the day of an ISO 8601 instant as a person reads it: `1er mars 2026`, `1 March 2026`."""
    moment = datetime.fromisoformat(iso)
    number = "1er" if language != "en" and moment.day == 1 else str(moment.day)
    return f"{number}\u00a0{_MONTHS[moment.month - 1][language == 'en']}\u00a0{moment.year}"


def say(text: str, language: str, **details: str) -> str:
    """Give the text of a reason or label in a language; French for any other than `en`. `date` details are ISO 8601."""
    row = REASONS.get(text) or LABELS[text]
    if details.get("date"):
        details["date"] = day(details["date"], language)
    return row[language == "en"].format_map(details)
