"""CMP is judged by somebody else: OpenSSL's client against our authority, our client against OpenSSL's server."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from wsgiref.types import StartResponse, WSGIEnvironment

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from qcp_sdk.adapters.cmp import CmpClient, SharedSecret, SigningKey
from qcp_sdk.adapters.cmp.client import Certified, Waiting
from qcp_sdk.adapters.cmp.keys import HeldKeys
from qcp_sdk.adapters.shared.cmp_protection import Protection
from qcp_sdk.adapters.shared.http import Http
from qcp_sdk.adapters.shared.keystore import PrivateKey, new_key
from qcp_sdk.adapters.system import SystemClock
from qcp_sdk.errors import Rejected, Unavailable, Unconfirmed
from qcp_sdk.sandbox.cmp import REFERENCE, SECRET, CmpSandbox
from qcp_sdk.sandbox.pki import SandboxPki
from qcp_sdk.sandbox.server import Sandbox, Served
from qcp_sdk.values import Secret

pytestmark = pytest.mark.judge("openssl")
Judge = Callable[[str], str]
TRANSACTION = bytes(16)
SUBJECT = "/C=FR/CN=Jessica Poussart/GN=Jessica/SN=Poussart"


def pem(certificate: bytes) -> bytes:
    return x509.load_der_x509_certificate(certificate).public_bytes(Encoding.PEM)


def written(folder: Path, name: str, content: bytes) -> str:
    (folder / name).write_bytes(content)
    return str(folder / name)


def key_file(folder: Path, name: str, key: PrivateKey) -> str:
    return written(folder, name, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


# --- OpenSSL's client, our authority ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with Served(Sandbox(only=["cmp"])) as running:
        yield running


@pytest.fixture
def authority(served: Served) -> CmpSandbox:
    found = served.sandbox.providers["cmp"]
    assert isinstance(found, CmpSandbox)
    found.reset()
    return found


class OpenSsl:
    """`openssl cmp`, asking the sandbox."""

    def __init__(self, program: str, served: Served, authority: CmpSandbox, folder: Path) -> None:
        self.folder, self.program = folder, program
        self.url = served.url.removeprefix("http://")
        self.root = written(folder, "root.pem", pem(authority.pki.root))
        self.issuing = written(folder, "ca.pem", pem(authority.pki.authority))
        self.server = written(folder, "server.pem", pem(authority.certificate))
        self.key = key_file(folder, "key.pem", ec.generate_private_key(ec.SECP256R1()))
        self.secret = ("-ref", REFERENCE, "-secret", f"pass:{SECRET}")

    def cmp(self, *arguments: str, credentials: tuple[str, ...] | None = None) -> subprocess.CompletedProcess[str]:
        command = [
            self.program, "cmp", "-config", "", "-server", self.url, "-path", "cmp/pkix/",
            "-recipient", "/CN=QCP SDK SANDBOX TEST QCP-n CA", "-total_timeout", "60", *(credentials or self.secret),
        ]  # fmt: skip
        return subprocess.run([*command, *arguments], capture_output=True, text=True, check=False, cwd=self.folder)

    def enrolled(self, command: str, *arguments: str, credentials: tuple[str, ...] | None = None) -> x509.Certificate:
        asked = ("-newkey", self.key, "-subject", SUBJECT) if command != "p10cr" else ("-csr", self.csr())
        done = self.cmp(
            "-cmd", command, *asked, "-certout", "made.pem", "-out_trusted", self.root, "-untrusted", self.issuing,
            *arguments, credentials=credentials,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return x509.load_pem_x509_certificate((self.folder / "made.pem").read_bytes())

    def csr(self) -> str:
        command = [self.program, "req", "-new", "-key", self.key, "-subj", SUBJECT, "-out", "request.pem"]
        subprocess.run(command, check=True, capture_output=True, cwd=self.folder)
        return str(self.folder / "request.pem")


@pytest.fixture
def openssl(judge: Judge, served: Served, authority: CmpSandbox, tmp_path: Path) -> OpenSsl:
    return OpenSsl(judge("openssl"), served, authority, tmp_path)


@pytest.mark.parametrize("command", ["ir", "cr", "p10cr"])
def test_openssl_has_a_certificate_issued_and_confirms_it(
    openssl: OpenSsl, authority: CmpSandbox, command: str
) -> None:
    made = openssl.enrolled(command)
    assert made.subject.rfc4514_string().count("Poussart") == 2
    assert authority.pki.issued(made.serial_number)
    (one,) = authority.transactions.values()
    assert one.confirmed
    assert authority.counts == {command: 1, "certconf": 1}


def test_openssl_polls_until_it_is_decided(openssl: OpenSsl, authority: CmpSandbox) -> None:
    authority.script({"pending_after": 1})
    openssl.enrolled("ir")
    assert authority.counts["pollreq"] >= 1


def test_openssl_revokes_once(openssl: OpenSsl, authority: CmpSandbox) -> None:
    made = openssl.enrolled("ir")
    arguments = ("-cmd", "rr", "-oldcert", "made.pem", "-revreason", "1")
    assert openssl.cmp(*arguments).returncode == 0
    content = authority.pki.crl(issuer=authority.pki.authority)
    assert content is not None
    listed = x509.load_der_x509_crl(content)
    assert listed.get_revoked_certificate_by_serial_number(made.serial_number) is not None
    again = openssl.cmp(*arguments)
    assert again.returncode != 0
    assert "certRevoked" in again.stdout


def test_openssl_is_refused_by_name(openssl: OpenSsl, authority: CmpSandbox) -> None:
    authority.script({"refuse_next": "bad_cert_template"})
    done = openssl.cmp("-cmd", "ir", "-newkey", openssl.key, "-subject", SUBJECT, "-certout", "made.pem")
    assert done.returncode != 0
    assert "badCertTemplate" in done.stdout
    wrong = openssl.cmp(
        "-cmd", "ir", "-newkey", openssl.key, "-subject", SUBJECT, "-certout", "made.pem",
        credentials=("-ref", REFERENCE, "-secret", "pass:wrong"),
    )  # fmt: skip
    assert wrong.returncode != 0
    assert authority.transactions == {}


def test_openssl_signs_with_a_certificate_and_verifies_ours(openssl: OpenSsl, authority: CmpSandbox) -> None:
    first = openssl.enrolled("ir")
    (openssl.folder / "made.pem").rename(openssl.folder / "client.pem")
    authority.script({"client": first.public_bytes(Encoding.DER).hex()})
    signed = ("-cert", "client.pem", "-key", openssl.key, "-srvcert", openssl.server, "-ignore_keyusage")
    openssl.key = key_file(openssl.folder, "other.pem", new_key("p256"))
    second = openssl.enrolled("cr", credentials=signed)
    assert second.serial_number != first.serial_number


# --- our client, OpenSSL's server ---------------------------------------------------------------------------------


class Relay:
    """A WSGI application that passes everything on over one connection.

    OpenSSL's server forgets a transaction with its connection, and answers in HTTP/1.0, after which our client opens
    another, as RFC 6712 lets it.
    """

    def __init__(self, port: int) -> None:
        self.connection = HTTPConnection("127.0.0.1", port, timeout=20)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        body = environ["wsgi.input"].read()
        headers = {"Content-Type": environ["CONTENT_TYPE"], "Connection": "keep-alive"}
        try:
            answer = self.asked(environ["PATH_INFO"], body, headers)
        except ConnectionError:  # the server hung up after the transaction
            self.connection.close()
            answer = self.asked(environ["PATH_INFO"], body, headers)
        start_response(f"{answer.status} {answer.reason}", [("Content-Type", answer.headers["Content-Type"] or "")])
        return [answer.read()]

    def asked(self, path: str, body: bytes, headers: dict[str, str]) -> HTTPResponse:
        self.connection.request("POST", path, body=body, headers=headers)
        return self.connection.getresponse()


@contextmanager
def mock(program: str, folder: Path, *arguments: str) -> Iterator[Relay]:
    """Run OpenSSL's server on a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [program, "cmp", "-config", "", "-port", str(port), *arguments]
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    try:
        for _ in range(500):
            if "ACCEPT" in (folder / "server.log").read_text():
                break
            assert server.poll() is None, (folder / "server.log").read_text()
            time.sleep(0.02)
        relay = Relay(port)
        yield relay
        relay.connection.close()
    finally:
        server.terminate()
        server.wait(timeout=10)


