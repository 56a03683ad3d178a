"""The matrix for people: a table on the terminal, a page in docs/."""

from __future__ import annotations

import json as jsonlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from cad_bridge.traceability.catalogue import read_areas
from cad_bridge.traceability.collection import TestsUnavailableError
from cad_bridge.traceability.matrix import Matrix, Row, Status, as_json, matrix

if TYPE_CHECKING:
    from collections.abc import Iterator

CHECKOUT = Path(__file__).resolve().parents[2]
"""The checkout that this code runs from, if it runs from one."""


INTRODUCTION = """\
# Requirements

<!-- Written by `make requirements` from the marks on the tests. Do not edit. -->

The numbered requirements of the Booking and Referral Standard (Core, Applications 3, 4 and 6), its hazards and the
PRSB sections, and the tests that show them. A requirement counts as shown only by a test that fails when the behaviour
is taken away. The numbers are those of the project's requirement catalogue; the texts are in the standard. What is not
ours, and why: [decision 16](decisions/0016-requirements-not-ours.md).

`cad-bridge requirements` prints the counts, `cad-bridge requirements --json` all of it.
"""


def print_requirements(*, json: bool) -> None:
    """Prints where every requirement stands: a table of areas, or with ``json`` the whole matrix.

    Raises:
        SystemExit: the tests cannot be asked (an installed package has none), or a test's marks are wrong.
    """
    try:
        whole = matrix(CHECKOUT)
    except TestsUnavailableError as problem:
        sys.exit(str(problem))
    if json:
        sys.stdout.write(jsonlib.dumps(as_json(whole), indent=2) + "\n")
    else:
        Console().print(as_table(whole))
    if whole.faults:
        sys.exit("\n".join(whole.faults))


def as_table(whole: Matrix) -> Table:
    """How many requirements of each area are shown, not shown, not ours."""
    table = Table(title="BaRS requirements by area", caption="`--json` prints every requirement with its tests")
    table.add_column("Area", no_wrap=True)
    table.add_column("About")
    for heading in ("Shown", "Not shown", "Not ours"):
        table.add_column(heading, justify="right", no_wrap=True)
    for area, about in read_areas().items():
        table.add_row(area, about, *_cells(whole, area))
    table.add_section()
    table.add_row("All", f"{len(whole.rows)} requirements", *_cells(whole, None), style="bold")
    return table


def _cells(whole: Matrix, area: str | None) -> list[str]:
    return [str(count or "") for count in whole.counts(area).values()]


def as_page(whole: Matrix) -> str:
    """The Markdown of docs/requirements.md: the same for every run over the same tests."""
    return "\n".join([*_heading(whole), *(line for area in read_areas().items() for line in _section(whole, *area))])


def _heading(whole: Matrix) -> Iterator[str]:
    counts = whole.counts()
    yield INTRODUCTION
    yield (
        f"**{len(whole.rows)} requirements: {counts[Status.SHOWN]} shown, {counts[Status.NOT_SHOWN]} not shown, "
        f"{counts[Status.NOT_OURS]} not ours.**"
    )
    yield from ("", "| Area | About | Shown | Not shown | Not ours |", "|---|---|---:|---:|---:|")
    for area, about in read_areas().items():
        yield f"| [{area}](#{area.lower()}) | {about} | {' | '.join(_cells(whole, area))} |"
    yield ""


def _section(whole: Matrix, area: str, about: str) -> Iterator[str]:
    rows = [row for row in whole.rows if row.requirement.area == area]
    yield from (f"## {area}", "", f"{about}.", "")
    shown = [row for row in rows if row.status is Status.SHOWN]
    if shown:
        yield from ("| Requirement | Level | Role | Shown by |", "|---|---|---|---|", *map(_shown, shown), "")
    open_ = [row.requirement.id for row in rows if row.status is Status.NOT_SHOWN]
    if open_:
        yield from (f"Not shown: {', '.join(open_)}.", "")
    for reason in dict.fromkeys(row.reason for row in rows if row.status is Status.NOT_OURS):
        ids = [row.requirement.id for row in rows if row.reason == reason]
        yield from (f"Not ours ({reason}): {', '.join(ids)}.", "")


def _shown(row: Row) -> str:
    functions = dict.fromkeys(test.partition("[")[0] for test in row.tests)
    listed = "<br>".join(f"`{function}`" for function in functions)
    return f"| {row.requirement.id} | {row.requirement.level} | {row.requirement.role} | {listed} |"
