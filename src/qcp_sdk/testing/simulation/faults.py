"""What can go wrong, and where: one table of classes, and the script that decides at each place.

A *place* is where something may go wrong: a call of a port, a commit, a person about to act, a provider about to
decide. At each, the script is asked once. It draws from a seed, or it replays: then what goes wrong is named, by whom
it concerns, where, and the how-manieth time (`p3 ledger.capture 1`), so that taking one fault or one person away
leaves every other where it was.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

from qcp_sdk.errors import InvalidInput

PORT, STORE, COMMIT = "port", "store", "commit"
OPENING, ACT, VERDICT, AUTHORITY, REGISTRATION = "opening", "act", "verdict", "authority", "registration"
MESSAGE, TIME, AGAIN = "message", "time", "again"


def _around(*verbs: str) -> tuple[str, ...]:
    return tuple(f"{verb} {when}" for verb in verbs for when in ("before", "after"))


BREAKABLE: Final = (
    "ledger", "codes", "notices", "documents", "identity", "registration", "authority",
)  # fmt: skip
"""Ports that may be out of order for hours."""
CLASSES: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = MappingProxyType(
    {
        "timeouts": {
            PORT: _around("fail"),
            STORE: ("fail before",),
            COMMIT: _around("fail"),
            TIME: tuple(f"silence {port}" for port in BREAKABLE),
        },
        "crashes": {PORT: _around("crash"), STORE: _around("crash"), COMMIT: _around("crash")},
        "workers": {
            PORT: _around("pause", "stall"),
            STORE: _around("pause"),
            COMMIT: _around("pause", "stall"),
        },
        "bugs": {PORT: _around("bug"), TIME: tuple(f"break {port}" for port in BREAKABLE)},
        "refusals": {
            OPENING: ("poor cabinet",),
            ACT: ("contest", "expire hold", "no document"),
            VERDICT: ("retry", "refuse", "another person", "low proofing", "more given names"),
            AUTHORITY: ("refuse", "refuse later", "wrong level", "wrong name"),
            REGISTRATION: ("refuse", "expire", "another person", "attest"),
        },
        "minds": {PORT: ("lie after",)},
        "sessions": {
            ACT: ("wait", "leave"),
            VERDICT: ("abandon", "silence"),
            AUTHORITY: ("later", "too late"),
            REGISTRATION: ("silence", "abandon"),
        },
        "messages": {
            MESSAGE: ("lose", "repeat", "delay", "delay long", "reorder"),
            PORT: _around("hint"),
            COMMIT: _around("hint"),
        },
        "clicks": {
            OPENING: ("twice",),
            ACT: ("twice", "out of turn 1", "out of turn 2", "out of turn 3", "refresh", "link"),
            PORT: _around("click"),
            COMMIT: _around("click"),
        },
        "cancellations": {ACT: ("cancel",), PORT: _around("cancel"), COMMIT: _around("cancel")},
        "codes": {ACT: ("wrong code", "wrong codes", "old code", "late code", "ask again")},
        "fraud": {ACT: ("report fraud",), PORT: _around("fraud"), COMMIT: _around("fraud")},
        "accounts": {ACT: ("change account", "change account unseen", "revoke LCP", "revoke LCP unseen")},
        "revocations": {ACT: ("revoke", "order revocation", "refuse revocations")},
        "renewals": {AGAIN: ("again",)},
        "clock": {TIME: ("jump 2 minutes", "jump 2 minutes", "jump 10 minutes", "jump 1 hour", "jump 1 week")},
    }
)
"""Every class of faults that `--faults` names: what it lets happen, by place."""

RARITY: Final[Mapping[str, int]] = MappingProxyType(
    {
        PORT: 40, STORE: 250, COMMIT: 50, OPENING: 8, ACT: 16, VERDICT: 4, AUTHORITY: 4, REGISTRATION: 4,
        MESSAGE: 4, TIME: 1_000, AGAIN: 4,
    }
)  # fmt: skip
"""One in how many, on average, goes wrong at each place."""

Script: TypeAlias = "Drawn | Replayed"


def chosen(names: Iterable[str]) -> tuple[str, ...]:
    """Give these classes of faults in the order of the table.

    Raises:
        InvalidInput: One of them is none.
    """
    wanted = set(names)
    unknown = sorted(wanted - set(CLASSES))
    if unknown:
        raise InvalidInput(
            f"`{unknown[0]}` is no class of faults", where="faults", mend=f"choose among {', '.join(CLASSES)}"
        )
    return tuple(name for name in CLASSES if name in wanted)


class Drawn:
    """Draws what goes wrong from a seed. Only `random.Random.random` is used: it is the same everywhere."""

    def __init__(self, seed: str, classes: Iterable[str]) -> None:
        menus: dict[str, list[str]] = {}
        for name in chosen(classes):
            for place, faults in CLASSES[name].items():
                menus.setdefault(place, []).extend(faults)
        self._menus = menus
        self._draw = random.Random(seed).random  # noqa: S311 - no secret: a simulation
        self._left = {place: self._gap(place) if place in menus else -1 for place in RARITY}
        self.subject = ""
        """Whom the call at hand concerns: a person, or the worker."""
        self.happened: Counter[str] = Counter()
        """How often each fault was drawn, by place."""

    def at(self, place: str, label: str) -> str | None:  # noqa: ARG002 - a replayed script reads it
        """Say what goes wrong here, if anything."""
        left = self._left[place] = self._left[place] - 1
        if left:
            return None
        self._left[place] = self._gap(place)
        menu = self._menus[place]
        fault = menu[int(self._draw() * len(menu))]
        self.happened[f"{place}: {fault}"] += 1
        return fault

    def _gap(self, place: str) -> int:
        return 1 + int(self._draw() * (2 * RARITY[place] - 1))


class Recorded(Drawn):
    """Draws the same, and notes under which name each fault would be replayed."""

    def __init__(self, seed: str, classes: Iterable[str]) -> None:
        super().__init__(seed, classes)
        self._counted: Counter[tuple[str, str]] = Counter()
        self.faults: dict[str, str] = {}
        """Name of the place to what went wrong there, in order."""

    def at(self, place: str, label: str) -> str | None:
        """Say what goes wrong here, if anything, and note it."""
        self._counted[self.subject, label] += 1
        fault = super().at(place, label)
        if fault is not None:
            self.faults[f"{self.subject} {label} {self._counted[self.subject, label]}"] = fault
        return fault


class Replayed:
    """Lets go wrong what it is told, by name, and nothing else."""

    def __init__(self, faults: Mapping[str, str]) -> None:
        self._faults = faults
        self._counted: Counter[tuple[str, str]] = Counter()
        self.subject = ""
        self.used: dict[str, str] = {}
        """The faults that really happened."""

    def at(self, place: str, label: str) -> str | None:  # noqa: ARG002 - a drawn script reads it
        """Say what goes wrong here, if anything."""
        self._counted[self.subject, label] += 1
        name = f"{self.subject} {label} {self._counted[self.subject, label]}"
        fault = self._faults.get(name)
        if fault is not None:
            self.used[name] = fault
        return fault
