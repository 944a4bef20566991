"""The public names: typed for a host as they are at run time."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import assert_type

import qcp_sdk
from qcp_sdk import Code, Qcp, Secret, SubscriptionId, SubscriptionView


def typed_as_promised(qcp: Qcp, id: SubscriptionId) -> None:
    """Never run: what the type checker sees is the test."""
    view = qcp.subscriptions.get(id)
    assert_type(view, SubscriptionView)
    assert_type(view.say(Code("1234567")), SubscriptionView)
    assert_type(Code("1234567").text, Secret)


def test_the_names_that_checkers_see_are_those_that_exist() -> None:
    tree = ast.parse(Path(qcp_sdk.__file__).read_text("utf-8"))
    guard = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {alias.name: node.module for node in guard.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert sorted(seen) == qcp_sdk.__all__
    for name, module in seen.items():
        assert getattr(qcp_sdk, name) is getattr(__import__(str(module), fromlist=[name]), name)


def test_an_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(qcp_sdk, "Quokka")
