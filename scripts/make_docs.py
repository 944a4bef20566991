"""Write the pages of docs/ that are made from the code: `make_docs.py`, or `make_docs.py --check` to only compare.

Pages: docs/errors/ from the docstrings of errors.py, docs/machine.md from the tables of the two machines,
docs/promises.md from the conformance suites, docs/cli.md from the parser of the command line,
docs/history.md from the sentences of the history.
"""

from __future__ import annotations

import argparse
import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from textwrap import dedent
from typing import TYPE_CHECKING, Protocol, TypeVar

from qcp_sdk.diagrams import Leads, common, mermaid
from qcp_sdk.facts import Fact

if TYPE_CHECKING:
    from qcp_sdk.testing.conformance.base import Conformance

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
MADE = "<!-- Made by `make docs`. Do not edit: mend the code it comes from ({source}). -->"

Pages = dict[str, str]


class Told(Leads, Protocol):
    """A row that also says what it does: in a note, or in the docstring of the function that folds the fact."""

    @property
    def apply(self) -> Callable[..., object]: ...

    @property
    def note(self) -> str: ...


StageT = TypeVar("StageT", bound=StrEnum)
RowT = TypeVar("RowT", bound=Told)
SettleT = TypeVar("SettleT")


def page(title: str, source: str, *parts: str) -> str:
    """Put a page together: the mark that it is made, the title, the parts with one empty line between."""
    return "\n\n".join([MADE.format(source=source), f"# {title}", *(part.strip("\n") for part in parts if part)]) + "\n"


def table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Draw a Markdown table; a bar inside a cell would end it."""
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def summary(thing: object) -> str:
    """Give the first paragraph of a docstring as one line; empty where there is none, as for a closure."""
    return " ".join(inspect.cleandoc(getattr(thing, "__doc__", None) or "").partition("\n\n")[0].split())


def code(*words: str) -> str:
    """Set words as code, with commas."""
    return ", ".join(f"`{word}`" for word in words)


# -- errors ------------------------------------------------------------------------------------------------------


def errors() -> Pages:
    """Make a page for every error, and one that draws the tree."""
    from qcp_sdk import errors as room

    source = "src/qcp_sdk/errors.py"
    kinds = [kind for _, kind in inspect.getmembers(room, inspect.isclass) if issubclass(kind, room.QcpError)]
    kinds.sort(key=lambda kind: inspect.getsourcelines(kind)[1])
    pages = {f"errors/{kind.code}.md": _error(kind, room.QcpError, source) for kind in kinds}
    if len(pages) != len(kinds):
        raise ValueError("two errors share a code")
    rows = [(f"[`{kind.code}`]({kind.code}.md)", f"`{kind.__name__}`", summary(kind)) for kind in kinds]
    pages["errors/README.md"] = page(
        "Errors",
        source,
        _prose(inspect.getdoc(room) or ""),
        table(("code", "class", "what it says"), rows),
    )
    return pages


def _error(kind: type[Exception], root: type[Exception], source: str) -> str:
    parts = _sections(inspect.getdoc(kind) or "")
    missing = {"Why", "Mend"} - parts.keys()
    if missing:
        raise ValueError(f"`{kind.__name__}` says no {' and no '.join(sorted(missing))} in its docstring")
    above = [base for base in kind.__mro__[1:] if issubclass(base, root)]
    links = [f"[`{base.__name__}`]({base.__dict__['code']}.md)" for base in above]
    ancestry = " ← ".join([f"`{kind.__name__}`", *links])
    below = [f"[`{child.__dict__['code']}`]({child.__dict__['code']}.md)" for child in kind.__subclasses__()]
    return page(
        f"`{kind.__dict__['code']}`: {kind.__name__}",
        source,
        parts[""],
        f"## Why it happens\n\n{parts['Why']}",
        f"## How to mend it\n\n{parts['Mend']}",
        f"## Where it stands\n\n{ancestry}" + (f"\n\nMore exactly: {', '.join(below)}." if below else ""),
    )


def _sections(doc: str) -> dict[str, str]:
    """Split a docstring into its text (under "") and what follows `Why:` and `Mend:`."""
    text, *named = re.split(r"^(Why|Mend): ", doc, flags=re.MULTILINE)
    return {"": text.strip()} | {name: told.strip() for name, told in zip(named[0::2], named[1::2], strict=True)}


def _prose(doc: str) -> str:
    """Turn a module's docstring into Markdown: its literal block becomes a fenced one."""
    text = re.sub(
        r"^::\n\n((?:    .*\n|\n)+)", lambda found: f"```text\n{dedent(found[1]).strip()}\n```\n\n", doc, flags=re.M
    )
    return text.strip()


