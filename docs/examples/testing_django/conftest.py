"""Django, once for all tests; with pytest-django, its `settings` fixture takes the place of `override_settings`."""

from __future__ import annotations

import os
from collections.abc import Iterator

import django
import pytest
from django.test import Client, override_settings
from django.test.utils import setup_test_environment, teardown_test_environment

from qcp_sdk import Qcp

os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
django.setup()


@pytest.fixture(scope="session", autouse=True)
def _django() -> Iterator[None]:
    setup_test_environment()
    yield
    teardown_test_environment()


@pytest.fixture
def client(qcp: Qcp) -> Iterator[Client]:
    with override_settings(QCP={"INSTALLATION": qcp}):
        yield Client()
