"""The signer over PKCS#11 sits its exam on SoftHSM2, where that is installed."""

from __future__ import annotations

import secrets
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pkcs11
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key
from cryptography.x509.oid import NameOID
from pkcs11.constants import Attribute, ObjectClass
from pkcs11.mechanisms import KeyType
from pkcs11.util.ec import encode_ec_public_key, encode_named_curve_parameters
from pkcs11.util.rsa import encode_rsa_public_key
from pkcs11.util.x509 import decode_x509_certificate

from qcp_sdk.adapters.csc.signer import checked
from qcp_sdk.adapters.memory.clock import ManualClock
from qcp_sdk.adapters.memory.codes import MemoryCodes
from qcp_sdk.adapters.memory.keys import MemoryKeys
from qcp_sdk.adapters.pkcs11_signer import Pkcs11Signer, Pkcs11Token
from qcp_sdk.adapters.shared.keystore import new_key
from qcp_sdk.adapters.shared.notebook import FileNotebook
from qcp_sdk.adapters.shared.profiles import HOLDERS, ROLES
from qcp_sdk.adapters.shared.x509 import Addresses, Issuer, build, der, name
from qcp_sdk.certificates import fingerprint as fingerprint_of
from qcp_sdk.errors import ConfigurationError, Rejected, Unavailable, Unconfirmed
from qcp_sdk.levels import CertificateLevel
from qcp_sdk.ports.signer import Credential, HashSigned, Signer
from qcp_sdk.testing.conformance.discretion import unspoken
from qcp_sdk.testing.conformance.examples import START, account, digest
from qcp_sdk.testing.conformance.signer import SignerConformance
from qcp_sdk.values import Fingerprint, Key, PhoneNumber, Secret

TWO = (digest("one"), digest("two"))


def put(token: Pkcs11Token, kind: KeyType = KeyType.EC) -> Fingerprint:
    """Generate a key on the token, certify it, and put certificate and issuer beside it."""
    token.find(Fingerprint("0" * 64))  # it is logged in now, for every session of this process
    session = token._module.get_token(token_label=token._label).open(rw=True)
    id = secrets.token_bytes(8)
    if kind is KeyType.RSA:
        public, _ = session.generate_keypair(KeyType.RSA, 2048, store=True, id=id)
        key: Any = load_der_public_key(_spki(encode_rsa_public_key(public)))
    else:
        curve = {Attribute.EC_PARAMS: encode_named_curve_parameters("secp256r1")}
        parameters = session.create_domain_parameters(KeyType.EC, curve, local=True)
        public, _ = parameters.generate_keypair(store=True, id=id)
        key = load_der_public_key(encode_ec_public_key(public))
    assert isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey)
    own = new_key("p256")
    subject = name((NameOID.COMMON_NAME, f"Authority {id.hex()}"))
    top = build(ROLES["root"].profile, subject=subject, key=own.public_key(), issuer=own, serial=1, not_before=START)
    made = build(
        HOLDERS[CertificateLevel.QCP_N].profile,
        subject=name((NameOID.COMMON_NAME, "Holder")),
        key=key,
        issuer=Issuer(certificate=top, key=own),
        serial=2,
        not_before=START,
        addresses=Addresses(registration="https://example.org"),
    )
    for certificate, named in ((made, id), (top, b"")):
        session.create_object(decode_x509_certificate(der(certificate)) | {Attribute.ID: named, Attribute.TOKEN: True})
    session.close()
    return fingerprint_of(der(made))


def _spki(pkcs1: bytes) -> bytes:
    from asn1crypto import keys  # type: ignore[import-untyped]

    return bytes(keys.PublicKeyInfo.wrap(pkcs1, "rsa").dump())


class TestPkcs11Signer(SignerConformance):
    examples = 6
    waivers: ClassVar[Mapping[str, str]] = {
        "test_signer_17_an_answer_may_take_time": "a token answers at once: nothing is ever pending"
    }

    @pytest.fixture(autouse=True)
    def _on_a_token(self, tmp_path: Path, token: Pkcs11Token) -> None:
        self.token, self.folder, self.number = token, tmp_path, 0

    def make_signer(self, *, takes_time: bool = False) -> tuple[Pkcs11Signer, Fingerprint]:
        self.number += 1
        self.mobiles: dict[Fingerprint, PhoneNumber] = {}
        self.sent, self.keys = MemoryCodes(clock=self.clock), MemoryKeys()
        self.notebook = FileNotebook(self.folder / f"{self.number}.sqlite", keys=self.keys)
        return self.made(), self.enrolled(0)

    def made(self) -> Pkcs11Signer:
        return Pkcs11Signer(
            self.token,
            notebook=self.notebook,
            clock=self.clock,
            codes=self.sent,
            keys=self.keys,
            mobile_of=self.mobiles.get,
            batch=3,
        )

    def enrolled(self, number: int) -> Fingerprint:
        fingerprint = put(self.token)
        self.mobiles[fingerprint] = account(number).mobile
        return fingerprint

    def another(self, signer: Signer) -> Fingerprint:
        return self.enrolled(1)

    def restarted(self, signer: Signer) -> Pkcs11Signer:
        return self.made()

    def codes(self, signer: Signer) -> tuple[Secret, ...]:
        return tuple(sent.code for sent in self.sent.outbox)

    def verifies(self, credential: Credential, digest: bytes, value: bytes) -> bool:
        return checked(credential.chain[0], digest, value) == value

    def disable(self, signer: Signer, fingerprint: Fingerprint) -> None:
        del self.mobiles[fingerprint]


