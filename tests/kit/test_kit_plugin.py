"""The pytest plugin: found by itself, light to load, worlds that share nothing, and nothing for who does not ask."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import entry_points

import pytest

pytest_plugins = ("pytester",)

HOST = """
from datetime import timedelta

from qcp_sdk import Qcp, Stage, SignatureLevel
from qcp_sdk.adapters.memory.clock import ManualClock
from qcp_sdk.adapters.memory.world import MemoryWorld
from qcp_sdk.testing.scene import Scene


def test_one_world(qcp, qcp_clock, qcp_world, qcp_scene):
    assert (type(qcp), type(qcp_clock), type(qcp_world), type(qcp_scene)) == (Qcp, ManualClock, MemoryWorld, Scene)
    assert qcp_scene.qcp is qcp and qcp_scene.world is qcp_world and qcp_world.clock is qcp_clock
    before = qcp_clock.now()
    qcp_clock.advance(timedelta(days=1))
    assert qcp.ports.clock.now() - before == timedelta(days=1)


def test_a_journey(qcp, qcp_scene):
    view = qcp_scene.subscribe(qcp_scene.jessica)
    assert view.stage is Stage.ACTIVE
    assert qcp.collectes.enforce(qcp_scene.collecte(qcp_scene.jessica, level=SignatureLevel.NIVEAU_3))


def test_the_next_world_knows_nothing_of_it(qcp, qcp_scene, qcp_world):
    assert qcp.subscriptions.page(account=qcp_scene.jessica.id).qcp is None
    assert qcp_world.notices.to(qcp_scene.jessica.email) == ()
"""


def loaded_by(statement: str) -> set[str]:
    """Give the modules that a statement adds to those of pytest."""
    program = (
        "import json, sys, pytest\nbefore = set(sys.modules)\n"
        f"{statement}\nprint(json.dumps(sorted(set(sys.modules) - before)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


def test_loading_it_loads_the_plugin_and_nothing_else() -> None:
    (entry,) = [one for one in entry_points(group="pytest11") if one.name == "qcp_sdk"]
    assert entry.value == "qcp_sdk.testing.plugin"
    assert loaded_by(f"import {entry.value}") == {"qcp_sdk", "qcp_sdk.testing", "qcp_sdk.testing.plugin"}


def test_the_fixtures_are_one_world_and_every_test_has_its_own(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(HOST)
    pytester.runpytest_subprocess("-p", "no:randomly").assert_outcomes(passed=3)


@pytest.mark.long
def test_they_work_in_several_workers(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(HOST)
    pytester.runpytest_subprocess("-n", "2").assert_outcomes(passed=3)


def test_a_host_s_own_world_takes_the_place_of_ours(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        import pytest
        from qcp_sdk.adapters.memory.world import MemoryWorld

        @pytest.fixture
        def qcp_world():
            world = MemoryWorld()
            world.faults.unavailable("accounts", times=99)
            return world
        """
    )
    pytester.makepyfile(
        """
        import pytest
        from qcp_sdk import Unavailable

        def test_it_fails_as_scripted(qcp, qcp_scene):
            with pytest.raises(Unavailable):
                qcp.subscriptions.page(account=qcp_scene.jessica.id)
        """
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=1)


def test_a_project_that_does_not_use_it_notices_nothing(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import sys

        def test_nothing_of_it_is_here(request):
            assert not [name for name in sys.modules if name.startswith(("qcp_sdk.", "hypothesis", "asn1crypto"))
                        and name not in ("qcp_sdk.testing", "qcp_sdk.testing.plugin")]
            assert request.fixturenames == ["request"]
        """
    )
    # Schemathesis, which the tests of the pages use, has a plugin that loads Hypothesis for everybody.
    result = pytester.runpytest_subprocess(
        "-p", "no:schemathesis", "-W", "error", "--strict-markers", "--strict-config"
    )
    result.assert_outcomes(passed=1)


def test_it_can_be_left_out(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_without(qcp): ...")
    result = pytester.runpytest_subprocess("-p", "no:qcp_sdk")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*fixture 'qcp' not found*"])
    assert "PYTEST_DISABLE_PLUGIN_AUTOLOAD" not in os.environ
