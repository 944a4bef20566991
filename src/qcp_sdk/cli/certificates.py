"""`qcp-sdk certificates`: those that people held before, and those that nobody follows yet."""

from __future__ import annotations

import argparse

from qcp_sdk.cli.answers import NO, YES
from qcp_sdk.errors import InvalidInput


def bring_in(asked: argparse.Namespace) -> int:
    """Adopt the certificates that a file names; say of each line what became of it."""
    from qcp_sdk.host import importing
    from qcp_sdk.installation import find

    try:
        text = asked.file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput("it cannot be read", where=asked.file.name, mend="give a CSV file in UTF-8") from error
    rows = importing.read(text)
    answer = YES
    for one in importing.adopt(find(asked.installation).subscriptions, rows):
        print(f"{one.line}\t{one.subscription or '-'}\t{one.refused or 'adopted'}")
        if one.subscription is None:
            answer = NO
    return answer


def follow(asked: argparse.Namespace) -> int:
    """Have every certificate followed; say how many were not."""
    from qcp_sdk.installation import find

    found = find(asked.installation).operations.follow()
    print(f"begun={found.begun} before={found.before} never={found.never} unreadable={len(found.unreadable)}")
    for id in found.unreadable:
        print(f"{id}\tunreadable")
    return NO if found.unreadable else YES
