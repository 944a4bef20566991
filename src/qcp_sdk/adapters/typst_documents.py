"""The certificate request as a PDF, set with Typst, sealed by whoever holds the platform's seal (features D1, D3)."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Protocol

from qcp_sdk.adapters.shared.answers import KeptAnswers
from qcp_sdk.adapters.shared.texts import Texts, load_texts, read_zone
from qcp_sdk.adapters.shared.typesetting import set_pdf
from qcp_sdk.errors import ConfigurationError, Rejected
from qcp_sdk.people import LANGUAGES
from qcp_sdk.subscription.effects import Application
from qcp_sdk.values import ContentHash, Key, content_hash, utc


class Shelf(Protocol):
    """Keeps documents by their exact bytes; `adapters.shelf.FileShelf` does."""

    def keep(self, *, content: bytes | Path) -> ContentHash:
        """As `ports.documents.Documents`."""

    def read(self, *, document: ContentHash) -> bytes:
        """As `ports.documents.Documents`."""

    def path(self, *, document: ContentHash) -> Path:
        """As `ports.documents.Documents`."""

    def forget(self, *, document: ContentHash) -> None:
        """As `ports.documents.Documents`."""


class Sealing(Protocol):
    """Puts the platform's electronic seal on a PDF."""

    def seal(self, *, key: Key, pdf: bytes, reason: str) -> bytes:
        """Give the sealed PDF, which begins with the very bytes of `pdf`; `reason` is written into the seal.

        Raises:
            Rejected: The PDF cannot be sealed, or the seal cannot be used.
            Unavailable, Unconfirmed: As every port.
        """


class TypstDocuments:
    """Implements the `Documents` port over a shelf.

    `shelf` keeps the documents, `seal` (usually a `PdfSeal`) signs the accepted request, and `answers` is a folder
    that remembers what each key answered. `platform` and `issuer` are named in the request, `years` is how long the
    issuer's certificates live, `zone` that of the dates, and `directory` holds the host's own templates.

    Raises:
        ConfigurationError: An unknown zone, or an empty name.
    """

    def __init__(
        self,
        *,
        shelf: Shelf,
        seal: Sealing,
        answers: Path,
        platform: str,
        issuer: str,
        years: int = 5,
        zone: str = "Europe/Paris",
        directory: Path | None = None,
    ) -> None:
        for where, name in (("platform", platform), ("issuer", issuer)):
            if not name.strip():
                raise ConfigurationError("it is empty", where=where, mend="give the name that people know it by")
        self._shelf, self._seal, self._answers = shelf, seal, KeptAnswers(answers)
        self._platform, self._issuer, self._years, self._directory = platform, issuer, years, directory
        place = read_zone(zone)
        self._texts = {language: load_texts(language, place, directory) for language in LANGUAGES}

    @property
    def simulated(self) -> bool:
        """Whether its seal is not fit for production."""
        return bool(getattr(self._seal, "simulated", False))

    def keep(self, *, content: bytes | Path) -> ContentHash:
        """Keep these bytes and give their name. Keeping them again is free."""
        return self._shelf.keep(content=content)

    def read(self, *, document: ContentHash) -> bytes:
        """Give the bytes back, checked against their name.

        Raises:
            Rejected: `unknown_document`, or `damaged`.
        """
        return self._shelf.read(document=document)

    def path(self, *, document: ContentHash) -> Path:
        """Give a file that holds these bytes, to be read only.

        Raises:
            Rejected: `unknown_document`.
        """
        return self._shelf.path(document=document)

    def forget(self, *, document: ContentHash) -> None:
        """Take the document from the shelf, for good; one that is not there is forgotten already."""
        self._shelf.forget(document=document)

    def compose_request(self, *, key: Key, application: Application, language: str, at: datetime) -> ContentHash:
        """Make the certificate request PDF (PDF/A-2a, PDF/UA-1) and keep it. The same application and instant give
        the same bytes.

        Raises:
            Rejected: `cannot_compose`: a name holds characters that the fonts cannot show, or no such language.
                `key_reused`: the key was used for another application, or to seal.
        """
        evidence = application.evidence
        meant = ("compose", application.subscription, application.account.id, evidence.provider, evidence.reference)
        known = self._answers.get(key=key, meant=meant)
        if known is not None:
            return content_hash(known)
        texts = self._texts.get(language)
        if texts is None:
            raise Rejected(f"there is no request in `{language}`", reason="cannot_compose", mend="use `fr` or `en`")
        pdf = set_pdf(
            f"certificate_request.{language}", self._data(application, texts, at), at=at, directory=self._directory
        )
        return content_hash(self._answers.put(key=key, answer=self._shelf.keep(content=pdf), meant=meant))

    def seal_request(
        self, *, key: Key, document: ContentHash, signatory: str, challenge: str, verified_at: datetime
    ) -> ContentHash:
        """Seal the request on the evidence of the code, and keep the result. The seal's reason names the challenge
        and when its code was verified; the same key gives the same sealed document.

        Raises:
            Rejected: `unknown_document`, `cannot_seal`; `key_reused`: the key was used for another document or code,
                or to compose.
        """
        meant = ("seal", document, challenge)
        known = self._answers.get(key=key, meant=meant)
        if known is not None:
            return content_hash(known)
        pdf = self._read_request(document)
        try:
            sealed = self._seal.seal(key=key, pdf=pdf, reason=_evidence(signatory, challenge, verified_at))
        except Rejected as error:
            raise Rejected(
                f"the request cannot be sealed (`{error.reason}`)", reason="cannot_seal", mend=error.mend
            ) from error
        if not sealed.startswith(pdf):
            # What was accepted must stay provable: a seal adds a revision, it does not rewrite.
            raise Rejected("the seal changed what was accepted", reason="cannot_seal")
        return content_hash(self._answers.put(key=key, answer=self._shelf.keep(content=sealed), meant=meant))

    def _read_request(self, document: ContentHash) -> bytes:
        try:
            return self._shelf.read(document=document)
        except Rejected as error:
            if error.reason == "unknown_document":
                raise
            raise Rejected("the request to seal is damaged", reason="cannot_seal", mend=error.mend) from error

    def _data(self, application: Application, texts: Texts, at: datetime) -> dict[str, str]:
        identity, evidence = application.identity, application.evidence
        return {
            "platform": self._platform,
            "issuer": self._issuer,
            "years": str(self._years),
            "reference": application.subscription,
            "given": identity.name.given,
            "last": identity.name.last,
            "birth_name": identity.name.birth_name,
            "birth_date": texts.day(identity.birth_date.day),
            "document": texts.phrase("document_kinds", identity.document.value),
            "country": texts.country(identity.issuing_country),
            "valid_until": texts.day(identity.valid_until) if identity.valid_until is not None else "",
            "email": application.account.email.text,
            "mobile": application.account.mobile.text,
            "provider": evidence.provider,
            "evidence": evidence.reference,
            "proofing": texts.phrase("proofing", evidence.proofing.name.lower()),
            "at": texts.moment(at),
        }


def _evidence(signatory: str, challenge: str, verified_at: datetime) -> str:
    """Say on whose word the seal was put, in both languages, for whoever opens the file's signature panel."""
    moment = utc(verified_at, "verified_at").isoformat(timespec="seconds")
    return f"Demande acceptée par / Request accepted by: {signatory}; code: {challenge}; {moment}"
