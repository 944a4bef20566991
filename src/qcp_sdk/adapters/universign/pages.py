"""Signing on Universign's page: a transaction of one signatory, and what our own verification makes of its end.

Nothing that Universign says makes a signature: a document counts when it begins with the exact bytes that were sent and
only signing was added to them, and when `judge` finds in it a new signature of the level that was asked for, made with
a certificate of whom it was asked of.
"""

from __future__ import annotations

import json
import threading
from base64 import b64decode, b64encode
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import quote, urlsplit

from qcp_sdk.adapters.shared import sealed
from qcp_sdk.adapters.shared.answers import KeptAnswers
from qcp_sdk.adapters.shared.fields import Fields
from qcp_sdk.adapters.shared.http import Http, segment
from qcp_sdk.adapters.universign.api import UniversignApi
from qcp_sdk.ceremony.facts import TransactionEnded, TransactionOpened, TransactionSigned
from qcp_sdk.collectes import Collecte, Signatory
from qcp_sdk.errors import ConfigurationError, DocumentError, Rejected, Unavailable
from qcp_sdk.levels import SignatureLevel
from qcp_sdk.matching import same_name
from qcp_sdk.ports.answers import Pending
from qcp_sdk.ports.clock import Clock
from qcp_sdk.ports.keys import Keys
from qcp_sdk.ports.pages import TransactionResult
from qcp_sdk.values import CeremonyId, ContentHash, DocumentId, Key, PersonName, Secret, SessionId, SignatoryId, joined

if TYPE_CHECKING:
    from qcp_sdk.verification.report import Report

LEVELS: Final = {
    SignatureLevel.NIVEAU_1: "level1",
    SignatureLevel.NIVEAU_2: "level2",
    SignatureLevel.NIVEAU_3: "level3",
    SignatureLevel.NIVEAU_4: "level4",
}
"""`min_signature_level` [read: guides/transactions/participants/set_signature_level]."""
SIGNED: Final = frozenset({"completed", "archived"})
"""States in which signed documents can be fetched [read: guides/transactions/documents/download_signed_documents]."""
ENDED: Final = {"expired": "expired", "cancelled": "cancelled", "canceled": "cancelled"}
REFUSALS: Final = frozenset({"action_refusal", "signature_refusal", "consultation_refusal", "review_refusal"})
"""Reasons why an action stalls that mean that the person refused [read: developer_tools/webhooks]."""
LARGEST: Final = 64 << 20
"""Bytes of a signed document: 25 MB are taken, 50 for some workspaces [read], and signatures come on top."""
TOO_LATE: Final = frozenset({400, 404, 409, 422})
"""What a cancellation may be answered where there is nothing to cancel any more [inferred]."""


class Shelf(Protocol):
    """The part of `ports.documents.Documents` that is needed here: any implementation of that port will do."""

    def keep(self, *, content: bytes) -> ContentHash:
        """As the port."""

    def read(self, *, document: ContentHash) -> bytes:
        """As the port."""


class Judge(Protocol):
    """Says what signatures a document carries: `partial(verify, …)` with the trusted lists and the present instant."""

    def __call__(self, pdf: bytes, /) -> Report:
        """Verify."""


