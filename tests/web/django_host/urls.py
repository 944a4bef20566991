from django.contrib import admin
from django.urls import include, path

urlpatterns = [path("admin/", admin.site.urls), path("signature/", include("qcp_sdk.web.django.urls"))]
