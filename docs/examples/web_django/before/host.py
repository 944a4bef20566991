"""A small platform as it was: people sign in, write a letter, and send it to be signed by e-mail."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import path
from django.utils.html import format_html_join

LETTERS: dict[str, list[str]] = {}


@login_required
def home(request: HttpRequest) -> HttpResponse:
    sent = format_html_join("", "<li>{}</li>", ((one,) for one in LETTERS.get(request.user.username, [])))
    return HttpResponse(f"<h1>My letters</h1><ul>{sent}</ul><a href='/letters/new'>Send a letter to be signed</a>")


@login_required
def new(request: HttpRequest) -> HttpResponse:
    if request.method == "GET":
        return HttpResponse("<h1>Send a letter to be signed</h1><form method='post'><button>Send</button></form>")
    LETTERS.setdefault(request.user.username, []).append("Lettre de mission")
    return redirect("/")


urlpatterns = [
    path("", home),
    path("letters/new", new),
]
