"""`qcp-sdk doctor`: does this configuration work, end to end, and what is to be mended?"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from attrs import asdict, frozen

from qcp_sdk.cli.answers import NO, YES
from qcp_sdk.errors import QcpError

if TYPE_CHECKING:
    from qcp_sdk.sdk import Qcp

SKEW: Final = timedelta(seconds=30)
"""How far our clock may be from a provider's: codes live three minutes, signed webhooks five."""
SOON: Final = timedelta(days=30)
"""What ends sooner than this is said."""
OVERDUE: Final = timedelta(minutes=10)
TIMEOUT: Final = 10.0
REFUSING: Final = frozenset({400, 401, 403, 415, 422})
"""How a webhook address answers what is not signed."""


class State(StrEnum):
    """How a check ended."""

    FINE = "fine"
    WARNING = "warning"
    FAULT = "fault"


@frozen(kw_only=True)
class Finding:
    """One thing that was looked at. `what` and `mend` hold no secret and no personal data."""

    check: str
    state: State
    what: str
    mend: str = ""


WORDS: Final = {
    "fr": {State.FINE: "bon", State.WARNING: "à voir", State.FAULT: "à réparer", "total": "{} à réparer, {} à voir"},
    "en": {State.FINE: "fine", State.WARNING: "look", State.FAULT: "mend", "total": "{} to mend, {} to look at"},
}


def add(commands: Any, asks_for_installation: Callable[[argparse.ArgumentParser], None]) -> None:
    """Add the command to the parser."""
    doctor = commands.add_parser("doctor", help="try a configuration end to end, and say what to mend")
    asks_for_installation(doctor)
    doctor.add_argument("--trust", type=Path, metavar="DIR", help="trusted lists to look at")
    doctor.add_argument(
        "--webhook", action="append", default=[], metavar="URL",
        help="an address of yours that providers post to: it has to refuse what is not signed; may be repeated",
    )  # fmt: skip
    doctor.add_argument("--json", action="store_true", help="print what was found as JSON")
    doctor.set_defaults(run=run)


def run(asked: argparse.Namespace) -> int:
    """Examine, and print; 1 when something is to be mended."""
    from qcp_sdk.installation import find

    found = tuple(examine(find(asked.installation), trust=asked.trust, webhooks=asked.webhook))
    faults = [one for one in found if one.state is State.FAULT]
    if asked.json:
        print(json.dumps([asdict(one) for one in found], ensure_ascii=False, indent=2))
        return NO if faults else YES
    words = WORDS[asked.language]
    for one in found:
        mend = f"; {one.mend}" if one.mend else ""
        print(f"{words[one.state]}\t{one.check}\t{one.what}{mend}")
    print(words["total"].format(len(faults), sum(one.state is State.WARNING for one in found)))
    return NO if faults else YES


def examine(qcp: Qcp, *, trust: Path | None = None, webhooks: Sequence[str] = ()) -> Iterator[Finding]:
    """Look at everything; nothing is changed, and no message is sent."""
    yield from _adapters(qcp)
    yield from _store(qcp)
    yield from _probes(qcp)
    yield from _evidence(qcp)
    if trust is not None:
        yield from _lists(trust, qcp.ports.clock.now())
    for url in webhooks:
        yield _webhook(url)


def _adapters(qcp: Qcp) -> Iterator[Finding]:
    played = [role for role, adapter in qcp.ports.every() if getattr(adapter, "simulated", False)]
    if played:
        yield Finding(
            check="adapters",
            state=State.WARNING,
            what=f"simulated: {', '.join(played)}",
            mend="configure real ones before production=True",
        )
    else:
        yield Finding(check="adapters", state=State.FINE, what="none is simulated")


def _store(qcp: Qcp) -> Iterator[Finding]:
    try:
        backlog, key = qcp.backlog(), qcp.ports.keys.current
    except QcpError as error:
        yield _fault("store", error)
        return
    now = qcp.ports.clock.now()
    late = backlog.oldest is not None and now - backlog.oldest > OVERDUE
    yield Finding(
        check="store",
        state=State.WARNING if late or backlog.parked else State.FINE,
        what=f"{backlog.due} due, {backlog.parked} parked, data keys under `{key}`",
        mend="run a worker; see `qcp-sdk parked list`" if late or backlog.parked else "",
    )


