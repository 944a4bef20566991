"""A real browser before real servers: Debian's Chromium, driven by Playwright; axe-core looks at every page.

These run where `QCP_BROWSER` names a Chromium and `QCP_AXE` the file `axe.min.js` of npm's axe-core (`.ci/run` installs
both), with `-m browser`. One browser a process, one server a platform; every test has a scene, and people, of its own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser import people
from tests.browser.hosts import HOSTS, Host, made


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Host]]:
    """The platforms that were asked for so far."""
    running: dict[str, Host] = {}
    yield running
    for one in running.values():
        one.close()


@pytest.fixture(params=HOSTS)
def host(request: pytest.FixtureRequest, servers: dict[str, Host], tmp_path_factory: pytest.TempPathFactory) -> Host:
    """Each of the platforms, with a new scene."""
    name = request.param
    if name not in servers:
        servers[name] = made(name, tmp_path_factory.mktemp(name))
    servers[name].begin()
    return servers[name]


@pytest.fixture
def flask_host(servers: dict[str, Host], tmp_path_factory: pytest.TempPathFactory) -> Host:
    """The quicker of the two, where both would show the same."""
    if "flask" not in servers:
        servers["flask"] = made("flask", tmp_path_factory.mktemp("flask"))
    servers["flask"].begin()
    return servers["flask"]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    path = os.environ.get("QCP_BROWSER")
    if not path:
        pytest.fail("QCP_BROWSER names no browser: these tests are for `make browser`", pytrace=False)
    with people.chromium(path) as browser:
        yield browser


@pytest.fixture(scope="session")
def axe() -> str:
    return Path(os.environ["QCP_AXE"]).read_text(encoding="utf-8")


@pytest.fixture
def browse(chromium: Any) -> Iterator[people.Browse]:
    """Open a browser of somebody's: `browse()`, `browse(java_script_enabled=False)`, `browse(viewport=…)`. What a page
    says against its policy, or throws, fails the test.
    """
    opened = people.Browse(chromium)
    yield opened
    opened.close()
    assert opened.trouble == []
