"""Its pages: a login that is a link, and a collecte that is created in one call."""

from __future__ import annotations

from collections.abc import Callable

from attrs import evolve
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import include, path
from django.utils import translation

from qcp_sdk.sdk import Qcp
from qcp_sdk.web.django.conf import installation as installed
from qcp_sdk.web.django.views import respond, signatories
from tests.browser.stage import Set

sets: list[Set] = []
"""The last one is the present test's."""


def installation() -> Qcp:
    return sets[-1].scene.qcp


def who(request: HttpRequest) -> str | None:
    account: str | None = request.session.get("account")
    return account


def language_of_session(answer: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    def answered(request: HttpRequest) -> HttpResponse:
        with translation.override(request.session.get("language", "en")):
            return answer(request)

    return answered


def login(request: HttpRequest, account: str, language: str) -> HttpResponse:
    request.session.update({"account": account, "language": language})
    return redirect("/signature/")


def new(request: HttpRequest) -> HttpResponse:
    present = sets[-1]
    step = signatories(
        request,
        action="/collectes/new",
        members=[present.scene.irene],
        build=lambda people, order: evolve(present.collecte, signatories=people, order=order),
    )
    if step.collecte is None:
        return respond(request, step.response)
    started = installed().qcp.collectes.start(step.collecte, plan=present.plan)
    return redirect(f"/signature/c/{started[0].id}")


urlpatterns = [
    path("login/<str:account>/<str:language>", login),
    path("collectes/new", new),
    path("signature/", include("qcp_sdk.web.django.urls")),
]
