"""Signatures whose CMS is not what it should be, in documents that are otherwise in order."""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from qcp_sdk.testing.hostile.kit import NOW, Kit, Signatory, der, oid, plain


def with_cms(
    kit: Kit,
    make: Callable[[bytes, Signatory, Callable[[bytes], bytes]], bytes],
    who: Signatory | None = None,
    *,
    room: int = 10_000,
) -> bytes:
    """Sign a document with what `make(digest, signatory, sign)` gives as its CMS."""
    from qcp_sdk.adapters.shared import pades
    from qcp_sdk.adapters.shared.keystore import sign_digest

    signing = who or kit.honest
    with tempfile.TemporaryDirectory(prefix="qcp-") as folder:
        file = Path(folder) / "document.pdf"
        file.write_bytes(plain())
        place = pades.prepare(
            file=file,
            name="one",
            chain=signing.chain,
            algorithm="sha256_ecdsa",
            at=NOW - timedelta(hours=1),
            token_size=room,
        )
        content = bytearray(file.read_bytes())
    digest = hashlib.sha256(content[: place.start] + content[place.end :]).digest()
    made = make(digest, signing, lambda data: sign_digest(signing.key, hashlib.sha256(data).digest())).hex().encode()
    assert len(made) <= place.end - place.start - 2
    content[place.start + 1 : place.start + 1 + len(made)] = made
    return bytes(content)


def right(digest: bytes, who: Signatory, sign: Callable[[bytes], bytes]) -> bytes:
    """Make it as it should be."""
    from qcp_sdk.adapters.shared.pades_cms import signed_attributes, signed_data

    attributes = signed_attributes(digest=digest, certificate=who.chain[0])
    return signed_data(
        attributes=attributes, chain=who.chain, algorithm="sha256_ecdsa", value=sign(attributes), token=None
    )


def cut(digest: bytes, who: Signatory, sign: Callable[[bytes], bytes]) -> bytes:
    """Cut it off in the middle."""
    made = right(digest, who, sign)
    return made[: len(made) // 2]


def nested(_digest: bytes, _who: Signatory, _sign: Callable[[bytes], bytes]) -> bytes:
    """Nest a sequence in a sequence, two thousand times."""
    made = b""
    for _ in range(2_000):
        made = der(0x30, made)
    return made


def endless(digest: bytes, who: Signatory, sign: Callable[[bytes], bytes]) -> bytes:
    """Announce four gigabytes."""
    return bytes.fromhex("3084ffffffff") + right(digest, who, sign)[4:]


def nobody(digest: bytes, who: Signatory, sign: Callable[[bytes], bytes]) -> bytes:
    """Leave the signer out."""
    return _replaced(right(digest, who, sign), lambda _: [])


def twice(digest: bytes, who: Signatory, sign: Callable[[bytes], bytes]) -> bytes:
    """Have two signers, which PAdES forbids (EN 319 142-1 § 6.3)."""
    return _replaced(right(digest, who, sign), lambda signers: [*signers, *signers])


def without_certificate(digest: bytes, who: Signatory, sign: Callable[[bytes], bytes]) -> bytes:
    """Leave every certificate out."""
    from asn1crypto import cms  # type: ignore[import-untyped]

    content = cms.ContentInfo.load(right(digest, who, sign))
    content["content"]["certificates"] = cms.CertificateSet([])
    return bytes(content.dump(force=True))


def unnamed(digest: bytes, who: Signatory, sign: Callable[[bytes], bytes]) -> bytes:
    """Leave signing-certificate-v2 out: any certificate with that key would do."""
    attributes = der(
        0x31,
        der(0x30, oid("1.2.840.113549.1.9.3"), der(0x31, oid("1.2.840.113549.1.7.1"))),
        der(0x30, oid("1.2.840.113549.1.9.4"), der(0x31, der(0x04, digest))),
    )
    return _of(attributes, who, sign)


def of_another(_digest: bytes, who: Signatory, sign: Callable[[bytes], bytes]) -> bytes:
    """Sign the digest of another document."""
    return right(hashlib.sha256(b"another").digest(), who, sign)


def doubled_digest(digest: bytes, who: Signatory, sign: Callable[[bytes], bytes]) -> bytes:
    """State two message digests, the right one first."""
    from qcp_sdk.adapters.shared.pades_cms import signed_attributes

    whole = signed_attributes(digest=digest, certificate=who.chain[0])
    other = der(0x30, oid("1.2.840.113549.1.9.4"), der(0x31, der(0x04, bytes(32))))
    body = whole[2:] if whole[1] < 0x80 else whole[2 + (whole[1] & 0x7F) :]
    return _of(der(0x31, body, other), who, sign)


def _of(attributes: bytes, who: Signatory, sign: Callable[[bytes], bytes]) -> bytes:
    from qcp_sdk.adapters.shared.pades_cms import signed_data

    value = sign(attributes)
    return signed_data(attributes=attributes, chain=who.chain, algorithm="sha256_ecdsa", value=value, token=None)


def _replaced(made: bytes, change: Callable[[list[object]], list[object]]) -> bytes:
    from asn1crypto import cms

    content = cms.ContentInfo.load(made)
    signed = content["content"]
    signed["signer_infos"] = cms.SignerInfos(change(list(signed["signer_infos"])))
    return bytes(content.dump(force=True))


def ranged(pdf: bytes, change: Callable[[list[int]], list[int]]) -> bytes:
    """Change the byte range of a signed document, in place."""
    found = re.search(rb"/ByteRange \[([\d ]+)\]", pdf)
    assert found is not None
    numbers = change([int(one) for one in found[1].split()])
    text = " ".join(map(str, numbers)).encode().ljust(len(found[1]))
    assert len(text) == len(found[1])
    return pdf[: found.start(1)] + text + pdf[found.end(1) :]
