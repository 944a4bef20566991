"""Writing a dossier: everything that proves one subscription or one signature, in one sealed file (behaviour § 8)."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from qcp_sdk import codec, journal_file
from qcp_sdk.engine import Engine
from qcp_sdk.engine.collaborators import DEFAULT, routed
from qcp_sdk.errors import ConfigurationError, Rejected
from qcp_sdk.evidence import container, manifest
from qcp_sdk.evidence.container import Container
from qcp_sdk.evidence.story import mentioned, story
from qcp_sdk.facts import Fact
from qcp_sdk.host.records import Records
from qcp_sdk.values import AccountId, ContentHash, TenantId

if TYPE_CHECKING:
    from qcp_sdk.evidence.sealing import EvidenceSeal

README: Final = "LISEZMOI-README.txt"
JOURNAL: Final = "journal.json"
STORY: Final = "story.json"

EXPLAINED: Final = """\
Ce fichier est un dossier de preuve : un conteneur ASiC-E (ETSI EN 319 162-1), scellé et horodaté.
  story.json     ce qui s'est passé, par sujet
  journal.json   chaque fait dans l'ordre, tel qu'il a été scellé et chaîné au moment où il a été enregistré
  documents/     les documents, chacun sous son empreinte SHA-256
  certificates/  les certificats
  revocation/    les listes de révocation au moment du scellement
Vérifier :  qcp-sdk evidence verify DOSSIER --anchor AUTORITE.pem

This file is an evidence dossier: an ASiC-E container (ETSI EN 319 162-1), sealed and timestamped.
  story.json     what happened, by subject
  journal.json   every fact in order, as it was sealed and chained when it was recorded
  documents/     the documents, each under its SHA-256
  certificates/  the certificates
  revocation/    the revocation lists at the time of sealing
To verify:  qcp-sdk evidence verify DOSSIER --anchor AUTHORITY.pem

openssl cms -verify -cades -binary -inform DER -in META-INF/signature.p7s \\
        -content META-INF/ASiCManifest.xml -CAfile AUTHORITY.pem -purpose any -out /dev/null
"""


class Dossiers:
    """Writes the dossiers of one installation."""

    def __init__(self, engine: Engine, records: Records, seal: EvidenceSeal | None) -> None:
        self._engine, self._records, self._seal = engine, records, seal

    @property
    def seal(self) -> EvidenceSeal | None:
        """What dossiers are sealed with; None: nothing."""
        return self._seal

    def export(self, id: str) -> bytes:
        """Give the dossier of a subscription or ceremony as it stands now; at most 512 MB.

        Codes are in it as sent and entered, never as such. Documents that the facts name and the installation does
        not keep (the consents' texts, which are the host's) are listed as kept elsewhere.

        Raises:
            NotFound: Nothing is known under this id.
            ConfigurationError: This installation has no seal for dossiers.
            Unavailable: No timestamp or no document for the moment.
        """
        if self._seal is None:
            raise ConfigurationError(
                "dossiers cannot be sealed", where="evidence", mend="give `Qcp` an `EvidenceSeal` as `evidence`"
            )
        entries, head = self._records.journal(id)
        facts = {one.sequence: readable(one.fact) for one in self._records.history(id)}
        text = journal_file.write(entries, head=head, facts=facts)
        rows = json.loads(text)["entries"]
        documents = kept(self._engine, rows)
        files: dict[str, bytes] = {
            README: EXPLAINED.encode(),
            STORY: story(rows, kept=frozenset(documents)).encode(),
            JOURNAL: text.encode(),
            **{document_name(hash): content for hash, content in documents.items()},
            **certificates(rows),
        }
        for number, crl in enumerate(self._seal.revocation_lists(), start=1):
            files[f"revocation/{number}.crl"] = crl
        signed = manifest.write(files)
        signature = self._seal.sign(signed, at=self._engine.ports.clock.now())
        return container.write(Container(files=files, manifest=signed, signature=signature))

    def person(self, *, account: AccountId, tenant: TenantId = TenantId("")) -> bytes:
        """Give everything that is kept about a person, as one ZIP archive that they can read; not sealed.

        A page for each subscription and signature, with the documents and certificates that they name. Other
        signatories of a collecte are left out, and so is what was erased.

        Raises:
            NotFound: Nothing is kept about this account.
            Unavailable: A document is not to be had for the moment.
        """
        from qcp_sdk.evidence import person

        return person.export(self._engine, self._records, account, tenant)


def kept(engine: Engine, rows: Sequence[Mapping[str, Any]]) -> dict[str, bytes]:
    """Give the documents (`sha256:…`) that the facts name and the installation keeps."""
    shelf = routed(engine.ports.documents, DEFAULT, "documents")
    found: dict[str, bytes] = {}
    for hash in dict.fromkeys(mentioned(rows)):
        try:
            found[hash] = shelf.read(document=ContentHash(hash))
        except Rejected as rejected:
            if rejected.reason != "unknown_document":
                raise
    return found


def readable(fact: Fact) -> Any:
    """Give what a fact holds as JSON has it."""
    return json.loads(codec.pack_fact(fact))["data"]


def document_name(hash: str) -> str:
    """Name the file of a document (`sha256:…`)."""
    return f"documents/{hash.removeprefix('sha256:')}.pdf"


def certificates(rows: Sequence[Mapping[str, Any]]) -> dict[str, bytes]:
    """Give the certificates that were issued, as PEM files named by their fingerprints."""
    found = {}
    for row in rows:
        if row["kind"] == "certificate_issued":
            told = row["fact"]["certificate"]
            der = base64.b64decode(told["der"])
            found[f"certificates/{told['fingerprint']}.pem"] = _pem(der)
    return found


def _pem(der: bytes) -> bytes:
    text = base64.encodebytes(der).decode("ascii")
    lines = text.replace("\n", "")
    wrapped = "\n".join(lines[start : start + 64] for start in range(0, len(lines), 64))
    return f"-----BEGIN CERTIFICATE-----\n{wrapped}\n-----END CERTIFICATE-----\n".encode()
