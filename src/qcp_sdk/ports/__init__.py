"""One Protocol a collaborator, one file each, nothing but domain types in them.

Every method is keyword-only and raises only `Rejected`, `Unavailable` or `Unconfirmed`. A method with a `key`
keeps three promises: the same key never acts twice; asked again, it answers the same; and after an error of the
second or third kind it may be called again with that key. A method that may not have an answer yet returns
`Pending`: the engine asks again later, with the same arguments.
"""

from qcp_sdk.ports.answers import Outcome, OutcomeKind, Pending

__all__ = ["Outcome", "OutcomeKind", "Pending"]