class Peer:
    """What OpenSSL's server is given: a certificate to answer with, made beforehand for the key of our request."""

    def __init__(self, folder: Path) -> None:
        self.pki, self.folder = SandboxPki(clock=SystemClock()), folder
        self.held = HeldKeys(folder / "keys", Secret("a passphrase"), work=2)
        self.csr = self.held.request("holder", x509.Name([]))
        public = x509.load_der_x509_csr(self.csr).public_key()
        assert isinstance(public, ec.EllipticCurvePublicKey)
        self.certificate = self.pki.certify(public, given="Jessica", last="Poussart")
        written(folder, "answer.pem", self.certificate.public_bytes(Encoding.PEM))
        self.answers = ("-rsp_cert", "answer.pem")
        self.secret = ("-srv_ref", "us", "-srv_secret", "pass:known to both")

    def client(self, relay: Relay, protection: Protection | None = None) -> CmpClient:
        return CmpClient(
            Http("https://cmp.example.org", serve=relay),
            protection=protection or SharedSecret("us", Secret("known to both")),
            authority=self.pki.authority,
            clock=SystemClock(),
            path="/pkix/",
        )


@pytest.fixture
def peer(tmp_path: Path) -> Peer:
    return Peer(tmp_path)


def test_we_have_a_certificate_issued_by_openssl_s_server(peer: Peer, judge: Judge) -> None:
    with mock(judge("openssl"), peer.folder, *peer.secret, *peer.answers) as relay:
        client = peer.client(relay)
        told = client.request(peer.csr, transaction=TRANSACTION)
        assert isinstance(told, Certified)
        assert told.certificate == peer.certificate.public_bytes(Encoding.DER)
        assert client.confirm(told, transaction=TRANSACTION)
        assert not client.confirm(told, transaction=TRANSACTION)  # it knows nothing of what is finished
        client.revoke(serial_number=peer.certificate.serial_number, reason="key_compromise")


