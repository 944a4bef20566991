"""The shell: a page's request of Django's, Django's answer of a page's."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from urllib.parse import urlencode

from asgiref.sync import SyncToAsync, sync_to_async
from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.db import close_old_connections, connections, transaction
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.middleware.csrf import get_token
from django.shortcuts import resolve_url
from django.template import TemplateDoesNotExist
from django.template.loader import get_template
from django.urls import reverse
from django.utils.encoding import iri_to_uri
from django.utils.translation import get_language
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_POST

from qcp_sdk.levels import SignatureLevel
from qcp_sdk.people import LANGUAGES, Account
from qcp_sdk.values import AccountId, TenantId
from qcp_sdk.web import watching
from qcp_sdk.web.django.conf import installation
from qcp_sdk.web.journey import HEADERS
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


def remote_address(request: HttpRequest) -> str:
    """Give the address at the other end of the connection: the default of `QCP["CALLER"]`."""
    return str(request.META.get("REMOTE_ADDR") or "")


@transaction.non_atomic_requests
@csrf_protect
def page(request: HttpRequest, path: str = "") -> HttpResponse:
    """Answer any page of the journey."""
    try:
        return respond(request, installation().journey.answer(page_request(request, path)))
    except NobodySignedIn:
        return respond(request, _login(request))


def _login(request: HttpRequest) -> PageResponse:
    """Lead to the project's login, and back. Not `redirect_to_login`: its module needs Django's own users, which a host
    may do without.
    """
    login, back = resolve_url(settings.LOGIN_URL), urlencode({"next": request.get_full_path()}, safe="/")
    where = iri_to_uri(f"{login}{'&' if '?' in login else '?'}{back}")
    return PageResponse(status=302, headers={**HEADERS, "Location": where}, body=b"")


@transaction.non_atomic_requests
async def events(request: HttpRequest, path: str) -> HttpResponseBase:
    """Send the mark of a waiting page whenever it changes; under WSGI there is no such page. Changes nothing."""
    if not isinstance(request, ASGIRequest) or request.method not in ("GET", "HEAD"):
        return await sync_to_async(page)(request, path)
    held = installation()
    try:
        asked = await sync_to_async(page_request)(request, path)
        answer = await sync_to_async(held.journey.answer)(asked)
    except NobodySignedIn:
        return HttpResponse(status=401, headers=dict(HEADERS))  # a script asks: the login page is nothing to it
    if answer.watch is None or request.method == "HEAD":
        return await sync_to_async(respond)(request, answer)
    request.META.pop("HTTP_ACCEPT_ENCODING", None)  # middleware that compresses would hold lines back
    ask = partial(held.aio.run, partial(_looked_up, answer.watch))
    return StreamingHttpResponse(_streamed(ask), status=answer.status, headers=dict(answer.headers))


async def _streamed(ask: Callable[[], Awaitable[str]]) -> AsyncIterator[bytes]:
    await _let_go()
    async for line in watching.events(ask):
        yield line


def _looked_up(watch: Callable[[], str]) -> str:
    """Ask the store in one of the process's own threads, which keeps no connection that Django would have closed."""
    close_old_connections()
    try:
        return watch()
    finally:
        close_old_connections()


async def _let_go() -> None:
    """Give back the thread in which this request's middleware ran, and its connections to databases: asgiref keeps both
    until the answer is over, which here takes minutes.
    """
    here = SyncToAsync.thread_sensitive_context.get(None)
    if here is None or here not in SyncToAsync.context_to_thread_executor:
        return
    await sync_to_async(connections.close_all)()
    SyncToAsync.context_to_thread_executor.pop(here).shutdown(wait=False)


@transaction.non_atomic_requests
@csrf_exempt
@require_POST
def webhook(request: HttpRequest, provider: str) -> HttpResponse:
    """Take what a provider posts."""
    status = installation().webhooks.receive(
        provider, headers=dict(request.headers), body=request.body, source=request.META.get("REMOTE_ADDR", "")
    )
    return HttpResponse(status=status, headers=dict(HEADERS))


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
        caller=held.caller(request),
        streams=isinstance(request, ASGIRequest),
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


def signatories(
    request: HttpRequest,
    *,
    action: str,
    members: Sequence[Account],
    build: Build,
    least: SignatureLevel = SignatureLevel.NIVEAU_2,
) -> SignatoriesStep:
    """Show or take the signatories' step of a collecte, within a view of the project's own at `action`; which has to be
    protected against forged forms, as Django's views are. `least` is the lowest level that is taken there
    (`Signatories.answer`). To whoever is not signed in it shows the project's login.
    """
    asked, held = page_request(request, ""), installation()
    if asked.account is None:
        return SignatoriesStep(response=_login(request))
    me = held.qcp.ports.accounts.account(id=asked.account)
    step = Signatories(held.journey)
    return step.answer(asked, me=me, members=members, action=action, build=build, least=least)