@pytest.mark.parametrize(("kind", "algorithm"), [(KeyType.RSA, "sha256_rsa"), (KeyType.EC, "sha256_ecdsa")])
def test_a_key_signs_and_brings_its_chain(token: Pkcs11Token, kind: KeyType, algorithm: str) -> None:
    key = token.find(put(token, kind))
    assert key is not None
    assert (key.algorithm, len(key.chain)) == (algorithm, 2)
    assert x509.load_der_x509_certificate(key.chain[1]).subject.rfc4514_string().startswith("CN=Authority")
    for one, value in zip(TWO, token.sign(key, TWO), strict=True):
        assert checked(key.chain[0], one, value) == value
    with pytest.raises(Rejected):
        token.sign(key, (b"short",))


def test_a_certificate_without_its_key_is_unknown(token: Pkcs11Token) -> None:
    fingerprint = put(token)
    key = token.find(fingerprint)
    assert key is not None
    session = token._module.get_token(token_label=token._label).open(rw=True)
    session.get_key(object_class=ObjectClass.PRIVATE_KEY, id=key.id).destroy()
    session.close()
    assert token.find(fingerprint) is None
    with pytest.raises(Rejected) as gone:
        token.sign(key, TWO)
    assert gone.value.reason == "unknown_credential"


def test_a_token_that_is_away_is_unavailable_and_comes_back(token: Pkcs11Token) -> None:
    fingerprint = put(token)

    class Pulled:
        """A session whose cable was pulled."""

        def get_objects(self, _: object) -> object:
            raise pkcs11.DeviceRemoved

        def close(self) -> None:
            session.close()
            raise pkcs11.DeviceRemoved

    session = token._session
    token._session = Pulled()
    with pytest.raises(Unavailable, match="does not answer"):
        token.find(fingerprint)
    assert token.find(fingerprint) is not None
    token.close()
    assert token.find(fingerprint) is not None


def test_a_code_that_was_accepted_signs_when_the_token_is_back(
    token: Pkcs11Token, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, fingerprint = ManualClock(START), put(token)
    sent = MemoryCodes(clock=clock)
    signer = Pkcs11Signer(
        token,
        notebook=FileNotebook(tmp_path / "n.sqlite", keys=MemoryKeys()),
        clock=clock,
        codes=sent,
        keys=MemoryKeys(),
        mobile_of=lambda _: account().mobile,
    )
    challenge = signer.challenge(key=Key("c/1/0"), fingerprint=fingerprint, digests=TWO, language="fr")

    def activate() -> Any:
        return signer.activate(key=Key("c/2/0"), challenge=challenge.id, digests=TWO, code=sent.outbox[-1].code)

    with monkeypatch.context() as patched:

        def away(*_: object) -> Any:
            raise Unavailable("away")

        patched.setattr(token, "sign", away)
        with pytest.raises(Unconfirmed):
            activate()
    answers = activate()
    assert all(isinstance(one, HashSigned) for one in answers)
    assert activate() == answers


def test_a_wrong_label_or_pin_says_no_pin(softhsm: str, token: Pkcs11Token) -> None:
    token.close()
    with unspoken("98765432") as said:
        for label in ("nobody's", token._label):
            other = Pkcs11Token(softhsm, label=label, pin=Secret("98765432"))
            with pytest.raises(Unavailable) as away:
                other.find(Fingerprint("0" * 64))
            said += [other, away.value]


def test_two_parts_of_a_process_share_a_token(softhsm: str, token: Pkcs11Token) -> None:
    fingerprint = put(token)
    other = Pkcs11Token(softhsm, label=token._label, pin=Secret("1234"))
    assert other.find(fingerprint) == token.find(fingerprint)
    other.close()
    assert token.find(fingerprint) is not None


def test_what_is_no_module_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"cannot be loaded"):
        Pkcs11Token(tmp_path / "none.so", label="x", pin=Secret("1"))


FORK = """
import os, sys
from qcp_sdk.adapters.pkcs11_signer import Pkcs11Token
from qcp_sdk.values import Secret

module, label, fingerprint = sys.argv[1:]
token = Pkcs11Token(module, label=label, pin=Secret("1234"))
assert token.find(fingerprint) is not None
child = os.fork()
if child == 0:
    os._exit(0 if token.find(fingerprint) is not None else 2)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert token.find(fingerprint) is not None
"""


def test_a_child_of_a_fork_begins_anew(softhsm: str, token: Pkcs11Token) -> None:
    # In a process of its own: one with threads, as pytest may have here, is no place to fork.
    command = [sys.executable, "-c", FORK, softhsm, token._label, put(token)]
    subprocess.run(command, check=True, timeout=60)
