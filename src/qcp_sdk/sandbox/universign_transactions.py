"""Universign's transactions, played: drafted, started, signed on a page with real keys, refused, cancelled, expired.

Requests, states and addresses are those of its public guides; a signatory without a certificate of the level first
proves who they are on the page, which takes as long as a verdict does. Signatures are PAdES B-LT.
"""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import datetime, timedelta
from html import escape
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

from attrs import define, field

from qcp_sdk.adapters.shared.keystore import algorithm, sign_digest
from qcp_sdk.certificates import fingerprint
from qcp_sdk.ports.signer import Credential
from qcp_sdk.sandbox.jose import JoseKey
from qcp_sdk.sandbox.pki import Held as Keys
from qcp_sdk.sandbox.pki import SandboxPki
from qcp_sdk.sandbox.pki_published import PublishedPki
from qcp_sdk.sandbox.wsgi import Answer, Failed, Request, answer_html, answer_json, route
from qcp_sdk.values import Key

LEVELS: Final = ("level0", "level1", "level2", "level3", "level4")
CERTIFICATES: Final = {"level2": "lcp", "level3": "qcp", "level4": "qcpnqscd"}
"""Which certificate a level of signature needs; the others need none, and are signed by the workspace's."""
SERVICE: Final = "Universign (TEST)"
LIVE: Final = ("started", "paused")
ENDINGS: Final = ("sign", "rewrite", "unsigned")
_BOUNDARY: Final = re.compile(r'multipart/form-data;.*boundary="?([^";]+)')


@define(kw_only=True)
class Page:
    """One document of a transaction."""

    id: str
    name: str
    content: bytes = field(repr=False)
    fields: dict[str, str] = field(factory=dict)
    """Field to signer; "" for a field that nobody signs."""
    signed: bytes = field(default=b"", repr=False)


@define(kw_only=True)
class Transaction:
    """One transaction, as Universign keeps it."""

    id: str
    name: str
    language: str
    created_at: datetime
    duration: int
    """Minutes."""
    state: str = "draft"
    participants: dict[str, dict[str, str]] = field(factory=dict, repr=False)
    pages: list[Page] = field(factory=list)
    stalled_reason: str = ""
    ending: str = "sign"
    proving_since: datetime | None = None
    """The signatory is proving who they are, for lack of a certificate."""


