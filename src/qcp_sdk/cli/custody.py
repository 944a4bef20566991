"""`qcp-sdk erase`, `hold`, `release` and `keys`: what is kept, for how long, and under which keys."""

from __future__ import annotations

import argparse
import sys
from typing import Final

from qcp_sdk.cli.answers import NO, YES


def erase(asked: argparse.Namespace) -> int:
    """Destroy the data key of a stream, or say what stands against it."""
    from qcp_sdk.errors import ErasureRefused
    from qcp_sdk.host.custody import OBSTACLES
    from qcp_sdk.installation import find

    try:
        find(asked.installation).operations.erase(
            asked.id, by=asked.by, reason=asked.reason, despite=asked.despite, approved_by=asked.approved_by
        )
    except ErasureRefused as refused:
        for name in refused.obstacles:
            print(f"{name}\t{OBSTACLES[name][asked.language == 'en']}", file=sys.stderr)
        if refused.until is not None:
            print(f"until\t{refused.until.isoformat()}", file=sys.stderr)
        return NO
    return YES


def hold(asked: argparse.Namespace) -> int:
    """Put a legal hold on a stream."""
    from qcp_sdk.installation import find

    find(asked.installation).operations.hold(asked.id, by=asked.by, reason=asked.reason)
    return YES


def release(asked: argparse.Namespace) -> int:
    """Take a legal hold from a stream."""
    from qcp_sdk.installation import find

    find(asked.installation).operations.release(asked.id, by=asked.by, reason=asked.reason)
    return YES


def keys_show(asked: argparse.Namespace) -> int:
    """Say how many data keys each key wraps."""
    from qcp_sdk.installation import find

    qcp = find(asked.installation)
    current, under = qcp.ports.keys.current, qcp.operations.data_keys()
    for name in sorted({current, *under}):
        print(f"{name or '?'}\t{under.get(name, 0)}\t{'current' if name == current else ''}")
    return YES


def keys_rotate(asked: argparse.Namespace) -> int:
    """Re-wrap every data key under the current key."""
    from qcp_sdk.installation import find

    done = find(asked.installation).operations.rewrap(by=asked.by, reason=asked.reason)
    print(f"rewrapped\t{done.rewrapped}")
    for name, count in sorted(done.under.items()):
        print(f"{name or '?'}\t{count}\t{'current' if name == done.current else 'left'}")
    for stream in done.unreadable:
        print(f"qcp-sdk: no key that is held opens `{stream}`", file=sys.stderr)
    return YES if done.under.keys() <= {done.current} else NO


def keys_new(asked: argparse.Namespace) -> int:
    """Add a key to a ring, or begin one."""
    from qcp_sdk.adapters.keyring import KeyRing

    there = asked.ring.exists()
    ring = KeyRing.from_file(asked.ring, create=True)
    if there:
        ring = ring.added()
        ring.save(asked.ring)
    print(ring.ids[-1])
    return YES


def keys_use(asked: argparse.Namespace) -> int:
    """Make a key the current one."""
    from qcp_sdk.adapters.keyring import KeyRing

    KeyRing.from_file(asked.ring).using(asked.key).save(asked.ring)
    return YES


def keys_drop(asked: argparse.Namespace) -> int:
    """Take a key that wraps nothing any more from a ring."""
    from qcp_sdk.adapters.keyring import KeyRing
    from qcp_sdk.installation import find

    ring = KeyRing.from_file(asked.ring).without(asked.key)
    under = find(asked.installation).operations.data_keys()
    left = under.get(asked.key, 0) + under.get("", 0)  # nobody said of these; they may be under it
    if left:
        print(f"qcp-sdk: {left} data keys may still need `{asked.key}`: run `qcp-sdk keys rotate`", file=sys.stderr)
        return NO
    ring.save(asked.ring)
    return YES


KEY_RING: Final = {"new": keys_new, "use": keys_use, "drop": keys_drop}
