"""Storms of messages: what providers' webhooks really do to a host.

A provider says what happened, in messages that have an id each. They arrive twice, late, in another order or not at
all, and among them are some that the provider never sent. A host authenticates them, records each id once (behaviour
§ 7.6), and believes none: it asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final, Generic, TypeVar

from attrs import frozen
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from qcp_sdk.testing.strategies.ids import ids

T = TypeVar("T")

RETRIED_FOR: Final = timedelta(hours=76)
"""How long senders go on trying (behaviour § 7.6)."""


@frozen(kw_only=True)
class Message(Generic[T]):
    """What a provider, or somebody who pretends to be it, says. Two deliveries of one message have one `id`."""

    id: str
    content: T
    forged: bool = False
    """The provider never sent it: its signature is wrong, which is for the host to notice."""


@frozen(kw_only=True)
class Delivery(Generic[T]):
    """One arrival of a message, `after` the storm's beginning."""

    after: timedelta
    message: Message[T]


@frozen(kw_only=True)
class Storm(Generic[T]):
    """`told` is what really happened, in that order; `deliveries` is what arrives, in the order of arrival."""

    told: tuple[Message[T], ...]
    deliveries: tuple[Delivery[T], ...]

    @property
    def lost(self) -> tuple[Message[T], ...]:
        """What was said and never arrives."""
        arrived = {one.message.id for one in self.deliveries}
        return tuple(message for message in self.told if message.id not in arrived)

    @property
    def repeated(self) -> tuple[Message[T], ...]:
        """What arrives more than once."""
        arrivals = [one.message.id for one in self.deliveries]
        return tuple(message for message in self.told if arrivals.count(message.id) > 1)

    @property
    def reordered(self) -> bool:
        """Whether something arrives, for the first time, before what happened earlier."""
        place = {message.id: number for number, message in enumerate(self.told)}
        first = list(dict.fromkeys(one.message.id for one in self.deliveries if not one.message.forged))
        return first != sorted(first, key=place.__getitem__)

    @property
    def forged(self) -> tuple[Message[T], ...]:
        """What the provider never said."""
        return tuple(dict.fromkeys(one.message for one in self.deliveries if one.message.forged))


@st.composite
def storms(draw: DrawFn, contents: Sequence[T], *, forgeable: Sequence[T] = ()) -> Storm[T]:
    """A storm around these contents, told in this order. Each arrives up to three times within 76 hours, or never.

    `forgeable` is what somebody else may say: contents of the provider's, or of nobody's. A forged message has an id of
    its own, or one that the provider has used.
    """
    numbers = draw(st.lists(ids(), min_size=len(contents), max_size=len(contents), unique=True))
    told = tuple(Message(id=number, content=content) for number, content in zip(numbers, contents, strict=True))
    delays = st.sampled_from((timedelta(0), timedelta(0), timedelta(seconds=5), RETRIED_FOR)) | st.timedeltas(
        timedelta(0), RETRIED_FOR
    )
    deliveries = [
        Delivery(after=timedelta(seconds=place) + delay, message=message)
        for place, message in enumerate(told)
        for delay in draw(st.lists(delays, max_size=3))
    ]
    if forgeable:
        for content in draw(st.lists(st.sampled_from(forgeable), max_size=2)):
            number = draw(st.sampled_from(numbers) | ids() if numbers else ids())
            message = Message(id=number, content=content, forged=True)
            deliveries.append(Delivery(after=draw(delays), message=message))
    # Python sorts stably: what arrives at one instant arrives in an order that is drawn.
    return Storm(told=told, deliveries=tuple(sorted(draw(st.permutations(deliveries)), key=lambda one: one.after)))


def damaged_bodies(body: bytes) -> SearchStrategy[bytes]:
    """A message's body as it must not be accepted: cut, continued, with one bit turned, not UTF-8, or empty."""
    cut = st.integers(0, max(len(body) - 1, 0)).map(lambda size: body[:size])
    longer = st.binary(min_size=1, max_size=8).map(lambda more: body + more)
    turned = st.integers(0, max(len(body) * 8 - 1, 0)).map(
        lambda bit: bytes(octet ^ (1 << bit % 8 if place == bit // 8 else 0) for place, octet in enumerate(body))
    )
    other = st.sampled_from((b"", b"\xff\xfe", b"null", b"[]", b"{" * 2_000, b'{"id": "\xc3"}'))
    return (cut | longer | turned | other).filter(lambda damaged: damaged != body)
