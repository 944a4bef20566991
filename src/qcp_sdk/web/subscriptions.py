"""The pages of one subscription: one address, whose page is the one of its present stage, and what a person says there.

A POST is answered by a redirect to that address, so that a reload repeats nothing; what may no longer be said (a second
click, an old tab, the back button) leads there too. Only a refusal that the person can mend is shown at once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit

from qcp_sdk.errors import CodeRefused, FactRefused, NotFound
from qcp_sdk.facts import Cancelled, CodeRequested, Fact
from qcp_sdk.host.saying import Code
from qcp_sdk.host.subscriptions import SubscriptionView
from qcp_sdk.subscription.facts import (
    ConsentGiven,
    DetailsConfirmed,
    DetailsContested,
    IdentityConfirmed,
    IdentityContested,
    IdentityRetryable,
    LinkRequested,
    NoDocument,
    RequestAccepted,
)
from qcp_sdk.subscription.stages import Stage
from qcp_sdk.subscription.state import CONSENTS
from qcp_sdk.values import SubscriptionId, content_hash
from qcp_sdk.web.requests import PageRequest
from qcp_sdk.web.routes import address
from qcp_sdk.web.site import Site, subscription, to
from qcp_sdk.web.views import View

TEMPLATES: Final[Mapping[Stage, str]] = MappingProxyType(
    {
        Stage.VERIFYING_EMAIL: "email_code",
        Stage.HOLDING_FUNDS: "waiting",
        Stage.CONFIRMING_DETAILS: "details",
        Stage.CONSENTING: "consents",
        Stage.OPENING_IDENTITY: "waiting",
        Stage.PROVING_IDENTITY: "hand_off",
        Stage.CONFIRMING_IDENTITY: "identity",
        Stage.PREPARING_REQUEST: "waiting",
        Stage.READING_REQUEST: "request",
        Stage.SIGNING_REQUEST: "request_code",
        Stage.SEALING_REQUEST: "waiting",
        Stage.AWAITING_CERTIFICATE: "waiting",
        Stage.OPENING_REGISTRATION: "waiting",
        Stage.REGISTERING: "registration",
        Stage.ACTIVE: "held",
        Stage.REVOKING: "ended",
        Stage.REVOKED: "ended",
        Stage.EXPIRED: "ended",
        Stage.CLOSED: "ended",
    }
)
"""Which page a stage has. Once the phone has done its part, proving the identity is waiting, too."""

VOID: Final = frozenset({"no_row", "too_late"})
"""Refusals after which the page of the present stage says everything that there is to say."""
DETAILS: Final = ("name", "email", "mobile")
READ: Final = ("given_names", "last_name", "birth_date")


def show(site: Site, request: PageRequest, id: str) -> View:
    """Show the page of the present stage."""
    return shown(site, request, subscription(site, request, id))


def shown(site: Site, request: PageRequest, view: SubscriptionView, problem: str = "", **said: object) -> View:
    """Lay out the page of a view's stage; with a problem, it is a refusal."""
    template = TEMPLATES[view.stage]
    if view.stage is Stage.PROVING_IDENTITY and view.show.identity is not None and view.show.identity.captured:
        template = "waiting"
    context: dict[str, object] = {
        "view": view,
        "show": view.show,
        "stage": view.stage.value,
        "mark": mark(view),
        "problem": problem,
        "refused": None,
        "now": site.qcp.ports.clock.now(),
        **said,
        **EXTRAS.get(template, _nothing)(site, request, view),
    }
    return View(status=422 if problem else 200, template=template, context=context)


def said(site: Site, request: PageRequest, id: str, what: Fact | Code) -> View:
    """Say what the person did, and go to the page that follows."""
    before = subscription(site, request, id)
    try:
        site.qcp.subscriptions.act(before.id, what)
    except FactRefused as refused:
        if refused.reason in VOID:
            return to(request, "subscription", id=id)
        # Looked at again: a wrong code was counted, and may have been the last one.
        after = subscription(site, request, id)
        if after.stage is not before.stage:
            return to(request, "subscription", id=id)
        code = refused if isinstance(refused, CodeRefused) else None
        return shown(site, request, after, refused.reason, refused=code)
    return to(request, "subscription", id=id)


