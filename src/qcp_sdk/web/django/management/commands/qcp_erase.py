"""`manage.py qcp_erase ID --by NAME --reason TEXT`."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from qcp_sdk.errors import ErasureRefused, QcpError
from qcp_sdk.web.django.conf import installation


class Command(BaseCommand):
    """On record, as every act of an operator's."""

    help = "Destroy the data key of a subscription or ceremony, for good. Its journal still verifies."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """As `qcp-sdk erase`."""
        parser.add_argument("id")
        parser.add_argument("--by", required=True, help="who does it")
        parser.add_argument("--reason", required=True, help="why; kept on record, so write nothing personal")
        parser.add_argument("--despite", action="append", default=[], help="an obstacle that does not count this time")
        parser.add_argument("--approved-by", default="", help="a second person, with --despite")

    def handle(self, *_: Any, id: str, by: str, reason: str, despite: list[str], approved_by: str, **__: Any) -> None:
        """Run."""
        try:
            installation().qcp.operations.erase(id, by=by, reason=reason, despite=despite, approved_by=approved_by)
        except ErasureRefused as refused:
            raise CommandError(", ".join(refused.obstacles)) from refused
        except QcpError as error:
            raise CommandError(str(error)) from error
