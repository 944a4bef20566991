"""The kit's own rules: promises are not overridden, waivers are honest, and every promise has its number."""

from __future__ import annotations

import importlib
import pkgutil
import re

import pytest

from qcp_sdk.adapters.memory.accounts import MemoryAccounts
from qcp_sdk.people import Account
from qcp_sdk.ports.accounts import Accounts
from qcp_sdk.testing import conformance
from qcp_sdk.testing.conformance.accounts import AccountsConformance
from qcp_sdk.testing.conformance.base import Conformance, only_port_errors, rejected
from qcp_sdk.testing.conformance.marking import THREADS, Capability
from qcp_sdk.testing.conformance.store import StoreConformance

pytest_plugins = ["pytester"]


class Suite(AccountsConformance):
    """Not called Test…, so that nothing here is collected."""

    def make_accounts(self, *people: Account) -> MemoryAccounts:
        return MemoryAccounts(people)

    def change(self, accounts: Accounts, person: Account) -> None:
        assert isinstance(accounts, MemoryAccounts)
        accounts.put(person)


def suites() -> list[type[Conformance]]:
    found = []
    for module in pkgutil.iter_modules(conformance.__path__, f"{conformance.__name__}."):
        if not module.name.endswith(".base"):
            members = vars(importlib.import_module(module.name)).values()
            found += [
                suite
                for suite in members
                if isinstance(suite, type) and issubclass(suite, Conformance) and suite.__module__ == module.name
            ]
    return found


def test_a_promise_cannot_be_overridden() -> None:
    with pytest.raises(TypeError, match="test_accounts_2_an_unknown_account_is_rejected"):
        type("Sly", (Suite,), {"test_accounts_2_an_unknown_account_is_rejected": lambda self: None})


def test_a_mixin_cannot_override_a_promise_either() -> None:
    mixin = type("Mixin", (), {"test_accounts_3_it_is_as_it_is_now": lambda self: None})
    with pytest.raises(TypeError, match="test_accounts_3_it_is_as_it_is_now"):
        type("Sly", (mixin, Suite), {})


def test_a_subclass_of_a_subclass_cannot_override_one_either() -> None:
    own = type("Own", (Suite,), {"test_of_our_own": lambda self: None})
    waiving = type("Waiving", (own,), {"waivers": {"test_accounts_3_it_is_as_it_is_now": "copied at night"}})
    for name in ("test_accounts_3_it_is_as_it_is_now", "test_of_our_own"):
        with pytest.raises(TypeError, match=name):
            type("Sly", (waiving,), {name: lambda self: None})
    assert issubclass(type("Fine", (waiving,), {"helper": lambda self: None}), Suite)


def test_a_final_helper_cannot_be_overridden_and_a_hook_can() -> None:
    with pytest.raises(TypeError, match="final helpers: refused"):
        type("Sly", (StoreConformance,), {"refused": lambda *_: None})
    assert issubclass(type("Fine", (StoreConformance,), {"make_store": lambda self: None}), StoreConformance)


@pytest.mark.parametrize(
    "waivers",
    [
        {"test_accounts_99_no_such_promise": "why not"},
        {"test_accounts_3_it_is_as_it_is_now": " "},
        {"test_accounts_3_it_is_as_it_is_now[at night]": "it has no cases"},
        {"make_accounts": "a hook is no promise"},
    ],
)
def test_a_waiver_names_a_promise_and_a_reason(waivers: dict[str, str]) -> None:
    with pytest.raises(TypeError, match="waives"):
        type("Sloppy", (Suite,), {"waivers": waivers})


def test_a_waiver_marks_one_suite_and_no_other() -> None:
    name = "test_accounts_3_it_is_as_it_is_now"
    waived = type("Waived", (Suite,), {"waivers": {name: "the directory is copied at night"}})
    (mark,) = getattr(waived, name).pytestmark
    assert (mark.name, mark.kwargs["strict"]) == ("xfail", True)
    assert "at night" in mark.kwargs["reason"]
    assert not hasattr(getattr(Suite, name), "pytestmark")


def test_a_subclass_waives_what_its_own_attribute_says() -> None:
    first, second = "test_accounts_1_an_account_is_given_whole", "test_accounts_3_it_is_as_it_is_now"
    above = type("Above", (Suite,), {"waivers": {first: "once"}})
    same = type("Same", (above,), {})
    other = type("Other", (above,), {"waivers": {second: "now"}})
    none = type("None_", (other,), {"waivers": {}})

    def marked(suite: type[Conformance]) -> list[str]:
        return [name for name in (first, second) if getattr(getattr(suite, name), "pytestmark", ())]

    assert [marked(suite) for suite in (above, same, other, none)] == [[first], [first], [second], []]


OURS = """
    from qcp_sdk.adapters.memory.accounts import MemoryAccounts
    from qcp_sdk.testing.conformance.accounts import AccountsConformance

    class Ours(AccountsConformance):
        def make_accounts(self, *people):
            return MemoryAccounts(people)

        def change(self, accounts, person):
            accounts.put(person)
"""