def ask_code(site: Site, request: PageRequest, id: str) -> View:
    """Send a code, or another one."""
    if request.one("stage") != subscription(site, request, id).stage:
        return to(request, "subscription", id=id)
    return said(site, request, id, CodeRequested())


def enter_code(site: Site, request: PageRequest, id: str) -> View:
    """Try the code that was typed; one that was sent twice is no answer to what is asked for now."""
    if request.one("stage") != subscription(site, request, id).stage:
        return to(request, "subscription", id=id)
    return said(site, request, id, Code(request.one("code")))


def answer_details(site: Site, request: PageRequest, id: str) -> View:
    """B2: both statements, or "there is an error", which ends this attempt."""
    if request.one("answer") == "wrong":
        fields = tuple(one for one in request.all("wrong") if one in DETAILS)
        return said(site, request, id, DetailsContested(fields=fields))
    view = subscription(site, request, id)
    if {"document", "mobile"} - set(request.all("confirm")) and view.stage is Stage.CONFIRMING_DETAILS:
        return shown(site, request, view, "both_statements")
    return said(site, request, id, DetailsConfirmed())


def give_consents(site: Site, request: PageRequest, id: str) -> View:
    """B3: both texts, each by the hash of what was shown."""
    view = subscription(site, request, id)
    if view.stage is not Stage.CONSENTING:
        return to(request, "subscription", id=id)
    texts = [site.consents.of(request.language, name) for name in CONSENTS]
    if any(request.one(f"hash_{one.name}") != one.hash for one in texts):
        return shown(site, request, view, "text_changed")
    if set(CONSENTS) - set(request.all("agree")):
        return shown(site, request, view, "both_texts")
    after = to(request, "subscription", id=id)
    for one in texts:
        if one.name in view.show.consents_needed:
            after = said(site, request, id, ConsentGiven(text=one.name, version=one.version, hash=one.hash))
    return after


def send_link(site: Site, request: PageRequest, id: str) -> View:
    """C1: send the link to the person's own mobile; a second click, which still counts as the first did, sends none."""
    shown = subscription(site, request, id).show.identity
    if (left := request.one("left")) and (shown is None or left != str(shown.links_left)):
        return to(request, "subscription", id=id)
    return said(site, request, id, LinkRequested())


def no_document(site: Site, request: PageRequest, id: str) -> View:
    """C2: "I have none" ends this attempt."""
    return said(site, request, id, NoDocument())


def answer_identity(site: Site, request: PageRequest, id: str) -> View:
    """C6: what was read is right, or wrong, which ends this attempt."""
    if request.one("answer") == "wrong":
        fields = tuple(one for one in request.all("wrong") if one in READ)
        return said(site, request, id, IdentityContested(fields=fields))
    return said(site, request, id, IdentityConfirmed())


def request_pdf(site: Site, request: PageRequest, id: str) -> View:
    """D1: the request's exact bytes."""
    view = subscription(site, request, id)
    if view.show.request is None:
        return to(request, "subscription", id=id)
    return pdf(site.qcp.collectes.read(view.show.request), "certificate-request.pdf")


def accept_request(site: Site, request: PageRequest, id: str) -> View:
    """D1: "read and accepted", of the very bytes that were shown."""
    view = subscription(site, request, id)
    if view.stage is not Stage.READING_REQUEST:
        return to(request, "subscription", id=id)
    if not request.one("accept"):
        return shown(site, request, view, "not_accepted")
    if request.one("hash") != view.show.request:
        return shown(site, request, view, "text_changed")
    return said(site, request, id, RequestAccepted(hash=content_hash(request.one("hash"))))


def cancel(site: Site, request: PageRequest, id: str) -> View:
    """Give up, which costs nothing."""
    return said(site, request, id, Cancelled())


