"""Answers remembered by key in a folder, so that a key asked again answers the same, across restarts.

The first answer wins: whoever comes second, even in another process, is given the first one's.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from qcp_sdk.errors import Unavailable
from qcp_sdk.values import Key


class KeptAnswers:
    """One small file a key, named by the key's hash. `directory` is made when the first answer is kept."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def get(self, *, key: Key) -> str | None:
        """Give the answer that was kept under this key, or None.

        Raises:
            Unavailable: The folder cannot be read.
        """
        try:
            return self._path(key).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Unavailable("the folder of kept answers cannot be read", mend="check its permissions") from error

    def put(self, *, key: Key, answer: str) -> str:
        """Keep this answer, unless the key has one; give the answer that the key has from now on.

        Raises:
            Unavailable: The folder cannot be written.
        """
        path = self._path(key)
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(dir=self._directory, prefix=".new-")
            try:
                with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                    file.write(answer)
                    file.flush()
                    os.fsync(file.fileno())
                # A link fails when the name exists, where a rename would replace: that makes the first one win.
                os.link(name, path)
            except FileExistsError:
                return path.read_text(encoding="utf-8")
            finally:
                Path(name).unlink(missing_ok=True)
        except OSError as error:
            raise Unavailable(
                "the folder of kept answers cannot be written", mend="check its permissions and the free space"
            ) from error
        return answer

    def _path(self, key: Key) -> Path:
        return self._directory / hashlib.sha256(key.encode()).hexdigest()
