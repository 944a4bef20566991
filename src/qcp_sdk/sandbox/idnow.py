"""IDnow, played: the gateway API with its robots' test cases, its webhooks, and those of the new platform.

A case is written into a name or a custom field, as at IDnow (`X-AUTOTEST-HAPPYPATH`); without one, all goes well.
The person is played by the page at the start link, or by `script`: `{"transaction": …, "capture": true}`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from html import escape
from http import HTTPStatus
from typing import Any, Final

from attrs import define, field, frozen

from qcp_sdk.sandbox.jose import JoseKey
from qcp_sdk.sandbox.wsgi import Answer, Failed, Pace, Provider, Request, answer_html, answer_json, route

API_KEY: Final = "sandbox-idnow-key"
"""What `X-API-KEY` and the login take; anything else is 401."""
TOKEN_LIFE: Final = timedelta(hours=1)
"""A login token dies unused after this long."""
VERDICT_AFTER: Final = timedelta(minutes=4)
LONG_REVIEW: Final = timedelta(days=1)
_CASE: Final = re.compile(r"X-(?:AUTO|MANUAL)TEST-([A-Z]+)")
FIELDS: Final = frozenset(
    {
        "birthday", "birthname", "birthplace", "city", "country", "custom1", "custom2", "custom3", "custom4", "custom5",
        "trackingid", "email", "firstname", "gender", "lastname", "mobilephone", "nationality", "street",
        "streetnumber", "title", "zipcode", "questions",
    }
)  # fmt: skip


@frozen(kw_only=True)
class Case:
    """How an identification goes: perhaps a preliminary result, then the last one."""

    result: str
    reason: str = ""
    before: str = "REVIEW_PENDING"
    after: timedelta | None = VERDICT_AFTER
    """From the capture to the last result; None: never."""
    changed: bool = False
    """The document shows other data."""


CASES: Final = {
    "HAPPYPATH": Case(result="SUCCESS"),
    "CHANGEALL": Case(result="SUCCESS_DATA_CHANGED", changed=True),
    "CHANGEALLREVIEW": Case(result="SUCCESS_DATA_CHANGED", changed=True),
    "ABORTIDENT": Case(result="ABORTED", reason="USER_CANCELLATION", before=""),
    "FRAUDIDENT": Case(result="FRAUD_SUSPICION_CONFIRMED"),
    "FRAUDREVIEW": Case(result="FRAUD_SUSPICION_CONFIRMED", before="FRAUD_SUSPICION_PENDING"),
    "FRAUDOK": Case(result="SUCCESS", before="FRAUD_SUSPICION_PENDING"),
    "CANCELLED": Case(result="CANCELED", reason="TECH_PHOTO"),
    "LONGREVIEW": Case(result="SUCCESS", after=LONG_REVIEW),
    "HOLDCERTIFICATE": Case(result="SUCCESS", after=None),
}
"""The robots' cases [read]; what each answers in between is [inferred] from its name."""
PRELIMINARY: Final = frozenset({"REVIEW_PENDING", "FRAUD_SUSPICION_PENDING", "CHECK_PENDING"})


@define(kw_only=True)
class Identification:
    """One identification, as IDnow keeps it."""

    transaction: str
    id: str
    given: dict[str, str] = field(repr=False)
    case: Case
    document: str = "IDCARD"
    country: str = "FR"
    captured_at: datetime | None = None
    decided: bool = False
    told: list[str] = field(factory=list)
    """Results that were sent to the webhook."""

    def result(self) -> str:
        """Give the result as it is now; "" while the person has not finished."""
        if self.decided:
            return self.case.result
        return self.case.before if self.captured_at is not None else ""


