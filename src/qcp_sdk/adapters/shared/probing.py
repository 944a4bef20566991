"""Asking a provider something harmless, for `qcp-sdk doctor`: an adapter that can has a method `probe`."""

from __future__ import annotations

from datetime import datetime
from email.utils import parsedate_to_datetime

from qcp_sdk.adapters.shared.http import Answer
from qcp_sdk.values import utc


def told_time(answer: Answer) -> datetime | None:
    """Give the time that a server told in `Date` (RFC 9110 § 6.6.1); None where it told none."""
    try:
        return utc(parsedate_to_datetime(answer.headers.get("date", "")))
    except (ValueError, TypeError, OverflowError):  # InvalidValue, of a time without zone, is a ValueError
        return None
