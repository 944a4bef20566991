"""The journey as a table: every page that a person meets from A1 to E4 and A5, what they do there, and what happens
meanwhile elsewhere. Tests walk it undisturbed, or disturb every step; `make docs` walks it and takes pictures.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final

from attrs import define, frozen

from qcp_sdk.adapters.memory.authority import issue
from qcp_sdk.adapters.memory.signer import sign
from qcp_sdk.ceremony.stages import CeremonyPlan, CeremonyStage
from qcp_sdk.engine.streams import owned
from qcp_sdk.host.subscriptions import SubscriptionView
from qcp_sdk.offers import Offer
from qcp_sdk.otp import Purpose
from qcp_sdk.subscription.stages import Plan, Stage
from qcp_sdk.testing.scene import CABINET, Scene
from qcp_sdk.values import CeremonyId, SubscriptionId, TenantId
from tests.browser.hosts import Host
from tests.browser.people import Browse, heading

MINUTE: Final = timedelta(minutes=1)


@define
class Walk:
    """Somebody on their way: the page in front of them, and their phone."""

    host: Host
    browse: Browse
    page: Any
    language: str = "en"

    @property
    def scene(self) -> Scene:
        return self.host.scene

    @property
    def subscription(self) -> SubscriptionId:
        """The only one that was opened, whatever became of it."""
        engine, who = self.scene.qcp.engine, owned(TenantId(""), self.scene.jessica.id)
        (only,) = (
            id
            for id in self.scene.qcp.ports.store.find(index="account", value=engine.streams.blind("account", who))
            if engine.streams.load(id).kind == "subscription"
        )
        return SubscriptionId(only)

    @property
    def view(self) -> SubscriptionView:
        return self.scene.qcp.subscriptions.get(self.subscription)

    @property
    def ceremony(self) -> CeremonyId:
        return self.scene.qcp.collectes.ceremonies(self.host.set.collecte.id)[0].id

    def code(self, purpose: Purpose) -> str:
        return self.scene.code(self.scene.jessica, purpose).text.reveal()

    def open(self, path: str) -> None:
        self.page.goto(f"{self.host.url}/{path}")

    def login(self) -> None:
        self.open(f"login/{self.scene.jessica.id}/{self.language}")

    def see(self, step: Step) -> None:
        """Wait until the page of a step is shown."""
        heading(self.page, step.heading, self.language)
        if step.press:
            self.page.locator(step.press).first.wait_for(state="attached")


def nothing(_walk: Walk) -> None:
    """Nothing happens elsewhere, or nothing is filled in."""


@frozen(kw_only=True)
class Step:
    """One page. `press` is what leads on (CSS), `fill` what is filled in before; `outside` happens while the page is
    shown. `moves`: the page moves on by itself, once that has happened. `address` is opened where no button leads.
    """

    name: str
    heading: str
    press: str = ""
    fill: Callable[[Walk], None] = nothing
    outside: Callable[[Walk], None] = nothing
    moves: bool = False
    address: Callable[[Walk], str] | None = None
    stage: Stage | CeremonyStage | None = None
    """Of what this is the page."""
    remembered: bool = True
    """Its address shows it again; the form of the signatories' step remembers nothing."""


def ticks(boxes: str) -> Callable[[Walk], None]:
    def fill(walk: Walk) -> None:
        for box in walk.page.locator(boxes).all():
            box.check()

    return fill


def types(purpose: Purpose) -> Callable[[Walk], None]:
    return lambda walk: walk.page.locator("#qcp-code").fill(walk.code(purpose))


def waits(by: timedelta) -> Callable[[Walk], None]:
    return lambda walk: walk.scene.wait(by)


def on_the_phone(walk: Walk) -> None:
    """C1: the phone is another browser, in which nobody is signed in."""
    from tests.browser.people import PHONE

    link = walk.page.locator(".qcp-hash").first.inner_text()
    phone = walk.browse(provider=True, **PHONE)
    phone.goto(link)
    heading(phone, "hand_off_phone.title", "en")
    phone.locator(f"{to('/go/', 'contains')} button").click()
    phone.get_by_role("heading", name="Provider").wait_for()
    phone.context.close()
    walk.scene.world.identity.capture(walk.scene.identity_session(walk.view))
    walk.scene.wait(timedelta(minutes=2))


