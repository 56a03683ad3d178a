"""Swapping the boundary set in force while it is being asked."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import shapely

from cad_bridge.discovery.answer import DiscoveryAnswer
from cad_bridge.discovery.areas import BoundaryIndex
from cad_bridge.discovery.discover import discover
from cad_bridge.discovery.holder import BoundaryHolder
from cad_bridge.discovery.query import DiscoveryQuery
from tests.unit.discovery.ground import ground, index, squares

QUESTIONS = [
    DiscoveryQuery(easting=easting, northing=northing, crs="osgb")
    for easting in (401_000, 411_000, 421_000, 431_000)
    for northing in (301_000, 311_000, 321_000, 331_000)
]


def renamed(number: int) -> dict[str, shapely.Polygon]:
    """The same ground, shared out differently in each generation."""
    codes = ["AAA", "BBB", "CCC"]
    return {codes[(position + number) % 3]: area for position, area in enumerate(squares().values())}


def test_the_new_one_is_in_force_and_the_old_one_is_kept() -> None:
    first, second = index(name="first"), index(name="second")
    holder = BoundaryHolder(first)
    assert holder.swap(second) is first
    assert holder.current is second
    assert holder.versions == (first.version, second.version)
    assert holder.version(first.version) is first


def test_an_old_decision_can_be_explained_after_a_swap() -> None:
    holder = BoundaryHolder(index(name="old", areas=renamed(0)))
    query = DiscoveryQuery(easting=410_000, northing=310_000, crs="osgb")
    decision = discover(query, holder.current)
    holder.swap(index(name="new", areas=renamed(1)))
    assert discover(query, holder.current).ast != decision.ast
    assert discover(query, holder.version(decision.boundary_version)) == decision


def test_an_unknown_version_is_an_error() -> None:
    with pytest.raises(KeyError):
        BoundaryHolder(index()).version("never")


def test_a_swap_under_load_yields_neither_an_error_nor_a_mix() -> None:
    """Eight threads ask while one swaps: each answer is, whole, the answer of the set that it names."""
    sets = [ground(name=f"generation-{number}", areas=renamed(number)) for number in range(6)]
    expected = {
        (boundaries.version, position): discover(query, BoundaryIndex(boundaries)).as_dict()
        for boundaries in sets
        for position, query in enumerate(QUESTIONS)
    }
    holder = BoundaryHolder(BoundaryIndex(sets[0]))
    stop = threading.Event()

    def ask() -> list[tuple[int, DiscoveryAnswer]]:
        answers = []
        while not stop.is_set():
            for position, query in enumerate(QUESTIONS):
                answers.append((position, discover(query, holder.current)))
        return answers

    with ThreadPoolExecutor(8) as threads:
        asking = [threads.submit(ask) for _ in range(8)]
        try:
            for turn in range(60):
                holder.swap(BoundaryIndex(sets[turn % len(sets)]))
        finally:
            stop.set()
        answers = [answer for asked in asking for answer in asked.result()]
    assert len({answer.boundary_version for _, answer in answers}) > 1
    assert all(answer.as_dict() == expected[answer.boundary_version, position] for position, answer in answers)
