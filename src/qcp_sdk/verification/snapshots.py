"""Snapshots of trusted lists: immutable, named by what they hold, verified again each time they are read.

::

    trust/
      lotl/*.pem             who may sign the list of lists, pinned by you (`first-use.pem`: taken from the list itself)
      current                the name of the snapshot that counts
      snapshots/<name>/      lotl.xml, pivots/*.xml (oldest first), lists/<territory>.xml; the name is their SHA-256
      revocation/*.crl       optional, as beside lists of your own
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from attrs import field, frozen

from qcp_sdk.errors import TrustListError
from qcp_sdk.verification import lists, lotl
from qcp_sdk.verification.lotl import ListOfLists
from qcp_sdk.verification.pinned import certificates, content, files
from qcp_sdk.verification.services import TrustedList

FIRST_USE: Final = "first-use.pem"
"""The file of pins that were taken from the list itself: nobody compared them with the Official Journal."""


def name_of(hashes: Iterable[str]) -> str:
    """Name a snapshot: SHA-256 over the SHA-256 names of its files. The same name, the same lists."""
    return hashlib.sha256("\n".join(sorted(hashes)).encode()).hexdigest()


@frozen(kw_only=True)
class Pins:
    """Who may sign the list of lists."""

    certificates: tuple[bytes, ...] = field(repr=False)
    on_first_use: frozenset[bytes] = field(default=frozenset(), repr=False)
    """Those among them that were taken from the list itself."""

    @classmethod
    def load(cls, directory: Path) -> Pins:
        """Read the pins of a trust directory.

        Raises:
            TrustListError: There is none, or one cannot be read.
        """
        found: dict[bytes, None] = {}
        unchecked: set[bytes] = set()
        for path in files(directory / "lotl", "pem"):
            ders = certificates(path)
            found |= dict.fromkeys(ders)
            if path.name == FIRST_USE:
                unchecked.update(ders)
            else:
                unchecked.difference_update(ders)
        if not found:
            raise TrustListError(
                "nobody is pinned who may sign the list of lists",
                where=str(directory / "lotl"),
                mend="put the certificates of the Official Journal there as `*.pem`",
            )
        return cls(certificates=tuple(found), on_first_use=frozenset(unchecked))


@frozen(kw_only=True)
class Snapshot:
    """A list of lists with the lists that it points to, all verified from the pins."""

    name: str
    list_of_lists: ListOfLists
    on_first_use: bool
    """Whether the way to it begins with a pin that was taken from the list itself."""
    lists: tuple[TrustedList, ...]


def verified(root: bytes, pivots: Sequence[bytes], national: Mapping[str, bytes], pins: Pins) -> Snapshot:
    """Verify a list of lists and lists, by territory, all the way from the pins. Nothing is written.

    Raises:
        TrustListError: Something does not hold: a signature, a territory, a type.
    """
    above = lotl.anchored(root, pivots=pivots, pinned=pins.certificates, where="lotl.xml")
    found = tuple(listed(above, territory, one) for territory, one in sorted(national.items()))
    hashes = [hashlib.sha256(one).hexdigest() for one in (root, *pivots, *national.values())]
    checked = tuple(der for der in pins.certificates if der not in pins.on_first_use)
    return Snapshot(
        name=name_of(hashes),
        list_of_lists=above,
        on_first_use=not _reaches(root, pivots, checked),
        lists=found,
    )


def listed(above: ListOfLists, territory: str, one: bytes) -> TrustedList:
    """Verify one territory's list by what the list of lists says of it.

    Raises:
        TrustListError: It points to no such list; another territory or type; the signature.
    """
    where = f"{territory}.xml"
    pointer = above.pointer(territory)
    if pointer is None:
        raise TrustListError("the list of lists points to no list of this territory", where=where, mend="remove it")
    found = lists.read(one, pointer.operators, where)
    if (found.territory, found.type) != (territory, pointer.type):
        raise TrustListError(
            f"it is of territory `{found.territory[:8]}`, or of another type than the list of lists says",
            where=where,
            mend="fetch it from where the list of lists points to",
        )
    return found


def current(directory: Path) -> Path | None:
    """Give the folder of the snapshot that counts; None where the directory has none.

    Raises:
        TrustListError: `current` names none.
    """
    pointer = directory / "current"
    if not pointer.is_file():
        return None
    named = content(pointer, 1_000).decode("ascii", "replace").strip()
    folder = directory / "snapshots" / named
    if len(named) != 64 or not named.isalnum() or not folder.is_dir():
        raise TrustListError("it names no snapshot", where=str(pointer), mend="run `qcp-sdk trust update`")
    return folder


def load(directory: Path, folder: Path) -> Snapshot:
    """Read a snapshot and verify it again, from the pins of the directory.

    Raises:
        TrustListError: It was changed, or it does not verify by the present pins.
    """
    root, pivots, national = parts(folder)
    found = verified(root, pivots, national, Pins.load(directory))
    if found.name != folder.name:
        raise TrustListError("the snapshot was changed", where=folder.name, mend="run `qcp-sdk trust update`")
    return found


def parts(folder: Path) -> tuple[bytes, list[bytes], dict[str, bytes]]:
    """Give the bytes of a snapshot: list of lists, pivots (oldest first), lists by territory."""
    pivots = [content(path) for path in files(folder / "pivots", "xml")] if (folder / "pivots").is_dir() else []
    national = {path.stem: content(path) for path in files(folder / "lists", "xml")}
    return content(folder / "lotl.xml"), pivots, national


def keep(directory: Path, name: str, root: bytes, pivots: Sequence[bytes], national: Mapping[str, bytes]) -> None:
    """Write a snapshot, whole or not at all, and make it the one that counts."""
    folder = directory / "snapshots" / name
    if not folder.is_dir():
        fresh = folder.with_name(f".{name}.{os.getpid()}")
        shutil.rmtree(fresh, ignore_errors=True)
        (fresh / "lists").mkdir(parents=True)
        (fresh / "lotl.xml").write_bytes(root)
        if pivots:
            (fresh / "pivots").mkdir()
        for number, pivot in enumerate(pivots, start=1):
            (fresh / "pivots" / f"{number:03}.xml").write_bytes(pivot)
        for territory, one in national.items():
            (fresh / "lists" / f"{territory}.xml").write_bytes(one)
        fresh.rename(folder)
    beside = directory / f".current.{os.getpid()}"
    beside.write_text(name + "\n", "ascii")
    beside.replace(directory / "current")


def _reaches(root: bytes, pivots: Sequence[bytes], pinned: tuple[bytes, ...]) -> bool:
    try:
        lotl.anchored(root, pivots=pivots, pinned=pinned, where="lotl.xml")
    except TrustListError:
        return False
    return True
