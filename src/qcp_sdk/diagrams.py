"""Draws a table of transitions as Mermaid text: the docs and `qcp-sdk diagram` show the code, not a retelling of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Final, Protocol, TypeVar

from qcp_sdk.facts import Fact


class Leads(Protocol):
    """What a row of any machine says about where it may lead."""

    @property
    def to(self) -> tuple[StrEnum, ...]:
        """Give the stages that the row may lead to; none when it stays."""


StageT = TypeVar("StageT", bound=StrEnum)
RowT = TypeVar("RowT", bound=Leads)

COMMON: Final = 5
"""A fact that leads to one end from more stages than this is told under the diagram, not drawn: arrows from everywhere
to one place hide the journey."""


def arrows(table: Mapping[StageT, Mapping[type[Fact], RowT]]) -> dict[tuple[StrEnum, StrEnum], list[str]]:
    """Give every pair of different stages that some fact leads between, with the kinds of these facts."""
    found: dict[tuple[StrEnum, StrEnum], list[str]] = {}
    for stage, row in table.items():
        for fact, leads in row.items():
            for to in leads.to:
                if to != stage:
                    found.setdefault((stage, to), []).append(fact.kind)
    return found


def common(table: Mapping[StageT, Mapping[type[Fact], RowT]]) -> dict[tuple[str, StrEnum], list[StrEnum]]:
    """Give the facts that lead to one stage from many, with the stages that they lead from."""
    origins: dict[tuple[str, StrEnum], list[StrEnum]] = {}
    for (origin, to), kinds in arrows(table).items():
        for kind in kinds:
            origins.setdefault((kind, to), []).append(origin)
    return {pair: stages for pair, stages in origins.items() if len(stages) > COMMON}


def mermaid(table: Mapping[StageT, Mapping[type[Fact], RowT]]) -> str:
    """Give the diagram of this table as Mermaid text. The first stage of the table is where the machine begins."""
    return "\n".join(_lines(table)) + "\n"


def _lines(table: Mapping[StageT, Mapping[type[Fact], RowT]]) -> Iterator[str]:
    told = common(table)
    yield "stateDiagram-v2"
    yield "    direction TB"
    yield f"    [*] --> {next(iter(table))}"
    for (origin, to), kinds in arrows(table).items():
        drawn = [kind for kind in kinds if (kind, to) not in told]
        if drawn:
            yield f"    {origin} --> {to}: {'<br/>'.join(drawn)}"
    for stage, row in table.items():
        if not row:
            yield f"    {stage} --> [*]"
