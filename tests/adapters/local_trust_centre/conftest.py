"""A trust centre in a temporary folder, with a clock that tests move, and codes that tests read."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from attrs import evolve, frozen

from qcp_sdk.adapters.local_trust_centre import LocalSigner, LocalTrustCentre
from qcp_sdk.adapters.memory.clock import ManualClock
from qcp_sdk.adapters.memory.codes import MemoryCodes
from qcp_sdk.adapters.memory.keys import MemoryKeys
from qcp_sdk.adapters.shared.keystore import KeyStore, KeyType
from qcp_sdk.certificates import Certificate
from qcp_sdk.identity import DocumentKind, IdentityEvidence, Proofing, ProvenIdentity
from qcp_sdk.levels import CertificateLevel
from qcp_sdk.people import Account
from qcp_sdk.subscription.effects import Application
from qcp_sdk.subscription.facts import CertificateIssued
from qcp_sdk.values import (
    AccountId,
    BirthDate,
    ContentHash,
    EmailAddress,
    Key,
    PersonName,
    PhoneNumber,
    Secret,
    SubscriptionId,
)

START = datetime(2026, 3, 2, 9, 0, 0, 250_000, tzinfo=UTC)
PASSPHRASE = Secret("a passphrase for tests only")
REQUEST = ContentHash("sha256:" + "ab" * 32)


def person(number: int = 0) -> Account:
    return Account(
        id=AccountId(f"account-{number}"),
        name=PersonName(given="Élodie Anne", last="D'Œuvrard-Nuñez"),
        email=EmailAddress(f"person{number}@example.org"),
        mobile=PhoneNumber(f"+3363998{number:04d}"),
    )


def application(number: int = 0) -> Application:
    return Application(
        subscription=SubscriptionId(f"subscription-{number}"),
        account=person(number),
        identity=ProvenIdentity(
            name=PersonName(given="Élodie Anne Marie", last="D'Œuvrard-Nuñez"),
            birth_date=BirthDate(date(1979, 12, 31)),
            document=DocumentKind.PASSPORT,
            issuing_country="FR",
            valid_until=date(2033, 1, 15),
        ),
        evidence=IdentityEvidence(provider="Exemple", reference="proof", proofing=Proofing.BASELINE),
    )


@frozen(kw_only=True)
class World:
    """A centre and what stands around it."""

    directory: Path
    clock: ManualClock
    codes: MemoryCodes
    centre: LocalTrustCentre

    passphrase: Secret = PASSPHRASE
    request: ContentHash = REQUEST

    def person(self, number: int = 0) -> Account:
        return person(number)

    def application(self, number: int = 0) -> Application:
        return application(number)

    def signer(self, *, answer_after: timedelta = timedelta(0), batch: int = 3) -> LocalSigner:
        return self.centre.signer(codes=self.codes, keys=MemoryKeys(), answer_after=answer_after, batch=batch)

    def reopened(self) -> World:
        """Another process, later."""
        centre = LocalTrustCentre(self.directory, clock=self.clock, passphrase=PASSPHRASE)
        return evolve(self, centre=centre)

    def issue(self, number: int = 0, level: CertificateLevel = CertificateLevel.QCP_N) -> Certificate:
        """Issue in answer to an application, and give the certificate."""
        answer = self.centre.authority(level).submit(
            key=Key(f"s{number}/{level.name}/0"), application=application(number), request=REQUEST
        )
        assert isinstance(answer, CertificateIssued)
        return answer.certificate


def make_world(directory: Path, key_type: KeyType = "p256") -> World:
    clock = ManualClock(START)
    KeyStore(directory / "keys", PASSPHRASE, work=16)  # quick, and the centre takes the store that it finds
    centre = LocalTrustCentre(directory, clock=clock, passphrase=PASSPHRASE, key_type=key_type)
    return World(directory=directory, clock=clock, codes=MemoryCodes(), centre=centre)


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_world(tmp_path_factory.mktemp("centre") / "made").directory


@pytest.fixture
def world(made_once: Path, tmp_path: Path) -> World:
    """A new centre; copied, because making one takes three times as long as opening it."""
    return make_world(Path(shutil.copytree(made_once, tmp_path / "centre")))


@pytest.fixture(scope="session", params=["p256", "rsa-2048"])
def steady(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> World:
    """A centre whose clock stands still, for judges; one of each kind of key."""
    return make_world(tmp_path_factory.mktemp("centre") / "made", request.param)


@pytest.fixture(scope="session")
def openssl() -> Callable[..., str]:
    return run_openssl


def run_openssl(*arguments: str | Path) -> str:
    """Run openssl as of START, and give all that it said; the test fails when it fails."""
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr
