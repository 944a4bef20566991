"""The REST API: who we are, what it may answer; and the question whether somebody holds a certificate."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Final

from qcp_sdk.adapters.shared.fields import Fields
from qcp_sdk.adapters.shared.http import Answer, HeaderValue, Http
from qcp_sdk.adapters.shared.probing import told_time
from qcp_sdk.errors import ConfigurationError, PortError, Rejected
from qcp_sdk.levels import CertificateLevel
from qcp_sdk.people import Account
from qcp_sdk.policy.evidence import Attestation
from qcp_sdk.ports.clock import Clock
from qcp_sdk.values import Secret

LIVE: Final = "https://api.universign.com"
PREPRODUCTION: Final = "https://api.alpha.universign.com"
"""Both [read]: apps.universign.com/docs/api."""
LEVELS: Final = {
    CertificateLevel.LCP: "lcp",
    CertificateLevel.QCP_N: "qcp",
    CertificateLevel.QCP_N_QSCD: "qcpnqscd",
}
MATCHING: Final = "/v1/certificates/match"
NAME: Final = "Universign"
"""What policies call it."""
MATCHED: Final = ("name", "email", "mobile")
"""What is compared: all three are given, and "the certificate must match all constraints" [read]."""


class UniversignApi:
    """Asks one workspace's API. The key goes as a bearer token [read: guides/transactions/quick_start].

    Raises:
        ConfigurationError: The key is missing.
    """

    def __init__(self, http: Http, *, api_key: Secret) -> None:
        if not api_key:
            raise ConfigurationError("the API key is missing", where="universign", mend="give it")
        self._http = http
        self._headers: dict[str, HeaderValue] = {"authorization": Secret(f"Bearer {api_key.reveal()}")}

    def ask(
        self,
        method: str,
        path: str,
        *,
        acts: bool,
        form: dict[str, str | Secret] | None = None,
        expect: frozenset[int] = frozenset(),
    ) -> Answer:
        """Ask anything.

        Raises:
            Rejected: `data_refused`: Universign does not take the data.
            Unavailable: It was not reached, or does not know us.
            Unconfirmed: It `acts`, and its answer is lost.
        """
        return self._http.ask(
            method, path, acts=acts, form=form, headers=self._headers, expect=expect, explain=_plainly, quiet=True
        )

    def fields(self, method: str, path: str, *, acts: bool, form: dict[str, str | Secret] | None = None) -> Fields:
        """Ask, and give the answer's JSON object."""
        return Fields.of(self.ask(method, path, acts=acts, form=form))

    def upload(self, content: bytes) -> str:
        """Keep a PDF at Universign for a day [read], and give the file's id. Keeping it twice harms nothing."""
        boundary = f"qcp-{hashlib.sha256(content).hexdigest()}"
        # RFC 7578. A name would go to the provider without need: transactions name their documents themselves.
        part = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="document.pdf"\r\n'
            "Content-Type: application/pdf\r\n\r\n"
        )
        answer = self._http.ask(
            "POST",
            "/v1/files",
            acts=False,
            content=part.encode() + content + f"\r\n--{boundary}--\r\n".encode(),
            headers={**self._headers, "content-type": f"multipart/form-data; boundary={boundary}"},
            explain=_plainly,
            quiet=True,
        )
        return Fields.of(answer).text("id")

    def download(self, path: str, *, largest: int) -> Answer:
        """Fetch a file of at most so many bytes."""
        return self._http.ask("GET", path, acts=False, headers=self._headers, size=largest, quiet=True)

    def probe(self) -> datetime | None:
        """Ask for a certificate that nobody holds and give Universign's time. Nothing is changed.

        Raises:
            Unavailable: It was not reached, or does not know us.
        """
        return told_time(self.ask("POST", MATCHING, acts=False, form={"email": "doctor@example.org"}))


class UniversignCertificates:
    """Asks whether a person holds a valid certificate that fits: before a collecte is opened, for the policy."""

    def __init__(self, http: Http, *, api_key: Secret) -> None:
        self.api = UniversignApi(http, api_key=api_key)

    def match(self, *, email: str, name: str, mobile: str, level: CertificateLevel) -> bool:
        """Say whether there is a certificate of at least this level, neither expired nor revoked, in these data.

        Raises:
            Rejected: Universign does not take the data.
            Unavailable: It was not reached, or its answer cannot be used.
        """
        form: dict[str, str | Secret] = {
            "email": Secret(email),
            "fullname": Secret(name),
            "phone_number": Secret(mobile),
            "min_certificate_level": LEVELS[level],
        }
        return self.api.fields("POST", MATCHING, acts=False, form=form).flag("match_found")

    def attestation(self, person: Account, *, level: CertificateLevel, clock: Clock) -> Attestation | None:
        """Give the policy's evidence that this person holds such a certificate now; None: Universign knows of none.

        Raises:
            Rejected: Universign does not take the data.
            Unavailable: It was not reached, or its answer cannot be used.
        """
        found = self.match(email=person.email.text, name=person.name.full, mobile=person.mobile.text, level=level)
        return Attestation(provider=NAME, level=level, matched=MATCHED, at=clock.now()) if found else None


def _plainly(answer: Answer) -> PortError | None:
    """Say a refusal without Universign's words: they may repeat the data."""
    if answer.status in {400, 402, 409, 422}:
        return Rejected("Universign does not take the data of this person", reason="data_refused")
    return None
