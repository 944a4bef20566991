"""Each failure of a configuration, tried once against the sandbox: the sentence that the doctor says of it.

A row changes the settings that work (`qcp_sdk.providers`), spoils the sandbox, or lets time pass; then one check, and
only what is written in the row, has to say what is wrong and how it is mended.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, Final

import pytest
from attrs import evolve, field, frozen

from qcp_sdk.adapters.memory.clock import ManualClock
from qcp_sdk.adapters.system import SystemClock
from qcp_sdk.cli.doctor import Finding, State, examine
from qcp_sdk.local import LocalQcp, Parts, open_local
from qcp_sdk.providers import adapters
from qcp_sdk.providers.sections import SECTIONS
from qcp_sdk.sandbox.faults import Fault, FaultKind
from qcp_sdk.sandbox.server import Sandbox, Served
from qcp_sdk.sandbox.settings import Settings, settings

NOTHING: Final = "http://127.0.0.1:1"
"""Where nobody listens."""
CREDENTIALS: Final = "check the credentials"
REACHED: Final = "cannot be reached"


@frozen(kw_only=True)
class Row:
    """One failure. `using` is what of the sandbox is configured; `change` goes into its sections."""

    using: tuple[str, ...] = ()
    change: dict[str, dict[str, Any]] = field(factory=dict)
    fault: FaultKind | None = None
    after: timedelta = timedelta()
    script: Callable[[Sandbox], object] = lambda _: None
    check: str
    state: State = State.FAULT
    what: str
    mend: str


def of(section: str, **members: Any) -> dict[str, dict[str, Any]]:
    return {section: members}


TABLE: Final[dict[str, Row]] = {
    "IDnow does not know us": Row(
        using=("idnow",), change=of("idnow", api_key="wrong"), check="identities[default]", what="401",
        mend=CREDENTIALS,
    ),
    "IDnow is down": Row(
        using=("idnow",), fault=FaultKind.DOWN, check="identities[default]", what="503", mend="ask again later",
    ),
    "IDnow is nowhere": Row(
        using=("idnow",), change=of("idnow", url=NOTHING), check="identities[default]", what=REACHED,
        mend="check the address",
    ),
    "IDnow's answer is cut": Row(
        using=("idnow",), fault=FaultKind.GARBLED, check="identities[default]", what="no JSON", mend="ask again later",
    ),
    "Stripe does not know us": Row(
        using=("stripe",), change=of("stripe", api_key="wrong"), check="identities[default]", what="401",
        mend=CREDENTIALS,
    ),
    "Universign does not know us": Row(
        using=("universign",), change=of("universign", api_key="wrong"), check="registrations[default]", what="401",
        mend=CREDENTIALS,
    ),
    "Twilio does not know us": Row(
        using=("twilio",), change=of("sms", token="wrong"), check="codes[default].TwilioGateway", what="401",
        mend=CREDENTIALS,
    ),
    "Brevo does not know us": Row(
        using=("brevo",), change=of("sms", token="wrong"), check="codes[default].BrevoGateway", what="401",
        mend=CREDENTIALS,
    ),
    "a CSC service does not know us": Row(
        using=("csc",), change=of("csc", client_secret="wrong"), check="authorities[default]",
        what="invalid_client|401", mend="credentials|client",
        script=lambda sandbox: sandbox.providers["csc"].script({"rules": {"login": True}}),
    ),
    "a CSC service that signs is nowhere": Row(
        using=("csc",), change=of("csc", url=NOTHING), check="signers[default]", what=REACHED,
        mend="check the address",
    ),
    "CMP: another secret": Row(
        using=("cmp",), change=of("cmp", secret="wrong"), check="authorities[default]",
        what="protection does not hold", mend="check reference and secret",
    ),
    "CMP: the list is nowhere": Row(
        using=("cmp",), change=of("cmp", lists=[NOTHING, NOTHING]), check="authorities[default]", what=REACHED,
        mend="check the address",
    ),
    "an authority's certificate has run out": Row(
        using=("cmp",), after=timedelta(days=366 * 16), check="authorities[default] certificate 0",
        what="valid until", mend="renew it",
    ),
    "an authority's certificate will run out": Row(
        using=("cmp",), after=timedelta(days=365 * 15 - 20), check="authorities[default] certificate 0",
        state=State.WARNING, what="valid until", mend="renew it",
    ),
    "the clock is wrong": Row(
        using=("idnow",), after=timedelta(minutes=2), check="identities[default] clock", what=r"\+1\d\d s from",
        mend="NTP",
    ),
    "an authority's own clock says so too": Row(
        using=("cmp",), after=timedelta(minutes=2), check="authorities[default] clock", what=r"\+1\d\d s from",
        mend="NTP",
    ),
    "the time-stamping authority is nowhere": Row(
        change=of("timestamps", url=NOTHING), check="envelopes[default].HttpTimestamps",
        what="answer|reach|came|connect", mend="check|ask again",
    ),
    "the mail server is nowhere": Row(
        change=of("smtp", host="127.0.0.1", port=1, security="none", sender="a@example.org"),
        check="codes[default]", what="mail|server|reach", mend=".",
    ),
    "an OpenID provider is nowhere": Row(
        change=of(
            "oidc", issuer=NOTHING, client_id="c", client_secret="s", redirect_url="https://host.example/back"
        ),
        check="accounts", what=REACHED, mend="check the address",
    ),
    "adapters are simulated": Row(check="adapters", state=State.WARNING, what="simulated: ", mend="production=True"),
}  # fmt: skip


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with Served(Sandbox()) as running:
        yield running


@frozen
class Installation:
    """One folder, opened once; a row puts other adapters into it, and another clock."""

    qcp: LocalQcp
    parts: Parts

    def with_adapters(self, told: Settings, clock: ManualClock) -> Any:
        """Give what the doctor looks at."""
        made = adapters(told, evolve(self.parts, clock=clock))
        roles = {ROLES.get(name, name): one for name, one in made.items() if name != "policy"}
        routed: dict[str, Any] = {role: one if role == "accounts" else {"default": one} for role, one in roles.items()}
        ports = evolve(self.qcp.ports, clock=clock, **routed)
        return SimpleNamespace(ports=ports, backlog=self.qcp.backlog, evidence=self.qcp.evidence)


ROLES: Final = {
    "identity": "identities", "registration": "registrations", "authority": "authorities", "signer": "signers",
    "envelope": "envelopes",
}  # fmt: skip


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    found: list[Parts] = []

    def replace(parts: Parts) -> dict[str, object]:
        found.append(parts)
        return {}

    return Installation(open_local(tmp_path_factory.mktemp("doctor"), replace=replace), found[0])


def settings_of(row: Row, served: Served) -> Settings:
    told = settings(served.sandbox, served.url, row.using) if row.using else {}
    for section, members in row.change.items():
        told[section] = told.get(section, {}) | members
    if "timestamps" in told and "timestamps" not in row.change:
        del told["timestamps"]
    return told


def found(qcp: Any) -> dict[str, Finding]:
    return {one.check: one for one in examine(qcp)}


@pytest.mark.parametrize("name", list(TABLE))
def test_a_failure_is_said_in_a_sentence(name: str, served: Served, installation: Installation) -> None:
    row, clock = TABLE[name], ManualClock(SystemClock().now())
    served.sandbox.reset()
    row.script(served.sandbox)
    told = settings_of(row, served)
    qcp = installation.with_adapters(told, clock)
    clock.advance(row.after)
    if row.fault is not None:
        served.sandbox.faults.add(Fault(kind=row.fault), times=None)
    finding = found(qcp)[row.check]
    served.sandbox.faults.clear()
    assert finding.state is row.state
    assert re.search(row.what, finding.what), finding.what
    assert re.search(row.mend, finding.mend), finding.mend
    secrets = [str(one) for members in told.values() for key, one in members.items() if key in ("api_key", "token")]
    assert not any(secret in finding.what + finding.mend for secret in secrets)


@pytest.mark.parametrize("using", [("idnow", "universign", "csc", "sms"), ("stripe", "cmp", "twilio")])
def test_what_works_is_fine(using: tuple[str, ...], served: Served, installation: Installation) -> None:
    served.sandbox.reset()
    clock = ManualClock(SystemClock().now())
    qcp = installation.with_adapters(settings(served.sandbox, served.url, using), clock)
    told = found(qcp)
    assert {one.check for one in told.values() if one.state is State.FAULT} == set()
    probed = {"identities[default]", "authorities[default]", "signers[default]"} - (
        {"signers[default]"} if "cmp" in using else set()
    )
    assert {told[check].state for check in probed} == {State.FINE}


def test_every_section_that_can_be_asked_has_a_row() -> None:
    asked = {section for row in TABLE.values() for section in (*row.using, *row.change)}
    names = {"twilio": "sms", "brevo": "sms"}
    assert SECTIONS.keys() - {names.get(one, one) for one in asked} == {"events"}, "it has nothing harmless to ask"
