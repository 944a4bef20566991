"""Look at what `make demo` wrote, with programs that nobody here wrote: `check_demo.py demo-output`.

Needs pdfsig (poppler), qpdf and openssl on PATH.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from email import message_from_bytes
from email.policy import default
from pathlib import Path

SIGNATORIES = 2
LEVEL = "NIVEAU_3"


def said_by(*command: str | Path, allowed: tuple[int, ...] = (0,)) -> tuple[bool, str]:
    """Run a judge; give whether it agreed, and what it said."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, timeout=120)
    return done.returncode in allowed, done.stdout + done.stderr


def pdf_is_sound(path: Path) -> Iterator[str]:
    agreed, said = said_by("qpdf", "--check", path)
    if not agreed:
        yield f"qpdf: {said.strip()[-500:]}"


def pdf_is_signed(path: Path, at_least: int) -> Iterator[str]:
    # pdfsig knows no trust anchor of ours; `-nocert` asks for the signatures alone.
    agreed, said = said_by("pdfsig", "-nocert", path)
    valid = said.count("Signature is Valid")
    if not agreed or valid < at_least or valid != said.count("Signature Validation:"):
        yield f"pdfsig: {valid} valid signatures, at least {at_least} expected, none broken: {said[-500:]}"


def request(folder: Path) -> Iterator[str]:
    """The sealed certificate request (features D1, D3)."""
    path = folder / "certificate-request.pdf"
    yield from pdf_is_sound(path)
    yield from pdf_is_signed(path, 1)


def contract(folder: Path) -> Iterator[str]:
    """The contract, signed by two (features E2, E4)."""
    path = folder / "contract-signed.pdf"
    yield from pdf_is_sound(path)
    yield from pdf_is_signed(path, SIGNATORIES)


def chain(folder: Path) -> Iterator[str]:
    """The certificate and the chain above it (feature D4)."""
    anchors = folder / "chain.pem"
    agreed, said = said_by("openssl", "verify", "-CAfile", anchors, folder / "certificate.pem")
    if not agreed:
        yield f"openssl verify: {said.strip()}"
    agreed, said = said_by(
        "openssl", "x509", "-in", folder / "certificate.pem", "-noout", "-ext", "certificatePolicies"
    )
    if "0.4.0.194112.1.0" not in said:
        yield f"the certificate does not name the policy QCP-n (0.4.0.194112.1.0): {said.strip()}"


def signatures(report: object) -> list[Mapping[str, object]]:
    """Give every object in the report that says which level was reached."""
    if isinstance(report, dict):
        here = [report] if "level_reached" in report and "indication" in report else []
        return here + [found for value in report.values() for found in signatures(value)]
    if isinstance(report, list):
        return [found for value in report for found in signatures(value)]
    return []


def verification(folder: Path) -> Iterator[str]:
    """What reading the contract back said of each signature (feature E4)."""
    found = signatures(json.loads((folder / "verification.json").read_text("utf-8")))
    if len(found) < SIGNATORIES:
        yield f"{len(found)} signatures are reported where {SIGNATORIES} were made"
    for signature in found:
        if signature["level_reached"] != LEVEL or "reasons" not in signature:
            yield f"a signature reached `{signature['level_reached']}`, with reasons {signature.get('reasons')}"


def journal(folder: Path) -> Iterator[str]:
    """The journal, read by our own command in a process of its own."""
    agreed, said = said_by(sys.executable, "-m", "qcp_sdk.cli", "journal", "verify", folder / "journal.json")
    if not agreed:
        yield f"qcp-sdk journal verify: {said.strip()}"


def dossier(folder: Path) -> Iterator[str]:
    """The evidence dossier: our own command in a process of its own, and its seal by OpenSSL."""
    file, anchor = folder / "dossier.asice", folder / "chain.pem"
    agreed, said = said_by(sys.executable, "-m", "qcp_sdk.cli", "evidence", "verify", file, "--anchor", anchor)
    if not agreed:
        yield f"qcp-sdk evidence verify: {said.strip()}"
    with zipfile.ZipFile(file) as members, tempfile.TemporaryDirectory() as place:
        members.extractall(place)
        seal = Path(place) / "META-INF" / "signature.p7s"
        signed = Path(place) / "META-INF" / "ASiCManifest.xml"
        agreed, said = said_by(
            "openssl", "cms", "-verify", "-cades", "-binary", "-inform", "DER", "-in", seal, "-content", signed,
            "-CAfile", anchor, "-purpose", "any", "-out", Path(place) / "out",
        )  # fmt: skip
        if not agreed:
            yield f"openssl cms -verify: {said.strip()}"


def mailbox(folder: Path) -> Iterator[str]:
    """Every message, read by the standard library: e-mails in text and HTML, SMS in one part, and no defect."""
    letters = sorted((folder / "mailbox").glob("*.eml"))
    if not letters:
        yield "the mailbox is empty"
    for letter in letters:
        message = message_from_bytes(letter.read_bytes(), policy=default)
        kinds = {part.get_content_type() for part in message.walk()}
        if message.defects or not message["to"]:
            yield f"{letter.name}: {message.defects or 'no addressee'}"
        if message["x-qcp-channel"] == "sms":
            if kinds != {"text/plain"}:
                yield f"{letter.name}: an SMS of {', '.join(sorted(kinds))}"
        elif not message["subject"] or not {"text/plain", "text/html"} <= kinds:
            yield f"{letter.name}: no subject, or not both text and HTML"


CHECKS: tuple[Callable[[Path], Iterator[str]], ...] = (
    chain,
    request,
    contract,
    verification,
    journal,
    dossier,
    mailbox,
)


def main(arguments: list[str]) -> int:
    folder = Path(arguments[0] if arguments else "demo-output")
    faults = []
    for check in CHECKS:
        try:
            mine = list(check(folder))
        except (OSError, ValueError, subprocess.TimeoutExpired) as error:
            mine = [f"cannot be read: {error}"]
        print(f"{'FAULT' if mine else 'right'}  {(check.__doc__ or check.__name__).splitlines()[0]}")
        faults += mine
    for fault in faults:
        print(f"  {fault}", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
