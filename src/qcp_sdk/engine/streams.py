"""Streams in and out of the store: packed, sealed for their place, chained, indexed."""

from __future__ import annotations

import hmac
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final, TypeAlias

from attrs import field, frozen

from qcp_sdk import audit, journal
from qcp_sdk.ceremony import machine as ceremony_machine
from qcp_sdk.ceremony.state import Ceremony
from qcp_sdk.codec import Written
from qcp_sdk.effects import Effect, Wake
from qcp_sdk.engine import following
from qcp_sdk.engine.collaborators import Collaborators
from qcp_sdk.engine.packing import Packing, Sealing
from qcp_sdk.errors import Erased, NotFound
from qcp_sdk.facts import Fact
from qcp_sdk.ports.store import JournalRow, OutboxRow, StoredStream
from qcp_sdk.subscription import state as subscription_state
from qcp_sdk.subscription.effects import CheckStatus
from qcp_sdk.subscription.state import Subscription
from qcp_sdk.values import Key, joined

LEASE: Final = timedelta(minutes=2)
"""How long one performance of an effect may take before another worker takes it over."""


@frozen(kw_only=True)
class Machine:
    """What the engine needs to know of a kind of stream."""

    kind: str
    step: Callable[[Any, Fact, datetime], tuple[Any, tuple[Effect, ...]]]
    claims: Callable[[Any], frozenset[str]]
    indexes: Callable[[Any], tuple[tuple[str, str], ...]]


@lru_cache(maxsize=1_024)  # asked for with every fact, and always the same for one stream
def owned(tenant: str, name: str) -> str:
    """Give the value under which something of a tenant's is found. Ids are a host's own text and may hold anything."""
    return joined(tenant, name)


def _subscription_indexes(s: Subscription) -> tuple[tuple[str, str], ...]:
    pairs = [("account", owned(s.terms.tenant, s.terms.account.id))]
    if s.identity.session is not None:
        pairs.append(("session", s.identity.session))
    if s.registration is not None and s.registration.session is not None:
        pairs.append(("session", s.registration.session))
    if s.certificate is not None:
        pairs.append(("certificate", s.certificate.fingerprint))
    return tuple(pairs)


def _ceremony_indexes(c: Ceremony) -> tuple[tuple[str, str], ...]:
    collecte = c.opened.collecte
    pairs = [("collecte", owned(collecte.tenant, collecte.id))]
    if c.signatory.account is not None:
        pairs.append(("signatory", owned(collecte.tenant, c.signatory.account)))
    if c.session is not None:
        pairs.append(("session", c.session))
    return tuple(pairs)


MACHINES: Final[Mapping[str, Machine]] = {
    "subscription": Machine(
        kind="subscription",
        step=following.step,
        claims=subscription_state.claims,
        indexes=_subscription_indexes,
    ),
    "ceremony": Machine(
        kind="ceremony",
        step=ceremony_machine.step,
        claims=ceremony_machine.claims,
        indexes=_ceremony_indexes,
    ),
    audit.AUDIT: Machine(kind=audit.AUDIT, step=audit.step, claims=lambda _: frozenset(), indexes=lambda _: ()),
}


@frozen(slots=False)
class Stream:
    """A stream in memory: the row that the store has of it, and what is in that row. Version 0: it has none yet."""

    row: StoredStream
    state: Any
    found_by: tuple[tuple[str, str], ...] = ()
    """(name, value) under which it is found; the store has (name, keyed hash) in their place."""
    claims: frozenset[str] = frozenset()
    """What it claims for itself alone."""
    written: Written = field(factory=dict, eq=False, repr=False)
    """Its state as it was written last, field by field; handed on to what follows."""

    @property
    def id(self) -> str:
        """Its name."""
        return self.row.id

    @property
    def kind(self) -> str:
        """Which machine it belongs to."""
        return self.row.kind

    @property
    def version(self) -> int:
        """How many facts it has."""
        return self.row.version

    @property
    def data_key(self) -> bytes:
        """The key that it is sealed under, wrapped."""
        return self.row.data_key

    @property
    def wrapped_by(self) -> str:
        """The id of the key that wraps its data key."""
        return self.row.wrapped_by

    @property
    def head(self) -> bytes:
        """The hash of its last journal entry."""
        return self.row.head or journal.GENESIS


