"""Every way in which the journey does not go on, by the word under which its sentence stands in the texts.

A word that is in the texts, or in the machine, and not in these tables fails `test_branches.py`: a new branch comes with
its journey in a browser, or is named with why no browser comes there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final

from attrs import evolve, frozen

from qcp_sdk.adapters.memory import authority, identity, registration, signer
from qcp_sdk.errors import CodeRefused
from qcp_sdk.facts import CodeRequested, Fact
from qcp_sdk.identity import Proofing
from qcp_sdk.levels import CertificateLevel
from qcp_sdk.matching import USUALLY_ACCEPTED  # noqa: F401
from qcp_sdk.otp import Purpose
from qcp_sdk.subscription import facts
from qcp_sdk.subscription.facts import RevocationRequested
from qcp_sdk.subscription.stages import Ending, Plan, Stage
from qcp_sdk.testing.scene import CABINET
from qcp_sdk.values import Cents, Key, PersonName, PhoneNumber
from tests.browser.walks import CHECK, ENTER, Walk, ticks, to, types

DAY: Final = timedelta(days=1)
HOUR: Final = timedelta(hours=1)
Act = Callable[[Walk], None]


@frozen(kw_only=True)
class Branch:
    """Where it begins, and what then happens. `by`: whether the person does it on the page, or it happens elsewhere
    while the page is shown.
    """

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


def goes_on(*steps: Callable[[Walk], None]) -> Act:
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
    return lambda walk: walk.scene.qcp.subscriptions.report(walk.subscription, fact) and None


def spends(walk: Walk) -> None:
    walk.scene.world.books.hold(
        key=Key("spent"), cabinet=CABINET.id, amount=Cents(7_000), memo="spent elsewhere", expires=None
    )


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
    Ending.IDENTITY_MISMATCH: Branch(
        stage=Stage.PROVING_IDENTITY, act=verdict(identity.data_changed(SOMEBODY_ELSE))
    ),
    Ending.IDENTITY_REFUSED: Branch(stage=Stage.PROVING_IDENTITY, act=verdict(identity.refuse())),
    Ending.TOO_MANY_RETRIES: Branch(stage=Stage.PROVING_IDENTITY, act=verdict(identity.retry(), times=4)),
    Ending.PROOFING_TOO_LOW: Branch(
        stage=Stage.PROVING_IDENTITY, act=verdict(identity.approve(proofing=Proofing.NONE))
    ),
    Ending.FRAUD_SUSPECTED: Branch(stage=Stage.PROVING_IDENTITY, act=verdict(identity.fraud())),
    # The request and the authority.
    Ending.REQUEST_REJECTED: Branch(
        stage=Stage.CONFIRMING_IDENTITY,
        act=goes_on(
            lambda walk: walk.scene.world.documents.refuse("cannot_compose"), presses("button[value=right]")
        ),
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


def _account(walk: Walk, **changed: object) -> None:
    walk.scene.world.accounts.put(evolve(walk.scene.jessica, **changed))


def _lcp(level: CertificateLevel | None) -> Act:
    """Give the person an LCP certificate of this level in the place of theirs; None: none."""

    def act(walk: Walk) -> None:
        held = walk.scene.world.lcp_authority
        held._held.clear()
        if level is not None:
            held.issue_to(walk.scene.jessica, level=level)

    return act


def _lcp_revoked(walk: Walk) -> None:
    lcp = walk.scene.world.lcp_authority
    (held,) = lcp.held_by(walk.scene.jessica.id)
    lcp.revoke(key=Key("elsewhere"), fingerprint=held.certificate.fingerprint, reason="superseded")


OPENINGS: Final[Mapping[str, Act]] = {
    "no_lcp_certificate": _lcp(None),
    "lcp_level_too_low": _lcp(CertificateLevel.NONE if hasattr(CertificateLevel, "NONE") else None),
    "lcp_not_usable": _lcp_revoked,
    "differs_from_lcp": lambda walk: _account(walk, mobile=PhoneNumber("+33639980000")),
    "not_a_member_of_the_cabinet": lambda walk: _account(walk, cabinets=()),
    "balance_too_small": spends,
    "qualified_certificate_held": lambda walk: walk.scene.subscribe(walk.scene.jessica) and None,
}
"""What has become of the account, while its certificates page was open."""
OPENINGS_NOT_SEEN: Final[Mapping[str, str]] = {
    "price_negative": "an `Offer` of such a price cannot be made",
    "already_open": "leads to the subscription that is open: test_a_subscription_that_is_open_is_gone_to",
    "other": "for words that a newer release may say",
}
