"""Documents, certificates and lists changed at random, from a seed: no foreign exception, and nothing passes for it."""

from __future__ import annotations

import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from random import Random
from types import FrameType
from typing import Final

from attrs import define, evolve, field

from qcp_sdk import certificates
from qcp_sdk.errors import QcpError
from qcp_sdk.testing.hostile.corpus import ALL
from qcp_sdk.testing.hostile.kit import (
    COMPLIANCE,
    CONTENT,
    FONT,
    NOW,
    OBJECTS,
    PAGE,
    PAGES,
    QSCD,
    Kit,
    Signatory,
    appended,
    der,
    esign,
    last_table,
    plain,
    statement,
    stream,
)
from qcp_sdk.values import Secret
from qcp_sdk.verification import lists, lotl
from qcp_sdk.verification.report import Indication
from qcp_sdk.verification.services import CA_QC, FOR_SIGNATURES, GRANTED, QTST, Period, Service, TrustedList
from qcp_sdk.verification.trust import TrustStore
from qcp_sdk.verification.verify import verify

_LARGEST_BASE: Final = 100_000
"""Bytes. What is larger, and what unpacks to much, has its row in the corpus, and takes too long to be tried often."""
_STATEMENTS: Final = (
    (statement(COMPLIANCE), esign(), statement("1.2.3.4.5")),
    (statement(COMPLIANCE), esign("1.2.3.4.5"), esign("0.4.0.1862.1.6.2"), esign()),
    (statement(QSCD, *[der(0x30)] * 3), statement(COMPLIANCE), statement(COMPLIANCE)),
)
"""QCStatements that are unknown, stand twice, or hold what they must not."""
_DOCTYPES: Final = (
    b'<!DOCTYPE a [<!ENTITY b "bbbbbbbbbb"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;"><!ENTITY d "&c;&c;&c;&c;&c;&c;&c;">]>',
    b'<!DOCTYPE a SYSTEM "http://127.0.0.1:9/x.dtd">',
    b'<!DOCTYPE a [<!ENTITY f SYSTEM "file:///etc/passwd">]>',
)
"""What a list may not begin with."""

PATIENCE: Final = 30
"""Seconds that one input may take; after them it counts as endless."""

_TOKENS: Final = (
    b"<<", b">>", b"[", b"]", b"obj", b"endobj", b"stream", b"endstream", b"xref", b"trailer", b"startxref", b"%%EOF",
    b"/Root", b"/Prev", b"/Size", b"/Pages", b"/Kids", b"/Count", b"/Length", b"/Contents", b"/ByteRange", b"/AcroForm",
    b"/Fields", b"/SubFilter", b"/Filter", b" R", b"null", b"true", b"-1", b"4294967296", b"0", b"1 0 R",
)  # fmt: skip


def changed(content: bytes, random: Random) -> bytes:
    """Change something, once to four times."""
    made = bytearray(content)
    for _ in range(random.randint(1, 4)):
        if not made:
            break
        random.choice(_CHANGES)(made, random)
    return bytes(made)


def _span(made: bytearray, random: Random, most: int = 200) -> tuple[int, int]:
    start = random.randrange(len(made))
    return start, min(len(made), start + random.randint(1, most))


def _flip(made: bytearray, random: Random) -> None:
    made[random.randrange(len(made))] ^= 1 << random.randrange(8)


def _cut(made: bytearray, random: Random) -> None:
    del made[random.randrange(len(made)) :]


def _zero(made: bytearray, random: Random) -> None:
    start, end = _span(made, random)
    made[start:end] = bytes(end - start)


def _remove(made: bytearray, random: Random) -> None:
    start, end = _span(made, random)
    del made[start:end]


def _double(made: bytearray, random: Random) -> None:
    start, end = _span(made, random, 2_000)
    made[end:end] = made[start:end]


def _token(made: bytearray, random: Random) -> None:
    """Put one word of the format in the place of another: what is left is nearly right."""
    found = random.choice(_TOKENS)
    place = made.find(found, random.randrange(len(made)))
    if place >= 0:
        made[place : place + len(found)] = random.choice(_TOKENS)


def _number(made: bytearray, random: Random) -> None:
    place = random.randrange(len(made))
    while place < len(made) and not chr(made[place]).isdigit():
        place += 1
    if place < len(made):
        made[place] = ord(random.choice("0123456789"))


_CHANGES: Final[tuple[Callable[[bytearray, Random], None], ...]] = (
    _flip, _flip, _cut, _zero, _remove, _double, _token, _token, _number, _number,
)  # fmt: skip


@define(kw_only=True)
class Tried:
    """What a run found."""

    seed: int
    inputs: int = 0
    passed: int = 0
    """How many changed documents still passed, because nothing that is signed was changed."""
    faults: list[str] = field(factory=list)
    """One line each: which input (seed and number), and what was wrong."""


