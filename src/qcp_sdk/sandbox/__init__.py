"""One stateful server that plays every provider: develop, test and demonstrate without an account anywhere.

`server.Sandbox` mounts the providers under prefixes and adds the control page and API; `qcp-sdk sandbox` serves it,
the pytest fixture `qcp_sandbox` does so within a test. Nothing here is ever fit for production.
"""
