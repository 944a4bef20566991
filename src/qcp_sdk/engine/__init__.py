"""The only place where facts meet the world: load, step, save, perform.

`streams` reads and writes streams through the store, sealed and chained; `performers` is the table from effects to
ports; `core` ties them together; `signing` holds the one call that carries a secret to a collaborator.
"""

from qcp_sdk.engine.collaborators import Collaborators
from qcp_sdk.engine.core import Engine

__all__ = ["Collaborators", "Engine"]
