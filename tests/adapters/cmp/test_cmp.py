"""What a certificate authority over CMP does when answers get lost, when it lies, and when somebody is erased."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from qcp_sdk.adapters.cmp import CmpAuthority, CmpClient, HeldKeys, SharedSecret
from qcp_sdk.adapters.memory.clock import ManualClock
from qcp_sdk.adapters.memory.keys import MemoryKeys
from qcp_sdk.adapters.shared.http import Http
from qcp_sdk.adapters.shared.notebook import FileNotebook
from qcp_sdk.certificates import StatusKind
from qcp_sdk.errors import ConfigurationError, Rejected, Unavailable, Unconfirmed
from qcp_sdk.ports.answers import Pending
from qcp_sdk.ports.authority import CertificateAuthority
from qcp_sdk.sandbox.cmp import REFERENCE, SECRET, CmpSandbox
from qcp_sdk.sandbox.faults import BAD_NETWORK, Fault, FaultKind
from qcp_sdk.sandbox.pki import SandboxPki
from qcp_sdk.sandbox.server import Sandbox
from qcp_sdk.subscription.facts import CertificateIssued, CertificatePending, CertificateRefused
from qcp_sdk.testing.conformance.authority import AuthorityConformance
from qcp_sdk.testing.conformance.examples import START, account, application, name_of
from qcp_sdk.testing.leaks import files, leaks
from qcp_sdk.testing.spoiling import faults_of, persistent
from qcp_sdk.values import Fingerprint, Key, Secret

KEY = Key("subscription-0/14/0")
REQUEST = name_of(b"the sealed request")


class Place:
    """A sandbox in process, a folder, and the adapter between them."""

    def __init__(self, folder: Path, clock: ManualClock, *, secret: str = SECRET) -> None:
        self.clock, self.folder = clock, folder
        self.sandbox = Sandbox(base=clock, only=["cmp"])
        served = self.sandbox.providers["cmp"]
        assert isinstance(served, CmpSandbox)
        self.cmp, self.secret = served, secret
        self.held = HeldKeys(folder / "keys", Secret("a passphrase"), work=2)
        self.revocation: Any = self.cmp.pki
        self.made = self.authority()

    def authority(self) -> CmpAuthority:
        pki = self.cmp.pki
        client = CmpClient(
            Http("https://sandbox.test/cmp", serve=self.sandbox),
            protection=SharedSecret(REFERENCE, Secret(self.secret), iterations=500),
            authority=pki.authority,
            clock=self.sandbox.clock,
        )
        return CmpAuthority(
            client,
            chain=(pki.authority, pki.root),
            keys=self.held,
            revocation=self.revocation,
            notebook=FileNotebook(self.folder / "n.sqlite", keys=MemoryKeys()),
            clock=self.sandbox.clock,
            issuer="QCP SDK sandbox (TEST)",
        )

    def submit(self) -> Any:
        return self.made.submit(key=KEY, application=application(), request=REQUEST)

    def issued(self) -> Fingerprint:
        told = self.submit()
        assert isinstance(told, CertificateIssued)
        return told.certificate.fingerprint

    def lose(self, message: str) -> None:
        """Lose the answer to the next message of this kind."""
        answered = self.cmp.message

        def losing(request: Any) -> Any:
            before = self.cmp.counts.get(message, 0)
            answer = answered(request)
            if self.cmp.counts.get(message, 0) > before:
                self.cmp.message = answered  # type: ignore[method-assign]
                return type(answer)(status=504, body=b"gateway timeout", type="text/plain")
            return answer

        self.cmp.message = losing  # type: ignore[method-assign]

    def valid(self) -> list[int]:
        """Give the numbers of certificates that were issued and are not revoked."""
        content = self.cmp.pki.crl(issuer=self.cmp.pki.authority)
        assert content is not None
        revoked = {one.serial_number for one in x509.load_der_x509_crl(content)}
        return sorted(self.cmp.pki._issued - revoked)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path, ManualClock(START))


@pytest.mark.long
class TestCmpOverABadNetwork(AuthorityConformance):
    """The exam, while three requests in ten fail, each in another way."""

    examples = 3

    @pytest.fixture(autouse=True)
    def _in_a_folder(self, tmp_path: Path) -> None:
        self.base, self.number = tmp_path, 0

    def make_authority(self, *, takes_time: bool = False, refuses: bool = False) -> CertificateAuthority:
        self.number += 1
        self.place = Place(self.base / str(self.number), self.clock)
        self.place.cmp.pending_after = timedelta(minutes=30 if takes_time else 0)
        if refuses:
            # A refusal whose answer is lost is forgotten by the authority, and so asked for anew.
            self.place.cmp.refusals += ["bad_cert_template"] * 40
        self.place.cmp.forgets = True
        self.place.sandbox.faults.unreliable(faults_of(11, BAD_NETWORK))
        return persistent(self.place.made)

    def restarted(self, authority: CertificateAuthority) -> CertificateAuthority:
        return persistent(self.place.authority())


@pytest.mark.parametrize("message", ["p10cr", "certconf"])
def test_a_lost_answer_never_makes_two_certificates(place: Place, message: str) -> None:
    place.lose(message)
    with pytest.raises(Unconfirmed):
        place.submit()
    with pytest.raises(Unavailable):
        place.made.outcome(key=KEY)
    place.made = place.authority()  # another process goes on
    fingerprint = place.issued()
    place.sandbox.advance(timedelta(hours=2))  # what nobody confirmed is revoked
    assert len(place.valid()) == 1
    assert place.made.status(fingerprint=fingerprint).kind is StatusKind.GOOD
    assert place.submit().certificate.fingerprint == fingerprint
    assert place.cmp.counts["p10cr"] == (2 if message == "p10cr" else 1)


@pytest.mark.parametrize("forgets", [False, True])
@pytest.mark.parametrize("fault", [FaultKind.LOST, FaultKind.GARBLED, FaultKind.DUPLICATED])
def test_a_confirmation_may_be_answered_twice_as_the_authority_likes(
    place: Place, fault: FaultKind, *, forgets: bool
) -> None:
    place.cmp.script({"forgets": forgets})
    place.sandbox.faults.add(Fault(kind=FaultKind.SLOW, provider="cmp", seconds=0))
    place.sandbox.faults.add(Fault(kind=fault, provider="cmp"))
    fingerprint = persistent(place).issued()
    place.sandbox.advance(timedelta(hours=2))
    assert (len(place.valid()), place.cmp.counts) == (1, {"p10cr": 1, "certconf": 2})
    assert place.made.status(fingerprint=fingerprint).kind is StatusKind.GOOD


@pytest.mark.parametrize("pends", [False, True])
def test_while_no_newer_list_speaks_of_a_forgotten_confirmation_nothing_is_ordered(
    place: Place, *, pends: bool
) -> None:
    place.cmp.forgets, place.cmp.pending_after = True, timedelta(minutes=1 if pends else 0)
    told = place.submit() if pends else None
    before = place.cmp.pki.crl(issuer=place.cmp.pki.authority)
    place.sandbox.advance(timedelta(minutes=2))

    def asked() -> Any:
        return place.made.ask(reference=told.reference) if told else place.submit()

    place.lose("certconf")
    with pytest.raises((Unavailable, Unconfirmed)):
        asked()
    for list_ in (before, None, b"no list"):
        place.revocation = Lists(list_)
        place.made = place.authority()
        with pytest.raises(Unavailable if pends else Unconfirmed):
            asked()
        assert place.cmp.counts["p10cr"] == 1
    place.revocation = place.cmp.pki
    place.made = place.authority()
    assert isinstance(asked(), CertificateIssued)
    assert (len(place.valid()), place.cmp.counts["p10cr"]) == (1, 1)


def test_a_certificate_that_the_authority_dropped_is_made_anew(place: Place) -> None:
    place.sandbox.faults.add(Fault(kind=FaultKind.SLOW, provider="cmp", seconds=0))
    place.sandbox.faults.add(Fault(kind=FaultKind.DOWN, provider="cmp"))  # the confirmation is not taken
    with pytest.raises(Unavailable):
        place.submit()
    place.sandbox.advance(timedelta(hours=2))
    assert place.valid() == []
    fingerprint = place.issued()
    assert len(place.valid()) == 1
    assert place.made.status(fingerprint=fingerprint).kind is StatusKind.GOOD


def test_a_request_that_the_authority_forgot_is_asked_for_anew(place: Place) -> None:
    place.cmp.pending_after = timedelta(minutes=30)
    told = place.submit()
    assert isinstance(told, CertificatePending)
    place.cmp.transactions.clear()
    assert isinstance(place.made.ask(reference=told.reference), Pending)
    place.sandbox.advance(timedelta(hours=1))
    assert isinstance(place.made.ask(reference=told.reference), CertificateIssued)
    assert len(place.valid()) == 1


def test_a_revocation_whose_answer_is_lost_is_found(place: Place) -> None:
    fingerprint = place.issued()
    place.lose("rr")
    with pytest.raises(Unconfirmed):
        place.made.revoke(key=Key("s/1/0"), fingerprint=fingerprint, reason="key_compromise")
    told = place.made.revoke(key=Key("s/1/0"), fingerprint=fingerprint, reason="key_compromise")
    assert (told.reason, place.valid()) == ("key_compromise", [])


def of_another_key(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    certify = place.cmp.pki.certify

    def swapped(_public: Any, **named: Any) -> Any:
        return certify(ec.generate_private_key(ec.SECP256R1()).public_key(), **named)

    monkeypatch.setattr(place.cmp.pki, "certify", swapped)


def of_another_authority(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    other = SandboxPki(clock=place.sandbox.clock)  # of the same name
    monkeypatch.setattr(place.cmp.pki, "certify", other.certify)


@pytest.mark.parametrize("lie", [of_another_key, of_another_authority])
def test_a_certificate_that_is_not_ours_is_not_taken(
    place: Place, monkeypatch: pytest.MonkeyPatch, lie: Callable[[Place, pytest.MonkeyPatch], None]
) -> None:
    lie(place, monkeypatch)
    told = place.submit()
    assert told == CertificateRefused(reason="unusable_certificate")
    assert (place.valid(), place.cmp.transactions) == ([], {})
    assert place.made.holdings(account=account()) == ()


def test_wrong_credentials_are_a_matter_of_configuration(tmp_path: Path) -> None:
    place = Place(tmp_path, ManualClock(START), secret="wrong")
    with pytest.raises(Unconfirmed, match="its protection does not hold"):  # nor can the answer be believed
        place.submit()
    assert place.valid() == []


@pytest.mark.parametrize("chain", [(), (b"nothing",)])
def test_a_chain_that_is_none_is_refused_at_once(place: Place, chain: tuple[bytes, ...]) -> None:
    with pytest.raises(ConfigurationError):
        CmpAuthority(
            place.made._client, chain=chain, keys=place.held, revocation=place.revocation,
            notebook=place.made._notebook, clock=place.clock, issuer="",
        )  # fmt: skip
    with pytest.raises(ConfigurationError):
        CmpClient(Http("https://a.test"), protection=SharedSecret("", Secret("")), authority=b"", clock=place.clock)


def test_what_the_authority_revokes_itself_is_seen_on_its_list(place: Place) -> None:
    fingerprint = place.issued()
    assert place.made.mobile_of(fingerprint) == account().mobile
    place.cmp.pki.revoke_serial(place.valid()[0])
    assert place.made.status(fingerprint=fingerprint).kind is StatusKind.REVOKED
    assert place.made.mobile_of(fingerprint) is None


class Lists:
    """A source of revocation data that gives what it is told."""

    def __init__(self, told: Any) -> None:
        self.told = told

    def ocsp(self, *, certificate: bytes, issuer: bytes) -> bytes | None:
        return None

    def crl(self, *, issuer: bytes, certificate: bytes | None = None) -> bytes | None:
        content: bytes | None = self.told
        return content

    def issuer(self, *, certificate: bytes) -> bytes | None:
        return None


def test_a_list_that_is_stale_or_another_s_is_not_believed(place: Place) -> None:
    fingerprint = place.issued()
    other = SandboxPki(clock=place.sandbox.clock)
    stale = place.cmp.pki.crl(issuer=place.cmp.pki.authority)
    place.sandbox.advance(timedelta(days=2))
    for told in (stale, other.crl(issuer=other.authority), b"", b"\x30\x80"):
        place.revocation = Lists(told)
        with pytest.raises(Unavailable):
            place.authority().status(fingerprint=fingerprint)
    place.revocation = Lists(None)
    assert place.authority().status(fingerprint=fingerprint).kind is StatusKind.UNKNOWN


def keys_in(place: Place) -> list[str]:
    return [path.name for path in (place.folder / "keys").glob("*.pem")]


def test_a_key_is_destroyed_with_its_certificate(place: Place) -> None:
    fingerprint = place.issued()
    (name,) = keys_in(place)
    content = (place.folder / "keys" / name).read_bytes()
    assert place.held.find(fingerprint) is not None
    place.made.revoke(key=Key("s/1/0"), fingerprint=fingerprint, reason="superseded")
    assert keys_in(place) == []
    assert place.held.find(fingerprint) is None
    assert all(content not in one for one in files(place.folder))


@pytest.mark.parametrize("message", ["p10cr", "certconf", "pollreq"])
def test_erasing_while_a_call_is_under_way_leaves_nothing(place: Place, message: str) -> None:
    place.cmp.pending_after = timedelta(minutes=1 if message == "pollreq" else 0)
    answered, told = place.cmp.message, place.submit() if message == "pollreq" else None
    place.sandbox.advance(timedelta(minutes=2))

    def erasing(request: Any) -> Any:
        answer = answered(request)
        if place.cmp.counts.get(message):
            place.made.forget_stream(stream="subscription-0")
        return answer

    place.cmp.message = erasing  # type: ignore[method-assign]
    with pytest.raises(Rejected) as refused:
        _ = place.made.ask(reference=told.reference) if told else place.submit()
    assert refused.value.reason == "erased"
    assert {path.name for path in (place.folder / "keys").rglob("*") if path.is_file()} == {"keystore.json"}
    with place.made._notebook.open() as pages:
        assert pages.names("transaction") == pages.names("application") == ()
    assert place.made.holdings(account=account()) == ()
    place.sandbox.advance(timedelta(hours=2))
    assert len(place.valid()) == (1 if message == "certconf" else 0)  # what was confirmed, the authority keeps


def test_erasing_destroys_pages_and_keys_and_nothing_personal_was_readable(place: Place) -> None:
    fingerprint = place.issued()
    person = account()
    personal = {person.email.text, person.mobile.text[1:], person.id}
    assert leaks(personal, files(place.folder)) == set()
    for _ in range(2):
        place.made.forget_stream(stream="subscription-0")
    assert keys_in(place) == []
    assert place.made.holdings(account=person) == ()
    assert place.made.status(fingerprint=fingerprint).kind is StatusKind.UNKNOWN
    with pytest.raises(Rejected):
        place.made.revoke(key=Key("s/9/0"), fingerprint=fingerprint, reason="superseded")
