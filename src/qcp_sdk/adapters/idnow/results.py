"""What IDnow's results and reasons mean here, as tables."""

from __future__ import annotations

from datetime import date
from typing import Final

from qcp_sdk.adapters.shared.fields import Fields
from qcp_sdk.adapters.shared.sessions import Means, Verdict
from qcp_sdk.errors import InvalidValue
from qcp_sdk.identity import DocumentKind, ProvenIdentity
from qcp_sdk.values import BirthDate, PersonName

RESULTS: Final[dict[str, Means | None]] = {
    "SUCCESS": Means.APPROVED,
    "SUCCESS_DATA_CHANGED": Means.APPROVED,
    "SUCCESS_DATA_CHANGE": Means.APPROVED,  # as one table of the PDF prints it
    "FRAUD_SUSPICION_CONFIRMED": Means.FRAUD,
    "REVIEW_PENDING": Means.UNDECIDED,
    "FRAUD_SUSPICION_PENDING": Means.UNDECIDED,  # may end well: test case FRAUDOK
    "CHECK_PENDING": Means.UNDECIDED,
    "ABORTED": None,  # during the identification
    "CANCELED": None,  # at the review
    "CANCELLED": None,  # as the test case is spelt
}
"""Results of § 14.5 [read]; None: its reason says. CHECK_PENDING is from a public client's types."""

_VIDEO: Final = {
    # § 14.5.3: those that it calls permanent …
    "DATA_APPLICATION_ADDRESS": (Means.REFUSED, "data_application_address"),
    "DATA_APPLICATION_DATA": (Means.REFUSED, "data_application_data"),
    "OTHER_MISCELLANEOUS_PERMANENT": (Means.REFUSED, "other"),
    "USER_LANGUAGE": (Means.REFUSED, "user_language"),
    # … abuse, which it does not call permanent: nobody should be sent a new link for it [inferred] …
    "OTHER_ABUSE": (Means.REFUSED, "abuse"),
    # … those where the person left …
    "USER_ABORT_WHILE_WAITING": (Means.ABANDONED, "abandoned"),
    "USER_CANCELLATION": (Means.ABANDONED, "abandoned"),
    # … and those after which another try makes sense.
    "DATA_ID_EXPIRED": (Means.RETRYABLE, "document_expired"),
    "OTHER_MISCELLANEOUS_TEMPORARY": (Means.RETRYABLE, "technical"),
    "OTHER_TEST": (Means.RETRYABLE, "technical"),
    "TECH_AUDIO": (Means.RETRYABLE, "technical"),
    "TECH_DISCONNECTED_VIDEO": (Means.RETRYABLE, "technical"),
    "TECH_DISCONNECTED_WEBSOCKET": (Means.RETRYABLE, "technical"),
    "TECH_HOLOGRAM": (Means.RETRYABLE, "document_unreadable"),
    "TECH_ID_TYPE": (Means.RETRYABLE, "document_not_accepted"),
    "TECH_IDENT_CODE_DELIVERY": (Means.RETRYABLE, "technical"),
    "TECH_INTERNAL_SERVER_ERROR": (Means.RETRYABLE, "technical"),
    "TECH_INTERNET_CONNECTION": (Means.RETRYABLE, "technical"),
    "TECH_LIGHTING": (Means.RETRYABLE, "too_dark"),
    "TECH_PHOTO": (Means.RETRYABLE, "blurred"),
    "TECH_TIMEOUT": (Means.RETRYABLE, "expired"),
    "TECH_VIDEO": (Means.RETRYABLE, "technical"),
    "USER_ID_NUMBER": (Means.RETRYABLE, "other"),
    "USER_IDENT_CODE": (Means.RETRYABLE, "other"),
    "USER_NO_ID": (Means.RETRYABLE, "document_not_accepted"),
    "USER_WRONG_PERSON": (Means.RETRYABLE, "other"),
}
_AUTO: Final = {
    "ID_OTHER": (Means.RETRYABLE, "other"),
    "ID_DAMAGED": (Means.RETRYABLE, "document_not_accepted"),
    "ID_NOT_SUPPORTED": (Means.RETRYABLE, "document_not_accepted"),
    "ID_BLURRY": (Means.RETRYABLE, "blurred"),
    "ID_GLARE": (Means.RETRYABLE, "glare"),
    "ID_DARKNESS": (Means.RETRYABLE, "too_dark"),
    "ID_DATA_COVERED": (Means.RETRYABLE, "incomplete"),
    "ID_PERSPECTIVE": (Means.RETRYABLE, "incomplete"),
    "ID_DATA": (Means.RETRYABLE, "document_unreadable"),
    "ID_DATA_OTHER": (Means.RETRYABLE, "document_unreadable"),
    "ID_EXPIRED": (Means.RETRYABLE, "document_expired"),
    "ID_WRONG_SIDE": (Means.RETRYABLE, "incomplete"),
    "ID_OUTWORN": (Means.RETRYABLE, "document_not_accepted"),
    "ID_HAS_STICKER": (Means.RETRYABLE, "incomplete"),
    "ID_WRITTEN_ON": (Means.RETRYABLE, "document_not_accepted"),
    "ID_BROKEN": (Means.RETRYABLE, "document_not_accepted"),
    "ID_DAMAGED_OTHER": (Means.RETRYABLE, "document_not_accepted"),
    "ID_SECURITY_FEATURE_NOT_VISIBLE_NOT_FRAUD": (Means.RETRYABLE, "document_unreadable"),
    "ID_SECURITY_FEATURE_VIDEO_SHORT": (Means.RETRYABLE, "document_unreadable"),
    "ID_SECURITY_FEATURE_VIDEO_CANNOT_BE_PLAYED": (Means.RETRYABLE, "technical"),
    "ID_SECURITY_FEATURE_VIDEO_FILE_MISSING": (Means.RETRYABLE, "technical"),
    "ID_SECURITY_FEATURE_OTHER": (Means.RETRYABLE, "document_unreadable"),
    "ID_SECOND_DOCUMENT": (Means.RETRYABLE, "incomplete"),
    "ID_NEED_ADDITIONAL_DOCUMENT": (Means.RETRYABLE, "incomplete"),
    "USER_INVOICE_MISSING": (Means.RETRYABLE, "incomplete"),
    "USER_OBSCURED": (Means.RETRYABLE, "face_not_visible"),
    "SELFIE_BLURRY": (Means.RETRYABLE, "selfie_failed"),
    "SELFIE_GLARE": (Means.RETRYABLE, "selfie_failed"),
    "SELFIE_DARKNESS": (Means.RETRYABLE, "too_dark"),
    "SELFIE_PERSPECTIVE": (Means.RETRYABLE, "face_not_visible"),
    "SELFIE_OTHER": (Means.RETRYABLE, "selfie_failed"),
    "IDENT_CANNOT_BE_COMPLETED": (Means.RETRYABLE, "other"),
    "IDENT_DISPLAY_ERROR": (Means.RETRYABLE, "technical"),
    "IDENT_OTHER": (Means.RETRYABLE, "other"),
    "TSP_WRONG_CONFIRMATION_TOKEN": (Means.RETRYABLE, "technical"),
    "TSP_SIGNING_FAILED": (Means.RETRYABLE, "technical"),
    "TSP_CERTIFICATE_EXPIRED": (Means.RETRYABLE, "technical"),
}
REASONS: Final = {**_VIDEO, **_AUTO}
"""IDnow's word to what it comes to and our word, which the messages translate. Video: § 14.5.3 [read]; auto: from a
public client's types; which of those are permanent is not published, so that all may be tried again [inferred]."""
OTHERWISE: Final = (Means.RETRYABLE, "other")
"""A reason that this release does not know, or none: the person may try again, as often as the subscription allows."""

DOCUMENTS: Final = {
    "IDCARD": DocumentKind.IDENTITY_CARD,
    "PASSPORT": DocumentKind.PASSPORT,
    "RESIDENCE_TITLE": DocumentKind.RESIDENCE_PERMIT,
    "RESIDENCE_PERMIT": DocumentKind.RESIDENCE_PERMIT,
}
"""A driving licence (DRIVERS_LICENSE) is not among those that the journey accepts (C2)."""


def judged(process: Fields) -> Verdict:
    """Read `identificationprocess`.

    Raises:
        Unavailable: Its result is none that we know: nobody is approved or refused for it.
    """
    result = process.text("result")
    if result not in RESULTS:
        raise process.answer.unreadable("its result is not known to this release")
    means = RESULTS[result]
    if means is None:
        return Verdict(*REASONS.get(process.text("reason", ""), OTHERWISE))
    return Verdict(means, "fraud_suspicion_confirmed" if means is Means.FRAUD else "")


def proven(told: Fields) -> ProvenIdentity | None:
    """Read what the document showed; None when it is a document that the journey does not accept.

    Names are as IDnow gives them: in capitals, perhaps spelt as a machine-readable line does (ICAO 9303-3 § 6). They
    are not guessed back: `qcp_sdk.matching` compares them, and the person confirms them (C6).

    Raises:
        Unavailable: Something is missing, or makes no sense.
    """
    user, document = told.inner("userdata"), told.inner("identificationdocument")
    kind = DOCUMENTS.get(_value(document, "type"))
    if kind is None:
        return None
    country = _value(document, "country").upper()
    if len(country) != 2 or not country.isascii() or not country.isalpha():
        raise told.answer.unreadable("its document's country is no ISO 3166-1 alpha-2")
    try:
        return ProvenIdentity(
            name=PersonName(
                given=_value(user, "firstname"),
                last=_value(user, "lastname"),
                birth_name=_value(user, "birthname", ""),
            ),
            birth_date=BirthDate(date.fromisoformat(_value(user, "birthday"))),
            document=kind,
            issuing_country=country,
            valid_until=date.fromisoformat(until) if (until := _value(document, "validuntil", "")) else None,
        )
    except (InvalidValue, ValueError):
        # Not `from` it: the message may quote what it could not read.
        raise told.answer.unreadable("its names or dates make no sense") from None


def _value(fields: Fields, name: str, default: str | None = None) -> str:
    """Read a leaf: `{"value": …, "status": …}`; one with status REDACTION has no value."""
    return fields.inner(name).text("value", default)
