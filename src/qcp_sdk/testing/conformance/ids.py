"""What every `Ids` promises (ports/ids.py)."""

from __future__ import annotations

import re
from abc import abstractmethod
from itertools import pairwise
from typing import Final

from qcp_sdk.ports.ids import Ids
from qcp_sdk.testing.conformance.base import Conformance
from qcp_sdk.testing.conformance.marking import THREADS, Capability, needs
from qcp_sdk.testing.conformance.together import together

UNGUESSABLE: Final = Capability(
    "unguessable",
    "who knows some ids cannot tell the next, nor what another installation makes; without it, for tests only",
)
MANY: Final = 2_000


class IdsConformance(Conformance):
    """The exam of an `Ids`."""

    @abstractmethod
    def make_ids(self) -> Ids:
        """Give ids as a process that has just started makes them."""

    def test_ids_1_an_id_is_a_short_word(self) -> None:
        """ids-1: An id is 1 to 64 letters, digits, `-` or `_`: it fits a URL, a file name and a key."""
        ids = self.make_ids()
        assert [id for id in (ids.new() for _ in range(MANY)) if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", id)] == []

    def test_ids_2_an_id_is_made_once(self) -> None:
        """ids-2: No id is made twice, not even where two are compared without case."""
        ids = self.make_ids()
        assert len({ids.new().lower() for _ in range(MANY)}) == MANY

    @needs(THREADS)
    def test_ids_3_an_id_is_made_for_one_caller(self) -> None:
        """ids-3: However many threads ask at once, no two get the same id."""
        ids = self.make_ids()
        made = [id for some in together(8, lambda _: [ids.new() for _ in range(MANY // 4)]) for id in some]
        assert len(set(made)) == 8 * (MANY // 4)

    @needs(UNGUESSABLE)
    def test_ids_4_an_id_is_not_made_again_after_a_restart(self) -> None:
        """ids-4: Two processes, or one before and after a restart, make no id in common."""
        made = [ids.new() for ids in (self.make_ids(), self.make_ids(), self.make_ids()) for _ in range(MANY)]
        assert len(set(made)) == 3 * MANY

    @needs(UNGUESSABLE)
    def test_ids_5_the_next_id_is_not_guessed(self) -> None:
        """ids-5: Each id differs from the one before it in many places at once, as only drawn ones do."""
        ids = self.make_ids()
        made = [ids.new() for _ in range(MANY)]
        differ = [sum(a != b for a, b in zip(one, after, strict=False)) for one, after in pairwise(made)]
        changed = sum(differ) / len(differ)
        assert changed >= 8, f"on average {changed:.1f} characters change from one id to the next: it can be guessed"