def check(site: Site, request: PageRequest, id: str) -> View:
    """Ask now whoever is waited for."""
    view = subscription(site, request, id)
    site.qcp.subscriptions.refresh(view.id)
    return to(request, "subscription", id=id)


def state(site: Site, request: PageRequest, id: str) -> View:
    """Say whether the page is still the present one: what its script asks while it waits. Asks nobody else."""
    return polled(request, mark(subscription(site, request, id)))


def polled(request: PageRequest, mark: str) -> View:
    """Answer a script that asks whether something has moved."""
    tag = f'"{mark}"'
    if request.seen == tag:
        return View(status=304, content_type="application/json", headers={"ETag": tag})
    body = json.dumps({"mark": mark}).encode()
    return View(content_type="application/json", body=body, headers={"ETag": tag})


def events(site: Site, request: PageRequest, id: str) -> View:
    """Send the mark of the present page whenever it changes, to whom may see the page."""
    return watched(request, lambda: mark(subscription(site, request, id)))


def watched(request: PageRequest, watch: Callable[[], str]) -> View:
    """Answer with a stream, where the shell can send one; this page is unknown where it cannot.

    Raises:
        NotFound: It cannot; or whatever `watch` raises.
    """
    watch()
    if not request.streams:
        raise NotFound("no events are sent here", mend="poll the page's state")
    return View(content_type="text/event-stream", headers={"X-Accel-Buffering": "no"}, watch=watch)


def mark(view: SubscriptionView) -> str:
    """Name what the page shows of a waiting subscription: another mark is another page."""
    i = view.show.identity
    shown = (view.stage.value, (i.captured, i.attempt, i.url) if i else None)
    return hashlib.sha256(repr(shown).encode()).hexdigest()[:16]


def pdf(content: bytes, name: str) -> View:
    """Give a PDF, to be shown within a page of ours or on its own."""
    return View(
        content_type="application/pdf",
        body=content,
        headers={
            "Content-Disposition": f'inline; filename="{name}"',
            "Content-Security-Policy": "frame-ancestors 'self'",
            "X-Frame-Options": "SAMEORIGIN",
        },
    )


# --- what some pages show besides the view ------------------------------------------------------------------


def _nothing(_site: Site, _request: PageRequest, _view: SubscriptionView) -> Mapping[str, object]:
    return {}


def _consents(site: Site, request: PageRequest, _view: SubscriptionView) -> Mapping[str, object]:
    return {"texts": [site.consents.of(request.language, name) for name in CONSENTS]}


def _hand_off(site: Site, request: PageRequest, view: SubscriptionView) -> Mapping[str, object]:
    assert view.show.identity is not None
    token, until = site.hand_offs.make(view.id, view.show.identity.url)
    link = request.origin + address(request.root, "hand_off", token=token)
    return {"link": link, "link_until": until, "retry": _retry(site, view)}


def _retry(site: Site, view: SubscriptionView) -> str:
    """Give the provider's reason for another try; empty on the first."""
    if view.show.identity is None or not view.show.identity.retries:
        return ""
    facts = (one.fact for one in reversed(site.qcp.records.history(view.id)))
    return next((fact.reason for fact in facts if isinstance(fact, IdentityRetryable)), "")


EXTRAS: Final[Mapping[str, Callable[[Site, PageRequest, SubscriptionView], Mapping[str, object]]]] = MappingProxyType(
    {"consents": _consents, "hand_off": _hand_off}
)


def origin(url: str) -> str:
    """Give scheme and host of an address."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def open_identity(site: Site, id: SubscriptionId) -> str:
    """Give where the identity of this subscription is checked now; empty when it is not, or no longer."""
    view = site.qcp.subscriptions.get(id)
    there = view.stage is Stage.PROVING_IDENTITY and view.show.identity is not None and not view.show.identity.captured
    return view.show.identity.url if there and view.show.identity is not None else ""
