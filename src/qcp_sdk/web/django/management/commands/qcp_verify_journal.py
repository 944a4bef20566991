"""`manage.py qcp_verify_journal [ID …]`: every chain, or those that are named."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterable
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from qcp_sdk.web.checking import check_journals
from qcp_sdk.web.django.conf import installation
from qcp_sdk.web.django.models import Stream


class Command(BaseCommand):
    """Exit status 1 when one is broken."""

    help = "Check the chained journals of subscriptions and ceremonies against the heads noted beside them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Without an id: everything in this application's tables."""
        parser.add_argument("ids", nargs="*", metavar="ID", help="all of this application's tables, if none is named")

    def handle(self, *_: Any, ids: list[str], **__: Any) -> None:
        """Run."""
        which: Iterable[str] = ids or Stream.objects.order_by("ordinal").values_list("name", flat=True).iterator()
        facts = count = 0
        broken: list[str] = []
        for one in check_journals(installation().qcp, which):
            count, facts = count + 1, facts + one.facts
            if one.broken:
                broken.append(one.id)
                self.stderr.write(f"{one.id}\t{one.broken}")
        if broken:
            raise CommandError(f"{len(broken)} of {count} journals are broken")
        self.stdout.write(f"{count} journals, {facts} facts, all intact")
