"""The portal's addresses."""

from __future__ import annotations

from django.urls import include, path

from qcp_sdk.demo.portal import views

urlpatterns = [
    path("", views.home, name="home"),
    path("be", views.be, name="be"),
    path("inbox", views.inbox, name="inbox"),
    path("operator", views.operator, name="operator"),
    path("phone/<str:session>", views.phone, name="phone"),
    path("collectes/new", views.new_collecte, name="new"),
    path("collectes/<str:id>", views.collecte, name="collecte"),
    path("signature/", include("qcp_sdk.web.django.urls")),
]