def _probes(qcp: Qcp) -> Iterator[Finding]:
    now = qcp.ports.clock.now()
    for role, adapter in _parts(qcp.ports.every()):
        held = getattr(adapter, "certificates", None)
        if isinstance(held, tuple):
            yield from _certificates([(f"{role} certificate {place}", der) for place, der in enumerate(held)], now)
        probe = getattr(adapter, "probe", None)
        if probe is None:
            continue
        try:
            told = probe()
        except Exception as error:  # noqa: BLE001  # an adapter of the host's may raise anything: that is a finding
            yield _fault(role, error)
            continue
        yield Finding(check=role, state=State.FINE, what=f"`{type(adapter).__name__}` answers and knows us")
        # Signed webhooks are checked by the installation's clock, which may be a moved one; the machine's is told too.
        if isinstance(told, datetime):
            yield _skew(role, qcp.ports.clock.now() - told)


def _parts(adapters: Sequence[tuple[str, object]]) -> Iterator[tuple[str, object]]:
    for role, adapter in adapters:
        yield role, adapter
        inner = tuple(one for one in getattr(adapter, "parts", ()) if one is not None)
        yield from _parts(tuple((f"{role}.{type(one).__name__}", one) for one in inner))


def _skew(role: str, by: timedelta) -> Finding:
    # `Date` has whole seconds, and the answer took a while.
    close = abs(by) <= SKEW
    return Finding(
        check=f"{role} clock",
        state=State.FINE if close else State.FAULT,
        what=f"{by.total_seconds():+.0f} s from the provider's",
        mend="" if close else "set this machine's clock (NTP): codes and webhooks run out by it",
    )


def _evidence(qcp: Qcp) -> Iterator[Finding]:
    seal = qcp.evidence.seal
    if seal is None:
        yield Finding(
            check="evidence", state=State.WARNING, what="no seal: dossiers cannot be exported", mend="give evidence="
        )
        return
    names = ["seal certificate", *(f"seal chain {place}" for place in range(1, len(seal.credential.chain)))]
    yield from _certificates(list(zip(names, seal.credential.chain, strict=True)), qcp.ports.clock.now())
    try:
        seal.timestamps.timestamp(digest=hashlib.sha256(b"qcp-sdk doctor").digest())
    except Exception as error:  # noqa: BLE001  # the same
        yield _fault("timestamps", error)
    else:
        yield Finding(check="timestamps", state=State.FINE, what="the time-stamping authority answers")


def _certificates(held: Sequence[tuple[str, bytes]], now: datetime) -> Iterator[Finding]:
    from qcp_sdk.certificates import read

    for check, der in held:
        try:
            certificate = read(der)
        except QcpError as error:
            yield _fault(check, error)
            continue
        left = certificate.not_after - now
        over = left <= timedelta(0) or certificate.not_before > now
        yield Finding(
            check=check,
            state=State.FAULT if over else State.WARNING if left < SOON else State.FINE,
            what=f"valid until {certificate.not_after:%Y-%m-%d}",
            mend="renew it" if over or left < SOON else "",
        )


def _lists(directory: Path, now: datetime) -> Iterator[Finding]:
    from qcp_sdk.verification.trust import TrustStore

    try:
        used = TrustStore.load(directory).used(now)
    except QcpError as error:
        yield _fault("trusted lists", error)
        return
    if not used:
        yield Finding(check="trusted lists", state=State.FAULT, what="there is none", mend="fetch them again")
    for one in used:
        stale, soon = one.expired, one.next_update - now < timedelta(days=7)
        yield Finding(
            check=f"trusted list {one.territory}",
            state=State.FAULT if stale else State.WARNING if soon else State.FINE,
            what=f"number {one.sequence}, next update {one.next_update:%Y-%m-%d}",
            mend="fetch it again" if stale or soon else "",
        )


def _webhook(url: str) -> Finding:
    """Post what nobody signed: an address that is there and careful refuses it."""
    status = _posted(url)
    if status in REFUSING:
        return Finding(check=url, state=State.FINE, what=f"refuses what is not signed ({status})")
    if 200 <= status < 300:
        return Finding(
            check=url,
            state=State.FAULT,
            what=f"took what nobody signed ({status})",
            mend="answer 400 to a `WebhookRefused`",
        )
    what = f"answered {status}" if status else "cannot be reached"
    return Finding(check=url, state=State.FAULT, what=what, mend="check address, proxy, certificate and route")


def _posted(url: str) -> int:
    connection: HTTPConnection | None = None
    try:
        parts = urlsplit(url)
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT)
        path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        connection.request("POST", path, body=b"{}", headers={"Content-Type": "application/json"})
        return connection.getresponse().status
    except (OSError, ValueError, HTTPException):
        return 0
    finally:
        if connection is not None:
            connection.close()


def _fault(check: str, error: Exception) -> Finding:
    if isinstance(error, QcpError):
        return Finding(check=check, state=State.FAULT, what=error.what, mend=error.mend)
    # Its text may hold anything.
    return Finding(
        check=check, state=State.FAULT, what=f"`{type(error).__name__}` came out of it", mend="mend the adapter"
    )