class UniversignPages:
    """Opens transactions at `min_signature_level`, follows them, fetches what was signed, and has it judged.

    `documents` is the shelf on which collectes' documents lie. `judge` is
    `lambda pdf: verify(pdf, trust=…, now=clock.now())`. `remember` is a folder that all processes share; the person's
    name lies there, sealed under a key derived from `keys`, until the ceremony is forgotten. `redirect_url` is where
    Universign sends the person back: its domain has to be on the workspace's list.

    Raises:
        ConfigurationError: Something is missing, or the address is none.
    """

    def __init__(
        self,
        *,
        http: Http,
        api_key: Secret,
        documents: Shelf,
        judge: Judge,
        keys: Keys,
        clock: Clock,
        remember: Path,
        redirect_url: str = "",
    ) -> None:
        if redirect_url and urlsplit(redirect_url).scheme not in {"http", "https"}:
            raise ConfigurationError("it is no web address", where="universign.redirect_url", mend="give https://…")
        self._api = UniversignApi(http, api_key=api_key)
        self._documents, self._judge, self._keys, self._clock = documents, judge, keys, clock
        self._kept, self._redirect_url = KeptAnswers(remember), redirect_url
        self._locks = tuple(threading.Lock() for _ in range(64))

    # The port.

    def open(
        self,
        *,
        key: Key,
        ceremony: CeremonyId,
        collecte: Collecte,
        signatory: SignatoryId,
        documents: tuple[tuple[DocumentId, ContentHash], ...],
    ) -> TransactionOpened:
        """Open a transaction over these exact bytes; asked again, the same one.

        Raises:
            Rejected: `unknown_signatory`, `no_documents`, `appearance_unsupported` (a stamp is asked for), `expired`,
                `data_refused`, `session_ended`; `key_reused`; what the shelf says.
            Unavailable: Universign was not reached, or no transaction was started.
        """
        person = next((one for one in collecte.signatories if one.id == signatory), None)
        if person is None:
            raise Rejected("nobody of this id signs in the collecte", reason="unknown_signatory")
        if not documents:
            raise Rejected("there is nothing to sign", reason="no_documents")
        meant = (ceremony, signatory, *(joined(document, content) for document, content in documents))
        with self._locks[hash(key) % len(self._locks)]:
            kept = self._kept.get(key=key, meant=meant)
            if kept is None:
                drafted = self._kept.get(key=_about("drafted", key), meant=meant)
                if drafted is None:
                    # A draft invites nobody, and is forgotten there after a week: one that is lost harms nothing.
                    draft = json.dumps({"ceremony": ceremony, **self._drafted(collecte, person, documents)})
                    drafted = self._kept.put(key=_about("drafted", key), answer=draft, meant=meant, of=ceremony)
                kept = self._started(key, meant, json.loads(drafted), person)
        opened = json.loads(kept)
        return TransactionOpened(
            session=SessionId(opened["session"]), url=opened["url"], expires=datetime.fromisoformat(opened["expires"])
        )

    def ask(self, *, session: SessionId) -> TransactionResult | Pending:
        """Say how a transaction stands. An end, once told, is told again unchanged.

        `TransactionEnded.reason` is `refused`, `expired`, `cancelled`; `document_changed` where what came back does
        not begin with what was sent, or more was added to it than signing needs; `level_not_reached` where it is signed
        below the level that was asked for; `signer_mismatch` where, from niveau 2 up, the certificate of whoever
        reached it names somebody else. These three are alerts, because somebody has signed.

        Raises:
            Rejected: `unknown_session`.
            Unavailable: Universign was not reached, its answer cannot be used, or nobody can say yet which level was
                reached: trusted lists or revocation data are missing.
        """
        about = self._about(session)
        if about is None:
            raise Rejected("no such session", reason="unknown_session")
        before = self._told(session)
        if before is not None:
            return before
        told = self._fetched(session)
        state = told.text("state")
        if state in SIGNED:
            return self._settled(session, about, *self._judged(session, about))
        if state in ENDED:
            refused = self._kept.get(key=_about("refused", session)) is not None
            return self._settled(session, about, "refused" if refused else ENDED[state])
        if _refuses(told):
            # It stays open there, and the person could change their mind: what was told here would then be wrong.
            self._kept.put(key=_about("refused", session), answer="refused", of=about["ceremony"])
            if self._cancelled(session):
                return self._settled(session, about, "refused")
        return Pending(note="the transaction is under way")

    def close(self, *, key: Key, session: SessionId) -> None:  # noqa: ARG002  # doing it twice does nothing more
        """Cancel the transaction; one that has ended, or was never known, is left as it is.

        Raises:
            Unavailable: Universign was not reached, or did not cancel it.
        """
        if self._about(session) is None or self._told(session) is not None:
            return
        if self._over(session) or self._cancelled(session) or self._over(session):
            return
        raise Unavailable("Universign did not cancel the transaction", where="universign", mend="asked again later")

    def forget_stream(self, *, stream: str) -> None:
        """Forget the transactions of this ceremony, and how they ended. Repeatable.

        Raises:
            Unavailable: The folder cannot be written.
        """
        self._kept.forget_stream(stream=stream)

    def probe(self) -> datetime | None:
        """Ask Universign for a certificate that nobody holds and give its time. Nothing is changed.

        Raises:
            Unavailable: It was not reached, or does not know us.
        """
        return self._api.probe()

    # Universign's side.

    def _drafted(
        self, collecte: Collecte, person: Signatory, documents: tuple[tuple[DocumentId, ContentHash], ...]
    ) -> dict[str, Any]:
        if person.stamps:
            raise Rejected("visible signatures are not placed on this page", reason="appearance_unsupported")
        now = self._clock.now()
        minutes = int((collecte.deadline - now) // timedelta(minutes=1))
        if minutes < 1:
            raise Rejected("the collecte ends within a minute", reason="expired")
        names = {one.id: one.name for one in collecte.documents}
        about: dict[str, str | Secret] = {
            "name": collecte.title,
            "language": person.language,
            "duration": str(minutes),
        }
        session = self._made("/v1/transactions", about)
        place, email = f"/v1/transactions/{segment(session)}", Secret(person.email.text)
        participant: dict[str, str | Secret] = {
            "email": email,
            "full_name": Secret(person.name.full),
            "full_name_type": "prerequisite",
            "phone_number": Secret(person.mobile.text),
            "phone_number_type": "prerequisite",
            "min_signature_level": LEVELS[person.level],
        }
        # No `schedule`: we invite, not Universign [read: guides/transactions/participants/add_invitation_message].
        self._api.ask("POST", f"{place}/participants", acts=False, form=participant)
        theirs = []
        for document, content in documents:
            file = self._api.upload(self._documents.read(document=content))
            named = {"document": file, "name": names.get(document, document)}
            id = self._made(f"{place}/documents", named)
            field = self._made(f"{place}/documents/{segment(id)}/fields", {"type": "signature"})
            self._api.ask("POST", f"{place}/signatures", acts=False, form={"signer": email, "field": field})
            theirs.append([document, content, id])
        expires = now + timedelta(minutes=minutes)
        return {
            "session": session,
            "documents": theirs,
            "level": int(person.level),
            "name": self._sealed(session, person.name),
            "expires": expires.isoformat(),
        }

    def _made(self, path: str, form: dict[str, str | Secret] | dict[str, str]) -> str:
        return self._api.fields("POST", path, acts=False, form=dict(form)).text("id")

    def _started(self, key: Key, meant: tuple[str, ...], drafted: dict[str, Any], person: Signatory) -> str:
        session = SessionId(drafted["session"])
        answer = self._api.ask("GET", _place(session), acts=False, expect=frozenset({404}))
        if answer.status == 404:
            self._kept.forget(key=_about("drafted", key))
            raise Unavailable("the draft is gone", where="universign", mend="asked again, another one is made")
        told = Fields.of(answer)
        if told.text("state") == "draft":
            # Asking again is safe: whether it was started is looked at first.
            told = self._api.fields("POST", f"{_place(session)}/start", acts=False)
        if told.text("state") in ENDED:
            raise Rejected("the transaction has ended before anybody saw it", reason="session_ended")
        url = _page(told, person.email.text)
        if self._redirect_url:
            url += f"{'&' if '?' in url else '?'}redirect_url={quote(self._redirect_url, safe='')}"
        self._kept.put(key=_about("opened", session), answer=json.dumps(drafted), of=drafted["ceremony"])
        opened = json.dumps({"session": session, "url": url, "expires": drafted["expires"]})
        return self._kept.put(key=key, answer=opened, meant=meant, of=drafted["ceremony"])

    def _fetched(self, session: SessionId) -> Fields:
        return self._api.fields("GET", _place(session), acts=False)

    def _over(self, session: SessionId) -> bool:
        state = self._fetched(session).text("state")
        return state in SIGNED or state in ENDED

    def _cancelled(self, session: SessionId) -> bool:
        answer = self._api.ask("POST", f"{_place(session)}/cancel", acts=False, expect=TOO_LATE)
        return answer.status not in TOO_LATE

    # What was signed.

    def _judged(self, session: SessionId, about: dict[str, Any]) -> tuple[str, list[list[str]]]:
        """Fetch, judge and keep every document; none is kept where one does not hold."""
        contents = []
        for document, content, theirs in about["documents"]:
            path = f"{_place(session)}/archive/documents/{segment(theirs)}/download"
            signed = self._api.download(path, largest=LARGEST).body
            fault = self._fault(session, about, signed, self._documents.read(document=ContentHash(content)))
            if fault:
                return fault, []
            contents.append((document, signed))
        return "signed", [[document, self._documents.keep(content=signed)] for document, signed in contents]

    def _fault(self, session: SessionId, about: dict[str, Any], signed: bytes, base: bytes) -> str:
        """Say why a document does not count; nothing where it does."""
        from qcp_sdk.adapters.shared.pades_added import holders, only_signing_added  # pyHanko is heavy

        if not signed.startswith(base) or len(signed) == len(base):
            return "document_changed"
        level = SignatureLevel(about["level"])
        reaching = self._reaching(signed, base, level)
        if not reaching:
            return "level_not_reached"
        if not only_signing_added(signed, base=base):
            return "document_changed"
        if level >= SignatureLevel.NIVEAU_2:
            asked, named = self._unsealed(session, about["name"]), holders(signed)
            found = (named.get(field) for field in reaching)
            if not any(name is not None and same_name(asked, name) for name in found):
                return "signer_mismatch"
        return ""

    def _reaching(self, signed: bytes, base: bytes, level: SignatureLevel) -> list[str]:
        """Give the fields of the new signatures of this level; none where one of the new ones is bad."""
        try:
            before = len(self._judge(base).signatures)
            new = self._judge(signed).signatures[before:]
        except DocumentError as error:
            raise Unavailable(
                "what Universign gave cannot be verified", where="universign", mend="look at the transaction there"
            ) from error
        if any(one.indication.name == "FAILED" for one in new):
            return []
        reaching = [one.field_name for one in new if one.level_reached is not None and one.level_reached >= level]
        if reaching:
            return reaching
        unsure = [one for one in new if one.indication.name == "INDETERMINATE"]
        if unsure:
            raise Unavailable(
                f"it cannot be said which level was reached ({unsure[0].sub_indication})",
                where="universign",
                mend="update the trusted lists, and look at what `verify` says of the document",
            )
        return []

    # What is remembered.

    def _sealed(self, session: str, name: PersonName) -> str:
        content = json.dumps([name.given, name.last]).encode()
        return b64encode(sealed.seal(self._sealing(), _name(session), content)).decode()

    def _unsealed(self, session: str, held: str) -> PersonName:
        given, last = json.loads(sealed.unseal(self._sealing(), _name(session), b64decode(held)))
        return PersonName(given=given, last=last)

    def _sealing(self) -> bytes:
        return self._keys.derive(purpose="universign.pages")

    def _about(self, session: SessionId) -> dict[str, Any] | None:
        kept = self._kept.get(key=_about("opened", session))
        return dict(json.loads(kept)) if kept is not None else None

    def _told(self, session: SessionId) -> TransactionResult | None:
        kept = self._kept.get(key=_about("ended", session))
        return _result(session, kept) if kept is not None else None

    def _settled(
        self, session: SessionId, about: dict[str, Any], how: str, documents: list[list[str]] | None = None
    ) -> TransactionResult:
        """Write an end down before it is told, and give the end that was first."""
        text = json.dumps([how, documents or []])
        return _result(session, self._kept.put(key=_about("ended", session), answer=text, of=about["ceremony"]))


def _result(session: SessionId, kept: str) -> TransactionResult:
    how, documents = json.loads(kept)
    if how != "signed":
        return TransactionEnded(session=session, reason=how)
    signed = tuple((DocumentId(document), ContentHash(content)) for document, content in documents)
    return TransactionSigned(session=session, documents=signed)


def _about(what: str, of: str) -> Key:
    return Key(joined("universign.pages", what, of))


def _name(session: str) -> str:
    return f"universign.pages/{session}"


def _place(session: SessionId) -> str:
    return f"/v1/transactions/{segment(session)}"


def _page(told: Fields, email: str) -> str:
    """Give where the person signs: the address of their action [read: developer_tools/URL_redirection]."""
    for action in told.inners("actions"):
        if action.text("actor", email).lower() == email.lower() and action.has("url"):
            url = action.text("url")
            if urlsplit(url).scheme in {"http", "https"}:
                return url
    raise told.answer.unreadable("it names no page for the signatory")


def _refuses(told: Fields) -> bool:
    """Say whether the one signatory refused. Where the reason stands in a transaction is [inferred]: in it, or in one
    of its actions.
    """
    places = (told, *told.inners("actions"))
    return any(place.text("stalled_reason", "") in REFUSALS for place in places)
