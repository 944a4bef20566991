"""Every way in which the journey does not go on, by the word under which its sentence stands in the texts.

A word that is in the texts, or in the machine, and not in these tables fails `test_branches.py`: a new branch comes
with its journey in a browser, or is named with why no browser comes there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final

from attrs import evolve, frozen

from qcp_sdk.adapters.memory import authority, identity, registration
from qcp_sdk.errors import CodeRefused
from qcp_sdk.facts import CodeRequested, Fact
from qcp_sdk.host.collectes import CeremonyView
from qcp_sdk.identity import Proofing
from qcp_sdk.otp import Purpose
from qcp_sdk.subscription import facts
from qcp_sdk.subscription.facts import RevocationRequested
from qcp_sdk.subscription.stages import Ending, Plan, Stage
from qcp_sdk.testing.scene import CABINET
from qcp_sdk.values import Cents, Key, PersonName, PhoneNumber
from tests.browser.walks import ENTER, Walk, ticks, to, types

DAY: Final = timedelta(days=1)
HOUR: Final = timedelta(hours=1)
Act = Callable[[Walk], object]


@frozen(kw_only=True)
class Branch:
    """Where it begins, and what then happens: on the page, or elsewhere while it is shown."""

    stage: Stage
    act: Act
    plan: Plan = Plan.ASSEMBLED
    ends: Stage = Stage.CLOSED


# --- what people do on the page -----------------------------------------------------------------------------


def chooses(button: str, *boxes: str) -> Act:
    """Open the branch that a button is in, tick what is said, and press it."""

    def act(walk: Walk) -> None:
        inside = walk.page.locator("details", has=walk.page.locator(button)).first
        inside.locator("summary").click()
        for box in boxes:
            inside.locator(box).check()
        inside.locator(button).first.click()

    return act


def goes_on(*steps: Act) -> Act:
    def act(walk: Walk) -> None:
        for step in steps:
            step(walk)

    return act


def presses(selector: str) -> Act:
    return lambda walk: walk.page.locator(selector).first.click()


def types_wrongly(purpose: Purpose) -> Act:
    def act(walk: Walk) -> None:
        walk.page.locator("#qcp-code").fill(walk.scene.wrong_code(walk.scene.jessica, purpose).text.reveal())
        walk.page.locator(ENTER).first.click()

    return act


# --- what happens elsewhere ---------------------------------------------------------------------------------


def waits(by: timedelta) -> Act:
    return lambda walk: walk.scene.wait(by)


def verdict(script: identity.IdentityScript, times: int = 1) -> Act:
    def act(walk: Walk) -> None:
        desk = walk.scene.world.identity
        desk.script(None, script)
        for _ in range(times):
            desk.capture(walk.scene.identity_session(walk.view))
            walk.scene.wait(timedelta(minutes=6))

    return act


def registers(script: registration.RegistrationScript) -> Act:
    def act(walk: Walk) -> None:
        desk = walk.scene.world.registration
        desk.script(None, script)
        desk.complete(walk.scene.registration_session(walk.view))
        walk.scene.wait(HOUR)

    return act


def reports(fact: Fact) -> Act:
    return lambda walk: walk.scene.qcp.subscriptions.report(walk.subscription, fact)


def spends(walk: Walk) -> None:
    walk.scene.world.books.hold(key=Key("spent"), cabinet=CABINET.id, amount=Cents(7_000), memo="spent elsewhere")


def types_many_wrong_codes(walk: Walk) -> None:
    """Twenty wrong codes in a day: the last is typed on the page."""
    view, typed = walk.view, 0
    while typed < 19:
        if typed % 5 == 0:
            walk.scene.wait(timedelta(minutes=20))
            view = view.say(CodeRequested())
        try:
            view.say(walk.scene.wrong_code(walk.scene.jessica, Purpose.OPEN))
        except CodeRefused:
            typed += 1
    walk.page.reload()
    types_wrongly(Purpose.OPEN)(walk)


def revokes(walk: Walk) -> None:
    walk.view.say(CodeRequested()).say(walk.scene.code(walk.scene.jessica, Purpose.REVOKE))
    walk.view.say(RevocationRequested(reason="superseded"))
    walk.scene.wait(HOUR)


def revoked_by_issuer(walk: Walk) -> None:
    (held,) = walk.scene.world.authority.held_by(walk.scene.jessica.id)
    walk.scene.world.authority.revoke(
        key=Key("elsewhere"), fingerprint=held.certificate.fingerprint, reason="key_compromise"
    )
    walk.scene.wait(2 * DAY)


CONSENTS: Final = goes_on(ticks("input[name=agree]"), presses(f"{to('/consents')} button"))
SIGNS_REQUEST: Final = goes_on(
    presses(f"{to('/code')} button"),
    lambda walk: walk.page.locator("#qcp-code").wait_for(),
    types(Purpose.REQUEST),
    presses(ENTER),
)
SOMEBODY_ELSE: Final = PersonName(given="Camille", last="Martin")

ENDINGS: Final[Mapping[Ending, Branch]] = {
    # Said on the page.
    Ending.DETAILS_WRONG: Branch(
        stage=Stage.CONFIRMING_DETAILS, act=chooses("button[value=wrong]", "#qcp-wrong-mobile")
    ),
    Ending.NO_DOCUMENT: Branch(stage=Stage.PROVING_IDENTITY, act=chooses(f"{to('/no-document')} button")),
    Ending.IDENTITY_CONTESTED: Branch(
        stage=Stage.CONFIRMING_IDENTITY, act=chooses("button[value=wrong]", "#qcp-wrong-last_name")
    ),
    Ending.CANCELLED: Branch(stage=Stage.SIGNING_REQUEST, act=chooses(f"{to('/cancel')} button")),
    Ending.TOO_MANY_CODES: Branch(stage=Stage.VERIFYING_EMAIL, act=types_many_wrong_codes),
    # Said of the cabinet's credit, the account or the certificate it rests on.
    Ending.INSUFFICIENT_FUNDS: Branch(
        stage=Stage.VERIFYING_EMAIL,
        act=goes_on(
            spends,
            presses(f"{to('/code')} button"),
            lambda walk: walk.page.locator("#qcp-code").wait_for(),
            types(Purpose.OPEN),
            presses(ENTER),
        ),
    ),
    Ending.ACCOUNT_CHANGED: Branch(
        stage=Stage.CONFIRMING_IDENTITY, act=reports(facts.AccountChanged(fields=("email",)))
    ),
    Ending.LCP_REVOKED: Branch(
        stage=Stage.CONSENTING,
        act=lambda walk: reports(facts.LcpRevoked(at=walk.scene.world.clock.now()))(walk),
    ),
    Ending.DEADLINE_PASSED: Branch(stage=Stage.CONFIRMING_DETAILS, act=waits(DAY)),
    # The identity provider's verdicts.
    Ending.IDENTITY_UNAVAILABLE: Branch(
        stage=Stage.CONSENTING,
        act=goes_on(lambda walk: walk.scene.world.identity.reject_openings("blocked"), CONSENTS),
    ),
    Ending.IDENTITY_MISMATCH: Branch(stage=Stage.PROVING_IDENTITY, act=verdict(identity.data_changed(SOMEBODY_ELSE))),
    Ending.IDENTITY_REFUSED: Branch(stage=Stage.PROVING_IDENTITY, act=verdict(identity.refuse())),
    Ending.TOO_MANY_RETRIES: Branch(stage=Stage.PROVING_IDENTITY, act=verdict(identity.retry(), times=4)),
    Ending.PROOFING_TOO_LOW: Branch(
        stage=Stage.PROVING_IDENTITY, act=verdict(identity.approve(proofing=Proofing.NONE))
    ),
    Ending.FRAUD_SUSPECTED: Branch(stage=Stage.PROVING_IDENTITY, act=verdict(identity.fraud())),
    # The request and the authority.
    Ending.REQUEST_REJECTED: Branch(
        stage=Stage.CONFIRMING_IDENTITY,
        act=goes_on(lambda walk: walk.scene.world.documents.refuse("cannot_compose"), presses("button[value=right]")),
    ),
    Ending.SEAL_REFUSED: Branch(
        stage=Stage.SIGNING_REQUEST,
        act=goes_on(lambda walk: walk.scene.world.documents.refuse("cannot_seal"), SIGNS_REQUEST),
    ),
    Ending.CA_REFUSED: Branch(
        stage=Stage.SIGNING_REQUEST,
        act=goes_on(lambda walk: walk.scene.world.authority.script(None, authority.refuse()), SIGNS_REQUEST),
    ),
    Ending.CERTIFICATE_NOT_CONFORMING: Branch(
        stage=Stage.SIGNING_REQUEST,
        act=goes_on(
            lambda walk: walk.scene.world.authority.script(None, authority.issue_wrongly(name=SOMEBODY_ELSE)),
            SIGNS_REQUEST,
        ),
        ends=Stage.REVOKED,
    ),
    # The hosted plan.
    Ending.REGISTRATION_UNAVAILABLE: Branch(
        stage=Stage.CONSENTING,
        plan=Plan.HOSTED,
        act=goes_on(lambda walk: walk.scene.world.registration.reject_openings("blocked"), CONSENTS),
    ),
    Ending.REGISTRATION_REFUSED: Branch(
        stage=Stage.REGISTERING, plan=Plan.HOSTED, act=registers(registration.refuse())
    ),
    Ending.REGISTRATION_EXPIRED: Branch(
        stage=Stage.REGISTERING, plan=Plan.HOSTED, act=registers(registration.expire())
    ),
    # The end of a certificate that was issued, and paid.
    Ending.REQUESTED_BY_HOLDER: Branch(stage=Stage.ACTIVE, act=revokes, ends=Stage.REVOKED),
    Ending.ORDERED_BY_HOST: Branch(
        stage=Stage.ACTIVE,
        act=reports(facts.RevocationOrdered(reason="affiliation_changed", by="Odile")),
        ends=Stage.REVOKED,
    ),
    Ending.REVOKED_BY_ISSUER: Branch(stage=Stage.ACTIVE, act=revoked_by_issuer, ends=Stage.REVOKED),
}
PAID: Final = frozenset({Ending.REQUESTED_BY_HOLDER, Ending.ORDERED_BY_HOST, Ending.REVOKED_BY_ISSUER})
"""Endings of a certificate that was issued: its price was taken, and stays so."""


# --- why a subscription does not open -----------------------------------------------------------------------


def _no_lcp(walk: Walk) -> None:
    walk.scene.world.lcp_authority._held.clear()


def _of_no_level(walk: Walk) -> None:
    """The person's certificate names no policy that we know."""
    lcp = walk.scene.world.lcp_authority
    held = tuple(
        evolve(one, certificate=evolve(one.certificate, policies=())) for one in lcp.held_by(walk.scene.jessica.id)
    )
    lcp.holdings = lambda *, account: held  # type: ignore[method-assign]