Planned: TypeAlias = tuple[Key, Effect, datetime, datetime | None]
"""An effect of a fact: its key, the effect, when it is due, and the end of its first lease where whoever commits it is
to perform it at once."""


def planned(id: str, sequence: int, effects: tuple[Effect, ...], now: datetime) -> list[Planned]:
    """Give the effects of fact number `sequence` their keys and due times. Pure."""
    found: list[Planned] = []
    for effect in effects:
        key = Key(f"{id}/{sequence}/{len(found)}")
        due = effect.at if isinstance(effect, (Wake, CheckStatus)) else now + effect.after
        found.append((key, effect, due, now + LEASE if due <= now else None))
    return found


class Streams:
    """Reads streams, and lays out what one fact writes."""

    def __init__(self, collaborators: Collaborators, packing: Packing | None = None, *, inline: bool = True) -> None:
        self._store, self._keys = collaborators.store, collaborators.keys
        self._inline = inline
        self._packing = packing if packing is not None else Sealing(collaborators.keys)
        self._recent = Recent()

    def blind(self, name: str, value: str) -> str:
        """Give the keyed hash under which a value is found, so that indexes hold no personal data."""
        return _blind(self._keys.derive(purpose="index"), f"{name}\x00{value}")

    def load(self, id: str) -> Stream:
        """Read a stream.

        Raises:
            NotFound: Nothing is known under this id.
        """
        stored = self._store.load(id=id)
        if stored is None:
            raise NotFound(f"`{id}` is not known", mend="check the id and the installation")
        return self.opened(stored)

    def load_or_new(self, id: str, kind: str) -> Stream:
        """Read a stream, or begin one."""
        stored = self._store.load(id=id)
        return self.opened(stored) if stored is not None else self.new(id, kind)

    def new(self, id: str, kind: str) -> Stream:
        """Begin a stream, with a data key of its own."""
        data_key = self._keys.new_data_key()
        wrapped_by = self._keys.wrapped_by(data_key=data_key)
        row = StoredStream(id=id, kind=kind, version=0, stage="", data_key=data_key, state=b"", wrapped_by=wrapped_by)
        return Stream(row, None)

    def opened(self, stored: StoredStream) -> Stream:
        """Unseal and unpack a stored stream, unless the very same was read or written here a while ago.

        Raises:
            Erased: Its data key was destroyed.
        """
        if not stored.data_key:
            raise Erased(f"`{stored.id}` was erased", mend="nothing of it can be read; its journal still verifies")
        stream = self._recent.get(stored)
        if stream is None:
            state = self._packing.unpack_state(
                stored.state, data_key=stored.data_key, place=f"state/{stored.id}/{stored.version}"
            )
            stream = Stream(stored, state, *_said_of(stored.kind, state))
            self._recent.put(stream)
        return stream

    def following(self, stream: Stream, *, version: int, state: Any, stage: str, head: bytes = b"") -> Stream:
        """Pack and seal the state that follows."""
        row = stream.row
        id, kind, data_key, indexes = row.id, row.kind, row.data_key, row.indexes
        found_by, claims = _said_of(kind, state)
        if found_by != stream.found_by:
            indexes = frozenset([(name, self.blind(name, value)) for name, value in found_by])
        packed = self._packing.pack_state(
            kind, state, data_key=data_key, place=f"state/{id}/{version}", written=stream.written
        )
        stored = StoredStream(
            id=id,
            kind=kind,
            version=version,
            stage=stage,
            data_key=data_key,
            state=packed,
            head=head,
            indexes=indexes,
            wrapped_by=row.wrapped_by,
        )
        following = Stream(stored, state, found_by, claims, stream.written)
        self._recent.put(following)
        return following

    def entry(self, stream: Stream, fact: Fact, at: datetime) -> JournalRow:
        """Lay out the journal entry of the next fact, chained to the last."""
        row, kind = stream.row, fact.kind
        id, sequence = row.id, row.version + 1
        payload = self._packing.pack_fact(fact, data_key=row.data_key, place=f"journal/{id}/{sequence}")
        chained = journal.link(stream.head, stream=id, sequence=sequence, at=at, kind=kind, payload=payload)
        return JournalRow(stream=id, sequence=sequence, at=at, kind=kind, payload=payload, hash=chained)

    def outbox(self, stream: Stream, effects: tuple[Effect, ...], now: datetime) -> tuple[OutboxRow, ...]:
        """Lay out the effects of the next fact; those that are due now are leased to whoever commits them, unless all
        of it is left to workers.
        """
        if not effects:
            return ()
        row, pack = stream.row, self._packing.pack_effect
        return tuple(
            [
                OutboxRow(
                    key=key,
                    stream=row.id,
                    kind=effect.kind,
                    due=due,
                    payload=pack(effect, data_key=row.data_key, place=f"outbox/{key}"),
                    leased_until=leased_until if self._inline else None,
                )
                for key, effect, due, leased_until in planned(row.id, row.version + 1, effects, now)
            ]
        )

    def later(self, stream: Stream, key: Key, effect: Effect, due: datetime) -> OutboxRow:
        """Lay out an effect that no fact of its stream asks for; whoever works then performs it."""
        payload = self._packing.pack_effect(effect, data_key=stream.data_key, place=f"outbox/{key}")
        return OutboxRow(key=key, stream=stream.id, kind=effect.kind, due=due, payload=payload)

    def effect(self, stream: Stream, key: Key, payload: bytes) -> Effect:
        """Unseal and unpack an effect."""
        return self._packing.unpack_effect(payload, data_key=stream.data_key, place=f"outbox/{key}")

    def fact(self, stream: Stream, row: JournalRow) -> Fact:
        """Unseal and unpack a journal entry."""
        place = f"journal/{row.stream}/{row.sequence}"
        return self._packing.unpack_fact(row.payload, data_key=stream.data_key, place=place)


