"""The portal's own pages: who you are, the collectes, the inbox, the phone, the operator's console."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

import jinja2
from django.http import Http404, HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from django.shortcuts import redirect
from django.utils import translation
from django.views.decorators.http import require_GET, require_POST

from qcp_sdk.adapters.shared.simulation.identity import IdentityScript
from qcp_sdk.adapters.shared.texts import TEMPLATES
from qcp_sdk.adapters.simulated_identity import abandon, approve, fraud, refuse, retry
from qcp_sdk.ceremony.stages import CEREMONY_FINAL
from qcp_sdk.demo.portal.world import CREDITS, PEOPLE, world
from qcp_sdk.errors import Rejected
from qcp_sdk.people import LANGUAGES
from qcp_sdk.values import SessionId
from qcp_sdk.verification.trust import TrustStore
from qcp_sdk.verification.verify import verify
from qcp_sdk.web.django.conf import installation
from qcp_sdk.web.django.views import respond, signatories

OUTCOMES: Final[Mapping[str, Callable[[], IdentityScript]]] = {
    "approve": approve,
    "retry": lambda: retry("glare"),
    "refuse": refuse,
    "fraud": fraud,
    "abandon": abandon,
}


def who(request: HttpRequest) -> str | None:
    """Give who the visitor chose to be: the account of the portal's settings."""
    chosen = request.session.get("person")
    return chosen if chosen in {one.id for one in PEOPLE} else None


def language_of_session(answer: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Speak the language that was chosen: middleware."""

    def answered(request: HttpRequest) -> HttpResponse:
        with translation.override(request.session.get("language", LANGUAGES[0])):
            return answer(request)

    return answered


@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """Who you are, and what there is to do."""
    qcp = world().qcp
    balances = {cabinet: qcp.ledger.balance(cabinet=cabinet) for cabinet in CREDITS}
    return _page(request, "home", people=PEOPLE, balances=balances, collectes=list(world().collectes.values()))


@require_POST
def be(request: HttpRequest) -> HttpResponse:
    """Be somebody, in a language."""
    if request.POST.get("person") in {one.id for one in PEOPLE}:
        request.session["person"] = request.POST["person"]
    if request.POST.get("language") in LANGUAGES:
        request.session["language"] = request.POST["language"]
    return redirect("home")


@require_GET
def inbox(request: HttpRequest) -> HttpResponse:
    """Every e-mail and SMS, newest first."""
    return _page(request, "inbox", messages=list(reversed(world().qcp.mailbox.messages()))[:50])


def phone(request: HttpRequest, session: str) -> HttpResponse:
    """What the provider's application shows on the phone; here, one chooses how it ends."""
    desk, id = world().qcp.identity, SessionId(session)
    found = next((one for one in desk.sessions() if one.id == id), None)
    if found is None:
        raise Http404
    if request.method == "POST":
        outcome = OUTCOMES.get(request.POST.get("outcome", ""), approve)
        try:
            desk.script(id, outcome())
            desk.capture(id)
        except Rejected:
            return _page(request, "phone", session=found, over=True)
        world().qcp.subscriptions.hint(id)
        return redirect("qcp:page", path="done")
    return _page(request, "phone", session=found, over=found.captured_at is not None, outcomes=list(OUTCOMES))


@require_GET
def operator(request: HttpRequest) -> HttpResponse:
    """What an operator looks at."""
    qcp = world().qcp
    return _page(
        request,
        "operator",
        standing=qcp.operations.standing(),
        parked=qcp.operations.parked(),
        alerts=world().alerts,
        sessions=qcp.identity.sessions(),
    )


def new_collecte(request: HttpRequest) -> HttpResponse:
    """Create a collecte: one call, in which the levels are enforced."""
    if who(request) is None:
        return redirect("home")
    members = [one for one in PEOPLE if one.id != who(request)]
    step = signatories(request, action=request.path, members=members, build=world().collecte_of)
    if step.collecte is None:
        return respond(request, step.response)
    world().qcp.collectes.start(step.collecte)
    with world().lock:
        world().collectes[step.collecte.id] = step.collecte
    return redirect("collecte", id=step.collecte.id)


@require_GET
def collecte(request: HttpRequest, id: str) -> HttpResponse:
    """Where a collecte stands, and what its document says once it is signed."""
    found = world().collectes.get(id)
    if found is None:
        raise Http404
    ceremonies = world().qcp.collectes.ceremonies(found.id)
    signed = [one.show.documents[0].signed for one in ceremonies if one.show.documents[0].signed is not None]
    report = None
    if signed and all(one.stage in CEREMONY_FINAL for one in ceremonies):
        content = world().qcp.collectes.read(signed[-1])
        trust = TrustStore.load(world().qcp.publish_trust())
        report = verify(content, trust=trust, now=world().qcp.clock.now())
    return _page(request, "collecte", collecte=found, ceremonies=ceremonies, report=report)


def _page(request: HttpRequest, name: str, **context: Any) -> HttpResponse:
    language = translation.get_language() or LANGUAGES[0]
    texts = installation().journey.site.renderer.texts[language]
    template = _environment().get_template(f"portal/{name}.html")
    me = next((one for one in PEOPLE if one.id == who(request)), None)
    body = template.render(
        csrf=get_token(request),
        me=me,
        language=language,
        t=texts.tables,
        level=texts.level,
        moment=texts.moment,
        **context,
    )
    made = HttpResponse(body)
    made["Content-Security-Policy"] = "default-src 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'"
    made["Cache-Control"] = "no-store"
    return made


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
