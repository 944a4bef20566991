"""The signatories' step of a collecte (E1 to E3): who signs, in which order, at which level; a form without memory.

The form holds the whole draft, so that nothing is kept between two requests and every button works without a script.
Of oneself and of the cabinet's members it holds the account's id alone: names and addresses come from the host, never
from the browser. A level is offered as the policy says; one that is refused is shown with why, and what would help.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from attrs import evolve, field, frozen

from qcp_sdk.collectes import Collecte, Order, Role, Signatory
from qcp_sdk.errors import InvalidValue, LevelRefused
from qcp_sdk.levels import SignatureLevel
from qcp_sdk.people import Account
from qcp_sdk.policy.decision import Assessment, Decision, SignatoryDecision
from qcp_sdk.values import AccountId, EmailAddress, PersonName, PhoneNumber, SignatoryId
from qcp_sdk.web.journey import Journey
from qcp_sdk.web.requests import PageRequest
from qcp_sdk.web.views import PageResponse, View

MOST: Final = 20
"""Signatories of one collecte, in this form."""
TYPED: Final = ("given", "last", "email", "mobile")

Build = Callable[[tuple[Signatory, ...], Order], Collecte]
"""Makes the host's collecte of its signatories: documents, title and deadline are the host's."""


@frozen(kw_only=True)
class Row:
    """One signatory of a draft. `typed` is what was filled in for somebody without an account here."""

    key: str
    """`oneself`, `member-<account>` or `other-<number>`."""
    account: Account | None = None
    typed: dict[str, str] = field(factory=dict, repr=False)
    level: SignatureLevel | None = None
    wrong: tuple[str, ...] = ()
    """Fields that say nothing usable."""

    @property
    def name(self) -> str:
        """Whom the form shows."""
        return self.account.name.full if self.account else f"{self.typed['given']} {self.typed['last']}".strip()


@frozen(kw_only=True)
class Draft:
    """What the form holds, in signing order."""

    rows: tuple[Row, ...] = ()
    order: Order = Order.SEQUENTIAL


@frozen(kw_only=True)
class LevelChoice:
    """One level in a signatory's menu."""

    level: SignatureLevel
    offered: bool
    chosen: bool
    reasons: tuple[tuple[str, str], ...]
    """(why, what would help) for each thing that stands in the way."""


@frozen(kw_only=True)
class Told:
    """What the last button did, for whoever does not see the list: said on the page, and the focus goes there."""

    what: str
    """`moved`, `added` or `removed`."""
    key: str
    """Of which row."""
    name: str = field(repr=False)
    place: int = 0
    """Where it stands now, from 1."""


@frozen(kw_only=True)
class SignatoriesStep:
    """What came of a request: a page to show, or, once it was validated, the collecte and the decision to keep."""

    response: PageResponse
    collecte: Collecte | None = None
    decision: Decision | None = None


class Signatories:
    """The step, for one host. Thread-safe."""

    def __init__(self, journey: Journey) -> None:
        self._journey, self._collectes = journey, journey.site.qcp.collectes

    def answer(
        self, request: PageRequest, *, me: Account, members: Sequence[Account], action: str, build: Build
    ) -> SignatoriesStep:
        """Show the step, or take what was filled in. `action` is the host's own address that shows it. With "validate",
        the levels are enforced: the step then has a collecte and a decision, or says for every signatory what stands
        in the way.
        """
        known = {one.id: one for one in members}
        draft = _read(request, me, known) if request.method == "POST" else Draft()
        do, _, about = request.one("do").partition(":")
        before, draft = draft, _changed(draft, do, about, me, known, request)
        told = _told(do, about, before, draft)
        draft, decision = self._decided(draft, build)
        problem = ""
        if do == "validate":
            problem = _problem(draft)
            if not problem and decision is not None:
                collecte = build(_signatories(draft), draft.order)
                try:
                    decision = self._collectes.enforce(collecte)
                except LevelRefused as refused:
                    problem, decision = "level_refused", refused.decision
                else:
                    return SignatoriesStep(
                        response=PageResponse(status=200, headers={}, body=b""), collecte=collecte, decision=decision
                    )
        context = {
            "draft": draft,
            "choices": {row.key: _choices(row, decision, request.language) for row in draft.rows},
            "members": [one for one in members if all(row.account != one for row in draft.rows)],
            "me_in": any(row.key == "oneself" for row in draft.rows),
            "full": len(draft.rows) >= MOST,
            "action": action,
            "told": told,
            "problem": problem,
        }
        view = View(status=422 if problem else 200, template="signatories", context=context)
        return SignatoriesStep(response=self._journey.finish(view, request))

    def _decided(self, draft: Draft, build: Build) -> tuple[Draft, Decision | None]:
        """Ask the policy about those who are complete; who has no level yet gets the lowest that is offered."""
        complete = evolve(draft, rows=tuple(row for row in draft.rows if not _incomplete(row)))
        if not complete.rows:
            return draft, None
        decision = self._collectes.assess(build(_signatories(complete), draft.order))
        lowest = {one.signatory: min(one.levels_offered, default=one.level_required) for one in decision}
        rows = tuple(
            evolve(row, level=lowest[SignatoryId(row.key)])
            if row.level is None and SignatoryId(row.key) in lowest
            else row
            for row in draft.rows
        )
        return evolve(draft, rows=rows), decision


