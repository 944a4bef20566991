"""Settings into adapters, and into an installation."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from qcp_sdk.errors import ConfigurationError
from qcp_sdk.local import LocalQcp, Parts, open_local

if TYPE_CHECKING:
    from qcp_sdk.providers.sections import Made

FOLDER: Final = "folder"
"""The one key beside the sections: where an installation lies, from where its settings are."""


def read(path: Path) -> Mapping[str, Any]:
    """Read a file of settings (TOML).

    Raises:
        ConfigurationError: It cannot be read, or is no TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError("it cannot be read", where=path.name, mend="check its path") from error
    except (ValueError, RecursionError) as error:  # tomllib's own error is a ValueError; it gives the line
        told = str(error) if isinstance(error, tomllib.TOMLDecodeError) else type(error).__name__
        raise ConfigurationError(f"it is no TOML ({told})", where=path.name, mend="mend that line") from error


def adapters(settings: Mapping[str, Any], parts: Parts, *, beside: Path | None = None) -> Mapping[str, object]:
    """Make the adapters that the settings name, by their name in `Qcp`; what they do not name stays as it is.

    `beside` is the folder in which relative paths of the settings begin; by default the installation's.

    Raises:
        ConfigurationError: A section or key is unknown, missing or wrong; it says which.
    """
    from qcp_sdk.providers.section import Section
    from qcp_sdk.providers.sections import SECTIONS, Made

    named = {name: told for name, told in settings.items() if name != FOLDER}
    unknown = sorted(named.keys() - SECTIONS.keys())
    if unknown:
        raise ConfigurationError("there is no such section", where=unknown[0], mend=f"use {', '.join(SECTIONS)}")
    made = Made(parts)
    for name, make in SECTIONS.items():
        if name in named:
            section = Section(name, named[name], beside or parts.path)
            make(section, made)
            section.done()
    return {**made.adapters, **_common(made)}


def _common(made: Made) -> dict[str, object]:
    """Give what several sections have a part in."""
    from qcp_sdk.policy.load import default_policy

    found: dict[str, object] = {}
    if made.codes is not None:
        found["codes"] = made.codes
    if made.notices is not None:
        found["notices"] = made.notices
    if made.issuers:
        found["policy"] = default_policy().trusting(*made.parts.issuers, *made.issuers)
    if made.timestamps is not None or made.revocation:
        from qcp_sdk.adapters.fixed_lists import FirstOf

        found["envelope"] = made.parts.envelope(
            made.timestamps or made.parts.timestamps, FirstOf((*made.revocation, made.parts.revocation))
        )
    return found


def open_from(path: Path, **options: Any) -> LocalQcp:
    """Open the installation that a file of settings describes: its `folder` (made first, if there is none), with the
    adapters of its sections in the place of the folder's own. `options` are those of `Qcp.local`.

    Raises:
        ConfigurationError: The settings or the folder cannot be used.
    """
    settings = read(path)
    folder = settings.get(FOLDER, path.stem)
    if not isinstance(folder, str):
        raise ConfigurationError("it is no text", where=FOLDER, mend="put it in quotes")
    made = partial(adapters, settings, beside=path.parent)
    return open_local(path.parent / folder, replace=made, **options)
