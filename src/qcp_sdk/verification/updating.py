"""Bringing a trust directory up to date: the list of lists, its pivots, the lists that it points to."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from attrs import evolve, frozen

from qcp_sdk.errors import PortError, TrustListError
from qcp_sdk.values import utc
from qcp_sdk.verification import lotl, snapshots
from qcp_sdk.verification.lotl import ListOfLists, Pointer
from qcp_sdk.verification.signed_xml import LARGEST

Fetch = Callable[[str, int], bytes]
"""(address, most bytes) to content. Raises PortError. `adapters.shared.fetching.Fetcher.get` is one."""


class State(StrEnum):
    """What became of one territory's list."""

    NEW = "new"
    SAME = "same"
    KEPT = "kept"
    """The new one could not be had or does not hold: the one of the snapshot before stands."""
    MISSING = "missing"
    """It could not be had, and there was none before."""


@frozen(kw_only=True)
class Outcome:
    """What became of one territory's list."""

    territory: str
    state: State
    sequence: int | None = None
    why: str = ""
    """What went wrong, for people; empty otherwise."""


@frozen(kw_only=True)
class Update:
    """What an update did."""

    snapshot: str
    list_of_lists: ListOfLists
    outcomes: tuple[Outcome, ...]

    @property
    def complete(self) -> bool:
        """Whether every list could be had."""
        return all(one.state in {State.NEW, State.SAME} for one in self.outcomes)


_Kept = tuple[ListOfLists | None, dict[str, tuple[bytes, int]]]


def update(
    directory: Path,
    *,
    fetch: Fetch,
    now: datetime,
    location: str = lotl.EUROPEAN,
    territories: Collection[str] = (),
    first_use: bool = False,
) -> Update:
    """Fetch, verify and keep a new snapshot. A list that cannot be had costs no other one.

    Args:
        directory: The trust directory; its `lotl/*.pem` are the pins.
        fetch: How to fetch. What it gives is believed only once its signature holds.
        now: The instant at which lists must be in force.
        location: The list of lists.
        territories: Only these; empty means every one that it points to.
        first_use: Where nobody is pinned, pin who signed the list of lists that is met now. Every report says so.

    Raises:
        TrustListError: The list of lists does not hold, is stale, or is older than the one that is kept.
        PortError: It cannot be fetched, or one of its pivots.
    """
    moment = utc(now, "now")
    root = fetch(location, lotl.LARGEST)
    addresses, signers = lotl.claimed(root, location)
    folder = directory / "lotl"
    folder.mkdir(parents=True, exist_ok=True)
    if first_use and not any(folder.glob("*.pem")):
        _pin(folder / snapshots.FIRST_USE, signers, root, location)
    pins = snapshots.Pins.load(directory)
    pivots = [fetch(address, lotl.LARGEST) for address in reversed(addresses)]
    above = lotl.anchored(root, pivots=pivots, pinned=pins.certificates, where=location)
    if above.expired(moment):
        raise TrustListError("it is stale: a newer one should have replaced it", where=location, mend="try again later")
    last, kept = _kept(directory)
    if last is not None and above.sequence < last.sequence:
        raise TrustListError(
            f"its number {above.sequence} is older than {last.sequence}, which is kept",
            where=location,
            mend="somebody serves an old copy: fetch it over another connection",
        )
    national: dict[str, bytes] = {}
    outcomes = []
    wanted = dict.fromkeys(one.territory for one in above.pointers if not territories or one.territory in territories)
    for territory in wanted:
        pointer = above.pointer(territory)
        assert pointer is not None
        content, outcome = _one(pointer, above, fetch, kept.get(territory), moment)
        outcomes.append(outcome)
        if content is not None:
            national[territory] = content
    outcomes += [
        Outcome(territory=territory, state=State.MISSING, why="the list of lists points to no such list")
        for territory in territories
        if territory not in wanted
    ]
    snapshot = snapshots.verified(root, pivots, national, pins)
    snapshots.keep(directory, snapshot.name, root, pivots, national)
    return Update(snapshot=snapshot.name, list_of_lists=above, outcomes=tuple(outcomes))


def _one(
    pointer: Pointer, above: ListOfLists, fetch: Fetch, kept: tuple[bytes, int] | None, now: datetime
) -> tuple[bytes | None, Outcome]:
    territory = pointer.territory
    fallback = Outcome(territory=territory, state=State.MISSING)
    before, sequence = kept if kept is not None else (None, 0)
    if before is not None:
        try:  # by the present list of lists: who may no longer sign no longer counts
            snapshots.listed(above, territory, before)
            fallback = Outcome(territory=territory, state=State.KEPT, sequence=sequence)
        except TrustListError:
            before = None
    try:
        content = fetch(pointer.location, LARGEST)
        found = snapshots.listed(above, territory, content)
    except (TrustListError, PortError) as error:
        return before, evolve(fallback, why=error.what)
    if found.sequence < sequence:
        return before, evolve(fallback, why=f"its number {found.sequence} is older than {sequence}, which is kept")
    if found.expired(now):
        return before, evolve(fallback, why="it is stale: a newer one should have replaced it")
    state = State.SAME if content == before else State.NEW
    return content, Outcome(territory=territory, state=state, sequence=found.sequence)


def _kept(directory: Path) -> _Kept:
    """Give what the present snapshot holds. One that no longer verifies holds nothing."""
    try:
        folder = snapshots.current(directory)
        if folder is None:
            return None, {}
        found = snapshots.load(directory, folder)
        _, _, national = snapshots.parts(folder)
    except TrustListError:
        return None, {}
    sequences = {one.territory: one.sequence for one in found.lists}
    return found.list_of_lists, {territory: (one, sequences[territory]) for territory, one in national.items()}


def _pin(path: Path, signers: tuple[bytes, ...], root: bytes, location: str) -> None:
    """Pin the signer that the list itself names, once it has verified by it."""
    from asn1crypto import pem  # type: ignore[import-untyped]

    lotl.read(root, signers, location)
    path.write_bytes(b"".join(bytes(pem.armor("CERTIFICATE", der)) for der in signers))
