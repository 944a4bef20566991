"""Change the pure rooms one small thing at a time and see whether a test notices: `mutants.py [ROOM…] [--write]`.

mutmut makes the changes and switches them on (every variant of a function lies beside it, one is called); this
script adds the rows of the tables, of which order is made, leaves out the wording of errors, and runs the tests: they
are collected once, then each mutant is a fork that runs what reaches its function, fastest first, until one fails.

`[tool.mutants]` in pyproject.toml names the rooms, the tests and the floor; tests/mutants.toml holds every survivor
that may live, with the reason. Exit 1: a room is under the floor, a survivor has no reason, or a reason no survivor.
"""

from __future__ import annotations

import argparse
import difflib
import gc
import json
import os
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path

import libcst as cst
import libcst.matchers as m
import pytest
from attrs import frozen
from mutmut.mutation import file_mutation
from mutmut.mutation.trampoline import set_mutant_under_test
from mutmut.state import state
from mutmut.utils.format_utils import mangled_name_from_mutant_name, orig_function_and_class_names_from_key

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ROOT / "src"
EXPLAINED = ROOT / "tests" / "mutants.toml"
PAGE = ROOT / "docs" / "mutants.md"
BEGIN, END = "<!-- rooms: made by `make mutants` -->", "<!-- /rooms -->"

SLACK, STRETCH = 5.0, 5.0
"""Seconds of processor time a mutant may take, and how many times what its tests take unchanged."""
MEMORY = 3 << 30
QUICKLY = ["--capture=no", "--tb=no", "--assert=plain", *(f"-pno:{name}" for name in ["xdist", "logging", "doctest"])]
"""Nobody reads why a mutant failed, so nothing is written about it."""
KILLED, SURVIVED, TOO_LONG, UNTESTED = "killed", "survived", "too long", "untested"


@frozen(kw_only=True)
class Mutant:
    """One change: `where` names the function or table, `was` and `becomes` the lines that differ, whatever lies around
    them; `number` tells apart changes that read the same.
    """

    room: str
    name: str
    """What switches it on: mutmut's name, or the place of a row."""
    reached_by: str
    """The function (as mutmut names it) whose tests are run."""
    tests: tuple[str, ...]
    """The files of these tests."""
    where: str
    was: str
    becomes: str
    number: int = 1

    @property
    def id(self) -> tuple[str, str, str, int]:
        """What it is known by in tests/mutants.toml."""
        return self.where, self.was, self.becomes, self.number


# --- making them --------------------------------------------------------------------------------------------------


class _Undecorated(cst.CSTTransformer):
    """Write every property as a plain method and `name = property(name)`: mutmut leaves decorated functions alone."""

    def leave_FunctionDef(  # noqa: N802  # named by libcst
        self, original_node: cst.FunctionDef, updated_node: cst.FunctionDef
    ) -> cst.FunctionDef | cst.FlattenSentinel[cst.BaseStatement]:
        if not m.matches(original_node, m.FunctionDef(decorators=[m.Decorator(m.Name("property"))])):
            return updated_node
        name = original_node.name.value
        made = cst.parse_statement(f"{name} = property({name})")
        return cst.FlattenSentinel([updated_node.with_changes(decorators=[]), made])


def _wording(module: cst.Module) -> set[cst.CSTNode]:
    """Every node of an error's sentence and of its remedy: what they say is read by people, and asserted by nobody."""
    found: set[cst.CSTNode] = set()

    def collect(node: cst.CSTNode) -> None:
        found.add(node)
        for child in node.children:
            collect(child)

    for call in m.findall(module, m.Raise(exc=m.Call())):
        assert isinstance(call, cst.Raise)
        assert isinstance(call.exc, cst.Call)
        for place, argument in enumerate(call.exc.args):
            name = argument.keyword.value if argument.keyword else ""
            if name == "mend" or (place == 0 and isinstance(argument.value, cst.BaseString)):
                collect(argument.value)
    # The readers of files say both to a method that raises (policy/nodes.py).
    for call in m.findall(module, m.Call(func=m.Attribute(attr=m.Name("fail")))):
        assert isinstance(call, cst.Call)
        for argument in call.args[:2]:
            collect(argument.value)
    # Or to a function that makes their error, after its place; or they yield place, sentence and remedy.
    for call in m.findall(module, m.Call(func=m.Name("flaw"))):
        assert isinstance(call, cst.Call)
        for argument in call.args[1:]:
            collect(argument.value)
    for flaws in m.findall(module, m.FunctionDef()):
        assert isinstance(flaws, cst.FunctionDef)
        if flaws.name.value.endswith("_flaws"):
            for told in m.findall(flaws, m.Yield(value=m.Tuple())):
                assert isinstance(told, cst.Yield)
                assert isinstance(told.value, cst.Tuple)
                for element in told.value.elements[1:]:
                    collect(element.value)
    return found


