"""The parent: it forks a process, sees it killed, forks the next one, and judges what is left in the folder.

A child is a real process, born by `fork` from a parent that has imported everything and holds nothing open: no
connection, no thread, no transaction. Starting an interpreter for each would test the same and take ten times as long.
"""

from __future__ import annotations

import gc
import json
import os
import random
import secrets
import shutil
import signal
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from attrs import field, frozen

from qcp_sdk.errors import Unavailable, Unconfirmed
from qcp_sdk.levels import CertificateLevel
from qcp_sdk.offers import Offer
from qcp_sdk.subscription.stages import Plan
from qcp_sdk.testing.crashes import people, proof
from qcp_sdk.testing.crashes.points import Points, kill_myself
from qcp_sdk.testing.crashes.site import TRIAL, BooksMaker, Site, StoreMaker, Warm, sqlite_books, sqlite_store, warm
from qcp_sdk.testing.scene import Scene

LONGEST: Final = 120
"""Seconds after which a child counts as hanging."""


_WRITES: Final = ("after INSERT", "after UPDATE", "after DELETE", "after CREATE")


@frozen(kw_only=True)
class Journey:
    """What is lived through, and how what is left is judged."""

    plan: Plan
    certificates: tuple[CertificateLevel, ...]
    live: Callable[[Site], None]
    judge: Callable[[Site], Iterator[str]]


JOURNEYS: Final[Mapping[str, Journey]] = {
    "assembled": Journey(
        plan=Plan.ASSEMBLED, certificates=(CertificateLevel.LCP,), live=people.subscribe, judge=proof.subscribed
    ),
    "hosted": Journey(
        plan=Plan.HOSTED, certificates=(CertificateLevel.LCP,), live=people.subscribe, judge=proof.subscribed
    ),
    "signing": Journey(
        plan=Plan.ASSEMBLED,
        certificates=(CertificateLevel.LCP, CertificateLevel.QCP_N),
        live=people.sign,
        judge=proof.signed,
    ),
}


@frozen(kw_only=True)
class Failure:
    """A journey that did not end as it must."""

    killed_at: tuple[str, ...]
    """The points at which its processes died: `17: before COMMIT`."""
    found: tuple[str, ...]


@frozen(kw_only=True)
class Report:
    """What came of all trials of one journey."""

    journey: str
    points: int
    """How many points the undisturbed journey passes."""
    trials: int = 0
    kills: int = 0
    failures: tuple[Failure, ...] = field(default=())

    def to_json(self) -> dict[str, object]:
        """Give it as JSON values."""
        return {
            "journey": self.journey,
            "points": self.points,
            "trials": self.trials,
            "kills": self.kills,
            "failures": [{"killed_at": list(one.killed_at), "found": list(one.found)} for one in self.failures],
        }


