"""Instants, days and durations, near the places where calendars and encodings break."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from functools import cache
from typing import Final

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from qcp_sdk.values import BirthDate

NOW: Final = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
"""When a memory world begins, and the instant around which everything here is drawn."""

_TURNS: Final = (
    NOW,
    datetime(2024, 2, 29, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(2038, 1, 19, 3, 14, 8, tzinfo=UTC),
    datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC),  # the last UTCTime of RFC 5280 § 4.1.2.5
)


@cache
def instants(*, around: datetime = NOW, within: timedelta = timedelta(days=4_000)) -> SearchStrategy[datetime]:
    """An instant with a time zone, mostly UTC, at most `within` before or after `around`."""
    microseconds = within // timedelta(microseconds=1)
    drawn = st.integers(-microseconds, microseconds).map(lambda by: around + timedelta(microseconds=by))
    turns = [one for one in _TURNS if abs(one - around) <= within]
    zones = st.sampled_from((UTC, UTC, timezone(timedelta(hours=2)), timezone(-timedelta(hours=9, minutes=30))))
    moments = drawn | st.sampled_from(turns) if turns else drawn
    return st.tuples(moments, zones).map(lambda pair: pair[0].astimezone(pair[1]))


@cache
def durations(
    shortest: timedelta = timedelta(seconds=1), longest: timedelta = timedelta(days=400)
) -> SearchStrategy[timedelta]:
    """A duration that is not negative."""
    return st.timedeltas(shortest, longest)


@cache
def days() -> SearchStrategy[date]:
    """A day that an identity document may carry."""
    return st.dates(date(1900, 1, 1), date(2100, 12, 31)) | st.sampled_from((date(2000, 2, 29), date(1900, 3, 1)))


@cache
def birth_dates() -> SearchStrategy[BirthDate]:
    """A date of birth that is taken: from 1900-01-01 to 2100-12-31."""
    edges = st.sampled_from((date(1900, 1, 1), date(2100, 12, 31), date(2004, 2, 29)))
    return (days() | edges).map(BirthDate)