# -- machines ----------------------------------------------------------------------------------------------------


def machines() -> Pages:
    """Draw both machines, and tell every row of their tables."""
    from qcp_sdk.ceremony import machine as ceremony
    from qcp_sdk.subscription import machine, money

    money_rows = [
        (f"`{state}`", f"`{fact.kind}`", code(*row.to))
        for state, row_ in money.MONEY.items()
        for fact, row in row_.items()
    ]
    parts = (
        "Every row of the tables that decide what may follow what. A fact that finds no row is refused when a person "
        "or the host says it, and settled by the second table when it is a late answer. Kinds and stages are written "
        "as they are stored; they are never renamed.",
        "## The subscription",
        *_machine(machine.TRANSITIONS),
        "### Late answers",
        "An answer without a row changes neither stage nor money; what it reveals is settled.",
        _settlements(machine.SETTLEMENTS),
        "### The money",
        _prose(inspect.getdoc(money) or ""),
        table(("state", "fact", "leads to"), money_rows),
        "## The ceremony",
        *_machine(ceremony.CEREMONY_TRANSITIONS),
        "### Late answers",
        _settlements(ceremony.CEREMONY_SETTLEMENTS),
    )
    return {"machine.md": page("The machines", "TRANSITIONS and SETTLEMENTS of both machines", *parts)}


def _machine(transitions: Mapping[StageT, Mapping[type[Fact], RowT]]) -> Iterator[str]:
    yield f"```mermaid\n{mermaid(transitions)}```"
    told: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (kind, to), origins in common(transitions).items():
        told.setdefault((to, tuple(origins)), []).append(kind)
    if told:
        yield "Not drawn, because they come from many stages:\n\n" + "\n".join(
            f"- to `{to}` by {code(*kinds)}, from {code(*origins)}" for (to, origins), kinds in told.items()
        )
    for stage, row in transitions.items():
        yield f"### `{stage}`"
        if not row:
            yield "Final: an empty row. What still arrives is settled, or refused."
            continue
        yield table(
            ("fact", "said by", "leads to", "what happens"),
            [
                (
                    f"`{fact.kind}`",
                    f"{fact.origin}",
                    code(*leads.to) or "stays",
                    leads.note or summary(leads.apply) or summary(fact),
                )
                for fact, leads in row.items()
            ],
        )


def _settlements(settlements: Mapping[StageT, Mapping[type[Fact], SettleT]]) -> str:
    rows: dict[tuple[str, str], list[StageT]] = {}
    for stage, settled in settlements.items():
        for fact, settle in settled.items():
            how = getattr(settle, "note", "") or summary(getattr(settle, "apply", settle))
            rows.setdefault((fact.kind, how), []).append(stage)
    return table(
        ("fact", "at", "how it is settled"),
        [
            (f"`{kind}`", "every stage" if len(stages) == len(settlements) else code(*stages), how)
            for (kind, how), stages in rows.items()
        ],
    )


# -- promises ----------------------------------------------------------------------------------------------------


def promises() -> Pages:
    """List every promise of every port, as the conformance suites state them."""
    from qcp_sdk.testing import conformance
    from qcp_sdk.testing.conformance.base import Conformance

    parts = [
        "What an adapter promises, by port. Each promise is a test of that number in `qcp_sdk.testing.conformance`; "
        "the adapters shipped here and yours sit the same exam. [The conformance kit](conformance.md) shows how."
    ]
    for module in sorted(found.name for found in iter_modules(conformance.__path__)):
        room = import_module(f"{conformance.__name__}.{module}")
        suites = [
            kind
            for _, kind in inspect.getmembers(room, inspect.isclass)
            if issubclass(kind, Conformance) and kind.__module__ == room.__name__ and kind.promises()
        ]
        for suite in sorted(suites, key=lambda kind: inspect.getsourcelines(kind)[1]):
            unnamed = [name for name in vars(suite) if name.startswith("test_")]
            if len(unnamed) > len(suite.promises()):
                raise ValueError(f"`{suite.__name__}` has tests that state no promise, or two with one number")
            parts += [f"## {suite.__name__}", summary(suite), *_promised(suite)]
    return {"promises.md": page("Promises", "src/qcp_sdk/testing/conformance/", *parts)}


