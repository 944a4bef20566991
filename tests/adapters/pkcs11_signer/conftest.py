"""SoftHSM2, where it is installed: `QCP_SOFTHSM2` names its library, or it lies where distributions put it."""

from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from qcp_sdk.values import Secret

if TYPE_CHECKING:
    from qcp_sdk.adapters.pkcs11_signer import Pkcs11Token

PLACES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
)


@pytest.fixture(scope="session")
def module(judge: Callable[[str], str]) -> str:
    """Give the library's path, or skip by name."""
    judge("softhsm2-util")
    found = next((one for one in (os.environ.get("QCP_SOFTHSM2", ""), *PLACES) if one and Path(one).exists()), None)
    return found or pytest.skip("the library of SoftHSM2 is nowhere that we look: name it in QCP_SOFTHSM2")


@pytest.fixture(scope="session")
def softhsm(module: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the library with a folder of tokens of its own; one for the process, as it reads its settings once."""
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    configuration = folder / "softhsm2.conf"
    configuration.write_text(f"directories.tokendir = {folder}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n")
    before = os.environ.get("SOFTHSM2_CONF")
    os.environ["SOFTHSM2_CONF"] = str(configuration)
    yield module
    if before is None:
        del os.environ["SOFTHSM2_CONF"]
    else:
        os.environ["SOFTHSM2_CONF"] = before


@pytest.fixture(scope="session")
def token(softhsm: str) -> Pkcs11Token:
    """Make a token, and open it: a process logs in once."""
    label, pin = f"qcp-{secrets.token_hex(4)}", Secret("1234")
    command = ["softhsm2-util", "--module", softhsm, "--init-token", "--free", "--label", label]
    subprocess.run([*command, "--pin", pin.reveal(), "--so-pin", "5678"], check=True, capture_output=True)
    from qcp_sdk.adapters.pkcs11_signer import Pkcs11Token

    return Pkcs11Token(softhsm, label=label, pin=pin)
