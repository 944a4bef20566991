"""Conformance suites: one class a port, one numbered promise a test. Fakes and real adapters sit the same exam.

`base` tells how a suite is used. Import a suite from its module: `from qcp_sdk.testing.conformance.identity import …`.
"""

import pkgutil

import pytest

# Before any suite is imported: an integrator who breaks a promise sees the values, as in tests of their own.
pytest.register_assert_rewrite(*(f"{__name__}.{module.name}" for module in pkgutil.iter_modules(__path__)))
