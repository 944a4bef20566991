"""Wrong adapters of the port `ids`."""

# Each overrides what it gets wrong; the arguments are passed on as they come.
# mypy: disable-error-code="override, no-untyped-def, no-untyped-call"

from __future__ import annotations

import random
import time
import uuid

import pytest

from qcp_sdk.adapters.memory.clock import ManualClock
from qcp_sdk.adapters.memory.ids import CountingIds
from qcp_sdk.adapters.system import UuidIds
from qcp_sdk.ports.ids import Ids
from qcp_sdk.testing.conformance.examples import START
from qcp_sdk.testing.conformance.ids import IdsConformance


class IdsSuite(IdsConformance):
    def make_ids(self) -> Ids:
        return UuidIds(ManualClock(START))


@pytest.mark.caught_by("test_ids_1_an_id_is_a_short_word")
class PutsColonsInIds(IdsSuite):
    def make_ids(self) -> Ids:
        class Adapter(UuidIds):
            def new(self):
                return f"urn:uuid:{super().new()}"

        return Adapter(ManualClock(START))


@pytest.mark.caught_by("test_ids_2_an_id_is_made_once")
class MakesShortIds(IdsSuite):
    def make_ids(self) -> Ids:
        class Adapter(UuidIds):
            def new(self):
                return super().new()[-3:]

        return Adapter(ManualClock(START))


@pytest.mark.caught_by("test_ids_3_an_id_is_made_for_one_caller")
class CountsWithoutALock(IdsSuite):
    def make_ids(self) -> Ids:
        class Adapter:
            last = 0

            def new(self):
                number = self.last
                if number % 50 == 0:
                    time.sleep(0.001)  # lets another thread in between reading and writing
                self.last = number + 1
                return f"id-{number}"

        return Adapter()


@pytest.mark.caught_by("test_ids_4_an_id_is_not_made_again_after_a_restart")
@pytest.mark.caught_by("test_ids_5_the_next_id_is_not_guessed")
class Counts(IdsSuite):
    def make_ids(self) -> Ids:
        return CountingIds()


@pytest.mark.caught_by("test_ids_4_an_id_is_not_made_again_after_a_restart")
class DrawsFromASeed(IdsSuite):
    def make_ids(self) -> Ids:
        class Adapter:
            def __init__(self):
                self.drawn = random.Random(7)

            def new(self):
                return uuid.UUID(int=self.drawn.getrandbits(128)).hex

        return Adapter()


@pytest.mark.caught_by("test_ids_5_the_next_id_is_not_guessed")
class IsMadeFromTheTimeAlone(IdsSuite):
    def make_ids(self) -> Ids:
        return UuidIds(ManualClock(START), draw=lambda size: bytes(size))