def _promised(suite: type[Conformance]) -> Iterator[str]:
    needs = suite.requirements()
    rows = []
    for number, sentence in suite.promises().items():
        needed = code(*(each.name for each in needs[number]))
        rows.append((f"`{number}`", f"{sentence} *Needs {needed}.*" if needed else sentence))
    yield table(("promise", "what holds"), rows)
    sentences = {each.name: each.sentence for needed in needs.values() for each in needed}
    if sentences:
        yield "An adapter may do without:\n\n" + "\n".join(
            f"- `{name}`: {sentences[name]}." for name in sorted(sentences)
        )


# -- command line ------------------------------------------------------------------------------------------------


def command_line() -> Pages:
    """Tell every command and option."""
    from qcp_sdk.cli import build_parser

    return {"cli.md": page("The command line", "src/qcp_sdk/cli/__init__.py", *_commands(build_parser(), "qcp-sdk", 2))}


def _commands(parser: argparse.ArgumentParser, name: str, depth: int, told: str = "") -> Iterator[str]:
    # Told by hand: argparse words its help differently from one Python to the next, and pages would flap.
    yield f"{'#' * depth} `{name}`"
    if parser.description or told:
        yield parser.description or f"{told[0].upper()}{told[1:]}."
    rows: list[tuple[str, ...]] = []
    below: list[tuple[str, argparse.ArgumentParser, str]] = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            helps = {choice.dest: choice.help or "" for choice in action._choices_actions}
            below += [(word, child, helps.get(word, "")) for word, child in action.choices.items()]
        elif not isinstance(action, argparse._HelpAction):
            value = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
            value = "|".join(map(str, action.choices)) if action.choices else value
            names = ", ".join(f"`{option}`" for option in action.option_strings)
            takes = action.nargs != 0
            rows.append(
                (
                    (names + (f" `{value}`" if takes else "")) if names else f"`{value}`",
                    (action.help or "").replace("%(default)s", str(action.default)).replace("%%", "%"),
                )
            )
    if rows:
        yield table(("argument", "meaning"), rows)
    if parser.epilog:
        yield parser.epilog
    for word, child, helped in below:
        yield from _commands(child, f"{name} {word}", min(depth + 1, 4), helped)


# -- history in words --------------------------------------------------------------------------------------------

HISTORY = """
What a support page and a terminal say of each fact: `qcp-sdk history ID`, `flask qcp history ID`, Django's admin.
Nothing personal is in a sentence; what people wrote themselves is in none, and is read with `operations.reveal`, on
record. In Flask and Django your own sentences go into `texts/<language>.toml` of your templates' folder, table
`history`.
"""


def history() -> Pages:
    """Tell the sentence of each kind of fact in both languages."""
    from zoneinfo import ZoneInfo

    from qcp_sdk.adapters.shared.texts import load_texts

    french, english = (load_texts(language, ZoneInfo("UTC")).words("history") for language in ("fr", "en"))
    rows = [(code(kind), french[kind].replace("\u00a0", " ").replace("\u202f", " "), english[kind]) for kind in french]
    source = "templates/texts/"
    return {"history.md": page("History in words", source, HISTORY, table(("fact", "français", "English"), rows))}


# -- writing -----------------------------------------------------------------------------------------------------

MAKERS: tuple[Callable[[], Pages], ...] = (errors, machines, promises, command_line, history)


def stale(pages: Pages) -> Iterator[str]:
    """Say which pages differ from what lies in docs/, and which lie there made from nothing."""
    for name, text in pages.items():
        path = DOCS / name
        if not path.is_file():
            yield f"docs/{name} is missing"
        elif path.read_text("utf-8") != text:
            yield f"docs/{name} is stale"
    for path in orphans(pages):
        yield f"{path.relative_to(ROOT)} is made from nothing any more"


def orphans(pages: Pages) -> Iterator[Path]:
    """Give the made pages that nothing makes any more."""
    mark = MADE.partition("{")[0]
    for path in sorted(DOCS.rglob("*.md")):
        if path.read_text("utf-8").startswith(mark) and path.relative_to(DOCS).as_posix() not in pages:
            yield path


def main() -> int:
    parser = argparse.ArgumentParser(description=summary(sys.modules[__name__]))
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a page is stale")
    check: bool = parser.parse_args().check
    pages: Pages = {}
    for maker in MAKERS:
        pages |= maker()
    if check:
        faults = list(stale(pages))
        for fault in faults:
            print(f"{fault}: run `make docs`", file=sys.stderr)
        print(f"{len(pages)} generated pages, {len(faults)} faults")
        return 1 if faults else 0
    for path in orphans(pages):
        path.unlink()
    for name, text in pages.items():
        path = DOCS / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    print(f"wrote {len(pages)} pages under docs/")
    return 0


if __name__ == "__main__":
    sys.exit(main())
