"""What a verification trusts: trusted lists, verified from pinned certificates, from one directory.

Either a snapshot that `qcp-sdk trust update` made, from the list of lists down (`snapshots`), or lists of your own::

    trust/
      lists/*.xml        trusted lists (ETSI TS 119 612), as published
      operators/*.pem    the certificates of the scheme operators that may sign them, pinned by you
      revocation/*.crl   optional: revocation lists, DER or PEM, beside what each document brings

Nothing is fetched here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Final

from attrs import define, field

from qcp_sdk.errors import TrustListError
from qcp_sdk.values import Fingerprint
from qcp_sdk.verification import lists, own, snapshots
from qcp_sdk.verification.lotl import ListOfLists
from qcp_sdk.verification.pinned import certificates, content, files
from qcp_sdk.verification.report import ListOfListsUsed, ListUsed
from qcp_sdk.verification.services import Service, TrustedList

LARGEST_CRL: Final = 64 * 1024 * 1024


@define(frozen=True, kw_only=True, slots=False)
class TrustStore:
    """Trusted lists and revocation lists, read and verified once; never changes. Share it between verifications.

    `TrustStore()` trusts nobody: verification then says what can be said without trust.
    """

    lists: tuple[TrustedList, ...] = ()
    crls: tuple[bytes, ...] = field(default=(), repr=False)
    """DER."""
    list_of_lists: ListOfLists | None = None
    """What the lists were found through; None where you gave them yourself."""
    on_first_use: bool = False
    """Whether who signed the list of lists was pinned from that very list (`trust update --first-use`)."""
    pivots: tuple[str, ...] = field(default=(), repr=False)
    """SHA-256 of the pivots that were walked."""

    @classmethod
    def load(cls, directory: Path) -> TrustStore:
        """Read a trust directory. A list that was read before, unchanged, is not read again.

        Raises:
            TrustListError: A directory or file is missing or unreadable, or a list's signature does not hold.
        """
        folder = snapshots.current(directory)
        if folder is not None:
            return cls._of_snapshot(directory, folder)
        operators = tuple(der for path in files(directory / "operators", "pem") for der in certificates(path))
        paths = files(directory / "lists", "xml")
        if not paths:
            raise TrustListError(
                "it holds no trusted list", where=str(directory / "lists"), mend="put trusted lists there as `*.xml`"
            )
        if not operators:
            raise TrustListError(
                "no scheme operator is pinned",
                where=str(directory / "operators"),
                mend="put the certificates of those who may sign lists there as `*.pem`",
            )
        found = tuple(lists.read(content(path), operators, path.name) for path in paths)
        _refuse_rivals(found, paths)
        return cls(lists=found, crls=_crls(directory))

    @classmethod
    def _of_snapshot(cls, directory: Path, folder: Path) -> TrustStore:
        found = snapshots.load(directory, folder)
        _, pivots, _ = snapshots.parts(folder)
        return cls(
            lists=found.lists,
            crls=_crls(directory),
            list_of_lists=found.list_of_lists,
            on_first_use=found.on_first_use,
            pivots=tuple(hashlib.sha256(one).hexdigest() for one in pivots),
        )

    @cached_property
    def snapshot(self) -> str:
        """SHA-256 over the names of the lists: the same snapshot, the same lists. Hexadecimal."""
        above = () if self.list_of_lists is None else (self.list_of_lists.sha256, *self.pivots)
        return snapshots.name_of([*above, *(one.sha256 for one in self.lists)])

    @property
    def is_test(self) -> bool:
        """Whether a list is of a test scheme. Production refuses such a store."""
        return any(one.is_test for one in self.lists)

    def used(self, now: datetime) -> tuple[ListUsed, ...]:
        """Give the lists as a report names them."""
        return tuple(
            ListUsed(
                territory=one.territory,
                operator=one.operator,
                sequence=one.sequence,
                issued_at=one.issued_at,
                next_update=one.next_update or one.issued_at,
                sha256=one.sha256,
                expired=self._stale(now) or one.expired(now),
            )
            for one in self.lists
        )

    def used_list_of_lists(self, now: datetime) -> ListOfListsUsed | None:
        """Give the list of lists as a report names it."""
        one = self.list_of_lists
        if one is None:
            return None
        return ListOfListsUsed(
            territory=one.territory,
            operator=one.operator,
            sequence=one.sequence,
            issued_at=one.issued_at,
            next_update=one.next_update or one.issued_at,
            sha256=one.sha256,
            expired=one.expired(now),
            signed_by=Fingerprint(hashlib.sha256(one.signed_by).hexdigest()),
            pinned_on_first_use=self.on_first_use,
        )

    def _stale(self, now: datetime) -> bool:
        """Whether the list of lists should have been replaced: who may sign a list is then unknown."""
        return self.list_of_lists is not None and self.list_of_lists.expired(now)

    def services(self, now: datetime) -> Services:
        """Give the services of the lists that are in force now; an expired list counts for nothing."""
        key = tuple(not (self._stale(now) or one.expired(now)) for one in self.lists)
        found = self._services.get(key)
        if found is None:
            current = [one for one, counts in zip(self.lists, key, strict=True) if counts]
            found = self._services[key] = Services.of(service for one in current for service in one.services)
        return found

    @cached_property
    def _services(self) -> dict[tuple[bool, ...], Services]:
        return {}


@define(frozen=True, kw_only=True, slots=False)
class Services:
    """Listed services, found by the certificates that name them."""

    by_identity: dict[bytes, tuple[Service, ...]] = field(repr=False)
    issuers: tuple[bytes, ...] = field(repr=False)
    """Certificates (DER) of services that issue certificates: where a trust path may end."""
    stampers: tuple[bytes, ...] = field(repr=False)
    """Certificates (DER) of services that stamp time."""

    @classmethod
    def of(cls, services: Iterable[Service]) -> Services:
        """Arrange services by identity."""
        by_identity: dict[bytes, list[Service]] = {}
        issuers: dict[bytes, None] = {}
        stampers: dict[bytes, None] = {}
        for service in services:
            for der in service.identities:
                name = identity(der)
                if name is None:
                    continue  # a list may hold a certificate that no one can read; it names nobody
                by_identity.setdefault(name, []).append(service)
                if service.issues_certificates:
                    issuers[der] = None
                if service.stamps_time:
                    stampers[der] = None
        return cls(
            by_identity={name: tuple(found) for name, found in by_identity.items()},
            issuers=tuple(issuers),
            stampers=tuple(stampers),
        )

    def on(self, path: Iterable[bytes]) -> tuple[Service, ...]:
        """Give the services that the certificates of a path name, nearest to the path's beginning first."""
        found = (service for der in path for service in self.by_identity.get(identity(der) or b"", ()))
        return tuple(dict.fromkeys(found))