def registers(walk: Walk) -> None:
    walk.scene.world.registration.complete(walk.scene.registration_session(walk.view))
    walk.scene.wait(timedelta(hours=1))


def signs_there(walk: Walk) -> None:
    pages = walk.scene.world.pages
    session = pages.transactions()[-1].id
    pages.ask_code(session)
    pages.sign(session, walk.scene.code(walk.scene.jessica, Purpose.SIGN).text)
    walk.scene.wait(MINUTE)


def to(action: str, how: str = "ends") -> str:
    return f"form[action{'*' if how == 'contains' else '$'}='{action}']"


def _revokes(walk: Walk) -> None:
    walk.page.locator("#qcp-superseded").check()
    walk.page.locator("#qcp-sure").check()
    types(Purpose.REVOKE)(walk)


def _level_3(walk: Walk) -> None:
    walk.page.locator("select[name='level-oneself']").select_option("3")


CHECK: Final = f"{to('/check')} button"
ASK: Final = f"{to('/code')} button:not(.qcp-button-quiet)"
ENTER: Final = f"{to('/enter')} button"


def _waiting(stage: Stage, by: timedelta = MINUTE) -> Step:
    return Step(
        name=stage.value, heading=f"waiting.{stage.value}", press=CHECK, outside=waits(by), moves=True, stage=stage
    )


OPENING: Final = (
    Step(name="certificates", heading="certificates_page.title", press=f"{to('/open')} button"),
    Step(name="email_code", heading="email_code.title", press=ASK, stage=Stage.VERIFYING_EMAIL),
    Step(
        name="email_code_sent", heading="email_code.title", press=ENTER, fill=types(Purpose.OPEN),
        stage=Stage.VERIFYING_EMAIL,
    ),
    _waiting(Stage.HOLDING_FUNDS),
    Step(
        name="details", heading="details.title", press="button[value=right]", fill=ticks("input[name=confirm]"),
        stage=Stage.CONFIRMING_DETAILS,
    ),
    Step(
        name="consents", heading="consents.title", press=f"{to('/consents')} button", fill=ticks("input[name=agree]"),
        stage=Stage.CONSENTING,
    ),
)  # fmt: skip
HELD: Final = Step(name="held", heading="held.title", stage=Stage.ACTIVE)
CERTIFICATES_HELD: Final = Step(
    name="certificates_held", heading="certificates_page.title", address=lambda _: "signature/"
)
COLLECTE: Final = (
    Step(
        name="signatories_empty", heading="signatories.title", press="button[value=me]",
        address=lambda _: "collectes/new",
    ),
    Step(
        name="signatories", heading="signatories.title", press="button[value=validate]", fill=_level_3,
        remembered=False,
    ),
)  # fmt: skip
SIGNING: Final = (
    Step(
        name="signing", heading="signing.title", press=f"{to('/consent')} button", fill=ticks("input[name=read]"),
        stage=CeremonyStage.CONSENTING,
    ),
    Step(
        name="signing_code", heading="signing.code_title", press=ENTER, fill=types(Purpose.SIGN),
        stage=CeremonyStage.AWAITING_CODE,
    ),
    Step(
        name="signing_wait", heading="signing.wait_signing", press=".qcp-wait a", outside=waits(MINUTE), moves=True,
        stage=CeremonyStage.SIGNING,
    ),
)  # fmt: skip
SIGNED: Final = Step(name="signed", heading="signing.signed", stage=CeremonyStage.SIGNED)
REVOKING: Final = (
    Step(
        name="revocation", heading="revocation.title", press=f"{to('/revocation/code')} button",
        address=lambda walk: f"signature/s/{walk.subscription}/revocation",
    ),
    Step(name="revocation_code", heading="revocation.title", press=f"{to('/revocation')} button", fill=_revokes),
    Step(
        name="revoking", heading="ended.revoking", outside=waits(timedelta(hours=2)), stage=Stage.REVOKING,
    ),
    Step(
        name="revoked", heading="ended.revoked", stage=Stage.REVOKED,
        address=lambda walk: walk.page.url.removeprefix(f"{walk.host.url}/"),
    ),
)  # fmt: skip

