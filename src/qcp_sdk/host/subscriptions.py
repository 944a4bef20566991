"""Subscriptions, from the host's side: the certificates page, opening, and saying what the person did."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from itertools import count
from typing import Final

from attrs import evolve, frozen

from qcp_sdk import matching, otp
from qcp_sdk.certificates import Holding, StatusKind
from qcp_sdk.engine import Engine
from qcp_sdk.engine.collaborators import routed
from qcp_sdk.engine.streams import Stream, owned
from qcp_sdk.errors import CodeRefused, Conflict, FactRefused, NotFound, Rejected, SubscriptionRefused
from qcp_sdk.facts import Cancelled, CodeEntered, CodeRequested, Fact
from qcp_sdk.host.allowing import allowed
from qcp_sdk.host.saying import Code, only_a_persons, only_the_hosts
from qcp_sdk.host.terms import in_progress, newest, outdated, reasons, terms
from qcp_sdk.levels import SignatureLevel
from qcp_sdk.offers import Offer, Offers
from qcp_sdk.people import Account, Cabinet
from qcp_sdk.policy.evidence import Attestation, Evidence
from qcp_sdk.policy.load import default_policy
from qcp_sdk.policy.shapes import Policy
from qcp_sdk.subscription import machine
from qcp_sdk.subscription.facts import AccountChanged, CertificateAdopted, LcpRevoked, Routes
from qcp_sdk.subscription.opening import OPENING_MEND, PURPOSES
from qcp_sdk.subscription.stages import FINAL, Ending, Plan, Stage
from qcp_sdk.subscription.state import Subscription
from qcp_sdk.values import AccountId, CabinetId, Cents, Fingerprint, SessionId, SubscriptionId, TenantId, joined
from qcp_sdk.views import (
    AttestedShown,
    CabinetShown,
    CertificateShown,
    CertificatesShown,
    SubscriptionShown,
    show_attested,
    show_holding,
    show_own,
    show_subscription,
)

LCP: Final = "lcp"
"""Route of the authority that issued the LCP certificates which subscriptions rest on."""


@frozen(kw_only=True)
class SubscriptionView:
    """A subscription as the host sees it at one moment. Immutable: `say` gives the next view."""

    id: SubscriptionId
    stage: Stage
    can: tuple[type[Fact], ...]
    """What the person may say now, from TRANSITIONS: fact classes of `qcp_sdk.subscription.facts`. Where it holds
    `CodeEntered`, say `Code(text)` instead: whether it is right is not for the caller to say."""
    show: SubscriptionShown
    _subscriptions: Subscriptions

    def say(self, what: Fact | Code) -> SubscriptionView:
        """Say what the person did, and give the view after it.

        Raises:
            CodeRefused: A code was wrong, expired, spent, or may not be asked for yet.
            FactRefused: It may not be said at this stage, or came too late.
        """
        return self._subscriptions.say(self.id, what)


class Subscriptions:
    """The subscriptions of one installation."""

    def __init__(self, engine: Engine, offers: Offers, policy: Policy | None = None) -> None:
        self._engine, self._ports, self._offers = engine, engine.ports, offers
        self._policy = policy

    def page(
        self, *, account: AccountId, cabinet: CabinetId | None = None, tenant: TenantId = TenantId("")
    ) -> CertificatesShown:
        """Give the certificates page of an account (A1 to A5); the price is that of `cabinet`, or of its first.

        Raises:
            Rejected: `unknown_account`.
        """
        person = self._ports.accounts.account(id=account)
        now = self._ports.clock.now()
        offers = {one.id: self._offers(tenant, one.id) for one in person.cabinets}
        chosen = offers.get(cabinet) if cabinet else next(iter(offers.values()), None)
        offer = chosen or Offer()
        held = {
            route: self._holdings(person, route)
            for route in dict.fromkeys(
                (LCP, offer.routes.authority, *(each.routes.authority for each in offers.values()))
            )
        }
        lcp, qcp = newest(held[LCP], now), newest(held[offer.routes.authority], now)
        mine = self._of_account(tenant, account)
        attested = [one for one in mine if one.attestation is not None and one.stage is Stage.ACTIVE]
        return CertificatesShown(
            lcp=self._shown(lcp, person, mine, now) if lcp else None,
            qcp=self._shown(qcp, person, mine, now) if qcp else None,
            in_progress=next((one.id for one in mine if in_progress(one)), None),
            price=offer.price,
            cabinets=tuple(
                CabinetShown(cabinet=one, balance=balance, suffices=balance >= offers[one.id].price)
                for one in person.cabinets
                for balance in (self._balance(offers[one.id], one.id),)
            ),
            others=self._others(held.values(), (lcp, qcp), person, mine, now),
            attested=tuple(self._attested(one, person, now) for one in attested),
            held_unseen=any(one.terms.issuer == self._issuer(offer) for one in attested),
            differences=matching.differing_fields(person, lcp) if lcp else (),
            renewable=qcp is not None and now >= qcp.certificate.not_after - offer.waits.reminder,
        )

    def open(self, *, account: AccountId, cabinet: CabinetId, tenant: TenantId = TenantId("")) -> SubscriptionView:
        """Open a subscription paid by a cabinet; nothing is charged unless a certificate is issued.

        Raises:
            SubscriptionRefused: With every reason: `no_lcp_certificate`, `differs_from_lcp:<field>`,
                `balance_too_small`, `already_open`, `qualified_certificate_held` …
            Rejected: `unknown_account`.
            ConfigurationError: The offer names a route without an adapter.
        """
        person = self._ports.accounts.account(id=account)
        paying = next((one for one in person.cabinets if one.id == cabinet), None)
        if paying is None:
            raise SubscriptionRefused(("not_a_member_of_the_cabinet",), mend="choose one of the account's cabinets")
        offer = self._offers(tenant, cabinet)
        self.check(offer)
        routes = offer.routes
        issuer = self._issuer(offer)
        now = self._ports.clock.now()
        mine = self._of_account(tenant, account)
        fact = terms(
            id=SubscriptionId(self._ports.ids.new()),
            tenant=tenant,
            account=person,
            cabinet=paying,
            offer=offer,
            issuer=issuer,
            balance=self._balance(offer, cabinet),
            lcp=self._lcp_of(person),
            qcp=newest(self._holdings(person, routes.authority), now),
            mine=mine,
        )
        why_not = reasons(fact, mine, now)
        if why_not:
            mend = "resume the one in progress" if "already_open" in why_not else OPENING_MEND
            raise SubscriptionRefused(why_not, mend=mend)
        try:
            self._engine.record(fact.id, fact, opens="subscription")
        except Conflict as conflict:
            if conflict.kind == "claim":
                raise SubscriptionRefused(("already_open",), mend="resume the one in progress") from conflict
            raise
        if outdated(fact, mine, self._of_account(tenant, account)):
            # Another one was opened, and came to its certificate, since the terms were decided.
            self._engine.record(fact.id, Cancelled())
            raise SubscriptionRefused(("already_open",), mend="look at the certificates page again")
        return self.get(fact.id)

    def get(
        self, id: SubscriptionId, *, account: AccountId | None = None, tenant: TenantId | None = None
    ) -> SubscriptionView:
        """Give a subscription as it stands. With `account`, the one who is signed in, nobody sees another's; give the
        `tenant` as well where there are several, whose accounts may have the same ids.

        Raises:
            NotFound: Nothing is known under this id, or it is not this account's.
        """
        s = self._load(id)
        if account not in (None, s.terms.account.id) or tenant not in (None, s.terms.tenant):
            raise NotFound(f"`{id}` is not known", mend="check the id and the installation")
        return SubscriptionView(
            id=s.id,
            stage=s.stage,
            can=machine.sayable(s),
            show=show_subscription(s, self._ports.clock.now()),
            subscriptions=self,
        )

    def say(self, id: SubscriptionId, what: Fact | Code) -> SubscriptionView:
        """Say what the person did: see `SubscriptionView.say`."""
        self.act(id, what)
        return self.get(id)

    def act(self, id: SubscriptionId, what: Fact | Code) -> None:
        """Say what the person did, where nobody looks at the view that follows. Raises as `say`."""
        if isinstance(what, Code):
            self._enter(id, what)
        elif isinstance(what, CodeRequested):
            known = self._stream(id)
            s: Subscription = known.state
            purpose = PURPOSES.get(s.stage)
            if purpose is None:
                self._engine.record(id, what)  # refused by the machine, in its own words
            else:
                after = self._engine.request_code(
                    id, what, purpose=purpose, subject=s.terms.account.id, known=known
                ).state
                _refuse_if_too_late(after, what)
        else:
            only_a_persons(what)
            after = self._engine.record(id, what).state
            _refuse_if_too_late(after, what)

    def report(self, id: SubscriptionId, fact: Fact) -> SubscriptionView:
        """Say what the host found out or decided: `AccountChanged`, `LcpRevoked`, `FraudReported`, `RevocationOrdered`,
        `EndReported`, `SettledByOperator`. Never pass on what a browser sent.

        Raises:
            FactRefused: It is not the host's to say, or may not be said at this stage.
        """
        only_the_hosts(fact)
        self._engine.record(id, fact)
        return self.get(id)

    def adopt(
        self, *, account: AccountId, fingerprint: Fingerprint, route: str = LCP, tenant: TenantId = TenantId("")
    ) -> SubscriptionView:
        """Take a certificate into care that the account holds already, by default its LCP certificate (A1): it can then
        be revoked with a code, and is followed to its end. Repeatable; nothing is charged.

        Raises:
            NotFound: The account holds no such certificate.
            FactRefused: `certificate_ended`.
        """
        id = SubscriptionId(f"a-{self._engine.streams.blind('adopted', joined(tenant, account, fingerprint))[:32]}")
        if self._ports.store.load(id=id) is None:
            person = self._ports.accounts.account(id=account)
            holding = next(
                (one for one in self._holdings(person, route) if one.certificate.fingerprint == fingerprint), None
            )
            if holding is None:
                raise NotFound("the account holds no such certificate", mend="take one that `page` shows")
            issuer = routed(self._ports.authorities, route, "authorities").issuer
            fact = CertificateAdopted(
                id=id,
                tenant=tenant,
                account=person,
                cabinet=Cabinet(id=CabinetId(""), name=""),
                price=Cents(0),
                balance=Cents(0),
                lcp=None,
                issuer=issuer,
                slot=_next_slot(self._of_account(tenant, account), issuer),
                routes=Routes(authority=route),
                holding=holding,
            )
            try:
                self._engine.record(id, fact, opens="subscription")
            except Conflict as conflict:  # it is being adopted twice at this very moment
                if conflict.kind != "stream":
                    raise
        return self.get(id)

    def _enter(self, id: SubscriptionId, code: Code) -> None:
        known = self._stream(id)
        s: Subscription = known.state
        purpose, now = PURPOSES.get(s.stage), self._ports.clock.now()
        if purpose is otp.Purpose.REQUEST and self._changed_meanwhile(s):
            known = self._stream(id)
            s = known.state
            purpose = PURPOSES.get(s.stage)
        if purpose is None:
            raise CodeRefused("no code is asked for at this stage", reason="none_sent", mend="look at `can`")
        challenge = otp.usable(s.codes, purpose=purpose, now=now)
        expected = otp.derive(
            self._ports.keys.derive(purpose="codes"),
            purpose=purpose,
            subject=s.terms.account.id,
            challenge=challenge.id,
        )
        fact = CodeEntered(challenge=challenge.id, matched=otp.matches(expected, code.text))
        after = self._engine.enter_code(
            id, matched=fact.matched, purpose=purpose, subject=s.terms.account.id, fact=fact, known=known
        ).state
        _refuse_if_too_late(after, fact)
        if not fact.matched:
            left = otp.WRONG_PER_CHALLENGE - challenge.wrong - 1
            if after.ending is Ending.TOO_MANY_CODES or after.codes.locked_until is not None:
                raise CodeRefused("too many wrong codes", reason="locked", tries_left=0, mend="come back tomorrow")
            raise CodeRefused(
                "this code is not the one that was sent",
                reason="wrong",
                tries_left=left,
                mend="type it again" if left else "ask for a new code",
            )

    def _changed_meanwhile(self, s: Subscription) -> bool:
        """Look once more, before the request is signed, whether account and LCP certificate are as they were; record
        what is not.
        """
        account = self._ports.accounts.account(id=s.terms.account.id)
        opened_with = s.terms.account
        changed = tuple(
            field for field in ("name", "email", "mobile") if getattr(account, field) != getattr(opened_with, field)
        )
        if changed:
            self._engine.record(s.id, AccountChanged(fields=changed))
            return True
        if s.terms.lcp is not None:
            authority = routed(self._ports.authorities, LCP, "authorities")
            status = authority.status(fingerprint=s.terms.lcp.certificate.fingerprint)
            if status.kind is StatusKind.REVOKED:
                self._engine.record(s.id, LcpRevoked(at=status.revoked_at or status.checked_at))
                return True
        return False

    def refresh(self, id: SubscriptionId) -> SubscriptionView:
        """Ask now what is being waited for, and give the view after it: what a "check again" button does.

        Raises:
            NotFound: Nothing is known under this id.
        """
        self._engine.ask_now(id)
        return self.get(id)

    def hint(self, session: SessionId) -> None:
        """Look now at how an identity or registration session stands: call this when its provider says that
        something happened. What the provider said is not believed; its answer to our question is.
        """
        for id in self._ports.store.find(index="session", value=self._engine.streams.blind("session", session)):
            self._engine.ask_now(id)

    def check(self, offer: Offer) -> None:
        """Return when there is an adapter for every route of an offer.

        Raises:
            ConfigurationError: There is none for one of them.
        """
        ports, routes = self._ports, offer.routes
        routed(ports.ledgers, routes.ledger, "ledger")
        routed(ports.codes, routes.codes, "codes")
        routed(ports.notices, routes.notices, "notices")
        routed(ports.authorities, routes.authority, "authority")
        if offer.plan is Plan.HOSTED:
            routed(ports.registrations, routes.registration, "registration")
        else:
            routed(ports.identities, routes.identity, "identity")
            routed(ports.documents, routes.documents, "documents")

    # --- the certificates page -------------------------------------------------------------------------------

    def _allowed(self, person: Account, evidence: Evidence, now: datetime) -> SignatureLevel | None:
        return allowed(person, evidence, now=now, policy=self._policy or default_policy())

    def _shown(self, holding: Holding, person: Account, mine: list[Subscription], now: datetime) -> CertificateShown:
        """Lay out a certificate; while we have it revoked, its issuer's word that it is good is no longer the last."""
        shown, fingerprint = show_holding(holding, now), holding.certificate.fingerprint
        ours = [one for one in mine if one.certificate is not None and one.certificate.fingerprint == fingerprint]
        if ours:
            shown = evolve(shown, subscription=ours[0].id, origin=show_own(ours[0], now).origin)
        if any(one.stage is Stage.REVOKING for one in ours):
            return evolve(shown, state=Stage.REVOKING.value)
        return evolve(shown, allows=self._allowed(person, holding, now))

    def _others(
        self,
        held: Iterable[tuple[Holding, ...]],
        besides: tuple[Holding | None, ...],
        person: Account,
        mine: list[Subscription],
        now: datetime,
    ) -> tuple[CertificateShown, ...]:
        """Lay out every certificate but those: what authorities name, and what is in our care and they do not name."""
        said = {one.certificate.fingerprint for one in besides if one is not None}
        found: dict[str, CertificateShown] = {}
        for one in (one for several in held for one in several):
            found.setdefault(one.certificate.fingerprint, self._shown(one, person, mine, now))
        for s in mine:
            if s.certificate is not None:
                found.setdefault(s.certificate.fingerprint, show_own(s, now))
        others = (one for fingerprint, one in found.items() if fingerprint not in said)
        return tuple(sorted(others, key=lambda one: one.not_after, reverse=True))

    def _attested(self, s: Subscription, person: Account, now: datetime) -> AttestedShown:
        said = s.attestation
        assert said is not None
        evidence = Attestation(provider=said.provider, level=said.level, matched=said.matched, at=said.at)
        return evolve(show_attested(s), allows=self._allowed(person, evidence, now))

    # --- inside ---------------------------------------------------------------------------------------------

    def _load(self, id: SubscriptionId) -> Subscription:
        state: Subscription = self._stream(id).state
        return state

    def _stream(self, id: SubscriptionId) -> Stream:
        stream = self._engine.streams.load(id)
        if not isinstance(stream.state, Subscription):
            raise NotFound(f"`{id}` is not a subscription", mend="check the id")
        return stream

    def _of_account(self, tenant: TenantId, account: AccountId) -> list[Subscription]:
        value = self._engine.streams.blind("account", owned(tenant, account))
        found = [self._load(SubscriptionId(id)) for id in self._ports.store.find(index="account", value=value)]
        return [one for one in found if one.stage not in FINAL]

    def _balance(self, offer: Offer, cabinet: CabinetId) -> Cents:
        ledger = routed(self._ports.ledgers, offer.routes.ledger, "ledger")
        try:
            return ledger.balance(cabinet=cabinet)
        except Rejected as rejected:
            if rejected.reason != "unknown_cabinet":
                raise
            return Cents(0)  # one that never paid anything in

    def _issuer(self, offer: Offer) -> str:
        return offer.issuer or routed(self._ports.authorities, offer.routes.authority, "authorities").issuer

    def _holdings(self, account: Account, route: str) -> tuple[Holding, ...]:
        return routed(self._ports.authorities, route, "authorities").holdings(account=account)

    def _lcp_of(self, account: Account) -> Holding | None:
        return newest(self._holdings(account, LCP), self._ports.clock.now())


def _next_slot(held: list[Subscription], issuer: str) -> int:
    """Give a slot for a certificate that exists already: however many are held, each is taken into care."""
    taken = {one.terms.slot for one in held if one.terms.issuer == issuer}
    return next(slot for slot in count() if slot not in taken)


def _refuse_if_too_late(after: Subscription, what: Fact) -> None:
    if after.ending is Ending.DEADLINE_PASSED:
        raise FactRefused(f"`{what.kind}` came after the deadline", reason="too_late", mend="open a new subscription")
