"""My certificates (A1 to A5): what is held, what is in progress, subscribing, and help on the mobile."""

from __future__ import annotations

from qcp_sdk.errors import FactRefused, NotFound, SubscriptionRefused
from qcp_sdk.values import CabinetId, Fingerprint, SubscriptionId
from qcp_sdk.views import STEPS
from qcp_sdk.web.requests import PageRequest
from qcp_sdk.web.site import Site, person, to
from qcp_sdk.web.views import View


def certificates(site: Site, request: PageRequest) -> View:
    """Show the page."""
    return _shown(site, request)


def _shown(site: Site, request: PageRequest, reasons: tuple[str, ...] = ()) -> View:
    account = person(request)
    page = site.qcp.subscriptions.page(account=account, tenant=request.tenant)
    context: dict[str, object] = {"page": page, "reasons": reasons, "resume": None, "step": 0}
    if page.in_progress is not None:
        view = site.qcp.subscriptions.get(SubscriptionId(page.in_progress), account=account)
        context |= {"resume": view, "step": STEPS.get(view.stage, view.show.steps)}
    return View(status=422 if reasons else 200, template="certificates", context=context)


def open_subscription(site: Site, request: PageRequest) -> View:
    """Subscribe, paid by the cabinet that was chosen; refused with every reason, on the page that says how to mend."""
    chosen = CabinetId(request.one("cabinet"))
    try:
        view = site.qcp.subscriptions.open(account=person(request), cabinet=chosen, tenant=request.tenant)
    except SubscriptionRefused as refused:
        if refused.reasons == ("already_open",):  # a second click, or a second tab: it is there
            return _in_progress(site, request)
        return _shown(site, request, refused.reasons)
    return to(request, "subscription", id=view.id)


def _in_progress(site: Site, request: PageRequest) -> View:
    open_one = site.qcp.subscriptions.page(account=person(request), tenant=request.tenant).in_progress
    return to(request, "subscription", id=open_one) if open_one is not None else to(request, "certificates")


def adopt(site: Site, request: PageRequest) -> View:
    """Take a certificate that is held into care, and show where it can be revoked (A5)."""
    account, fingerprint = person(request), Fingerprint(request.one("certificate"))
    for route in site.qcp.ports.authorities:
        try:
            view = site.qcp.subscriptions.adopt(
                account=account, fingerprint=fingerprint, route=route, tenant=request.tenant
            )
        except NotFound:
            continue
        except FactRefused:  # an older page: it has ended meanwhile, as the list now says
            return to(request, "certificates")
        return to(request, "revocation", id=view.id)
    return to(request, "certificates")


def mobile(site: Site, request: PageRequest) -> View:
    """Say how to change the mobile number that a certificate is tied to (A5)."""
    person(request)
    return View(template="mobile", context={"mobile_help": site.mobile_help})
