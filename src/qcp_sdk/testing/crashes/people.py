"""Who goes on after a restart: a person who looks at the page and does what it asks for, and a worker.

They remember nothing. Whatever was interrupted, they see only what an installation shows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Final

from qcp_sdk.ceremony.facts import DocumentsConsented
from qcp_sdk.ceremony.stages import CEREMONY_FINAL, CeremonyStage
from qcp_sdk.collectes import Collecte, Document, Order, Role, Signatory
from qcp_sdk.errors import CodeRefused, NotFound, Unavailable, Unconfirmed
from qcp_sdk.facts import CodeRequested
from qcp_sdk.host.collectes import CeremonyView
from qcp_sdk.host.saying import Code
from qcp_sdk.host.subscriptions import SubscriptionView
from qcp_sdk.levels import SignatureLevel
from qcp_sdk.otp import WRONG_PER_CHALLENGE, Purpose
from qcp_sdk.subscription.facts import ConsentGiven, DetailsConfirmed, IdentityConfirmed, RequestAccepted
from qcp_sdk.subscription.stages import Stage
from qcp_sdk.testing.crashes.site import CABINET, CONTRACT, PERSON, START, Site
from qcp_sdk.values import CollecteId, DocumentId, SignatoryId
from qcp_sdk.views import CodeShown

MOST_STEPS: Final = 300
"""After so many things done, a journey goes in circles."""
PATIENCE: Final = timedelta(hours=12)
"""What is due later than this (a deadline, a reminder) is no answer that somebody waits for."""


class StandsStill(Exception):
    """The person can do nothing, and nothing that is due will change that."""


def subscribe(site: Site) -> None:
    """Come to a certificate, from wherever things stand."""
    _until(site, _subscribe)


def sign(site: Site) -> None:
    """Come to a signed document, from wherever things stand. The host starts its collecte until it has started."""
    _until(site, _sign_contract)


def _until(site: Site, step: Callable[[Site], bool]) -> None:
    """Go on step by step until one says that it is over. Who is shown an error page comes back to the first one."""
    for _ in range(MOST_STEPS):
        with suppress(Unavailable, Unconfirmed):
            if step(site):
                return
    raise StandsStill(f"not there after {MOST_STEPS} steps")


def _subscribe(site: Site) -> bool:
    page = site.qcp.subscriptions.page(account=PERSON.id)
    if page.in_progress is not None:
        view = site.qcp.subscriptions.get(page.in_progress)  # type: ignore[arg-type]  # it is one's id
        step = STEPS.get(view.stage)
        if step is None or not step(site, view):
            _work(site)
    elif page.qcp is not None:
        return _settle(site)
    else:
        site.qcp.subscriptions.open(account=PERSON.id, cabinet=CABINET.id)
    return False


def _sign_contract(site: Site) -> bool:
    collecte = contract(site)
    ceremonies = site.qcp.collectes.ceremonies(collecte.id)
    if not ceremonies:
        site.qcp.collectes.start(collecte)
    elif ceremonies[0].stage in CEREMONY_FINAL:
        return _settle(site)
    elif not _sign(site, ceremonies[0]):
        _work(site)
    return False


def contract(site: Site) -> Collecte:
    """Give the host's own record of the collecte: the same in every process."""
    content = site.qcp.collectes.keep(site.folder / CONTRACT)
    signatory = Signatory(
        id=SignatoryId("jessica"), name=PERSON.name, email=PERSON.email, mobile=PERSON.mobile,
        level=SignatureLevel.NIVEAU_3, role=Role.MEMBER, account=PERSON.id,
    )  # fmt: skip
    return Collecte(
        id=CollecteId("mission"),
        title="Lettre de mission",
        sender=CABINET.name,
        documents=(Document(id=DocumentId("letter"), name="lettre.pdf", content=content),),
        signatories=(signatory,),
        deadline=START + timedelta(days=15),
        order=Order.SEQUENTIAL,
    )