def test_a_waiver_that_is_no_longer_needed_fails(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        OURS
        + """
    class TestMine(Ours):
        waivers = {"test_accounts_1_an_account_is_given_whole": "it was broken once"}

    class TestBelow(TestMine):
        pass
"""
    )
    told = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    told.assert_outcomes(passed=2 * (len(AccountsConformance.promises()) - 1), failed=2)
    told.stdout.fnmatch_lines(["*it was broken once*"])


SMALL = """
    import pytest
    from hypothesis import given, strategies as st
    from qcp_sdk.testing.conformance.base import PROPERTY, Conformance
    from qcp_sdk.testing.conformance.marking import Capability, needs

    FLIGHT = Capability("flight", "it leaves the ground")

    class Birds(Conformance):
        sings = "loud"

        @needs(FLIGHT)
        def test_birds_1_it_flies(self):
            "birds-1: It flies."
            assert self.flies

        @needs(FLIGHT)
        @pytest.mark.parametrize("season", ["summer", "winter"])
        @pytest.mark.parametrize("hour", [6, 22], ids=lambda hour: f"at-{hour}")
        def test_birds_2_it_sings(self, season, hour):
            "birds-2: It sings."
            assert season == "summer" or self.sings == "always"

        @PROPERTY
        @given(number=st.integers())
        def test_birds_3_any_number(self, number):
            "birds-3: Any number is fine."
            assert self.sings
"""


def test_what_is_lacking_is_skipped_by_name_and_comes_back_below(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        SMALL
        + """
    class TestOstrich(Birds):
        lacks = frozenset({FLIGHT})

    class TestYoung(TestOstrich):
        sings = ""
        waivers = {"test_birds_3_any_number": "it is still learning"}

    class TestSwallow(TestOstrich):
        lacks = frozenset()
        flies, sings = True, "always"
"""
    )
    told = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-rs")
    # An ostrich: 5 skipped and 1 passed; its young: 5 skipped, 1 xfailed; a swallow: all 6 pass.
    told.assert_outcomes(passed=7, skipped=10, xfailed=1)
    told.stdout.fnmatch_lines(["*it lacks flight: it leaves the ground*"])


def test_a_case_of_a_promise_is_waived_alone(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        SMALL
        + """
    class TestRobin(Birds):
        flies = True
        waivers = {"test_birds_2_it_sings[winter]": "it is cold"}

    class TestBelow(TestRobin):
        pass

    class TestEachHour(TestRobin):
        waivers = {"test_birds_2_it_sings[at-6]": "it is cold", "test_birds_2_it_sings[at-22]": "it is cold"}

    class TestWrongly(TestRobin):
        waivers = {"test_birds_2_it_sings": "it is cold"}
"""
    )
    told = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-rx")
    # Two of the four cases are in winter; waiving the whole promise also waives summer, where it is not needed, and
    # so does waiving each hour.
    told.assert_outcomes(passed=4 + 4 + 2 + 2, xfailed=2 + 2 + 2 + 2, failed=2 + 2)


def test_a_capability_that_no_promise_needs_cannot_be_lacking() -> None:
    with pytest.raises(TypeError, match="no promise needs: swimming"):
        type("Sloppy", (Suite,), {"lacks": frozenset({Capability("swimming", "it swims")})})


def test_the_capabilities_of_a_suite_are_told() -> None:
    needed = {number for number, needs in StoreConformance.requirements().items() if THREADS in needs}
    assert needed == {"store-4", "store-8", "store-21", "store-22", "store-31"}


@pytest.mark.parametrize("suite", suites(), ids=lambda suite: suite.__name__)
def test_every_promise_has_its_number_in_its_name_and_its_sentence(suite: type[Conformance]) -> None:
    tests = [name for name in dir(suite) if name.startswith("test_")]
    promises = suite.promises()
    assert tests
    assert len(promises) == len(tests)
    for name in tests:
        said = re.match(r"([a-z]+)-([0-9]+): ", (getattr(suite, name).__doc__ or "").strip())
        assert said, name
        assert name.startswith(f"test_{said[1]}_{said[2]}_"), name


def test_the_promises_of_a_port_are_numbered_without_gaps() -> None:
    # A port may have a suite for a part of it: `documents` has one for the shelf alone.
    numbers: dict[str, set[int]] = {}
    for suite in suites():
        for promise in suite.promises():
            port, _, number = promise.rpartition("-")
            numbers.setdefault(port, set()).add(int(number))
    for port, found in numbers.items():
        assert found == set(range(1, len(found) + 1)), port


def test_importing_a_suite_collects_nothing() -> None:
    assert not [suite.__name__ for suite in suites() if suite.__name__.startswith("Test")]


def test_a_foreign_error_fails_a_promise() -> None:
    def leak() -> None:
        raise KeyError("session")

    with pytest.raises(pytest.fail.Exception, match="KeyError"):
        only_port_errors(leak)
    with pytest.raises(KeyError), rejected("unknown_session"):
        leak()


def test_an_acceptance_fails_where_a_rejection_was_promised() -> None:
    with pytest.raises(pytest.fail.Exception), rejected("unknown_session"):
        pass
