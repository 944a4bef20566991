"""An evidence dossier proves what happened, offline; a changed byte anywhere is found and named (behaviour § 8)."""

from __future__ import annotations

import io
import json
import re
import subprocess
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from qcp_sdk import codec
from qcp_sdk.adapters.local_trust_centre import LocalTrustCentre
from qcp_sdk.adapters.shared import pades_cms
from qcp_sdk.errors import ConfigurationError, EvidenceError, NotFound
from qcp_sdk.evidence import container, manifest, sealing
from qcp_sdk.evidence.container import MANIFEST, SIGNATURE, Container
from qcp_sdk.evidence.dossier import Dossiers
from qcp_sdk.evidence.story import SUBJECTS
from qcp_sdk.evidence.verifying import verify
from qcp_sdk.otp import Purpose
from qcp_sdk.values import Secret

if TYPE_CHECKING:
    from tests.evidence.conftest import Sealed


def story_of(dossier: bytes) -> dict[str, list[dict[str, object]]]:
    found: dict[str, list[dict[str, object]]] = json.loads(container.read(dossier).files["story.json"])
    return found


def test_a_dossier_of_a_subscription_holds_the_guides_journey(sealed: Sealed) -> None:
    report = verify(sealed.subscription_dossier, anchors=(sealed.anchor,))
    story = story_of(sealed.subscription_dossier)

    assert report.stream == sealed.subscription
    assert report.facts == sealed.scene.qcp.engine.streams.load(sealed.subscription).version
    assert report.head == sealed.scene.qcp.engine.streams.load(sealed.subscription).head.hex()
    assert report.sealed.at == sealed.scene.world.clock.now().replace(microsecond=0)
    assert report.sealed.revocation_checked
    assert [entry["text"] for entry in story["confirmations"] if entry["fact"] == "consent_given"] == [
        "identity_processing",
        "personal_data",
    ]
    assert [entry["fact"] for entry in story["codes"]] == ["code_requested", "code_entered"] * 2
    assert [entry["fact"] for entry in story["money"]] == ["funds_held", "funds_captured"]
    assert {"identity_approved", "identity_confirmed"} <= {entry["fact"] for entry in story["identity"]}
    assert [entry["fact"] for entry in story["request"]] == ["request_prepared", "request_accepted", "request_sealed"]
    assert len(report.documents) == 2, "the request that was shown, and the one that was sealed"
    assert len(report.kept_elsewhere) == 2, "the texts of both consents are the host's"
    assert any(name.startswith("certificates/") for name in container.read(sealed.subscription_dossier).files)


def test_a_dossier_of_a_signature_holds_what_was_signed(sealed: Sealed) -> None:
    report = verify(sealed.ceremony_dossier, anchors=(sealed.anchor,))
    story = story_of(sealed.ceremony_dossier)

    assert report.stream == sealed.ceremony
    assert {"documents_consented"} <= {entry["fact"] for entry in story["confirmations"]}
    assert {"document_signed", "hashes_answered"} <= {entry["fact"] for entry in story["signature"]}
    assert len(report.documents) >= 2, "the letter as it was validated, and as it was signed"


def test_no_code_is_in_a_dossier(sealed: Sealed) -> None:
    codes = [
        sealed.scene.code(sealed.scene.jessica, purpose).text.reveal()
        for purpose in Purpose
        if purpose.value != "revoke"
    ]
    assert codes
    for dossier in (sealed.subscription_dossier, sealed.ceremony_dossier):
        assert not [code for code in codes if code.encode() in dossier]


def test_every_kind_of_fact_has_a_subject() -> None:
    told = [kind for kinds in SUBJECTS.values() for kind in kinds]
    assert len(told) == len(set(told))
    assert set(told) == set(codec.FACT_KINDS)


# --- a changed byte anywhere is found -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["subscription", "ceremony"])
def test_a_changed_byte_anywhere_is_found_and_named(sealed: Sealed, kind: str) -> None:
    dossier = getattr(sealed, f"{kind}_dossier")
    places = {*range(0, len(dossier), 97), *range(200), *range(len(dossier) - 1_500, len(dossier))}
    unseen = []
    for place in sorted(places):
        changed = bytearray(dossier)
        changed[place] ^= 1 << (place % 8)
        try:
            verify(bytes(changed), anchors=(sealed.anchor,))
        except EvidenceError as error:
            assert error.where, error
        else:
            unseen.append(place)
    assert unseen == []