def _lcp_revoked(walk: Walk) -> None:
    lcp = walk.scene.world.lcp_authority
    (held,) = lcp.held_by(walk.scene.jessica.id)
    lcp.revoke(key=Key("elsewhere"), fingerprint=held.certificate.fingerprint, reason="superseded")


OPENINGS: Final[Mapping[str, Act]] = {
    "no_lcp_certificate": _no_lcp,
    "lcp_level_too_low": _of_no_level,
    "lcp_not_usable": _lcp_revoked,
    "differs_from_lcp": lambda walk: walk.scene.world.accounts.put(
        evolve(walk.scene.jessica, mobile=PhoneNumber("+33639980000"))
    ),
    "not_a_member_of_the_cabinet": lambda walk: walk.scene.world.accounts.put(evolve(walk.scene.jessica, cabinets=())),
    "balance_too_small": spends,
    "qualified_certificate_held": lambda walk: walk.scene.subscribe(walk.scene.jessica),
}
"""What has become of the account, while its certificates page was open."""
OPENINGS_NOT_SEEN: Final[Mapping[str, str]] = {
    "price_negative": "an `Offer` of such a price cannot be made",
    "already_open": "leads to the subscription that is open: test_a_subscription_that_is_open_is_gone_to",
    "other": "for words that a newer release may say",
}


