"""`python -m qcp_sdk.demo`: the journey, told on a terminal, its results in `demo-output/`."""

from __future__ import annotations

import argparse
import base64
import json
import logging
import os
import shutil
import sys
import textwrap
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from qcp_sdk import codec, journal_file
from qcp_sdk.adapters.shared.books import Movement
from qcp_sdk.demo import sandboxed
from qcp_sdk.demo.journey import CABINET, Hands, Journey, LocalHands, Teller, patiently, read_document
from qcp_sdk.demo.texts import TEXTS
from qcp_sdk.errors import InvalidInput, QcpError
from qcp_sdk.evidence.sealing import anchors
from qcp_sdk.evidence.verifying import verify as verify_dossier
from qcp_sdk.local import LocalQcp
from qcp_sdk.policy.decision import Decision
from qcp_sdk.sdk import Qcp
from qcp_sdk.subscription.stages import Stage
from qcp_sdk.values import Cents, Fingerprint
from qcp_sdk.verification.trust import TrustStore
from qcp_sdk.verification.verify import verify

MARK: Final = ".qcp-demo"
"""Says that a folder is ours to replace."""


def main() -> int:
    """Run the demonstration; give 0 when everything in it went as it should."""
    parser = argparse.ArgumentParser(prog="python -m qcp_sdk.demo", description="The whole journey, headless.")
    parser.add_argument("--pdf", type=Path, help="your own PDF to be signed")
    parser.add_argument("--output", type=Path, default=Path("demo-output"), help="where results are written")
    default = "fr" if os.environ.get("LANG", "").lower().startswith("fr") else "en"
    parser.add_argument("--providers", choices=("local", "sandbox"), default="local", help="who plays the providers")
    parser.add_argument("--language", choices=("fr", "en"), default=default)
    asked = parser.parse_args()
    # The journey's own words are on the terminal; libraries' logs would only repeat them.
    logging.getLogger().addHandler(logging.NullHandler())
    try:
        if asked.pdf is not None and not asked.pdf.is_file():
            raise InvalidInput(f"`{asked.pdf.name}` is not a file", where="PDF", mend="give the path of a PDF")
        if asked.providers == "sandbox":
            with sandboxed.serving() as served:
                return run(asked.output, asked.pdf, asked.language, sandbox=served.url)
        return run(asked.output, asked.pdf, asked.language)
    except (QcpError, TimeoutError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1


def run(output: Path, pdf: Path | None, language: str, *, sandbox: str = "") -> int:
    """Do it all and write it down; with the address of a sandbox, over HTTP and in both plans."""
    start = time.monotonic()
    console = Console(highlight=False)
    texts = TEXTS[language]
    _begin(output)
    console.rule(texts["title"])
    console.print(texts["where"].format(folder=output))
    with console.status(texts["setting_up"]):
        qcp = Qcp.local(
            output / "installation",
            verdict_after=timedelta(seconds=3),
            decision_after=timedelta(seconds=2),
            offer=sandboxed.offers if sandbox else None,
            replace=partial(sandboxed.replacing, sandbox) if sandbox else None,
        )
    if sandbox:
        qcp.listed = sandboxed.Published(sandbox).listed
    tell = _teller(console, texts.__getitem__)
    hands: Hands = sandboxed.SandboxHands(sandbox) if sandbox else LocalHands(qcp)
    if sandbox:
        tell.say("sandbox", names=", ".join(sandboxed.PROVIDERS), url=sandbox)
    journey = Journey(qcp=qcp, tell=tell, language=language, hands=hands)
    journey.prepare()

    content, name = read_document(pdf, qcp)
    if pdf is not None:
        verify(
            pdf, trust=TrustStore(), now=qcp.clock.now()
        )  # one that cannot even be read is refused here, not at the end
    (output / "contract.pdf").write_bytes(content)
    kept = qcp.collectes.keep(content)
    tell.head("refused_title")
    refused = journey.refused(journey.collecte("before", kept, name))
    tell.say("refused")
    reasons = _reasons(console, refused, language)

    view = journey.subscribe(journey.a, stumble=True)
    journey.subscribe(journey.b, stumble=False)
    hosted = sandboxed.subscribe_hosted(journey, sandboxed.SandboxHands(sandbox)) if sandbox else None
    tell.head("collecte_title")
    collecte = journey.collecte("after", kept, name)
    decision = qcp.collectes.enforce(collecte)
    names = ", ".join(one.name.full for one in (journey.a, journey.b))
    tell.say("accepted", names=names, hash=decision.hash[7:19])
    signed = journey.sign(collecte)

    contract = output / "contract-signed.pdf"
    contract.write_bytes(qcp.collectes.read(signed))
    trust = output / "trust"
    shutil.copytree(qcp.publish_trust(), trust)
    tell.head("verifying")
    report = verify(contract, trust=TrustStore.load(trust), now=qcp.clock.now())
    (output / "verification.json").write_text(json.dumps(report.to_json(), ensure_ascii=False, indent=2) + "\n")
    levels = []
    for one in report.to_json()["signatures"]:  # type: ignore[attr-defined]
        levels.append(one["level_reached"])
        tell.say(
            "verified",
            name=one["signer"]["name"] if isinstance(one.get("signer"), dict) else one.get("signer", ""),
            level=one["level_reached"],
            qualification=one["qualification"],
            indication=one["indication"],
        )
    facts = _write_records(qcp, output, view.id, view.show.certificate.fingerprint if view.show.certificate else "")
    tell.say("journal", count=facts)
    shutil.copytree(output / "installation" / "mailbox", output / "mailbox", ignore=shutil.ignore_patterns(".*"))
    messages = len(qcp.mailbox.messages())

    statement = qcp.ledger.statement(cabinet=CABINET.id)
    taken = [line.amount for line in statement if line.movement is Movement.CAPTURE]
    spent = Cents(sum(int(amount) for amount in taken))
    request = verify(output / "certificate-request.pdf", trust=TrustStore.load(trust), now=qcp.clock.now())
    sealed = ", ".join(f"{one.format}, {one.indication}" for one in request.signatures)
    rows = [
        ("row_refused", texts["reasons"].format(count=reasons), ""),
        ("row_certificate", view.show.certificate.issuer if view.show.certificate else "", "certificate.pem"),
        ("row_request", sealed, "certificate-request.pdf"),
        ("row_money", f"{' + '.join(one.text(language) for one in taken)} = {spent.text(language)}", ""),
        ("row_contract", " + ".join(str(level) for level in levels), "contract-signed.pdf"),
        ("row_verification", str(report.to_json()["level_reached"]), "verification.json"),
        ("row_dossier", _sealed(output, qcp), "dossier.asice"),
        ("row_journal", texts["facts"].format(count=facts), "journal.json"),
        ("row_mailbox", texts["messages"].format(count=messages), "mailbox/"),
    ]
    table = Table(title=texts["table"])
    for column in ("shown", "result", "file"):
        table.add_column(texts[column])
    for row, result, file in rows:
        table.add_row(texts[row], result, file)
    console.print()
    console.print(table)
    seconds = f"{time.monotonic() - start:.0f}"
    console.print(texts["done"].format(seconds=seconds, contract=contract, trust=trust), soft_wrap=True)
    if hosted is not None and hosted.stage is not Stage.ACTIVE:
        return 1
    as_promised = levels == ["NIVEAU_3", "NIVEAU_3"] and taken == [view.show.price] * 2 and qcp.ledger.check().balanced
    return 0 if as_promised else 1


def _sealed(output: Path, qcp: LocalQcp) -> str:
    """Check the dossier as a stranger would, with the root alone, and say when it was sealed."""
    root = _pem(qcp.centre.certificates().root)
    (output / "root.pem").write_text(root)
    trusted = anchors(root.encode(), name="root.pem")
    report = verify_dossier((output / "dossier.asice").read_bytes(), anchors=trusted)
    return f"ASiC-E, {report.sealed.at:%Y-%m-%d %H:%M:%S} UTC"


def _begin(output: Path) -> None:
    """Start from nothing. A folder that is not ours is not touched."""
    if output.exists() and not output.is_dir():
        raise InvalidInput("it is not a folder", where=output.name, mend="choose another --output")
    if output.exists() and any(output.iterdir()):
        if not (output / MARK).exists():
            raise InvalidInput(
                "it is there and not the demonstration's", where=output.name, mend="choose another --output"
            )
        shutil.rmtree(output)
    output.mkdir(parents=True, exist_ok=True)
    (output / MARK).touch()


def _teller(console: Console, text: Callable[[str], str]) -> Teller:
    def say(name: str, /, **values: object) -> None:
        console.print(f"  [green]✓[/green] {text(name).format(**values)}", soft_wrap=True)

    def head(name: str, /, **values: object) -> None:
        console.print(f"\n[bold]{text(name).format(**values)}[/bold]")

    def wait(name: str, ready: Callable[[], bool]) -> None:
        start = time.monotonic()
        with console.status(text(name)):
            patiently(ready, lambda: None)
        console.print(f"  [green]✓[/green] {text(name)} ({time.monotonic() - start:.0f} s)")

    return Teller(say=say, wait=wait, head=head)


def _reasons(console: Console, decision: Decision, language: str) -> int:
    count = 0
    for one in decision.refused:
        for finding in one.findings:
            count += 1
            console.print(f"  [red]✗[/red] {one.signatory}: {finding.message(language)}", soft_wrap=True)
            if finding.remedy(language):
                console.print(f"      → {finding.remedy(language)}", soft_wrap=True)
    return count


def _write_records(qcp: LocalQcp, output: Path, subscription: str, fingerprint: str) -> int:
    """Write the certificate, its chain, the sealed request, the dossier and the journal; say how many facts it has."""
    credential = qcp.ports.signers["default"].credential(fingerprint=Fingerprint(fingerprint))
    (output / "certificate.pem").write_text(_pem(credential.chain[0]))
    (output / "chain.pem").write_text("".join(_pem(der) for der in credential.chain[1:]))
    state = qcp.engine.streams.load(subscription).state
    (output / "certificate-request.pdf").write_bytes(qcp.collectes.read(state.request.sealed))
    entries, head = qcp.records.journal(subscription)
    facts = {one.sequence: json.loads(codec.pack_fact(one.fact))["data"] for one in qcp.records.history(subscription)}
    (output / "dossier.asice").write_bytes(qcp.evidence.export(subscription))
    text = journal_file.write(entries, head=head, facts=facts)
    (output / "journal.json").write_text(text)
    journal_file.check(text)
    return len(entries)


def _pem(der: bytes) -> str:
    body = "\n".join(textwrap.wrap(base64.b64encode(der).decode(), 64))
    return f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n"


if __name__ == "__main__":
    sys.exit(main())
