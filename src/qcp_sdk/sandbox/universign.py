"""Universign, played: registrations, certificate matching, transactions that are really signed, signed events.

`script`: `{"registration": id, "complete": true}` is what the person does on Universign's pages; `"ending"`: `issue`,
`refuse`, `expire` or `silence`; `"shown_name"`: what the document says, where it is not the prerequisite's name.
`{"transaction": id, "sign": true}`, or `"decline"`; `"prove"`: who lacks a certificate has it now; `"ending"`: `sign`,
`rewrite` (what comes back is another document), `unsigned`. `{"webhook": url}`: where events go.
`{"enrol": {"email", "fullname", "phone_number", "level"}}`: somebody who holds a certificate already.
The words of a registration's `state` are ours: the guide's list of them could not be read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from html import escape
from http import HTTPStatus
from typing import Any, Final

from attrs import define, field

from qcp_sdk.sandbox.universign_transactions import Transactions
from qcp_sdk.sandbox.wsgi import Answer, Failed, Request, answer_html, answer_json, route

API_KEY: Final = "sandbox-universign-key"
LEVELS: Final = ("lcp", "qcp", "qcpnqscd")
LANGUAGES: Final = frozenset({"bg", "ca", "nl", "en", "fr", "de", "it", "pl", "pt", "ro", "es"})
KINDS: Final = {
    "fullname_type": frozenset({"suggestion", "prerequisite"}),
    "phone_number_type": frozenset({"suggestion", "flex_prerequisite", "prerequisite"}),
    "session_type": frozenset({"standalone"}),
    "level": frozenset(LEVELS),
    "language": LANGUAGES,
}
LIFE: Final = timedelta(days=7)
CERTIFICATE_LIFE: Final = timedelta(days=3 * 365)
VERDICT_AFTER: Final = timedelta(minutes=4)


@define(kw_only=True)
class Registration:
    """One registration, as Universign keeps it."""

    id: str
    given: dict[str, str] = field(repr=False)
    opened_at: datetime
    completed_at: datetime | None = None
    state: str = "open"
    ending: str = "issue"
    shown_name: str = ""


@define(kw_only=True)
class Held:
    """A certificate of somebody's."""

    email: str
    fullname: str
    phone_number: str
    level: str
    not_after: datetime
    revoked: bool = False