def _said_of(kind: str, state: Any) -> tuple[tuple[tuple[str, str], ...], frozenset[str]]:
    """Give the names under which a state is found, and its claims."""
    machine = MACHINES.get(kind)
    return (machine.indexes(state), machine.claims(state)) if machine is not None else ((), frozenset())


@lru_cache(maxsize=4_096)
def _blind(key: bytes, named: str) -> str:
    return hmac.digest(key, named.encode(), "sha256").hex()


class Recent:
    """The streams that were read or written last, found again by what the store holds of them. Safe for threads.

    Sealed bytes are never alike by chance, so an equal row is the stream as it was committed, by whomever. The whole
    row counts: a data key that was wrapped anew, or a head that was changed, is another row. A stream is read several
    times for each thing that happens to it; reading costs more than all the rest of a step.
    """

    def __init__(self, most: int = 512) -> None:
        self._most = most
        self._kept: OrderedDict[str, Stream] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, stored: StoredStream) -> Stream | None:
        """Give the stream that this row holds, or None when it is not at hand."""
        kept = self._kept.get(stored.id)
        return kept if kept is not None and (kept.row is stored or kept.row == stored) else None

    def put(self, stream: Stream) -> None:
        """Keep a stream, in place of the one that was longest unchanged."""
        kept, id = self._kept, stream.row.id
        with self._lock:
            kept[id] = stream
            kept.move_to_end(id)
            if len(kept) > self._most:
                kept.popitem(last=False)