# --- what can be mended at once -----------------------------------------------------------------------------


@frozen(kw_only=True)
class Slip:
    """What was done on the page of a stage, and is refused there with a sentence that says how to go on."""

    stage: Stage | None
    """None: the signing page."""
    act: Act
    path: str = ""
    """Below the subscription's address."""


ASK: Final = f"{to('/code')} button"


def asks(walk: Walk) -> None:
    walk.page.locator(ASK).first.click()
    walk.page.locator("#qcp-code").wait_for()


def asks_often(times: int) -> Act:
    """Ask for codes, a minute apart; the last one without a wait."""

    def act(walk: Walk) -> None:
        for _ in range(times - 1):
            walk.view.say(CodeRequested())
            walk.scene.wait(timedelta(minutes=1))
        walk.page.reload()
        presses(ASK)(walk)

    return act


def locked(walk: Walk) -> None:
    """Twenty wrong codes for the request: a day's lock, which waits."""
    for _ in range(4):
        walk.view.say(CodeRequested())
        for _ in range(5):
            try:
                walk.view.say(walk.scene.wrong_code(walk.scene.jessica, Purpose.REQUEST))
            except CodeRefused:
                continue
        walk.scene.wait(timedelta(minutes=20))
    walk.page.reload()
    presses(ASK)(walk)


def too_many_tries(walk: Walk) -> None:
    walk.view.say(CodeRequested())
    for _ in range(5):
        try:
            walk.view.say(walk.scene.wrong_code(walk.scene.jessica, Purpose.OPEN))
        except CodeRefused:
            continue
    walk.page.reload()
    goes_on(types(Purpose.OPEN), presses(ENTER))(walk)


def otherwise_hashed(walk: Walk) -> None:
    """The text has changed on the server since the page was shown."""
    walk.page.locator("input[name=hash_personal_data]").evaluate("field => { field.value = 'sha256:00' }")
    CONSENTS(walk)


