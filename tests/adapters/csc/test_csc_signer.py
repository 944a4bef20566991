"""The signer over CSC: how few calls a batch takes, and what a lost answer costs."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding

from qcp_sdk.adapters.csc import CscAuthority, CscSigner
from qcp_sdk.adapters.csc.client import Version
from qcp_sdk.adapters.csc.signer import checked
from qcp_sdk.adapters.memory.clock import ManualClock
from qcp_sdk.adapters.memory.keys import MemoryKeys
from qcp_sdk.adapters.shared.keystore import sign_digest
from qcp_sdk.adapters.shared.notebook import FileNotebook, MemoryNotebook, Notebook
from qcp_sdk.certificates import fingerprint as fingerprint_of
from qcp_sdk.errors import Rejected, Unavailable, Unconfirmed
from qcp_sdk.ports.authority import Decision
from qcp_sdk.ports.signer import HashAnswer, HashRefused, HashSigned, SigningChallenge, SigningPending
from qcp_sdk.sandbox.csc_state import CscRules, SandboxCredential
from qcp_sdk.sandbox.pki import SandboxPki
from qcp_sdk.subscription.facts import CertificateIssued, CertificatePending
from qcp_sdk.testing.conformance.examples import START, account, application, digest, name_of
from qcp_sdk.values import ChallengeId, Fingerprint, Key, Secret
from tests.adapters.csc.service import Service

T = TypeVar("T")
HUNDRED = tuple(digest(str(number)) for number in range(100))
TWO = HUNDRED[:2]
CHALLENGING, ACTIVATING, AGAIN = Key("c/5/0"), Key("c/6/0"), Key("c/7/0")


class Desk:
    """A signer on a service, and one signatory."""

    def __init__(
        self,
        folder: Path,
        version: Version = "v1",
        rules: CscRules | None = None,
        notebook: Notebook | None = None,
        **named: Any,
    ) -> None:
        self.clock, self.version, self.named = ManualClock(START), version, named
        self.service = Service(self.clock, rules)
        self.notebook = notebook or FileNotebook(folder / "notebook.sqlite", keys=MemoryKeys())
        self.signer = self.restarted()
        self.pin: Secret | None = None

    def restarted(self) -> CscSigner:
        return CscSigner(self.service.client(self.version), notebook=self.notebook, clock=self.clock, **self.named)

    def enrol(self, **named: Any) -> Fingerprint:
        self.made: SandboxCredential = self.service.enrol(**named)
        return fingerprint_of(self.made.held.chain[0])

    def challenge(self, fingerprint: Fingerprint, digests: tuple[bytes, ...] = TWO) -> SigningChallenge:
        return self.signer.challenge(key=CHALLENGING, fingerprint=fingerprint, digests=digests, language="fr")

    @property
    def code(self) -> Secret:
        return self.service.sandbox.sent[-1].code

    def activate(
        self,
        challenge: SigningChallenge,
        digests: tuple[bytes, ...] = TWO,
        *,
        key: Key = ACTIVATING,
        code: Secret | None = None,
        signer: CscSigner | None = None,
    ) -> tuple[HashAnswer, ...] | SigningPending:
        return (signer or self.signer).activate(
            key=key, challenge=challenge.id, digests=digests, code=code or self.code
        )

    def all_signed(self, answers: tuple[HashAnswer, ...] | SigningPending, digests: tuple[bytes, ...] = TWO) -> bool:
        assert isinstance(answers, tuple)
        assert [one.digest for one in answers] == list(digests)
        return all(
            isinstance(one, HashSigned) and checked(self.made.held.chain[0], one.digest, one.value) == one.value
            for one in answers
        )


def test_what_was_signed_of_a_batch_is_not_bought_again_with_another_code(tmp_path: Path) -> None:
    """One part of four was signed when the process died: the code is spent, and another one goes on."""
    desk = Desk(tmp_path, "v1", CscRules(multisign=100, per_call=30), hashes_per_call=30)
    fingerprint = desk.enrol()
    challenge = desk.challenge(fingerprint, HUNDRED)
    desk.service.refuse("credentials/extendTransaction")
    with pytest.raises(Unconfirmed):
        desk.activate(challenge, HUNDRED)
    assert desk.service.counts["signatures/signHash"] == 1
    desk.signer = desk.restarted()
    with pytest.raises(Rejected) as spent:
        desk.activate(challenge, HUNDRED)
    assert spent.value.reason == "spent"
    again = desk.signer.challenge(key=Key("ceremony-0/9/0"), fingerprint=fingerprint, digests=HUNDRED, language="fr")
    assert desk.all_signed(desk.activate(again, HUNDRED, key=AGAIN), HUNDRED)
    assert desk.service.counts["signatures/signHash"] == 1 + 3  # of thirty, and of the seventy that were left


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize(("per_call", "calls"), [(0, 1), (100, 1), (99, 2), (30, 4)])
def test_a_hundred_documents_take_one_authorization_and_the_fewest_calls(
    tmp_path: Path, version: Version, per_call: int, calls: int
) -> None:
    desk = Desk(tmp_path, version, CscRules(multisign=100, per_call=per_call), hashes_per_call=per_call)
    fingerprint = desk.enrol()
    assert desk.signer.credential(fingerprint=fingerprint).batch == 100
    challenge = desk.challenge(fingerprint, HUNDRED)
    assert desk.all_signed(desk.activate(challenge, HUNDRED), HUNDRED)
    counts = desk.service.sandbox.counts
    assert (len(desk.service.sandbox.sent), counts["credentials/authorize"]) == (1, 1)
    assert (counts["signatures/signHash"], counts["credentials/extendTransaction"]) == (calls, calls - 1)


def test_a_digest_that_comes_twice_is_signed_once(tmp_path: Path) -> None:
    desk = Desk(tmp_path, rules=CscRules(multisign=1))
    twice = (TWO[0], TWO[0])
    assert desk.all_signed(desk.activate(desk.challenge(desk.enrol(), twice), twice), twice)


def test_some_of_the_documents_may_be_left_out(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    assert desk.all_signed(desk.activate(desk.challenge(desk.enrol()), TWO[:1]), TWO[:1])


def test_where_the_code_went_is_shown_as_the_service_shows_it(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    assert desk.challenge(desk.enrol()).masked == "*****1316"


def test_a_pin_is_given_where_one_is_wanted(tmp_path: Path) -> None:
    pins: dict[Fingerprint, Secret] = {}
    desk = Desk(tmp_path, pin_of=pins.get)
    fingerprint = desk.enrol(pin=Secret("2468"))
    with pytest.raises(Rejected, match="PIN") as missing:
        desk.signer.credential(fingerprint=fingerprint)
    assert missing.value.reason == "disabled"
    pins[fingerprint] = Secret("2468")
    assert desk.all_signed(desk.activate(desk.challenge(fingerprint)))


def test_a_wrong_pin_is_not_the_signatory_s_fault(tmp_path: Path) -> None:
    desk = Desk(tmp_path, pin_of=lambda _: Secret("1111"))
    challenge = desk.challenge(desk.enrol(pin=Secret("2468")))
    with pytest.raises(Rejected, match="PIN") as refused:
        desk.activate(challenge)
    assert refused.value.reason == "disabled"


@pytest.mark.parametrize("mode", ["implicit", "oauth2code"])
def test_a_credential_that_no_code_opens_is_not_ours(tmp_path: Path, mode: str) -> None:
    desk = Desk(tmp_path)
    with pytest.raises(Rejected, match=r"code|pages") as refused:
        desk.signer.credential(fingerprint=desk.enrol(mode=mode))
    assert refused.value.reason == "disabled"


# --- lost answers -----------------------------------------------------------------------------------------------


def test_a_code_that_may_be_on_its_way_is_sent_again(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    fingerprint = desk.enrol()
    desk.service.lose("credentials/sendOTP")
    with pytest.raises(Unconfirmed):
        desk.challenge(fingerprint)
    challenge = desk.challenge(fingerprint)
    assert len(desk.service.sandbox.sent) == 2
    assert desk.all_signed(desk.activate(challenge))


def test_a_service_that_is_busy_takes_the_same_key_later(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    challenge = desk.challenge(desk.enrol())
    for method in ("credentials/info", "credentials/authorize"):
        desk.service.refuse(method)
        with pytest.raises(Unavailable):
            desk.activate(challenge)
    assert desk.all_signed(desk.activate(challenge))


def test_a_wrong_code_after_a_busy_answer_is_a_wrong_code(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    challenge = desk.challenge(desk.enrol())
    desk.service.refuse("credentials/authorize")
    with pytest.raises(Unavailable):
        desk.activate(challenge)
    with pytest.raises(Rejected) as wrong:
        desk.activate(challenge, code=Secret("nonsense"))
    assert wrong.value.reason == "wrong_code"
    assert desk.all_signed(desk.activate(challenge, key=AGAIN))


def test_a_busy_service_costs_no_entry_and_another_key_may_follow(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    challenge = desk.challenge(desk.enrol())
    desk.service.refuse("credentials/authorize")
    with pytest.raises(Unavailable):
        desk.activate(challenge)
    assert desk.all_signed(desk.activate(challenge, key=AGAIN))


@pytest.mark.parametrize("fault", ["lose", "refuse"])
def test_signatures_that_fail_after_the_code_go_on_with_the_same_key(tmp_path: Path, fault: str) -> None:
    """The code is spent, so it is never said that nothing happened; this process still has the activation data."""
    desk = Desk(tmp_path)
    challenge = desk.challenge(desk.enrol())
    getattr(desk.service, fault)("signatures/signHash")
    with pytest.raises(Unconfirmed):
        desk.activate(challenge)
    with pytest.raises(Rejected) as spent:
        desk.activate(challenge, key=AGAIN)
    assert spent.value.reason == "spent"
    if fault == "refuse":
        answers = desk.activate(challenge, code=Secret("not looked at"))
        assert desk.all_signed(answers)
        assert desk.activate(challenge) == answers
    else:  # the service takes its activation data once: nothing fails for good, another code is asked for
        for _ in range(2):
            with pytest.raises(Rejected) as ended:
                desk.activate(challenge, code=Secret("not looked at"))
            assert ended.value.reason == "spent"
    assert desk.service.counts["credentials/authorize"] == 1


def test_a_batch_that_was_cut_in_the_middle_is_finished(tmp_path: Path) -> None:
    desk = Desk(tmp_path, rules=CscRules(per_call=30), hashes_per_call=30)
    challenge = desk.challenge(desk.enrol(), HUNDRED)
    desk.service.refuse("credentials/extendTransaction", times=2)
    for _ in range(2):
        with pytest.raises(Unconfirmed):
            desk.activate(challenge, HUNDRED)
    assert desk.all_signed(desk.activate(challenge, HUNDRED), HUNDRED)
    assert desk.service.counts["signatures/signHash"] == 4


def test_an_authorization_that_was_lost_has_spent_the_code(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    challenge = desk.challenge(desk.enrol())
    desk.service.lose("credentials/authorize")
    with pytest.raises(Unconfirmed):
        desk.activate(challenge)
    for signer in (desk.signer, desk.restarted()):
        with pytest.raises(Rejected) as spent:
            desk.activate(challenge, signer=signer)
        assert spent.value.reason == "spent"
    assert desk.service.counts["signatures/signHash"] == 0


def test_an_authorization_that_never_arrived_is_asked_for_again(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    challenge = desk.challenge(desk.enrol())
    code = desk.code
    desk.service.lose("credentials/authorize")
    with pytest.raises(Unconfirmed):
        desk.activate(challenge)
    desk.made.code = code  # as if the gateway had lost the request, not the answer
    assert desk.all_signed(desk.activate(challenge, code=code))


def test_another_process_has_no_activation_data(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    challenge = desk.challenge(desk.enrol())
    desk.service.refuse("signatures/signHash")
    with pytest.raises(Unconfirmed):
        desk.activate(challenge)
    with pytest.raises(Rejected) as spent:
        desk.activate(challenge, signer=desk.restarted())
    assert spent.value.reason == "spent"


def test_a_pending_activation_is_fetched_by_any_process(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "v2", CscRules(agrees_after=timedelta(minutes=1)))
    pending = desk.activate(desk.challenge(desk.enrol()))
    assert isinstance(pending, SigningPending)
    desk.clock.advance(timedelta(minutes=1))
    desk.service.refuse("signatures/signHash")
    with pytest.raises(Unavailable):
        desk.signer.poll(handle=pending.handle)
    answers = desk.restarted().poll(handle=pending.handle)
    assert desk.all_signed(answers)
    assert desk.signer.poll(handle=pending.handle) == answers


# --- a service that lies ----------------------------------------------------------------------------------------


def test_what_is_no_signature_of_this_key_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(tmp_path)
    challenge = desk.challenge(desk.enrol())
    other = desk.service.enrol()
    monkeypatch.setattr(
        "qcp_sdk.sandbox.csc.sign_digest", lambda key, one: sign_digest(other.held.key if one == TWO[0] else key, one)
    )
    first, second = answered(desk.activate(challenge))
    assert (first.digest, getattr(first, "reason", "")) == (TWO[0], "not_a_signature")
    assert isinstance(second, HashSigned)


def test_ecdsa_side_by_side_is_turned_into_der(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(tmp_path)
    challenge = desk.challenge(desk.enrol())

    def plain(key: Any, one: bytes) -> bytes:
        r, s = decode_dss_signature(sign_digest(key, one))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    monkeypatch.setattr("qcp_sdk.sandbox.csc.sign_digest", plain)
    assert desk.all_signed(desk.activate(challenge))


def test_another_certificate_than_asked_for_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(tmp_path)
    fingerprint = desk.enrol()
    desk.signer.credential(fingerprint=fingerprint)
    monkeypatch.setattr(desk.made, "held", desk.service.enrol().held)
    with pytest.raises(Rejected) as unknown:
        desk.signer.credential(fingerprint=fingerprint)
    assert unknown.value.reason == "unknown_credential"


# --- what is written down ---------------------------------------------------------------------------------------


def test_no_code_pin_or_activation_data_is_written_down(tmp_path: Path) -> None:
    desk = Desk(tmp_path, pin_of=lambda _: Secret("97531864"))
    challenge = desk.challenge(desk.enrol(pin=Secret("97531864")))
    code, granted = desk.code, []
    new_sad = desk.service.sandbox._new_sad

    def kept(grant: Any) -> str:
        granted.append(new_sad(grant))
        return str(granted[-1])

    desk.service.sandbox._new_sad = kept  # type: ignore[method-assign]
    desk.service.refuse("signatures/signHash")
    with pytest.raises(Unconfirmed):
        desk.activate(challenge)
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    for secret in (code.reveal(), "97531864", *granted):
        assert secret.encode() not in written
    assert granted
    assert desk.all_signed(desk.activate(challenge))


def test_a_notebook_that_is_damaged_is_unavailable(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    fingerprint = desk.enrol()
    (tmp_path / "notebook.sqlite").write_bytes(b"not a database" * 100)
    with pytest.raises(Unavailable, match="notebook"):
        desk.signer.credential(fingerprint=fingerprint)
    with pytest.raises(Unavailable):
        desk.signer.activate(key=AGAIN, challenge=ChallengeId("x"), digests=TWO, code=Secret("1"))


@pytest.mark.parametrize("kind", ["file", "memory"])
def test_a_transaction_that_raises_writes_nothing(tmp_path: Path, kind: str) -> None:
    notebook = FileNotebook(tmp_path / "n.sqlite", keys=MemoryKeys()) if kind == "file" else MemoryNotebook()
    with pytest.raises(KeyError), notebook.open() as pages:
        pages.put("a", {"b": 1})
        raise KeyError
    with notebook.open() as pages:
        assert pages.get("a") is None
        pages.put("x/2", {})
        pages.put("x/1", {"\ud800": "é"})
        pages.put("y", {})
        pages.put("x/2", {"again": True})
        assert pages.names("x") == ("x/2", "x/1")
        assert pages.get("x/1") == {"\ud800": "é"}
    with notebook.open() as pages:
        assert pages.get("x/2") == {"again": True}
    if kind == "file":
        assert (tmp_path / "n.sqlite").stat().st_mode & 0o077 == 0


# --- issued through CSC -----------------------------------------------------------------------------------------


def authority(desk: Desk) -> CscAuthority:
    return CscAuthority(
        desk.service.client("v2"),
        notebook=desk.notebook,
        clock=desk.clock,
        issuer="Sandbox",
        client_data=lambda told: f"mobile={told.account.mobile.text};user={told.account.id}",
    )


REQUEST = name_of(b"the request")


def test_what_was_issued_is_signed_with_without_looking(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "v2", look=False)
    issued = authority(desk).submit(key=Key("s/1/0"), application=application(), request=REQUEST)
    assert isinstance(issued, CertificateIssued)
    (desk.made,) = desk.service.sandbox.credentials.values()
    challenge = desk.challenge(issued.certificate.fingerprint)
    assert challenge.masked == account().mobile.masked
    assert desk.all_signed(desk.activate(challenge))
    assert desk.service.counts["credentials/list"] == 0
    authority(desk).revoke(key=Key("r/1/0"), fingerprint=issued.certificate.fingerprint, reason="superseded")
    with pytest.raises(Rejected):
        desk.signer.credential(fingerprint=issued.certificate.fingerprint)


def test_a_certificate_whose_answer_was_lost_is_found_not_made_twice(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "v2")
    someone = desk.service.enrol(given=account(1).name.given, last=account(1).name.last)
    desk.service.lose("credentials/create")
    for again in (False, True):
        if not again:
            with pytest.raises(Unconfirmed):
                authority(desk).submit(key=Key("s/1/0"), application=application(), request=REQUEST)
            with pytest.raises(Unavailable, match="the same key"):
                authority(desk).outcome(key=Key("s/1/0"))
            continue
        issued = authority(desk).submit(key=Key("s/1/0"), application=application(), request=REQUEST)
        assert isinstance(issued, CertificateIssued)
    mine = [one for one in desk.service.sandbox.credentials if one != someone.id]
    assert len(mine) == 1, "made twice"
    assert len(authority(desk).holdings(account=account())) == 1
    assert desk.service.counts["credentials/create"] == 1


def test_a_request_that_was_lost_is_made_after_all(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "v2")
    desk.service.lose("credentials/create")
    with pytest.raises(Unconfirmed):
        authority(desk).submit(key=Key("s/1/0"), application=application(), request=REQUEST)
    desk.service.sandbox.credentials.clear()  # as if it had never arrived
    issued = authority(desk).submit(key=Key("s/1/0"), application=application(), request=REQUEST)
    assert isinstance(issued, CertificateIssued)


def test_a_revocation_whose_answer_was_lost_is_done(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "v2")
    issued = authority(desk).submit(key=Key("s/1/0"), application=application(), request=REQUEST)
    assert isinstance(issued, CertificateIssued)
    desk.service.lose("credentials/delete")
    fingerprint = issued.certificate.fingerprint
    with pytest.raises(Unconfirmed):
        authority(desk).revoke(key=Key("r/1/0"), fingerprint=fingerprint, reason="superseded")
    revoked = authority(desk).revoke(key=Key("r/1/0"), fingerprint=fingerprint, reason="superseded")
    assert revoked.reason == "superseded"


def answered(told: tuple[HashAnswer, ...] | SigningPending) -> tuple[HashAnswer, ...]:
    assert isinstance(told, tuple)
    return told


# --- any faults ---------------------------------------------------------------------------------------------------

METHODS = (
    "credentials/info", "credentials/list", "credentials/sendOTP", "credentials/getChallenge", "credentials/authorize",
    "credentials/authorizeCheck", "credentials/extendTransaction", "signatures/signHash",
)  # fmt: skip


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_whatever_is_lost_what_the_signer_says_is_true(tmp_path: Path, version: Version) -> None:
    """With the right code: `Unavailable` leaves the code good, everything is signed or the code is spent, and no
    refusal says that the code was wrong."""
    chance, ends = random.Random(27), Counter[str]()
    for round in range(120):
        pending = version == "v2" and chance.random() < 0.3
        rules = CscRules(per_call=2, agrees_after=timedelta(minutes=pending))
        desk = Desk(tmp_path, version, rules, hashes_per_call=2, notebook=MemoryNotebook())
        fingerprint, five = desk.enrol(), HUNDRED[:5]
        for _ in range(chance.randrange(4)):
            getattr(desk.service, chance.choice(("lose", "refuse")))(chance.choice(METHODS))
        challenge = persistently(partial(desk.challenge, fingerprint, five))
        end = ""
        for _ in range(12):
            if chance.random() < 0.1:
                desk.signer = desk.restarted()
            try:
                answers = desk.activate(challenge, five)
                while isinstance(answers, SigningPending):
                    desk.clock.advance(timedelta(minutes=1))
                    answers = persistently(partial(desk.signer.poll, handle=answers.handle))
            except Unavailable:
                assert desk.made.code is not None, f"{round}: the code was used, and nothing was said to have happened"
            except Unconfirmed:
                pass
            except Rejected as refusal:
                end = refusal.reason
                assert desk.made.code is None or end == "spent"
                break
            else:
                refused = {one.reason for one in answers if isinstance(one, HashRefused)}
                end = "/".join(sorted(refused)) or "signed"
                assert refused or desk.all_signed(answers, five)
                assert desk.activate(challenge, five) == answers
                break
        assert end in {"signed", "spent", "sad_ended"}, f"{round}: {end}"
        ends[end] += 1
    assert min(ends["signed"], ends["spent"]) > 0, ends  # and `sad_ended`, where the answer was pending


def test_whatever_is_lost_one_certificate_is_issued_and_revoked(tmp_path: Path) -> None:
    chance = random.Random(28)
    methods = [f"credentials/{name}" for name in ("create", "delete", "info", "list")]
    for _ in range(80):
        rules = CscRules(issued_after=timedelta(minutes=chance.randrange(2)))
        desk = Desk(tmp_path, "v2", rules, notebook=MemoryNotebook())
        for _ in range(chance.randrange(5)):
            getattr(desk.service, chance.choice(("lose", "refuse")))(chance.choice(methods))
        told = persistently(partial(submitted, desk))
        if isinstance(told, CertificatePending):
            desk.clock.advance(timedelta(minutes=1))
            told = persistently(partial(authority(desk).ask, reference=told.reference))  # type: ignore[assignment]
        assert isinstance(told, CertificateIssued)
        assert len(desk.service.sandbox.credentials) == 1, "made twice"
        fingerprint = told.certificate.fingerprint
        revoke = partial(authority(desk).revoke, key=Key("r/1/0"), fingerprint=fingerprint, reason="superseded")
        assert persistently(revoke) == persistently(revoke)
        assert persistently(partial(authority(desk).status, fingerprint=fingerprint)).reason == "superseded"
        assert not desk.service.sandbox.credentials


def submitted(desk: Desk) -> Decision:
    """Ask, ten seconds later than before."""
    desk.clock.advance(timedelta(seconds=10))
    return authority(desk).submit(key=Key("s/1/0"), application=application(), request=REQUEST)


def persistently(call: Callable[[], T]) -> T:
    """Call until it answers, as the engine does."""
    for _ in range(20):
        try:
            return call()
        except (Unavailable, Unconfirmed):
            continue
    pytest.fail("it never answers")


def test_r_beside_s_is_read_whatever_r_begins_with() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    made = SandboxPki(clock=ManualClock(START)).certify(key.public_key(), given="Jessica", last="Poussart")
    certificate = made.public_bytes(Encoding.DER)
    while True:  # one in 256
        signed = sign_digest(key, HUNDRED[0])
        r, s = (number.to_bytes(32) for number in decode_dss_signature(signed))
        if r[:1] == b"\x30":
            break
    assert checked(certificate, HUNDRED[0], r + s) == signed
    assert checked(certificate, HUNDRED[0], signed) == signed
    for wrong in (s + r, r + s + b"\x00", b"\x30" * 64, b""):
        assert checked(certificate, HUNDRED[0], wrong) == b""
    assert checked(b"no certificate", HUNDRED[0], signed) == b""
