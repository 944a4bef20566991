"""The trust centre as a remote signing service."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from attrs import evolve
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from qcp_sdk.adapters.local_trust_centre import LocalSigner
from qcp_sdk.adapters.memory.codes import MemoryCodes
from qcp_sdk.adapters.memory.faults import Faults
from qcp_sdk.adapters.memory.keys import MemoryKeys
from qcp_sdk.certificates import Certificate
from qcp_sdk.errors import Rejected, Unavailable, Unconfirmed
from qcp_sdk.levels import CertificateLevel
from qcp_sdk.otp import Channel, Purpose
from qcp_sdk.ports.signer import HashRefused, HashSigned, Signer, SigningChallenge, SigningPending
from qcp_sdk.values import ChallengeId, Fingerprint, Key, Secret

if TYPE_CHECKING:
    from tests.adapters.local_trust_centre.conftest import World

WRONG = Secret("0000000")


def sha(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


DIGESTS = (sha("one"), sha("two"))


def verify(certificate: bytes, answer: object) -> None:
    assert isinstance(answer, HashSigned)
    key = x509.load_der_x509_certificate(certificate).public_key()
    prehashed = Prehashed(hashes.SHA256())
    if isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(answer.value, answer.digest, ec.ECDSA(prehashed))
    else:
        assert isinstance(key, rsa.RSAPublicKey)
        key.verify(answer.value, answer.digest, padding.PKCS1v15(), prehashed)


@pytest.fixture
def certificate(world: World) -> Certificate:
    return world.issue()


@pytest.fixture
def signer(world: World) -> LocalSigner:
    return world.signer()


def challenged(
    signer: LocalSigner, certificate: Certificate, key: str = "c/1/0", digests: tuple[bytes, ...] = DIGESTS
) -> SigningChallenge:
    return signer.challenge(key=Key(key), fingerprint=certificate.fingerprint, digests=digests, language="fr")


def code(world: World) -> Secret:
    return world.codes.latest(world.person().mobile, purpose=Purpose.SIGN)


def test_signatures_verify_with_either_kind_of_key(steady: World) -> None:
    certificate = steady.issue(7)
    signer: Signer = steady.signer()
    credential = signer.credential(fingerprint=certificate.fingerprint)
    made = steady.centre.certificates()
    assert credential.chain == (certificate.der, made.qcp, made.root)
    key = x509.load_der_x509_certificate(certificate.der).public_key()
    assert credential.algorithm == ("sha256_rsa" if isinstance(key, rsa.RSAPublicKey) else "sha256_ecdsa")
    challenge = signer.challenge(key=Key("c/7"), fingerprint=certificate.fingerprint, digests=DIGESTS, language="fr")
    answers = signer.activate(
        key=Key("a/7"),
        challenge=challenge.id,
        digests=DIGESTS,
        code=steady.codes.latest(steady.person(7).mobile),
    )
    assert not isinstance(answers, SigningPending)
    assert tuple(answer.digest for answer in answers) == DIGESTS
    for answer in answers:
        verify(certificate.der, answer)


def test_the_code_goes_to_the_registered_mobile(world: World, signer: LocalSigner, certificate: Certificate) -> None:
    challenge = challenged(signer, certificate)
    (sent,) = world.codes.outbox
    assert (sent.to, sent.channel, sent.purpose, sent.language) == (
        world.person().mobile,
        Channel.SMS,
        Purpose.SIGN,
        "fr",
    )
    assert challenge.not_after == sent.not_after == world.clock.now() + timedelta(minutes=3)
    assert challenge.masked == "*****0000"
    assert len(sent.code.reveal()) == 7
    assert sent.code.reveal().isdigit()


def test_lcp_holders_sign_too(world: World) -> None:
    held = world.centre.enrol(world.person()).certificate
    chain = world.signer().credential(fingerprint=held.fingerprint).chain
    assert chain[1] == world.centre.certificates().lcp
    assert held.level is CertificateLevel.LCP


def test_the_same_key_sends_once_and_answers_the_same(
    world: World, signer: LocalSigner, certificate: Certificate
) -> None:
    first = challenged(signer, certificate)
    world.clock.advance(timedelta(seconds=5))
    assert challenged(world.reopened().signer(), certificate) == first
    assert len(world.codes.outbox) == 1
    answers = signer.activate(key=Key("a/1"), challenge=first.id, digests=DIGESTS, code=code(world))
    world.clock.advance(timedelta(days=1))
    again = world.reopened().signer().activate(key=Key("a/1"), challenge=first.id, digests=DIGESTS, code=WRONG)
    assert again == answers
    assert challenged(signer, certificate) == first
    assert len(world.codes.outbox) == 1


def test_a_code_is_spent_once_whoever_comes_first(world: World, signer: LocalSigner, certificate: Certificate) -> None:
    challenge = challenged(signer, certificate)
    right = code(world)

    def activate(number: int) -> str:
        try:
            signer.activate(key=Key(f"a/{number}"), challenge=challenge.id, digests=DIGESTS, code=right)
        except Rejected as refused:
            return refused.reason
        return "signed"

    with ThreadPoolExecutor(8) as pool:
        ends = sorted(pool.map(activate, range(8)))
    assert ends == ["signed"] + ["spent"] * 7


def test_only_the_digests_of_the_challenge_are_signed(
    world: World, signer: LocalSigner, certificate: Certificate
) -> None:
    challenge = challenged(signer, certificate)
    for number, digests in enumerate([(sha("other"),), (*DIGESTS, sha("other")), (), (b"short",)]):
        with pytest.raises(Rejected) as refused:
            signer.activate(key=Key(f"a/{number}"), challenge=challenge.id, digests=digests, code=code(world))
        assert refused.value.reason == "hash_not_authorised"
    answers = signer.activate(key=Key("a/9"), challenge=challenge.id, digests=DIGESTS[:1], code=code(world))
    assert isinstance(answers, tuple)
    verify(certificate.der, *answers)


def test_wrong_codes_are_counted_once_a_key_and_the_fifth_is_the_last(
    world: World, signer: LocalSigner, certificate: Certificate
) -> None:
    challenge = challenged(signer, certificate)
    for number in (1, 1, 1, 2, 3, 4, 5):  # a key that is repeated is not a new try
        with pytest.raises(Rejected) as refused:
            signer.activate(key=Key(f"a/{number}"), challenge=challenge.id, digests=DIGESTS, code=WRONG)
        assert refused.value.reason == "wrong_code"
    with pytest.raises(Rejected) as refused:
        signer.activate(key=Key("a/6"), challenge=challenge.id, digests=DIGESTS, code=code(world))
    assert refused.value.reason == "locked"


def test_twenty_wrong_codes_in_a_day_lock_the_holder(world: World, certificate: Certificate) -> None:
    signer = world.signer()
    for number in range(4):
        challenge = challenged(signer, certificate, key=f"c/{number}")
        for wrong in range(5):
            with pytest.raises(Rejected):
                signer.activate(key=Key(f"a/{number}/{wrong}"), challenge=challenge.id, digests=DIGESTS, code=WRONG)
        world.clock.advance(timedelta(minutes=15))
    with pytest.raises(Rejected) as refused:
        challenged(signer, certificate, key="c/5")
    assert refused.value.reason == "locked"
    world.clock.advance(timedelta(days=1))
    challenge = challenged(signer, certificate, key="c/6")
    assert signer.activate(key=Key("a/6"), challenge=challenge.id, digests=DIGESTS, code=code(world))


def test_a_code_lives_three_minutes(world: World, signer: LocalSigner, certificate: Certificate) -> None:
    challenge = challenged(signer, certificate)
    world.clock.advance(timedelta(minutes=3))
    with pytest.raises(Rejected) as refused:
        signer.activate(key=Key("a/1"), challenge=challenge.id, digests=DIGESTS, code=code(world))
    assert refused.value.reason == "expired"


def test_a_newer_challenge_replaces_the_one_before(world: World, signer: LocalSigner, certificate: Certificate) -> None:
    first = challenged(signer, certificate)
    old = code(world)
    world.clock.advance(timedelta(seconds=30))
    second = challenged(signer, certificate, key="c/2/0")
    assert old != code(world)
    with pytest.raises(Rejected) as refused:
        signer.activate(key=Key("a/1"), challenge=first.id, digests=DIGESTS, code=old)
    assert refused.value.reason == "expired"
    assert signer.activate(key=Key("a/2"), challenge=second.id, digests=DIGESTS, code=code(world))


def test_codes_are_not_sent_too_often(world: World, signer: LocalSigner, certificate: Certificate) -> None:
    for number in range(5):
        challenged(signer, certificate, key=f"c/{number}")
        with pytest.raises(Rejected) as refused:
            challenged(signer, certificate, key=f"again/{number}")
        assert refused.value.reason == "too_soon"
        world.clock.advance(timedelta(seconds=30))
    with pytest.raises(Rejected) as refused:
        challenged(signer, certificate, key="c/6")
    assert refused.value.reason == "too_soon"
    assert len(world.codes.outbox) == 5
    world.clock.advance(timedelta(hours=1))
    challenged(signer, certificate, key="c/7")


@pytest.mark.parametrize(
    ("digests", "reason"),
    [((), "bad_digest"), ((b"short",), "bad_digest"), (tuple(sha(str(n)) for n in range(4)), "too_many")],
)
def test_what_cannot_be_asked_for(
    signer: LocalSigner, certificate: Certificate, digests: tuple[bytes, ...], reason: str
) -> None:
    with pytest.raises(Rejected) as refused:
        challenged(signer, certificate, digests=digests)
    assert refused.value.reason == reason


@pytest.mark.parametrize("end", ["revoked", "expired"])
def test_a_certificate_that_ended_signs_nothing(
    world: World, signer: LocalSigner, certificate: Certificate, end: str
) -> None:
    challenge = challenged(signer, certificate)
    if end == "revoked":
        world.centre.authority(CertificateLevel.QCP_N).revoke(
            key=Key("r/1"), fingerprint=certificate.fingerprint, reason="key_compromise"
        )
        answers = signer.activate(key=Key("a/1"), challenge=challenge.id, digests=DIGESTS, code=code(world))
        assert answers == tuple(HashRefused(digest=digest, reason="disabled") for digest in DIGESTS)
    else:
        world.clock.advance(timedelta(days=366 * 5))
    with pytest.raises(Rejected) as refused:
        signer.credential(fingerprint=certificate.fingerprint)
    assert refused.value.reason == "disabled"
    with pytest.raises(Rejected) as refused:
        challenged(signer, certificate, key="c/9")
    assert refused.value.reason == "disabled"


def test_nobody_signs_with_the_centres_own_keys(world: World, signer: LocalSigner) -> None:
    seal, _ = world.centre.seal_credential()
    for fingerprint in (seal.fingerprint, Fingerprint("00" * 32)):
        with pytest.raises(Rejected) as refused:
            signer.credential(fingerprint=fingerprint)
        assert refused.value.reason == "unknown_credential"
    with pytest.raises(Rejected) as refused:
        signer.activate(key=Key("a/1"), challenge=ChallengeId("nothing"), digests=DIGESTS, code=WRONG)
    assert refused.value.reason == "unknown_challenge"


def test_an_unreachable_mobile_is_a_refusal_that_stays(
    world: World, signer: LocalSigner, certificate: Certificate
) -> None:
    world.codes.make_unreachable(world.person().mobile)
    for _ in range(2):
        with pytest.raises(Rejected) as refused:
            challenged(signer, certificate)
        assert refused.value.reason == "undeliverable"


@pytest.mark.parametrize("lost", [Unavailable, Unconfirmed])
def test_a_lost_message_is_sent_again_with_the_same_code(
    world: World, certificate: Certificate, lost: type[Exception]
) -> None:
    faults = Faults()
    (faults.unavailable if lost is Unavailable else faults.unconfirmed)("codes", "send")
    world = evolve(world, codes=MemoryCodes(faults=faults))
    signer = world.signer()
    with pytest.raises(lost):
        challenged(signer, certificate)
    world.clock.advance(timedelta(seconds=1))
    challenge = challenged(signer, certificate)
    assert len({sent.code.reveal() for sent in world.codes.outbox}) == 1
    assert signer.activate(key=Key("a/1"), challenge=challenge.id, digests=DIGESTS, code=code(world))


def test_a_code_is_never_sent_after_its_end(world: World, certificate: Certificate) -> None:
    world = evolve(world, codes=MemoryCodes(faults=Faults().unavailable("codes", "send")))
    signer = world.signer()
    with pytest.raises(Unavailable):
        challenged(signer, certificate)
    world.clock.advance(timedelta(minutes=3))
    with pytest.raises(Rejected) as refused:
        challenged(signer, certificate)
    assert refused.value.reason == "undeliverable"
    assert world.codes.outbox == ()


def test_a_slow_service_answers_later(world: World, certificate: Certificate) -> None:
    signer = world.signer(answer_after=timedelta(minutes=10))
    challenge = challenged(signer, certificate)
    pending = signer.activate(key=Key("a/1"), challenge=challenge.id, digests=DIGESTS, code=code(world))
    assert isinstance(pending, SigningPending)
    assert isinstance(signer.poll(handle=pending.handle), SigningPending)
    world.clock.advance(timedelta(minutes=10))
    answers = world.reopened().signer().poll(handle=pending.handle)
    assert not isinstance(answers, SigningPending)
    for answer in answers:
        verify(certificate.der, answer)
    with pytest.raises(Rejected) as refused:
        signer.poll(handle="nothing")
    assert refused.value.reason == "unknown_handle"


def test_codes_of_another_installation_are_worth_nothing(world: World, certificate: Certificate) -> None:
    challenge = challenged(world.signer(), certificate)
    other = world.centre.signer(codes=world.codes, keys=MemoryKeys("another"))
    with pytest.raises(Rejected) as refused:
        other.activate(key=Key("a/1"), challenge=challenge.id, digests=DIGESTS, code=code(world))
    assert refused.value.reason == "wrong_code"


def test_neither_code_nor_value_is_printed(world: World, signer: LocalSigner, certificate: Certificate) -> None:
    challenge = challenged(signer, certificate)
    right = code(world)
    with pytest.raises(Rejected) as refused:
        signer.activate(key=Key("a/1"), challenge=challenge.id, digests=DIGESTS, code=WRONG)
    assert right.reveal() not in f"{refused.value!r} {challenge!r} {signer!r}"
    assert right.reveal().encode() not in (world.directory / "trust-centre.sqlite").read_bytes()
