"""What must be so when a journey is over, however often its processes were killed: nothing lost, nothing doubled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from io import BytesIO

from pyhanko.pdf_utils.reader import PdfFileReader

from qcp_sdk import journal, notices
from qcp_sdk.adapters.shared.books import Movement
from qcp_sdk.ceremony.stages import CeremonyStage
from qcp_sdk.effects import Wake
from qcp_sdk.engine.streams import MACHINES, owned
from qcp_sdk.errors import QcpError
from qcp_sdk.levels import CertificateLevel
from qcp_sdk.notices import Notice
from qcp_sdk.offers import Offer
from qcp_sdk.subscription.effects import CheckStatus
from qcp_sdk.subscription.stages import Plan, Stage
from qcp_sdk.subscription.state import Subscription
from qcp_sdk.testing.crashes.people import contract
from qcp_sdk.testing.crashes.site import CABINET, CREDIT, PERSON, Site
from qcp_sdk.testing.invariants import Ghost, broken_by_step, broken_in
from qcp_sdk.values import CollecteId

ASSEMBLED: tuple[type[Notice], ...] = (
    notices.IdentityApproved, notices.RequestSubmitted, notices.CertificateIssued
)  # fmt: skip
HOSTED: tuple[type[Notice], ...] = (notices.CertificateIssued,)
SIGNED: tuple[type[Notice], ...] = (notices.Invitation, notices.SignedCopy)


def subscribed(site: Site) -> Iterator[str]:
    """Name what is wrong with a subscription that has come to its end."""
    value = site.qcp.engine.streams.blind("account", owned("", PERSON.id))
    found = site.store.find(index="account", value=value)
    if len(found) != 1:
        yield f"{len(found)} subscriptions were opened"
    for id in found:
        s = site.qcp.engine.streams.load(id).state
        assert isinstance(s, Subscription)
        if s.stage is not Stage.ACTIVE:
            yield f"it is {s.stage} ({s.ending})"
        if s.money.state.value != "captured":
            yield f"the money is {s.money.state}"
        expected = ASSEMBLED if s.terms.plan is Plan.ASSEMBLED else HOSTED
        yield from _stream(site, id)
        yield from _invariants(site, id)
        yield from _messages(site, expected)
        opened = (
            *(one.subscription for one in site.identity.sessions()),
            *(one.subscription for one in site.registration.sessions()),
        )
        if opened != (id,):
            yield f"{len(opened)} sessions were opened at the provider"
    price = Offer().price
    proof, balance = site.books.check(), site.books.balance(cabinet=CABINET.id)
    if not proof.balanced:
        yield f"the books do not balance: {proof.faults}"
    if balance != CREDIT - price:
        yield f"{balance} cents are left of {CREDIT}"
    movements = Counter(line.movement for line in site.books.statement(cabinet=CABINET.id))
    if movements != {Movement.CREDIT: 1, Movement.HOLD: 1, Movement.CAPTURE: 1}:
        yield f"the cabinet's statement reads {dict(movements)}"
    issued = site.authority.holdings(account=PERSON)
    if len(issued) != 1:
        yield f"{len(issued)} certificates were issued"


def signed(site: Site) -> Iterator[str]:
    """Name what is wrong with a collecte of one signatory that has come to its end."""
    collecte = contract(site)
    ceremonies = site.qcp.engine.ceremonies("", CollecteId(collecte.id))
    if len(ceremonies) != 1:
        yield f"{len(ceremonies)} ceremonies were opened"
    for one in ceremonies:
        if one.stage is not CeremonyStage.SIGNED:
            yield f"it is {one.stage} ({one.reason})"
        yield from _stream(site, one.id)
        yield from _messages(site, SIGNED)
        for progress in one.documents:
            if progress.signed is None:
                yield "a document was not signed"
                continue
            original, content = (site.shelf.read(document=of) for of in (progress.document.content, progress.signed))
            reader = PdfFileReader(BytesIO(content))
            if not content.startswith(original):
                yield "what was agreed to is not how the signed document begins"
            if len(reader.embedded_regular_signatures) != 1:
                yield f"the document carries {len(reader.embedded_regular_signatures)} signatures"
            for signature in reader.embedded_regular_signatures:
                signature.compute_integrity_info()
                if not signature.evaluate_signature_coverage().name.startswith("ENTIRE"):
                    yield "the signature does not cover the document"
            copies = site.mailbox.messages(to=PERSON.email, kind=notices.SignedCopy.template)
            if [mail.attachments for mail in copies] != [((progress.document.name, content),)]:
                yield "the signed copy that was sent is not the signed document"
    issued = site.authority.holdings(account=PERSON)
    if len(issued) != 1 or issued[0].certificate.level is not CertificateLevel.QCP_N:
        yield f"{len(issued)} certificates are held"


def _stream(site: Site, id: str) -> Iterator[str]:
    stream = site.qcp.engine.streams.load(id)
    entries, head = site.qcp.records.journal(id)
    try:
        journal.verify(entries, head=head)
    except QcpError as broken:
        yield f"the journal does not verify: {broken}"
    state = None
    for one in site.qcp.records.history(id):
        state, _ = MACHINES[stream.kind].step(state, one.fact, one.at)
    if state != stream.state:
        yield "the journal does not fold to the stored state"
    if not stream.version == len(entries) == stream.state.sequence:
        yield f"version {stream.version}, {len(entries)} entries, {stream.state.sequence} facts"
    late = [
        row.kind
        for row in site.store.outstanding(stream=id)
        if row.kind not in (Wake.kind, CheckStatus.kind) or row.due <= site.clock.now()
    ]
    if late:
        yield f"effects are outstanding: {late}"
    if parked := site.store.parked():
        yield f"effects are parked: {[(one.kind, one.reason) for one in parked]}"
    if (due := site.store.backlog(now=site.clock.now()).due) > 0:
        yield f"{due} effects are due"
    if site.alerts:
        yield f"operators were alerted: {site.alerts}"


def _invariants(site: Site, id: str) -> Iterator[str]:
    """Replay the history and check the twelve invariants at each step."""
    before: Subscription | None = None
    ghost = Ghost()
    for one in site.qcp.records.history(id):
        after, effects = MACHINES["subscription"].step(before, one.fact, one.at)
        if before is not None:
            yield from broken_by_step(before, one.fact, one.at, after, effects, ghost)
        ghost = ghost.after(before, after, effects)
        yield from broken_in(after, ghost)
        before = after


def _messages(site: Site, expected: tuple[type[Notice], ...]) -> Iterator[str]:
    """Each notice at least once; a repetition is the same message, so that a mail reader shows one."""
    mails = [mail for mail in site.mailbox.messages() if mail.kind != "code"]
    for kind in expected:
        ids = {mail.message_id for mail in mails if mail.kind == kind.template}
        if len(ids) != 1:
            yield f"`{kind.template}` left under {len(ids)} message ids"
    if unexpected := {mail.kind for mail in mails} - {kind.template for kind in expected}:
        yield f"unexpected messages: {sorted(unexpected)}"
    if not site.mailbox.messages(kind="code"):
        yield "no code was sent"