class Transactions(PublishedPki, ABC):
    """Plays `/v1/files` and `/v1/transactions`, for one workspace. `UniversignSandbox` adds who holds what."""

    verdict_after: timedelta

    def reset(self) -> None:
        """Forget everything: keys too."""
        super().reset()
        self.pki = SandboxPki(clock=self.clock)
        self.files: dict[str, bytes] = {}
        self.transactions: dict[str, Transaction] = {}
        self.keys: dict[str, Keys] = {}
        self.webhook = ""
        self.event_key = JoseKey("PS256")
        self._events = 0

    # What the subclass knows.

    @abstractmethod
    def authorised(self, request: Request) -> None:
        """Refuse who has no key of the workspace's."""

    @abstractmethod
    def holds(self, participant: Mapping[str, str], certificate: str) -> bool:
        """Say whether this participant holds such a certificate, in these data."""

    @abstractmethod
    def issue(self, participant: Mapping[str, str], certificate: str) -> None:
        """Give this participant such a certificate."""

    # The API.

    @route("POST", "/v1/files")
    def upload(self, request: Request) -> Answer:
        """Keep one file, sent as `multipart/form-data` under the name `file`."""
        self.authorised(request)
        id = f"file_{len(self.files):012d}"
        self.files[id] = _file(request)
        return answer_json({"object": "file", "id": id})

    @route("POST", "/v1/transactions")
    def create(self, request: Request) -> Answer:
        """Make a draft."""
        self.authorised(request)
        form = request.form()
        duration = form.get("duration", "20160")
        if not duration.isdecimal() or not 1 <= int(duration) <= 527_040:
            raise Failed(HTTPStatus.BAD_REQUEST, "duration is in minutes")
        id = f"tx_{hashlib.sha256(str(len(self.transactions)).encode()).hexdigest()[:12]}"
        made = self.transactions[id] = Transaction(
            id=id,
            name=form.get("name", id),
            language=form.get("language", "fr"),
            created_at=self.clock.now(),
            duration=int(duration),
        )
        self._tell("transaction.lifecycle.created", made)
        return answer_json(self._transaction_shown(made, request.base_url))

    @route("GET", "/v1/transactions/{id}")
    def look(self, request: Request, id: str) -> Answer:
        """Give a transaction."""
        self.authorised(request)
        return answer_json(self._transaction_shown(self._transaction(id), request.base_url))

    @route("POST", "/v1/transactions/{id}/participants")
    def participant(self, request: Request, id: str) -> Answer:
        """Say who a participant is, and how they shall sign."""
        self.authorised(request)
        one, form = self._draft(id), request.form()
        if not form.get("email"):
            raise Failed(HTTPStatus.BAD_REQUEST, "email is required")
        if form.get("min_signature_level", "level1") not in LEVELS:
            raise Failed(HTTPStatus.BAD_REQUEST, f"min_signature_level is one of {', '.join(LEVELS)}")
        one.participants[form["email"]] = {**one.participants.get(form["email"], {}), **form}
        return answer_json({**form, "schedule": [], "state": "open"})

    @route("POST", "/v1/transactions/{id}/documents")
    def document(self, request: Request, id: str) -> Answer:
        """Add an uploaded file as a document."""
        self.authorised(request)
        one, form = self._draft(id), request.form()
        content = self.files.get(form.get("document", ""))
        if content is None:
            raise Failed(HTTPStatus.BAD_REQUEST, "there is no such file")
        if len(one.pages) == 20:
            raise Failed(HTTPStatus.BAD_REQUEST, "a transaction has 20 documents at most")
        page = Page(id=f"doc_{len(one.pages)}", name=form.get("name", "document"), content=content)
        one.pages.append(page)
        return answer_json(_document(page))

    @route("POST", "/v1/transactions/{id}/documents/{document}/fields")
    def field(self, request: Request, id: str, document: str) -> Answer:
        """Make a field: for a signature, that nobody sees on the page."""
        self.authorised(request)
        page = _page(self._draft(id), document)
        if request.form().get("type", "signature") != "signature":
            raise Failed(HTTPStatus.BAD_REQUEST, "this sandbox knows fields for signatures only")
        name = f"fld_{document}_{len(page.fields)}"
        page.fields[name] = ""
        return answer_json({"id": name, "type": "signature", "built_in": False, "updatable": True, "deletable": True})

    @route("POST", "/v1/transactions/{id}/signatures")
    def signer(self, request: Request, id: str) -> Answer:
        """Say who signs in a field."""
        self.authorised(request)
        one, form = self._draft(id), request.form()
        pages = [page for page in one.pages if form.get("field") in page.fields]
        if not pages or not form.get("signer"):
            raise Failed(HTTPStatus.BAD_REQUEST, "signer and field are required")
        pages[0].fields[form["field"]] = form["signer"]
        one.participants.setdefault(form["signer"], {"email": form["signer"]})
        return answer_json({"signer": form["signer"], "field": form["field"]})

    @route("POST", "/v1/transactions/{id}/start")
    def start(self, request: Request, id: str) -> Answer:
        """Start a transaction that has all that it needs."""
        self.authorised(request)
        one = self._draft(id)
        if not one.pages or not all(any(page.fields.values()) for page in one.pages):
            raise Failed(HTTPStatus.BAD_REQUEST, "a document, a field and a signer are required")
        one.state = "started"
        self._tell("transaction.lifecycle.started", one)
        self._tell("action.opened", one)
        return answer_json(self._transaction_shown(one, request.base_url))

    @route("POST", "/v1/transactions/{id}/cancel")
    def cancel(self, request: Request, id: str) -> Answer:
        """Cancel a transaction that has not ended."""
        self.authorised(request)
        one = self._transaction(id)
        if one.state not in (*LIVE, "draft"):
            raise Failed(HTTPStatus.CONFLICT, f"it is {one.state}")
        one.state = "cancelled"
        self._tell("transaction.lifecycle.cancelled", one)
        return answer_json(self._transaction_shown(one, request.base_url))

    @route("GET", "/v1/transactions/{id}/archive/documents/{document}/download")
    def download(self, request: Request, id: str, document: str) -> Answer:
        """Give a signed document."""
        self.authorised(request)
        one = self._transaction(id)
        if one.state != "completed":
            raise Failed(HTTPStatus.BAD_REQUEST, "the transaction is not completed")
        return Answer(body=_page(one, document).signed, type="application/pdf")

    @route("GET", "/v1/webhooks/jwks.json")
    def jwks(self, request: Request) -> Answer:  # noqa: ARG002
        """Give the keys that events are signed with."""
        return answer_json({"keys": [self.event_key.public]})

    # The page on which people sign.

    @route("GET", "/npds/{action}")
    def sign_page(self, request: Request, action: str) -> Answer:
        """Show the documents, and two buttons."""
        one = self._transaction(action.replace("act_", "tx_", 1))
        listed = "".join(f"<li>{escape(page.name)}</li>" for page in one.pages)
        back = escape(f"{request.base_url}{request.path}?redirect_url={request.query.get('redirect_url', '')}")
        return answer_html(
            '<!doctype html><html lang="fr"><meta charset="utf-8"><title>Universign (bac à sable / sandbox)</title>'
            f"<main><h1>{escape(one.name)}</h1><p>{escape(one.state)}</p><ul>{listed}</ul>"
            f'<form method="post" action="{back}"><button name="do" value="sign">Signer / Sign</button> '
            '<button name="do" value="decline">Refuser / Refuse</button></form></main>',
            leads_to=unquote(request.query.get("redirect_url", "")),
        )

    @route("POST", "/npds/{action}")
    def sign_pressed(self, request: Request, action: str) -> Answer:
        """Sign or refuse, and go back to the host."""
        one = self._transaction(action.replace("act_", "tx_", 1))
        (self.decline if request.form().get("do") == "decline" else self.sign)(one)
        target = unquote(request.query.get("redirect_url", ""))
        if target:
            return Answer(status=HTTPStatus.SEE_OTHER, headers=(("Location", target),))
        return self.sign_page(request, action)

    def sign(self, one: Transaction) -> None:
        """Do what the person does; whoever lacks the certificate proves first who they are, and signs afterwards."""
        self._signable(one)
        needed = {who: CERTIFICATES.get(each.get("min_signature_level", "")) for who, each in one.participants.items()}
        lacking = [who for who, level in needed.items() if level and not self.holds(one.participants[who], level)]
        if lacking:
            one.proving_since = one.proving_since or self.clock.now()
            self.tick()
            return
        for page in one.pages:
            page.signed = self._signed(one, page)
        one.state = "completed"
        self._tell("action.closed", one)
        self._tell("transaction.lifecycle.completed", one)

    def decline(self, one: Transaction) -> None:
        """Refuse: the action stalls, and the transaction stays open."""
        self._signable(one)
        one.stalled_reason = "signature_refusal"
        self._tell("action.stalled", one)

    def script_transaction(self, told: Mapping[str, Any]) -> object:
        """Do what is asked of one `transaction`: `ending`, `sign`, `decline`, `prove` (who they are, at once)."""
        one = self._transaction(str(told["transaction"]))
        if "ending" in told:
            if told["ending"] not in ENDINGS:
                raise Failed(HTTPStatus.BAD_REQUEST, f"an ending is one of {', '.join(ENDINGS)}")
            one.ending = str(told["ending"])
        if told.get("prove"):
            self._prove(one)
        if told.get("sign"):
            self.sign(one)
        if told.get("decline"):
            self.decline(one)
        return one.state

    def tick(self) -> None:
        """Do what time has made due."""
        super().tick()
        now = self.clock.now()
        for one in self.transactions.values():
            if one.state in LIVE and now >= one.created_at + timedelta(minutes=one.duration):
                one.state = "expired"
                self._tell("transaction.lifecycle.expired", one)
            wait = self.wait(self.verdict_after)
            if one.state not in LIVE or one.proving_since is None or wait is None:
                continue
            if now >= one.proving_since + wait:
                self._prove(one)

    def forged(self, headers: Mapping[str, str], body: bytes) -> tuple[dict[str, str], bytes]:
        """Give an event about another transaction, under a key that is not Universign's."""
        body = body.replace(b"tx_", b"tx_forged_")
        return {**headers, "X-JWS-Signature": JoseKey("PS256").detached(body)}, body

    # Inside.

    def _prove(self, one: Transaction) -> None:
        one.proving_since = None
        for each in one.participants.values():
            certificate = CERTIFICATES.get(each.get("min_signature_level", ""))
            if certificate and not self.holds(each, certificate):
                self.issue(each, certificate)

    def _signable(self, one: Transaction) -> None:
        if one.state != "started" or one.stalled_reason:
            raise Failed(HTTPStatus.CONFLICT, f"it is {one.stalled_reason or one.state}")

    def _signed(self, one: Transaction, page: Page) -> bytes:
        """Sign with the key of each signer: PAdES B-LT, timestamp and revocation data from the sandbox's PKI."""
        if one.ending == "unsigned":
            return page.content + b"\n% signed, says Universign\n"
        content = page.content if one.ending == "sign" else page.content.replace(b"%PDF-1.7", b"%PDF-1.6", 1)
        for signer in page.fields.values():
            if signer:
                content = self._by(one.participants[signer], content, key=Key(f"{one.id}/{page.id}/{signer}"))
        return content

    def _by(self, participant: Mapping[str, str], content: bytes, *, key: Key) -> bytes:
        from qcp_sdk.adapters.pdf_envelope import PadesLevel, PdfEnvelope
        from qcp_sdk.adapters.shelf import FileShelf

        level = participant.get("min_signature_level", "")
        keys = self.keys_of(participant.get("full_name", "") if level in CERTIFICATES else SERVICE)
        credential = Credential(fingerprint=fingerprint(keys.chain[0]), chain=keys.chain, algorithm=algorithm(keys.key))
        with tempfile.TemporaryDirectory(prefix="qcp-sandbox-") as folder:
            shelf = FileShelf(Path(folder))
            envelope = PdfEnvelope(
                documents=shelf, timestamps=self.pki, revocation=self.pki, clock=self.clock, level=PadesLevel.B_LT
            )
            base = shelf.keep(content=content)
            place = envelope.prepare(key=key, validated=base, base=base, credential=credential, at=self.clock.now())
            value = sign_digest(keys.key, place.digest)
            return shelf.read(document=envelope.embed(key=key, prepared=place, credential=credential, value=value))

    def keys_of(self, full_name: str) -> Keys:
        """Give the key and certificate under which this name signs, made when it first does."""
        if full_name not in self.keys:
            given, _, last = full_name.partition(" ")
            self.keys[full_name] = self.pki.holder(given=given or "?", last=last or given or "?")
        return self.keys[full_name]

    def _tell(self, kind: str, one: Transaction) -> None:
        if not self.webhook:
            return
        self._events += 1
        action = f"act_{one.id.removeprefix('tx_')}"
        told: dict[str, object] = {"transaction_id": one.id, "action_id": action}
        if one.stalled_reason:
            told["stalled_reason"] = one.stalled_reason
        if kind.startswith("transaction."):
            told = {"object": "transaction", "id": one.id, "state": one.state}
        event = {
            "object": "event",
            "id": f"evt_{self._events:012d}",
            "type": kind,
            "createdAt": self.clock.now().timestamp(),
            "payload": {"object": told},
        }
        body = json.dumps(event).encode()
        headers = {"Content-Type": "application/json", "X-JWS-Signature": self.event_key.detached(body)}
        self.post(self.webhook, headers, body)

    def _transaction(self, id: str) -> Transaction:
        one = self.transactions.get(id)
        if one is None:
            raise Failed(HTTPStatus.NOT_FOUND, "no such transaction")
        return one

    def _draft(self, id: str) -> Transaction:
        one = self._transaction(id)
        if one.state != "draft":
            raise Failed(HTTPStatus.BAD_REQUEST, f"it is {one.state}")
        return one

    def _transaction_shown(self, one: Transaction, base_url: str) -> dict[str, Any]:
        action = f"act_{one.id.removeprefix('tx_')}"
        shown = {
            "object": "transaction",
            "id": one.id,
            "created_at": one.created_at.isoformat(),
            "duration": one.duration,
            "name": one.name,
            "stalled": bool(one.stalled_reason),
            "language": one.language,
            "state": one.state,
            "participants": list(one.participants.values()),
            "documents": [_document(page) for page in one.pages],
            "actions": [
                {
                    "id": action,
                    "actor": who,
                    "state": "open" if one.state == "started" else "closed",
                    "url": f"{base_url}/npds/{action}",
                    **({"stalled_reason": one.stalled_reason} if one.stalled_reason else {}),
                }
                for who in one.participants
            ],
        }
        return shown if one.state != "draft" else {**shown, "actions": []}


def _document(page: Page) -> dict[str, Any]:
    fields = [{"id": name, "type": "signature"} for name in page.fields]
    return {"id": page.id, "name": page.name, "fields": fields}


def _page(one: Transaction, document: str) -> Page:
    for page in one.pages:
        if page.id == document:
            return page
    raise Failed(HTTPStatus.NOT_FOUND, "no such document")


def _file(request: Request) -> bytes:
    """Read the part `file` (RFC 7578) with the standard library: a multipart body is a message."""
    from email import policy
    from email.parser import BytesParser

    kind = request.headers.get("content-type", "")
    if _BOUNDARY.match(kind):
        head = f"Content-Type: {kind}\r\n\r\n".encode()
        told = BytesParser(policy=policy.HTTP).parsebytes(head + request.body)
        for part in told.iter_parts() if told.is_multipart() else ():
            if part.get_param("name", header="content-disposition") == "file":
                content = part.get_payload(decode=True)
                if isinstance(content, bytes) and content:
                    return content
    raise Failed(HTTPStatus.BAD_REQUEST, "send one file as multipart/form-data")