@lru_cache(maxsize=4_096)
def identity(der: bytes) -> bytes | None:
    """Name who a certificate is of: its subject and public key (TS 119 612 § 5.5.3). None: it cannot be read."""
    try:
        certificate = own.certificate(der)
        return hashlib.sha256(certificate.subject.hashable.encode() + b"\0" + certificate.public_key.dump()).digest()
    except (ValueError, TypeError, KeyError, IndexError):
        return None


def _refuse_rivals(found: tuple[TrustedList, ...], files: list[Path]) -> None:
    """Two lists of one territory: whoever kept the old one would decide what counts."""
    first: dict[str, Path] = {}
    for one, path in zip(found, files, strict=True):
        if one.territory in first:
            raise TrustListError(
                f"it is a second list of territory `{one.territory}`, beside `{first[one.territory].name}`",
                where=path.name,
                mend="keep the newest only",
            )
        first[one.territory] = path


def _crls(directory: Path) -> tuple[bytes, ...]:
    folder = directory / "revocation"
    return tuple(_crl(path) for path in files(folder, "crl")) if folder.is_dir() else ()


def _crl(path: Path) -> bytes:
    from asn1crypto import crl, pem  # type: ignore[import-untyped]

    found = content(path, LARGEST_CRL)
    try:
        der = bytes(pem.unarmor(found)[2]) if pem.detect(found) else found
        crl.CertificateList.load(der, strict=True)["tbs_cert_list"]["this_update"].native  # noqa: B018  # same
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise TrustListError(
            "it is not a revocation list", where=path.name, mend="fetch it again, or remove it"
        ) from error
    return der
