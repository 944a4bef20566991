"""Adapters from a table of settings: which providers an installation asks, at which addresses, with which keys.

Switching is configuration: without a section, an installation has its local adapter; with the sandbox's addresses, the
sandbox; with a provider's, the provider. The host's code is the same.
"""

from qcp_sdk.providers.installation import adapters, open_from, read

__all__ = ["adapters", "open_from", "read"]