EVERY = [pytest.param(bit, 1, marks=pytest.mark.full) for bit in range(8)]


@pytest.mark.parametrize(("bit", "step"), [(0, 11), *EVERY])
def test_every_byte_of_the_seal_counts(sealed: Sealed, bit: int, step: int) -> None:
    found = container.read(sealed.subscription_dossier)
    crls = tuple(content for name, content in found.files.items() if name.startswith("revocation/"))
    unseen = []
    for place in range(0, len(found.signature), step):
        changed = bytearray(found.signature)
        changed[place] ^= 1 << bit
        try:
            sealing.check(bytes(changed), found.manifest, anchors=(sealed.anchor,), crls=crls)
        except EvidenceError as error:
            assert error.where.startswith("META-INF/signature.p7s")
        else:
            unseen.append(place)
    assert unseen == []


@pytest.mark.parametrize("length", [0, 1, 21, 22, 1_000, -1])
def test_a_file_that_was_cut_short_is_none(sealed: Sealed, length: int) -> None:
    with pytest.raises(EvidenceError):
        verify(sealed.subscription_dossier[:length], anchors=(sealed.anchor,))


def repacked(dossier: bytes, change: dict[str, bytes | None], *, sign: bool = False) -> bytes:
    """Put other files in, as somebody without the seal's key can: the manifest made anew or not."""
    found = container.read(dossier)
    files = {name: content for name, content in {**found.files, **change}.items() if content is not None}
    signed = manifest.write(files) if sign else found.manifest
    return container.write(Container(files=files, manifest=signed, signature=found.signature))


def test_a_changed_added_or_removed_file_is_named(sealed: Sealed) -> None:
    changed, added = {"story.json": b"{}"}, {"documents/other.pdf": b"%PDF"}
    removed: dict[str, bytes | None] = {"journal.json": None}
    for change, name in ((changed, "story.json"), (added, "documents/other.pdf"), (removed, "journal.json")):
        with pytest.raises(EvidenceError) as refused:
            verify(repacked(sealed.subscription_dossier, dict(change)), anchors=(sealed.anchor,))
        assert refused.value.where == name


def test_a_manifest_made_anew_is_not_the_sealed_one(sealed: Sealed) -> None:
    with pytest.raises(EvidenceError) as refused:
        verify(repacked(sealed.subscription_dossier, {"story.json": b"{}"}, sign=True), anchors=(sealed.anchor,))
    assert refused.value.where == SIGNATURE


