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


@pytest.mark.parametrize(
    "waivers", [{"test_accounts_99_no_such_promise": "why not"}, {"test_accounts_3_it_is_as_it_is_now": " "}]
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


def test_a_waiver_that_is_no_longer_needed_fails(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from qcp_sdk.adapters.memory.accounts import MemoryAccounts
        from qcp_sdk.testing.conformance.accounts import AccountsConformance

        class TestMine(AccountsConformance):
            waivers = {"test_accounts_1_an_account_is_given_whole": "it was broken once"}

            def make_accounts(self, *people):
                return MemoryAccounts(people)

            def change(self, accounts, person):
                accounts.put(person)
        """
    )
    told = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    told.assert_outcomes(passed=3, failed=1)
    told.stdout.fnmatch_lines(["*it was broken once*"])


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
    numbers = sorted(int(promise.rpartition("-")[2]) for promise in promises)
    assert numbers == list(range(1, len(numbers) + 1))


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
