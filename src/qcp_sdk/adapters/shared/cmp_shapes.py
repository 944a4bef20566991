"""The messages of CMP (RFC 4210, brought up to date by RFC 9480) and of CRMF (RFC 4211), as far as we speak them.

CMP's module has explicit tags, CRMF's implicit ones.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, ClassVar, Final

from asn1crypto import algos, core, crl, csr, keys, parser, x509  # type: ignore[import-untyped]

VERSION: Final = 2
"""cmp2000: what the whole of our messages needs."""
PBM: Final = "1.2.840.113533.7.66.13"
"""id-PasswordBasedMac, RFC 4210 § 5.1.3.1."""
P10_REQUEST: Final = -1
"""`certReqId` of a PKCS#10 request (RFC 9480 § 2.4); some servers say 0, so what they say is repeated to them."""


class Status(IntEnum):
    """PKIStatus."""

    ACCEPTED = 0
    GRANTED_WITH_MODS = 1
    REJECTION = 2
    WAITING = 3


FAILURES: Final = (
    "bad_alg", "bad_message_check", "bad_request", "bad_time", "bad_cert_id", "bad_data_format", "wrong_authority",
    "incorrect_data", "missing_time_stamp", "bad_pop", "cert_revoked", "cert_confirmed", "wrong_integrity",
    "bad_recipient_nonce", "time_not_available", "unaccepted_policy", "unaccepted_extension",
    "add_info_not_available", "bad_sender_nonce", "bad_cert_template", "signer_not_trusted", "transaction_id_in_use",
    "unsupported_version", "not_authorized", "system_unavail", "system_failure", "duplicate_cert_req",
)  # fmt: skip
"""PKIFailureInfo: the place is the bit."""


class FreeText(core.SequenceOf):  # type: ignore[misc]
    """PKIFreeText."""

    _child_spec = core.UTF8String


class InfoTypeAndValue(core.Sequence):  # type: ignore[misc]
    """generalInfo; nothing in it is read."""

    _fields: ClassVar[list[Any]] = [("type", core.ObjectIdentifier), ("value", core.Any, {"optional": True})]


class GeneralInfo(core.SequenceOf):  # type: ignore[misc]
    """Several of them."""

    _child_spec = InfoTypeAndValue


class Algorithm(core.Sequence):  # type: ignore[misc]
    """AlgorithmIdentifier, its parameters left as they are."""

    _fields: ClassVar[list[Any]] = [("algorithm", core.ObjectIdentifier), ("parameters", core.Any, {"optional": True})]


class PbmParameter(core.Sequence):  # type: ignore[misc]
    """PBMParameter, RFC 4210 § 5.1.3.1."""

    _fields: ClassVar[list[Any]] = [
        ("salt", core.OctetString),
        ("owf", Algorithm),
        ("iterations", core.Integer),
        ("mac", Algorithm),
    ]


class Header(core.Sequence):  # type: ignore[misc]
    """PKIHeader, RFC 4210 § 5.1.1."""

    _fields: ClassVar[list[Any]] = [
        ("version", core.Integer),
        ("sender", x509.GeneralName),
        ("recipient", x509.GeneralName),
        ("time", core.GeneralizedTime, {"explicit": 0, "optional": True}),
        ("protection", Algorithm, {"explicit": 1, "optional": True}),
        ("sender_kid", core.OctetString, {"explicit": 2, "optional": True}),
        ("recipient_kid", core.OctetString, {"explicit": 3, "optional": True}),
        ("transaction", core.OctetString, {"explicit": 4, "optional": True}),
        ("sender_nonce", core.OctetString, {"explicit": 5, "optional": True}),
        ("recipient_nonce", core.OctetString, {"explicit": 6, "optional": True}),
        ("free_text", FreeText, {"explicit": 7, "optional": True}),
        ("general_info", GeneralInfo, {"explicit": 8, "optional": True}),
    ]


class StatusInfo(core.Sequence):  # type: ignore[misc]
    """PKIStatusInfo, RFC 4210 § 5.2.3."""

    _fields: ClassVar[list[Any]] = [
        ("status", core.Integer),
        ("text", FreeText, {"optional": True}),
        ("failure", core.BitString, {"optional": True}),
    ]


class CertificateOrEncrypted(core.Choice):  # type: ignore[misc]
    """CertOrEncCert; a certificate that is encrypted for its holder is not read."""

    _alternatives: ClassVar[list[Any]] = [
        ("certificate", x509.Certificate, {"explicit": 0}),
        ("encrypted", core.Any, {"explicit": 1}),
    ]


