"""The sandbox's CSC service beside the API: how it is mounted, scripted, looked at and reset."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import ocsp

from qcp_sdk.adapters.csc import Authorization, AuthorizationPending, CscClient
from qcp_sdk.adapters.memory.clock import ManualClock
from qcp_sdk.adapters.shared.http import Http
from qcp_sdk.certificates import read
from qcp_sdk.errors import Rejected
from qcp_sdk.sandbox.csc import CscSandbox
from qcp_sdk.sandbox.csc_state import CscRules
from qcp_sdk.sandbox.pki import SandboxPki
from qcp_sdk.sandbox.server import Sandbox
from qcp_sdk.sandbox.wsgi import Failed, Pace
from qcp_sdk.testing.conformance.examples import START, digest


@pytest.fixture
def sandbox() -> CscSandbox:
    return CscSandbox(clock=ManualClock(START), rules=CscRules(multisign=7))


def test_it_is_found_with_and_without_its_prefix(sandbox: CscSandbox) -> None:
    made = sandbox.enrol(given="A", last="B", mobile="+33639981316").id
    for path in ("/csc", ""):
        assert CscClient(Http("https://s.example.org", serve=sandbox), path=path).credentials() == (made,)
    assert sandbox.counts["credentials/list"] == 2


def test_a_script_enrols_disables_and_rules(sandbox: CscSandbox) -> None:
    client = CscClient(Http("https://s.example.org", serve=sandbox), version="v2")
    told = sandbox.script({"enrol": {"given": "Irène", "last": "Faron", "mobile": "+33639987720", "pin": "2468"}})
    assert isinstance(told, dict)
    (id,) = client.credentials()
    assert told == {"credentialID": id}
    name = read(client.credential(id).certificates[0]).name
    assert name is not None
    assert name.last == "Faron"
    sandbox.script({"rules": {"multisign": 3, "sad_lifetime": 60, "agrees_after": None, "pinned": False}})
    assert (client.credential(id).most, client.credential(id).pinned) == (3, False)
    assert (sandbox.rules.sad_lifetime, sandbox.rules.agrees_after) == (timedelta(minutes=1), None)
    sandbox.script({"disable": id})
    assert not client.credential(id).enabled
    sandbox.script({"refuse_next": "not_eligible"})
    subject = {"givenName": "A", "surname": "B", "issuingCountry": "FR"}
    with pytest.raises(Rejected):  # which names no word of what carries a person's data
        client.create(policy="0.4.0.194112.1.0", subject=subject)
    assert client.create(policy="0.4.0.194112.1.0", subject=subject).certificates


def test_what_takes_time_goes_at_the_sandbox_s_pace(sandbox: CscSandbox) -> None:
    client = CscClient(Http("https://s.example.org", serve=sandbox), version="v2")
    subject = {"givenName": "A", "surname": "B", "issuingCountry": "FR"}

    def create() -> str:
        made = client.create(policy="0.4.0.194112.1.0", subject=subject, client_data="mobile=+33639981316")
        return made.id if not made.certificates else ""

    def authorize(id: str) -> Authorization | AuthorizationPending:
        client.get_challenge(id, authentication="OTP")
        code = sandbox.latest("+33639981316")
        return client.authorize(id, digests=[digest("one")], values={"OTP": code})

    sandbox.pace = Pace.HAND
    assert create() == "", "what takes no time takes none at any pace"
    sandbox.script({"rules": {"issued_after": 3_600, "agrees_after": 60}})
    id = create()
    assert not client.credential(id).certificates
    sandbox.script({"issue": id})
    assert client.credential(id).certificates
    pending = authorize(id)
    assert isinstance(pending, AuthorizationPending)
    sandbox.clock.advance(timedelta(days=1))  # type: ignore[attr-defined]
    assert client.authorize_check(pending.handle) == pending
    sandbox.script({"agree": pending.handle})
    assert isinstance(client.authorize_check(pending.handle), Authorization)
    sandbox.pace = Pace.NOW
    assert create() == ""
    assert isinstance(authorize(id), Authorization)


def test_it_is_one_of_the_sandbox_s_providers() -> None:
    whole = Sandbox(only=["csc"])
    csc = whole.providers["csc"]
    assert isinstance(csc, CscSandbox)
    made = csc.enrol(given="A", last="B", mobile="+33639981316").id
    assert CscClient(Http("https://s.example.org", serve=whole)).credentials() == (made,)


@pytest.mark.parametrize(
    "told",
    [
        {"open": "sesame"},
        {"enrol": {"given": "A"}},
        {"enrol": "A"},
        {"disable": "never"},
        {"agree": "never"},
        {"issue": []},
        {"rules": {"multisign": "3"}},
        {"rules": {"nothing": 3}},
        {"rules": {"sad_lifetime": "soon"}},
        {"rules": 3},
    ],
)
def test_a_script_that_makes_no_sense_is_refused(sandbox: CscSandbox, told: dict[str, object]) -> None:
    with pytest.raises(Failed):
        sandbox.script(told)


def test_a_revocation_shows_in_answers_and_lists(sandbox: CscSandbox) -> None:
    pki = sandbox.pki
    made, other = (sandbox.enrol(given="A", last="B", mobile="+33639981316") for _ in range(2))

    def status(certificate: bytes) -> ocsp.OCSPCertStatus:
        answer = pki.ocsp(certificate=certificate, issuer=pki.authority)
        assert answer is not None
        told = ocsp.load_der_ocsp_response(answer)
        signer = told.certificates[0].public_key()
        assert isinstance(signer, ec.EllipticCurvePublicKey)
        signer.verify(told.signature, told.tbs_response_bytes, ec.ECDSA(hashes.SHA256()))
        return told.certificate_status

    assert status(made.held.chain[0]) is ocsp.OCSPCertStatus.GOOD
    sandbox.disable(made.id)
    assert status(made.held.chain[0]) is ocsp.OCSPCertStatus.REVOKED
    assert status(other.held.chain[0]) is ocsp.OCSPCertStatus.GOOD
    stranger = SandboxPki(clock=sandbox.clock).holder(given="C", last="D")
    assert status(stranger.chain[0]) is ocsp.OCSPCertStatus.UNKNOWN
    told = pki.crl(issuer=pki.authority)
    assert told is not None
    crl = x509.load_der_x509_crl(told)
    assert [one.serial_number for one in crl] == [made.held.serial]
    assert pki.issuer(certificate=made.held.chain[0]) == pki.authority
    assert pki.issuer(certificate=pki.authority) == pki.root
    assert (pki.issuer(certificate=pki.root), pki.crl(issuer=made.held.chain[0])) == (None, None)
    assert pki.ocsp(certificate=pki.authority, issuer=pki.root) is None


def test_what_is_looked_at_holds_the_codes_and_a_reset_forgets_everything(sandbox: CscSandbox) -> None:
    made = sandbox.enrol(given="A", last="B", mobile="+33639981316").id
    client, root = CscClient(Http("https://s.example.org", serve=sandbox)), sandbox.pki.root
    client.send_otp(made)
    state = sandbox.state()
    assert isinstance(state, dict)
    assert [one["code"] for one in state["codes"]] == [sandbox.latest("+33639981316").reveal()]
    sandbox.script({"rules": {"multisign": 3}})
    sandbox.reset()
    assert (client.credentials(), sandbox.sent, sandbox.rules.multisign) == ((), [], 7)
    assert sandbox.pki.root != root
