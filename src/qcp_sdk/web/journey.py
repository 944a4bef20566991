"""The whole journey: a `PageRequest` in, a `PageResponse` out. What a shell of any framework calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from math import ceil
from pathlib import Path
from types import MappingProxyType
from typing import Concatenate, Final

from qcp_sdk.errors import Conflict, NotFound, Rejected, Unavailable, Unconfirmed
from qcp_sdk.sdk import Qcp
from qcp_sdk.web import api, certificates, handing, revocation, signing, subscriptions
from qcp_sdk.web.consents import VERSION, ConsentTexts
from qcp_sdk.web.limits import LIMITS, Act, Limit, Limits
from qcp_sdk.web.plain import plain
from qcp_sdk.web.rendering import STATIC, Renderer
from qcp_sdk.web.requests import PageRequest
from qcp_sdk.web.routes import find
from qcp_sdk.web.site import Site, to
from qcp_sdk.web.tokens import HandOffs
from qcp_sdk.web.views import PageResponse, View

Handler = Callable[Concatenate[Site, PageRequest, ...], View]


def static(site: Site, _request: PageRequest, name: str) -> View:
    """Give the style sheet or the script."""
    if name not in STATIC:
        raise NotFound(f"`{name}` is not known")
    return View(
        content_type=STATIC[name], body=site.renderer.static(name), headers={"Cache-Control": "public, max-age=3600"}
    )


HANDLERS: Final[Mapping[str, Mapping[str, Handler]]] = MappingProxyType(
    {
        "certificates": {"GET": certificates.certificates},
        "open": {"POST": certificates.open_subscription},
        "adopt": {"POST": certificates.adopt},
        "mobile": {"GET": certificates.mobile},
        "static": {"GET": static},
        "hand_off": {"GET": handing.look, "POST": handing.go},
        "hand_off_done": {"GET": handing.done},
        "subscription": {"GET": subscriptions.show},
        "code": {"POST": subscriptions.ask_code},
        "enter": {"POST": subscriptions.enter_code},
        "details": {"POST": subscriptions.answer_details},
        "consents": {"POST": subscriptions.give_consents},
        "link": {"POST": subscriptions.send_link},
        "no_document": {"POST": subscriptions.no_document},
        "identity": {"POST": subscriptions.answer_identity},
        "request": {"POST": subscriptions.accept_request},
        "request_pdf": {"GET": subscriptions.request_pdf},
        "cancel": {"POST": subscriptions.cancel},
        "check": {"POST": subscriptions.check},
        "state": {"GET": subscriptions.state},
        "events": {"GET": subscriptions.events},
        "revocation": {"GET": revocation.show, "POST": revocation.revoke},
        "revocation_code": {"POST": revocation.ask_code},
        "signing": {"GET": signing.show},
        "signing_document": {"GET": signing.document},
        "signing_consent": {"POST": signing.consent},
        "signing_code": {"POST": signing.ask_code},
        "signing_enter": {"POST": signing.enter_code},
        "signing_decline": {"POST": signing.decline},
        "signing_state": {"GET": signing.state},
        "signing_events": {"GET": signing.events},
        "api": {"GET": api.description},
        "api_session": {"GET": api.session},
        "api_certificates": {"GET": api.certificates},
        "api_subscriptions": {"POST": api.open_subscription},
        "api_subscription": {"GET": api.subscription},
        "api_subscription_actions": {"POST": api.act_on_subscription},
        "api_ceremony": {"GET": api.ceremony},
        "api_ceremony_actions": {"POST": api.act_on_ceremony},
    }
)
"""Page and method to what answers. A GET changes nothing, anywhere."""

ALWAYS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "Cache-Control": "no-store",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }
)
"""Headers of every answer; a view may replace one."""
POLICY: Final = (
    "default-src 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'; form-action 'self'{form_action}"
)
HEADERS: Final[Mapping[str, str]] = MappingProxyType(
    {**ALWAYS, "Content-Security-Policy": POLICY.format(form_action="")}
)
"""Headers of an answer that a shell makes itself: a refused form, a webhook."""


class Journey:
    """The pages of one host. Thread-safe; one an installation.

    `platform` is the host's name as people know it; `directory` the host's own templates, texts and consents, each of
    which replaces ours of the same name; `mobile_help` where people change their mobile number on the platform.
    `limits` replaces rows of `limits.LIMITS`.

    Raises:
        ConfigurationError: A template, text or zone cannot be read.
    """

    def __init__(
        self,
        qcp: Qcp,
        *,
        platform: str,
        zone: str = "Europe/Paris",
        directory: Path | None = None,
        consents_version: str = VERSION,
        mobile_help: str = "",
        limits: Mapping[Act, Limit] = LIMITS,
    ) -> None:
        self.site = Site(
            qcp=qcp,
            renderer=Renderer(platform=platform, zone=zone, directory=directory),
            consents=ConsentTexts(version=consents_version, directory=directory),
            hand_offs=HandOffs(qcp),
            limits=Limits(qcp, limits),
            mobile_help=mobile_help,
        )

    def answer(self, request: PageRequest) -> PageResponse:
        """Answer a request.

        Raises:
            NobodySignedIn: The page is somebody's, and nobody is signed in: send them to the login.
        """
        return self.finish(self.view(request), request)

    def view(self, request: PageRequest) -> View:
        """Decide, without rendering. Raises as `answer`."""
        found = find(request.path)
        for_scripts = request.path.startswith("api/")
        if found is None:
            return api.error(404, "not_found") if for_scripts else _sorry(404, "unknown")
        page, ids = found
        method = "GET" if request.method == "HEAD" else request.method
        handler = HANDLERS[page].get(method)
        if method == "OPTIONS":
            return View(status=204, content_type="text/plain", headers={"Allow": _allowed(page)})
        if handler is None and method == "GET" and not for_scripts:
            return _above(request)
        if handler is None:
            allowed = {"Allow": _allowed(page)}
            return api.error(405, "method", allowed) if for_scripts else _sorry(405, "unknown", allowed)
        try:
            if (until := self.site.limits.over(page, request, ids.get("id", ""))) is not None:
                return self._later(until, for_scripts)
            if for_scripts:
                return api.answered(handler, self.site, request, **ids)
            return handler(self.site, request, **ids)
        except NotFound:
            return _sorry(404, "unknown")
        except Rejected:
            return _sorry(404, "unknown")
        except (Unavailable, Unconfirmed, Conflict):
            later = {"Retry-After": "30"}
            return api.error(503, "unavailable", later) if for_scripts else _sorry(503, "busy", later)

    def _later(self, until: datetime, for_scripts: bool) -> View:
        """Say that this was done too often, and when it may be done again."""
        now = self.site.qcp.ports.clock.now()
        headers = {"Retry-After": str(max(1, ceil((until - now).total_seconds())))}
        if for_scripts:
            return api.error(429, "too_many", headers, until=plain(until))
        return View(
            status=429, template="sorry", context={"what": "too_many", "until": until, "now": now}, headers=headers
        )

    def finish(self, view: View, request: PageRequest) -> PageResponse:
        """Render a view, with the headers that every answer has."""
        elsewhere = f" {view.form_action}" if view.form_action else ""
        headers = {**ALWAYS, "Content-Security-Policy": POLICY.format(form_action=elsewhere), **view.headers}
        if view.redirect:
            return PageResponse(status=view.status, headers={**headers, "Location": view.redirect}, body=b"")
        if view.content_type:
            return PageResponse(
                status=view.status,
                headers={**headers, "Content-Type": view.content_type},
                body=view.body,
                watch=view.watch,
            )
        page = self.site.renderer.page(view, request)
        headers |= {"Content-Type": "text/html; charset=utf-8", "Content-Language": page.language}
        return PageResponse(status=view.status, headers=headers, body=page.document.encode(), page=page)


def _above(request: PageRequest) -> View:
    """Lead on from an address that only takes forms, to the nearest one above it that shows a page: a refused form
    leaves its address in the browser, and a login leads back to where the form was sent.
    """
    path, found = request.path, None
    while found is None or "GET" not in HANDLERS[found[0]]:
        path = path.rpartition("/")[0]  # ends at the list of certificates, whose path is empty
        found = find(path)
    page, ids = found
    return to(request, page, **ids)


def _sorry(status: int, what: str, headers: Mapping[str, str] = MappingProxyType({})) -> View:
    return View(status=status, template="sorry", context={"what": what, "until": None}, headers=headers)


def _allowed(page: str) -> str:
    methods = HANDLERS[page]
    return ", ".join((*methods, "HEAD", "OPTIONS") if "GET" in methods else (*methods, "OPTIONS"))
