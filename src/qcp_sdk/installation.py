"""Finding the installation that a command is about: a folder of `Qcp.local`, or the `Qcp` of a host's own code."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from qcp_sdk.errors import ConfigurationError

if TYPE_CHECKING:
    from qcp_sdk.sdk import Qcp


def find(named: str) -> Qcp:
    """Give the installation that `named` says.

    `module:name` is a `Qcp` of yours, or a function without arguments that gives one, looked for from the working
    directory on; a file that ends in `.toml` is one of settings (`qcp_sdk.providers`), whose folder was made before;
    anything else is a folder that `Qcp.local` made before.

    Raises:
        ConfigurationError: There is none.
    """
    module, colon, name = named.rpartition(":")
    if colon and _is_dotted(module) and name.isidentifier():
        return _of_the_host(module, name)
    from qcp_sdk.local import open_local

    folder = Path(named)
    if folder.suffix == ".toml":
        from qcp_sdk.providers import open_from

        return open_from(folder)
    if not (folder / "keys.json").is_file():
        raise ConfigurationError(
            "it is no installation", where=folder.name or named, mend="name a folder of `Qcp.local`, or `module:name`"
        )
    return open_local(folder)


def _of_the_host(module: str, name: str) -> Qcp:
    from qcp_sdk.sdk import Qcp

    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(
            f"it cannot be imported ({type(error).__name__})", where=f"{module}:{name}", mend="check module and name"
        ) from error
    try:
        qcp = found() if callable(found) else found
    except ConfigurationError:
        raise
    except Exception as error:
        raise ConfigurationError(
            f"it could not be called ({type(error).__name__})", where=f"{module}:{name}", mend="look at its cause"
        ) from error
    if not isinstance(qcp, Qcp):
        raise ConfigurationError("it is no `Qcp`", where=f"{module}:{name}", mend="name a `Qcp`, or what gives one")
    return qcp


def _is_dotted(module: str) -> bool:
    return all(part.isidentifier() for part in module.split("."))