class UniversignSandbox(Transactions):
    """Plays the REST API for one workspace."""

    verdict_after = VERDICT_AFTER

    def reset(self) -> None:
        """Forget everything."""
        super().reset()
        self.registrations: dict[str, Registration] = {}
        self.certificates: list[Held] = []

    @route("POST", "/v1/registrations")
    def register(self, request: Request) -> Answer:
        """Open a registration."""
        self.authorised(request)
        form = request.form()
        for name in ("applicant", "level"):
            if not form.get(name):
                raise Failed(HTTPStatus.BAD_REQUEST, f"{name} is required")
        for name, words in KINDS.items():
            if name in form and form[name] not in words:
                raise Failed(HTTPStatus.BAD_REQUEST, f"{name} is one of {', '.join(sorted(words))}")
        number = f"{len(self.registrations)}/{form['applicant']}"
        id = f"reg_{hashlib.sha256(number.encode(errors='replace')).hexdigest()[:20]}"
        one = Registration(id=id, given=form, opened_at=self.clock.now())
        self.registrations[id] = one
        return answer_json(self._shown(one, request.base_url), HTTPStatus.CREATED)

    @route("GET", "/v1/registrations/{id}")
    def get(self, request: Request, id: str) -> Answer:
        """Give a registration."""
        self.authorised(request)
        return answer_json(self._shown(self._known(id), request.base_url))

    @route("POST", "/v1/certificates/match")
    def match(self, request: Request) -> Answer:
        """Say whether somebody holds a certificate: valid, and matching every constraint."""
        self.authorised(request)
        form = request.form()
        least = form.get("min_certificate_level", "lcp")
        if not form.get("email") or least not in LEVELS:
            raise Failed(HTTPStatus.BAD_REQUEST, "email is required, and a level one of them")
        return answer_json({"match_found": self._found(form, least)})

    @route("GET", "/pages/{id}")
    def page(self, request: Request, id: str) -> Answer:
        """Show the page on which the person does everything: one button."""
        one = self._known(id)
        return answer_html(
            '<!doctype html><html lang="fr"><meta charset="utf-8"><title>Universign (bac à sable / sandbox)</title>'
            f"<main><h1>Universign (bac à sable / sandbox)</h1><p>{escape(one.state)}</p>"
            f'<form method="post" action="{escape(request.base_url + request.path)}">'
            "<button>Montrer une pièce, lire et accepter / Show a document, read and accept</button></form></main>",
            leads_to=one.given.get("redirect_url", ""),
        )

    @route("POST", "/pages/{id}")
    def pressed(self, request: Request, id: str) -> Answer:
        """Complete the registration, and go back to the host."""
        one = self._known(id)
        self.complete(one)
        target = one.given.get("redirect_url", "")
        if not target:
            return self.page(request, id)
        return Answer(status=HTTPStatus.SEE_OTHER, headers=(("Location", target),))

    def complete(self, one: Registration) -> None:
        """Do what the person does, in time."""
        self.tick()
        if one.state == "open":
            one.state, one.completed_at = "processing", self.clock.now()
            self.tick()

    def script(self, told: Mapping[str, Any]) -> object:
        """Do what is asked of one `registration` or `transaction`."""
        self.webhook = str(told.get("webhook", self.webhook))
        if "enrol" in told:
            return self._enrolled(told["enrol"])
        if "transaction" in told:
            return self.script_transaction(told)
        if "registration" not in told:
            return {"webhook": self.webhook}
        one = self._known(str(told.get("registration")))
        if "ending" in told:
            if told["ending"] not in {"issue", "refuse", "expire", "silence"}:
                raise Failed(HTTPStatus.BAD_REQUEST, "an ending is one of issue, refuse, expire, silence")
            one.ending = str(told["ending"])
        one.shown_name = str(told.get("shown_name", one.shown_name))
        if told.get("complete"):
            self.complete(one)
        if told.get("decide") and one.state == "processing":
            self._decide(one)
        return one.state

    def tick(self) -> None:
        """Decide what time has made due."""
        super().tick()
        now = self.clock.now()
        for one in self.registrations.values():
            if one.state == "open" and now >= one.opened_at + LIFE:
                one.state = "expired"
            if one.state == "processing" and one.completed_at is not None:
                wait = self.wait(self.verdict_after)
                if wait is not None and now >= one.completed_at + wait:
                    self._decide(one)

    def state(self) -> object:
        """Give every registration: no personal data."""
        return {
            "registrations": [{"id": one.id, "state": one.state} for one in self.registrations.values()],
            "transactions": [{"id": one.id, "state": one.state} for one in self.transactions.values()],
            "certificates": len(self.certificates),
            "webhook": self.webhook,
        }

    def holds(self, participant: Mapping[str, str], certificate: str) -> bool:
        """Say whether this participant holds such a certificate: in these data, where they are prerequisites."""
        told = {"email": participant["email"]}
        for ours, theirs in (("fullname", "full_name"), ("phone_number", "phone_number")):
            if participant.get(f"{theirs}_type") == "prerequisite":
                told[ours] = participant.get(theirs, "")
        return self._found(told, certificate)

    def issue(self, participant: Mapping[str, str], certificate: str) -> None:
        """Give this participant such a certificate."""
        self._hold(
            participant["email"], participant.get("full_name", ""), participant.get("phone_number", ""), certificate
        )

    def _enrolled(self, told: object) -> int:
        names = ("email", "fullname", "phone_number", "level")
        if not isinstance(told, Mapping) or not all(isinstance(told.get(name), str) for name in names):
            raise Failed(HTTPStatus.BAD_REQUEST, f"enrol holds {', '.join(names)}")
        if told["level"] not in LEVELS:
            raise Failed(HTTPStatus.BAD_REQUEST, f"level is one of {', '.join(LEVELS)}")
        self._hold(*(told[name] for name in names))
        return len(self.certificates)

    def _hold(self, email: str, fullname: str, phone_number: str, level: str) -> None:
        until = self.clock.now() + CERTIFICATE_LIFE
        self.certificates.append(
            Held(email=email, fullname=fullname, phone_number=phone_number, level=level, not_after=until)
        )

    def _found(self, form: Mapping[str, str], least: str) -> bool:
        now = self.clock.now()
        return any(
            one.email == form["email"]
            and not one.revoked
            and one.not_after > now
            and LEVELS.index(one.level) >= LEVELS.index(least)
            and form.get("fullname", one.fullname) == one.fullname
            and form.get("phone_number", one.phone_number) == one.phone_number
            for one in self.certificates
        )

    def _decide(self, one: Registration) -> None:
        wanted = one.given.get("fullname", "")
        shown = one.shown_name or wanted
        must_be = one.given.get("fullname_type") == "prerequisite"
        match one.ending:
            case "silence":
                return
            case "refuse":
                one.state = "refused"
            case "expire":
                one.state = "expired"
            case _ if must_be and shown != wanted:
                one.state = "refused"
            case _:
                one.state = "completed"
                self._hold(one.given["applicant"], shown, one.given.get("phone_number", ""), one.given["level"])

    def authorised(self, request: Request) -> None:
        """Refuse who has no key of the workspace's."""
        if request.headers.get("authorization") != f"Bearer {API_KEY}":
            raise Failed(HTTPStatus.UNAUTHORIZED, "wrong API key")

    def _known(self, id: str) -> Registration:
        one = self.registrations.get(id)
        if one is None:
            raise Failed(HTTPStatus.NOT_FOUND, "no such registration")
        return one

    def _shown(self, one: Registration, base_url: str) -> dict[str, str]:
        return {"id": one.id, "object": "registration", "state": one.state, "url": f"{base_url}/pages/{one.id}"}