class KeyPair(core.Sequence):  # type: ignore[misc]
    """CertifiedKeyPair."""

    _fields: ClassVar[list[Any]] = [
        ("certificate", CertificateOrEncrypted),
        ("private_key", core.Any, {"explicit": 0, "optional": True}),
        ("publication", core.Any, {"explicit": 1, "optional": True}),
    ]


class Response(core.Sequence):  # type: ignore[misc]
    """CertResponse."""

    _fields: ClassVar[list[Any]] = [
        ("request", core.Integer),
        ("status", StatusInfo),
        ("pair", KeyPair, {"optional": True}),
        ("info", core.OctetString, {"optional": True}),
    ]


class Responses(core.SequenceOf):  # type: ignore[misc]
    """Several of them."""

    _child_spec = Response


class Certificates(core.SequenceOf):  # type: ignore[misc]
    """CMPCertificates: X.509 and nothing else."""

    _child_spec = x509.Certificate


class CertRep(core.Sequence):  # type: ignore[misc]
    """CertRepMessage, RFC 4210 § 5.3.4."""

    _fields: ClassVar[list[Any]] = [
        ("authorities", Certificates, {"explicit": 1, "optional": True}),
        ("responses", Responses),
    ]


class Confirmation(core.Sequence):  # type: ignore[misc]
    """CertStatus, RFC 4210 § 5.3.18; `algorithm` is RFC 9480's."""

    _fields: ClassVar[list[Any]] = [
        ("hash", core.OctetString),
        ("request", core.Integer),
        ("status", StatusInfo, {"optional": True}),
        ("algorithm", Algorithm, {"explicit": 0, "optional": True}),
    ]


class Confirmations(core.SequenceOf):  # type: ignore[misc]
    """CertConfirmContent."""

    _child_spec = Confirmation


class Poll(core.Sequence):  # type: ignore[misc]
    """One of PollReqContent."""

    _fields: ClassVar[list[Any]] = [("request", core.Integer)]


class Polls(core.SequenceOf):  # type: ignore[misc]
    """PollReqContent, RFC 4210 § 5.3.22."""

    _child_spec = Poll


class Patience(core.Sequence):  # type: ignore[misc]
    """One of PollRepContent: how many seconds to wait."""

    _fields: ClassVar[list[Any]] = [
        ("request", core.Integer),
        ("seconds", core.Integer),
        ("reason", FreeText, {"optional": True}),
    ]


class Patiences(core.SequenceOf):  # type: ignore[misc]
    """PollRepContent."""

    _child_spec = Patience


class Template(core.Sequence):  # type: ignore[misc]
    """CertTemplate, RFC 4211 § 5. A Name is a choice, whose tag cannot be implicit."""

    _fields: ClassVar[list[Any]] = [
        ("version", core.Integer, {"implicit": 0, "optional": True}),
        ("serial_number", core.Integer, {"implicit": 1, "optional": True}),
        ("algorithm", Algorithm, {"implicit": 2, "optional": True}),
        ("issuer", x509.Name, {"explicit": 3, "optional": True}),
        ("validity", core.Sequence, {"implicit": 4, "optional": True}),
        ("subject", x509.Name, {"explicit": 5, "optional": True}),
        ("public_key", keys.PublicKeyInfo, {"implicit": 6, "optional": True}),
        ("issuer_id", core.BitString, {"implicit": 7, "optional": True}),
        ("subject_id", core.BitString, {"implicit": 8, "optional": True}),
        ("extensions", x509.Extensions, {"implicit": 9, "optional": True}),
    ]


class Request(core.Sequence):  # type: ignore[misc]
    """CertRequest, RFC 4211 § 5."""

    _fields: ClassVar[list[Any]] = [
        ("request", core.Integer),
        ("template", Template),
        ("controls", core.SequenceOf, {"optional": True, "spec": core.Any}),
    ]


class SigningKeyProof(core.Sequence):  # type: ignore[misc]
    """POPOSigningKey, RFC 4211 § 4.1."""

    _fields: ClassVar[list[Any]] = [
        ("input", core.Sequence, {"implicit": 0, "optional": True}),
        ("algorithm", algos.SignedDigestAlgorithm),
        ("signature", core.OctetBitString),
    ]