def _difference(module: cst.Module, mutation: file_mutation.Mutation) -> tuple[str, str]:
    function = mutation.contained_by_top_level_function
    assert function is not None
    changed = file_mutation.deep_replace(function, mutation.original_node, mutation.mutated_node)
    assert isinstance(changed, cst.FunctionDef)
    lines = difflib.ndiff(module.code_for_node(function).splitlines(), module.code_for_node(changed).splitlines())
    sides: dict[str, list[str]] = {"-": [], "+": []}
    for line in lines:
        if line[0] in sides:
            sides[line[0]].append(line[2:].strip())
    return " ".join(sides["-"]), " ".join(sides["+"])


def mutate(source: Path, room: str, tests: tuple[str, ...]) -> tuple[str, list[Mutant]]:
    """Give the file with every variant in it, and what they are."""
    plain = cst.parse_module(source.read_text("utf-8")).visit(_Undecorated()).code
    module, mutations, classes, functions = file_mutation.create_mutations(str(source), plain)
    prose = _wording(module)
    kept = [
        one
        for one in mutations
        if isinstance(one.contained_by_top_level_function, cst.FunctionDef) and one.original_node not in prose
    ]
    made = file_mutation.combine_mutations_to_source(module, kept, classes, functions)
    dotted = ".".join(source.relative_to(SOURCES).with_suffix("").parts).removesuffix(".__init__")
    # mutmut numbers variants within each function, in the order of the mutations.
    by_function: dict[cst.CSTNode, list[file_mutation.Mutation]] = defaultdict(list)
    for one in kept:
        assert one.contained_by_top_level_function is not None
        by_function[one.contained_by_top_level_function].append(one)
    names: dict[str, list[str]] = defaultdict(list)
    for name in made.mutant_names:
        names[mangled_name_from_mutant_name(name)].append(name)
    mutants: list[Mutant] = []
    seen: Counter[tuple[str, str, str]] = Counter()
    in_order = sorted(by_function, key=lambda node: _place(module, node))
    for function, its_names in zip(in_order, names.values(), strict=True):
        for one, name in zip(by_function[function], its_names, strict=True):
            called, owner = orig_function_and_class_names_from_key(name)
            where = ".".join(filter(None, (dotted.removeprefix("qcp_sdk."), owner, called)))
            was, becomes = _difference(module, one)
            seen[where, was, becomes] += 1
            mutants.append(
                Mutant(
                    room=room,
                    name=f"{dotted}.{name}",
                    reached_by=f"{dotted}.{mangled_name_from_mutant_name(name)}",
                    tests=tests,
                    where=where,
                    was=was,
                    becomes=becomes,
                    number=seen[where, was, becomes],
                )
            )
    return made.code, mutants


def _place(module: cst.Module, wanted: cst.CSTNode) -> tuple[int, int]:
    for outer, statement in enumerate(module.body):
        if statement is wanted:
            return outer, 0
        if isinstance(statement, cst.ClassDef):
            for inner, child in enumerate(statement.body.body):
                if child is wanted:
                    return outer, inner
    raise LookupError(wanted)


def rows(tables: Mapping[str, str], room: str, tests: tuple[str, ...]) -> list[Mutant]:
    """Give one mutant for each row of each table: that it is missing."""
    found: list[Mutant] = []
    for place, reached_by in tables.items():
        seen: set[int] = set()
        for key, row in _table(place).items():
            if id(row) in seen:
                continue  # every stage settles alike: one table, shared
            seen.add(id(row))
            found += [
                Mutant(
                    room=f"{room}, rows",
                    name=f"{place}[{key}][{fact.__name__}]",
                    reached_by=reached_by,
                    tests=tests,
                    where=place.removeprefix("qcp_sdk.").replace(":", "."),
                    was=f"{key}: {fact.__name__}",
                    becomes="",
                )
                # `ignored` is a row to be read: without it, nothing happens either.
                for fact, does in row.items()
                if getattr(getattr(does, "apply", does), "__name__", "") != "ignored"
            ]
    return found


def _table(place: str) -> Mapping[str, dict[type, object]]:
    module, _, name = place.partition(":")
    table: Mapping[str, dict[type, object]] = getattr(import_module(module), name)
    return table


def switch_on(mutant: Mutant) -> None:
    """Put the change into this process."""
    set_mutant_under_test(mutant.name)
    if "[" in mutant.name:
        place, key, fact = mutant.name.replace("]", "").split("[")
        row = next(row for one, row in _table(place).items() if str(one) == key)
        del row[next(kind for kind in row if kind.__name__ == fact)]


# --- running them -------------------------------------------------------------------------------------------------


