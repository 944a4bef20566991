"""What a host may listen to. Sent after the commit, with `send_robust`: a receiver that fails changes nothing, and one
that must not miss anything reads the journal.
"""

from __future__ import annotations

from django.dispatch import Signal

committed = Signal()
"""Something moved: `id`, `kind` (`subscription`, `ceremony` …), `stage`, and `facts`, the kinds of what was recorded.
Sent for refusals as well: a wrong code is a `code_entered`."""

alerted = Signal()
"""An operator should look: `what` and `about` (see `qcp_sdk.effects.Alert`)."""
