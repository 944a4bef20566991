"""Everything that is kept about a person, in one file to read and to take elsewhere (GDPR articles 15 and 20)."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote

from qcp_sdk import journal
from qcp_sdk.engine import Engine
from qcp_sdk.engine.streams import owned
from qcp_sdk.errors import NotFound
from qcp_sdk.evidence.dossier import certificates, document_name, kept, readable
from qcp_sdk.evidence.story import story
from qcp_sdk.host.records import Records
from qcp_sdk.values import AccountId, TenantId

README: Final = "LISEZMOI-README.txt"
EXPLAINED: Final = """\
Ce fichier contient tout ce qui est conservé au sujet d'une personne : ses souscriptions et ses signatures.
  souscriptions-subscriptions/  une page par souscription : ce qui s'est passé, par sujet
  signatures/                   une page par signature : ce qui s'est passé, par sujet
  documents/                    les documents que ces pages nomment, chacun sous son empreinte SHA-256
  certificates/                 les certificats émis
Les pages sont en JSON (RFC 8259, UTF-8) ; les instants sont en UTC. Les autres signataires n'y figurent pas.

This file holds everything that is kept about a person: their subscriptions and their signatures.
  souscriptions-subscriptions/  a page a subscription: what happened, by subject
  signatures/                   a page a signature: what happened, by subject
  documents/                    the documents that these pages name, each under its SHA-256
  certificates/                 the certificates that were issued
Pages are JSON (RFC 8259, UTF-8); instants are in UTC. Other signatories are left out.
"""
_FOLDERS: Final[Mapping[str, str]] = {"account": "souscriptions-subscriptions", "signatory": "signatures"}
"""The folder of what each index finds."""
_OLDEST: Final = (1980, 1, 1, 0, 0, 0)
"""The same export gives the same bytes: a ZIP file's times begin here."""


def export(engine: Engine, records: Records, account: AccountId, tenant: TenantId) -> bytes:
    """Give the file, a ZIP archive. What was erased is not in it.

    Raises:
        NotFound: Nothing is kept about this account.
        Unavailable: A document is not to be had for the moment.
    """
    files: dict[str, bytes] = {}
    for index, folder in _FOLDERS.items():
        value = engine.streams.blind(index, owned(tenant, account))
        for id in engine.ports.store.find(index=index, value=value):
            rows = list(_rows(records, id))
            documents = kept(engine, rows)
            files[f"{folder}/{quote(id, safe='')}.json"] = story(rows, kept=frozenset(documents)).encode()
            files |= {document_name(hash): content for hash, content in documents.items()}
            files |= certificates(rows)
    if not files:
        raise NotFound("nothing is kept about this account", mend="check the account and the tenant")
    return _zipped({README: EXPLAINED.encode(), **files})


def _rows(records: Records, id: str) -> Iterator[dict[str, Any]]:
    for one in records.history(id):
        fact = readable(one.fact)
        if one.fact.kind == "ceremony_opened":  # the collecte is everybody's; this file is one person's
            signatories = fact["collecte"]["signatories"]
            fact["collecte"]["signatories"] = [other for other in signatories if other["id"] == fact["signatory"]]
        yield {
            "stream": id,
            "sequence": one.sequence,
            "at": journal.instant(one.at),
            "kind": one.fact.kind,
            "fact": fact,
        }


def _zipped(files: Mapping[str, bytes]) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, _OLDEST), content, zipfile.ZIP_DEFLATED)
    return written.getvalue()
