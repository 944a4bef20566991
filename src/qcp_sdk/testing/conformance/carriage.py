"""What the exam of carriers rests on: one installation for many processes, whose letters can be held up and fail."""

from __future__ import annotations

import mmap
import os
import struct
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

from qcp_sdk.adapters.memory.world import MemoryWorld
from qcp_sdk.effects import Alert
from qcp_sdk.engine.core import perform_now
from qcp_sdk.notices import Attachment, Notice, Recipient
from qcp_sdk.offers import Offer
from qcp_sdk.people import Account
from qcp_sdk.policy.load import default_policy
from qcp_sdk.ports.carriers import Carrier
from qcp_sdk.ports.store import Store
from qcp_sdk.sdk import Qcp
from qcp_sdk.subscription.facts import Waits
from qcp_sdk.testing.scene import CABINET
from qcp_sdk.values import AccountId, Cents, EmailAddress, Key, PersonName, PhoneNumber

WORKS, HELD, FAILS, DIES = range(4)
PATIENCE = 30.0
"""Seconds after which what was to happen counts as not happening."""


class Died(BaseException):
    """A worker's end in the midst, where workers are threads: nothing of ours catches it."""


class SharedClock:
    """The real time, moved on for every process that was forked after it was made."""

    def __init__(self) -> None:
        self._offset = mmap.mmap(-1, 8)

    def now(self) -> datetime:
        """Say what time it is."""
        return datetime.now(UTC) + timedelta(seconds=struct.unpack("d", self._offset[:8])[0])

    def advance(self, by: timedelta) -> None:
        """Move it on."""
        self._offset[:8] = struct.pack("d", struct.unpack("d", self._offset[:8])[0] + by.total_seconds())


class Letters:
    """Notices that tell every process's log what is begun and ended, and do as they are told."""

    def __init__(self, clock: SharedClock) -> None:
        self._clock = clock
        self._mode = mmap.mmap(-1, 1)
        self._log, path = tempfile.mkstemp()
        os.close(self._log)
        self._log = os.open(path, os.O_RDWR | os.O_APPEND)
        os.unlink(path)  # noqa: PTH108 - a descriptor is all that is wanted

    def tell(self, mode: int) -> None:
        """Have letters work, be held up, fail, or kill their worker."""
        self._mode[0] = mode

    def say(self, what: str, about: str) -> None:
        """Write a line into the log."""
        os.write(self._log, f"{what}\t{about}\t{self._clock.now().isoformat()}\n".encode())

    def said(self, what: str) -> list[tuple[str, datetime]]:
        """Give the lines of that kind, in order."""
        return [(about, at) for kind, about, at in self.lines() if kind == what]

    def lines(self) -> list[tuple[str, str, datetime]]:
        """Give every line."""
        text = os.pread(self._log, os.fstat(self._log).st_size, 0).decode()
        return [(a, b, datetime.fromisoformat(c)) for a, b, c in (line.split("\t") for line in text.splitlines())]

    def send(self, *, key: Key, to: Recipient, notice: Notice, attachments: tuple[Attachment, ...] = ()) -> None:
        """Hand the letter over, or not."""
        del to, notice, attachments
        self.say("begin", key)
        if self._mode[0] == FAILS:
            raise ZeroDivisionError  # as a library would that has a fault
        while self._mode[0] == HELD:
            time.sleep(0.01)
        if self._mode[0] == DIES:
            raise Died
        time.sleep(0.005)  # long enough for two at once to be seen
        self.say("end", key)


class Installation:
    """People with credit on one platform; any process forked from here may work for it."""

    def __init__(self) -> None:
        self.clock = SharedClock()
        self.letters = Letters(self.clock)
        self.world = MemoryWorld(start=self.clock.now())
        self.world.books.credit(key=Key("credit"), cabinet=CABINET.id, amount=Cents(10_000_000), memo="prepaid")
        self._people = 0

    def qcp(
        self,
        store: Store,
        *,
        carrier: Carrier | None = None,
        inline: bool = False,
        opening: timedelta = timedelta(hours=24),
        after_commit: Callable[[Callable[[], None]], None] = perform_now,
    ) -> Qcp:
        """Give a process's `Qcp` over this store."""
        w = self.world
        return Qcp(
            store=store, clock=self.clock, ids=w.ids, keys=w.keys, accounts=w.accounts, ledger=w.ledger, codes=w.codes,
            notices=self.letters, documents=w.documents, authority=w.authority, lcp=w.lcp_authority,
            policy=default_policy(), identity=w.identity, registration=w.registration,
            offer=Offer(waits=Waits(opening=opening)), carrier=carrier, inline=inline, after_commit=after_commit,
            on_alert=self._alerted,
        )  # fmt: skip

    def _alerted(self, alert: Alert) -> None:
        self.letters.say("alert", alert.what)

    def person(self) -> Account:
        """Give somebody new, who holds an LCP certificate."""
        self._people += 1
        id = f"person-{self._people}"
        account = Account(
            id=AccountId(id), name=PersonName(given="Jessica", last="Poussart"),
            email=EmailAddress(f"{id}@cabinet.example"), mobile=PhoneNumber("+33639981316"), cabinets=(CABINET,),
        )  # fmt: skip
        self.world.accounts.put(account)
        self.world.lcp_authority.issue_to(account)
        return account


class Carriage(Protocol):
    """One store, one broker, and workers as a host runs them."""

    @property
    def store(self) -> Store:
        """Where the work is kept."""

    def installed(self, opening: timedelta) -> Qcp:
        """Give a `Qcp` whose commits are carried and leave everything to workers."""

    def start(self, workers: int) -> None:
        """Start so many workers, beside those that run."""

    def stop(self) -> None:
        """Tell every worker to stop, and wait until it has."""

    def kill(self) -> None:
        """End every worker as a failing machine would."""

    def sweep(self) -> None:
        """Have the sweep run, as its schedule would; nothing where workers look by themselves."""

    def lose(self) -> None:
        """Take away every message that waits in the broker."""

    def repeat(self) -> None:
        """Double every message that waits in the broker."""

    def held(self) -> bytes:
        """Give everything that the broker holds."""

    def close(self) -> None:
        """End what is left."""