def _read(request: PageRequest, me: Account, members: dict[AccountId, Account]) -> Draft:
    rows: list[Row] = []
    for key in dict.fromkeys(request.all("row")):
        kind, _, id = key.partition("-")
        level = _level(request.one(f"level-{key}"))
        if key == "oneself":
            rows.append(Row(key=key, account=me, level=level))
        elif kind == "member" and AccountId(id) in members:
            rows.append(Row(key=key, account=members[AccountId(id)], level=level))
        elif kind == "other" and id.isdecimal() and len(id) < 10:
            typed = {name: request.one(f"{name}-{key}").strip()[:200] for name in TYPED}
            rows.append(Row(key=key, typed=typed, level=level, wrong=_wrong(typed)))
    order = Order.PARALLEL if request.one("order") == Order.PARALLEL else Order.SEQUENTIAL
    return Draft(rows=tuple(rows), order=order)


def _changed(
    draft: Draft, do: str, about: str, me: Account, members: dict[AccountId, Account], request: PageRequest
) -> Draft:
    rows = list(draft.rows)
    keys = [row.key for row in rows]
    if do == "me" and "oneself" not in keys:
        rows.append(Row(key="oneself", account=me))
    elif do == "member" and (one := members.get(AccountId(request.one("member")))) and f"member-{one.id}" not in keys:
        rows.append(Row(key=f"member-{one.id}", account=one))
    elif do == "other":
        number = 1 + max((int(key.partition("-")[2]) for key in keys if key.startswith("other-")), default=0)
        rows.append(Row(key=f"other-{number}", typed=dict.fromkeys(TYPED, "")))
    elif about in keys:
        place = keys.index(about)
        row = rows.pop(place)
        if do != "remove":
            rows.insert(max(0, place + {"up": -1, "down": 1}.get(do, 0)), row)
    return evolve(draft, rows=tuple(rows[:MOST]))


def _told(do: str, about: str, before: Draft, after: Draft) -> Told | None:
    """Say what a button did to the list; None: nothing."""
    keys = [row.key for row in after.rows]
    gone = [row for row in before.rows if row.key not in keys]
    come = [row for row in after.rows if row not in before.rows]
    if gone:
        return Told(what="removed", key=gone[0].key, name=gone[0].name)
    if come:
        return Told(what="added", key=come[0].key, name=come[0].name, place=len(keys))
    moved = next((row for row in after.rows if row.key == about), None)
    if do not in ("up", "down") or moved is None:
        return None
    return Told(what="moved", key=about, name=moved.name, place=1 + keys.index(about))


def _problem(draft: Draft) -> str:
    if not draft.rows:
        return "nobody"
    return "incomplete" if any(_incomplete(row) for row in draft.rows) else ""


def _incomplete(row: Row) -> bool:
    return row.account is None and bool(_wrong(row.typed))


def _wrong(typed: dict[str, str]) -> tuple[str, ...]:
    """Give the fields that are no name, address or number; a name is one in two fields."""
    wrong = [name for name in ("given", "last") if not typed[name]]
    for name, read in (("email", EmailAddress), ("mobile", PhoneNumber)):
        try:
            read(typed[name])
        except InvalidValue:
            wrong.append(name)
    if not wrong:
        try:
            PersonName(given=typed["given"], last=typed["last"])
        except InvalidValue:
            wrong = ["given", "last"]
    return tuple(wrong)


def _signatories(draft: Draft) -> tuple[Signatory, ...]:
    return tuple(_signatory(row) for row in draft.rows)


def _signatory(row: Row) -> Signatory:
    id, level = SignatoryId(row.key), row.level or SignatureLevel.NIVEAU_1
    if (one := row.account) is not None:
        return Signatory(
            id=id, name=one.name, email=one.email, mobile=one.mobile, level=level, account=one.id,
            language=one.language, role=Role.ONESELF if row.key == "oneself" else Role.MEMBER,
        )  # fmt: skip
    typed = row.typed
    return Signatory(
        id=id, name=PersonName(given=typed["given"], last=typed["last"]), email=EmailAddress(typed["email"]),
        mobile=PhoneNumber(typed["mobile"]), level=level, role=Role.THIRD_PARTY,
    )  # fmt: skip


def _level(text: str) -> SignatureLevel | None:
    return next((one for one in SignatureLevel if str(int(one)) == text), None)


def _choices(row: Row, decision: Decision | None, language: str) -> tuple[LevelChoice, ...]:
    found: SignatoryDecision | None = next((one for one in decision or () if one.signatory == row.key), None)
    if found is None:
        return ()
    return tuple(
        LevelChoice(
            level=one.level, offered=one.offered, chosen=one.level is row.level, reasons=_reasons(one, language)
        )
        for one in found.assessments
    )


def _reasons(one: Assessment, language: str) -> tuple[tuple[str, str], ...]:
    return tuple(dict.fromkeys((finding.message(language), finding.remedy(language)) for finding in one.reasons))
