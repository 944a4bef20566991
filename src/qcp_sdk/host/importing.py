"""Certificates that people held before the SDK came, from a CSV file: each is adopted, once (feature A1).

The file names certificates; what they are is asked of their authority. Columns: `account`, `fingerprint` (SHA-256 of
the certificate's DER, 64 hexadecimal digits), and `route` (of the authority; `lcp` where it is left out) and `tenant`
where there are several.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from typing import Final

from attrs import frozen

from qcp_sdk.errors import FactRefused, InvalidInput, NotFound, Rejected
from qcp_sdk.host.subscriptions import LCP, Subscriptions
from qcp_sdk.values import AccountId, Fingerprint, SubscriptionId, TenantId

REQUIRED: Final = ("account", "fingerprint")
OPTIONAL: Final = ("route", "tenant")
_FINGERPRINT: Final = re.compile(r"[0-9a-f]{64}")


@frozen(kw_only=True)
class Row:
    """One certificate to be adopted, and the line that names it."""

    line: int
    account: AccountId
    fingerprint: Fingerprint
    route: str
    tenant: TenantId


@frozen(kw_only=True)
class Imported:
    """What became of one line: the subscription that cares for the certificate now, or why there is none."""

    line: int
    subscription: SubscriptionId | None
    refused: str = ""


def read(text: str) -> tuple[Row, ...]:
    """Read the whole file, before anything is done.

    Raises:
        InvalidInput: Something in it is wrong; `where` gives the line. Nothing was imported.
    """
    table = csv.reader(text.removeprefix("\ufeff").splitlines(), strict=True)
    try:
        header, *lines = ((table.line_num, [cell.strip() for cell in cells]) for cells in table)
    except ValueError:
        header, lines = (1, []), []
    except csv.Error as error:
        raise InvalidInput("it is not CSV", where=f"line {table.line_num}", mend="separate cells by commas") from error
    names = header[1]
    missing = [name for name in REQUIRED if name not in names]
    unknown = [name for name in names if name not in (*REQUIRED, *OPTIONAL)]
    if missing or unknown or len(set(names)) < len(names):
        raise InvalidInput(
            "its first line does not name the columns",
            where="line 1",
            mend=f"write {', '.join(REQUIRED)}, and {' and '.join(OPTIONAL)} where they are needed, each once",
        )
    rows: list[Row] = []
    seen: dict[tuple[str, str, str], int] = {}
    for number, cells in lines:
        if not any(cells):
            continue
        row = _row(number, names, cells)
        twice = seen.setdefault((row.tenant, row.account, row.fingerprint), number)
        if twice != number:
            raise InvalidInput(f"line {twice} names the same certificate", where=f"line {number}", mend="remove one")
        rows.append(row)
    return tuple(rows)


def _row(number: int, names: list[str], cells: list[str]) -> Row:
    where = f"line {number}"
    if len(cells) != len(names):
        raise InvalidInput(f"it has {len(cells)} cells, not {len(names)}", where=where, mend="give one for each column")
    named = dict(zip(names, cells, strict=True))
    digits = named["fingerprint"].replace(":", "").lower()
    if not named["account"]:
        raise InvalidInput("`account` is empty", where=where, mend="give the account's id")
    if not _FINGERPRINT.fullmatch(digits):
        raise InvalidInput(
            "`fingerprint` is no SHA-256 fingerprint",
            where=where,
            mend="write its 64 hexadecimal digits",
        )
    return Row(
        line=number,
        account=AccountId(named["account"]),
        fingerprint=Fingerprint(digits),
        route=named.get("route") or LCP,
        tenant=TenantId(named.get("tenant", "")),
    )


def adopt(subscriptions: Subscriptions, rows: tuple[Row, ...]) -> Iterator[Imported]:
    """Adopt each certificate. Repeatable: what was adopted before is given again, and nothing is done twice.

    Raises:
        ConfigurationError: No authority is configured for a route; what came before is done.
        Unavailable: The accounts or the authority do not answer; run it again.
    """
    for row in rows:
        try:
            view = subscriptions.adopt(
                account=row.account, fingerprint=row.fingerprint, route=row.route, tenant=row.tenant
            )
        except NotFound:
            yield Imported(line=row.line, subscription=None, refused="not_held")
        except (FactRefused, Rejected) as refused:
            yield Imported(line=row.line, subscription=None, refused=refused.reason)
        else:
            yield Imported(line=row.line, subscription=view.id)