def test_a_seal_from_before_its_hash_had_parameters_still_holds(
    sealed: Sealed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Decision 0032: what was sealed before it has none beside SHA-256, and is to be verified years later."""
    with monkeypatch.context() as before:
        before.setattr(pades_cms, "_SHA256", pades_cms._SHA256_BARE)
        dossier = sealed.dossiers.export(sealed.subscription)
    bare, null = bytes.fromhex("300b0609608648016503040201"), bytes.fromhex("300d06096086480165030402010500")
    assert bare in container.read(dossier).signature[:60]
    assert null in container.read(sealed.subscription_dossier).signature[:60]
    verify(dossier, anchors=(sealed.anchor,))


def test_the_seal_of_another_dossier_does_not_serve(sealed: Sealed) -> None:
    ours, other = container.read(sealed.subscription_dossier), container.read(sealed.ceremony_dossier)
    mixed = Container(files=ours.files, manifest=ours.manifest, signature=other.signature)
    with pytest.raises(EvidenceError) as refused:
        verify(container.write(mixed), anchors=(sealed.anchor,))
    assert refused.value.where == SIGNATURE


# --- whom one trusts ----------------------------------------------------------------------------------------------


def test_a_seal_that_leads_to_no_anchor_proves_nothing(sealed: Sealed, tmp_path: Path) -> None:
    stranger = LocalTrustCentre(
        tmp_path / "centre", clock=sealed.scene.world.clock, passphrase=Secret("for tests only")
    )
    for anchors in ((), (stranger.certificates().root,)):
        with pytest.raises(EvidenceError) as refused:
            verify(sealed.subscription_dossier, anchors=anchors)
        assert refused.value.where.startswith(SIGNATURE)
    both = (stranger.certificates().root, sealed.anchor)
    assert verify(sealed.subscription_dossier, anchors=both).stream == sealed.subscription


def test_without_a_seal_there_is_no_dossier(sealed: Sealed) -> None:
    with pytest.raises(ConfigurationError):
        Dossiers(sealed.scene.qcp.engine, sealed.scene.qcp.records, None).export(sealed.subscription)
    with pytest.raises(ConfigurationError):
        sealed.scene.qcp.evidence.export(sealed.subscription)
    with pytest.raises(NotFound):
        sealed.dossiers.export("nobody")


# --- hostile containers -------------------------------------------------------------------------------------------


def zipped(members: list[tuple[str, bytes]], compression: int = zipfile.ZIP_STORED) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", compression) as file:
        for name, content in members:
            file.writestr(name, content)
    return written.getvalue()


TAIL = [(MANIFEST, b"<x/>"), (SIGNATURE, b"x")]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x05\x06" + bytes(18),
        b"%PDF-1.7",
        zipped([("a.txt", b"x")]),
        zipped([("mimetype", container.MIME_TYPE), *TAIL], zipfile.ZIP_DEFLATED),
        zipped([("mimetype", container.MIME_TYPE), ("../escape", b"x"), *TAIL]),
        zipped([("mimetype", container.MIME_TYPE), ("/etc/passwd", b"x"), *TAIL]),
        zipped([("mimetype", container.MIME_TYPE), ("META-INF/other.xml", b"x"), *TAIL]),
        zipped([("mimetype", b"application/zip"), *TAIL]),
        zipped([*TAIL, ("mimetype", container.MIME_TYPE)]),
        zipped([("mimetype", container.MIME_TYPE), ("bomb", bytes(10_000_000)), *TAIL], zipfile.ZIP_BZIP2),
    ],
    ids=range(11),
)
def test_what_is_no_container_of_ours_is_refused_in_our_words(content: bytes) -> None:
    with pytest.raises(EvidenceError):
        verify(content, anchors=())


def test_a_name_that_could_leave_its_folder_is_not_written() -> None:
    for name in ("../a", "/a", "a//b", "", "mimetype", "META-INF/x", "a\\b", "é", "a" * 201):
        assert not container.is_name(name)
        with pytest.raises(EvidenceError):
            container.write(Container(files={name: b""}, manifest=b"", signature=b""))


def test_the_same_files_are_the_same_bytes(sealed: Sealed) -> None:
    found = container.read(sealed.subscription_dossier)
    assert container.write(found) == sealed.subscription_dossier


# --- independent judges -------------------------------------------------------------------------------------------


@pytest.mark.judge("openssl")
def test_openssl_accepts_the_seal_and_its_timestamp(sealed: Sealed, tmp_path: Path) -> None:
    from asn1crypto import cms, pem  # type: ignore[import-untyped]

    found = container.read(sealed.subscription_dossier)
    (tmp_path / "manifest.xml").write_bytes(found.manifest)
    (tmp_path / "signature.p7s").write_bytes(found.signature)
    (tmp_path / "anchor.pem").write_bytes(pem.armor("CERTIFICATE", sealed.anchor))
    now = str(int(sealed.scene.world.clock.now().timestamp()))
    checked = subprocess.run(
        ["openssl", "cms", "-verify", "-cades", "-binary", "-inform", "DER", "-in", "signature.p7s", "-content",
         "manifest.xml", "-CAfile", "anchor.pem", "-purpose", "any", "-attime", now, "-out", "out"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stderr
    assert re.search("CAdES Verification successful|CMS Verification successful", checked.stderr)
    assert (tmp_path / "out").read_bytes() == found.manifest

    (signer,) = cms.ContentInfo.load(found.signature)["content"]["signer_infos"]
    (tmp_path / "value").write_bytes(signer["signature"].native)
    (tmp_path / "token.der").write_bytes(signer["unsigned_attrs"][0]["values"][0].dump())
    stamped = subprocess.run(
        ["openssl", "ts", "-verify", "-data", "value", "-in", "token.der", "-token_in", "-CAfile", "anchor.pem",
         "-attime", now],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "Verification: OK" in stamped.stdout, stamped.stderr


def test_any_zip_program_opens_it(sealed: Sealed) -> None:
    with zipfile.ZipFile(io.BytesIO(sealed.subscription_dossier)) as file:
        assert file.testzip() is None
        assert file.namelist()[0] == "mimetype"
        assert b"ASiC-E" in file.read("LISEZMOI-README.txt")