class Crashes:
    """One journey over one kind of store and ledger, in a folder that is made anew for each trial."""

    def __init__(
        self,
        journey: str,
        folder: Path,
        *,
        store: StoreMaker = sqlite_store,
        books: BooksMaker = sqlite_books,
        strike: Callable[[], None] = kill_myself,
    ) -> None:
        self._strike = strike
        self.name, self._journey = journey, JOURNEYS[journey]
        self._folder, self._template = folder / "site", folder / "template"
        self._shared: Warm = warm(self._folder, plan=self._journey.plan, store=store, books=books)
        self._beside = folder / "said"
        _rehearse(self._journey.plan, self._shared)
        self._run, self._trials = secrets.token_hex(6), 0
        (self._folder / TRIAL).write_text(self._run)
        self._live(0, lambda site: site.fund(*self._journey.certificates))
        self._folder.rename(self._template)
        self.points = self._undisturbed()
        """The names of the points that an undisturbed journey passes."""

    def _undisturbed(self) -> tuple[str, ...]:
        failure = self.trial(())
        if failure is not None:
            raise RuntimeError(f"the journey fails without any crash: {failure.found}")
        return tuple(json.loads(self._beside.read_text())["passed"])

    def sample(self, every: int) -> Iterator[tuple[int, ...]]:
        """Give one kill a trial: at one of `every` so many points and, in turn, just before or just after each
        commit that keeps something. 1 is all of them.
        """
        wrote, commits = False, 0
        for place, name in enumerate(self.points, start=1):
            when, what = name.split(" ", 1)
            wrote = wrote or name.startswith(_WRITES)
            # A statement that begins with WITH is a whole transaction on PostgreSQL.
            commit = (wrote and what == "COMMIT") or what.startswith("WITH")
            chosen = commit and when == ("before", "after")[commits % 2]
            if when == "after" and (commit or what == "COMMIT"):
                commits += commit
                wrote = False
            if chosen or place % every == 0:
                yield (place,)

    def pairs(self, number: int, seed: int) -> Iterator[tuple[int, ...]]:
        """Give so many pairs of kills: the second one hits the process that recovers from the first."""
        draw = random.Random(seed)  # noqa: S311 - a choice of trials, and no secret
        for _ in range(number):
            first = draw.randint(1, len(self.points))
            yield first, draw.randint(1, len(self.points) - first + 30)

    def run(self, trials: Iterator[tuple[int, ...]], *, fail_fast: bool = False) -> Report:
        """Try each, or with `fail_fast` until one does not end well, and report."""
        done = kills = 0
        failures: list[Failure] = []
        for fatal in trials:
            done += 1
            kills += len(fatal)
            failure = self.trial(fatal)
            if failure is not None:
                failures.append(failure)
                if fail_fast:
                    break
        return Report(journey=self.name, points=len(self.points), trials=done, kills=kills, failures=tuple(failures))

    def trial(self, fatal: tuple[int, ...]) -> Failure | None:
        """Live the journey with a kill at these points, one a process, and let the last process finish."""
        shutil.rmtree(self._folder, ignore_errors=True)
        shutil.copytree(self._template, self._folder)
        self._trials += 1
        (self._folder / TRIAL).write_text(f"{self._run}_{self._trials}")
        killed: list[str] = []
        for point in (*fatal, 0):
            said = self._live(point, self._journey.live, judge=None if point else self._journey.judge)
            if said is not None:
                return Failure(killed_at=tuple(killed), found=said) if said else None
            killed.append(
                f"{point}: {self.points[point - 1]}" if not killed and point <= len(self.points) else f"{point}"
            )
        raise AssertionError("the last process is not killed")

    def _live(
        self,
        fatal: int,
        live: Callable[[Site], None],
        *,
        judge: Callable[[Site], Iterator[str]] | None = None,
    ) -> tuple[str, ...] | None:
        """Give what the process found wrong, or None if it was killed at its point. One that passes no such point is
        judged all the same.
        """
        self._beside.unlink(missing_ok=True)
        child = os.fork()
        if child == 0:
            self._be_child(fatal, live, judge or self._journey.judge if live is self._journey.live else None)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            if os.WTERMSIG(status) == signal.SIGKILL and fatal:
                return None
            return (f"the process died of signal {os.WTERMSIG(status)}",)
        said: list[str] = json.loads(self._beside.read_text())["found"]
        return tuple(said)

    def _be_child(
        self, fatal: int, live: Callable[[Site], None], judge: Callable[[Site], Iterator[str]] | None
    ) -> None:
        try:
            signal.alarm(LONGEST)
            points = Points(fatal or None, self._strike)
            points.watch_sql()
            points.watch_files(self._folder)
            found: tuple[str, ...] = ()
            passed: list[str] = []
            try:
                site = _opened(self._shared)
                live(site)
                passed = list(points.passed)
                points.disarm()
                if judge is not None:
                    found = tuple(judge(site))
            except BaseException:  # noqa: BLE001 - whatever it is, the parent must hear of it
                found = (traceback.format_exc(),)
            self._beside.write_text(json.dumps({"found": found, "passed": passed}))
        finally:
            os._exit(0)


def _opened(shared: Warm) -> Site:
    """Open the installation; a process manager starts again what could not reach its database."""
    try:
        return Site(shared)
    except (Unavailable, Unconfirmed):
        return Site(shared)


def _rehearse(plan: Plan, shared: Warm) -> None:
    """Live the journey once in memory and write its letters, so that every child is born with compiled classes and
    templates, and with nothing of a life in them.
    """
    scene = Scene(offer=Offer(plan=plan))
    scene.subscribe(scene.jessica)
    for sent in scene.world.notices.outbox:
        shared.renderer.render_notice(sent.notice, sent.to)
    for code in scene.world.codes.outbox:
        shared.renderer.render_code(
            channel=code.channel, code=code.code, purpose=code.purpose, language=code.language, not_after=code.not_after
        )
    if plan is Plan.ASSEMBLED:
        view = scene.start(scene.collecte(scene.jessica))[0]
        scene.sign(view, scene.jessica)
    gc.collect()
    gc.freeze()