ASSEMBLED: Final = (
    *OPENING,
    _waiting(Stage.OPENING_IDENTITY),
    Step(
        name="hand_off", heading="hand_off.title", press=CHECK, outside=on_the_phone, moves=True,
        stage=Stage.PROVING_IDENTITY,
    ),
    _waiting(Stage.PROVING_IDENTITY, timedelta(minutes=10)),
    Step(
        name="identity", heading="identity.title", press="button[value=right]", stage=Stage.CONFIRMING_IDENTITY,
    ),
    _waiting(Stage.PREPARING_REQUEST),
    Step(
        name="request", heading="request.title", press=f"{to('/request')} button", fill=ticks("input[name=accept]"),
        stage=Stage.READING_REQUEST,
    ),
    Step(name="request_code", heading="request_code.title", press=ASK, stage=Stage.SIGNING_REQUEST),
    Step(
        name="request_code_sent", heading="request_code.title", press=ENTER, fill=types(Purpose.REQUEST),
        stage=Stage.SIGNING_REQUEST,
    ),
    _waiting(Stage.SEALING_REQUEST),
    _waiting(Stage.AWAITING_CERTIFICATE, timedelta(hours=1)),
    HELD,
    CERTIFICATES_HELD,
    *COLLECTE,
    *SIGNING,
    SIGNED,
    *REVOKING,
)  # fmt: skip
"""Every page of the assembled plan, from A1 to E4, and A5."""

HOSTED: Final = (
    OPENING[-1],
    _waiting(Stage.OPENING_REGISTRATION),
    Step(
        name="registration", heading="registration.title", press=CHECK, outside=registers, moves=True,
        stage=Stage.REGISTERING,
    ),
    HELD,
    CERTIFICATES_HELD,
    *COLLECTE,
    Step(
        name="signing_elsewhere", heading="signing.elsewhere", press=".qcp-wait p:last-of-type a", outside=signs_there,
        moves=True, stage=CeremonyStage.SIGNING_AT_PROVIDER,
    ),
    SIGNED,
)  # fmt: skip
"""From where the hosted plan differs: identity, request and signing codes are the provider's pages."""

PLANS: Final[Mapping[Plan, tuple[Step, ...]]] = {Plan.ASSEMBLED: ASSEMBLED, Plan.HOSTED: HOSTED}


def begin(host: Host, plan: Plan) -> None:
    """Let a scene play in which everybody answers at the second time of asking, so that every waiting page is met."""
    host.begin(
        offer=Offer(plan=plan),
        plan=CeremonyPlan.HOSTED if plan is Plan.HOSTED else CeremonyPlan.OURS,
    )
    world = host.scene.world
    for port, method in (
        ("ledger", "hold"),
        ("identity", "open"),
        ("documents", "compose_request"),
        ("documents", "seal_request"),
        ("registration", "open"),
        ("authority", "revoke"),
    ):
        world.faults.unavailable(port, method)
    world.authority.script(None, issue(after=timedelta(minutes=30)))
    if plan is Plan.HOSTED:
        host.scene.subscribe(host.scene.jessica, until=Stage.CONSENTING)
    world.signer.script(None, sign(after=timedelta(seconds=30)))


def effects(walk: Walk) -> dict[str, object]:
    """What has come of a walk, for people and for the cabinet: each thing once, however it was disturbed."""
    world = walk.scene.world
    return {
        "codes": dict(Counter(one.purpose.value for one in world.codes.outbox)),
        "money": dict(Counter(one.movement.value for one in world.books.statement(cabinet=CABINET.id))),
        "taken": int(walk.scene.taken()),
        "identities": len(world.identity.sessions()),
        "registrations": len(world.registration.sessions()),
        "certificates": len(world.authority.held_by(walk.scene.jessica.id)),
        "notices": dict(Counter(one.__name__ for one in walk.scene.notices(walk.scene.jessica))),
        "subscription": str(walk.view.stage),
        "ceremonies": [str(one.stage) for one in walk.scene.qcp.collectes.ceremonies(walk.host.set.collecte.id)],
    }