class Killer:
    """A pytest plugin that runs the collected tests once for every mutant, each time in a fork."""

    def __init__(self, mutants: Sequence[Mutant], jobs: int) -> None:
        self.mutants, self.jobs = list(mutants), jobs
        self.fates: dict[str, str] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Take the place of the usual loop. Nothing runs in this process, so no cache here knows an answer."""
        if session.testsfailed:
            raise session.Failed("the tests could not be collected")
        reporter = session.config.pluginmanager.get_plugin("terminalreporter")
        session.config.pluginmanager.unregister(reporter)
        reach, seconds = self._learn(session)
        files = [item.nodeid.split("::")[0] for item in session.items]
        gc.collect()
        gc.freeze()  # else the first collection in each fork would copy every page
        begin = time.monotonic()
        running: dict[int, Mutant] = {}
        for done, mutant in enumerate(self.mutants):
            reaching = (p for p in reach.get(mutant.reached_by, ()) if files[p] in mutant.tests)
            places = sorted(reaching, key=seconds.__getitem__)
            if not places:
                self.fates[mutant.name] = UNTESTED
                continue
            while len(running) >= self.jobs:
                self._reap(running)
            limit = SLACK + STRETCH * sum(seconds[place] for place in places)
            running[self._fork(session, mutant, places, limit)] = mutant
            if done % 100 == 0:
                print(f"{done} of {len(self.mutants)} mutants, {time.monotonic() - begin:.0f} s", file=sys.stderr)
        while running:
            self._reap(running)
        return True

    def _learn(self, session: pytest.Session) -> tuple[dict[str, list[int]], list[float]]:
        """Run every test once, unchanged: which functions does it reach, and how long does it take?"""
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            _be_quiet()
            set_mutant_under_test("stats")
            reach: dict[str, list[int]] = defaultdict(list)
            seconds = []
            for place, item in enumerate(session.items):
                state()._stats.clear()
                begin = time.process_time()
                _run(item)
                seconds.append(time.process_time() - begin)
                for function in state()._stats:
                    reach[function].append(place)
            with os.fdopen(writing, "w") as pipe:
                json.dump({"reach": reach, "seconds": seconds, "failed": session.testsfailed}, pipe)
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            learned = json.load(pipe)
        os.waitpid(child, 0)
        if learned["failed"]:
            raise session.Failed(f"{learned['failed']} tests fail without any change: run them first")
        return learned["reach"], learned["seconds"]

    def _fork(self, session: pytest.Session, mutant: Mutant, places: Iterable[int], limit: float) -> int:
        child = os.fork()
        if child:
            return child
        _be_quiet()
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_PROF, limit)
        signal.alarm(int(10 * limit))
        switch_on(mutant)
        for place in places:
            _run(session.items[place])
            if session.testsfailed:
                os._exit(1)
        os._exit(0)

    def _reap(self, running: dict[int, Mutant]) -> None:
        child, status = os.wait()
        code = os.waitstatus_to_exitcode(status)
        fate = SURVIVED if code == 0 else TOO_LONG if code in (-signal.SIGPROF, -signal.SIGALRM) else KILLED
        self.fates[running.pop(child).name] = fate


def _be_quiet() -> None:
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)


def _run(item: pytest.Item) -> None:
    try:
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
    except BaseException:  # noqa: BLE001  # whatever a mutant makes of it, it was noticed
        item.session.testsfailed += 1


# --- judging ------------------------------------------------------------------------------------------------------


@frozen(kw_only=True)
class Score:
    """How one room stands."""

    room: str
    mutants: int
    killed: int
    survivors: int

    @property
    def share(self) -> float:
        """How many in a hundred were noticed."""
        return 100 * self.killed / self.mutants


def explained() -> dict[tuple[str, str, str, int], str]:
    """Read which survivors may live, and why."""
    told = tomllib.loads(EXPLAINED.read_text("utf-8")).get("survivor", []) if EXPLAINED.exists() else []
    return {(one["where"], one["was"], one["becomes"], one.get("number", 1)): one["why"] for one in told}


def scores(mutants: Iterable[Mutant], fates: Mapping[str, str]) -> list[Score]:
    """Sum up by room."""
    by_room: dict[str, list[str]] = defaultdict(list)
    for mutant in mutants:
        by_room[mutant.room].append(fates[mutant.name])
    return [
        Score(
            room=room,
            mutants=len(ends),
            killed=sum(end in (KILLED, TOO_LONG) for end in ends),
            survivors=sum(end in (SURVIVED, UNTESTED) for end in ends),
        )
        for room, ends in by_room.items()
    ]


def table(found: Sequence[Score]) -> Iterator[str]:
    """Write the scores as a Markdown table."""
    yield "| Room | Mutants | Killed | Survivors | Killed of 100 |"
    yield "|---|--:|--:|--:|--:|"
    for one in found:
        yield f"| {one.room} | {one.mutants} | {one.killed} | {one.survivors} | {one.share:.1f} |"
    whole = Score(
        room="**all**",
        mutants=sum(one.mutants for one in found),
        killed=sum(one.killed for one in found),
        survivors=sum(one.survivors for one in found),
    )
    yield f"| {whole.room} | {whole.mutants} | {whole.killed} | {whole.survivors} | {whole.share:.1f} |"


def rewritten(page: str, found: Iterable[Score]) -> str:
    """Give the page with the rows of these rooms replaced; those of other rooms stay."""
    before, rest = page.split(BEGIN)
    inside, after = rest.split(END)
    told = re.findall(r"^\| ([a-z, ]+) \| (\d+) \| (\d+) \| (\d+) \|", inside, re.MULTILINE)
    known = {one[0]: Score(room=one[0], mutants=int(one[1]), killed=int(one[2]), survivors=int(one[3])) for one in told}
    known |= {one.room: one for one in found}
    return "\n".join((before + BEGIN, "", *table(list(known.values())), "", END + after))


def quoted(text: str) -> str:
    """Write a TOML string."""
    return json.dumps(text, ensure_ascii=False)


def judge(mutants: Sequence[Mutant], fates: Mapping[str, str], floor: float) -> list[str]:
    """Give everything that is not as it should be, ready to be read or to be pasted into tests/mutants.toml."""
    reasons = explained()
    wrong = []
    alive = {mutant.id: mutant for mutant in mutants if fates[mutant.name] in (SURVIVED, UNTESTED)}
    for key, mutant in alive.items():
        if key not in reasons:
            number = f"number = {mutant.number}\n" if mutant.number > 1 else ""
            wrong.append(
                f"# {fates[mutant.name]}\n[[survivor]]\nwhere = {quoted(mutant.where)}\nwas = {quoted(mutant.was)}\n"
                f'becomes = {quoted(mutant.becomes)}\n{number}why = ""\n'
            )
    known = {mutant.id for mutant in mutants}
    places = {mutant.where for mutant in mutants}
    wrong += [
        f"# explained in tests/mutants.toml, and {'killed' if key in known else 'no mutant'}: {key}"
        for key in reasons
        if key not in alive and (key in known or key[0] in places)
    ]
    wrong += [
        f"# {one.room}: {one.share:.1f} of 100 killed, {floor:g} are asked for"
        for one in scores(mutants, fates)
        if one.share < floor
    ]
    return wrong


def tests_of(mutants: Iterable[Mutant]) -> list[str]:
    """Give every file of tests that is needed."""
    return sorted({test for mutant in mutants for test in mutant.tests})


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print the table and what is wrong; 1 when something is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("rooms", nargs="*", help="rooms of [tool.mutants.rooms]; all without any")
    parser.add_argument("--jobs", type=int, default=1, help="forks at a time")
    parser.add_argument("--write", action="store_true", help="put the scores into docs/mutants.md")
    parser.add_argument("--only", default="", help="only functions whose name begins so")
    asked = parser.parse_args(arguments)
    os.chdir(ROOT)
    told = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["mutants"]
    rooms = told["rooms"]
    wanted = asked.rooms or list(rooms)
    with tempfile.TemporaryDirectory() as made:
        sources = Path(made) / "src"
        shutil.copytree(SOURCES, sources, ignore=shutil.ignore_patterns("__pycache__"))
        mutants: list[Mutant] = []
        for room in wanted:
            tests = tuple(rooms[room]["tests"])
            for path in sorted(p for files in rooms[room]["files"] for p in (SOURCES / "qcp_sdk").glob(files)):
                code, its = mutate(path, room, tests)
                (sources / path.relative_to(SOURCES)).write_text(code, "utf-8")
                mutants += its
        sys.path.insert(0, str(sources))
        os.environ["QCP_HYPOTHESIS"] = "mutants"
        set_mutant_under_test("")
        for room in wanted:
            mutants += rows(rooms[room].get("tables", {}), room, tuple(rooms[room]["tests"]))
        mutants = [mutant for mutant in mutants if mutant.where.startswith(asked.only)]
        killer = Killer(mutants, asked.jobs)
        begin = time.monotonic()
        code_of_tests = pytest.main([*QUICKLY, *tests_of(mutants)], plugins=[killer])
        if len(killer.fates) != len(mutants):
            print(f"the tests did not run: pytest ends with {code_of_tests}", file=sys.stderr)
            return 2
    found = scores(mutants, killer.fates)
    print(*table(found), f"{time.monotonic() - begin:.0f} s", sep="\n")
    wrong = judge(mutants, killer.fates, told["floor"])
    print(*wrong, sep="\n")
    if asked.write and not asked.only:
        PAGE.write_text(rewritten(PAGE.read_text("utf-8"), found), "utf-8")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
