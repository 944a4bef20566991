"""Every page there is, and how to come to it: what axe looks at, and what `make docs` takes pictures of.

`bring` plays the scene up to the page and gives its address; `act` is what is done there, for a page that comes of a
form. The scene's clock, ids and addresses are always the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final

from attrs import frozen

from qcp_sdk.adapters.memory import authority, registration, signer
from qcp_sdk.adapters.memory.identity import IdentityScript, refuse, retry
from qcp_sdk.ceremony.facts import Declined
from qcp_sdk.ceremony.stages import CeremonyPlan
from qcp_sdk.facts import CodeRequested
from qcp_sdk.offers import Offer
from qcp_sdk.otp import Purpose
from qcp_sdk.subscription.facts import DetailsContested, RevocationRequested
from qcp_sdk.subscription.stages import Plan, Stage
from qcp_sdk.testing.scene import Scene
from qcp_sdk.values import CeremonyId
from tests.browser.stage import Set

HOUR: Final = timedelta(hours=1)
Bring = Callable[[Set], str]
Act = Callable[[Any], None]


@frozen(kw_only=True)
class Page:
    """One page: its name in the docs, the feature that it shows, and how to come to it."""

    title: str
    feature: str
    bring: Bring
    act: Act = lambda _page: None
    plan: Plan = Plan.ASSEMBLED
    signed_in: bool = True

    def offer(self) -> Offer:
        """Give the terms of its scene."""
        return Offer(plan=self.plan)


def _path(scene: Scene, stage: Stage) -> str:
    return f"signature/s/{scene.subscribe(scene.jessica, until=stage).id}"


def at(stage: Stage, below: str = "") -> Bring:
    return lambda present: _path(present.scene, stage) + below


def kept_waiting(port: str, method: str, stage: Stage) -> Bring:
    """Let a service not answer the first time: the page of a stage that is over in an instant otherwise."""

    def bring(present: Set) -> str:
        present.scene.world.faults.unavailable(port, method)
        return _path(present.scene, stage)

    return bring


def code_sent(stage: Stage, below: str = "") -> Bring:
    def bring(present: Set) -> str:
        view = present.scene.subscribe(present.scene.jessica, until=stage)
        present.scene.qcp.subscriptions.act(view.id, CodeRequested())
        return f"signature/s/{view.id}{below}"

    return bring


def opened(path: str, until: Stage | None = None) -> Bring:
    def bring(present: Set) -> str:
        if until is not None:
            present.scene.subscribe(present.scene.jessica, until=until)
        return path

    return bring


def captured(present: Set) -> str:
    scene = present.scene
    view = scene.subscribe(scene.jessica, until=Stage.PROVING_IDENTITY)
    scene.world.identity.capture(scene.identity_session(view))
    scene.qcp.subscriptions.refresh(view.id)
    return f"signature/s/{view.id}"


def decided(verdict: IdentityScript) -> Bring:
    def bring(present: Set) -> str:
        scene = present.scene
        view = scene.subscribe(scene.jessica, until=Stage.PROVING_IDENTITY)
        session = scene.identity_session(view)
        scene.world.identity.script(session, verdict)
        scene.world.identity.capture(session)
        scene.wait(timedelta(minutes=10))
        return f"signature/s/{view.id}"

    return bring


def contested(present: Set) -> str:
    view = present.scene.subscribe(present.scene.jessica, until=Stage.CONFIRMING_DETAILS)
    return f"signature/s/{view.say(DetailsContested()).id}"


def awaiting(present: Set) -> str:
    present.scene.world.authority.script(None, authority.issue(after=HOUR))
    return _path(present.scene, Stage.AWAITING_CERTIFICATE)


def attested(present: Set) -> str:
    present.scene.world.registration.script(None, registration.attest())
    return _path(present.scene, Stage.ACTIVE)


def revoked(after: timedelta) -> Bring:
    def bring(present: Set) -> str:
        scene = present.scene
        view = scene.subscribe(scene.jessica)
        scene.world.authority.delay_revocations(HOUR)
        view.say(CodeRequested()).say(scene.code(scene.jessica, Purpose.REVOKE))
        scene.qcp.subscriptions.get(view.id).say(RevocationRequested(reason="superseded"))
        scene.wait(after)
        return f"signature/s/{view.id}"

    return bring


def expired(present: Set) -> str:
    view = present.scene.subscribe(present.scene.jessica)
    present.scene.wait(timedelta(days=6 * 365))
    return f"signature/s/{view.id}"


def _collecte(present: Set, *, second: bool = False, plan: CeremonyPlan = CeremonyPlan.OURS) -> CeremonyId:
    scene = present.scene
    for one in (scene.jessica, scene.irene):
        scene.subscribe(one)
    people = (scene.irene, scene.jessica) if second else (scene.jessica, scene.irene)
    present.collecte = scene.collecte(*people, documents={"lettre-de-mission.pdf": b"%PDF-1.7 a letter"})
    scene.qcp.collectes.start(present.collecte, plan=plan)
    return next(
        one.id for one in scene.qcp.collectes.ceremonies(present.collecte.id) if one.account == scene.jessica.id
    )


def ceremony(then: Callable[[Scene, CeremonyId], object] = lambda _scene, _id: None, **how: Any) -> Bring:
    def bring(present: Set) -> str:
        id = _collecte(present, **how)
        then(present.scene, id)
        return f"signature/c/{id}"

    return bring


def _asked(scene: Scene, id: CeremonyId) -> None:
    scene.ask_code(scene.qcp.collectes.ceremony(id))


def _signs(outcome: signer.SignerScript) -> Callable[[Scene, CeremonyId], None]:
    def then(scene: Scene, id: CeremonyId) -> None:
        scene.world.signer.script(None, outcome)
        scene.sign(scene.qcp.collectes.ceremony(id), scene.jessica)

    return then


def _partly(present: Set) -> str:
    """One of two documents cannot be signed."""
    scene = present.scene
    scene.subscribe(scene.jessica)
    present.collecte = scene.collecte(
        scene.jessica, documents={"lettre-de-mission.pdf": b"%PDF-1.7 a letter", "annexe.pdf": b"%PDF-1.7 an annex"}
    )
    (view,) = scene.start(present.collecte)
    scene.world.envelope.refuse(present.collecte.documents[1].content, "encrypted")
    scene.sign(view, scene.jessica)
    return f"signature/c/{view.id}"


def busy(present: Set) -> str:
    present.scene.world.faults.unavailable("accounts", times=99)
    return "signature/"


def press(selector: str) -> Act:
    def act(page: Any) -> None:
        page.locator(selector).first.click()
        page.wait_for_load_state()

    return act


def goes_to_the_phone(page: Any) -> None:
    page.goto(page.locator(".qcp-hash").first.inner_text())


def wrong_code(page: Any) -> None:
    page.locator("#qcp-code").fill("AAAAAA")
    press("form[action$='/enter'] button")(page)


def two_signatories(page: Any) -> None:
    for value in ("me", "member"):
        press(f"button[value={value}]")(page)


def level_refused(page: Any) -> None:
    press("button[value=me]")(page)
    press("button[value=other]")(page)
    press("button[value=validate]")(page)


def open_all(page: Any) -> None:
    """Open what is folded."""
    for summary in page.locator("summary").all():
        summary.click()


PAGES: Final[Mapping[str, Page]] = {
    "certificates": Page(title="My certificates: none yet", feature="A1–A3", bring=opened("signature/")),
    "certificates-progress": Page(
        title="My certificates: a subscription to resume", feature="A2", bring=opened("signature/", Stage.CONSENTING)
    ),
    "certificates-held": Page(
        title="My certificates: both held", feature="A1, A2, A5", bring=opened("signature/", Stage.ACTIVE)
    ),
    "certificates-attested": Page(
        title="My certificates: one that a provider attests",
        feature="A2",
        plan=Plan.HOSTED,
        bring=lambda present: attested(present) and "signature/",
    ),
    "mobile": Page(title="Changing the mobile number", feature="A5", bring=opened("signature/mobile")),
    "email-code": Page(title="A code by e-mail", feature="B1", bring=at(Stage.VERIFYING_EMAIL)),
    "email-code-sent": Page(title="The code was sent", feature="B1", bring=code_sent(Stage.VERIFYING_EMAIL)),
    "email-code-wrong": Page(
        title="A wrong code", feature="B1", bring=code_sent(Stage.VERIFYING_EMAIL), act=wrong_code
    ),
    "holding-funds": Page(
        title="The price is set aside", feature="A3", bring=kept_waiting("ledger", "hold", Stage.HOLDING_FUNDS)
    ),
    "details": Page(title="Both statements, or an error", feature="B2", bring=at(Stage.CONFIRMING_DETAILS)),
    "consents": Page(title="Both consents", feature="B3", bring=at(Stage.CONSENTING)),
    "opening-identity": Page(
        title="The identity check is opened", feature="C1",
        bring=kept_waiting("identity", "open", Stage.OPENING_IDENTITY),
    ),
    "hand-off": Page(
        title="To the smartphone, or in this browser; “I have none”", feature="C1, C2",
        bring=at(Stage.PROVING_IDENTITY),
    ),
    "hand-off-again": Page(title="Refused, but may be tried again", feature="C5", bring=decided(retry("glare"))),
    "hand-off-phone": Page(
        title="On the smartphone", feature="C1", bring=at(Stage.PROVING_IDENTITY), act=goes_to_the_phone
    ),
    "hand-off-spent": Page(title="A link that was used", feature="C1", bring=opened("signature/go/x")),
    "hand-off-done": Page(title="Continue on your computer", feature="C4", bring=opened("signature/done")),
    "identity-waiting": Page(title="The verdict is waited for", feature="C4", bring=captured),
    "identity": Page(title="What was read from the document", feature="C6", bring=at(Stage.CONFIRMING_IDENTITY)),
    "preparing-request": Page(
        title="The request is made", feature="D1",
        bring=kept_waiting("documents", "compose_request", Stage.PREPARING_REQUEST),
    ),
    "request": Page(title="The certificate request", feature="D1", bring=at(Stage.READING_REQUEST)),
    "request-code": Page(title="A code by SMS", feature="D2", bring=at(Stage.SIGNING_REQUEST)),
    "request-code-sent": Page(title="The code was sent", feature="D2, D3", bring=code_sent(Stage.SIGNING_REQUEST)),
    "sealing-request": Page(
        title="The request is signed", feature="D3",
        bring=kept_waiting("documents", "seal_request", Stage.SEALING_REQUEST),
    ),
    "awaiting-certificate": Page(title="The request is final", feature="D4", bring=awaiting),
    "held": Page(title="The certificate is issued", feature="D4, D5", bring=at(Stage.ACTIVE)),
    "opening-registration": Page(
        title="Hosted plan: the registration is opened", feature="C1", plan=Plan.HOSTED,
        bring=kept_waiting("registration", "open", Stage.OPENING_REGISTRATION),
    ),
    "registration": Page(
        title="Hosted plan: at the provider", feature="C, D", plan=Plan.HOSTED, bring=at(Stage.REGISTERING)
    ),
    "held-attested": Page(
        title="Hosted plan: issued, and attested", feature="D4", plan=Plan.HOSTED, bring=attested
    ),
    "refused": Page(title="Refused for good", feature="C5, D5", bring=decided(refuse("no"))),
    "contested": Page(title="An error in the details", feature="B2, D5", bring=contested),
    "revocation": Page(title="Revoking", feature="A5", bring=at(Stage.ACTIVE, "/revocation")),
    "revocation-code": Page(
        title="Revoking: reason and code", feature="A5", bring=code_sent(Stage.ACTIVE, "/revocation")
    ),
    "revoking": Page(title="Being revoked", feature="A5", bring=revoked(timedelta(0))),
    "revoked": Page(title="Revoked", feature="A5", bring=revoked(timedelta(hours=3))),
    "expired": Page(title="Expired", feature="A2", bring=expired),
    "signatories": Page(
        title="Signatories and their levels", feature="E1, E2", bring=opened("collectes/new", Stage.ACTIVE),
        act=two_signatories,
    ),
    "signatories-refused": Page(
        title="What is refused, why, and what would help", feature="E1, E3", bring=opened("collectes/new"),
        act=level_refused,
    ),
    "signing": Page(title="Read, and agree to sign", feature="E4", bring=ceremony()),
    "signing-turn": Page(title="Others sign first", feature="E2", bring=ceremony(second=True)),
    "signing-code": Page(title="The code that signs", feature="E4", bring=ceremony(_asked)),
    "signing-wait": Page(
        title="The signature is being made", feature="E4", bring=ceremony(_signs(signer.sign(after=HOUR)))
    ),
    "signing-elsewhere": Page(
        title="Hosted plan: sign at the provider", feature="E4", bring=ceremony(plan=CeremonyPlan.HOSTED)
    ),
    "signed": Page(title="Signed", feature="E4", bring=ceremony(_signs(signer.sign()))),
    "signing-partly": Page(title="Signed in part", feature="E4", bring=_partly),
    "signing-failed": Page(
        title="The signature could not be made", feature="E4", bring=ceremony(_signs(signer.refuse("disabled")))
    ),
    "signing-declined": Page(
        title="Refused to sign", feature="E2",
        bring=ceremony(lambda scene, id: scene.qcp.collectes.ceremony(id).say(Declined(reason="no"))),
    ),
    "signing-lapsed": Page(
        title="The collecte has ended", feature="E2",
        bring=ceremony(lambda scene, _id: scene.wait(timedelta(days=16))),
    ),
    "unknown": Page(title="Another's page, or none", feature="", bring=opened("signature/nowhere")),
    "busy": Page(title="A service does not answer", feature="", bring=busy),
}  # fmt: skip
