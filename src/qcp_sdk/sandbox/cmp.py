"""A certificate authority over CMP (RFC 4210, RFC 9480) that really issues and revokes; state ends with `reset`.

It speaks `ir`, `cr`, `p10cr`, `certConf`, `pollReq` and `rr`, protected by the shared secret `SECRET` under
`REFERENCE`, or by a client's certificate that it was told of. A certificate that is not confirmed within
`confirm_within` is revoked.

Script: `{"refuse_next": "bad_cert_template"}` (a word of `cmp_shapes.FAILURES`), `{"pending_after": 3600}`,
`{"confirm_within": 60}`, in seconds; `{"decide": true}` decides what waits; `{"client": "<DER in hex>"}` trusts a
client. `{"forgets": true}` has a second `certConf` answered as OpenSSL's server does: badRequest, not certConfirmed.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, Final

from asn1crypto import x509 as asn1_x509  # type: ignore[import-untyped]
from attrs import define, field
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, load_der_public_key
from cryptography.x509.oid import NameOID

from qcp_sdk.adapters.shared import cmp_shapes as shapes
from qcp_sdk.adapters.shared.cmp_protection import (
    NONCE,
    UNREADABLE,
    Protection,
    Received,
    SharedSecret,
    SigningKey,
    parsed,
    read,
    write,
)
from qcp_sdk.adapters.shared.cmp_shapes import P10_REQUEST, PBM, Status, status_info
from qcp_sdk.adapters.shared.profiles import COUNTRY
from qcp_sdk.sandbox.pki import SandboxPki
from qcp_sdk.sandbox.pki_published import PublishedPki
from qcp_sdk.sandbox.wsgi import Answer, Failed, Request, route
from qcp_sdk.values import Secret

REFERENCE: Final = "qcp-sdk"
SECRET: Final = "sandbox-cmp-secret"  # noqa: S105  # the sandbox's, and worthless
CONTENT_TYPE: Final = "application/pkixcmp"
CONFIRM_WITHIN: Final = timedelta(hours=1)
_SUBJECT: Final = {NameOID.GIVEN_NAME: "given", NameOID.SURNAME: "last", NameOID.COUNTRY_NAME: "country"}


class Refused(Exception):
    """A request is answered with a failure."""

    def __init__(self, failure: str, text: str = "") -> None:
        super().__init__(text)
        self.failure, self.text = failure, text


@define
class Transaction:
    """What a client began: it waits for a decision, then for its confirmation."""

    kind: str
    request: int
    public: Any = field(repr=False)
    subject: Mapping[str, str] = field(repr=False)
    decided_at: datetime | None
    certificate: x509.Certificate | None = None
    issued_at: datetime | None = None
    confirmed: bool = False
    refused: bool = False


class CmpSandbox(PublishedPki):
    """The authority; `pki` is what it certifies with."""

    def reset(self) -> None:
        """Forget everything; a new hierarchy too."""
        super().reset()
        self.pki = SandboxPki(clock=self.clock)
        self.key, self.certificate = self.pki.server("QCP SDK SANDBOX TEST CMP")
        self.transactions: dict[bytes, Transaction] = {}
        self.clients: set[bytes] = set()
        self.refusals: list[str] = []
        self.pending_after, self.confirm_within = timedelta(0), CONFIRM_WITHIN
        self.iterations, self.forgets = 500, False
        self.counts: dict[str, int] = {}

    def tick(self) -> None:
        """Revoke what nobody confirmed in time, and forget it."""
        for id, one in list(self.transactions.items()):
            late = one.issued_at is not None and self.clock.now() > one.issued_at + self.confirm_within
            if late and not one.confirmed:
                assert one.certificate is not None
                self.pki.revoke_serial(one.certificate.serial_number)
                del self.transactions[id]

    def state(self) -> object:
        """Say what was issued, and what waits."""
        return {
            "counts": self.counts,
            "transactions": [
                {
                    "id": id.hex(),
                    "serial": f"{one.certificate.serial_number:x}" if one.certificate else None,
                    "confirmed": one.confirmed,
                }
                for id, one in self.transactions.items()
            ],
        }

    def script(self, told: Mapping[str, Any]) -> object:
        """Do what the control API asks; see the module."""
        for word, value in told.items():
            if word == "refuse_next" and value in shapes.FAILURES:
                self.refusals.append(value)
            elif word in ("pending_after", "confirm_within") and isinstance(value, int | float):
                setattr(self, word, timedelta(seconds=value))
            elif word == "forgets" and isinstance(value, bool):
                self.forgets = value
            elif word == "decide":
                for one in self.transactions.values():
                    one.decided_at = self.clock.now()
            elif word == "client" and isinstance(value, str):
                self.clients.add(bytes.fromhex(value))
            else:
                raise Failed(HTTPStatus.BAD_REQUEST, f"`{word}` cannot be scripted so")
        return {}

    @route("POST", "/")
    @route("POST", "/pkix/")
    @route("POST", "/pkix")
    def message(self, request: Request) -> Answer:
        """Answer one PKIMessage."""
        try:
            message = parsed(request.body)
            protection, sender = self._protection(message), message["header"]["sender"]
            transaction = message["header"]["transaction"].native or b""
            nonce = message["header"]["sender_nonce"].native or b""
        except UNREADABLE as error:
            raise Failed(HTTPStatus.BAD_REQUEST, "it is no PKIMessage") from error
        try:
            kind, content = self._answered(message, protection)
        except UNREADABLE:
            kind, content = _error("bad_data_format", "it cannot be read")
        except Refused as refused:
            kind, content = _error(refused.failure, refused.text)
        body = write(
            kind,
            content,
            protection=protection,
            transaction=transaction,
            nonce=secrets.token_bytes(NONCE),
            recipient=sender,
            at=self.clock.now(),
            answers=nonce,
        )
        return Answer(body=body, type=CONTENT_TYPE)

    def _protection(self, message: shapes.Message) -> Protection:
        """Answer as one was asked: by the secret, or by our signature."""
        header = message["header"]
        if header["protection"].native is not None and header["protection"]["algorithm"].dotted == PBM:
            reference = (header["sender_kid"].native or b"").decode(errors="replace")
            secret = SECRET if reference == REFERENCE else secrets.token_hex(NONCE)
            kept = SharedSecret(reference, Secret(secret), iterations=self.iterations)
            return _Named(kept, asn1_x509.Certificate.load(self.certificate).subject)
        extra = message["extra"]
        client = extra[0].dump() if extra.native else b""
        other = client if client in self.clients else self.certificate
        return SigningKey(self.key, (self.certificate, self.pki.authority), other)

    def _answered(self, message: shapes.Message, protection: Protection) -> tuple[str, object]:
        said = read(message, protection=protection)
        if said is None:
            raise Refused("bad_message_check", "the protection does not hold")
        if len(said.transaction) < 8 or len(said.sender_nonce) < 8:
            raise Refused("bad_sender_nonce", "transaction and nonce are missing, or too short")
        self.counts[said.kind] = self.counts.get(said.kind, 0) + 1
        handlers: dict[str, Callable[[Received], tuple[str, object]]] = {
            "ir": self._requested,
            "cr": self._requested,
            "p10cr": self._requested_by_csr,
            "certconf": self._confirmed,
            "pollreq": self._polled,
            "rr": self._revoked,
            "genm": self._told_nothing,
        }
        if said.kind not in handlers:
            raise Refused("bad_request", "this is not spoken here")
        return handlers[said.kind](said)

    def _requested_by_csr(self, said: Received) -> tuple[str, object]:
        request = x509.load_der_x509_csr(said.content.untag().dump())
        if not request.is_signature_valid:
            raise Refused("bad_pop", "the request is not signed with its key")
        names = asn1_x509.Name.load(request.subject.public_bytes())
        return self._begun(said, "cp", P10_REQUEST, request.public_key(), names)

    def _requested(self, said: Received) -> tuple[str, object]:
        if len(said.content) != 1:
            raise Refused("bad_request", "one certificate a message")
        asked = said.content[0]
        template = asked["request"]["template"]
        public = load_der_public_key(template["public_key"].untag().dump())
        proof = asked["proof"]
        if proof.native is None or proof.name != "signature" or proof.chosen["input"].native is not None:
            raise Refused("bad_pop", "a signature over the request is wanted")
        try:
            _verify(public, proof.chosen["signature"].native, asked["request"].dump())
        except InvalidSignature:
            raise Refused("bad_pop", "the request is not signed with its key") from None
        kind = "ip" if said.kind == "ir" else "cp"
        return self._begun(said, kind, int(asked["request"]["request"].native), public, template["subject"])

    def _begun(self, said: Received, kind: str, request: int, public: Any, names: asn1_x509.Name) -> tuple[str, object]:
        if said.transaction in self.transactions:
            raise Refused("transaction_id_in_use")
        if not isinstance(public, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
            raise Refused("bad_alg", "keys of EC or RSA are certified")
        subject = _subject(names)
        if not subject.get("given") or not subject.get("last"):
            raise Refused("bad_cert_template", "given name and surname are missing")
        waits = self.wait(self.pending_after)
        decided = None if waits is None else self.clock.now() + waits
        refused = bool(self.refusals)
        one = Transaction(kind, request, public, subject, decided, refused=refused)
        if refused:
            failure = self.refusals.pop(0)
            return kind, _certified(request, status_info(Status.REJECTION, failure=failure, text="refused by script"))
        self.transactions[said.transaction] = one
        return self._decided(one)

    def _decided(self, one: Transaction) -> tuple[str, object]:
        if one.decided_at is None or self.clock.now() < one.decided_at:
            return one.kind, _certified(one.request, status_info(Status.WAITING, text="in the queue"))
        if one.certificate is None:
            one.certificate = self.pki.certify(
                one.public,
                given=one.subject["given"],
                last=one.subject["last"],
                country=one.subject.get("country", COUNTRY),
            )
            one.issued_at = self.clock.now()
        certificate = asn1_x509.Certificate.load(one.certificate.public_bytes(Encoding.DER))
        content = _certified(one.request, status_info(Status.ACCEPTED), certificate)
        authorities = [asn1_x509.Certificate.load(each) for each in (self.pki.authority, self.pki.root)]
        content["authorities"] = shapes.Certificates(authorities)
        return one.kind, content

    def _polled(self, said: Received) -> tuple[str, object]:
        one = self._known(said)
        if one.decided_at is None or self.clock.now() < one.decided_at:
            left = (one.decided_at - self.clock.now()).total_seconds() if one.decided_at else 60
            return "pollrep", shapes.Patiences([{"request": one.request, "seconds": max(1, int(left))}])
        return self._decided(one)

    def _confirmed(self, said: Received) -> tuple[str, object]:
        one = self._known(said)
        if one.certificate is None or len(said.content) != 1:
            raise Refused("bad_request", "nothing waits for this")
        if one.confirmed:
            raise Refused("bad_request" if self.forgets else "cert_confirmed")
        told = said.content[0]
        if told["hash"].native != one.certificate.fingerprint(hashes.SHA256()):
            raise Refused("bad_cert_id", "it is another certificate")
        taken = told["status"].native is None or told["status"]["status"].native == Status.ACCEPTED
        if taken:
            one.confirmed = True
        else:
            self.pki.revoke_serial(one.certificate.serial_number)
            del self.transactions[said.transaction]
        return "pkiconf", None

    def _revoked(self, said: Received) -> tuple[str, object]:
        statuses = []
        for one in said.content:
            serial = one["details"]["serial_number"].native
            if serial is None or not self.pki.issued(serial):
                statuses.append(status_info(Status.REJECTION, failure="bad_cert_id"))
            elif not self.pki.revoke_serial(serial):
                statuses.append(status_info(Status.REJECTION, failure="cert_revoked"))
            else:
                statuses.append(status_info(Status.ACCEPTED))
        return "rp", shapes.RevocationReply({"statuses": statuses})

    def _told_nothing(self, said: Received) -> tuple[str, object]:  # noqa: ARG002
        return "genp", shapes.GeneralInfo([])

    def _known(self, said: Received) -> Transaction:
        one = self.transactions.get(said.transaction)
        if one is None:
            raise Refused("bad_request", "no such transaction")
        return one


class _Named:
    """A shared secret of a side that has a name."""

    def __init__(self, secret: SharedSecret, subject: asn1_x509.Name) -> None:
        self._secret = secret
        self.sender = asn1_x509.GeneralName("directory_name", subject)
        self.kid, self.extra = secret.kid, secret.extra
        self.algorithm, self.made, self.holds = secret.algorithm, secret.made, secret.holds


def _error(failure: str, text: str) -> tuple[str, object]:
    return "error", shapes.ErrorMessage({"status": status_info(Status.REJECTION, failure=failure, text=text)})


def _certified(
    request: int, status: shapes.StatusInfo, certificate: asn1_x509.Certificate | None = None
) -> shapes.CertRep:
    response: dict[str, Any] = {"request": request, "status": status}
    if certificate is not None:
        response["pair"] = {"certificate": shapes.CertificateOrEncrypted("certificate", certificate)}
    return shapes.CertRep({"responses": [response]})


def _subject(names: asn1_x509.Name) -> dict[str, str]:
    told: dict[str, str] = {}
    for each in names.chosen:
        for pair in each:
            for oid, word in _SUBJECT.items():
                if pair["type"].dotted == oid.dotted_string:
                    told[word] = str(pair["value"].native)
    return told


def _verify(public: Any, signature: bytes, content: bytes) -> None:
    if isinstance(public, ec.EllipticCurvePublicKey):
        public.verify(signature, content, ec.ECDSA(hashes.SHA256()))
    elif isinstance(public, rsa.RSAPublicKey):
        public.verify(signature, content, padding.PKCS1v15(), hashes.SHA256())
    else:
        raise Refused("bad_alg", "keys of EC or RSA are certified")
