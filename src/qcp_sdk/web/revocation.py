"""Revoking a certificate (A5): for a reason, with a code by SMS, for good."""

from __future__ import annotations

from typing import Final

from qcp_sdk.errors import CodeRefused, FactRefused
from qcp_sdk.facts import CodeRequested
from qcp_sdk.host.saying import Code
from qcp_sdk.host.subscriptions import SubscriptionView
from qcp_sdk.subscription.facts import RevocationRequested
from qcp_sdk.subscription.stages import Stage
from qcp_sdk.web.requests import PageRequest
from qcp_sdk.web.site import Site, subscription, to
from qcp_sdk.web.subscriptions import VOID
from qcp_sdk.web.views import View

REASONS: Final = ("key_compromise", "affiliation_changed", "superseded", "cessation_of_operation", "unspecified")
"""What a holder may say (RFC 5280 § 5.3.1): the others are the authority's to say."""


def show(site: Site, request: PageRequest, id: str) -> View:
    """Show the page; once it is being revoked, or ended otherwise, the subscription's own page says so."""
    view = subscription(site, request, id)
    if _not_here(view):
        return to(request, "subscription", id=id)
    return _shown(site, request, view)


def ask_code(site: Site, request: PageRequest, id: str) -> View:
    """Send the code; asked for from a page that is no longer the present one, none is sent."""
    view = subscription(site, request, id)
    if _not_here(view):
        return to(request, "subscription", id=id)
    try:
        site.qcp.subscriptions.act(view.id, CodeRequested())
    except FactRefused as refused:
        return _refused(site, request, id, refused)
    return to(request, "revocation", id=id)


def revoke(site: Site, request: PageRequest, id: str) -> View:
    """Revoke it, with a reason, the code and the word that it is meant."""
    view = subscription(site, request, id)
    if _not_here(view):
        return to(request, "subscription", id=id)
    reason = request.one("reason")
    if reason not in REASONS:
        return _shown(site, request, view, "no_reason")
    if not request.one("sure"):
        return _shown(site, request, view, "not_sure")
    try:
        site.qcp.subscriptions.act(view.id, Code(request.one("code")))
        site.qcp.subscriptions.act(view.id, RevocationRequested(reason=reason))
    except FactRefused as refused:
        return _refused(site, request, id, refused)
    return to(request, "subscription", id=id)


def _refused(site: Site, request: PageRequest, id: str, refused: FactRefused) -> View:
    view = subscription(site, request, id)  # looked at again: it may have moved meanwhile
    if refused.reason in VOID or _not_here(view):
        return to(request, "subscription", id=id)
    code = refused if isinstance(refused, CodeRefused) else None
    return _shown(site, request, view, refused.reason, code)


def _not_here(view: SubscriptionView) -> bool:
    """Say whether there is nothing to revoke: not yet, or no longer."""
    return view.stage is not Stage.ACTIVE or view.show.certificate is None


def _shown(
    site: Site, request: PageRequest, view: SubscriptionView, problem: str = "", refused: CodeRefused | None = None
) -> View:
    context = {
        "view": view,
        "show": view.show,
        "problem": problem,
        "refused": refused,
        "reasons": REASONS,
        "chosen": request.one("reason"),
        "now": site.qcp.ports.clock.now(),
    }
    return View(status=422 if problem else 200, template="revocation", context=context)
