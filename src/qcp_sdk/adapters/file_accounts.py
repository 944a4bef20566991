"""Accounts in one JSON file: for demonstrations and small installations; a platform has its own source."""

from __future__ import annotations

import json
import os
import tempfile
import threading
from pathlib import Path
from typing import ClassVar, Final

from qcp_sdk.errors import ConfigurationError, InvalidInput, Rejected, Unavailable
from qcp_sdk.people import Account, Cabinet
from qcp_sdk.values import AccountId, CabinetId, EmailAddress, PersonName, PhoneNumber

_FIELDS: Final = ("given", "last", "email", "mobile")


class FileAccounts:
    """Says who an account is, from a JSON object of id → `{given, last, email, mobile, language, cabinets}`.

    The file is read at each call, so an edit counts at once; `put` writes it whole.

    Raises:
        ConfigurationError: The file is there and cannot be understood.
    """

    simulated: ClassVar[bool] = True

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, threading.Lock()
        self._read()

    def account(self, *, id: AccountId) -> Account:
        """Give the account with its cabinets.

        Raises:
            Rejected: `unknown_account`.
            Unavailable: The file cannot be read.
        """
        found = self._read().get(id)
        if found is None:
            raise Rejected(f"`{id}` is not an account", reason="unknown_account", mend="check the id")
        return found

    def put(self, account: Account) -> None:
        """Add an account, or replace it."""
        with self._lock:
            accounts = {**self._read(), account.id: account}
            data = {one.id: _as_data(one) for one in accounts.values()}
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile("w", dir=self._path.parent, delete=False, encoding="utf-8") as file:
                json.dump(data, file, ensure_ascii=False, indent=2)
            Path(file.name).replace(self._path)

    def _read(self) -> dict[AccountId, Account]:
        if not self._path.exists():
            return {}
        try:
            data = json.loads(self._path.read_text("utf-8"))
            return {AccountId(id): _account(AccountId(id), one) for id, one in data.items()}
        except OSError as error:
            raise Unavailable("the accounts cannot be read", where=os.fspath(self._path.name)) from error
        except (InvalidInput, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigurationError(
                "the accounts cannot be understood",
                where=os.fspath(self._path.name),
                mend=f"write an object of id → {{{', '.join(_FIELDS)}, language, cabinets}}",
            ) from error


def _account(id: AccountId, data: dict[str, object]) -> Account:
    cabinets = data.get("cabinets", {})
    if not isinstance(cabinets, dict):
        raise TypeError("cabinets")
    return Account(
        id=id,
        name=PersonName(given=str(data["given"]), last=str(data["last"]), birth_name=str(data.get("birth_name", ""))),
        email=EmailAddress(str(data["email"])),
        mobile=PhoneNumber(str(data["mobile"])),
        language=str(data.get("language", "fr")),
        cabinets=tuple(Cabinet(id=CabinetId(key), name=str(name)) for key, name in cabinets.items()),
    )


def _as_data(account: Account) -> dict[str, object]:
    return {
        "given": account.name.given,
        "last": account.name.last,
        "birth_name": account.name.birth_name,
        "email": account.email.text,
        "mobile": account.mobile.text,
        "language": account.language,
        "cabinets": {cabinet.id: cabinet.name for cabinet in account.cabinets},
    }
