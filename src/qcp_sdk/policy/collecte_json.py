"""A collecte with what is known of its signatories' certificates, from JSON, for `qcp-sdk policy assess`.

Total: any bytes give an `Enquiry` or one error that says where (`signatories[0].mobile`) and how to mend it. The format
is that of docs/examples/collecte.json.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Final, NoReturn

from attrs import frozen

from qcp_sdk.certificates import Certificate, CertificateStatus, Holding, StatusKind, read
from qcp_sdk.collectes import Collecte, Document, Order, Role, Signatory
from qcp_sdk.errors import InvalidInput
from qcp_sdk.levels import CertificateLevel, SignatureLevel
from qcp_sdk.people import LANGUAGES
from qcp_sdk.policy.evidence import Attestation, Evidence, Recognition
from qcp_sdk.policy.nodes import Node
from qcp_sdk.values import (
    AccountId,
    CabinetId,
    CollecteId,
    ContentHash,
    DocumentId,
    EmailAddress,
    Fingerprint,
    PersonName,
    PhoneNumber,
    SignatoryId,
    TenantId,
    content_hash,
)

LONGEST: Final = 4_194_304
"""Bytes."""
Files = Callable[[str], bytes]
"""Gives the content of a file that the JSON names; raises OSError when it cannot."""

_CERTIFICATES: Final = {level.name: level for level in CertificateLevel}


@frozen(kw_only=True)
class Enquiry:
    """Everything that `assess` asks for, but the policy."""

    collecte: Collecte
    holdings: dict[SignatoryId, tuple[Evidence, ...]]
    recognitions: dict[Fingerprint, Recognition]
    at: datetime | None
    """The instant to assess at, where the file fixes one."""


def load_collecte(path: Path) -> Enquiry:
    """Read a collecte from a file, with the files that it names, which are in its folder or below.

    Raises:
        InvalidInput: The file, or one that it names, cannot be read or is not what it should be.
    """
    folder = path.parent

    def file(name: str) -> bytes:
        return (folder / name).read_bytes()

    try:
        content = path.read_bytes()
    except OSError as error:
        raise InvalidInput("it cannot be read", where=path.name, mend="give the path of a JSON file") from error
    return read_collecte(content, files=file, name=path.name)


def read_collecte(content: bytes, *, files: Files, name: str = "collecte") -> Enquiry:
    """Read a collecte; `files` gives what it names, `name` is what errors call it.

    Raises:
        InvalidInput: It is not UTF-8, not JSON, or not a collecte; `where` gives `name: place`.
    """

    def flaw(path: str, what: str, mend: str) -> InvalidInput:
        return InvalidInput(what, where=f"{name}: {path}" if path else name, mend=mend)

    root = Node(None, "", flaw)
    if len(content) > LONGEST:
        root.fail(f"it has more than {LONGEST} bytes", "give one collecte at a time")
    try:
        value: object = json.loads(content.decode(), object_pairs_hook=_once, parse_constant=_not_json)
    except json.JSONDecodeError as error:
        mend = f"see line {error.lineno}, column {error.colno}: {error.msg[:1].lower()}{error.msg[1:]}"
        raise flaw("", "it is not JSON", mend) from error
    except InvalidInput as error:
        raise flaw("", error.what, error.mend) from error
    except (ValueError, RecursionError) as error:  # not UTF-8; a number or a nesting beyond what Python reads
        raise flaw("", "it is not JSON that can be read", "save it as UTF-8, and nest less") from error
    return _enquiry(Node(value, "", flaw), files)


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise InvalidInput("a key stands twice in one object", mend="keep one of them")
    return found


def _not_json(_constant: str) -> NoReturn:
    raise InvalidInput("it is not JSON", mend="NaN and Infinity are not JSON numbers")


def _enquiry(root: Node, files: Files) -> Enquiry:
    required = ("id", "title", "sender", "deadline", "documents", "signatories")
    keys = root.table(*required, optional=("order", "cabinet", "tenant", "at"))
    order = keys["order"].one_of({each.value: each for each in Order}) if "order" in keys else Order.SEQUENTIAL
    texts = {key: keys[key].text() for key in ("id", "title", "sender", "cabinet", "tenant") if key in keys}
    documents = tuple(_document(item, files) for item in keys["documents"].items())
    deadline = keys["deadline"].moment()
    parts = [_signatory(person, files) for person in keys["signatories"].items()]
    collecte = root.built(  # refuses what is wrong with the whole: nobody to sign, an id that stands twice
        lambda: Collecte(
            id=CollecteId(texts["id"]),
            title=texts["title"],
            sender=texts["sender"],
            documents=documents,
            signatories=tuple(signatory for signatory, _, _ in parts),
            deadline=deadline,
            order=order,
            cabinet=CabinetId(texts["cabinet"]) if "cabinet" in texts else None,
            tenant=TenantId(texts.get("tenant", "")),
        )
    )
    recognitions: dict[Fingerprint, Recognition] = {}
    for _, _, found in parts:
        recognitions |= found
    return Enquiry(
        collecte=collecte,
        holdings={signatory.id: evidence for signatory, evidence, _ in parts},
        recognitions=recognitions,
        at=keys["at"].moment() if "at" in keys else None,
    )


def _document(node: Node, files: Files) -> Document:
    keys = node.table("id", "name", optional=("kind", "content", "file"))
    if ("content" in keys) == ("file" in keys):
        node.fail("it needs `content` or `file`, one of them", "give the hash of its bytes, or the file itself")
    if "content" in keys:
        content = keys["content"].made(content_hash)
    else:
        content = ContentHash(f"sha256:{hashlib.sha256(_file(keys['file'], files)).hexdigest()}")
    return Document(
        id=DocumentId(keys["id"].text()),
        name=keys["name"].text(),
        content=content,
        kind=keys["kind"].text() if "kind" in keys else "other",
    )


def _signatory(node: Node, files: Files) -> tuple[Signatory, tuple[Evidence, ...], dict[Fingerprint, Recognition]]:
    keys = node.table(
        *("id", "given", "last", "email", "mobile", "level"),
        optional=("birth_name", "role", "account", "language", "certificates", "attestations"),
    )
    role, language = keys.get("role"), keys.get("language")
    given, last = keys["given"].text(), keys["last"].text()
    birth_name = keys["birth_name"].text() if "birth_name" in keys else ""
    name = node.built(lambda: PersonName(given=given, last=last, birth_name=birth_name))
    signatory = Signatory(
        id=SignatoryId(keys["id"].text()),
        name=name,
        email=keys["email"].made(EmailAddress),
        mobile=keys["mobile"].made(PhoneNumber),
        level=keys["level"].one_of({level.name: level for level in SignatureLevel}),
        role=role.one_of({each.value: each for each in Role}) if role else Role.THIRD_PARTY,
        account=AccountId(keys["account"].text()) if "account" in keys else None,
        language=language.one_of({each: each for each in LANGUAGES}) if language else LANGUAGES[0],
    )
    held = [_holding(item, files) for item in (keys["certificates"].items() if "certificates" in keys else ())]
    attested = [_attestation(item) for item in (keys["attestations"].items() if "attestations" in keys else ())]
    found = {holding.certificate.fingerprint: recognition for holding, recognition in held if recognition is not None}
    return signatory, (*(holding for holding, _ in held), *attested), found


def _holding(node: Node, files: Files) -> tuple[Holding, Recognition | None]:
    keys = node.table("status", optional=("pem", "file", "email", "mobile", "recognised_for", "authorities"))
    if ("pem" in keys) == ("file" in keys):
        node.fail("it needs `pem` or `file`, one of them", "give the certificate's text, or its file")
    holding = Holding(
        certificate=_certificate(keys["pem"] if "pem" in keys else keys["file"], "pem" in keys, files),
        status=_status(keys["status"]),
        email=keys["email"].made(EmailAddress) if "email" in keys else None,
        mobile=keys["mobile"].made(PhoneNumber) if "mobile" in keys else None,
    )
    recognition = None
    if "recognised_for" in keys or "authorities" in keys:
        authorities = keys["authorities"].items() if "authorities" in keys else ()
        recognition = Recognition(
            authorities=frozenset(Fingerprint(item.text()) for item in authorities),
            levels=frozenset(keys["recognised_for"].some_of(_CERTIFICATES) if "recognised_for" in keys else ()),
        )
    return holding, recognition


def _certificate(node: Node, inline: bool, files: Files) -> Certificate:
    content = node.block().encode("utf-8", "replace") if inline else _file(node, files)
    return node.built(lambda: read(content))


def _status(node: Node) -> CertificateStatus:
    keys = node.table("kind", "checked_at", optional=("revoked_at", "reason"))
    return CertificateStatus(
        kind=keys["kind"].one_of({kind.value: kind for kind in StatusKind}),
        checked_at=keys["checked_at"].moment(),
        revoked_at=keys["revoked_at"].moment() if "revoked_at" in keys else None,
        reason=keys["reason"].text() if "reason" in keys else "",
    )


def _attestation(node: Node) -> Attestation:
    keys = node.table("provider", "level", "matched", "at")
    words = ("name", "first_name", "last_name", "email", "mobile")
    return Attestation(
        provider=keys["provider"].text(),
        level=keys["level"].one_of(_CERTIFICATES),
        matched=keys["matched"].some_of({word: word for word in words}),
        at=keys["at"].moment(),
    )


def _file(node: Node, files: Files) -> bytes:
    name = node.text()
    path = PurePosixPath(name)
    # A collecte may come from somewhere else: it does not get to name files from all over the machine.
    if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name:
        node.fail("it is not in the collecte's folder", "put the file beside the JSON, and give its relative path")
    try:
        return files(name)
    except OSError as error:
        node.fail("the file cannot be read", "put it beside the JSON, and give its relative path", error)
