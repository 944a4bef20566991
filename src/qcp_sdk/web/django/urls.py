"""`path("signature/", include("qcp_sdk.web.django.urls"))`."""

from __future__ import annotations

from django.urls import path

from qcp_sdk.web.django import views

app_name = "qcp"
urlpatterns = [
    path("hooks/<str:provider>", views.webhook, name="webhook"),
    path("", views.page, name="certificates"),
    path("<path:path>", views.page, name="page"),
]
