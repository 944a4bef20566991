"""The local trust centre: all that a trust service provider does, in one folder, for tests and demonstrations."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import ClassVar, Final

from attrs import field, frozen

from qcp_sdk.adapters.local_trust_centre.authority import LocalAuthority
from qcp_sdk.adapters.local_trust_centre.hierarchy import Hierarchy
from qcp_sdk.adapters.local_trust_centre.revocation import Revocation
from qcp_sdk.adapters.local_trust_centre.signer import BATCH, LocalSigner
from qcp_sdk.adapters.local_trust_centre.storage import Database
from qcp_sdk.adapters.local_trust_centre.timestamps import LocalTimestamps
from qcp_sdk.adapters.shared.keystore import KeyStore, KeyType, PrivateKey, algorithm, sign_digest
from qcp_sdk.adapters.shared.profiles import COUNTRY
from qcp_sdk.certificates import Holding, fingerprint
from qcp_sdk.errors import ConfigurationError
from qcp_sdk.levels import CertificateLevel
from qcp_sdk.people import Account
from qcp_sdk.ports.clock import Clock
from qcp_sdk.ports.codes import Codes
from qcp_sdk.ports.keys import Keys
from qcp_sdk.ports.signer import Credential
from qcp_sdk.values import Secret

BASE_URL: Final = "http://trust.example.org"
"""Reserved for examples (RFC 2606): nobody's, and yet a public name, as the linters of certificates want one."""

DigestSigner = Callable[[bytes], bytes]
"""Signs a SHA-256 digest: raw for RSA (PKCS#1 v1.5), DER of r and s for ECDSA."""


@frozen(kw_only=True)
class CentreCertificates:
    """The centre's own certificates, DER: what a trusted list publishes and a verifier anchors."""

    root: bytes = field(repr=False)
    lcp: bytes = field(repr=False)
    """Issues LCP certificates, and the platform's seal."""
    qcp: bytes = field(repr=False)
    """Issues QCP-n certificates: the CA/QC service of a trusted list."""
    timestamps: bytes = field(repr=False)
    """The time-stamping unit: the TSA/QTST service of a trusted list."""
    seal: bytes = field(repr=False)
    """The platform's seal on certificate requests."""


@frozen(kw_only=True)
class Operator:
    """The scheme operator who signs the local trusted list."""

    certificate: bytes = field(repr=False)
    """DER; self-signed, with the extended key usage tslSigning (TS 119 612 § 5.7.1)."""
    key: PrivateKey = field(repr=False)


class LocalTrustCentre:
    """Opens the trust centre of this folder, and makes it first if there is none.

    It holds a test hierarchy (root, LCP and QCP-n authorities, OCSP responders, time-stamping unit, platform seal,
    trusted list operator), the holders' keys encrypted under `passphrase`, and what it issued and revoked, in
    SQLite. Several processes may open one folder. `key_type` is that of every key made from now on: P-256 signs
    some 70 times faster than RSA-3072 at the same strength and makes smaller PDFs; RSA is for readers that know
    nothing else. `base_url` is where certificates say that lists and answers are.

    Raises:
        ConfigurationError: The folder or its key store cannot be used, the passphrase is not its own, or there is no
            such key type.
        Unavailable: Another process has been making the hierarchy for a minute: try again.
    """

    simulated: ClassVar[bool] = True
    """Never in production: the engine's guard reads this."""

    def __init__(
        self,
        directory: Path,
        *,
        clock: Clock,
        passphrase: Secret,
        base_url: str = BASE_URL,
        key_type: KeyType = "p256",
    ) -> None:
        if not base_url.startswith(("http://", "https://")):
            raise ConfigurationError(f"`{base_url}` is no web address", where="base_url", mend="begin it with http://")
        self._clock = clock
        self._keys = KeyStore(directory / "keys", passphrase)
        self._database = Database(directory / "trust-centre.sqlite")
        self._hierarchy = Hierarchy(
            database=self._database, keys=self._keys, clock=clock, base_url=base_url, key_type=key_type
        )
        self._revocation = Revocation(database=self._database, hierarchy=self._hierarchy, clock=clock)

    def authority(self, level: CertificateLevel, *, decision_after: timedelta = timedelta(0)) -> LocalAuthority:
        """Give the authority of this level; it decides `decision_after` the request, meanwhile it is pending.

        Raises:
            ConfigurationError: No certificates of this level are issued here (LCP and QCP_N are).
        """
        return LocalAuthority(
            level=level,
            database=self._database,
            hierarchy=self._hierarchy,
            clock=self._clock,
            decision_after=decision_after,
        )

    def enrol(
        self, account: Account, *, level: CertificateLevel = CertificateLevel.LCP, country: str = COUNTRY
    ) -> Holding:
        """Issue a certificate to an account outside any subscription, as if its holder had been here before.

        Raises:
            ConfigurationError: No certificates of this level are issued here.
            InvalidValue: The country is not two letters.
            Unavailable: The database or the key store does not answer.
        """
        return self.authority(level).enrol(account=account, country=country)

    def refuse_next(self, reason: str, *, level: CertificateLevel = CertificateLevel.QCP_N) -> None:
        """Refuse the next application at this level, for this reason: a script for tests and demonstrations."""
        self.authority(level).refuse_next(reason=reason)

    def signer(
        self,
        *,
        codes: Codes,
        keys: Keys,
        answer_after: timedelta = timedelta(0),
        batch: int = BATCH,
    ) -> LocalSigner:
        """Give the remote signing service for the holders' keys; it sends its own codes through `codes`."""
        return LocalSigner(
            database=self._database,
            hierarchy=self._hierarchy,
            key_store=self._keys,
            clock=self._clock,
            codes=codes,
            keys=keys,
            answer_after=answer_after,
            batch=batch,
        )

    def timestamps(self) -> LocalTimestamps:
        """Give the time-stamping authority."""
        return LocalTimestamps(hierarchy=self._hierarchy, clock=self._clock)

    def ocsp(self, *, certificate: bytes, issuer: bytes) -> bytes | None:
        """Give an OCSP answer, as `adapters.shared.revocation.RevocationSource`."""
        return self._revocation.ocsp(certificate=certificate, issuer=issuer)

    def crl(self, *, issuer: bytes, certificate: bytes | None = None) -> bytes | None:  # noqa: ARG002  # one list each
        """Give the present revocation list, as `adapters.shared.revocation.RevocationSource`."""
        return self._revocation.crl(issuer=issuer)

    def issuer(self, *, certificate: bytes) -> bytes | None:
        """Give the issuing certificate, as `adapters.shared.revocation.RevocationSource`."""
        return self._revocation.issuer(certificate=certificate)

    def seal_credential(self) -> tuple[Credential, DigestSigner]:
        """Give the platform's seal: its credential, and the function that signs a SHA-256 digest with it."""
        held = self._hierarchy.held("seal")
        credential = Credential(
            fingerprint=fingerprint(held.der),
            chain=self._hierarchy.chain("seal"),
            algorithm=algorithm(held.key),
        )
        return credential, lambda digest: sign_digest(held.key, digest)

    def certificates(self) -> CentreCertificates:
        """Give the centre's own certificates."""
        return CentreCertificates(
            root=self._hierarchy.held("root").der,
            lcp=self._hierarchy.held("lcp").der,
            qcp=self._hierarchy.held("qcp").der,
            timestamps=self._hierarchy.held("tsu").der,
            seal=self._hierarchy.held("seal").der,
        )

    def operator(self) -> Operator:
        """Give the key and certificate that sign the local trusted list."""
        held = self._hierarchy.held("operator")
        return Operator(certificate=held.der, key=held.key)
