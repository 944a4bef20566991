"""`path("signature/", include("qcp_sdk.web.django.urls"))`."""

from __future__ import annotations

from django.urls import path, re_path

from qcp_sdk.web.django import views

app_name = "qcp"
urlpatterns = [
    path("hooks/<str:provider>", views.webhook, name="webhook"),
    re_path(r"^(?P<path>[sc]/[^/]+/events)$", views.events, name="events"),
    path("", views.page, name="certificates"),
    path("<path:path>", views.page, name="page"),
]
