"""The signing page of a ceremony (E4): read, agree, type the code; or refuse, saying why."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from qcp_sdk.ceremony.facts import Declined, DocumentsConsented
from qcp_sdk.ceremony.stages import CeremonyStage
from qcp_sdk.errors import CodeRefused, FactRefused, NotFound
from qcp_sdk.facts import CodeRequested, Fact
from qcp_sdk.host.collectes import CeremonyView
from qcp_sdk.host.saying import Code
from qcp_sdk.web.requests import PageRequest
from qcp_sdk.web.site import Site, ceremony, to
from qcp_sdk.web.subscriptions import VOID, pdf, polled, watched
from qcp_sdk.web.views import View

S = CeremonyStage
TEMPLATES: Final[Mapping[CeremonyStage, str]] = MappingProxyType(
    {
        S.WAITING_TURN: "signing_wait",
        S.CONSENTING: "signing",
        S.AWAITING_CODE: "signing_code",
        S.SIGNING: "signing_wait",
        S.SIGNING_AT_PROVIDER: "signing_elsewhere",
        S.SIGNED: "signing_end",
        S.PARTLY_SIGNED: "signing_end",
        S.REFUSED: "signing_end",
        S.LAPSED: "signing_end",
        S.FAILED: "signing_end",
    }
)
MOST_REASON: Final = 500
"""Letters of a reason for refusing."""


def show(site: Site, request: PageRequest, id: str) -> View:
    """Show the page of the present stage."""
    return _shown(site, ceremony(site, request, id))


def document(site: Site, request: PageRequest, id: str, document: str) -> View:
    """Give a document: signed, once it is, and as it is to be signed before that."""
    view = ceremony(site, request, id)
    one = next((one for one in view.show.documents if one.id == document), None)
    if one is None:
        raise NotFound(f"`{document}` is not known", mend="take ids from the page")
    return pdf(site.qcp.collectes.read(one.signed or one.validated), "document.pdf")


def consent(site: Site, request: PageRequest, id: str) -> View:
    """Agree to sign exactly what was shown, every document of it, and have the code sent."""
    view = ceremony(site, request, id)
    if view.stage is not S.CONSENTING:
        return to(request, "signing", id=id)
    if set(request.all("read")) != {one.validated for one in view.show.documents}:
        return _shown(site, view, "not_read")
    documents = tuple((one.id, one.validated) for one in view.show.documents)
    return _said(site, request, view, DocumentsConsented(documents=documents), CodeRequested())


def ask_code(site: Site, request: PageRequest, id: str) -> View:
    """Have a code sent, or another one."""
    return _with_codes(site, request, id, CodeRequested())


def enter_code(site: Site, request: PageRequest, id: str) -> View:
    """Sign with the code that was typed."""
    return _with_codes(site, request, id, Code(request.one("code")))


def _with_codes(site: Site, request: PageRequest, id: str, what: Fact | Code) -> View:
    view = ceremony(site, request, id)
    if view.stage is not S.AWAITING_CODE:  # a second click: the first has signed
        return to(request, "signing", id=id)
    return _said(site, request, view, what)


def decline(site: Site, request: PageRequest, id: str) -> View:
    """Refuse to sign, which ends the collecte for everybody."""
    view = ceremony(site, request, id)
    if not request.one("sure") and Declined in view.can:
        return _shown(site, view, "not_sure")
    return _said(site, request, view, Declined(reason=request.one("reason").strip()[:MOST_REASON]))


def state(site: Site, request: PageRequest, id: str) -> View:
    """Say whether the page is still the present one."""
    return polled(request, mark(ceremony(site, request, id)))


def events(site: Site, request: PageRequest, id: str) -> View:
    """Send the mark of the present page whenever it changes."""
    return watched(request, lambda: mark(ceremony(site, request, id)))


def mark(view: CeremonyView) -> str:
    """Name what the page shows of a waiting ceremony."""
    return hashlib.sha256(repr((view.stage.value, view.show.url)).encode()).hexdigest()[:16]


def _said(site: Site, request: PageRequest, view: CeremonyView, *what: Fact | Code) -> View:
    try:
        for one in what:
            site.qcp.collectes.say(view.id, one)
    except FactRefused as refused:
        if refused.reason in VOID:
            return to(request, "signing", id=view.id)
        after = ceremony(site, request, view.id)
        return _shown(site, after, refused.reason, refused if isinstance(refused, CodeRefused) else None)
    return to(request, "signing", id=view.id)


def _shown(site: Site, view: CeremonyView, problem: str = "", refused: CodeRefused | None = None) -> View:
    context = {
        "view": view,
        "show": view.show,
        "stage": view.stage.value,
        "mark": mark(view),
        "may_decline": Declined in view.can,
        "problem": problem,
        "refused": refused,
        "now": site.qcp.ports.clock.now(),
    }
    return View(status=422 if problem else 200, template=TEMPLATES[view.stage], context=context)