def test_we_poll_openssl_s_server(peer: Peer, judge: Judge) -> None:
    waits = ("-poll_count", "2", "-check_after", "1")
    with mock(judge("openssl"), peer.folder, *peer.secret, *peer.answers, *waits) as relay:
        client = peer.client(relay)
        told = client.request(peer.csr, transaction=TRANSACTION)
        polls = 0
        while isinstance(told, Waiting):
            told = client.poll(transaction=TRANSACTION, request=told.request, nonce=told.nonce)
            polls += 1
        assert polls >= 2
        assert client.confirm(told, transaction=TRANSACTION)


@pytest.mark.parametrize(
    ("bit", "error", "reason"),
    [
        (19, Rejected, "bad_cert_template"),
        (9, Rejected, "bad_pop"),
        (23, Unavailable, ""),
        (24, Unavailable, ""),
        (25, Unconfirmed, ""),
    ],
)
def test_each_failure_of_openssl_s_server_is_one_of_ours(
    peer: Peer, judge: Judge, bit: int, error: type[Exception], reason: str
) -> None:
    refuses = ("-pkistatus", "2", "-failure", str(bit), "-statusstring", "no")
    with mock(judge("openssl"), peer.folder, *peer.secret, *peer.answers, *refuses) as relay:
        with pytest.raises(error) as raised:
            peer.client(relay).request(peer.csr, transaction=TRANSACTION)
        assert type(raised.value) is error
        assert getattr(raised.value, "reason", "") == reason


def test_an_error_message_of_openssl_s_server_is_a_refusal(peer: Peer, judge: Judge) -> None:
    with mock(judge("openssl"), peer.folder, *peer.secret, *peer.answers, "-send_error") as relay:
        with pytest.raises(Rejected) as raised:
            peer.client(relay).request(peer.csr, transaction=TRANSACTION)
        assert raised.value.reason == "bad_request"


def test_what_nobody_protected_is_not_believed(peer: Peer, judge: Judge) -> None:
    with (
        mock(judge("openssl"), peer.folder, *peer.secret, *peer.answers, "-send_unprotected") as relay,
        pytest.raises(Unconfirmed, match="protection does not hold"),
    ):
        peer.client(relay).request(peer.csr, transaction=TRANSACTION)
    with (
        mock(judge("openssl"), peer.folder, *peer.secret, *peer.answers) as relay,
        pytest.raises(Unconfirmed, match="protection does not hold"),
    ):
        peer.client(relay, SharedSecret("us", Secret("another"))).request(peer.csr, transaction=TRANSACTION)


@pytest.mark.parametrize("kind", ["p256", "rsa-2048"])
def test_signatures_instead_of_a_secret(peer: Peer, judge: Judge, kind: str) -> None:
    pki = SandboxPki(clock=SystemClock(), key_type=kind)  # type: ignore[arg-type]
    server_key, server = pki.server("OpenSSL")
    client_key, client = pki.server("QCP SDK")
    key_file(peer.folder, "server.key", server_key)
    written(peer.folder, "server.pem", pem(server) + pem(pki.authority))
    written(peer.folder, "root.pem", pem(pki.root))
    written(peer.folder, "ca.pem", pem(pki.authority))
    own, trusted = ("-srv_cert", "server.pem", "-srv_key", "server.key"), ("-srv_trusted", "root.pem")
    with mock(judge("openssl"), peer.folder, *own, *trusted, "-srv_untrusted", "ca.pem", *peer.answers) as relay:
        signing = SigningKey(client_key, (client, pki.authority), server)
        made = peer.client(relay, signing)
        told = made.request(peer.csr, transaction=TRANSACTION)
        assert isinstance(told, Certified)
        assert made.confirm(told, transaction=TRANSACTION)
        other = SigningKey(client_key, (client, pki.authority), client)
        with pytest.raises(Unconfirmed, match="protection does not hold"):
            peer.client(relay, other).request(peer.csr, transaction=TRANSACTION)