def no_reason(walk: Walk) -> None:
    """Sent without a reason, by a browser that does not mind what is required."""
    asks(walk)
    for radio in walk.page.locator("input[type=radio]").all():
        radio.evaluate("field => { field.required = false }")
    walk.page.locator("#qcp-sure").check()
    types(Purpose.REVOKE)(walk)
    presses(f"{to('/revocation')} button")(walk)


def not_sure(walk: Walk) -> None:
    asks(walk)
    walk.page.locator("#qcp-superseded").check()
    types(Purpose.REVOKE)(walk)
    presses(f"{to('/revocation')} button")(walk)


def other_signatory(walk: Walk) -> None:
    """Somebody else is signing the same document at this moment: their code is out."""
    scene = walk.scene
    scene.ask_code(_theirs(walk))
    walk.page.reload()
    goes_on(ticks("input[name=read]"), presses(f"{to('/consent')} button"))(walk)


PROBLEMS: Final[Mapping[str, Slip]] = {
    "wrong": Slip(stage=Stage.VERIFYING_EMAIL, act=goes_on(asks, types_wrongly(Purpose.OPEN))),
    "expired": Slip(
        stage=Stage.VERIFYING_EMAIL,
        act=goes_on(asks, types(Purpose.OPEN), waits(timedelta(minutes=4)), presses(ENTER)),
    ),
    "too_many_tries": Slip(stage=Stage.VERIFYING_EMAIL, act=too_many_tries),
    "locked": Slip(stage=Stage.SIGNING_REQUEST, act=locked),
    "too_soon": Slip(stage=Stage.VERIFYING_EMAIL, act=goes_on(asks, presses(ASK))),
    "too_many_codes": Slip(stage=Stage.VERIFYING_EMAIL, act=asks_often(6)),
    "both_statements": Slip(stage=Stage.CONFIRMING_DETAILS, act=presses("button[value=right]")),
    "both_texts": Slip(stage=Stage.CONSENTING, act=presses(f"{to('/consents')} button")),
    "text_changed": Slip(stage=Stage.CONSENTING, act=otherwise_hashed),
    "not_accepted": Slip(stage=Stage.READING_REQUEST, act=presses(f"{to('/request')} button")),
    "no_reason": Slip(stage=Stage.ACTIVE, path="/revocation", act=no_reason),
    "not_sure": Slip(stage=Stage.ACTIVE, path="/revocation", act=not_sure),
    "not_read": Slip(stage=None, act=presses(f"{to('/consent')} button")),
    "document_busy": Slip(stage=None, act=other_signatory),
}
PROBLEMS_NOT_SEEN: Final[Mapping[str, str]] = {
    "spent": "a code that was used has led to the next page, which is shown instead",
    "superseded": "said when another process has sent a newer code in the same instant",
    "too_many_links": "the button is there while the link may be sent; an older page leads to the present one",
    "none_sent": "a form that takes a code is shown once one was sent",
    "code_needed": "revoking says the code first, which is then wrong, or expired",
    "lease_ended": "said when the time to sign ends while the code is on its way",
    "other": "for words that a newer release may say",
}

# --- the signatories' step, and how a collecte ends ---------------------------------------------------------

SIGNATORIES: Final[Mapping[str, Act]] = {
    "nobody": presses("button[value=validate]"),
    "incomplete": goes_on(presses("button[value=other]"), presses("button[value=validate]")),
    "level_refused": goes_on(
        presses("button[value=me]"),
        lambda walk: walk.page.locator("option[value='3']").evaluate("one => { one.disabled = false }"),
        lambda walk: walk.page.locator("select[name='level-oneself']").select_option("3"),
        presses("button[value=validate]"),
    ),
}
SIGNATORIES_NOT_SEEN: Final[Mapping[str, str]] = {"other": "for words that a newer release may say"}


def _ends(cause: str) -> Act:
    return lambda walk: walk.scene.qcp.collectes.end(walk.host.set.collecte.id, cause=cause)


def _other_declines(walk: Walk) -> None:
    from qcp_sdk.ceremony.facts import Declined

    _theirs(walk).say(Declined(reason="not mine"))


def _other_fails(walk: Walk) -> None:
    from qcp_sdk.adapters.memory.signer import refuse

    walk.scene.world.signer.script(None, refuse("disabled"))
    walk.scene.sign(_theirs(walk), walk.scene.irene)


def _theirs(walk: Walk) -> CeremonyView:
    return next(
        one
        for one in walk.scene.qcp.collectes.ceremonies(walk.host.set.collecte.id)
        if one.account == walk.scene.irene.id
    )


LAPSES: Final[Mapping[str, Act]] = {
    "deadline": waits(16 * DAY),
    "expired": _ends("expired"),
    "cancelled": _ends("cancelled"),
    "refused": _other_declines,
    "failed": _other_fails,
}
LAPSES_NOT_SEEN: Final[Mapping[str, str]] = {"other": "for causes that a host may give in words of its own"}