def _work(site: Site) -> None:
    """Let time pass to whatever is due next, and do it as a worker does."""
    due = site.store.next_due()
    now = site.clock.now()
    if due is None or due > now + PATIENCE:
        raise StandsStill("the person waits, and nothing will come")
    if due > now:
        site.clock.advance_to(due)
    site.qcp.run_due()


def _settle(site: Site) -> bool:
    """Do what is still due (the price is taken, the last messages leave); say whether nothing was."""
    due = site.store.next_due()
    if due is None or due > site.clock.now() + PATIENCE:
        return True
    _work(site)
    return False


def _type_code(site: Site, purpose: Purpose, shown: CodeShown, say: Callable[[CodeRequested | Code], object]) -> bool:
    """Type the newest code; a wrong one first. Ask for a code where there is none that could still come."""
    now = site.clock.now()
    if shown.not_after is None or shown.problem not in ("", "wrong_code") or now >= shown.not_after:
        if shown.next_request is not None:
            return False
        say(CodeRequested())
        return True
    try:
        newest = site.mailbox.latest_code(
            to=PERSON.email if purpose is Purpose.OPEN else PERSON.mobile, purpose=purpose
        )
    except NotFound:
        return False  # it is on its way
    try:
        if shown.tries_left == WRONG_PER_CHALLENGE and purpose is not Purpose.SIGN:
            say(Code("AAAAAA" if purpose is Purpose.OPEN else "0000000"))
        else:
            say(Code(newest))
    except CodeRefused as refused:
        # Typed wrong on purpose the first time; later it is the code before, and the newest is still to come.
        return refused.reason == "wrong" and shown.tries_left == WRONG_PER_CHALLENGE
    return True


def _email_code(site: Site, view: SubscriptionView) -> bool:
    assert view.show.code is not None
    return _type_code(site, Purpose.OPEN, view.show.code, view.say)


def _request_code(site: Site, view: SubscriptionView) -> bool:
    assert view.show.code is not None
    return _type_code(site, Purpose.REQUEST, view.show.code, view.say)


def _confirm(_site: Site, view: SubscriptionView) -> bool:
    view.say(DetailsConfirmed())
    return True


def _consent(site: Site, view: SubscriptionView) -> bool:
    text = view.show.consents_needed[0]
    view.say(ConsentGiven(text=text, version="1", hash=site.shelf.keep(content=text.encode())))
    return True


def _prove(site: Site, view: SubscriptionView) -> bool:
    session = next((one for one in reversed(site.identity.sessions()) if one.subscription == view.id), None)
    if session is None or session.captured_at is not None:
        return False
    site.identity.capture(session.id)
    return True


def _register(site: Site, view: SubscriptionView) -> bool:
    session = next((one for one in reversed(site.registration.sessions()) if one.subscription == view.id), None)
    if session is None or session.completed_at is not None:
        return False
    site.registration.complete(session.id)
    return True


def _confirm_identity(_site: Site, view: SubscriptionView) -> bool:
    view.say(IdentityConfirmed())
    return True


def _accept(_site: Site, view: SubscriptionView) -> bool:
    assert view.show.request is not None
    view.say(RequestAccepted(hash=view.show.request))
    return True


STEPS: Final[Mapping[Stage, Callable[[Site, SubscriptionView], bool]]] = {
    Stage.VERIFYING_EMAIL: _email_code,
    Stage.CONFIRMING_DETAILS: _confirm,
    Stage.CONSENTING: _consent,
    Stage.PROVING_IDENTITY: _prove,
    Stage.REGISTERING: _register,
    Stage.CONFIRMING_IDENTITY: _confirm_identity,
    Stage.READING_REQUEST: _accept,
    Stage.SIGNING_REQUEST: _request_code,
}
"""What the person does at each stage; each says whether there was anything to do but wait."""


def _sign(site: Site, view: CeremonyView) -> bool:
    if view.stage is CeremonyStage.CONSENTING:
        view.say(DocumentsConsented(documents=tuple((one.id, one.validated) for one in view.show.documents)))
        return True
    if view.stage is not CeremonyStage.AWAITING_CODE:
        return False
    assert view.show.code is not None
    return _type_code(site, Purpose.SIGN, view.show.code, view.say)
