"""The two texts that are agreed to (B3): their exact words, their version, and the hash that is recorded.

A text is `consents/<language>/<name>.txt`: paragraphs between empty lines. A host's own folder is looked into first.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from attrs import frozen

from qcp_sdk.adapters.shared.texts import TEMPLATES
from qcp_sdk.errors import ConfigurationError
from qcp_sdk.people import LANGUAGES
from qcp_sdk.subscription.state import CONSENTS
from qcp_sdk.values import ContentHash

VERSION: Final = "2026-11"
"""The version of the texts that we bring."""


@frozen(kw_only=True)
class ConsentText:
    """One text as it is shown."""

    name: str
    version: str
    hash: ContentHash
    """Of the text's bytes in UTF-8."""
    title: str
    paragraphs: tuple[str, ...]


class ConsentTexts:
    """The texts of one installation.

    Raises:
        ConfigurationError: One is missing, empty, or not UTF-8.
    """

    def __init__(self, *, version: str = VERSION, directory: Path | None = None) -> None:
        self.version = version
        self._texts = {
            (language, name): self._read(directory, language, name) for language in LANGUAGES for name in CONSENTS
        }

    def of(self, language: str, name: str) -> ConsentText:
        """Give a text of `CONSENTS` in a language of `LANGUAGES`."""
        return self._texts[language, name]

    def _read(self, directory: Path | None, language: str, name: str) -> ConsentText:
        file = Path("consents", language, f"{name}.txt")
        own = directory / file if directory is not None else None
        path = own if own is not None and own.is_file() else TEMPLATES / file
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(
                "the text cannot be read", where=file.as_posix(), mend="write it in UTF-8"
            ) from error
        title, *paragraphs = [" ".join(part.split()) for part in text.split("\n\n") if part.strip()] or [""]
        if not paragraphs:
            raise ConfigurationError(
                "the text has no paragraph", where=file.as_posix(), mend="a title, an empty line, then the text"
            )
        digest = hashlib.sha256(text.encode()).hexdigest()
        return ConsentText(
            name=name,
            version=self.version,
            hash=ContentHash(f"sha256:{digest}"),
            title=title,
            paragraphs=tuple(paragraphs),
        )
