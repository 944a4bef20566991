"""`manage.py qcp_doctor`: what to look at before people do."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from qcp_sdk.web import doctor
from qcp_sdk.web.django.conf import installation


class Command(BaseCommand):
    """Exit status 1 when there is an error."""

    help = "Say what is amiss with how the installation is put together, and how it stands."

    def handle(self, *_: Any, **__: Any) -> None:
        """Run."""
        held = installation()
        found = [*doctor.configured(held.qcp, webhooks=bool(held.providers)), *doctor.standing(held.qcp)]
        for one in found:
            self.stdout.write(f"{one.id} {one.what}\n    {one.mend}")
        errors = sum(one.grade is doctor.Grade.ERROR for one in found)
        if errors:
            raise CommandError(f"{errors} error(s)")
