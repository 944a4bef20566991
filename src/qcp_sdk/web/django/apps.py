"""The application: `INSTALLED_APPS = [..., "qcp_sdk.web.django"]`."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class QcpConfig(AppConfig):
    """Label `qcp`; looks at no database while it starts."""

    name = "qcp_sdk.web.django"
    label = "qcp"
    verbose_name = _("Qualified certificates")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the system checks, and follow changed settings."""
        from qcp_sdk.web.django import checks, conf

        checks.register_all()
        conf.follow_settings()