class _Endless(Exception):
    pass


class _Now:
    def now(self) -> datetime:
        return NOW


@contextmanager
def _patience() -> Iterator[None]:
    """Interrupt what takes too long; only in a main thread, where signals come."""

    def over(_number: int, _frame: FrameType | None) -> None:
        raise _Endless

    try:
        before = signal.signal(signal.SIGALRM, over)
    except ValueError:
        yield
        return
    signal.alarm(PATIENCE)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


class Fuzz:
    """Inputs from one seed. The keys are new each time: which input fails depends on the seed, not what is in it."""

    def __init__(self, seed: int) -> None:
        self.tried = Tried(seed=seed)
        self._kit = Kit()
        self._trust = self._kit.trust()
        self._document = self._kit.signed()
        self._hole = _hole(self._document)
        odd = (self._kit.signatory(raw=der(0x30, *statements)) for statements in _STATEMENTS)
        self._certificates = [self._kit.honest.chain[0], *(who.chain[0] for who in odd)]
        self._list, self._operator = _list(self._kit)
        self._listed = evolve(lists.read(self._list, (self._operator,), "fuzz.xml"), sha256="")
        self._targets: tuple[Callable[[Random], None], ...] = (
            self._verify, self._verify, self._verify, self._inside, self._updated, self._sign,
            self._certificate, self._read_list, self._again, self._sign_again, self._archived,
        )  # fmt: skip

    def run(self, *, count: int = 0, seconds: float = 0.0) -> Tried:
        """Try so many inputs, or for so long."""
        until = time.monotonic() + seconds
        while self.tried.inputs < count or time.monotonic() < until:
            number = self.tried.inputs
            random = Random(f"{self.tried.seed}/{number}")  # noqa: S311  # to be repeated, not to be secret
            target = self._targets[number % len(self._targets)]
            try:
                with _patience():
                    target(random)
            except _Endless:
                self._fault(f"{target.__name__}: more than {PATIENCE} s")
            except QcpError:
                pass
            except Exception as error:  # noqa: BLE001  # what is looked for
                self._fault(f"{target.__name__}: {type(error).__name__}")
            self.tried.inputs += 1
        return self.tried

    @cached_property
    def _hostile(self) -> list[tuple[str, bytes]]:
        made = ((one.says, one.make(self._kit)) for one in ALL if not one.name.endswith("bomb"))
        return [(says, content) for says, content in made if len(content) <= _LARGEST_BASE]

    def _fault(self, what: str) -> None:
        self.tried.faults.append(f"seed {self.tried.seed}, input {self.tried.inputs}: {what}")

    def _verify(self, random: Random) -> None:
        """A signed document with changes anywhere."""
        self._judge(changed(self._document, random), self._document)

    def _inside(self, random: Random) -> None:
        """A signed document with changes in its CMS alone."""
        start, end = self._hole
        cms = bytearray(bytes.fromhex(self._document[start:end].decode()))
        _CMS[random.randrange(len(_CMS))](cms, random)
        made = cms[: (end - start) // 2].hex().encode().ljust(end - start, b"0")
        self._judge(self._document[:start] + made + self._document[end:], self._document)

    def _updated(self, random: Random) -> None:
        """A signed document with an update that shows something else."""
        text = b"BT /F1 12 Tf %d %d Td (The buyer pays %d euros.) Tj ET" % tuple(random.choices(range(101, 900), k=3))
        number, body = random.choice(
            (
                (CONTENT, stream(text)),
                (PAGE, OBJECTS[PAGE].replace(b"842", b"%d" % random.randint(100, 800))),
                (PAGE, OBJECTS[PAGE].replace(b"/Contents 4 0 R", b"/Contents %d 0 R" % random.randint(6, 12))),
                (FONT, OBJECTS[FONT].replace(b"Helvetica", random.choice((b"Symbol", b"Courier", b"ZapfDingbats")))),
                (PAGES, OBJECTS[PAGES].replace(b"[3 0 R]", b"[%d 0 R]" % random.randint(4, 12))),
            )
        )
        content = appended(self._document, {number: body}, previous=last_table(self._document))
        if self._passes(content):
            self._fault("a changed document passes")

    def _passes(self, content: bytes) -> bool:
        report = verify(content, trust=self._trust, now=NOW)
        return any(one.indication is Indication.PASSED for one in report.signatures)

    def _judge(self, content: bytes, base: bytes) -> None:
        if not self._passes(content):
            return
        self.tried.passed += 1
        start, end = _hole(base)
        if content[:start] != base[:start] or not content[end:].startswith(base[end:]):
            self._fault("a changed document passes")

    def _again(self, random: Random) -> None:
        """A hostile document (encrypted, hybrid, shadowed, nested, with odd certificates …) with changes anywhere."""
        says, base = random.choice(self._hostile)
        content = changed(base, random)
        if says.startswith("PASSED"):
            self._judge(content, base)
        else:  # a change may take away what was hostile: that it then passes is no fault
            verify(content, trust=self._trust, now=NOW)

    def _archived(self, random: Random) -> None:
        """A B-LTA document with changes in what was added after the signature: timestamps, OCSP answers, lists."""
        base, trust = self._archive
        after = base.index(b"%%EOF", _hole(base)[1])
        verify(base[:after] + changed(base[after:], random), trust=trust, now=NOW + timedelta(minutes=1))

    @cached_property
    def _archive(self) -> tuple[bytes, TrustStore]:
        """Give a B-LTA document, and lists that name who issued and stamped it."""
        from qcp_sdk.adapters.local_trust_centre import LocalTrustCentre
        from qcp_sdk.adapters.shared import pades
        from qcp_sdk.adapters.shared.pades_levels import PadesLevel

        with tempfile.TemporaryDirectory(prefix="qcp-") as folder:
            centre = LocalTrustCentre(Path(folder), clock=_Now(), passphrase=Secret("for hostile documents"))
            credential, signing = centre.seal_credential()
            document = pades.sign(
                pdf=plain(), name="one", signing=signing, chain=credential.chain, algorithm=credential.algorithm,
                at=NOW, clock=_Now(), level=PadesLevel.B_LTA, timestamps=centre.timestamps(), revocation=centre,
            )  # fmt: skip
            made, since = centre.certificates(), NOW - timedelta(days=9)
        services = tuple(
            Service(
                name="T", provider="T", territory="ZZ", identities=(identity,),
                periods=(Period(type=kind, status=GRANTED, starts=since, purposes=frozenset({FOR_SIGNATURES})),),
            )
            for kind, identity in ((CA_QC, made.lcp), (QTST, made.timestamps))
        )  # fmt: skip
        listed = TrustedList(
            territory="ZZ", type="", operator="T", sequence=1, issued_at=since, sha256="00", services=services,
            next_update=NOW + timedelta(days=9),
        )  # fmt: skip
        return document, TrustStore(lists=(listed,))

    def _sign_again(self, random: Random) -> None:
        """A hostile document to be signed, with changes anywhere."""
        self._prepare(changed(random.choice(self._hostile)[1], random))

    def _sign(self, random: Random) -> None:
        """A document to be signed, with changes anywhere."""
        self._prepare(changed(self._document, random))

    def _prepare(self, content: bytes) -> None:
        from qcp_sdk.adapters.shared import pades

        who: Signatory = self._kit.honest
        with tempfile.TemporaryDirectory(prefix="qcp-") as folder:
            file = Path(folder) / "document.pdf"
            file.write_bytes(content)
            pades.prepare(file=file, name="two", chain=who.chain, algorithm="sha256_ecdsa", at=NOW)

    def _certificate(self, random: Random) -> None:
        certificates.read(changed(random.choice(self._certificates), random))

    def _read_list(self, random: Random) -> None:
        content = changed(self._list, random)
        if random.random() < 0.2:
            content = content.replace(b"?>", b"?>" + random.choice(_DOCTYPES), 1)
        if random.random() < 0.2:
            lotl.read(content, (self._operator,), "fuzz.xml")
        found = lists.read(content, (self._operator,), "fuzz.xml")
        if evolve(found, sha256="") != self._listed:
            self._fault("a changed list passes")


def _hole(document: bytes) -> tuple[int, int]:
    """Say where the digits of the first signature stand."""
    start = document.index(b"/Contents <") + len(b"/Contents <")
    return start, document.index(b">", start)


_CMS: Final = (_flip, _flip, _zero, _remove, _double)


def _list(kit: Kit) -> tuple[bytes, bytes]:
    """Give a signed list and its operator's certificate."""
    from qcp_sdk.adapters.local_scheme import ListedService, ServiceStatus, ServiceType, publish

    service = ListedService(
        name="CA",
        type=ServiceType.CA_QC,
        certificate=kit.honest.chain[1],
        history=((ServiceStatus.GRANTED, NOW - timedelta(days=9)),),
    )
    with tempfile.TemporaryDirectory(prefix="qcp-") as folder:
        path = publish(
            Path(folder),
            operator_key=kit.ca_key,
            operator_certificate=kit.honest.chain[1],
            services=[service],
            now=NOW - timedelta(days=1),
            next_update=NOW + timedelta(days=30),
            sequence=1,
        )
        return path.read_bytes(), kit.honest.chain[1]
