"""The shell: a page's request of Django's, Django's answer of a page's."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.middleware.csrf import get_token
from django.shortcuts import resolve_url
from django.template import TemplateDoesNotExist
from django.template.loader import get_template
from django.urls import reverse
from django.utils.translation import get_language
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_POST

from qcp_sdk.people import LANGUAGES, Account
from qcp_sdk.values import AccountId, TenantId
from qcp_sdk.web.django.conf import installation
from qcp_sdk.web.requests import PageRequest
from qcp_sdk.web.routes import is_static
from qcp_sdk.web.signatories import Build, Signatories, SignatoriesStep
from qcp_sdk.web.site import NobodySignedIn
from qcp_sdk.web.views import PageResponse

LAYOUT = "qcp/page.html"
"""A template of the project's own that is given `page`, and becomes the layout of every page."""


def signed_in(request: HttpRequest) -> str | None:
    """Give the primary key of the user who is signed in: the default of `QCP["ACCOUNT"]`."""
    user = getattr(request, "user", None)
    return str(user.pk) if user is not None and user.is_authenticated else None


def no_tenant(_request: HttpRequest) -> str:
    """Give the only tenant: the default of `QCP["TENANT"]`."""
    return ""


@transaction.non_atomic_requests
@csrf_protect
def page(request: HttpRequest, path: str = "") -> HttpResponse:
    """Answer any page of the journey."""
    try:
        return respond(request, installation().journey.answer(page_request(request, path)))
    except NobodySignedIn:
        # Not `redirect_to_login`: its module needs Django's own users, which a host may do without.
        login, back = resolve_url(settings.LOGIN_URL), urlencode({"next": request.get_full_path()}, safe="/")
        return HttpResponseRedirect(f"{login}{'&' if '?' in login else '?'}{back}")


@transaction.non_atomic_requests
@csrf_exempt
@require_POST
def webhook(request: HttpRequest, provider: str) -> HttpResponse:
    """Take what a provider posts."""
    status = installation().webhooks.receive(
        provider, headers=dict(request.headers), body=request.body, source=request.META.get("REMOTE_ADDR", "")
    )
    return HttpResponse(status=status)


def page_request(request: HttpRequest, path: str) -> PageRequest:
    """Make a page's request of Django's."""
    held = installation()
    shared = is_static(path)  # a cookie in an answer that caches share would be everybody's
    account = None if shared else held.account(request)
    language = (get_language() or "").partition("-")[0]
    return PageRequest(
        method=request.method or "GET",
        path=path,
        account=None if account is None else AccountId(account),
        tenant=TenantId("" if shared else held.tenant(request)),
        language=language if language in LANGUAGES else LANGUAGES[0],
        root=reverse("qcp:certificates"),
        origin=f"{request.scheme}://{request.get_host()}",
        csrf=("", "") if shared else ("csrfmiddlewaretoken", get_token(request)),
        form=dict(request.POST.lists()),
        body=request.body if request.content_type == "application/json" else b"",
        content_type=request.content_type or "",
        seen=request.headers.get("If-None-Match", ""),
    )


def respond(request: HttpRequest, answer: PageResponse) -> HttpResponse:
    """Make Django's answer of a page's; in the project's layout, if it has one."""
    body: bytes | str = answer.body
    if answer.page is not None:
        try:
            body = get_template(LAYOUT).render({"page": answer.page}, request)
        except TemplateDoesNotExist as missing:
            if missing.args[:1] != (LAYOUT,):
                raise
    return HttpResponse(body, status=answer.status, headers=dict(answer.headers))


def signatories(request: HttpRequest, *, action: str, members: Sequence[Account], build: Build) -> SignatoriesStep:
    """Show or take the signatories' step of a collecte, within a view of the project's own at `action`; which has to be
    protected against forged forms, as Django's views are.

    Raises:
        NobodySignedIn: Nobody is signed in.
    """
    asked, held = page_request(request, ""), installation()
    if asked.account is None:
        raise NobodySignedIn
    me = held.qcp.ports.accounts.account(id=asked.account)
    return Signatories(held.journey).answer(asked, me=me, members=members, action=action, build=build)