class Proof(core.Choice):  # type: ignore[misc]
    """ProofOfPossession."""

    _alternatives: ClassVar[list[Any]] = [
        ("verified", core.Null, {"implicit": 0}),
        ("signature", SigningKeyProof, {"implicit": 1}),
        ("encipherment", core.Any, {"explicit": 2}),
        ("agreement", core.Any, {"explicit": 3}),
    ]


class RequestMessage(core.Sequence):  # type: ignore[misc]
    """CertReqMsg, RFC 4211 § 3."""

    _fields: ClassVar[list[Any]] = [
        ("request", Request),
        ("proof", Proof, {"optional": True}),
        ("info", core.SequenceOf, {"optional": True, "spec": core.Any}),
    ]


class RequestMessages(core.SequenceOf):  # type: ignore[misc]
    """CertReqMessages."""

    _child_spec = RequestMessage


class Revocation(core.Sequence):  # type: ignore[misc]
    """RevDetails, RFC 4210 § 5.3.9."""

    _fields: ClassVar[list[Any]] = [("details", Template), ("extensions", crl.CRLEntryExtensions, {"optional": True})]


class Revocations(core.SequenceOf):  # type: ignore[misc]
    """RevReqContent."""

    _child_spec = Revocation


class StatusInfos(core.SequenceOf):  # type: ignore[misc]
    """Several of them."""

    _child_spec = StatusInfo


class RevocationReply(core.Sequence):  # type: ignore[misc]
    """RevRepContent."""

    _fields: ClassVar[list[Any]] = [
        ("statuses", StatusInfos),
        ("certificates", core.Any, {"explicit": 0, "optional": True}),
        ("lists", core.Any, {"explicit": 1, "optional": True}),
    ]


class ErrorMessage(core.Sequence):  # type: ignore[misc]
    """ErrorMsgContent."""

    _fields: ClassVar[list[Any]] = [
        ("status", StatusInfo),
        ("code", core.Integer, {"optional": True}),
        ("details", FreeText, {"optional": True}),
    ]


class Body(core.Choice):  # type: ignore[misc]
    """PKIBody, RFC 4210 § 5.1.2: the kinds that we send, answer, or refuse by name."""

    _alternatives: ClassVar[list[Any]] = [
        ("ir", RequestMessages, {"explicit": 0}),
        ("ip", CertRep, {"explicit": 1}),
        ("cr", RequestMessages, {"explicit": 2}),
        ("cp", CertRep, {"explicit": 3}),
        ("p10cr", csr.CertificationRequest, {"explicit": 4}),
        ("rr", Revocations, {"explicit": 11}),
        ("rp", RevocationReply, {"explicit": 12}),
        ("pkiconf", core.Null, {"explicit": 19}),
        ("genm", GeneralInfo, {"explicit": 21}),
        ("genp", GeneralInfo, {"explicit": 22}),
        ("error", ErrorMessage, {"explicit": 23}),
        ("certconf", Confirmations, {"explicit": 24}),
        ("pollreq", Polls, {"explicit": 25}),
        ("pollrep", Patiences, {"explicit": 26}),
    ]


class Message(core.Sequence):  # type: ignore[misc]
    """PKIMessage."""

    _fields: ClassVar[list[Any]] = [
        ("header", Header),
        ("body", Body),
        ("protection", core.OctetBitString, {"explicit": 0, "optional": True}),
        ("extra", Certificates, {"explicit": 1, "optional": True}),
    ]


def protected_part(header: Header, body: Body) -> bytes:
    """Give the bytes that are protected: header and body in a sequence of their own (RFC 4210 § 5.1.3)."""
    return bytes(parser.emit(0, 1, 16, header.dump() + body.dump()))


def status_info(status: Status, *, failure: str = "", text: str = "") -> StatusInfo:
    """Make a PKIStatusInfo; `failure` is a word of `FAILURES`."""
    told: dict[str, Any] = {"status": int(status)}
    if text:
        told["text"] = [text]
    if failure:
        told["failure"] = tuple(int(place == FAILURES.index(failure)) for place in range(FAILURES.index(failure) + 1))
    return StatusInfo(told)


def failures_of(info: StatusInfo) -> tuple[str, ...]:
    """Give the words of a PKIStatusInfo's failure bits; bits that have no name are left out."""
    bits = info["failure"].native
    if bits is None:
        return ()
    return tuple(word for word, bit in zip(FAILURES, bits, strict=False) if bit)
