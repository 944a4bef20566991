"""The same platform, with qualified certificates and signatures at level 3."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import include, path
from django.utils.html import format_html_join
from installation import collecte_of, members

from qcp_sdk.web.django.conf import installation
from qcp_sdk.web.django.views import respond, signatories

LETTERS: dict[str, list[str]] = {}


@login_required
def home(request: HttpRequest) -> HttpResponse:
    sent = format_html_join("", "<li>{}</li>", ((one,) for one in LETTERS.get(request.user.username, [])))
    sent += "<li><a href='/signature/'>My certificates</a></li>"
    return HttpResponse(f"<h1>My letters</h1><ul>{sent}</ul><a href='/letters/new'>Send a letter to be signed</a>")


@login_required
def new(request: HttpRequest) -> HttpResponse:
    qcp = installation().qcp
    step = signatories(request, action="/letters/new", members=members(qcp), build=collecte_of(qcp))
    if step.collecte is None:  # nothing was sent yet, or a level was refused: the page says why
        return respond(request, step.response)
    qcp.collectes.start(step.collecte)
    LETTERS.setdefault(request.user.username, []).append("Lettre de mission")
    return redirect("/")


urlpatterns = [
    path("", home),
    path("letters/new", new),
    path("signature/", include("qcp_sdk.web.django.urls")),
]
