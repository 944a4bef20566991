"""Settings: each that is wrong is refused at once, in one sentence that names it and quotes no secret."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from qcp_sdk.errors import ConfigurationError
from qcp_sdk.installation import find
from qcp_sdk.local import Parts, open_local
from qcp_sdk.providers import adapters, open_from, read
from qcp_sdk.sandbox.server import Sandbox
from qcp_sdk.sandbox.settings import settings, toml
from qcp_sdk.sandbox.wsgi import Failed

IDNOW: dict[str, Any] = {"company": "c", "api_key": "the-secret"}


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Parts]:
    folder, found = tmp_path_factory.mktemp("settings"), list[Parts]()

    def replace(parts: Parts) -> dict[str, object]:
        found.append(parts)
        return {}

    open_local(folder / "data", replace=replace)
    return folder, found[0]


@pytest.fixture
def folder(local: tuple[Path, Parts]) -> Path:
    return local[0]


Make = Callable[[dict[str, Any]], Mapping[str, object]]


@pytest.fixture
def made(local: tuple[Path, Parts]) -> Make:
    return lambda told: adapters(told, local[1], beside=local[0])


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        ({"idknow": IDNOW}, "idknow: there is no such section; use smtp, sms"),
        ({"idnow": 7}, r"idnow: it is no table; write it as \[idnow\]"),
        ({"idnow": {"api_key": "the-secret"}}, "idnow.company: it is missing; add it"),
        ({"idnow": IDNOW | {"company": 7}}, "idnow.company: it is no text"),
        ({"idnow": IDNOW | {"apikey": "x"}}, "idnow.apikey: it means nothing here; use api_key"),
        ({"idnow": IDNOW | {"product": "movie"}}, "idnow.product: `movie` is none of its values; use video, auto"),
        ({"idnow": IDNOW | {"url": "http://gateway.example.org"}}, "idnow.url: it is not encrypted"),
        ({"idnow": IDNOW | {"url": "gateway"}}, "idnow.url: it is no web address"),
        ({"idnow": IDNOW | {"api_key": "env:QCP_NO_SUCH"}}, "idnow.api_key: the environment has no `QCP_NO_SUCH`"),
        ({"idnow": IDNOW | {"api_key": "file:nowhere"}}, "idnow.api_key: its file cannot be read"),
        ({"idnow": IDNOW, "stripe": {"api_key": "k"}}, "stripe: another section is the identity already"),
        ({"smtp": {"host": "h", "sender": "a@example.org", "port": True}}, "smtp.port: it is no whole number"),
        ({"sms": {"gateway": "pigeon"}}, "sms.gateway: there is none of this name; use json, twilio, brevo"),
        ({"cmp": {"chain": "nowhere.pem"}}, "cmp.chain: they are no certificates"),
        ({"csc": {"url": "https://a.test", "client_id": "c"}}, "csc.client_secret: it is missing"),
        ({"timestamps": {"url": "tsa"}}, "url: `tsa` is no web address"),
        ({"events": {"url": "https://a.test", "secret": "no"}}, "secret"),
    ],
)
def test_what_is_wrong_is_named(made: Make, told: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        made(told)
    assert re.search(sentence, str(refused.value)), str(refused.value)
    assert "the-secret" not in str(refused.value)


def test_lists_are_as_many_as_certificates(made: Make) -> None:
    told = settings(Sandbox(only=["cmp"]), "https://s.test", ["cmp"])
    told["cmp"]["lists"] = ["https://a.test/crl"]
    with pytest.raises(ConfigurationError, match=r"cmp\.lists: there is not one for each certificate"):
        made(told)


def test_a_secret_is_where_the_settings_say(made: Make, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QCP_TEST_KEY", "from the environment")
    (folder / "key").write_text("from a file\n")
    for where, secret in (("env:QCP_TEST_KEY", "from the environment"), ("file:key", "from a file")):
        identity = made({"idnow": IDNOW | {"api_key": where}})["identity"]
        assert identity._api_key.reveal() == secret  # type: ignore[attr-defined]


def test_what_no_section_names_stays_local(made: Make) -> None:
    assert made({}) == {}
    assert made({"idnow": IDNOW}).keys() == {"identity"}
    assert made({"timestamps": {"url": "https://tsa.test"}}).keys() == {"envelope"}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[idnow", "it is no TOML"),
        ("\x00", "it is no TOML"),
        ("folder = 7", "folder: it is no text"),
        ("[smtp]\n", "smtp.host: it is missing"),
    ],
)
def test_a_file_that_is_wrong_is_named(folder: Path, text: str, sentence: str) -> None:
    (folder / "wrong.toml").write_text(text)
    with pytest.raises(ConfigurationError, match=sentence):
        open_from(folder / "wrong.toml")
    with pytest.raises(ConfigurationError, match="it cannot be read"):
        read(folder / "nowhere.toml")


def test_commands_take_a_file_of_settings(folder: Path) -> None:
    (folder / "host.toml").write_text('folder = "data"\n[idnow]\ncompany = "c"\napi_key = "k"\n')
    qcp = find(str(folder / "host.toml"))
    assert type(qcp.ports.identities["default"]).__name__ == "IdnowIdentity"


def test_the_sandbox_writes_settings_that_are_read_back() -> None:
    import tomllib

    sandbox = Sandbox()
    for chosen in (["idnow", "universign", "csc", "sms"], ["stripe", "cmp", "twilio"], ["brevo", "oidc"]):
        told = settings(sandbox, "https://s.test", chosen)
        assert tomllib.loads(toml(told)) == told
    with pytest.raises(Failed, match="`pigeon` is not played here"):
        settings(sandbox, "https://s.test", ["pigeon"])


def test_certificates_come_from_claims_where_their_issuer_is_named(made: Make) -> None:
    told = settings(Sandbox(only=["oidc"]), "http://127.0.0.1:1", ["oidc"])

    assert "lcp" not in made(told)
    told["oidc"]["lcp"] = "Universign"
    assert type(made(told)["lcp"]).__name__ == "OidcCertificates"


@pytest.mark.parametrize("gateway", ["twilio", "brevo"])
def test_a_gateway_is_told_where_receipts_go(made: Make, gateway: str) -> None:
    told = settings(Sandbox(only=["sms"]), "http://127.0.0.1:1", [gateway])
    told["sms"]["receipts"] = "https://host.example/receipts"
    codes = made(told)["codes"]
    assert codes._gateway._receipts == "https://host.example/receipts"  # type: ignore[attr-defined]