class IdnowSandbox(Provider):
    """Plays IDnow for any company. `verdict_after` stretches or shortens the cases' usual wait."""

    verdict_after = VERDICT_AFTER
    shows_pending = False
    """Whether a GET of an identification that has not begun is answered with its data, or as one that is not there."""

    def reset(self) -> None:
        """Forget everything."""
        super().reset()
        self.identifications: dict[str, Identification] = {}
        self.tokens: dict[str, datetime] = {}
        self.webhook = ""
        self._logins = 0
        self.platform_key = JoseKey("RS256")

    # The gateway API.

    @route("POST", "/api/v1/{company}/login")
    def login(self, request: Request, company: str) -> Answer:
        """Give a token for an API key."""
        if request.json().get("apiKey") != API_KEY:
            raise Failed(HTTPStatus.UNAUTHORIZED, "wrong API key", word="SECURITY_VIOLATION")
        self._logins += 1
        token = hashlib.sha256(f"{company}/{self._logins}".encode()).hexdigest()
        self.tokens[token] = self.clock.now()
        return answer_json({"authToken": token})

    @route("POST", "/api/v1/{company}/identifications/{transaction}/start")
    def start(self, request: Request, company: str, transaction: str) -> Answer:  # noqa: ARG002
        """Create an identification, or change its data while it is not decided."""
        if request.headers.get("x-api-key") != API_KEY:
            raise Failed(HTTPStatus.UNAUTHORIZED, "wrong API key", word="SECURITY_VIOLATION")
        told = request.json()
        if unknown := told.keys() - FIELDS:
            raise Failed(HTTPStatus.BAD_REQUEST, f"unknown: {sorted(unknown)[0]}", word="UNRECOGNIZED_FIELD")
        given = {name: value for name, value in told.items() if isinstance(value, str)}
        known = self.identifications.get(transaction)
        if known is not None and known.decided:
            raise Failed(HTTPStatus.CONFLICT, "it is finished", word="EXISTING_IDENTIFICATION")
        if known is not None:
            known.given = given
            return answer_json({"id": known.id})
        digest = hashlib.sha256(transaction.encode(errors="replace")).hexdigest().upper()
        id = f"IBA-{digest[:5]}{len(self.identifications)}"
        self.identifications[transaction] = Identification(
            transaction=transaction, id=id, given=given, case=_case(given)
        )
        return answer_json({"id": id}, HTTPStatus.CREATED)

    @route("GET", "/api/v1/{company}/identifications/{transaction}")
    def get(self, request: Request, company: str, transaction: str) -> Answer:
        """Give one identification with its data."""
        self._signed_in(request)
        one = self._known(transaction)
        if not one.result() and not self.shows_pending:
            raise _unknown()
        return answer_json(self._shown(one, company))

    @route("DELETE", "/api/v1/{company}/identifications/{transaction}")
    def delete(self, request: Request, company: str, transaction: str) -> Answer:  # noqa: ARG002
        """Forget one identification."""
        self._signed_in(request)
        del self.identifications[self._known(transaction).transaction]
        return Answer(status=HTTPStatus.NO_CONTENT)

    @route("GET", "/api/v1/{company}/identifications")
    def list(self, request: Request, company: str) -> Answer:
        """Give those that are decided, or pending, failed, cancelled, aborted, as asked."""
        self._signed_in(request)
        wanted: dict[str, Callable[[str], bool]] = {
            "pending": lambda result: result in PRELIMINARY | {""},
            "failed": lambda result: result in {"ABORTED", "CANCELED"},
            "cancelled": lambda result: result == "CANCELED",
            "aborted": lambda result: result == "ABORTED",
        }
        asked = [name for name in wanted if request.query.get(name) == "true"]
        fits = wanted[asked[0]] if asked else _is_done
        shown = [self._shown(one, company) for one in self.identifications.values() if fits(one.result())]
        return answer_json({"identifications": shown})

    # The pages that people open, and the robots.

    @route("GET", "/go/{company}/identifications/{transaction}/identification/start")
    @route("GET", "/go/app/{company}/identifications/{transaction}/identification/start")
    def page(self, request: Request, company: str, transaction: str) -> Answer:  # noqa: ARG002
        """Show the page on which the person shows a document: one button."""
        one = self._by_link(transaction)
        state = one.result() or "…"
        action = escape(f"{request.base_url}{request.path}")
        return answer_html(
            f'<!doctype html><html lang="fr"><meta charset="utf-8"><title>IDnow (bac à sable / sandbox)</title>'
            f'<main><h1>IDnow (bac à sable / sandbox)</h1><p>{escape(state)}</p><form method="post" action="{action}">'
            f"<button>Montrer une pièce d’identité et mon visage / Show a document and my face</button></form></main>"
        )

    @route("POST", "/go/{company}/identifications/{transaction}/identification/start")
    @route("POST", "/go/app/{company}/identifications/{transaction}/identification/start")
    def pressed(self, request: Request, company: str, transaction: str) -> Answer:
        """Capture."""
        self.capture(self._by_link(transaction))
        return self.page(request, company, transaction)

    @route("POST", "/api/v1/{company}/identifications/{transaction}/requestVideoChat")
    def robot(self, request: Request, company: str, transaction: str) -> Answer:  # noqa: ARG002
        """Let a robot play the person, as api.test.idnow.de does."""
        self.capture(self._known(transaction))
        return answer_json({})

    # The new platform.

    @route("GET", "/oidc/.well-known/jwks.json")
    def jwks(self, request: Request) -> Answer:  # noqa: ARG002
        """Give the keys that the new platform's webhooks are signed with."""
        return answer_json({"keys": [self.platform_key.public]})

    def platform_event(
        self, session: str, *, status: str = "FINISHED", issuer: str, audience: str, headers: Mapping[str, str] = {}
    ) -> tuple[dict[str, str], bytes]:
        """Give a webhook of the new platform: headers, and the JWT as the body."""
        now = int(self.clock.now().timestamp())
        claims = {
            "iss": issuer,
            "aud": audience,
            "iat": now,
            "exp": now + 300,
            "data": {
                "eventId": hashlib.sha256(session.encode(errors="replace")).hexdigest()[:32],
                "eventVersion": "1.0",
                "eventName": "session.finished",
                "eventDeliverId": f"{now}",
                "eventSequence": 1,
                "createdAt": self.clock.now().isoformat(),
                "environment": "sandbox",
                "payload": {"flowId": "flow-1", "sessionId": session, "sessionStatus": status},
            },
        }
        return {**headers, "Content-Type": "application/jwt"}, self.platform_key.jwt(claims).encode()

    # What the control API and the tests do.

    def script(self, told: Mapping[str, Any]) -> object:
        """Do what is asked of one `transaction` (or of all that come, without one).

        `case`: a robot's case; `result` and `reason`: these; `document`, `country`: what is shown; `capture`: the
        person is done; `decide`: now. `webhook`: where results are posted from now on.
        """
        if "webhook" in told:
            self.webhook = str(told["webhook"])
        if "transaction" not in told:
            return {"webhook": self.webhook}
        one = self._known(str(told["transaction"]))
        if "case" in told:
            if told["case"] not in CASES:
                raise Failed(HTTPStatus.BAD_REQUEST, f"a case is one of: {', '.join(CASES)}")
            one.case = CASES[told["case"]]
        if "result" in told:
            one.case = Case(result=str(told["result"]), reason=str(told.get("reason", "")))
        one.document, one.country = str(told.get("document", one.document)), str(told.get("country", one.country))
        if told.get("capture"):
            self.capture(one)
        if told.get("decide"):
            one.captured_at = one.captured_at or self.clock.now()
            one.decided = True
            self._tell(one)
        return one.result()

    def capture(self, one: Identification) -> None:
        """Do what the person does."""
        if one.captured_at is None:
            one.captured_at = self.clock.now()
            self.tick()

    def tick(self) -> None:
        """Decide what time has made due, and tell the webhook."""
        for one in list(self.identifications.values()):
            if one.decided or one.captured_at is None:
                continue
            usual = self.verdict_after if one.case.after == VERDICT_AFTER else one.case.after
            wait = usual if usual is None or self.pace is Pace.TIME else self.wait(usual)
            one.decided = wait is not None and self.clock.now() >= one.captured_at + wait
            self._tell(one)

    def state(self) -> object:
        """Give every identification: no personal data."""
        return {
            "webhook": self.webhook,
            "identifications": [
                {"transaction": one.transaction, "id": one.id, "result": one.result()}
                for one in self.identifications.values()
            ],
        }

    def failed(self, failure: Failed) -> Answer:
        """Say a failure as IDnow does."""
        cause = failure.word or ("BAD_REQUEST" if failure.status == HTTPStatus.BAD_REQUEST else "")
        error = {"cause": cause, "id": "1", "key": "", "message": failure.message}
        return answer_json({"errors": [error]}, failure.status)

    def forged(self, headers: Mapping[str, str], body: bytes) -> tuple[dict[str, str], bytes]:
        """Give a webhook of somebody else's making: another transaction, the best result."""
        told = json.loads(body)
        told["identificationprocess"].update(result="SUCCESS", transactionnumber="qcp-forged")
        return dict(headers), json.dumps(told).encode()

    # Inside.

    def _tell(self, one: Identification) -> None:
        result = one.result()
        if result and self.webhook and result not in one.told:
            one.told.append(result)
            body = json.dumps(self._shown(one, "sandbox"), ensure_ascii=False).encode()
            self.post(self.webhook, {"Content-Type": "application/json"}, body)

    def _signed_in(self, request: Request) -> None:
        token, now = request.headers.get("x-api-login-token", ""), self.clock.now()
        used = self.tokens.get(token)
        if used is None or now - used >= TOKEN_LIFE:
            self.tokens.pop(token, None)
            raise Failed(HTTPStatus.UNAUTHORIZED, "log in again", word="INVALID_LOGIN_TOKEN")
        self.tokens[token] = now

    def _known(self, transaction: str) -> Identification:
        one = self.identifications.get(transaction)
        if one is None:
            raise _unknown()
        return one

    def _by_link(self, name: str) -> Identification:
        for one in self.identifications.values():
            if name in {one.id, one.transaction}:
                return one
        raise _unknown()

    def _shown(self, one: Identification, company: str) -> dict[str, Any]:
        result, given = one.result(), one.given
        process = {
            "result": result,
            "companyid": company,
            "filename": f"{one.transaction}.zip",
            "agentname": "ROBOT",
            "identificationtime": (one.captured_at or self.clock.now()).isoformat(),
            "id": one.id,
            "href": f"/api/v1/{company}/identifications/{one.transaction}.zip",
            "type": "APP",
            "transactionnumber": one.transaction,
        }
        if not result:
            process.pop("result")
        shown: dict[str, Any] = {
            "identificationprocess": process,
            "customdata": {name: given.get(name) for name in ("custom1", "custom2", "custom3", "custom4", "custom5")},
            "contactdata": {"email": given.get("email"), "mobilephone": given.get("mobilephone")},
        }
        if result in {"ABORTED", "CANCELED"}:
            process["reason"] = one.case.reason
            shown["userdata"] = {
                name: {"status": "ORIGINAL", "original": given[name]} for name in _NAMES if given.get(name)
            }
            return shown
        changed = one.case.changed
        shown["userdata"] = {
            name: _leaf(given[name], "MARTIN" if name == "lastname" and changed else "")
            for name in _NAMES
            if given.get(name)
        }
        shown["userdata"]["birthday"] = {"value": given.get("birthday", "1985-04-12"), "status": "NEW"}
        until = date(self.clock.now().year + 5, 6, 30).isoformat()
        shown["identificationdocument"] = {
            "type": {"value": one.document, "status": "NEW"},
            "country": {"value": one.country, "status": "NEW"},
            "validuntil": {"value": until, "status": "NEW"},
            "number": {"value": "D2H6862M2", "status": "NEW"},
            "issuedby": {"value": "PREFECTURE", "status": "NEW"},
        }
        shown["attachments"] = {"pdf": f"{one.transaction}.pdf", "xml": f"{one.transaction}.xml"}
        return shown


def _is_done(result: str) -> bool:
    return result.startswith("SUCCESS") or result == "FRAUD_SUSPICION_CONFIRMED"


_NAMES: Final = ("firstname", "lastname", "birthname", "birthday")


def _leaf(given: str, other: str) -> dict[str, str]:
    """Give a leaf as IDnow writes it: in capitals, with what was given where the document shows something else."""
    if other and other != given.upper():
        return {"value": other, "status": "CHANGE", "original": given}
    return {"value": given.upper(), "status": "MATCH"}


def _case(given: Mapping[str, str]) -> Case:
    for name in ("firstname", "lastname", "custom1", "custom2", "custom3", "custom4", "custom5"):
        found = _CASE.search(given.get(name, ""))
        if found and found[1] in CASES:
            return CASES[found[1]]
    return CASES["HAPPYPATH"]


def _unknown() -> Failed:
    return Failed(HTTPStatus.NOT_FOUND, "no identification found", word="OBJECT_NOT_FOUND")
