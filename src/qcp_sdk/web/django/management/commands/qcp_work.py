"""`manage.py qcp_work`: does what is due until it is told to stop."""

from __future__ import annotations

import signal
import threading
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from qcp_sdk.web.django.conf import installation
from qcp_sdk.worker import work


class Command(BaseCommand):
    """Any number may run at once."""

    help = "Do what is due (polls, deadlines, retries, messages), as it falls due, until told to stop."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """`--once` is for cron."""
        parser.add_argument("--once", action="store_true", help="do what is due now, and end")

    def handle(self, *_: Any, once: bool, **__: Any) -> None:
        """Run."""
        qcp = installation().qcp
        if once:
            tried = 0
            while done := qcp.run_due(limit=100):
                tried += done
            self.stdout.write(str(tried))
            return
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        work(qcp, stop=stop, on_beat=lambda beat: self.stdout.write(beat.line()))
