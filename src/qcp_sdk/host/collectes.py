"""Collectes, from the host's side: assessing and enforcing levels, and the signatories' ceremonies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from attrs import frozen

from qcp_sdk import otp
from qcp_sdk.ceremony import machine
from qcp_sdk.ceremony.facts import CeremonyOpened, CeremonyRoutes, CeremonyWaits, CollecteEnded
from qcp_sdk.ceremony.stages import CEREMONY_FINAL, CeremonyPlan, CeremonyStage
from qcp_sdk.ceremony.state import Ceremony
from qcp_sdk.certificates import Certificate, CertificateStatus, Holding, StatusKind
from qcp_sdk.collectes import Collecte, Signatory
from qcp_sdk.engine import Engine
from qcp_sdk.engine.collaborators import DEFAULT, routed
from qcp_sdk.engine.signing import activate
from qcp_sdk.engine.streams import owned
from qcp_sdk.engine.turns import HAS_SIGNED, in_parallel
from qcp_sdk.errors import CodeRefused, Conflict, FactRefused, InvalidValue, NotFound, Unavailable, Unconfirmed
from qcp_sdk.facts import Fact
from qcp_sdk.host.saying import Code, only_a_persons
from qcp_sdk.levels import SignatureLevel
from qcp_sdk.people import Account
from qcp_sdk.policy.assess import assess, enforce, recheck
from qcp_sdk.policy.decision import Choice, Decision, Verdict
from qcp_sdk.policy.evidence import Attestation, Evidence
from qcp_sdk.policy.shapes import Policy
from qcp_sdk.subscription.stages import Stage
from qcp_sdk.subscription.state import Subscription
from qcp_sdk.values import AccountId, CeremonyId, CollecteId, ContentHash, SignatoryId, TenantId, joined
from qcp_sdk.views import CeremonyShown, show_ceremony


@frozen(kw_only=True)
class CeremonyView:
    """A ceremony as the host sees it at one moment. Immutable: `say` gives the next view."""

    id: CeremonyId
    stage: CeremonyStage
    can: tuple[type[Fact], ...]
    """What the signatory may say now. Where it holds `ActivationAsked`, say `Code(text)` instead."""
    show: CeremonyShown
    signatory: SignatoryId
    account: AccountId | None
    """Whose account signs; None: somebody without one, who is known by the link that was sent to them."""
    _collectes: Collectes

    def say(self, what: Fact | Code) -> CeremonyView:
        """Say what the signatory did, and give the view after it.

        Raises:
            CodeRefused: A code was wrong, expired, or may not be asked for yet.
            FactRefused: It may not be said now; `document_busy`: another signatory is signing, try again shortly.
        """
        return self._collectes.say(self.id, what)


class Collectes:
    """The collectes of one installation, as far as levels and signatures go; the host owns the rest."""

    def __init__(self, engine: Engine, policy: Policy) -> None:
        self._engine, self._ports, self._policy = engine, engine.ports, policy

    def assess(self, collecte: Collecte) -> Decision:
        """Say for every signatory and level whether it may be used, with every reason (E1)."""
        return assess(collecte, self._evidence(collecte), now=self._ports.clock.now(), policy=self._policy)

    def enforce(self, collecte: Collecte) -> Decision:
        """Insist on the levels that were chosen (E3): call this where a collecte is created.

        Raises:
            LevelRefused: Once, with everything; nothing is ever lowered in silence.
        """
        return enforce(collecte, self._evidence(collecte), now=self._ports.clock.now(), policy=self._policy)

    def keep(self, content: bytes | Path) -> ContentHash:
        """Keep a document's exact bytes, and give the name under which a collecte refers to them."""
        return routed(self._ports.documents, DEFAULT, "documents").keep(content=content)

    def read(self, document: ContentHash) -> bytes:
        """Give the bytes of a kept document.

        Raises:
            Rejected: `unknown_document`, `damaged`.
        """
        return routed(self._ports.documents, DEFAULT, "documents").read(document=document)

    def start(
        self,
        collecte: Collecte,
        *,
        routes: CeremonyRoutes = CeremonyRoutes(),
        waits: CeremonyWaits = CeremonyWaits(),
        plan: CeremonyPlan = CeremonyPlan.OURS,
    ) -> tuple[CeremonyView, ...]:
        """Enforce the levels, invite the signatories and give their ceremonies, in signing order. Repeatable: a
        second call for the same collecte opens what the first did not come to.

        Raises:
            LevelRefused: As `enforce`; nobody was invited.
            Erased: It was started before, and has been erased.
            ConfigurationError: No adapter is configured for a route; nobody was invited.
            InvalidValue: A signatory is to sign at niveau 1, which needs no certificate and is the host's own.
        """
        simple = [one.id for one in collecte.signatories if one.level < SignatureLevel.NIVEAU_2]
        if simple:
            raise InvalidValue(
                f"`{simple[0]}` is to sign at niveau 1",
                where="signatories",
                mend="niveau 1 needs no certificate: collect it yourself, or ask for niveau 2",
            )
        self._check_routes(routes, plan)
        for signatory in collecte.signatories:
            stored = self._ports.store.load(id=self._ceremony_id(collecte, signatory.id))
            if stored is not None:
                self._engine.streams.opened(stored)  # erased, it is found by nobody, and is not to begin anew
        for known in self._engine.ceremonies(collecte.tenant, collecte.id):
            if known.opened.collecte != collecte:
                raise InvalidValue(
                    f"`{collecte.id}` was started with other contents",
                    where="collecte",
                    mend="end it, and start the changed one under a new id",
                )
            if known.stage in CEREMONY_FINAL and known.stage not in HAS_SIGNED:
                raise InvalidValue(
                    f"`{collecte.id}` has ended", where="collecte", mend="start another one under a new id"
                )
        decision = self.enforce(collecte)
        evidence = self._evidence(collecte)
        certificates = {
            one.id: _chosen(decision.of(one.id).chosen, evidence.get(one.id, ())) for one in collecte.signatories
        }
        unseen = [one for one, certificate in certificates.items() if certificate is None]
        if unseen and plan is CeremonyPlan.OURS:
            raise InvalidValue(
                f"the certificate of `{unseen[0]}` was attested and never shown",
                where="signatories",
                mend="have it signed on its provider's page: plan=CeremonyPlan.HOSTED",
            )
        together = in_parallel(collecte, plan)
        for place, signatory in enumerate(collecte.signatories):
            id = self._ceremony_id(collecte, signatory.id)
            fact = CeremonyOpened(
                id=id,
                collecte=collecte,
                signatory=signatory.id,
                certificate=certificates[signatory.id],
                decision=decision.hash,
                my_turn=place == 0 or together,
                plan=plan,
                routes=routes,
                waits=waits,
            )
            if self._ports.store.load(id=id) is None:
                try:
                    self._engine.record(id, fact, opens="ceremony")
                except Conflict as conflict:  # the same collecte is being started twice at this very moment
                    if conflict.kind != "stream":
                        raise
        ceremonies = self._engine.ceremonies(collecte.tenant, collecte.id)
        signed = next((one for one in ceremonies if one.stage in HAS_SIGNED), None)
        if signed is not None:  # before the last ones were invited: an earlier start was interrupted
            self._engine.pass_turn(signed)
        return self.ceremonies(collecte.id, tenant=collecte.tenant)

    def _check_routes(self, routes: CeremonyRoutes, plan: CeremonyPlan) -> None:
        """Find out now, not when somebody has typed a code, that a collaborator is missing."""
        routed(self._ports.notices, routes.notices, "notices")
        if plan is CeremonyPlan.HOSTED:
            routed(self._ports.pages, routes.pages, "pages")
        else:
            routed(self._ports.signers, routes.signer, "signers")
            routed(self._ports.envelopes, routes.envelope, "envelopes")

    def ceremonies(self, collecte: CollecteId, *, tenant: TenantId = TenantId("")) -> tuple[CeremonyView, ...]:
        """Give the ceremonies of a collecte, in signing order."""
        return tuple(self._view(one) for one in self._engine.ceremonies(tenant, collecte))

    def ceremony(
        self, id: CeremonyId, *, account: AccountId | None = None, tenant: TenantId | None = None
    ) -> CeremonyView:
        """Give a ceremony as it stands. With `account`, the one who is signed in, nobody sees another's; give the
        `tenant` as well where there are several, whose accounts may have the same ids.

        Raises:
            NotFound: Nothing is known under this id, or it is not this account's.
        """
        ceremony = self._ceremony(id)
        known = (None, ceremony.signatory.account), (None, ceremony.opened.collecte.tenant)
        if account not in known[0] or tenant not in known[1]:
            raise NotFound(f"`{id}` is not known", mend="check the id and the installation")
        return self._view(ceremony)

    def say(self, id: CeremonyId, what: Fact | Code) -> CeremonyView:
        """Say what the signatory did: see `CeremonyView.say`."""
        if isinstance(what, Code):
            return self._activate(id, what)
        only_a_persons(what)
        try:
            self._engine.record(id, what)
        except Conflict as conflict:
            if conflict.kind == "claim":
                raise FactRefused(
                    "another signatory is signing this document", reason="document_busy", mend="try again shortly"
                ) from conflict
            raise
        return self._unless_ended(id)

    def _unless_ended(self, id: CeremonyId) -> CeremonyView:
        view = self.ceremony(id)
        if view.stage is CeremonyStage.LAPSED:
            raise FactRefused("the collecte has ended", reason="too_late", mend="nothing more can be signed")
        return view

    def _activate(self, id: CeremonyId, code: Code) -> CeremonyView:
        before = self._ceremony(id)
        collecte, signatory = before.opened.collecte, before.signatory
        chosen = before.opened.certificate
        answer = recheck(
            collecte,
            signatory.id,
            self._evidence_of(collecte.tenant, signatory),
            chosen=Choice(level=chosen.level, certificate=chosen.fingerprint) if chosen and chosen.level else None,
            now=self._ports.clock.now(),
            policy=self._policy,
        )
        allowed = answer.at(signatory.level).verdict is Verdict.PASSED
        after = activate(
            self._engine, id, code.text, allowed=allowed, findings=tuple(one.rule for one in answer.findings)
        )
        if after.stage is CeremonyStage.AWAITING_CODE:
            left = otp.WRONG_PER_CHALLENGE - after.challenge.wrong if after.challenge else 0
            reason = "wrong" if after.problem == "wrong_code" else after.problem
            raise CodeRefused(
                "the code was not accepted", reason=reason, tries_left=left, mend="type it again, or ask for a new one"
            )
        return self._unless_ended(id)

    def end(self, collecte: CollecteId, *, cause: str = "cancelled", tenant: TenantId = TenantId("")) -> None:
        """End every open ceremony of a collecte: the host cancelled it, or it expired there."""
        for one in self._engine.ceremonies(tenant, collecte):
            if one.stage not in CEREMONY_FINAL:
                self._engine.record(one.id, CollecteEnded(cause=cause))

    # --- inside ---------------------------------------------------------------------------------------------

    def _ceremony(self, id: CeremonyId) -> Ceremony:
        state = self._engine.streams.load(id).state
        if not isinstance(state, Ceremony):
            raise NotFound(f"`{id}` is not a ceremony", mend="check the id")
        return state

    def _view(self, c: Ceremony) -> CeremonyView:
        return CeremonyView(
            id=c.id,
            stage=c.stage,
            can=machine.sayable(c),
            show=show_ceremony(c, self._ports.clock.now()),
            signatory=c.opened.signatory,
            account=c.signatory.account,
            collectes=self,
        )

    def _ceremony_id(self, collecte: Collecte, signatory: SignatoryId) -> CeremonyId:
        # Derived, so that starting a collecte twice opens nothing twice; under a key, so that nobody can guess a link.
        parts = joined(collecte.tenant, collecte.id, signatory)
        return CeremonyId(f"c-{self._engine.streams.blind('ceremony', parts)[:32]}")

    def _evidence_of(self, tenant: TenantId, signatory: Signatory) -> tuple[Evidence, ...]:
        if signatory.account is None:
            return ()
        person = Account(id=signatory.account, name=signatory.name, email=signatory.email, mobile=signatory.mobile)
        own = self._subscriptions_of(tenant, signatory.account)
        found: dict[str, Evidence] = {}
        try:
            for authority in {id(one): one for one in self._ports.authorities.values()}.values():
                for holding in authority.holdings(account=person):
                    found[holding.certificate.fingerprint] = holding
        except (Unavailable, Unconfirmed):
            # Ignorance, not absence: what we know of is shown with a status that nobody knows.
            unknown = CertificateStatus(kind=StatusKind.UNKNOWN, checked_at=self._ports.clock.now())
            known: dict[str, Evidence] = {
                one.certificate.fingerprint: Holding(
                    certificate=one.certificate,
                    status=unknown,
                    email=one.terms.account.email,
                    mobile=one.terms.account.mobile,
                )
                for one in own
                if one.certificate is not None and one.stage is Stage.ACTIVE
            }
            if not known:
                raise
            found = {**known, **found}
        given_up = {fingerprint for one in own for fingerprint in _given_up(one)}
        seen = tuple(one for fingerprint, one in found.items() if fingerprint not in given_up)
        attested = tuple(
            Attestation(provider=said.provider, level=said.level, matched=said.matched, at=said.at)
            for one in own
            if one.stage is Stage.ACTIVE and (said := one.attestation) is not None
        )
        return (*seen, *attested)

    def _subscriptions_of(self, tenant: TenantId, account: AccountId) -> list[Subscription]:
        value = self._engine.streams.blind("account", owned(tenant, account))
        return [self._engine.streams.load(id).state for id in self._ports.store.find(index="account", value=value)]

    def _evidence(self, collecte: Collecte) -> Mapping[SignatoryId, tuple[Evidence, ...]]:
        return {one.id: self._evidence_of(collecte.tenant, one) for one in collecte.signatories}


def _given_up(s: Subscription) -> Iterator[str]:
    """Fingerprints that never count as usable here, whatever their issuer still says: being revoked, or issued late."""
    if s.certificate is not None and s.stage in (Stage.REVOKING, Stage.REVOKED):
        yield s.certificate.fingerprint
    yield from s.settled


def _chosen(choice: Choice | None, evidence: tuple[Evidence, ...]) -> Certificate | None:
    if choice is None:
        return None
    return next(
        (
            one.certificate
            for one in evidence
            if isinstance(one, Holding) and one.certificate.fingerprint == choice.certificate
        ),
        None,
    )
