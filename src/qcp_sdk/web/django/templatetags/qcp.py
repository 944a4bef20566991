"""`{% load qcp %}`: links to the pages of the journey, levels in words."""

from __future__ import annotations

from django import template
from django.urls import reverse
from django.utils.translation import get_language

from qcp_sdk.levels import SignatureLevel
from qcp_sdk.web.django.conf import installation
from qcp_sdk.web.routes import address

register = template.Library()


@register.simple_tag
def qcp_url(page: str, **ids: str) -> str:
    """Give the address of a page: `{% qcp_url "subscription" id=subscription %}`, `{% qcp_url "signing" id=… %}`."""
    return address(reverse("qcp:certificates"), page, **{name: str(value) for name, value in ids.items()})


@register.filter
def qcp_level(level: int) -> str:
    """Name a signature level: `{{ signatory.level|qcp_level }}`."""
    texts = installation().journey.site.renderer.texts
    language = (get_language() or "").partition("-")[0]
    return texts.get(language, texts["fr"]).level(SignatureLevel(int(level)))
